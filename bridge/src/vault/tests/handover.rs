//! What the operator wants handed over goes before payments, as soon as the chain allows it.

use bitcoin::{ScriptBuf, XOnlyPublicKey};
use tacit_protocol::peg::vault::{Handover, HandoverPlan, UnsignedVaultTx, VaultKeys};
use tacit_protocol::peg::{AnchorKeys, EpochHash};

use super::signing::{Refusing, entry};
use super::*;
use crate::proposal::Proposal;
use crate::signer::{SignError, Signatures, VaultSigner, own_inputs};
use crate::vault::Handovers;

const NEXT: EpochHash = EpochHash([7; 32]);

fn next_vault() -> ScriptBuf {
    VaultKeys::without_leaves(key(8).public_key()).script_pubkey()
}

fn sequencer() -> Handover {
    Handover::Anchor(key(9).public_key())
}

/// Both handovers are possible.
fn allowed() -> Handovers {
    Handovers {
        announced: vec![(NEXT, next_vault())],
        reset: Some("no batch since block 1".to_owned()),
        takeover_timelock: 1_008,
        former: Vec::new(),
    }
}

fn owed() -> [(u64, WithdrawalView); 1] {
    [(0, withdrawal(31, 50_000))]
}

#[test]
fn what_is_wanted_is_handed_over_once_the_chain_allows_it() {
    for wanted in [Handover::Vault(NEXT), sequencer()] {
        let mut setting = Setting::new();
        let snapshot = setting.snapshot(&[], &owed());
        let waiting = snapshot.clone().wanting(Some(wanted));
        assert_eq!(waiting.wanted(), None, "the chain does not allow it");
        assert_eq!(
            snapshot.with_handovers(allowed()).wanted(),
            None,
            "nobody wants it"
        );

        let snapshot = waiting.with_handovers(allowed());
        assert_eq!(snapshot.wanted(), Some(wanted));
        let txid = sent(&setting.tend_at(&snapshot, rate()));
        let tx = pending(&setting.world, &txid);
        let HandoverPlan { script_pubkey, .. } = snapshot.handover_plan(wanted).unwrap();
        match wanted {
            Handover::Vault(_) => {
                assert_eq!(script_pubkey, next_vault());
                assert_eq!(tx.output[0].script_pubkey, next_vault());
            }
            Handover::Anchor(anchor) => {
                let keys = AnchorKeys {
                    anchor,
                    federation: federation().public_key(),
                    takeover_timelock: 1_008,
                };
                assert_eq!(script_pubkey, keys.script_pubkey());
                assert_eq!(tx.output[2].script_pubkey, keys.script_pubkey());
                assert_eq!(tx.output[0].script_pubkey, vault_keys().script_pubkey());
            }
        }
        assert_eq!(tx.output[0].value.to_sat(), VAULT, "nobody is paid meanwhile");
        let again = setting.tend_at(&snapshot, rate()).state;
        assert_eq!(again, VaultState::InMempool(tx.compute_txid()), "one on its way");
    }
}

#[test]
fn payments_on_their_way_are_not_given_up_for_a_handover() {
    let mut setting = Setting::new();
    let payment = sent(&setting.tend(&[], &owed()));
    let wanting = |setting: &Setting| {
        let snapshot = setting.snapshot(&[], &owed()).with_handovers(allowed());
        snapshot.wanting(Some(sequencer()))
    };
    let state = setting.tend_at(&wanting(&setting), rate()).state;
    assert_eq!(state, VaultState::InMempool(payment));
    // Not even by a version that pays more.
    setting.world.chain.mine_empty(2);
    setting.world.follow();
    let dear = FeeRate::from_sat_per_kwu(2 * rate().sat_per_kwu());
    let bumped = setting.tend_at(&wanting(&setting), dear).state;
    let VaultState::Bumped { txid, .. } = bumped else {
        panic!("{bumped:?}")
    };
    let tx = pending(&setting.world, &txid);
    assert!(tx.output.iter().any(|output| output.script_pubkey == payee(31)));
}

#[test]
fn a_handover_that_is_not_possible_any_more_makes_room_for_payments() {
    let mut setting = Setting::new();
    let snapshot = setting.snapshot(&[], &owed()).with_handovers(allowed());
    let reset = sent(&setting.tend_at(&snapshot.clone().wanting(Some(sequencer())), rate()));
    setting.world.chain.evict();
    // A batch came: the reset would be void. What was signed is sent again all the same; it harms nobody.
    let snapshot = snapshot.with_handovers(Handovers::default());
    let state = setting.tend_at(&snapshot, rate()).state;
    assert_eq!(state, VaultState::Resent(reset));
    setting.world.chain.mine_empty(2);
    setting.world.follow();
    let snapshot = setting.snapshot(&[], &owed());
    let dear = FeeRate::from_sat_per_kwu(2 * rate().sat_per_kwu());
    let bumped = setting.tend_at(&snapshot, dear).state;
    let VaultState::Bumped { txid, replaced } = bumped else {
        panic!("{bumped:?}")
    };
    assert_eq!(replaced, reset);
    let tx = pending(&setting.world, &txid);
    assert!(tx.output.iter().any(|output| output.script_pubkey == payee(31)));
}

