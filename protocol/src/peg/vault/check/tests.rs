//! Tests of the judgement on vault transactions, one per fault.

use std::collections::BTreeSet;

use bitcoin::opcodes::all::OP_RETURN;
use bitcoin::script::Builder;
use bitcoin::{Amount as Btc, Witness};

use super::*;
use crate::encoding::Encode;
use crate::peg::fees::FeeRate;
use crate::peg::fixture::{key, key_script, outpoint, sats, txout};
use crate::peg::vault::fixture::{Judged, NEXT_EPOCH, Parts, SEQUENCER, next_keys, valid};
use crate::peg::vault::plan_vault_tx;

fn judge(case: &Judged) -> Result<VaultEffects, VaultFault> {
    check_vault_tx(&case.tx, &case.prevouts, &case.ctx)
}

fn set_meta(case: &mut Judged, n_dep: u16, q: u32, paid: &[u64]) {
    let meta = VaultMeta::new(n_dep, FeeRate::from_sat_per_kwu(q), paid.to_vec()).unwrap();
    case.tx.output[1].script_pubkey = meta.to_script();
}

fn add(output: &mut TxOut, sats: i64) {
    output.value = Btc::from_sat(output.value.to_sat().checked_add_signed(sats).unwrap());
}

#[test]
fn a_valid_transaction_moves_the_tip_credits_and_pays() {
    let case = valid();
    let effects = judge(&case).unwrap();
    let txid = case.tx.compute_txid();
    // Shares at one satoshi per weight unit: 230 per deposit, 124 per P2WPKH payout.
    let amount = sats(1_000_000 + (80_000 - 230) + (50_000 - 230) - 40_000 - 60_000 + 500);
    assert_eq!(
        effects.new_tip,
        VaultTip {
            outpoint: OutPoint { txid, vout: 0 },
            amount
        }
    );
    assert_eq!(effects.top_up, sats(500));
    let credits: Vec<_> = effects
        .swept
        .iter()
        .map(|d| (d.outpoint, d.share, d.credit))
        .collect();
    assert_eq!(
        credits,
        [
            (outpoint(10), sats(230), sats(79_770)),
            (outpoint(20), sats(230), sats(49_770))
        ]
    );
    assert_eq!(effects.swept[0].script_pubkey, case.prevouts[1].script_pubkey);
    let share = sats(124);
    assert_eq!(
        effects.paid,
        [
            PaidWithdrawal {
                index: 3,
                vout: 2,
                share
            },
            PaidWithdrawal {
                index: 5,
                vout: 3,
                share
            }
        ]
    );
    assert_eq!(case.tx.output[2].value.to_sat(), 40_000 - 124);
}

/// The position of a fault in the list of rules; a new rule does not compile until it stands here,
/// and fails the test below until it has a row.
fn number(fault: &VaultFault) -> usize {
    match fault {
        VaultFault::Version => 0,
        VaultFault::Weight(_) => 1,
        VaultFault::TipNotFirst => 2,
        VaultFault::TipContents => 3,
        VaultFault::MetaScript(_) => 4,
        VaultFault::MetaValue => 5,
        VaultFault::Meta(_) => 6,
        VaultFault::UnknownEpoch(_) => 7,
        VaultFault::VaultScript => 8,
        VaultFault::TooFewInputs => 9,
        VaultFault::DepositOrder => 10,
        VaultFault::TooFewOutputs => 11,
        VaultFault::FirstAnchor => 12,
        VaultFault::AnchorValue => 13,
        VaultFault::TrailingOutputs => 14,
        VaultFault::DepositTooSmall(_) => 15,
        VaultFault::DepositShare(_) => 16,
        VaultFault::UnknownIndex(_) => 17,
        VaultFault::AlreadyPaid(_) => 18,
        VaultFault::NotDeep(_) => 19,
        VaultFault::WrongScript(_) => 20,
        VaultFault::PayoutShare(_) => 21,
        VaultFault::WrongAmount(_) => 22,
        VaultFault::Overflow => 23,
        VaultFault::Overdrawn => 24,
        VaultFault::VaultShort { .. } => 25,
        VaultFault::FeeBelowShares => 26,
    }
}

type Tampering = fn(&mut Judged);
type Tamper = (VaultFault, Tampering);

