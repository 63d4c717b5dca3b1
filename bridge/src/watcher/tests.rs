//! Deposits are taken only when the chain agrees, and their status follows it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bitcoin::hashes::Hash;
use bitcoin::{Amount, BlockHash, OutPoint, ScriptBuf, Txid};
use tacit_protocol::F;
use tacit_protocol::params::{FeeTable, Genesis, RULES_VERSION};

use super::{
    DepositError, DepositStatus, DepositView, Ended, FORGET_AFTER, PREFIX, REFUND_MARGIN, Registration,
    SweptView, Tenure, Tenures, Watcher,
};
use crate::client::BitcoinClient;
use crate::fixture::{World, anchor_key, federation, key, terms};
use crate::journal::Journal;
use crate::vault::ViewError;

#[derive(Default)]
struct View(HashMap<OutPoint, SweptView>);

impl DepositView for View {
    fn swept(&self, outpoint: &OutPoint) -> Result<Option<SweptView>, ViewError> {
        Ok(self.0.get(outpoint).copied())
    }
}

fn genesis(world: &World) -> Genesis {
    Genesis {
        rules_version: RULES_VERSION,
        network: tacit_protocol::Network::Regtest,
        start_height: 1,
        start_hash: BlockHash::all_zeros(),
        anchor: world.anchor_tip.outpoint,
        vault: world.vault_tip.outpoint,
        vault_amount: world.vault_tip.amount,
        federation_key: federation().public_key(),
        anchor_key: anchor_key().public_key(),
        finality_depth: 2,
        refund_timelock: 1_008,
        takeover_timelock: 1_008,
        forced_window: 144,
        fee_table: FeeTable::new(&[100]).unwrap(),
        vault_backup: None,
        vault_recovery: None,
    }
}

fn watcher(world: &World) -> Watcher {
    Watcher::new(
        world.chain.clone(),
        world.journal.clone(),
        Arc::new(federation().public_key()),
        &genesis(world),
    )
}

fn registration(tag: u8, outpoint: OutPoint) -> Registration {
    Registration {
        outpoint,
        inner: F::from(u64::from(tag)),
        refund: key(tag).public_key(),
    }
}

/// A confirmed deposit, registered.
fn registered() -> (World, Watcher, OutPoint) {
    let mut world = World::new();
    let outpoint = world.deposit(21, 50_000).outpoint;
    let watcher = watcher(&world);
    assert_eq!(
        watcher.register(registration(21, outpoint)).unwrap().to_sat(),
        50_000
    );
    (world, watcher, outpoint)
}

fn status(watcher: &Watcher, outpoint: &OutPoint) -> DepositStatus {
    watcher.status(outpoint, &View::default()).unwrap().status
}

/// Spends an output by a transaction that nobody expects.
fn spend(world: &World, outpoint: &OutPoint) {
    let gift = world.chain.pay(&ScriptBuf::new(), Amount::from_sat(1_000));
    let mut tx = world.chain.transaction(&gift.txid, None).unwrap().unwrap();
    tx.input[0].previous_output = *outpoint;
    tx.output[0].value = Amount::from_sat(40_000);
    world.chain.send(&tx).unwrap();
}

