//! Tests of chain parameters: what is refused, and what the identifier covers.

use std::collections::HashSet;

use bitcoin::hashes::Hash;
use serde_json::{Value, json};

use super::*;
use crate::network::Network;
use crate::peg::fixture::{key, outpoint, sats};
use crate::peg::vault::VaultKeys;
use crate::testing::quorum;

fn genesis() -> Genesis {
    Genesis {
        rules_version: RULES_VERSION,
        network: Network::Regtest,
        start_height: 110,
        start_hash: bitcoin::BlockHash::from_byte_array([3; 32]),
        anchor: outpoint(1),
        vault: outpoint(2),
        vault_amount: sats(1_000),
        federation_key: key(1),
        anchor_key: key(2),
        finality_depth: 2,
        refund_timelock: REFUND_TIMELOCK,
        takeover_timelock: TAKEOVER_TIMELOCK,
        forced_window: FORCED_WINDOW,
        fee_table: FeeTable::new(&[0, 10, 50, 100]).unwrap(),
        vault_backup: Some(quorum(3, &[41, 42, 43, 44, 45], BACKUP_TIMELOCK)),
        vault_recovery: Some(quorum(2, &[51, 52, 53], 26_280)),
    }
}

/// The same without leaves in the vault's tree.
fn without_leaves() -> Genesis {
    Genesis {
        vault_backup: None,
        vault_recovery: None,
        ..genesis()
    }
}

fn circuit(name: &str) -> CircuitKey {
    CircuitKey {
        name: name.to_owned(),
        circuit_digest: [1; 32],
        verifying_key: vec![1, 2, 3],
        key_hash: [2; 32],
        insecure: true,
    }
}

fn params() -> ChainParams {
    ChainParams::new(genesis(), vec![circuit("transfer-v1"), circuit("batch-4-4-v1")]).unwrap()
}

#[test]
fn the_file_and_the_bytes_round_trip() {
    let params = params();
    assert_eq!(ChainParams::from_json(&params.to_json()).unwrap(), params);
    assert_eq!(Genesis::decode(&genesis().encode()).unwrap(), genesis());
    assert_eq!(params.circuit("transfer-v1").unwrap().name, "transfer-v1");
    let missing = params.circuit("transfer-v2").unwrap_err();
    assert_eq!(missing, ParamsError::NoCircuit("transfer-v2".to_owned()));
    assert_eq!(
        params.chain_id().to_string().parse::<ChainId>().unwrap(),
        params.chain_id()
    );
}

#[test]
fn the_genesis_encoding_has_the_documented_length() {
    // version, network, start, two outpoints, amount, two keys, four numbers, table, two quorums.
    let length = 2 + 1 + 4 + 32 + 2 * 36 + 8 + 2 * 32 + 4 * 2 + 2 + 4 * 8 + 2;
    assert_eq!(without_leaves().encode().len(), length);
    assert_eq!(genesis().encode().len(), length + (6 + 5 * 32) + (6 + 3 * 32));
}

#[test]
fn every_field_of_the_genesis_part_changes_the_identifier() {
    let changes: [fn(&mut Genesis); 16] = [
        |g| g.rules_version += 1,
        |g| g.network = Network::Signet,
        |g| g.start_height += 1,
        |g| g.start_hash = bitcoin::BlockHash::from_byte_array([4; 32]),
        |g| g.anchor = outpoint(3),
        |g| g.vault = outpoint(3),
        |g| g.vault_amount = sats(1_001),
        |g| g.federation_key = key(3),
        |g| g.anchor_key = key(3),
        |g| g.finality_depth = 3,
        |g| g.refund_timelock += 1,
        |g| g.takeover_timelock += 1,
        |g| g.forced_window += 1,
        |g| g.fee_table = FeeTable::new(&[0, 10, 50, 101]).unwrap(),
        |g| g.vault_backup = None,
        |g| g.vault_recovery = None,
    ];
    let id = |genesis: &Genesis| ChainId::of(genesis, &[]);
    let mut ids = HashSet::from([id(&genesis())]);
    let mut fields = HashSet::from([id(&genesis()).to_field()]);
    for change in changes {
        let mut changed = genesis();
        change(&mut changed);
        assert!(ids.insert(id(&changed)));
        assert!(fields.insert(id(&changed).to_field()));
    }
    let fields_in_json = serde_json::to_value(genesis())
        .unwrap()
        .as_object()
        .unwrap()
        .len();
    assert_eq!(fields_in_json, changes.len(), "each field has its change");
}

