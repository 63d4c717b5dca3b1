//! Children that pay well are left alone, children that pay badly are outbid.

use bitcoin::Amount;

use super::{outbid, pays_too_little};
use crate::client::MempoolEntry;
use crate::fixture::{World, propose, rate, withdrawal};
use crate::vault::VaultRates;
use tacit_protocol::peg::FeeRate;

/// A transaction of 250 virtual bytes at 4 sat/vB with a child of 1,000 that pays `childs` sat.
fn with_child(childs: u64) -> MempoolEntry {
    MempoolEntry {
        vsize: 250,
        fee: Amount::from_sat(1_000),
        family_vsize: 1_250,
        family_fee: Amount::from_sat(1_000 + childs),
        ancestors: 1,
    }
}

fn per_vb(sats: u32) -> FeeRate {
    FeeRate::from_sat_per_vb(sats).unwrap()
}

#[test]
fn a_version_that_a_child_pays_for_is_left_alone() {
    assert!(pays_too_little(&with_child(1_000), per_vb(10)));
    assert!(
        !pays_too_little(&with_child(9_500), per_vb(10)),
        "together they pay 8.4 sat/vB"
    );
    assert!(pays_too_little(&with_child(9_500), per_vb(11)));
    assert!(
        !pays_too_little(&with_child(1), per_vb(5)),
        "a quarter is not enough"
    );
}

#[test]
fn a_replacement_outbids_the_old_version_and_what_hangs_on_it() {
    let world = World::new();
    let owed = [(0, withdrawal(31, 50_000))];
    let plan = |rates| propose(&world, &[], &owed, rates).unwrap().1;
    let new = plan(VaultRates::at(rate()));
    assert_eq!(outbid(&new, None), None);
    let cheap = MempoolEntry {
        family_fee: Amount::from_sat(10),
        ..with_child(0)
    };
    assert_eq!(outbid(&new, Some(&cheap)), None, "it pays more as it is");
    let whole = outbid(&new, Some(&with_child(20_000))).unwrap();
    let shares = rate();
    let dearer = plan(VaultRates { shares, whole });
    assert!(dearer.fee() >= 21_000 + 150, "{}", dearer.fee());
    assert!(dearer.fee() < 21_000 + 800, "and not much more: {}", dearer.fee());
    assert_eq!(outbid(&dearer, Some(&with_child(20_000))), None);
}
