//! A child pays when the signers refuse, is written down first, and takes no coin twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bitcoin::{OutPoint, Transaction, Txid, XOnlyPublicKey};
use tacit_protocol::peg::vault::UnsignedVaultTx;

use super::{Family, MAX_CHILD_WEIGHT, pay_to_anchor};
use crate::client::BitcoinClient;
use crate::coins::CoinBook;
use crate::fixture::{World, federation, operator, rate, vault_keys, withdrawal};
use crate::journal::Journal;
use crate::proposal::Proposal;
use crate::signer::{SignError, Signatures, VaultSigner, own_inputs};
use crate::vault::entry::{Entry, Signed};
use crate::vault::{
    PREFIX, VaultConfig, VaultError, VaultOperator, VaultRates, VaultReport, VaultSnapshot, VaultState,
    VaultStep,
};
use tacit_protocol::peg::FeeRate;
use tacit_protocol::peg::coins::CoinError;

/// A signer that checks nothing and can be made to refuse.
#[derive(Default)]
struct Moody(AtomicBool);

impl VaultSigner for Moody {
    fn keys(&self) -> Vec<XOnlyPublicKey> {
        vec![federation().public_key()]
    }

    fn sign_vault(&self, _: &Proposal, tx: &UnsignedVaultTx) -> Result<Signatures, SignError> {
        if self.0.load(Ordering::SeqCst) {
            return Err(SignError::Halted("not today".to_owned()));
        }
        Ok(own_inputs(tx.roles(), &federation().public_key())
            .map(|(input, root)| (input, federation().sign_key_path(&tx.sighash(input), root)))
            .collect())
    }
}

struct Setting {
    world: World,
    signer: Arc<Moody>,
    vault: VaultOperator,
}

impl Setting {
    fn new(p2a: bool) -> Self {
        let world = World::new();
        let signer = Arc::new(Moody::default());
        let vault = VaultOperator::new(VaultConfig {
            client: world.chain.clone(),
            journal: world.journal.clone(),
            signer: signer.clone(),
            operator_key: Arc::new(operator()),
            depth: 2,
            bump_after: 2,
            p2a,
        });
        Self { world, signer, vault }
    }

    /// A transaction is sent at the usual rate; from then on the signers refuse, and time passes.
    fn stuck(p2a: bool) -> (Self, Txid) {
        let mut setting = Self::new(p2a);
        let VaultState::Sent { txid, .. } = setting.tend(rate()).unwrap().state else {
            panic!("it is sent")
        };
        setting.signer.0.store(true, Ordering::SeqCst);
        setting.world.chain.mine_empty(2);
        (setting, txid)
    }

    fn tend(&mut self, rate: FeeRate) -> Result<VaultReport, VaultError> {
        self.world.follow();
        let (height, tip) = (self.world.coins.height(), self.world.vault_tip);
        let owed = vec![(0, withdrawal(31, 50_000))];
        let snapshot = VaultSnapshot::new(height, tip, vault_keys(), Vec::new(), owed);
        self.vault
            .tend(&snapshot, VaultRates::at(rate), &mut self.world.coins)
    }

    fn lifted(&mut self, rate: FeeRate) -> (Txid, Transaction) {
        let report = self.tend(rate).unwrap();
        let VaultState::Lifted { txid, child } = report.state else {
            panic!("expected a child: {report:?}")
        };
        (txid, self.world.chain.transaction(&child, None).unwrap().unwrap())
    }

    fn entry(&self) -> Entry {
        let (key, value) = self.world.journal.list(PREFIX).unwrap().remove(0);
        Entry::decode(&key, &value).unwrap()
    }

    fn spendable(&self) -> Vec<OutPoint> {
        let coins = self.world.coins.spendable();
        coins.iter().map(|coin| coin.outpoint).collect()
    }
}

fn dear() -> FeeRate {
    FeeRate::from_sat_per_kwu(4_000)
}

#[test]
fn a_transaction_that_the_signers_will_not_replace_is_lifted_by_a_child() {
    let (mut setting, txid) = Setting::stuck(true);
    let (lifted, child) = setting.lifted(dear());
    assert_eq!(lifted, txid, "the parent stays as it is");
    assert_eq!(child.version.0, 3);
    assert!(
        child.input[0].witness.is_empty(),
        "anybody may spend the first input"
    );
    let parent = setting.entry().signed.unwrap();
    assert_eq!(parent.child.as_ref(), Some(&child));
    let weight = u32::try_from((parent.tx.weight() + child.weight()).to_wu()).unwrap();
    let fee = setting
        .world
        .chain
        .mempool_entry(&child.compute_txid())
        .unwrap()
        .unwrap()
        .fee;
    assert_eq!(
        parent.fee + fee.to_sat(),
        dear().fee(weight),
        "together they pay the rate"
    );
    for coin in setting.spendable() {
        assert!(child.input.iter().all(|input| input.previous_output != coin));
    }
    assert_eq!(
        setting.tend(dear()).unwrap().state,
        VaultState::InMempool(txid),
        "paid enough now"
    );
    setting.world.chain.mine(1);
    assert_eq!(setting.world.chain.mempool_info().unwrap().count, 0);
}

#[test]
fn a_child_is_replaced_by_one_that_pays_more_and_both_are_sent_again() {
    let (mut setting, txid) = Setting::stuck(true);
    let (_, first) = setting.lifted(dear());
    setting.world.chain.mine_empty(2);
    let (_, second) = setting.lifted(FeeRate::from_sat_per_kwu(9_000));
    assert_ne!(first, second);
    assert_eq!(
        first.input,
        second_inputs(&first, &second),
        "the same coins suffice"
    );
    setting.world.chain.evict();
    setting.world.chain.set_min_rate(FeeRate::from_sat_per_kwu(3_000));
    assert_eq!(
        setting.tend(dear()).unwrap().state,
        VaultState::Resent(txid),
        "the parent would not get in by itself"
    );
    let sent = setting.world.chain.mempool_entry(&second.compute_txid());
    assert!(sent.unwrap().is_some());
}

