//! What is written down is read back, and nothing else is.

use std::collections::BTreeSet;

use bitcoin::OutPoint;

use super::Entry;
use crate::chain_link::Fate;
use crate::fixture::{World, propose, rate, withdrawal};
use crate::vault::VaultRates;

fn entry() -> (Entry, Entry) {
    let world = World::new();
    let plan = |sats| propose(&world, &[], &[(0, withdrawal(31, sats))], VaultRates::at(rate())).unwrap();
    let ((first, tx), (second, _)) = (plan(50_000), plan(60_000));
    let mut planned = Entry::planned(first, 7);
    let before = planned.clone();
    planned.tx = Some(tx.tx().clone());
    (before, planned.replan(second, 9))
}

#[test]
fn entries_survive_the_journal() {
    let (planned, mut replanned) = entry();
    replanned.fate = Fate::Confirmed(12);
    for entry in [planned, replanned] {
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
    assert!(replanned.signed().is_none(), "the latest version is not signed");
    assert!(replanned.tx.is_some(), "the older one still is");
    let same = replanned.clone().replan(replanned.proposal.clone(), 99);
    assert_eq!(same, replanned, "the very same version stays as it is");
    let back = replanned.clone().replan(planned.proposal.clone(), 11);
    assert_eq!(
        back.superseded,
        [replanned.proposal.txid()],
        "no version is listed twice"
    );
    assert!(back.signed().is_some());
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
fn a_transaction_that_belongs_to_no_version_is_refused() {
    let (planned, replanned) = entry();
    let mut foreign = planned;
    foreign.tx = replanned.tx.map(|mut tx| {
        tx.version.0 = 2;
        tx
    });
    assert!(Entry::decode(b"vault/", &foreign.encode()).is_err());
}
