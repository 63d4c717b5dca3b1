//! The vault pays once, sweeps what it may, and keeps at it.

use std::sync::{Arc, Mutex};

use bitcoin::{OutPoint, Transaction, Txid, XOnlyPublicKey};
use tacit_protocol::Network;
use tacit_protocol::peg::vault::{DepositCoin, UnsignedVaultTx};
use tacit_protocol::peg::{FeeRate, VaultContext, WithdrawalView};

use super::{
    PREFIX, VaultConfig, VaultError, VaultOperator, VaultRates, VaultReport, VaultSnapshot, VaultState,
    VaultView, ViewError,
};
use crate::client::BitcoinClient;
use crate::fixture::{
    VAULT, World, federation, first_output, key, operator, payee, rate, vault_keys, withdrawal,
};
use crate::journal::Journal;
use crate::proposal::Proposal;
use crate::signer::{LocalSigner, SignError, Signatures, VaultSigner};

mod handover;
mod signing;

/// The state that operator and signer share in these tests.
#[derive(Default)]
struct Shared(Mutex<Option<VaultSnapshot>>);

impl VaultView for Shared {
    fn snapshot(&self) -> Result<VaultSnapshot, ViewError> {
        self.0
            .lock()
            .unwrap()
            .clone()
            .ok_or_else(|| ViewError("no state yet".to_owned()))
    }
}

struct Setting {
    world: World,
    shared: Arc<Shared>,
    vault: VaultOperator,
}

impl Setting {
    fn new() -> Self {
        let world = World::new();
        let shared = Arc::new(Shared::default());
        let ceiling = FeeRate::from_sat_per_kwu(10_000);
        let signer =
            Arc::new(LocalSigner::new(Network::Regtest, federation(), shared.clone(), ceiling).unwrap());
        let vault = operator_with(&world, signer);
        Self { world, shared, vault }
    }

    fn snapshot(&self, deposits: &[DepositCoin], withdrawals: &[(u64, WithdrawalView)]) -> VaultSnapshot {
        let (height, tip) = (self.world.coins.height(), self.world.vault_tip);
        VaultSnapshot::new(height, tip, vault_keys(), deposits.to_vec(), withdrawals.to_vec())
    }

    fn tend_at(&mut self, snapshot: &VaultSnapshot, rate: FeeRate) -> VaultReport {
        *self.shared.0.lock().unwrap() = Some(snapshot.clone());
        self.vault
            .tend(snapshot, VaultRates::at(rate), &mut self.world.coins)
            .unwrap()
    }

    fn tend(&mut self, deposits: &[DepositCoin], withdrawals: &[(u64, WithdrawalView)]) -> VaultReport {
        self.world.follow();
        self.tend_at(&self.snapshot(deposits, withdrawals), rate())
    }
}

fn operator_with(world: &World, signer: Arc<dyn VaultSigner>) -> VaultOperator {
    VaultOperator::new(VaultConfig {
        client: world.chain.clone(),
        journal: world.journal.clone(),
        signer,
        operator_key: Arc::new(operator()),
        depth: 2,
        bump_after: 2,
        p2a: false,
    })
}

fn sent(report: &VaultReport) -> Txid {
    let VaultState::Sent { txid, .. } = report.state else {
        panic!("expected a sent transaction: {report:?}")
    };
    txid
}

fn pending(world: &World, txid: &Txid) -> Transaction {
    world.chain.transaction(txid, None).unwrap().unwrap()
}

fn spendable(world: &World) -> Vec<OutPoint> {
    let coins = world.coins.spendable();
    coins.iter().map(|coin| coin.outpoint).collect()
}

#[test]
fn deposits_are_swept_and_withdrawals_paid_in_one_transaction() {
    let mut setting = Setting::new();
    let deposits = [setting.world.deposit(21, 100_000)];
    let report = setting.tend(&deposits, &[(0, withdrawal(31, 50_000))]);
    let tx = pending(&setting.world, &sent(&report));
    assert_eq!(tx.input[0].previous_output, setting.world.vault_tip.outpoint);
    assert_eq!(tx.input[1].previous_output, deposits[0].outpoint);
    assert_eq!(tx.output[2].script_pubkey, payee(31));
    let q = rate();
    let credit = 100_000 - q.deposit_share().to_sat();
    assert_eq!(
        tx.output[0].value.to_sat(),
        VAULT + credit - 50_000,
        "to the satoshi"
    );
    assert_eq!(tx.version.0, 3);
}

