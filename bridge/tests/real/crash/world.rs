//! A world in which withdrawals become owed and deposits appear, and an operator that may crash.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use bitcoin::hashes::Hash;
use bitcoin::{Amount, OutPoint, ScriptBuf, Transaction, TxIn, TxOut, WPubkeyHash, WScriptHash};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tacit_bridge::client::BitcoinClient;
use tacit_bridge::coins::CoinBook;
use tacit_bridge::journal::Journal;
use tacit_bridge::signer::LocalSigner;
use tacit_bridge::vault::{VaultConfig, VaultError, VaultOperator, VaultRates, VaultReport, VaultStep};
use tacit_protocol::peg::{DepositTerms, Exit, ExitScript, FeeRate, VaultTip, WithdrawalView};
use tacit_protocol::{F, Network};

use super::fragile::{Crash, FragileJournal, Write, Wrong};
use crate::real::audit::{Found, audit};
use crate::real::follower::Follower;
use crate::real::setting::{Setting, federation, key, operator};
use crate::real::spend::{Spent, spend_all};
use crate::real::vault::View;

/// Blocks after which a vault transaction is buried and a deposit may be swept.
pub(super) const DEPTH: u32 = 2;

/// Blocks after which a vault transaction may be replaced by one that pays more.
pub(super) const BUMP_AFTER: u32 = 2;

/// Where the operator is to crash.
#[derive(Clone, Copy)]
pub(super) enum Armed {
    Never,
    At(VaultStep),
    Journal(Write, Wrong),
}

