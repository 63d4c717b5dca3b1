//! Rosters that cannot be are refused; those that differ have other hashes.

use super::*;

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn impossible_rosters_are_refused_with_the_reason() {
    let three = || names(&["a", "b", "c"]);
    assert_eq!(
        Roster::new(2, names(&["a"])),
        Err(RosterError::Members { members: 1 })
    );
    let many = (0..=Roster::MOST).map(|i| i.to_string()).collect();
    assert_eq!(Roster::new(2, many), Err(RosterError::Members { members: 101 }));
    for threshold in [0, 1, 4] {
        let refused = Err(RosterError::Threshold {
            threshold,
            members: 3,
        });
        assert_eq!(Roster::new(threshold, three()), refused);
    }
    for (number, bad) in [(3, ["a", "b", "a"]), (2, ["a", "", "c"])] {
        let error = Roster::new(2, names(&bad)).unwrap_err();
        assert!(
            matches!(error, RosterError::Name { number: n, .. } if n == number),
            "{error}"
        );
    }
    assert!(Roster::new(2, names(&["a", &"b".repeat(65)])).is_err());
    assert!(Roster::new(2, names(&["a", "b\u{1b}[2K"])).is_err());
    assert!(Roster::new(3, three()).is_ok());
}

#[test]
fn members_are_numbered_from_one() {
    let roster = Roster::new(2, names(&["a", "b", "c"])).unwrap();
    let numbers: Vec<u16> = roster.members().map(MemberId::number).collect();
    assert_eq!(numbers, [1, 2, 3]);
    let second = MemberId::new(2).unwrap();
    assert_eq!(roster.name(second), Some("b"));
    assert_eq!(
        roster.others(second).map(MemberId::number).collect::<Vec<_>>(),
        [1, 3]
    );
    assert_eq!(roster.member(&second.identifier()), Some(second));
    let stranger = MemberId::new(4).unwrap();
    assert!(!roster.has(stranger));
    assert_eq!(
        (roster.name(stranger), roster.member(&stranger.identifier())),
        (None, None)
    );
    assert_eq!(MemberId::new(0), None);
}

#[test]
fn the_hash_depends_on_every_part() {
    let hashes: std::collections::BTreeSet<_> = [
        Roster::new(2, names(&["a", "b", "c"])),
        Roster::new(3, names(&["a", "b", "c"])),
        Roster::new(2, names(&["b", "a", "c"])),
        Roster::new(2, names(&["ab", "c"])),
        Roster::new(2, names(&["a", "bc"])),
    ]
    .into_iter()
    .map(|roster| roster.unwrap().hash())
    .collect();
    assert_eq!(hashes.len(), 5);
}