#[test]
fn nothing_to_do_is_idle_and_says_who_waits() {
    let mut setting = Setting::new();
    assert_eq!(setting.tend(&[], &[]).state, VaultState::Idle);
    let early = WithdrawalView {
        deep: false,
        ..withdrawal(31, 50_000)
    };
    let report = setting.tend(&[], &[(3, early)]);
    assert_eq!(report.state, VaultState::Idle);
    assert_eq!(report.held[0].index, 3);
}

#[test]
fn there_is_one_transaction_per_tip() {
    let mut setting = Setting::new();
    let owed = [(0, withdrawal(31, 50_000)), (1, withdrawal(32, 60_000))];
    let txid = sent(&setting.tend(&[], &owed[..1]));
    assert_eq!(
        setting.tend(&[], &owed).state,
        VaultState::InMempool(txid),
        "the second one waits"
    );
    setting.world.chain.evict();
    assert_eq!(
        setting.tend(&[], &owed).state,
        VaultState::Resent(txid),
        "the same bytes again"
    );
    setting.world.chain.mine(1);
    assert_eq!(
        setting.tend(&[], &owed).state,
        VaultState::Confirmed(txid),
        "a lagging state"
    );
    assert_eq!(setting.world.chain.mempool_info().unwrap().count, 0);
}

#[test]
fn a_confirmed_transaction_is_forgotten_when_buried_and_comes_back_after_a_reorganisation() {
    let mut setting = Setting::new();
    let owed = [(0, withdrawal(31, 50_000))];
    let old = setting.world.vault_tip;
    let txid = sent(&setting.tend(&[], &owed));
    let value = pending(&setting.world, &txid).output[0].value.to_sat();
    setting.world.chain.mine(1);
    setting.world.vault_tip.outpoint = first_output(txid);
    setting.world.vault_tip.amount = tacit_protocol::Amount::from_sat(value).unwrap();
    let new = setting.world.vault_tip;
    assert_eq!(setting.tend(&[], &[]).state, VaultState::Idle);
    assert_eq!(
        setting.world.journal.list(PREFIX).unwrap().len(),
        1,
        "kept until it is buried"
    );

    setting.world.chain.disconnect(1, false);
    setting.world.chain.mine_empty(2);
    setting.world.vault_tip = old;
    assert_eq!(
        setting.tend(&[], &owed).state,
        VaultState::Resent(txid),
        "paid by the same bytes"
    );

    setting.world.chain.mine(3);
    setting.world.vault_tip = new;
    setting.tend(&[], &[]);
    setting.world.chain.mine(2);
    setting.tend(&[], &[]);
    assert!(setting.world.journal.list(PREFIX).unwrap().is_empty());
}

#[test]
fn a_deposit_taken_back_leads_to_a_new_plan_on_the_same_tip() {
    let mut setting = Setting::new();
    let deposits = [
        setting.world.deposit(21, 100_000),
        setting.world.deposit(22, 100_000),
    ];
    let owed = [(0, withdrawal(31, 50_000))];
    let first = sent(&setting.tend(&deposits, &owed));
    let before = pending(&setting.world, &first);
    setting.world.chain.forget(&deposits[0].outpoint);
    let second = sent(&setting.tend(&deposits[1..], &owed));
    let after = pending(&setting.world, &second);
    assert_ne!(first, second);
    assert_eq!(
        before.input[0].previous_output, after.input[0].previous_output,
        "never paid twice"
    );
    assert_eq!(
        setting.tend(&deposits[1..], &owed).state,
        VaultState::InMempool(second)
    );
}