/// One or more ways to break each rule. Outputs of the valid transaction: vault, OP_RETURN, two
/// payouts, pay-to-anchor, change; inputs: tip, two deposits, a coin.
fn layout_tampers() -> Vec<Tamper> {
    vec![
        (VaultFault::Version, |c| {
            c.tx.version = bitcoin::transaction::Version::TWO
        }),
        (VaultFault::Weight(42_000), |c| {
            let spare = 42_000 - c.tx.weight().to_wu() + 64 - 2;
            c.tx.input[0].witness = Witness::from_slice(&[vec![0u8; usize::try_from(spare).unwrap()]]);
        }),
        (VaultFault::TipNotFirst, |c| {
            c.tx.input.swap(0, 3);
            c.prevouts.swap(0, 3);
        }),
        (VaultFault::TipNotFirst, |c| {
            c.tx.input.clear();
            c.prevouts.clear();
        }),
        (VaultFault::TipContents, |c| c.ctx.tip.amount = sats(1_000_001)),
        (VaultFault::TipContents, |c| {
            c.prevouts[0].script_pubkey = key_script(8)
        }),
        (VaultFault::VaultScript, |c| {
            c.tx.output[0].script_pubkey = key_script(8)
        }),
        (VaultFault::MetaScript(MetaError::Script), |c| c.tx.output.clear()),
        (VaultFault::MetaScript(MetaError::Script), |c| {
            c.tx.output.swap(1, 2)
        }),
        (VaultFault::MetaScript(MetaError::Script), |c| {
            c.tx.output.truncate(1)
        }),
        (VaultFault::MetaValue, |c| add(&mut c.tx.output[1], 1)),
        (VaultFault::Meta(DecodeError::Unknown("vault version")), |c| {
            let mut bytes = VaultMeta::new(2, FeeRate::default(), vec![3, 5])
                .unwrap()
                .encode();
            bytes[4] = 9;
            let push: &bitcoin::script::PushBytes = bytes.as_slice().try_into().unwrap();
            c.tx.output[1].script_pubkey = Builder::new()
                .push_opcode(OP_RETURN)
                .push_slice(push)
                .into_script();
        }),
        (VaultFault::TooFewInputs, |c| set_meta(c, 4, 1_000, &[3, 5])),
        (VaultFault::DepositOrder, |c| {
            c.tx.input.swap(1, 2);
            c.prevouts.swap(1, 2);
        }),
        (VaultFault::TooFewOutputs, |c| c.tx.output.truncate(3)),
        (VaultFault::AnchorValue, |c| add(&mut c.tx.output[4], 1)),
        (VaultFault::TrailingOutputs, |c| {
            c.tx.output.push(txout(0, key_script(9)))
        }),
        (VaultFault::TrailingOutputs, |c| c.tx.output.swap(4, 5)),
        (VaultFault::TrailingOutputs, |c| {
            c.tx.output[5].script_pubkey = ScriptBuf::new_p2a()
        }),
    ]
}

/// As [`layout_tampers`], for the rules about money.
fn money_tampers() -> Vec<Tamper> {
    vec![
        (VaultFault::DepositTooSmall(outpoint(10)), |c| {
            c.prevouts[1].value = Btc::from_sat(19_999)
        }),
        // 11,000 · 230 / 1,000 = 2,530 is above a twentieth of 50,000.
        (VaultFault::DepositShare(outpoint(20)), |c| {
            set_meta(c, 2, 11_000, &[3, 5])
        }),
        (VaultFault::UnknownIndex(6), |c| set_meta(c, 2, 1_000, &[3, 6])),
        (VaultFault::AlreadyPaid(3), |c| {
            c.ctx.withdrawals.get_mut(&3).unwrap().paid = true
        }),
        (VaultFault::NotDeep(5), |c| {
            c.ctx.withdrawals.get_mut(&5).unwrap().deep = false
        }),
        (VaultFault::WrongScript(5), |c| {
            c.tx.output[3].script_pubkey = key_script(8)
        }),
        (VaultFault::WrongScript(3), |c| c.tx.output.swap(2, 3)),
        (VaultFault::PayoutShare(3), |c| {
            c.ctx.withdrawals.get_mut(&3).unwrap().max_l1_fee = sats(123)
        }),
        (VaultFault::WrongAmount(3), |c| add(&mut c.tx.output[2], 1)),
        (VaultFault::WrongAmount(5), |c| add(&mut c.tx.output[3], -1)),
        (VaultFault::Overflow, |c| {
            c.prevouts[1].value = Btc::from_sat(Amount::MAX.to_sat())
        }),
        (VaultFault::Overflow, |c| {
            c.tx.output[0].value = Btc::from_sat(Amount::MAX.to_sat() + 1)
        }),
        (VaultFault::Overflow, |c| {
            c.prevouts[3].value = Btc::from_sat(u64::MAX)
        }),
        (VaultFault::Overdrawn, |c| {
            c.ctx.withdrawals.get_mut(&3).unwrap().amount = sats(2_000_000);
            c.tx.output[2].value = Btc::from_sat(2_000_000 - 124);
        }),
        (
            VaultFault::VaultShort {
                owed: sats(1_029_540),
                kept: sats(1_029_539),
            },
            |c| {
                add(&mut c.tx.output[0], -501);
            },
        ),
        (VaultFault::FeeBelowShares, |c| {
            let fee = fee(c);
            add(&mut c.tx.output[5], i64::try_from(fee).unwrap() - 707);
        }),
        (VaultFault::FeeBelowShares, |c| {
            add(&mut c.tx.output[5], 1_000_000)
        }),
    ]
}

