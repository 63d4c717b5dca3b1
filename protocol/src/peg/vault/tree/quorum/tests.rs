//! Tests of quorums: their leaf byte for byte, what is refused, one encoding each.

use serde_json::{Value, json};

use super::*;
use crate::peg::fixture::key;
use crate::testing::quorum;

/// The keys of these numbers, ascending.
fn keys(numbers: &[u8]) -> Vec<XOnlyPublicKey> {
    quorum(1, numbers, 1).keys().to_vec()
}

/// `prefix`, three keys with their opcodes, `suffix`.
fn leaf_of_three(prefix: &str, suffix: &str) -> String {
    let hex: Vec<String> = keys(&[1, 2, 3])
        .iter()
        .map(|k| hex::encode(k.serialize()))
        .collect();
    format!("{prefix}20{}ac20{}ba20{}ba{suffix}", hex[0], hex[1], hex[2])
}

#[test]
fn a_quorums_leaf_is_as_documented_byte_for_byte() {
    // <timelock> OP_CSV OP_DROP <k1> OP_CHECKSIG <k2> OP_CHECKSIGADD <k3> OP_CHECKSIGADD <2> OP_NUMEQUAL
    let leaf = |threshold, timelock| {
        let quorum = quorum(threshold, &[1, 2, 3], timelock);
        hex::encode(quorum.leaf().as_bytes())
    };
    assert_eq!(leaf(2, 144), leaf_of_three("029000b275", "529c"));
    assert_eq!(leaf(3, 1), leaf_of_three("51b275", "539c"));
    assert_eq!(leaf(1, 16), leaf_of_three("60b275", "519c"));
    assert_eq!(leaf(2, 17), leaf_of_three("0111b275", "529c"));
    assert_eq!(leaf(2, 65_535), leaf_of_three("03ffff00b275", "529c"));
    let many: Vec<u8> = (1..=17).collect();
    let leaf = quorum(17, &many, 5).leaf().to_bytes();
    assert_eq!(leaf.len(), 3 + 17 * 34 + 3);
    assert_eq!(leaf[leaf.len() - 3..], [0x01, 17, 0x9c], "no short push above 16");
    assert_eq!(
        hex::encode(quorum(1, &[1], 5).leaf().as_bytes()),
        format!("55b27520{}ac519c", hex::encode(key(1).serialize())),
        "a single key is checked and counted all the same"
    );
}

#[test]
fn every_part_of_a_quorum_changes_its_leaf() {
    let base = quorum(2, &[1, 2, 3], 144).leaf();
    assert_ne!(base, quorum(3, &[1, 2, 3], 144).leaf());
    assert_ne!(base, quorum(2, &[1, 2, 4], 144).leaf());
    assert_ne!(base, quorum(2, &[1, 2, 3, 4], 144).leaf());
    assert_ne!(base, quorum(2, &[1, 2, 3], 145).leaf());
}

#[test]
fn each_rule_of_a_quorum_refuses_what_breaks_it() {
    let good = keys(&[1, 2, 3]);
    assert!(Quorum::new(1, good.clone(), 1).is_ok() && Quorum::new(3, good.clone(), 65_535).is_ok());
    for (threshold, count) in [(0, 3), (4, 3), (0, 0), (1, 0)] {
        let refused = Quorum::new(threshold, good[..count].to_vec(), 144);
        let keys = count;
        assert_eq!(refused, Err(QuorumError::Threshold { threshold, keys }));
    }
    for order in [[1, 0, 2], [0, 2, 1], [0, 0, 1], [0, 1, 1]] {
        let mixed = order.map(|i: usize| good[i]).to_vec();
        assert_eq!(Quorum::new(2, mixed, 144), Err(QuorumError::KeyOrder));
    }
    assert_eq!(Quorum::new(2, good, 0), Err(QuorumError::Timelock));
    let most: Vec<u8> = (1..=100).collect();
    assert_eq!(quorum(100, &most, 1).keys().len(), MAX_QUORUM_KEYS);
    let more: Vec<u8> = (1..=101).collect();
    let mut keys: Vec<XOnlyPublicKey> = more.iter().map(|n| key(*n)).collect();
    keys.sort_by_key(XOnlyPublicKey::serialize);
    assert_eq!(Quorum::new(2, keys, 144), Err(QuorumError::TooManyKeys(101)));
}

#[test]
fn a_quorum_has_one_encoding_and_nothing_else_is_read() {
    let quorum = quorum(2, &[1, 2, 3], 144);
    let good = quorum.encode();
    let keys: Vec<String> = quorum.keys().iter().map(|k| hex::encode(k.serialize())).collect();
    assert_eq!(hex::encode(&good), format!("900002000300{}", keys.concat()));
    assert_eq!(Quorum::decode(&good), Ok(quorum));
    for cut in 0..good.len() {
        let refused = Quorum::decode(&good[..cut]).unwrap_err();
        assert!(
            matches!(refused, DecodeError::UnexpectedEnd { .. }),
            "{cut}: {refused}"
        );
    }
    let refused = |change: fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        Quorum::decode(&bytes).unwrap_err()
    };
    let out_of_range = DecodeError::OutOfRange("quorum");
    assert_eq!(refused(|b| b.push(0)), DecodeError::TrailingBytes(1));
    assert_eq!(refused(|b| b[0] = 0), out_of_range, "no timelock");
    assert_eq!(refused(|b| b[2] = 0), out_of_range, "no threshold");
    assert_eq!(refused(|b| b[2] = 4), out_of_range, "four of three");
    assert_eq!(refused(|b| b[4] = 2), DecodeError::TrailingBytes(32));
    assert_eq!(
        refused(|b| b[4] = 101),
        out_of_range,
        "too many, before any is read"
    );
    assert_eq!(refused(|b| b[5] = 255), out_of_range, "far too many");
    assert_eq!(refused(|b| b[6..70].rotate_left(32)), out_of_range, "order");
    assert_eq!(refused(|b| b.copy_within(6..38, 38)), out_of_range, "a key twice");
    let no_point = DecodeError::BadPoint("x-only public key");
    assert_eq!(refused(|b| b[38..70].fill(0xff)), no_point);
}

#[test]
fn a_quorum_is_read_from_json_by_the_same_rules() {
    let quorum = quorum(2, &[1, 2, 3], 144);
    let good = serde_json::to_value(&quorum).unwrap();
    assert_eq!(serde_json::from_value::<Quorum>(good.clone()).unwrap(), quorum);
    let refused = |change: fn(&mut Value)| {
        let mut value = good.clone();
        change(&mut value);
        serde_json::from_value::<Quorum>(value).unwrap_err().to_string()
    };
    assert!(refused(|q| q["threshold"] = json!(4)).contains("4 of 3 keys"));
    assert!(refused(|q| q["timelock"] = json!(0)).contains("timelock"));
    assert!(refused(|q| q["timelock"] = json!(65_536)).contains("65536"));
    assert!(refused(|q| q["keys"].as_array_mut().unwrap().reverse()).contains("do not ascend"));
    assert!(refused(|q| q["extra"] = json!(1)).contains("extra"));
    for field in ["threshold", "keys", "timelock"] {
        let mut value = good.clone();
        value.as_object_mut().unwrap().remove(field);
        let error = serde_json::from_value::<Quorum>(value).unwrap_err().to_string();
        assert!(error.contains(field), "{error}");
    }
}
