//! Versions of a vault transaction while signers refuse, delay, or come late.

use std::sync::{Arc, Mutex};

use bitcoin::{OutPoint, XOnlyPublicKey};
use tacit_protocol::Network;
use tacit_protocol::peg::FeeRate;
use tacit_protocol::peg::vault::{HeldReason, UnsignedVaultTx};

use super::{Setting, operator_with, pending, sent, spendable};
use crate::client::BitcoinClient;
use crate::fixture::{federation, rate, withdrawal};
use crate::journal::Journal;
use crate::proposal::Proposal;
use crate::signer::{LocalSigner, SignError, Signatures, VaultSigner};
use crate::vault::{Entry, PREFIX, VaultError, VaultRates, VaultState, VaultStep};

/// A signer that nobody has asked yet, or that refuses.
pub(super) struct Refusing(pub(super) std::sync::atomic::AtomicUsize);

impl VaultSigner for Refusing {
    fn keys(&self) -> Vec<XOnlyPublicKey> {
        vec![federation().public_key()]
    }

    fn sign_vault(&self, _: &Proposal, _: &UnsignedVaultTx) -> Result<Signatures, SignError> {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Err(SignError::Halted("not today".to_owned()))
    }
}

pub(super) fn entry(setting: &Setting) -> Entry {
    let listed = setting.world.journal.list(PREFIX).unwrap();
    let [(key, value)] = &listed[..] else {
        panic!("one entry: {listed:?}")
    };
    Entry::decode(key, value).unwrap()
}

#[test]
fn a_plan_is_written_down_before_it_is_signed_and_a_refusal_sends_nothing() {
    let mut setting = Setting::new();
    let owed = [(0, withdrawal(31, 50_000))];
    let asked = Arc::new(Refusing(0.into()));
    let vault = operator_with(&setting.world, asked.clone());
    let snapshot = setting.snapshot(&[], &owed);
    for _ in 0..3 {
        let refused = vault.tend(&snapshot, VaultRates::at(rate()), &mut setting.world.coins);
        assert_eq!(
            refused,
            Err(VaultError::Sign(SignError::Halted("not today".to_owned())))
        );
    }
    assert_eq!(
        asked.0.load(std::sync::atomic::Ordering::Relaxed),
        3,
        "asked again each time"
    );
    let planned = entry(&setting);
    assert_eq!(planned.signed, None);
    assert_eq!(planned.superseded, [], "the same plan is one version");
    assert_eq!(setting.world.chain.mempool_info().unwrap().count, 0);
    // The next signer that agrees signs exactly what was written down.
    assert_eq!(sent(&setting.tend(&[], &owed)), planned.proposal.txid());
    assert!(entry(&setting).latest_signed().is_some());
}

#[test]
fn a_version_that_was_signed_is_sent_again_although_a_newer_one_was_not() {
    let mut setting = Setting::new();
    let owed = [(0, withdrawal(31, 50_000))];
    let first = sent(&setting.tend(&[], &owed));
    setting.world.chain.mine_empty(2);
    setting.world.follow();
    let dear = FeeRate::from_sat_per_kwu(4_000);
    let refusing = operator_with(&setting.world, Arc::new(Refusing(0.into())));
    let snapshot = setting.snapshot(&[], &owed);
    let refused = refusing.tend(&snapshot, VaultRates::at(dear), &mut setting.world.coins);
    assert!(matches!(refused, Err(VaultError::Sign(_))));
    assert_eq!(entry(&setting).superseded, [first]);
    assert_eq!(setting.tend(&[], &owed).state, VaultState::InMempool(first));
    setting.world.chain.evict();
    assert_eq!(setting.tend(&[], &owed).state, VaultState::Resent(first));
}

#[test]
fn coins_of_a_version_in_the_mempool_are_not_offered_while_a_newer_one_is_refused() {
    let mut setting = Setting::new();
    let owed = [(0, withdrawal(31, 50_000))];
    // The first version takes the coin that a newer one, with all to choose from, takes last.
    let mut others: Vec<OutPoint> = spendable(&setting.world);
    let last = others.pop().unwrap();
    setting.world.coins.reserve(b"anchor/1", others);
    let first = sent(&setting.tend(&[], &owed));
    assert_eq!(pending(&setting.world, &first).input[1].previous_output, last);
    setting.world.coins.release(b"anchor/1");
    setting.world.chain.set_min_rate(FeeRate::from_sat_per_kwu(9_000));
    setting.world.chain.mine_empty(2);
    setting.world.follow();
    let snapshot = setting.snapshot(&[], &owed);
    let stuck = setting.tend_at(&snapshot, FeeRate::from_sat_per_kwu(4_000));
    assert!(matches!(stuck.state, VaultState::Stuck { .. }), "{stuck:?}");
    let newest = entry(&setting).proposal.coins().to_vec();
    assert_ne!(newest, [last]);
    let offered = spendable(&setting.world);
    assert!(!offered.contains(&last) && !offered.contains(&newest[0]));
}