#[test]
fn a_deposit_confirms_becomes_ready_is_swept_and_credited() {
    let (world, watcher, outpoint) = registered();
    assert_eq!(
        status(&watcher, &outpoint),
        DepositStatus::Confirming { depth: 0, needed: 2 }
    );
    world.chain.mine(1);
    assert_eq!(
        status(&watcher, &outpoint),
        DepositStatus::Confirming { depth: 1, needed: 2 }
    );
    assert!(watcher.sweepable(&View::default()).unwrap().is_empty());
    world.chain.mine(1);
    assert_eq!(status(&watcher, &outpoint), DepositStatus::Ready);
    let coins = watcher.sweepable(&View::default()).unwrap();
    assert_eq!((coins[0].outpoint, coins[0].terms), (outpoint, terms(21)));
    let txid = Txid::from_byte_array([5; 32]);
    let mut view = View::default();
    view.0.insert(
        outpoint,
        SweptView {
            txid,
            height: 9,
            credited: None,
        },
    );
    let swept = watcher.status(&outpoint, &view).unwrap().status;
    assert_eq!(swept, DepositStatus::Swept { txid });
    assert!(watcher.sweepable(&view).unwrap().is_empty(), "never swept twice");
    view.0.insert(
        outpoint,
        SweptView {
            txid,
            height: 9,
            credited: Some(3),
        },
    );
    let credited = watcher.status(&outpoint, &view).unwrap();
    assert_eq!(credited.status, DepositStatus::Credited { batch: 3 });
    assert_eq!(watcher.reports(&view).unwrap(), [credited]);
}

#[test]
fn registering_twice_is_harmless() {
    let (world, watcher, outpoint) = registered();
    assert!(watcher.register(registration(21, outpoint)).is_ok());
    let other = watcher.register(registration(22, outpoint));
    assert_eq!(other, Err(DepositError::Terms(outpoint)));
    assert_eq!(world.journal.list(PREFIX).unwrap().len(), 1);
}

#[test]
fn only_confirmed_matching_and_large_enough_outputs_are_registered() {
    let mut world = World::new();
    let watcher = watcher(&world);
    let nowhere = OutPoint {
        txid: Txid::from_byte_array([6; 32]),
        vout: 0,
    };
    let refused = |outpoint| watcher.register(registration(21, outpoint)).unwrap_err();
    assert_eq!(refused(nowhere), DepositError::NotFound(nowhere));
    let pending = world
        .chain
        .pay(&terms(21).script_pubkey(), Amount::from_sat(50_000));
    assert_eq!(refused(pending), DepositError::Unconfirmed(pending));
    let foreign = world.deposit(22, 50_000).outpoint;
    assert_eq!(refused(foreign), DepositError::Terms(foreign));
    let small = world.deposit(21, 19_999).outpoint;
    assert!(matches!(refused(small), DepositError::TooSmall { .. }));
    assert!(world.journal.list(PREFIX).unwrap().is_empty());
    let unknown = watcher.status(&nowhere, &View::default());
    assert_eq!(unknown, Err(DepositError::Unregistered(nowhere)));
}

#[test]
fn a_reorganised_deposit_vanishes_and_may_come_back_elsewhere() {
    let (world, watcher, outpoint) = registered();
    assert_eq!(
        status(&watcher, &outpoint),
        DepositStatus::Confirming { depth: 0, needed: 2 }
    );
    world.chain.disconnect(1, true);
    world.chain.mine_empty(2);
    assert_eq!(
        status(&watcher, &outpoint),
        DepositStatus::Vanished,
        "the mempool does not count"
    );
    assert!(watcher.sweepable(&View::default()).unwrap().is_empty());
    world.chain.mine(3);
    assert_eq!(
        status(&watcher, &outpoint),
        DepositStatus::Ready,
        "mined again, and deep"
    );
}

#[test]
fn a_deposit_spent_elsewhere_is_refunded_and_forgotten_in_the_end() {
    let (world, watcher, outpoint) = registered();
    status(&watcher, &outpoint);
    spend(&world, &outpoint);
    world.chain.mine(1);
    assert_eq!(status(&watcher, &outpoint), DepositStatus::Refunded);
    world.chain.mine(FORGET_AFTER);
    assert_eq!(status(&watcher, &outpoint), DepositStatus::Refunded);
    assert!(watcher.sweepable(&View::default()).unwrap().is_empty());
}

