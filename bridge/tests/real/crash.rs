//! A vault that crashes and recovers hundreds of times on one real chain pays everybody exactly once.
//!
//! Each iteration makes something owed, lets something go wrong at a place drawn at random, and goes on
//! from journal and chain alone. Now and then everything is brought to its end and counted anew from
//! the blocks. `TACIT_SOAK` makes it a longer walk.

use std::collections::BTreeMap;

use bitcoin::{ScriptBuf, Transaction};
use rand::Rng;
use rand::seq::SliceRandom;
use tacit_bridge::regtest::SoakReport;
use tacit_bridge::vault::{VaultState, VaultStep};
use tacit_protocol::peg::FeeRate;

mod fragile;
mod world;

use fragile::{Write, Wrong};
use world::{Armed, World};

/// Iterations; with `TACIT_SOAK` in the environment, those of the long walk.
const ITERATIONS: u32 = 300;
const SOAK_ITERATIONS: u32 = 1_500;

/// Iterations after which everything is brought to its end and counted.
const COUNT_EVERY: u32 = 25;

/// Iterations after which the node is restarted without its mempool, which takes a second or two.
const RESTART_EVERY: u32 = 75;

/// What the walk is drawn from.
const SEED: u64 = 0x7ac1_7000;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Failpoint {
    BeforeIntent,
    IntentFails,
    IntentTorn,
    AfterIntent,
    UpdateFails,
    UpdateTorn,
    BeforeUpdate,
    AfterSigning,
    AfterSending,
    WhileBumping,
    WhileLifting,
    EvictedByRival,
    Reorganised,
    ReorganisedToRival,
    MempoolLost,
}

use Failpoint::{
    AfterIntent, AfterSending, AfterSigning, BeforeIntent, BeforeUpdate, EvictedByRival, IntentFails,
    IntentTorn, MempoolLost, Reorganised, ReorganisedToRival, UpdateFails, UpdateTorn, WhileBumping,
    WhileLifting,
};

/// All that are drawn; [`MempoolLost`] comes by the clock.
const DRAWN: [Failpoint; 14] = [
    BeforeIntent,
    IntentFails,
    IntentTorn,
    AfterIntent,
    UpdateFails,
    UpdateTorn,
    BeforeUpdate,
    AfterSigning,
    AfterSending,
    WhileBumping,
    WhileLifting,
    EvictedByRival,
    Reorganised,
    ReorganisedToRival,
];

impl World {
    /// Lets it go wrong there; `false` if there was nothing to go wrong with.
    fn strike(&mut self, failpoint: Failpoint) -> bool {
        let armed = match failpoint {
            BeforeIntent => Armed::Journal(Write::Intent, Wrong::Crash),
            IntentFails => Armed::Journal(Write::Intent, Wrong::Fails),
            IntentTorn => Armed::Journal(Write::Intent, Wrong::Torn),
            AfterIntent => Armed::At(VaultStep::Planned),
            BeforeUpdate => Armed::Journal(Write::Update, Wrong::Crash),
            UpdateFails => Armed::Journal(Write::Update, Wrong::Fails),
            UpdateTorn => Armed::Journal(Write::Update, Wrong::Torn),
            AfterSigning => Armed::At(VaultStep::Signed),
            AfterSending => Armed::At(VaultStep::Sent),
            WhileBumping => {
                let steps = [VaultStep::Planned, VaultStep::Signed, VaultStep::Sent];
                return self.crash_when_late(&steps, false);
            }
            WhileLifting => {
                let steps = [VaultStep::ChildSigned, VaultStep::Sent];
                return self.crash_when_late(&steps, true);
            }
            EvictedByRival => return self.evict_by_rival(),
            Reorganised => return self.reorganise(false),
            ReorganisedToRival => return self.reorganise(true),
            MempoolLost => return self.lose_mempool(),
        };
        self.tend(armed).is_none()
    }

    /// Rates rise while a vault transaction waits, and the operator crashes at one of these steps; with
    /// the signers away it makes a child.
    fn crash_when_late(&mut self, steps: &[VaultStep], away: bool) -> bool {
        if self.in_mempool().is_none() {
            return false;
        }
        self.base.let_wait();
        self.rate = FeeRate::from_sat_per_kwu(self.rate.sat_per_kwu() * 4);
        let step = *steps.choose(&mut self.rng).unwrap();
        self.away = away;
        let crashed = self.tend(Armed::At(step)).is_none();
        self.away = false;
        crashed
    }

