//! Round trips, every refusal, and that damage never passes.

use bech32::{Bech32, Bech32m, Checksum, Hrp};
use proptest::prelude::*;

use super::*;
use crate::keys::tests::account;
use crate::network::Network;

const NETWORKS: [Network; 4] = [
    Network::Mainnet,
    Network::Testnet4,
    Network::Signet,
    Network::Regtest,
];

fn address(index: u64) -> Address {
    account(1).full_viewing_key().incoming().address(index)
}

/// The 73 bytes of an address before mixing.
fn plain(address: &Address) -> [u8; jumble::LENGTH] {
    let mut bytes = [0; jumble::LENGTH];
    bytes[0] = 1;
    bytes[1..].copy_from_slice(&address.encode());
    bytes
}

fn text<Ck: Checksum>(hrp: &str, bytes: &[u8]) -> String {
    bech32::encode::<Ck>(Hrp::parse(hrp).unwrap(), bytes).unwrap()
}

/// The string of 73 plain bytes, mixed properly.
fn mixed(mut bytes: [u8; jumble::LENGTH]) -> String {
    jumble::jumble(&mut bytes);
    text::<Bech32m>("tacitrt", &bytes)
}

fn parse(text: &str) -> Result<Address, AddressError> {
    Address::parse(text, Network::Regtest)
}

#[test]
fn address_reads_back_on_every_network_in_either_case() {
    for network in NETWORKS {
        let address = address(3);
        let text = address.to_string_for(network);
        assert!(text.starts_with(&format!("{}1", network.hrp())));
        assert_eq!(Address::parse(&text, network), Ok(address));
        assert_eq!(Address::parse(&text.to_uppercase(), network), Ok(address));
    }
}

#[test]
fn address_is_the_pinned_one() {
    assert_eq!(
        address(0).to_string_for(Network::Mainnet),
        "tacit1xxtjmppugxsfsg8yzfs7vkyfacx3434lp5x4ecku550n8nafxg2uh7akzu7e3z43zrpn6v07czxyy2242yenx6cnmvufx4y2uk6a24rcd3hzgnp6eulwwg49apq"
    );
    assert_eq!(
        address(1).to_string_for(Network::Regtest),
        "tacitrt12sdn4gvrj6zn4m2efd4e86pg4xtn7x83sj3kzla5g89qh36u63hktn3rkj65xulacfddhmg25ej3s55gml4u2e6985dqhtu7r2u6dt9us882xzk95qlvk4cjqhg"
    );
}

#[test]
fn addresses_of_one_account_share_nothing() {
    let all: Vec<_> = (0..20).map(address).collect();
    for (i, a) in all.iter().enumerate() {
        for b in &all[i + 1..] {
            assert!(a.d() != b.d() && a.pk_d() != b.pk_d() && a.p_d() != b.p_d());
            let (s, t) = (
                a.to_string_for(Network::Mainnet),
                b.to_string_for(Network::Mainnet),
            );
            let equal = s.chars().zip(t.chars()).filter(|(x, y)| x == y).count();
            assert!(equal < s.len() / 3, "only the prefix and chance may agree");
        }
    }
}

#[test]
fn address_key_is_the_viewing_scalar_times_the_base() {
    let fvk = account(1).full_viewing_key();
    let address = address(9);
    assert_eq!(address.p_d_point(), g_d(address.d()) * fvk.incoming().ivk());
    assert_eq!(address.pk_d(), fvk.incoming().pk_d(address.d()));
    assert_ne!(g_d(address.d()), g_d(&Diversifier::new([0; 8])));
}

#[test]
fn address_of_another_network_is_rejected_and_named() {
    let text = address(0).to_string_for(Network::Mainnet);
    let expected = AddressError::WrongNetwork {
        found: "tacit",
        expected: "tacitrt",
    };
    assert_eq!(parse(&text), Err(expected));
}

#[test]
fn address_of_a_test_network_is_one_of_signet() {
    let text = address(0).to_string_for(Network::Testnet4);
    assert!(Address::parse(&text, Network::Signet).is_ok());
}

#[test]
fn unknown_prefix_is_rejected_even_with_a_good_checksum() {
    let text = text::<Bech32m>("bc", &plain(&address(0)));
    assert_eq!(parse(&text), Err(AddressError::UnknownPrefix("bc".into())));
}

#[test]
fn mixed_case_is_rejected() {
    let text = address(0).to_string_for(Network::Regtest);
    let at = text.rfind(|c: char| c.is_ascii_lowercase()).unwrap();
    let mixed = format!(
        "{}{}{}",
        &text[..at],
        text[at..=at].to_uppercase(),
        &text[at + 1..]
    );
    assert_eq!(parse(&mixed), Err(AddressError::MixedCase));
}

#[test]
fn characters_outside_the_alphabet_are_rejected() {
    let text = address(0).to_string_for(Network::Regtest);
    let damaged = format!("{}b", &text[..text.len() - 1]);
    for bad in [
        "",
        "tacitrt",
        " ",
        "é",
        &damaged,
        &format!(" {text}"),
        &format!("{text}\n"),
    ] {
        assert!(matches!(parse(bad), Err(AddressError::Characters(_))), "{bad:?}");
    }
}