#[test]
fn every_circuit_and_its_key_change_the_identifier() {
    let id = |circuits: &[CircuitKey]| ChainParams::new(genesis(), circuits.to_vec()).unwrap().chain_id();
    let (one, two) = (circuit("transfer-v1"), circuit("transfer-v2"));
    let other_key = CircuitKey {
        key_hash: [9; 32],
        ..one.clone()
    };
    let other_digest = CircuitKey {
        circuit_digest: [9; 32],
        ..one.clone()
    };
    let sets = [
        vec![],
        vec![one.clone()],
        vec![two.clone()],
        vec![one.clone(), two.clone()],
        vec![other_key],
        vec![other_digest],
    ];
    let ids: HashSet<ChainId> = sets.iter().map(|set| id(set)).collect();
    assert_eq!(ids.len(), sets.len());
    assert_eq!(
        id(&[one.clone(), two.clone()]),
        id(&[two, one]),
        "the order says nothing"
    );
}

#[test]
fn a_file_with_a_circuit_left_out_or_exchanged_is_refused() {
    let changes: [fn(&mut Value); 3] = [
        |f| drop(f["circuits"].as_array_mut().unwrap().pop()),
        |f| f["circuits"][0]["key_hash"] = json!("00".repeat(32)),
        |f| f["circuits"][0]["circuit_digest"] = json!("00".repeat(32)),
    ];
    for change in changes {
        assert!(matches!(read(change), ParamsError::ChainId { .. }));
    }
}

/// Changes the JSON of a valid file and reads it.
fn read(change: impl FnOnce(&mut Value)) -> ParamsError {
    let mut file: Value = serde_json::from_str(&params().to_json()).unwrap();
    change(&mut file);
    ChainParams::from_json(&file.to_string()).unwrap_err()
}

#[test]
fn unknown_and_missing_fields_are_refused_everywhere() {
    for pointer in ["", "/genesis", "/circuits/0"] {
        let insert = |file: &mut Value| {
            let object = file.pointer_mut(pointer).unwrap().as_object_mut().unwrap();
            object.insert("extra".to_owned(), json!(1));
        };
        let error = read(insert);
        assert!(
            matches!(&error, ParamsError::Json(text) if text.contains("extra")),
            "{error}"
        );
        let names = params_object(pointer);
        // Leaves of the vault may be absent, which is another chain.
        let optional = ["vault_backup", "vault_recovery"];
        for name in names {
            let remove = |file: &mut Value| {
                file.pointer_mut(pointer)
                    .unwrap()
                    .as_object_mut()
                    .unwrap()
                    .remove(&name);
            };
            let error = read(remove);
            if optional.contains(&name.as_str()) {
                assert!(matches!(error, ParamsError::ChainId { .. }), "{name}: {error}");
            } else {
                assert!(matches!(error, ParamsError::Json(_)), "{name}: {error}");
            }
        }
    }
}

fn params_object(pointer: &str) -> Vec<String> {
    let file: Value = serde_json::from_str(&params().to_json()).unwrap();
    file.pointer(pointer)
        .unwrap()
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect()
}

#[test]
fn malformed_values_are_refused() {
    let bad: [(&str, Value); 13] = [
        ("/chain_id", json!("00")),
        ("/genesis/network", json!("mainnet2")),
        ("/genesis/start_hash", json!("xyz")),
        ("/genesis/anchor", json!("00:0")),
        ("/genesis/federation_key", json!("ff".repeat(32))),
        ("/genesis/vault_amount", json!(2_100_000_000_000_001u64)),
        ("/genesis/finality_depth", json!(-1)),
        ("/genesis/vault_backup/timelock", json!(0)),
        ("/genesis/vault_backup/threshold", json!(6)),
        ("/genesis/vault_recovery", json!([])),
        ("/circuits/0/verifying_key", json!("0")),
        ("/circuits/0/circuit_digest", json!("00".repeat(31))),
        ("/circuits/0/key_hash", json!("zz".repeat(32))),
    ];
    for (pointer, value) in bad {
        let error = read(|file| *file.pointer_mut(pointer).unwrap() = value);
        assert!(matches!(error, ParamsError::Json(_)), "{pointer}: {error}");
    }
}

