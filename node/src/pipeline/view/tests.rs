//! What signers and the vault are told: a halt with its reason, what is open, what left lately.

use bitcoin::hashes::Hash;
use bitcoin::{ScriptBuf, Txid};
use tacit_bridge::client::memory::MemoryBitcoin;
use tacit_protocol::encoding::Encode;
use tacit_protocol::kv::{Delta, Overlay};
use tacit_protocol::params::ChainParams;
use tacit_protocol::peg::{Exit, ExitScript};
use tacit_protocol::testing;
use tacit_protocol::transfer::TransferId;
use tacit_sequencer::MemoryStore;
use tacit_verifier::chain::limits::FeeLimit;
use tacit_verifier::chain::records::{Cursor, Payout};
use tacit_verifier::chain::{self, Owed};

use super::super::journal::StoreJournal;
use super::*;

/// A store that holds the genesis state.
fn store() -> (Arc<MemoryStore>, Arc<Rules>) {
    let params = ChainParams::new(testing::genesis(), Vec::new()).unwrap();
    let store = Arc::new(MemoryStore::new());
    let first = chain::genesis(&*store, &params).unwrap();
    store.commit(&first).unwrap();
    (store, Arc::new(Rules::load(params).unwrap()))
}

fn view(store: &Arc<MemoryStore>, rules: &Arc<Rules>) -> StateView {
    let client: Arc<dyn BitcoinClient> = Arc::new(MemoryBitcoin::new());
    let journal = Arc::new(StoreJournal(Arc::clone(store) as _));
    let tenures = Arc::new(StoreTenures(Arc::clone(store) as _));
    let watcher = Watcher::new(Arc::clone(&client), journal, tenures, rules.params().genesis());
    StateView::new(
        client,
        Arc::clone(store) as _,
        Arc::clone(rules),
        Arc::new(watcher),
    )
    .unwrap()
}

fn write(store: &MemoryStore, change: impl FnOnce(&mut Overlay<'_>)) {
    let mut overlay = Overlay::new(store);
    change(&mut overlay);
    let delta = overlay.into_delta();
    store.commit(&delta).unwrap();
}

fn halted(view: &StateView) -> Option<String> {
    view.snapshot().unwrap().halted().map(str::to_owned)
}

#[test]
fn books_that_do_not_add_up_halt_and_say_why() {
    let (store, rules) = store();
    let sound = view(&store, &rules);
    assert_eq!(halted(&sound), None);
    let mut delta = Delta::default();
    let kept = Owed {
        unpaid: 1,
        ..Owed::default()
    };
    delta.insert(b"LO".to_vec(), Some(kept.encode()));
    store.commit(&delta).unwrap();
    let reason = halted(&view(&store, &rules)).expect("the totals are wrong");
    assert!(
        reason.starts_with("the books do not add up: kept are 0 sat"),
        "{reason}"
    );
    assert!(
        reason.ends_with("delete the database and follow Bitcoin again"),
        "{reason}"
    );
    assert_eq!(halted(&sound), None, "looked at when the node starts");
}

#[test]
fn a_gap_in_the_reserves_halts() {
    let (store, rules) = store();
    let sound = view(&store, &rules);
    let held = chain::reserves(&*store).unwrap().vault;
    let owed = |unpaid| Owed {
        unpaid,
        ..Owed::default()
    };
    write(&store, |kv| table::put_owed(kv, &owed(held)));
    assert_eq!(halted(&sound), None);
    write(&store, |kv| table::put_owed(kv, &owed(held + 3)));
    assert_eq!(halted(&sound).as_deref(), Some("the vault lacks 3 sat"));
}

fn withdrawal(paid: Option<u32>) -> Withdrawal {
    let script = ScriptBuf::from_bytes([&[0, 20][..], &[8; 20]].concat());
    let sats = |n| Amount::from_sat(n).unwrap();
    let payout = |height| Payout {
        height,
        outpoint: OutPoint::new(Txid::all_zeros(), 2),
        share: sats(100),
    };
    let script = ExitScript::new(script).unwrap();
    let exit = Exit::new(sats(40_000), script, sats(1_000), testing::x_only(6)).unwrap();
    Withdrawal {
        limit: FeeLimit::new(&exit),
        exit,
        batch: 1,
        height: 90,
        id: TransferId([1; 32]),
        paid: paid.map(payout),
    }
}

#[test]
fn signers_are_told_what_is_open_and_what_left_within_the_window() {
    let (store, rules) = store();
    write(&store, |kv| {
        let hash = bitcoin::BlockHash::all_zeros();
        table::put_cursor(kv, &Cursor { height: 1_000, hash });
        for (index, paid) in (0..).zip([Some(899), Some(901), None, Some(1_000), None]) {
            table::put_withdrawal(kv, index, &withdrawal(paid));
        }
        let owed = Owed {
            unpaid: 80_000,
            unpaid_count: 2,
            ..Owed::default()
        };
        table::put_owed(kv, &owed);
    });
    let view = view(&store, &rules);
    let snapshot = view.snapshot().unwrap();
    let open: Vec<u64> = snapshot.withdrawals().iter().map(|(index, _)| *index).collect();
    assert_eq!(open, [2, 4]);
    assert!(snapshot.withdrawals().iter().all(|(_, w)| w.deep && !w.paid));
    let left = |blocks| view.paid_out(blocks).unwrap().to_sat();
    let each = 40_000 - 100;
    assert_eq!(
        [left(0), left(1), left(99), left(100), left(102)],
        [0, each, each, 2 * each, 3 * each]
    );
    assert_eq!(left(u32::MAX), 3 * each);
}