#[test]
fn wrong_checksum_and_plain_bech32_are_rejected() {
    let mut bytes = plain(&address(0));
    jumble::jumble(&mut bytes);
    assert_eq!(
        parse(&text::<Bech32>("tacitrt", &bytes)),
        Err(AddressError::Checksum)
    );
    // The checksum covers the prefix.
    let other = address(0)
        .to_string_for(Network::Signet)
        .replacen("tacitt1", "tacitrt1", 1);
    assert_eq!(parse(&other), Err(AddressError::Checksum));
    assert_eq!(parse("tacitrt1qqqq"), Err(AddressError::Checksum));
    assert!(parse("tacitrt1").is_err());
}

#[test]
fn wrong_lengths_are_rejected() {
    for n in [0, 1, 72, 74, 75, 400] {
        assert_eq!(
            parse(&text::<Bech32m>("tacitrt", &vec![7; n])),
            Err(AddressError::Length),
            "{n}"
        );
    }
    assert_eq!(
        parse(&format!("tacitrt1{}", "q".repeat(2000))),
        Err(AddressError::Length)
    );
}

#[test]
fn set_padding_bit_is_rejected() {
    use bech32::primitives::iter::{ByteIterExt, Fe32IterExt};
    let mut bytes = plain(&address(0));
    jumble::jumble(&mut bytes);
    let mut data: Vec<_> = bytes.iter().copied().bytes_to_fes().collect();
    let hrp = Hrp::parse("tacitrt").unwrap();
    let build = |data: &[bech32::Fe32]| -> String {
        data.iter()
            .copied()
            .with_checksum::<Bech32m>(&hrp)
            .chars()
            .collect()
    };
    assert!(parse(&build(&data)).is_ok());
    let last = data.last_mut().unwrap();
    *last = bech32::Fe32::try_from(last.to_u8() | 1).unwrap();
    assert_eq!(parse(&build(&data)), Err(AddressError::Length));
}

#[test]
fn unknown_version_is_rejected() {
    for version in [0, 2, 255] {
        let mut bytes = plain(&address(0));
        bytes[0] = version;
        assert_eq!(parse(&mixed(bytes)), Err(AddressError::Version(version)));
    }
}

#[test]
fn non_canonical_owner_key_is_rejected() {
    let mut bytes = plain(&address(0));
    bytes[9..41].fill(0xff);
    assert_eq!(
        parse(&mixed(bytes)),
        Err(AddressError::Content(DecodeError::NonCanonicalField))
    );
}

#[test]
fn identity_and_non_canonical_encryption_keys_are_rejected() {
    let (d, pk_d) = (*address(0).d(), address(0).pk_d());
    let mut negative = [0; 32];
    negative[0] = 1;
    for p_d in [[0; 32], [0xff; 32], negative] {
        let mut bytes = plain(&address(0));
        bytes[41..].copy_from_slice(&p_d);
        assert_eq!(
            parse(&mixed(bytes)),
            Err(AddressError::Content(DecodeError::BadPoint("P_d")))
        );
        assert_eq!(Address::new(d, pk_d, p_d), Err(DecodeError::BadPoint("P_d")));
    }
    assert!(Address::from_point(d, pk_d, &RistrettoPoint::identity()).is_none());
}

#[test]
fn mixing_spreads_every_byte_over_the_whole_address() {
    let base = plain(&address(0));
    let mut mixed_base = base;
    jumble::jumble(&mut mixed_base);
    for at in 0..jumble::LENGTH {
        let mut other = base;
        other[at] ^= 1;
        jumble::jumble(&mut other);
        let changed = other.iter().zip(&mixed_base).filter(|(a, b)| a != b).count();
        assert!(changed > jumble::LENGTH * 9 / 10, "byte {at} reaches {changed}");
    }
}

proptest! {
    #[test]
    fn any_address_reads_back(seed: u8, index in 0..u64::MAX, network in 0usize..4) {
        let address = account(seed).full_viewing_key().incoming().address(index);
        prop_assert_eq!(Address::decode(&address.encode()), Ok(address));
        let text = address.to_string_for(NETWORKS[network]);
        prop_assert_eq!(Address::parse(&text, NETWORKS[network]), Ok(address));
    }

    #[test]
    fn mixing_is_undone(bytes: [u8; 32], more: [u8; 32], rest: [u8; 9]) {
        let plain: [u8; jumble::LENGTH] = [&bytes[..], &more, &rest].concat().try_into().unwrap();
        let mut mixed = plain;
        jumble::jumble(&mut mixed);
        prop_assert_ne!(mixed, plain);
        jumble::unjumble(&mut mixed);
        prop_assert_eq!(mixed, plain);
    }

    #[test]
    fn flipped_bits_in_an_address_are_always_rejected(index in 0..8u64, flips in prop::collection::vec((0usize..131, 0u8..7), 1..4)) {
        let text = address(index).to_string_for(Network::Regtest);
        prop_assert_eq!(text.len(), 131);
        let mut bytes = text.clone().into_bytes();
        for (at, bit) in flips {
            bytes[at] ^= 1 << bit;
        }
        let damaged = String::from_utf8(bytes).unwrap();
        prop_assume!(damaged != text);
        prop_assert!(parse(&damaged).is_err());
    }

    #[test]
    fn address_bytes_decode_only_canonically(bytes: [u8; 32], more: [u8; 32], rest: [u8; 8]) {
        let bytes = [&rest[..], &bytes, &more].concat();
        if let Ok(address) = Address::decode(&bytes) {
            prop_assert_eq!(address.encode(), bytes);
        }
    }
}