#[test]
fn each_rule_refuses_what_breaks_it() {
    let id = |f: &mut Value| f["chain_id"] = json!("00".repeat(32));
    assert!(matches!(read(id), ParamsError::ChainId { .. }));
    let other = |f: &mut Value| f["genesis"]["start_height"] = json!(111);
    assert!(matches!(read(other), ParamsError::ChainId { .. }));
    assert_eq!(
        read(|f| f["genesis"]["rules_version"] = json!(RULES_VERSION + 1)),
        ParamsError::RulesVersion(RULES_VERSION + 1)
    );
    let same = |f: &mut Value| f["genesis"]["vault"] = f["genesis"]["anchor"].clone();
    assert_eq!(read(same), ParamsError::SameOutpoint);
    let nowhere = format!("{}:{}", "00".repeat(32), u32::MAX);
    for name in ["anchor", "vault"] {
        assert_eq!(
            read(|f| f["genesis"][name] = json!(nowhere)),
            ParamsError::Impossible
        );
    }
    assert_eq!(
        read(|f| f["genesis"]["start_height"] = json!(u32::MAX)),
        ParamsError::Impossible
    );
    assert_eq!(
        read(|f| f["genesis"]["finality_depth"] = json!(0)),
        ParamsError::Depth
    );
    for name in ["refund_timelock", "takeover_timelock", "forced_window"] {
        assert_eq!(read(|f| f["genesis"][name] = json!(0)), ParamsError::Timelock);
    }
    let takeover = |timelock, network: &str| {
        let mut file: Value = serde_json::from_str(&params().to_json()).unwrap();
        file["genesis"]["takeover_timelock"] = json!(timelock);
        file["genesis"]["network"] = json!(network);
        ChainParams::from_json(&file.to_string()).unwrap_err()
    };
    let base = genesis();
    let life = 2 * (base.forced_window + base.finality_depth);
    assert_eq!(takeover(life - 1, "signet"), ParamsError::Takeover(life - 1));
    for (timelock, network) in [(life, "signet"), (life - 1, "regtest")] {
        let other = takeover(timelock, network);
        assert!(matches!(other, ParamsError::ChainId { .. }), "{other}");
    }
    for timelock in [144, 143] {
        let early = |f: &mut Value| f["genesis"]["vault_recovery"]["timelock"] = json!(timelock);
        assert_eq!(read(early), ParamsError::RecoveryBeforeBackup);
    }
    let name = |f: &mut Value| f["circuits"][0]["name"] = json!("Transfer v1");
    assert_eq!(read(name), ParamsError::CircuitName("Transfer v1".to_owned()));
    let twice = |f: &mut Value| f["circuits"][1]["name"] = json!("transfer-v1");
    assert_eq!(
        read(twice),
        ParamsError::DuplicateCircuit("transfer-v1".to_owned())
    );
    let empty = |f: &mut Value| f["circuits"][0]["verifying_key"] = json!("");
    assert_eq!(read(empty), ParamsError::EmptyKey("transfer-v1".to_owned()));
}

#[test]
fn mainnet_refuses_development_keys() {
    let mainnet = Genesis {
        network: Network::Mainnet,
        ..genesis()
    };
    let error = ChainParams::new(mainnet.clone(), vec![circuit("transfer-v1")]).unwrap_err();
    assert_eq!(error, ParamsError::InsecureOnMainnet("transfer-v1".to_owned()));
    let secure = CircuitKey {
        insecure: false,
        ..circuit("transfer-v1")
    };
    assert!(ChainParams::new(mainnet, vec![secure]).is_ok());
}

#[test]
fn fee_tables_are_strictly_increasing_and_a_byte_indexes_them() {
    let refused: [&[u64]; 4] = [&[], &[5, 5], &[6, 5], &[1, 2_100_000_000_000_001]];
    for fees in refused {
        assert_eq!(FeeTable::new(fees), Err(ParamsError::FeeTable));
    }
    let full: Vec<u64> = (0..256).collect();
    let table = FeeTable::new(&full).unwrap();
    assert_eq!(table.fee(255), Some(sats(255)));
    assert_eq!(
        FeeTable::new(&(0..257).collect::<Vec<_>>()),
        Err(ParamsError::FeeTable)
    );
    let params = params();
    assert_eq!((params.fee(2), params.fee(4)), (Some(sats(50)), None));
    let table = &params.genesis().fee_table;
    assert_eq!(table.index_at_least(sats(11)), Some(2));
    assert_eq!(table.index_at_least(sats(100)), Some(3));
    assert_eq!(table.index_at_least(sats(101)), None);
    assert!(matches!(
        read(|f| f["genesis"]["fee_table"] = json!([3, 2])),
        ParamsError::Json(_)
    ));
}