/// As [`layout_tampers`], for what hands something over: outputs are vault, OP_RETURN, of a reset the
/// first anchor, pay-to-anchor, change.
fn handover_tampers() -> Vec<(Parts, VaultFault, Tampering)> {
    let unknown = EpochHash([0xe2; 32]);
    vec![
        (Parts::rotation(), VaultFault::UnknownEpoch(unknown), |c| {
            hand_over(c, Handover::Vault(EpochHash([0xe2; 32])))
        }),
        (Parts::rotation(), VaultFault::VaultScript, |c| {
            c.tx.output[0].script_pubkey = c.prevouts[0].script_pubkey.clone()
        }),
        (Parts::rotation(), VaultFault::VaultScript, |c| {
            set_meta(c, 0, 1_000, &[])
        }),
        (Parts::rotation(), VaultFault::TrailingOutputs, |c| {
            c.tx.output.insert(2, txout(1_000, key_script(7)))
        }),
        (Parts::reset(), VaultFault::VaultScript, |c| {
            c.tx.output[0].script_pubkey = next_keys().script_pubkey()
        }),
        (Parts::reset(), VaultFault::FirstAnchor, |c| {
            hand_over(c, Handover::Anchor(key(7)))
        }),
        (Parts::reset(), VaultFault::FirstAnchor, |c| {
            add(&mut c.tx.output[2], 1)
        }),
        (Parts::reset(), VaultFault::FirstAnchor, |c| {
            c.tx.output.remove(2);
        }),
        (Parts::reset(), VaultFault::FirstAnchor, |c| {
            c.tx.output.truncate(2)
        }),
        (Parts::reset(), VaultFault::TrailingOutputs, |c| {
            set_meta(c, 0, 1_000, &[])
        }),
    ]
}

fn hand_over(case: &mut Judged, handover: Handover) {
    let meta = VaultMeta::handing_over(handover, FeeRate::default());
    case.tx.output[1].script_pubkey = meta.to_script();
}

fn fee(case: &Judged) -> u64 {
    let inputs: u64 = case.prevouts.iter().map(|output| output.value.to_sat()).sum();
    inputs
        - case
            .tx
            .output
            .iter()
            .map(|output| output.value.to_sat())
            .sum::<u64>()
}

#[test]
fn every_rule_has_a_transaction_that_breaks_it_alone() {
    let mut seen = BTreeSet::new();
    for (expected, tamper) in layout_tampers().into_iter().chain(money_tampers()) {
        let mut case = valid();
        tamper(&mut case);
        assert_eq!(judge(&case), Err(expected.clone()), "{expected}");
        seen.insert(number(&expected));
    }
    for (parts, expected, tamper) in handover_tampers() {
        let mut case = parts.judged(&plan_vault_tx(&parts.plan()).unwrap());
        assert!(judge(&case).is_ok());
        tamper(&mut case);
        assert_eq!(judge(&case), Err(expected.clone()), "{expected}");
        seen.insert(number(&expected));
    }
    assert_eq!(seen, (0..27).collect(), "each rule has a row in a table");
}

#[test]
fn the_limits_themselves_are_within_the_rules() {
    let mut no_top_up = valid();
    add(&mut no_top_up.tx.output[0], -500);
    assert_eq!(judge(&no_top_up).unwrap().top_up, Amount::ZERO);

    let mut all_from_users = valid();
    let extra = i64::try_from(fee(&all_from_users)).unwrap() - 708;
    add(&mut all_from_users.tx.output[5], extra);
    assert_eq!(fee(&all_from_users), 2 * 230 + 2 * 124);
    assert!(judge(&all_from_users).is_ok());

    let mut tight = valid();
    tight.ctx.withdrawals.get_mut(&3).unwrap().max_l1_fee = sats(124);
    assert!(judge(&tight).is_ok());
}

#[test]
fn pay_to_anchor_and_change_may_be_missing() {
    let mut no_anchor = valid();
    no_anchor.tx.output.remove(4);
    assert!(judge(&no_anchor).is_ok());
    let mut no_change = valid();
    no_change.tx.output.truncate(5);
    assert!(judge(&no_change).is_ok());
    no_change.tx.output.truncate(4);
    assert!(judge(&no_change).is_ok());
}

#[test]
fn a_rotation_moves_the_whole_vault_to_the_next_federation() {
    let parts = Parts::rotation();
    let case = parts.judged(&plan_vault_tx(&parts.plan()).unwrap());
    let effects = judge(&case).unwrap();
    assert_eq!(effects.handover, Some(Handover::Vault(NEXT_EPOCH)));
    assert_eq!(effects.script_pubkey, next_keys().script_pubkey());
    assert_eq!(
        effects.new_tip.amount,
        sats(1_000_500),
        "the operator pays the fee and a top-up"
    );
    assert!(effects.swept.is_empty() && effects.paid.is_empty());
}

#[test]
fn a_reset_keeps_the_vault_and_has_the_next_sequencers_first_anchor() {
    let parts = Parts::reset();
    let case = parts.judged(&plan_vault_tx(&parts.plan()).unwrap());
    let effects = judge(&case).unwrap();
    assert_eq!(effects.handover, Some(Handover::Anchor(key(SEQUENCER))));
    assert_eq!(effects.script_pubkey, case.ctx.script);
    assert_eq!(
        effects.new_tip.amount,
        sats(1_000_500),
        "the anchor is the operator's"
    );
    assert_eq!(case.tx.output[2].value, ANCHOR_AMOUNT);
}
