//! Tests of the OP_RETURN of vault transactions.

use proptest::prelude::*;

use super::*;

fn meta(paid: &[u64]) -> VaultMeta {
    VaultMeta::new(3, FeeRate::from_sat_per_kwu(0x0102_0304), paid.to_vec()).unwrap()
}

#[test]
fn the_layout_is_as_documented() {
    let head = hex::encode(b"TCTV") + "0100" + "0300" + "04030201";
    let bytes = meta(&[0x0a0b, 0x0a0c, 0x0a0b + 9]).encode();
    assert_eq!(hex::encode(bytes), head.clone() + "0b0a00000000" + "0302");
    assert_eq!(hex::encode(meta(&[]).encode()), head + "000000000000");
}

#[test]
fn the_longest_one_has_80_bytes_and_a_minimal_push() {
    let first = (1 << 48) - 1;
    let longest = meta(&[first, first + MAX_SPAN - 1]);
    let bytes = longest.encode();
    assert_eq!(bytes.len(), 80);
    let script = longest.to_script();
    assert_eq!(script.len(), 83);
    assert_eq!(VaultMeta::script_bytes(&script).unwrap(), bytes);
    assert_eq!(VaultMeta::decode(&bytes).unwrap(), longest);
}

#[test]
fn indices_must_ascend_and_fit() {
    let new = |paid: &[u64]| VaultMeta::new(0, FeeRate::default(), paid.to_vec());
    assert_eq!(new(&[5, 5]), Err(MetaError::Order));
    assert_eq!(new(&[6, 5]), Err(MetaError::Order));
    assert_eq!(new(&[0, MAX_SPAN]), Err(MetaError::Span));
    assert_eq!(new(&[1 << 48]), Err(MetaError::Span));
    assert!(new(&[0, MAX_SPAN - 1]).is_ok());
}

#[test]
fn bytes_that_are_not_canonical_are_refused() {
    let good = meta(&[7, 16]).encode();
    let tampered = |f: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        f(&mut bytes);
        VaultMeta::decode(&bytes).unwrap_err()
    };
    assert_eq!(tampered(&|b| b[0] ^= 1), DecodeError::Unknown("vault magic"));
    assert_eq!(tampered(&|b| b[4] = 2), DecodeError::Unknown("vault version"));
    assert_eq!(tampered(&|b| b[5] = 3), DecodeError::Unknown("vault flags"));
    assert!(matches!(
        tampered(&|b| b[5] = 1),
        DecodeError::UnexpectedEnd { .. }
    ));
    assert_eq!(tampered(&|b| b.push(0)), DecodeError::OutOfRange("vault bitmap"));
    assert_eq!(
        tampered(&|b| b[18] &= !1),
        DecodeError::OutOfRange("vault bitmap")
    );
    assert_eq!(
        tampered(&|b| b.truncate(18)),
        DecodeError::OutOfRange("vault bitmap")
    );
    assert_eq!(
        tampered(&|b| b.truncate(17)),
        DecodeError::UnexpectedEnd { needed: 1 }
    );
    assert_eq!(tampered(&|b| b.resize(81, 1)), DecodeError::TrailingBytes(1));
}

#[test]
fn a_handover_states_what_goes_to_whom_and_nothing_else() {
    let rate = FeeRate::from_sat_per_kwu(0x0102_0304);
    let head = |flag: &str| hex::encode(b"TCTV") + "01" + flag + "0000" + "04030201";
    let vault = VaultMeta::handing_over(Handover::Vault(EpochHash([7; 32])), rate);
    let key = crate::testing::x_only(5);
    let anchor = VaultMeta::handing_over(Handover::Anchor(key), rate);
    assert_eq!(hex::encode(vault.encode()), head("01") + &"07".repeat(32));
    assert_eq!(
        hex::encode(anchor.encode()),
        head("02") + &hex::encode(key.serialize())
    );
    for meta in [vault, anchor] {
        assert_eq!((meta.n_dep(), meta.paid()), (0, &[][..]));
        let bytes = meta.encode();
        assert_eq!(VaultMeta::decode(&bytes).unwrap(), meta);
        assert_eq!(VaultMeta::script_bytes(&meta.to_script()).unwrap(), bytes);
        let mut longer = bytes.clone();
        longer.push(0);
        assert_eq!(VaultMeta::decode(&longer), Err(DecodeError::TrailingBytes(1)));
        assert!(VaultMeta::decode(&bytes[..bytes.len() - 1]).is_err());
        let mut sweeping = bytes;
        sweeping[6] = 1;
        assert_eq!(
            VaultMeta::decode(&sweeping),
            Err(DecodeError::OutOfRange("deposits beside a handover"))
        );
    }
    let mut no_point = VaultMeta::handing_over(Handover::Anchor(key), rate).encode();
    no_point[12..].fill(0xff);
    assert!(matches!(
        VaultMeta::decode(&no_point),
        Err(DecodeError::BadPoint(_))
    ));
}

#[test]
fn only_an_op_return_with_one_minimal_push_is_read() {
    let bytes = meta(&[1]).encode();
    let len = u8::try_from(bytes.len()).unwrap();
    let script = |prefix: &[u8], suffix: &[u8]| ScriptBuf::from_bytes([prefix, &bytes, suffix].concat());
    assert!(VaultMeta::script_bytes(&script(&[0x6a, len], &[])).is_ok());
    let refused = [
        script(&[0x6a, 0x4c, len], &[]),
        script(&[0x6a, len], &[0x51]),
        script(&[len], &[]),
        script(&[0x6a, len + 1], &[]),
        ScriptBuf::from_bytes(vec![0x6a]),
        ScriptBuf::new(),
    ];
    for script in refused {
        assert_eq!(VaultMeta::script_bytes(&script), Err(MetaError::Script));
    }
}

proptest! {
    #[test]
    fn metas_round_trip(
        n_dep: u16,
        rate: u32,
        first in 0u64..1 << 48,
        offsets in prop::collection::btree_set(0..MAX_SPAN, 0..60),
    ) {
        let low = offsets.first().copied().unwrap_or(0);
        let paid: Vec<u64> = offsets.iter().map(|offset| first + offset - low).collect();
        let meta = VaultMeta::new(n_dep, FeeRate::from_sat_per_kwu(rate), paid).unwrap();
        let bytes = meta.encode();
        prop_assert!(bytes.len() <= 80);
        prop_assert_eq!(VaultMeta::decode(&bytes).unwrap(), meta);
    }

    #[test]
    fn what_decodes_encodes_to_the_same_bytes(flags in 0u8..4, tail in prop::collection::vec(any::<u8>(), 0..70)) {
        let bytes = [&MAGIC[..], &[VERSION, flags], &tail].concat();
        if let Ok(meta) = VaultMeta::decode(&bytes) {
            prop_assert_eq!(meta.encode(), bytes);
        }
    }
}
