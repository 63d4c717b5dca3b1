//! Tests of what makes a withdrawal eligible.

use super::*;
use crate::peg::fixture::sats;
use crate::peg::vault::fixture::withdrawal;

#[test]
fn a_withdrawal_is_eligible_while_its_share_fits_its_limit() {
    let q = FeeRate::from_sat_per_kwu(1_000);
    assert_eq!(eligible(&withdrawal(1, 10_000, 124), q), Ok(sats(124)));
    let held = HeldReason::FeeAboveLimit {
        share: sats(124),
        max: sats(123),
    };
    assert_eq!(eligible(&withdrawal(1, 10_000, 123), q), Err(held));
    let shallow = WithdrawalView {
        deep: false,
        ..withdrawal(1, 10_000, 124)
    };
    assert_eq!(eligible(&shallow, q), Err(HeldReason::NotDeep));
    let paid = WithdrawalView {
        paid: true,
        ..shallow
    };
    assert_eq!(eligible(&paid, q), Err(HeldReason::Paid));
}