#[test]
fn a_payment_that_nobody_signed_makes_room_for_a_handover() {
    for wanted in [Handover::Vault(NEXT), sequencer()] {
        let mut setting = Setting::new();
        let snapshot = setting.snapshot(&[], &owed()).with_handovers(allowed());
        // Signers refuse the payment for good; its plan stays in the journal.
        let refusing = operator_with(&setting.world, Arc::new(Refusing(0.into())));
        let refused = refusing.tend(&snapshot, VaultRates::at(rate()), &mut setting.world.coins);
        assert!(matches!(refused, Err(VaultError::Sign(_))), "{refused:?}");
        let planned = entry(&setting);
        assert_eq!((planned.signed, planned.proposal.handover()), (None, None));

        let txid = sent(&setting.tend_at(&snapshot.clone().wanting(Some(wanted)), rate()));
        let entry = entry(&setting);
        assert_eq!(
            (entry.proposal.txid(), entry.proposal.handover()),
            (txid, Some(wanted))
        );
        let tx = pending(&setting.world, &txid);
        assert!(
            tx.output.iter().all(|output| output.script_pubkey != payee(31)),
            "nobody is paid by it"
        );
        assert_eq!(
            entry.superseded,
            [planned.proposal.txid()],
            "and the plan is remembered"
        );
    }
}

/// A signer that checks nothing, and signs only what it is willing to.
struct Willing {
    payments: bool,
    handovers: bool,
}

impl VaultSigner for Willing {
    fn keys(&self) -> Vec<XOnlyPublicKey> {
        vec![federation().public_key()]
    }

    fn sign_vault(&self, proposal: &Proposal, tx: &UnsignedVaultTx) -> Result<Signatures, SignError> {
        let willing = match proposal.handover() {
            Some(_) => self.handovers,
            None => self.payments,
        };
        if !willing {
            return Err(SignError::Halted("not that".to_owned()));
        }
        let (key, sign) = (federation().public_key(), |input, root| {
            federation().sign_key_path(&tx.sighash(input), root)
        });
        let own = own_inputs(tx.roles(), &key);
        Ok(own.map(|(input, root)| (input, sign(input, root))).collect())
    }
}

fn willing(setting: &Setting, payments: bool, handovers: bool) -> VaultOperator {
    operator_with(&setting.world, Arc::new(Willing { payments, handovers }))
}

#[test]
fn whoever_waits_is_paid_while_nobody_signs_a_handover() {
    let mut setting = Setting::new();
    let snapshot = |setting: &Setting, owed: &[(u64, WithdrawalView)]| {
        let snapshot = setting.snapshot(&[], owed).with_handovers(allowed());
        snapshot.wanting(Some(sequencer()))
    };
    let operator = willing(&setting, true, false);
    let rates = VaultRates::at(rate());
    let nothing = snapshot(&setting, &[]);
    let refused = operator.tend(&nothing, rates, &mut setting.world.coins);
    assert!(
        matches!(refused, Err(VaultError::Sign(_))),
        "nobody waits, and it is said why: {refused:?}"
    );
    let someone = snapshot(&setting, &owed());
    let txid = sent(&operator.tend(&someone, rates, &mut setting.world.coins).unwrap());
    let tx = pending(&setting.world, &txid);
    assert!(tx.output.iter().any(|output| output.script_pubkey == payee(31)));
    assert_eq!(
        entry(&setting).superseded.len(),
        1,
        "the handover that was planned is remembered"
    );
    // One that was signed and waits is not given up for payments.
    let mut setting = Setting::new();
    let someone = snapshot(&setting, &owed());
    let both = willing(&setting, true, true);
    let handover = sent(&both.tend(&someone, rates, &mut setting.world.coins).unwrap());
    setting.world.chain.mine_empty(2);
    setting.world.follow();
    let dear = VaultRates::at(FeeRate::from_sat_per_kwu(2 * rate().sat_per_kwu()));
    let later = snapshot(&setting, &owed());
    let operator = willing(&setting, true, false);
    let refused = operator.tend(&later, dear, &mut setting.world.coins);
    assert!(matches!(refused, Err(VaultError::Sign(_))), "{refused:?}");
    assert!(setting.world.chain.mempool_entry(&handover).unwrap().is_some());
}

#[test]
fn a_signed_payment_that_can_never_be_mined_makes_room_for_a_handover() {
    let mut setting = Setting::new();
    let deposits = [setting.world.deposit(21, 100_000)];
    sent(&setting.tend(&deposits, &owed()));
    // The depositor takes it back.
    setting.world.chain.forget(&deposits[0].outpoint);
    let snapshot = setting.snapshot(&[], &owed()).with_handovers(allowed());
    let snapshot = snapshot.wanting(Some(sequencer()));
    // Members whose operators consented sign nothing but the handover.
    let operator = willing(&setting, false, true);
    let rates = VaultRates::at(rate());
    let txid = sent(&operator.tend(&snapshot, rates, &mut setting.world.coins).unwrap());
    let tx = pending(&setting.world, &txid);
    assert!(tx.output.iter().all(|output| output.script_pubkey != payee(31)));
    assert_eq!(entry(&setting).proposal.handover(), Some(sequencer()));
}