#[test]
fn a_transaction_that_pays_too_little_for_too_long_is_replaced_and_pays_once() {
    let mut setting = Setting::new();
    let owed = [(0, withdrawal(31, 50_000))];
    let first = sent(&setting.tend(&[], &owed));
    let dear = FeeRate::from_sat_per_kwu(4_000);
    let snapshot = setting.snapshot(&[], &owed);
    let early = setting.tend_at(&snapshot, dear);
    assert_eq!(
        early.state,
        VaultState::InMempool(first),
        "it has not waited long enough"
    );
    setting.world.chain.mine_empty(2);
    let same = setting.tend(&[], &owed);
    assert_eq!(same.state, VaultState::InMempool(first), "rates have not risen");
    setting.world.follow();
    let snapshot = setting.snapshot(&[], &owed);
    let VaultState::Bumped { txid, replaced } = setting.tend_at(&snapshot, dear).state else {
        panic!("it is replaced")
    };
    assert_eq!(replaced, first);
    assert!(setting.world.chain.mempool_entry(&first).unwrap().is_none());
    let (old, new) = (setting.world.vault_tip.outpoint, pending(&setting.world, &txid));
    assert_eq!(
        new.input[0].previous_output, old,
        "both spend the tip: only one can confirm"
    );
    assert_eq!(
        setting.tend_at(&snapshot, dear).state,
        VaultState::InMempool(txid)
    );
}

#[test]
fn vault_steps_are_observed_in_order_and_the_journal_comes_first() {
    let mut setting = Setting::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (journal, chain) = (setting.world.journal.clone(), setting.world.chain.clone());
    let log = seen.clone();
    let observer = move |step| {
        let [(key, value)] = &journal.list(PREFIX).unwrap()[..] else {
            panic!("one entry")
        };
        let signed = Entry::decode(key, value).unwrap().latest_signed().is_some();
        let sent = chain.mempool_info().unwrap().count == 1;
        log.lock().unwrap().push((step, signed, sent));
    };
    setting.vault = setting.vault.with_observer(Box::new(observer));
    let owed = [(0, withdrawal(31, 50_000))];
    setting.tend(&[], &owed);
    let made = [
        (VaultStep::Planned, false, false),
        (VaultStep::Signed, true, false),
        (VaultStep::Sent, true, true),
    ];
    assert_eq!(*seen.lock().unwrap(), made);
    setting.world.chain.evict();
    setting.tend(&[], &owed);
    assert_eq!(
        seen.lock().unwrap()[3..],
        made[2..],
        "what is sent again is not signed again"
    );
}

/// A signer that lets only so many payouts through at once.
struct Capped {
    inner: LocalSigner,
    most: usize,
    asked: Mutex<Vec<usize>>,
}

impl VaultSigner for Capped {
    fn keys(&self) -> Vec<XOnlyPublicKey> {
        self.inner.keys()
    }

    fn sign_vault(&self, proposal: &Proposal, tx: &UnsignedVaultTx) -> Result<Signatures, SignError> {
        let payouts = proposal.withdrawals().len();
        self.asked.lock().unwrap().push(payouts);
        if payouts > self.most {
            return Err(SignError::Outflow("the cap".to_owned()));
        }
        self.inner.sign_vault(proposal, tx)
    }
}

#[test]
fn what_signers_delay_is_paid_in_smaller_parts() {
    let mut setting = Setting::new();
    let owed: Vec<_> = (0..9)
        .map(|i| (u64::from(i), withdrawal(31 + i, 50_000)))
        .collect();
    let deposits = [setting.world.deposit(21, 100_000)];
    for (most, tried, paid) in [
        (9, vec![9], 9),
        (3, vec![9, 4, 2], 2),
        (0, vec![9, 4, 2, 1, 0], 0),
    ] {
        let snapshot = setting.snapshot(&deposits, &owed);
        *setting.shared.0.lock().unwrap() = Some(snapshot.clone());
        let ceiling = FeeRate::from_sat_per_kwu(10_000);
        let inner =
            LocalSigner::new(Network::Regtest, federation(), setting.shared.clone(), ceiling).unwrap();
        let capped = Arc::new(Capped {
            inner,
            most,
            asked: Mutex::default(),
        });
        let vault = operator_with(&setting.world, capped.clone());
        let report = vault
            .tend(&snapshot, VaultRates::at(rate()), &mut setting.world.coins)
            .unwrap();
        assert!(
            matches!(report.state, VaultState::Sent { withdrawals, deposits: 1, .. } if withdrawals == paid),
            "{report:?}"
        );
        assert_eq!(*capped.asked.lock().unwrap(), tried);
        let delayed = report
            .held
            .iter()
            .filter(|held| held.reason == HeldReason::Delayed);
        assert_eq!(delayed.count(), 9 - paid, "the others are told why they wait");
        setting = Setting::new();
        setting.world.deposit(21, 100_000);
        setting.world.follow();
    }
    // Nothing but payouts, all delayed: a state with its reason.
    let snapshot = setting.snapshot(&[], &owed);
    *setting.shared.0.lock().unwrap() = Some(snapshot.clone());
    let inner = LocalSigner::new(Network::Regtest, federation(), setting.shared.clone(), rate()).unwrap();
    let capped = Capped {
        inner,
        most: 0,
        asked: Mutex::default(),
    };
    let vault = operator_with(&setting.world, Arc::new(capped));
    let refused = vault.tend(&snapshot, VaultRates::at(rate()), &mut setting.world.coins);
    assert_eq!(
        refused,
        Err(VaultError::Sign(SignError::Outflow("the cap".to_owned())))
    );
}