#[test]
fn a_fee_storm_leads_to_a_new_plan_at_the_new_rate() {
    let mut setting = Setting::new();
    let owed = [(0, withdrawal(31, 50_000))];
    let cheap = sent(&setting.tend(&[], &owed));
    setting.world.chain.evict();
    setting.world.chain.set_min_rate(FeeRate::from_sat_per_kwu(3_000));
    let snapshot = setting.snapshot(&[], &owed);
    let stuck = setting.tend_at(&snapshot, rate());
    assert!(matches!(stuck.state, VaultState::Stuck { txid, .. } if txid == cheap));
    let dear = sent(&setting.tend_at(&snapshot, FeeRate::from_sat_per_kwu(3_500)));
    assert_ne!(cheap, dear);
}

#[test]
fn a_halt_stops_sending_and_says_why() {
    let mut setting = Setting::new();
    let owed = [(0, withdrawal(31, 50_000))];
    let snapshot = setting
        .snapshot(&[], &owed)
        .halt("reserves do not cover the supply");
    let report = setting.tend_at(&snapshot, rate());
    assert_eq!(
        report.state,
        VaultState::Halted("reserves do not cover the supply".to_owned())
    );
    assert!(setting.world.journal.list(PREFIX).unwrap().is_empty());
    assert_eq!(setting.world.chain.mempool_info().unwrap().count, 0);
}

#[test]
fn without_coins_the_state_says_so() {
    let mut setting = Setting::new();
    let all = spendable(&setting.world);
    setting.world.coins.reserve(b"anchor/1", all);
    let report = setting.tend(&[], &[(0, withdrawal(31, 50_000))]);
    assert!(matches!(report.state, VaultState::OutOfCoins(_)));
}

/// A signer that holds another key and checks nothing.
struct Liar(usize);

impl VaultSigner for Liar {
    fn keys(&self) -> Vec<XOnlyPublicKey> {
        vec![federation().public_key()]
    }

    fn sign_vault(&self, _: &Proposal, tx: &UnsignedVaultTx) -> Result<Signatures, SignError> {
        Ok((0..self.0)
            .map(|input| (input, key(9).sign_key_path(&tx.sighash(input), None)))
            .collect())
    }
}

#[test]
fn bad_signatures_are_never_sent() {
    let mut setting = Setting::new();
    let snapshot = setting.snapshot(&[], &[(0, withdrawal(31, 50_000))]);
    let wrong = [(1, VaultError::BadSignature(0)), (0, VaultError::NoSignature(0))];
    for (count, error) in wrong {
        let vault = operator_with(&setting.world, Arc::new(Liar(count)));
        let refused = vault.tend(&snapshot, VaultRates::at(rate()), &mut setting.world.coins);
        assert_eq!(refused, Err(error));
    }
    assert_eq!(setting.world.chain.mempool_info().unwrap().count, 0);
}

#[test]
fn reservations_come_back_after_a_restart() {
    let mut setting = Setting::new();
    setting.tend(&[], &[(0, withdrawal(31, 50_000))]);
    let spendable = setting.world.coins.spendable();
    let script = operator().output_script();
    let mut fresh = crate::coins::CoinBook::scan(setting.world.chain.as_ref(), script).unwrap();
    assert_ne!(fresh.spendable(), spendable);
    setting.vault.resume(&mut fresh).unwrap();
    assert_eq!(fresh.spendable(), spendable);
}

#[test]
fn a_vault_that_rested_for_long_is_moved_to_itself_once() {
    let mut setting = Setting::new();
    let quiet = setting.snapshot(&[], &[]);
    assert_eq!(setting.tend_at(&quiet, rate()).state, VaultState::Idle);
    let due = quiet.due_for_refresh();
    let report = setting.tend_at(&due, rate());
    let tx = pending(&setting.world, &sent(&report));
    assert_eq!(tx.output[0].value.to_sat(), VAULT, "the money stays");
    assert_eq!(tx.output[0].script_pubkey, *due.vault_script());
    assert!(matches!(
        setting.tend_at(&due, rate()).state,
        VaultState::InMempool(_)
    ));
}