/// The inputs of `second` with the signatures of `first`.
fn second_inputs(first: &Transaction, second: &Transaction) -> Vec<bitcoin::TxIn> {
    let mut inputs = second.input.clone();
    for (input, signed) in inputs.iter_mut().zip(&first.input) {
        input.witness = signed.witness.clone();
    }
    inputs
}

#[test]
fn a_transaction_below_the_minimum_gets_in_with_its_child() {
    let (mut setting, txid) = Setting::stuck(true);
    setting.world.chain.evict();
    setting.world.chain.set_min_rate(FeeRate::from_sat_per_kwu(3_000));
    assert_eq!(setting.lifted(dear()).0, txid);
    assert_eq!(setting.world.chain.mempool_info().unwrap().count, 2);
}

#[test]
fn a_child_is_in_the_journal_before_it_is_sent_and_its_coins_after_a_restart() {
    let (mut setting, _) = Setting::stuck(true);
    let (journal, chain) = (setting.world.journal.clone(), setting.world.chain.clone());
    setting.vault = setting.vault.with_observer(Box::new(move |step| {
        if step == VaultStep::ChildSigned {
            let (key, value) = journal.list(PREFIX).unwrap().remove(0);
            let signed = Entry::decode(&key, &value).unwrap().signed.unwrap();
            assert!(signed.child.is_some());
            assert_eq!(chain.mempool_info().unwrap().count, 1, "the parent alone");
        }
    }));
    setting.lifted(dear());
    let before = setting.spendable();
    let script = operator().output_script();
    setting.world.coins = CoinBook::scan(setting.world.chain.as_ref(), script).unwrap();
    setting.vault.resume(&mut setting.world.coins).unwrap();
    assert_eq!(setting.spendable(), before);
}

#[test]
fn a_new_version_that_the_signers_do_sign_takes_the_place_of_parent_and_child() {
    let (mut setting, txid) = Setting::stuck(true);
    setting.lifted(dear());
    setting.signer.0.store(false, Ordering::SeqCst);
    setting.world.chain.mine_empty(2);
    let report = setting.tend(FeeRate::from_sat_per_kwu(20_000)).unwrap();
    assert!(matches!(report.state, VaultState::Bumped { replaced, .. } if replaced == txid));
    assert_eq!(setting.entry().signed.unwrap().child, None);
    assert_eq!(setting.world.chain.mempool_info().unwrap().count, 1);
}

#[test]
fn without_an_output_for_it_or_coins_there_is_no_child_and_the_reason_is_said() {
    let (mut setting, txid) = Setting::stuck(false);
    let refused = VaultError::Sign(SignError::Halted("not today".to_owned()));
    assert_eq!(setting.tend(dear()), Err(refused));
    assert!(setting.world.chain.mempool_entry(&txid).unwrap().is_some());

    let (mut setting, txid) = Setting::stuck(true);
    let others = setting.spendable();
    setting.world.coins.reserve(b"anchor/1", others);
    let state = setting.tend(dear()).unwrap().state;
    assert!(matches!(state, VaultState::OutOfCoins(_)), "{state:?}");
    assert!(setting.world.chain.mempool_entry(&txid).unwrap().is_some());
}

#[test]
fn a_parent_that_can_never_confirm_is_reported_with_both_reasons() {
    let (mut setting, _) = Setting::stuck(true);
    let tip = setting.world.vault_tip.outpoint;
    setting.world.chain.forget(&tip);
    let VaultState::Stuck { reason, .. } = setting.tend(dear()).unwrap().state else {
        panic!("nothing helps")
    };
    assert!(
        reason.contains("not today") && reason.contains("missingorspent"),
        "{reason}"
    );
}

#[test]
fn a_child_stays_within_the_limit_of_truc_and_needs_coins_worth_their_fee() {
    let (setting, _) = Setting::stuck(true);
    let parent: Signed = setting.entry().signed.unwrap();
    let anchor = pay_to_anchor(&parent.tx).unwrap();
    let change = operator().output_script();
    let coin = |sats: u64, tag: u32| {
        let mut coin = anchor.clone();
        coin.outpoint.vout = 1_000 + tag;
        coin.txout.value = bitcoin::Amount::from_sat(sats);
        coin
    };
    let many = |sats: u64| (0..100).map(|tag| coin(sats, tag)).collect();
    let family = Family {
        parent: &parent,
        anchor: &anchor,
        sibling: 0,
    };
    let child = |pool, rate| family.child(pool, FeeRate::from_sat_per_kwu(rate), &change);
    // Each of these brings 300 sat after its own fee at the first rate, and next to none at the second.
    assert!(child(many(360), 250).unwrap().tx.weight() < MAX_CHILD_WEIGHT);
    let poor = child(many(360), 1_500);
    assert!(
        matches!(poor, Err(CoinError::Insufficient { available, .. }) if available < 20 * 360),
        "{poor:?}"
    );
    assert!(child(vec![coin(100_000, 0)], 1_500).is_ok());
    assert!(child(Vec::new(), 1_500).is_err());
    let dear = Family {
        sibling: 30_000,
        ..family
    };
    let tx = dear.child(vec![coin(100_000, 0)], FeeRate::from_sat_per_kwu(1_500), &change);
    let tx = tx.unwrap().tx;
    let fee = 100_000 + anchor.txout.value.to_sat() - tx.output[0].value.to_sat();
    assert_eq!(
        fee,
        30_000 + tx.vsize() as u64,
        "it outbids the child that is there"
    );
}
