//! Keys of passphrases, and what was sealed under them.

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;

fn key(passphrase: &[u8], salt: u8) -> (Key, [u8; CHECK_LEN]) {
    let cheap = KdfParams::new(8, 1, 1).unwrap();
    cheap.derive(passphrase, &[salt; SALT_LEN]).unwrap()
}

#[test]
fn the_default_cost_is_64_mebibytes_and_three_passes() {
    let params = KdfParams::default();
    assert_eq!(params, KdfParams::new(65_536, 3, 1).unwrap());
    assert_eq!(
        params.encode(),
        [0, 0, 1, 0, 3, 0, 0, 0, 1, 0, 0, 0],
        "as it stands in files"
    );
}

#[test]
fn a_cost_that_is_too_high_or_too_low_is_refused_also_in_bytes() {
    let (most_m, most_t, most_lanes) = (4 * 1024 * 1024, 64, 16);
    assert!(KdfParams::new(most_m, most_t, most_lanes).is_ok());
    for (m_cost, t_cost, lanes) in [(most_m + 1, 1, 1), (8, most_t + 1, 1), (256, 1, most_lanes + 1)] {
        let too_costly = KdfError::TooCostly {
            m_cost,
            t_cost,
            lanes,
        };
        assert_eq!(KdfParams::new(m_cost, t_cost, lanes), Err(too_costly));
        let bytes = [m_cost, t_cost, lanes].map(u32::to_le_bytes).concat();
        assert!(matches!(
            KdfParams::decode(&bytes),
            Err(DecodeError::OutOfRange(_))
        ));
    }
    for (m_cost, t_cost, lanes) in [(7, 1, 1), (8, 0, 1), (8, 1, 0), (8, 1, 2)] {
        let refused = KdfParams::new(m_cost, t_cost, lanes);
        assert!(matches!(refused, Err(KdfError::Impossible(_))), "{refused:?}");
    }
}

#[test]
fn a_key_depends_on_passphrase_and_salt_and_its_check_value_is_not_the_key() {
    let (one, check) = key(b"passphrase", 1);
    assert!(one.0 == key(b"passphrase", 1).0.0);
    for (other, other_check) in [key(b"passphrasf", 1), key(b"passphrase", 2)] {
        assert!(one.0 != other.0);
        assert_ne!(check, other_check);
    }
    assert!(!one.0.windows(CHECK_LEN).any(|part| part == check));
}

#[test]
fn what_is_sealed_opens_under_the_same_key_and_header_only() {
    let mut rng = StdRng::seed_from_u64(1);
    let (right, wrong) = (key(b"right", 1).0, key(b"wrong", 1).0);
    let sealed = seal(&right, b"header", b"content", &mut rng);
    assert_eq!(
        open(&right, b"header", &sealed).as_deref(),
        Some(&b"content".to_vec())
    );
    assert!(open(&wrong, b"header", &sealed).is_none());
    assert!(open(&right, b"heades", &sealed).is_none());
    for at in 0..sealed.len() {
        let mut bad = sealed.clone();
        bad[at] ^= 1;
        assert!(open(&right, b"header", &bad).is_none(), "byte {at}");
        assert!(open(&right, b"header", &sealed[..at]).is_none(), "{at} bytes");
    }
}

#[test]
fn sealing_twice_draws_two_nonces() {
    let mut rng = StdRng::seed_from_u64(1);
    let key = key(b"passphrase", 1).0;
    let [one, two] = [(); 2].map(|()| seal(&key, b"", b"content", &mut rng));
    assert_ne!(one[..NONCE_LEN], two[..NONCE_LEN]);
    assert_ne!(one[NONCE_LEN..], two[NONCE_LEN..]);
}