#[test]
fn a_refund_that_is_reorganised_away_opens_the_deposit_again() {
    let (world, watcher, outpoint) = registered();
    world.chain.mine(2);
    assert_eq!(status(&watcher, &outpoint), DepositStatus::Ready);
    spend(&world, &outpoint);
    world.chain.mine(1);
    assert_eq!(status(&watcher, &outpoint), DepositStatus::Refunded);
    world.chain.disconnect(1, false);
    world.chain.mine_empty(2);
    assert_eq!(status(&watcher, &outpoint), DepositStatus::Ready);
}

#[test]
fn a_deposit_near_its_refund_is_not_swept() {
    let (world, watcher, outpoint) = registered();
    // Confirmed at height 2; the refund opens at 1,010.
    world.chain.mine(1_010 - REFUND_MARGIN - 1 - 2);
    assert_eq!(status(&watcher, &outpoint), DepositStatus::Ready);
    world.chain.mine(1);
    let near = DepositStatus::NearRefund { refund_height: 1_010 };
    assert_eq!(status(&watcher, &outpoint), near);
    assert!(watcher.sweepable(&View::default()).unwrap().is_empty());
}

#[test]
fn records_are_read_strictly() {
    let (world, watcher, outpoint) = registered();
    let (key, mut value) = world.journal.list(PREFIX).unwrap().remove(0);
    value.push(0);
    world.journal.put(&key, &value).unwrap();
    assert!(matches!(
        watcher.status(&outpoint, &View::default()),
        Err(DepositError::Journal(_))
    ));
}

/// Federations whose tenures a test decides.
#[derive(Default)]
struct Rotations(Mutex<Vec<Tenure>>);

impl Tenures for Rotations {
    fn tenures(&self) -> Result<Vec<Tenure>, ViewError> {
        Ok(self.0.lock().unwrap().clone())
    }
}

#[test]
fn a_deposit_to_a_federation_that_handed_over_is_swept_for_a_while_and_held_then() {
    let mut world = World::new();
    let outpoint = world.deposit(21, 50_000).outpoint;
    let confirmed = world.chain.chain_info().unwrap().height;
    let rotations = Arc::new(Rotations::default());
    let watcher = Watcher::new(
        world.chain.clone(),
        world.journal.clone(),
        rotations.clone(),
        &genesis(&world),
    );
    let tenure = |federation: u8, ended: Option<(u32, u32)>| Tenure {
        federation: key(federation).public_key(),
        ended: ended.map(|(confirmed_until, swept_until)| Ended {
            confirmed_until,
            swept_until,
        }),
    };
    let set = |tenures: &[Tenure]| *rotations.0.lock().unwrap() = tenures.to_vec();
    set(&[tenure(9, None)]);
    let foreign = watcher.register(registration(21, outpoint));
    assert_eq!(foreign, Err(DepositError::Terms(outpoint)));
    // Key 3 is the federation of the deposit: in office, then replaced.
    set(&[tenure(3, None)]);
    watcher.register(registration(21, outpoint)).unwrap();
    world.chain.mine(2);
    let tip = confirmed + 2;
    let refund_height = confirmed + 1_008;
    let late = DepositStatus::TooLate { refund_height };
    let cases = [
        (vec![tenure(3, None)], DepositStatus::Ready),
        (
            vec![tenure(9, None), tenure(3, Some((confirmed, tip)))],
            DepositStatus::Ready,
        ),
        (vec![tenure(9, None), tenure(3, Some((confirmed - 1, tip)))], late),
        (vec![tenure(9, None), tenure(3, Some((confirmed, tip - 1)))], late),
        (
            vec![
                tenure(9, None),
                tenure(8, Some((tip, tip))),
                tenure(3, Some((tip, tip))),
            ],
            late,
        ),
    ];
    for (tenures, expected) in cases {
        set(&tenures);
        assert_eq!(status(&watcher, &outpoint), expected, "{tenures:?}");
        let coins = watcher.sweepable(&View::default()).unwrap();
        assert_eq!(coins.len(), usize::from(expected == DepositStatus::Ready));
        assert!(
            coins.iter().all(|coin| coin.terms == terms(21)),
            "on the terms it was made on"
        );
    }
}