pub(super) struct World {
    pub(super) setting: Setting,
    pub(super) follower: Follower,
    pub(super) rng: StdRng,
    pub(super) rate: FeeRate,
    journal: Arc<FragileJournal>,
    start: (u32, VaultTip),
    blocks: u64,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let setting = Setting::new();
        let follower = Follower::new(setting.client().as_ref(), setting.vault, DEPTH);
        Self {
            start: (follower.height(), follower.tip()),
            follower,
            rng: StdRng::seed_from_u64(seed),
            rate: FeeRate::from_sat_per_kwu(1_000),
            journal: Arc::default(),
            blocks: 0,
            setting,
        }
    }

    pub(super) fn client(&self) -> Arc<dyn BitcoinClient> {
        self.setting.client()
    }

    /// A script that nobody holds the key of, another one for each block: two blocks of the same second
    /// that pay the same script would be one.
    fn nobody(&mut self) -> ScriptBuf {
        self.blocks += 1;
        ScriptBuf::new_p2wsh(&WScriptHash::hash(&self.blocks.to_le_bytes()))
    }

    /// Mines a block with the whole mempool.
    pub(super) fn mine(&mut self) {
        let script = self.nobody();
        self.setting.faucet.mine_to(&script, 1).unwrap();
    }

    /// Mines a block with these transactions and nothing of the mempool.
    pub(super) fn mine_raw(&mut self, txs: &[Transaction]) {
        let script = self.nobody();
        self.setting.faucet.mine_raw(&script, txs).unwrap();
    }

    /// Up to three more withdrawals, sometimes two more deposits, and another fee rate.
    pub(super) fn grow(&mut self) {
        for _ in 0..self.rng.gen_range(0..=3) {
            let index = self.follower.owed.len() as u64;
            let sats = self.rng.gen_range(10_000..30_000);
            self.follower.owed.insert(index, owed(index, sats));
        }
        if self.rng.gen_ratio(1, 6) {
            let outputs = (0..2).map(|_| {
                let terms = self.register();
                TxOut {
                    value: Amount::from_sat(self.rng.gen_range(50_000..200_000)),
                    script_pubkey: terms,
                }
            });
            let outputs = outputs.collect();
            self.setting.faucet.send(outputs).unwrap();
        }
        self.rate = FeeRate::from_sat_per_kwu(self.rng.gen_range(250..2_000));
    }

    /// The script of new terms.
    fn register(&mut self) -> ScriptBuf {
        let terms = DepositTerms {
            federation: federation().public_key(),
            inner: F::from(self.follower.terms.len() as u64),
            refund: key(21).public_key(),
            timelock: 1_008,
        };
        let script = terms.script_pubkey();
        self.follower.terms.insert(script.clone(), terms);
        script
    }

    /// Follows the chain and lets the operator do what there is to do; `None` if it crashed, in which
    /// case another one has taken over from journal and chain.
    pub(super) fn tend(&mut self, armed: Armed) -> Option<VaultReport> {
        let client = self.client();
        self.setting.follow();
        self.follower.follow(&client);
        let snapshot = self.follower.snapshot();
        let vault = self.operator(armed);
        let (coins, rates) = (&mut self.setting.coins, VaultRates::at(self.rate));
        let outcome = catch_unwind(AssertUnwindSafe(|| vault.tend(&snapshot, rates, coins)));
        self.journal.arm(None);
        match outcome {
            Ok(Ok(report)) => return Some(report),
            Ok(Err(VaultError::Journal(_))) => assert!(matches!(armed, Armed::Journal(..))),
            Ok(Err(error)) => panic!("the vault fails: {error}"),
            Err(crash) if crash.is::<Crash>() => {}
            Err(panic) => resume_unwind(panic),
        }
        self.reopen();
        None
    }

    fn operator(&self, armed: Armed) -> VaultOperator {
        let view = Arc::new(View(self.follower.snapshot()));
        let ceiling = FeeRate::from_sat_per_kwu(20_000);
        let signer = LocalSigner::new(Network::Regtest, federation(), view, ceiling).unwrap();
        let vault = VaultOperator::new(VaultConfig {
            client: self.client(),
            journal: self.journal.clone(),
            signer: Arc::new(signer),
            operator_key: operator(),
            depth: DEPTH,
            bump_after: BUMP_AFTER,
        });
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
        self.setting.coins = CoinBook::scan(self.client().as_ref(), script).unwrap();
        let vault = self.operator(Armed::Never);
        vault.resume(&mut self.setting.coins).unwrap();
        // Whatever the node has in its mempool, its coins are not offered to anybody else.
        let (client, tip) = (self.client(), self.follower.tip().outpoint);
        let Some(txid) = client.mempool_spender(&tip).unwrap() else {
            return;
        };
        let pending = client.transaction(&txid, None).unwrap().unwrap();
        for coin in self.setting.coins.spendable() {
            let spends = |input: &TxIn| input.previous_output == coin.outpoint;
            assert!(!pending.input.iter().any(spends), "{txid} spends {coin:?}");
        }
    }

    /// The vault transaction in the mempool, after another look if there is none.
    pub(super) fn in_mempool(&mut self) -> Option<Transaction> {
        self.tend(Armed::Never);
        let (client, tip) = (self.client(), self.follower.tip().outpoint);
        let txid = client.mempool_spender(&tip).unwrap()?;
        client.transaction(&txid, None).unwrap()
    }

    /// A transaction that spends one of the operator's coins which `tx` spends too, and pays more.
    pub(super) fn rival(&self, tx: &Transaction) -> Option<Transaction> {
        let unspent = |outpoint: OutPoint| {
            let output = self.client().unspent(&outpoint, false).unwrap()?;
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
            self.tend(Armed::Never);
            let state = self.follower.snapshot();
            let nothing_to_do = state.withdrawals().is_empty() && state.deposits().is_empty();
            if nothing_to_do && self.journal.list(b"vault/").unwrap().is_empty() {
                break;
            }
            rounds += 1;
            assert!(rounds < 40, "it never recovers: {:?}", self.tend(Armed::Never));
            self.mine();
        }
        let coins = &self.setting.coins;
        let free: Amount = coins.spendable().iter().map(|coin| coin.txout.value).sum();
        assert_eq!(free, coins.balance(), "no coin is left reserved");
        let fresh = CoinBook::scan(self.client().as_ref(), coins.script().clone()).unwrap();
        assert_eq!(
            fresh.spendable(),
            coins.spendable(),
            "the coins are those of the chain"
        );
        let Follower { owed, terms, .. } = &self.follower;
        let found = audit(self.client().as_ref(), self.start, owed, terms);
        assert_eq!((found.doubles, found.lost), (0, 0), "{found:?}");
        assert_eq!(found.payouts as usize, owed.len());
        found
    }
}

/// A withdrawal to a script of its own.
fn owed(index: u64, sats: u64) -> WithdrawalView {
    let amount = |sats| tacit_protocol::Amount::from_sat(sats).unwrap();
    let script = ScriptBuf::new_p2wpkh(&WPubkeyHash::hash(&index.to_le_bytes()));
    let script = ExitScript::new(script).unwrap();
    let exit = Exit::new(amount(sats), script, amount(5_000), key(31).public_key()).unwrap();
    WithdrawalView {
        amount: exit.amount(),
        script: exit.script().clone(),
        max_l1_fee: exit.max_l1_fee(),
        deep: true,
        paid: false,
    }
}