    /// The operator's coin is spent by another transaction that pays more.
    fn evict_by_rival(&mut self) -> bool {
        let Some(tx) = self.in_mempool() else {
            return false;
        };
        let Some(rival) = self.rival(&tx) else {
            return false;
        };
        self.base.client().send(&rival).unwrap();
        let gone = self.base.client().mempool_entry(&tx.compute_txid()).unwrap();
        assert_eq!(gone, None, "the node keeps one of the two");
        self.reopen();
        true
    }

    /// The last one or two blocks are replaced, a vault transaction in them is back in the mempool, or
    /// can never confirm again because the new branch spends its coin.
    fn reorganise(&mut self, with_rival: bool) -> bool {
        let Some(tx) = self.in_mempool() else {
            return false;
        };
        let before = self.base.follower.tip();
        let depth = self.rng.gen_range(1..=2);
        self.base.mine();
        for _ in 1..depth {
            self.tend(Armed::Never);
            self.base.mine();
        }
        self.tend(Armed::Never);
        assert_ne!(self.base.follower.tip(), before, "it was mined");
        let fork = self.base.follower.height() - depth + 1;
        let hash = self.base.client().block_hash(fork).unwrap().unwrap();
        self.base.setting.node.invalidate(&hash).unwrap();
        let rival: Vec<Transaction> = self.rival(&tx).filter(|_| with_rival).into_iter().collect();
        self.base.mine_raw(&rival);
        for _ in 0..depth {
            self.base.mine_raw(&[]);
        }
        self.reopen();
        let report = self.tend(Armed::Never).expect("nothing is armed");
        assert_eq!(self.base.follower.tip(), before, "it was taken back");
        assert_ne!(report.state, VaultState::Idle, "it is owed again");
        rival.is_empty() != with_rival
    }

    fn lose_mempool(&mut self) -> bool {
        let in_mempool = self.in_mempool().is_some();
        self.base.setting.lose_mempool();
        self.reopen();
        in_mempool
    }
}

#[test]
fn a_vault_that_crashes_hundreds_of_times_pays_everybody_exactly_once() {
    println!("seed {SEED:#x}");
    let mut world = World::new(SEED);
    let iterations = if SoakReport::is_soak() {
        SOAK_ITERATIONS
    } else {
        ITERATIONS
    };
    let mut hits: BTreeMap<Failpoint, u32> = BTreeMap::new();
    for iteration in 1..=iterations {
        world.grow();
        let failpoint = match iteration % RESTART_EVERY {
            0 => MempoolLost,
            _ => *DRAWN.choose(&mut world.rng).unwrap(),
        };
        if world.strike(failpoint) {
            *hits.entry(failpoint).or_default() += 1;
        }
        for _ in 0..world.rng.gen_range(0..=2) {
            world.tend(Armed::Never);
            world.base.mine();
        }
        if iteration % COUNT_EVERY == 0 {
            world.settle();
        }
    }
    let found = world.settle();
    let struck: u32 = hits.values().sum();
    let waited =
        |(script, since): (&ScriptBuf, &u32)| Some(found.heights.get(script)?.saturating_sub(*since));
    let mut report = SoakReport {
        name: "vault".to_owned(),
        iterations,
        faults: hits
            .iter()
            .map(|(fault, times)| (format!("{fault:?}"), *times))
            .collect(),
        payouts: found.payouts,
        sweeps: found.sweeps,
        vault_txs: found.vault_txs,
        doubles: found.doubles,
        lost: found.lost,
        blocks_to_payout: world.owed_since.iter().filter_map(waited).collect(),
    };
    report.publish().unwrap();
    for failpoint in DRAWN.into_iter().chain([MempoolLost]) {
        assert!(
            hits.contains_key(&failpoint),
            "{failpoint:?} never happened: {hits:?}"
        );
    }
    assert!(struck > iterations / 2, "most iterations strike: {struck}");
    assert!(found.sweeps > 0 && found.vault_txs > iterations / 4, "{found:?}");
}
