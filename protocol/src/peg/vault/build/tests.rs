//! Tests of vault transactions as they are planned.

use proptest::prelude::*;

use super::*;
use crate::peg::coins::CoinError;
use crate::peg::fixture::{coin, key_script, sats, sign, verifies};
use crate::peg::vault::check_vault_tx;
use crate::peg::vault::fixture::{FEDERATION, HEIGHT, OPERATOR, Parts, deposit, tip, vault_keys, withdrawal};

#[test]
fn every_input_is_signed_by_its_owner_with_the_right_tweak() {
    let parts = Parts::valid();
    let without_leaves = Parts {
        vault: VaultKeys::without_leaves(parts.vault.federation),
        ..parts.clone()
    };
    owners_sign(&parts);
    owners_sign(&without_leaves);
}

fn owners_sign(parts: &Parts) {
    let unsigned = plan_vault_tx(&parts.plan()).unwrap();
    assert_eq!(unsigned.roles()[0], InputRole::Vault(parts.vault.key_path()));
    let signatures: Vec<Signature> = unsigned
        .roles()
        .iter()
        .enumerate()
        .map(|(i, role)| {
            let owner = if *role == InputRole::Operator {
                OPERATOR
            } else {
                FEDERATION
            };
            let signature = sign(owner, role.merkle_root(), &unsigned.sighash(i));
            assert!(verifies(
                &unsigned.prevouts()[i].script_pubkey,
                &unsigned.sighash(i),
                &signature
            ));
            signature
        })
        .collect();
    let lock = unsigned.tx().lock_time;
    assert_eq!(lock, LockTime::from_height(HEIGHT).unwrap(), "not mined lower");
    assert!(
        unsigned
            .tx()
            .input
            .iter()
            .all(|input| input.sequence.enables_absolute_lock_time())
    );
    let (txid, prevouts) = (unsigned.tx().compute_txid(), unsigned.prevouts().to_vec());
    let fee = unsigned.fee();
    let signed = unsigned.finalise(&signatures);
    assert_eq!(signed.compute_txid(), txid);
    assert!(check_vault_tx(&signed, &prevouts, &parts.context()).is_ok());
    let inputs: u64 = prevouts.iter().map(|output| output.value.to_sat()).sum();
    let outputs: u64 = signed.output.iter().map(|output| output.value.to_sat()).sum();
    assert_eq!(inputs - outputs, fee);
    // The estimate leaves room for two longer counts, no more.
    let exact = parts.rate.fee(u32::try_from(signed.weight().to_wu()).unwrap());
    assert!(fee >= exact && fee - exact <= 18, "{fee} {exact}");
}

#[test]
fn the_order_of_the_plan_does_not_matter() {
    let parts = Parts::valid();
    let mut reversed = parts.clone();
    reversed.deposits.reverse();
    reversed.withdrawals.reverse();
    reversed.coins.reverse();
    assert_eq!(plan_vault_tx(&parts.plan()), plan_vault_tx(&reversed.plan()));
}

#[test]
fn with_nothing_to_do_the_vault_moves_to_itself() {
    let mut parts = Parts::valid();
    (parts.deposits, parts.withdrawals, parts.top_up) = (vec![], vec![], 0);
    let unsigned = plan_vault_tx(&parts.plan()).unwrap();
    let case = parts.judged(&unsigned);
    let effects = check_vault_tx(&case.tx, &case.prevouts, &case.ctx).unwrap();
    assert_eq!(effects.new_tip.amount, tip().amount, "the operator pays the fee");
    assert!(effects.swept.is_empty() && effects.paid.is_empty());
}

#[test]
fn a_handover_beside_anything_else_is_refused() {
    let handover = Parts::rotation().handover;
    let with = |parts: Parts| {
        let parts = Parts {
            handover: handover.clone(),
            ..parts
        };
        plan_vault_tx(&parts.plan()).map(drop)
    };
    let sweeps = Parts {
        withdrawals: Vec::new(),
        ..Parts::valid()
    };
    let pays = Parts {
        deposits: Vec::new(),
        ..Parts::valid()
    };
    assert_eq!(with(sweeps), Err(PlanError::MixedHandover));
    assert_eq!(with(pays), Err(PlanError::MixedHandover));
    assert_eq!(with(Parts::rotation()), Ok(()));
}

fn refused(tamper: impl FnOnce(&mut Parts)) -> PlanError {
    let mut parts = Parts::valid();
    tamper(&mut parts);
    plan_vault_tx(&parts.plan()).unwrap_err()
}