#[test]
fn encoded_genesis_parts_that_break_a_rule_are_refused() {
    let good = genesis().encode();
    for cut in 0..good.len() {
        assert!(Genesis::decode(&good[..cut]).is_err());
    }
    let refused = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        Genesis::decode(&bytes).unwrap_err()
    };
    assert_eq!(refused(0, 9), DecodeError::OutOfRange("genesis parameter"));
    assert_eq!(refused(2, 4), DecodeError::Unknown("network"));
    let table = good.len() - (7 + 5 * 32) - (7 + 3 * 32) - 4 * 8 - 2;
    assert_eq!(refused(table + 1, 2), DecodeError::OutOfRange("fee table"));
    assert_eq!(refused(table + 2, 60), DecodeError::OutOfRange("fee table"));
    let fewer = [&good[..table], &[3, 0], &good[table + 2..]].concat();
    assert_eq!(
        Genesis::decode(&fewer).unwrap_err(),
        DecodeError::Unknown("presence of a quorum"),
        "the fourth fee is no quorum"
    );
}

#[test]
fn encoded_leaves_of_the_vault_are_present_or_absent_and_nothing_else() {
    for changed in [
        genesis(),
        without_leaves(),
        Genesis {
            vault_backup: None,
            ..genesis()
        },
        Genesis {
            vault_recovery: None,
            ..genesis()
        },
    ] {
        assert_eq!(Genesis::decode(&changed.encode()).unwrap(), changed);
    }
    let bare = without_leaves().encode();
    let (head, presence) = bare.split_at(bare.len() - 2);
    assert_eq!(presence, [0, 0]);
    let decode = |parts: &[&[u8]]| Genesis::decode(&[head, &parts.concat()].concat());
    let (backup, recovery) = (
        genesis().vault_backup.unwrap().encode(),
        genesis().vault_recovery.unwrap().encode(),
    );
    assert_eq!(
        decode(&[&[1], &backup, &[1], &recovery]).unwrap(),
        genesis(),
        "the backup leaf comes first"
    );
    let no_presence = DecodeError::Unknown("presence of a quorum");
    for byte in [2, 255] {
        assert_eq!(decode(&[&[byte, 0]]).unwrap_err(), no_presence);
        assert_eq!(decode(&[&[0, byte]]).unwrap_err(), no_presence);
    }
    assert_eq!(decode(&[&[0, 0, 0]]).unwrap_err(), DecodeError::TrailingBytes(1));
    let missing = decode(&[&[0]]).unwrap_err();
    assert_eq!(missing, DecodeError::UnexpectedEnd { needed: 1 });
    let swapped = decode(&[&[1], &recovery, &[1], &backup]).unwrap_err();
    assert_eq!(swapped, DecodeError::OutOfRange("genesis parameter"));
    let mut open = backup.clone();
    open[..2].fill(0);
    let refused = decode(&[&[1], &open, &[0]]).unwrap_err();
    assert_eq!(refused, DecodeError::OutOfRange("quorum"));
}

#[test]
fn leaves_of_the_vault_may_be_null_or_absent_in_the_file() {
    let params = ChainParams::new(without_leaves(), Vec::new()).unwrap();
    let mut file: Value = serde_json::from_str(&params.to_json()).unwrap();
    let genesis = file["genesis"].as_object_mut().unwrap();
    for name in ["vault_backup", "vault_recovery"] {
        assert_eq!(genesis.remove(name), Some(Value::Null), "written as null");
    }
    assert_eq!(ChainParams::from_json(&file.to_string()).unwrap(), params);
}

#[test]
fn the_vaults_keys_are_those_of_the_genesis_part() {
    let keys = genesis().vault_keys();
    assert_eq!(keys.federation, genesis().federation_key);
    assert_eq!(
        (keys.backup, keys.recovery),
        (genesis().vault_backup, genesis().vault_recovery)
    );
    let bare = VaultKeys::without_leaves(genesis().federation_key);
    assert_eq!(without_leaves().vault_keys(), bare);
}

#[test]
fn depth_is_the_distance_to_the_tip() {
    let genesis = genesis();
    assert!(!genesis.is_deep(100, 101));
    assert!(genesis.is_deep(100, 102));
    assert!(!genesis.is_deep(100, 99));
}
