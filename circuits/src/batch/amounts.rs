//! Sums of amounts and the supply.
//!
//! Every amount has 64 bits of its own, so a sum of a few hundred cannot wrap around the modulus;
//! each sum is then held to 64 bits too.

use ark_ff::{AdditiveGroup, Field};
use tacit_protocol::F;

use super::deposits::DepositVar;
use super::slots::Slots;
use super::state::{AMOUNT_BITS, StateVar};
use crate::bits::range_bits;
use crate::r1cs::{Cs, Num};

/// The sum of many numbers in one pass; free.
pub(super) fn total<'a>(amounts: impl Iterator<Item = &'a Num>) -> Num {
    Num::linear(F::ZERO, amounts.map(|x| (F::ONE, x)))
}

/// Enforces that `x` is an amount.
pub(super) fn enforce_amount(cs: &mut Cs, x: &Num) {
    range_bits(cs, x, AMOUNT_BITS);
}

/// `supply' = supply + Σ deposits − Σ exits`; both supplies are amounts by their allocation.
pub(super) fn enforce_supply(
    cs: &mut Cs,
    before: &StateVar,
    after: &StateVar,
    slots: &Slots,
    deposits: &[DepositVar],
) {
    let deposited = total(deposits.iter().map(|deposit| &deposit.v));
    let exited = slots.exits();
    enforce_amount(cs, &deposited);
    enforce_amount(cs, &exited);
    cs.enforce_equal(&(&(before.supply() + &deposited) - &exited), after.supply());
}
