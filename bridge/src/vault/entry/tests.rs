//! What is written down is read back, and nothing else is.

use std::collections::BTreeSet;

use bitcoin::OutPoint;

use super::{Entry, Signed};
use crate::chain_link::Fate;
use crate::fixture::{World, propose, rate, withdrawal};
use crate::vault::VaultRates;

fn entry() -> (Entry, Entry) {
    let world = World::new();
    let plan = |sats| propose(&world, &[], &[(0, withdrawal(31, sats))], VaultRates::at(rate())).unwrap();
    let ((first, tx), (second, _)) = (plan(50_000), plan(60_000));
    let mut planned = Entry::planned(first, 7);
    let before = planned.clone();
    planned.signed = Some(Signed {
        tx: tx.tx().clone(),
        fee: tx.fee(),
        child: None,
    });
    (before, planned.replan(second, 9))
}

#[test]
fn entries_survive_the_journal() {
    let (planned, mut replanned) = entry();
    replanned.fate = Fate::Confirmed(12);
    let mut lifted = replanned.clone();
    let signed = lifted.signed.as_mut().unwrap();
    signed.child = Some(signed.tx.clone());
    for entry in [planned, replanned, lifted] {
        let bytes = entry.encode();
        assert_eq!(Entry::decode(b"vault/", &bytes), Ok(entry));
        for end in 0..bytes.len() {
            assert!(
                Entry::decode(b"vault/", &bytes[..end]).is_err(),
                "cut off at {end}"
            );
        }
    }
}

#[test]
fn a_newer_version_keeps_what_was_signed_and_names_the_older_one() {
    let (planned, replanned) = entry();
    assert_eq!(replanned.superseded, [planned.proposal.txid()]);
    assert_eq!(replanned.versions().len(), 2);
    assert!(
        replanned.latest_signed().is_none(),
        "the latest version is not signed"
    );
    assert!(replanned.signed.is_some(), "the older one still is");
    let same = replanned.clone().replan(replanned.proposal.clone(), 99);
    assert_eq!(same, replanned, "the very same version stays as it is");
    let back = replanned.clone().replan(planned.proposal.clone(), 11);
    assert_eq!(
        back.superseded,
        [replanned.proposal.txid()],
        "no version is listed twice"
    );
    assert!(back.latest_signed().is_some());
}

#[test]
fn coins_of_older_versions_stay_reserved() {
    let (planned, replanned) = entry();
    let (first, second) = (planned.operator_inputs(), replanned.operator_inputs());
    assert!(!first.is_empty() && second.is_superset(&first));
    let mut other = planned.clone();
    other.older_coins = BTreeSet::from([OutPoint::null()]);
    let third = other.replan(replanned.proposal.clone(), 9);
    assert!(third.operator_inputs().contains(&OutPoint::null()));
    assert!(third.operator_inputs().is_superset(&first));
}

#[test]
fn coins_of_a_child_are_reserved_with_those_of_its_parent() {
    let (_, mut entry) = entry();
    let signed = entry.signed.as_mut().unwrap();
    let mut child = signed.tx.clone();
    child.input[0].previous_output = OutPoint::null();
    signed.child = Some(child);
    assert!(entry.operator_inputs().contains(&OutPoint::null()));
    let again = entry.clone().replan(entry.proposal.clone(), 9);
    assert_eq!(again.operator_inputs(), entry.operator_inputs());
}

#[test]
fn what_was_signed_is_remembered_however_many_versions_follow() {
    let world = World::new();
    let (planned, mut entry) = entry();
    let signed = planned.proposal.txid();
    for sats in 0..400 {
        let (next, _) = propose(
            &world,
            &[],
            &[(0, withdrawal(31, 70_000 + sats))],
            VaultRates::at(rate()),
        )
        .unwrap();
        entry = entry.replan(next, 9);
    }
    assert!(entry.superseded.contains(&signed));
    assert!(
        entry.superseded.len() <= 257,
        "the others are forgotten in the end"
    );
    let reserved = entry.operator_inputs();
    let coins = planned.proposal.coins();
    assert!(
        coins.iter().all(|coin| reserved.contains(coin)),
        "its coins stay reserved"
    );
    assert_eq!(Entry::decode(b"vault/", &entry.encode()), Ok(entry));
}

#[test]
fn a_transaction_that_belongs_to_no_version_is_refused() {
    let (planned, replanned) = entry();
    let mut foreign = planned;
    foreign.signed = replanned.signed.map(|mut signed| {
        signed.tx.version.0 = 2;
        signed
    });
    assert!(Entry::decode(b"vault/", &foreign.encode()).is_err());
}
