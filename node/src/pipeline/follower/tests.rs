//! Following a Bitcoin chain in memory: forks, a bitcoind that is behind, crashes half-way.

use std::sync::atomic::{AtomicU32, Ordering};

use bitcoin::absolute::LockTime;
use bitcoin::transaction::Version;
use bitcoin::{ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness};
use tacit_bridge::client::memory::MemoryBitcoin;
use tacit_protocol::params::{ChainParams, Genesis};
use tacit_protocol::peg::FeeRate;
use tacit_protocol::peg::anchor::ANCHOR_AMOUNT;
use tacit_protocol::testing;
use tacit_sequencer::{MemoryStore, store::schema};

use super::*;

/// A chain in memory, a node's store, and the rules of a chain that starts in it.
struct World {
    bitcoin: Arc<MemoryBitcoin>,
    store: Arc<MemoryStore>,
    rules: Arc<Rules>,
}

/// Commits so many deltas, then fails: a crash, as the store sees it.
struct Fuse(Arc<MemoryStore>, AtomicU32);

impl Sink for Fuse {
    fn commit(&self, delta: &Delta) -> Result<(), KvError> {
        if self.1.fetch_sub(1, Ordering::Relaxed) == 0 {
            self.1.store(0, Ordering::Relaxed);
            return Err(KvError::Io("the power is gone".into()));
        }
        self.0.commit(delta)
    }
}

impl World {
    fn new() -> Self {
        let bitcoin = Arc::new(MemoryBitcoin::new());
        bitcoin.set_min_rate(FeeRate::from_sat_per_kwu(0));
        let base = testing::genesis();
        let anchor = bitcoin.pay(&base.anchor_keys().script_pubkey(), ANCHOR_AMOUNT);
        let start_hash = bitcoin.mine(1)[0];
        let genesis = Genesis {
            start_height: 1,
            start_hash,
            anchor,
            finality_depth: 2,
            ..base
        };
        let params = ChainParams::new(genesis, Vec::new()).unwrap();
        let store = Arc::new(MemoryStore::new());
        let first = chain::genesis(&*store, &params).unwrap();
        schema::initialise(&*store, params.chain_id(), &first).unwrap();
        let rules = Arc::new(Rules::load(params).unwrap());
        Self {
            bitcoin,
            store,
            rules,
        }
    }

    /// A follower on the store as it is, which crashes after `commits`.
    fn follower_of(&self, bitcoin: &Arc<MemoryBitcoin>, commits: u32) -> Follower {
        let fuse = Fuse(Arc::clone(&self.store), AtomicU32::new(commits));
        Follower::new(
            Arc::clone(bitcoin) as _,
            Arc::clone(&self.store) as _,
            Arc::clone(&self.rules),
            Arc::new(fuse),
        )
    }

    fn follower(&self) -> Follower {
        self.follower_of(&self.bitcoin, u32::MAX)
    }

    /// Spends the anchor tip in the mempool: an empty anchor, which moves the chain's records.
    fn touch(&self) {
        let tip = table::anchor_tip(&*self.store).unwrap().unwrap();
        let tx = Transaction {
            version: Version::TWO,
            lock_time: LockTime::ZERO,
            input: vec![TxIn {
                previous_output: tip.outpoint,
                script_sig: ScriptBuf::new(),
                sequence: Sequence::MAX,
                witness: Witness::new(),
            }],
            output: vec![TxOut {
                value: tip.txout.value,
                script_pubkey: tip.txout.script_pubkey,
            }],
        };
        self.bitcoin.send(&tx).unwrap();
    }

    /// Height of the last block applied.
    fn height(&self) -> u32 {
        self.follower().cursor().unwrap().height
    }
}

