//! A world in which withdrawals become owed and deposits appear, and an operator that may crash.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use bitcoin::hashes::Hash;
use bitcoin::{Amount, OutPoint, ScriptBuf, Transaction, TxIn, TxOut, WPubkeyHash};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tacit_bridge::coins::CoinBook;
use tacit_bridge::journal::Journal;
use tacit_bridge::vault::{VaultError, VaultOperator, VaultRates, VaultReport, VaultState, VaultStep};
use tacit_protocol::peg::FeeRate;

use super::fragile::{Crash, FragileJournal, Write, Wrong};
use crate::real::audit::Found;
use crate::real::operated::{Away, Operated};
use crate::real::setting::{Setting, operator};
use crate::real::spend::{Spent, spend_all};

/// Where the operator is to crash.
#[derive(Clone, Copy)]
pub(super) enum Armed {
    Never,
    At(VaultStep),
    Journal(Write, Wrong),
}

pub(super) struct World {
    pub(super) base: Operated,
    pub(super) rng: StdRng,
    pub(super) rate: FeeRate,
    /// Whether the signers refuse everything.
    pub(super) away: bool,
    /// Scripts of withdrawals, with the height at which each became owed.
    pub(super) owed_since: BTreeMap<ScriptBuf, u32>,
    journal: Arc<FragileJournal>,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            base: Operated::new(Setting::new()),
            rng: StdRng::seed_from_u64(seed),
            rate: FeeRate::from_sat_per_kwu(1_000),
            away: false,
            owed_since: BTreeMap::new(),
            journal: Arc::default(),
        }
    }

    /// Up to three more withdrawals, sometimes two more deposits, another fee rate, and vault transactions
    /// with or without the output for children.
    pub(super) fn grow(&mut self) {
        for _ in 0..self.rng.gen_range(0..=3) {
            let tag = self.base.follower.owed.len().to_le_bytes();
            let script = ScriptBuf::new_p2wpkh(&WPubkeyHash::hash(&tag));
            let sats = self.rng.gen_range(10_000..30_000);
            self.owed_since
                .insert(script.clone(), self.base.follower.height());
            self.base.owe_to(script, sats, 5_000);
        }
        if self.rng.gen_ratio(1, 6) {
            let outputs = (0..2).map(|_| TxOut {
                value: Amount::from_sat(self.rng.gen_range(50_000..200_000)),
                script_pubkey: self.base.register(),
            });
            let outputs = outputs.collect();
            self.base.setting.faucet.send(outputs).unwrap();
        }
        self.rate = FeeRate::from_sat_per_kwu(self.rng.gen_range(250..2_000));
        self.base.p2a = self.rng.r#gen();
    }

    /// Follows the chain and lets the operator do what there is to do; `None` if it crashed, in which
    /// case another one has taken over from journal and chain.
    pub(super) fn tend(&mut self, armed: Armed) -> Option<VaultReport> {
        self.base.follow();
        let (snapshot, rates) = (self.base.follower.snapshot(), VaultRates::at(self.rate));
        let vault = self.operator(armed);
        let coins = &mut self.base.setting.coins;
        let outcome = catch_unwind(AssertUnwindSafe(|| vault.tend(&snapshot, rates, coins)));
        self.journal.arm(None);
        match outcome {
            Ok(Ok(report)) => return Some(report),
            Ok(Err(VaultError::Journal(_))) => assert!(matches!(armed, Armed::Journal(..))),
            Ok(Err(VaultError::Sign(refused))) if self.away => {
                let (state, held) = (VaultState::Halted(refused.to_string()), Vec::new());
                return Some(VaultReport { state, held });
            }
            Ok(Err(error)) => panic!("the vault fails: {error}"),
            Err(crash) if crash.is::<Crash>() => {}
            Err(panic) => resume_unwind(panic),
        }
        self.reopen();
        None
    }

    fn operator(&self, armed: Armed) -> VaultOperator {
        let journal = self.journal.clone();
        let signer = if self.away {
            Arc::new(Away)
        } else {
            self.base.signer()
        };
        let vault = VaultOperator::new(self.base.config(journal, signer));
        match armed {
            Armed::Never => vault,
            Armed::At(step) => vault.with_observer(Box::new(move |reached| {
                if reached == step {
                    resume_unwind(Box::new(Crash));
                }
            })),
            Armed::Journal(write, wrong) => {
                self.journal.arm(Some((write, wrong)));
                vault
            }
        }
    }

    /// What a crash leaves: the journal and the chain.
    pub(super) fn reopen(&mut self) {
        let script = operator().output_script();
        self.base.setting.coins = CoinBook::scan(self.base.client().as_ref(), script).unwrap();
        let vault = self.operator(Armed::Never);
        vault.resume(&mut self.base.setting.coins).unwrap();
        // Whatever the node has in its mempool, its coins are not offered to anybody else.
        let Some(pending) = self.base.pending() else {
            return;
        };
        for coin in self.base.setting.coins.spendable() {
            let spends = |input: &TxIn| input.previous_output == coin.outpoint;
            assert!(!pending.input.iter().any(spends), "{coin:?} is spent already");
        }
    }

    /// The vault transaction in the mempool, after another look if there is none.
    pub(super) fn in_mempool(&mut self) -> Option<Transaction> {
        self.tend(Armed::Never);
        self.base.pending()
    }

    /// A transaction that spends one of the operator's coins which `tx` spends too, and pays more.
    pub(super) fn rival(&self, tx: &Transaction) -> Option<Transaction> {
        let unspent = |outpoint: OutPoint| {
            let output = self.base.client().unspent(&outpoint, false).unwrap()?;
            Some((outpoint, output.txout))
        };
        let mut coins = tx.input.iter().map(|input| input.previous_output);
        let ours = operator().output_script();
        let (outpoint, txout) =
            coins.find_map(|coin| unspent(coin).filter(|(_, txout)| txout.script_pubkey == ours))?;
        let spent = Spent {
            outpoint,
            txout,
            key: Some(&operator()),
        };
        Some(spend_all(2, &[spent], ours, 60_000))
    }

    /// Looks and mines until everything owed is paid and buried, everything deposited is swept, and
    /// nothing is in flight; then counts the money.
    pub(super) fn settle(&mut self) -> Found {
        let mut rounds = 0;
        loop {
            let report = self.tend(Armed::Never);
            let state = self.base.follower.snapshot();
            let nothing_to_do = state.withdrawals().is_empty() && state.deposits().is_empty();
            if nothing_to_do && self.journal.list(b"vault/").unwrap().is_empty() {
                break;
            }
            rounds += 1;
            assert!(rounds < 40, "it never recovers: {report:?}");
            self.base.mine();
        }
        self.base.assert_all_coins_free();
        let coins = &self.base.setting.coins;
        let fresh = CoinBook::scan(self.base.client().as_ref(), coins.script().clone()).unwrap();
        assert_eq!(
            fresh.spendable(),
            coins.spendable(),
            "the coins are those of the chain"
        );
        self.base.audit()
    }
}