#[test]
fn plans_that_break_a_rule_are_refused() {
    let outpoint = deposit(10, 1).outpoint;
    let error = PlanError::Deposit(outpoint);
    assert_eq!(refused(|p| p.deposits[1].amount = sats(19_999)), error);
    assert_eq!(refused(|p| p.deposits.push(p.deposits[1].clone())), error);
    assert_eq!(
        refused(|p| p.withdrawals[0].1.paid = true),
        PlanError::Held {
            index: 5,
            reason: HeldReason::Paid
        }
    );
    assert_eq!(
        refused(|p| p.withdrawals.push(p.withdrawals[0].clone())),
        PlanError::Meta(MetaError::Order)
    );
    assert_eq!(
        refused(|p| p.withdrawals[0].0 = 3 + 496),
        PlanError::Meta(MetaError::Span)
    );
    // The top-up of 500 would be needed to pay, which it is not there for.
    let rest = 1_000_000 + 129_540 - 60_000;
    assert_eq!(
        refused(|p| p.withdrawals[1].1 = withdrawal(3, rest + 1, 2_000)),
        PlanError::Overdrawn
    );
    let mut parts = Parts::valid();
    parts.withdrawals[1].1 = withdrawal(3, rest, 2_000);
    assert!(plan_vault_tx(&parts.plan()).is_ok());
    assert!(matches!(
        refused(|p| p.coins.clear()),
        PlanError::Coins(CoinError::Insufficient { available: 0, .. })
    ));
    let many = |p: &mut Parts| {
        p.withdrawals = (0..330).map(|i| (i, withdrawal(1, 1_000, 454))).collect();
        p.coins = vec![coin(30, OPERATOR, 10_000_000)];
    };
    assert!(matches!(refused(many), PlanError::TooHeavy(weight) if weight > 40_000));
}

#[test]
fn without_operator_coins_the_shares_pay_when_they_suffice() {
    let mut parts = Parts::valid();
    (parts.coins, parts.top_up, parts.p2a) = (vec![], 0, false);
    parts.rate = FeeRate::from_sat_per_kwu(100);
    let unsigned = plan_vault_tx(&parts.plan()).unwrap();
    assert_eq!(unsigned.fee(), 708);
    assert_eq!(unsigned.tx().output.len(), 4);
}

fn parts() -> impl Strategy<Value = Parts> {
    let deposits = prop::collection::btree_map(1u8..100, 20_000u64..10_000_000, 0..8);
    let withdrawals = prop::collection::btree_map(7u64..400, (1u8..200, 600u64..40_000, 0u64..3_000), 0..20);
    let coins = prop::collection::btree_map(100u8..200, 1_000u64..200_000, 0..6);
    let rates = (0u32..6_000, 0u32..12_000, 0u64..2_000, any::<bool>());
    (deposits, withdrawals, coins, rates).prop_map(|(deposits, withdrawals, coins, rates)| Parts {
        vault: vault_keys(),
        deposits: deposits
            .into_iter()
            .map(|(n, amount)| deposit(n, amount))
            .collect(),
        withdrawals: withdrawals
            .into_iter()
            .map(|(index, (n, amount, fee))| (index, withdrawal(n, amount, fee.min(amount - 546))))
            .collect(),
        coins: coins
            .into_iter()
            .map(|(n, value)| coin(n, OPERATOR, value))
            .collect(),
        q: FeeRate::from_sat_per_kwu(rates.0),
        rate: FeeRate::from_sat_per_kwu(rates.1),
        change: key_script(OPERATOR),
        top_up: rates.2,
        p2a: rates.3,
        handover: None,
    })
}

proptest! {
    #[test]
    fn what_is_planned_passes_the_check_and_reaches_the_rate(mut parts in parts()) {
        let q = parts.q;
        parts.deposits.retain(|deposit| deposit_is_sweepable(deposit.amount, q));
        parts.withdrawals.retain(|(_, withdrawal)| eligible(withdrawal, q).is_ok());
        match plan_vault_tx(&parts.plan()) {
            Ok(unsigned) => {
                let case = parts.judged(&unsigned);
                let effects = check_vault_tx(&case.tx, &case.prevouts, &case.ctx);
                let effects = effects.map_err(|fault| TestCaseError::fail(fault.to_string()))?;
                prop_assert_eq!(effects.top_up, sats(parts.top_up));
                prop_assert_eq!(effects.swept.len(), parts.deposits.len());
                let paid: Vec<u64> = effects.paid.iter().map(|payout| payout.index).collect();
                let asked: Vec<u64> = parts.withdrawals.iter().map(|(index, _)| *index).collect();
                prop_assert_eq!(paid, asked);
                let weight = u32::try_from(case.tx.weight().to_wu()).unwrap();
                prop_assert!(unsigned.fee() >= parts.rate.fee(weight));
                let credits: u64 = effects.swept.iter().map(|deposit| deposit.credit.to_sat()).sum();
                let exits: u64 = parts.withdrawals.iter().map(|(_, w)| w.amount.to_sat()).sum();
                let after = tip().amount.to_sat() + credits + parts.top_up - exits;
                prop_assert_eq!(effects.new_tip.amount.to_sat(), after);
            }
            Err(PlanError::Coins(CoinError::Insufficient { needed, available })) => {
                prop_assert!(needed > available);
            }
            Err(other) => return Err(TestCaseError::fail(other.to_string())),
        }
    }
}