/// The reason to wait.
fn behind(outcome: Result<Step, FollowError>) -> Behind {
    match outcome {
        Err(FollowError::Behind(behind)) => behind,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_replaced_block_is_taken_back_and_its_successor_applied() {
    let world = World::new();
    world.bitcoin.mine(5);
    assert_eq!(world.follower().step(64).unwrap().connected, 5);
    world.bitcoin.disconnect(2, false);
    world.bitcoin.mine_empty(3);
    let step = world.follower().step(64).unwrap();
    assert_eq!((step.disconnected, step.connected), (2, 3));
    assert_eq!(step.deep_reorg, None);
    assert_eq!(world.height(), 7);
}

#[test]
fn a_lower_chain_with_other_blocks_is_followed_once_bitcoind_is_done() {
    let world = World::new();
    world.bitcoin.mine(5);
    world.follower().step(64).unwrap();
    world.bitcoin.disconnect(3, false);
    world.bitcoin.mine_empty(1);
    world.bitcoin.set_catching_up(Some(4));
    behind(world.follower().step(64));
    world.bitcoin.set_catching_up(None);
    let step = world.follower().step(64).unwrap();
    assert_eq!((step.disconnected, step.connected), (3, 1));
}

#[test]
fn a_bitcoind_that_lost_its_last_blocks_takes_nothing_back() {
    let world = World::new();
    world.bitcoin.mine(5);
    world.follower().step(64).unwrap();
    world.bitcoin.disconnect(2, false);
    let (height, known) = (4, 6);
    assert_eq!(behind(world.follower().step(64)), Behind::Ends { height, known });
    assert_eq!(world.height(), known);
    assert_eq!(
        world.follower().fork().unwrap(),
        None,
        "no reorganisation is under way"
    );
}

#[test]
fn a_bitcoind_that_loads_its_chain_anew_takes_nothing_back() {
    let world = World::new();
    world.bitcoin.mine(5);
    world.follower().step(64).unwrap();
    // It knows none of the headers, nor so many blocks.
    let fresh = Arc::new(MemoryBitcoin::new());
    fresh.set_catching_up(Some(6));
    let loading = Behind::Loading {
        height: 0,
        headers: 6,
        known: 6,
    };
    assert_eq!(behind(world.follower_of(&fresh, u32::MAX).step(64)), loading);
    // As many blocks of another chain say nothing either before it is done.
    fresh.mine(7);
    fresh.set_catching_up(Some(9));
    behind(world.follower_of(&fresh, u32::MAX).step(64));
    assert_eq!(world.height(), 6);
    // The one that was followed is back, and one block further.
    world.bitcoin.mine(1);
    let step = world.follower().step(64).unwrap();
    assert_eq!((step.disconnected, step.connected), (0, 1));
}

#[test]
fn a_deep_fork_is_judged_as_a_whole_although_a_crash_came_half_way() {
    let world = World::new();
    world.bitcoin.mine(1);
    world.follower().step(64).unwrap();
    world.touch();
    world.bitcoin.mine(3);
    world.follower().step(64).unwrap();
    world.bitcoin.disconnect(3, false);
    world.bitcoin.mine_empty(4);
    // Two blocks back, then the process dies; two are not deep, and hold no money.
    let crashed = world.follower_of(&world.bitcoin, 2).step(64);
    assert!(matches!(crashed, Err(FollowError::Kv(_))), "{crashed:?}");
    assert_eq!(world.height(), 3);
    let fork = DeepReorg {
        depth: 3,
        height: 5,
        touched: true,
    };
    for _ in 0..2 {
        let step = world.follower().step(64).unwrap();
        assert_eq!((step.deep_reorg, step.connected), (Some(fork), 0));
    }
    world.follower().forget_fork().unwrap();
    let step = world.follower().step(64).unwrap();
    assert_eq!((step.deep_reorg, step.connected), (None, 4));
    assert_eq!(world.follower().fork().unwrap(), None);
}

#[test]
fn a_fork_that_is_shallow_or_holds_no_money_is_forgotten_with_the_next_block() {
    let world = World::new();
    world.bitcoin.mine(6);
    world.follower().step(64).unwrap();
    world.bitcoin.disconnect(4, false);
    world.bitcoin.mine_empty(5);
    let step = world.follower().step(64).unwrap();
    assert_eq!((step.deep_reorg, step.connected), (None, 5), "deep, no money");
    world.touch();
    world.bitcoin.mine(2);
    world.follower().step(64).unwrap();
    world.bitcoin.disconnect(2, false);
    world.bitcoin.mine_empty(3);
    let step = world.follower().step(64).unwrap();
    assert_eq!((step.deep_reorg, step.connected), (None, 3), "money, not deep");
    assert_eq!(world.follower().fork().unwrap(), None);
}

#[test]
fn what_is_kept_of_a_fork_survives_its_encoding() {
    for touched in [true, false] {
        let fork = DeepReorg {
            depth: 7,
            height: 1_000,
            touched,
        };
        assert_eq!(DeepReorg::decode(&fork.encode()), Ok(fork));
    }
}
