//! Shares survive their bytes, and nothing else passes for one.

use super::*;
use crate::testing::{roster, shares};

fn error(bytes: &[u8]) -> ShareError {
    KeyShare::from_bytes(bytes).err().expect("no share")
}

#[test]
fn a_share_is_what_its_bytes_say() {
    for share in shares(&roster(3, 5), 1) {
        let bytes = share.to_bytes();
        let again = KeyShare::from_bytes(&bytes).unwrap();
        assert_eq!(again.to_bytes(), bytes);
        assert_eq!(again.member(), share.member());
        assert!(again.group() == share.group());
    }
}

#[test]
fn other_bytes_are_refused_by_name() {
    let bytes = shares(&roster(2, 3), 1)[0].to_bytes();
    assert!(matches!(error(b""), ShareError::Magic(_)));
    assert!(matches!(error(&[7; 200]), ShareError::Magic(_)));
    let mut version = bytes.to_vec();
    version[8] = 9;
    assert_eq!(error(&version), ShareError::Version(9));
    for length in 0..bytes.len() {
        assert!(KeyShare::from_bytes(&bytes[..length]).is_err(), "{length} bytes");
    }
    let mut longer = bytes.to_vec();
    longer.push(0);
    assert!(matches!(error(&longer), ShareError::Encoding(_)));
}

#[test]
fn no_flipped_bit_passes() {
    let original = shares(&roster(2, 3), 1)[0].to_bytes();
    for at in 0..original.len() {
        let mut bytes = original.to_vec();
        bytes[at] ^= 1;
        assert!(KeyShare::from_bytes(&bytes).is_err(), "byte {at}");
    }
}

#[test]
fn parts_of_different_members_or_groups_do_not_go_together() {
    let (ours, theirs) = (shares(&roster(2, 3), 1), shares(&roster(2, 3), 2));
    let put_together = |member: usize, key: &KeyShare, group: &KeyShare| {
        let key = key.key().clone();
        KeyShare::new(
            roster(2, 3),
            ours[member].member(),
            key,
            group.group().public().clone(),
        )
        .err()
    };
    assert_eq!(put_together(0, &ours[0], &ours[1]), None);
    let inconsistent = |what| Some(ShareError::Inconsistent(what));
    assert_eq!(
        put_together(1, &ours[0], &ours[0]),
        inconsistent("the member's number")
    );
    assert_eq!(
        put_together(0, &ours[0], &theirs[0]),
        inconsistent("the group's key")
    );
    let key = |share: &KeyShare| (share.key().clone(), share.group().public().clone());
    for (roster, what) in [
        (roster(3, 3), "the threshold"),
        (roster(2, 4), "the members' verifying shares"),
    ] {
        let (key, public) = key(&ours[0]);
        assert_eq!(
            KeyShare::new(roster, ours[0].member(), key, public).err(),
            inconsistent(what)
        );
    }
}

#[test]
fn nothing_secret_is_printed() {
    let share = &shares(&roster(2, 3), 1)[0];
    let printed = format!("{:?}", share.group());
    assert_eq!(printed, format!("2 of 3 for {}", share.group().internal_key()));
}

#[test]
fn the_public_part_is_what_its_bytes_say_and_nothing_else_passes() {
    let group = shares(&roster(3, 5), 1)[0].group().clone();
    let bytes = group.to_bytes();
    let again = GroupKey::from_bytes(&bytes).unwrap();
    assert!(again == group && again.to_bytes() == bytes);
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        assert!(GroupKey::from_bytes(&flipped).is_err(), "byte {at}");
        assert!(GroupKey::from_bytes(&bytes[..at]).is_err(), "{at} bytes");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(matches!(
        GroupKey::from_bytes(&longer),
        Err(ShareError::Encoding(_))
    ));
    let share = shares(&roster(3, 5), 1)[0].to_bytes();
    assert!(matches!(GroupKey::from_bytes(&share), Err(ShareError::NotAGroup)));
}
