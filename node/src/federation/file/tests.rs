//! Federation files are read whole and consistent, and their hash covers what members agree on.

use super::*;
use crate::federation::testing::file;

fn error(text: FileText) -> String {
    Federation::new(text).expect_err("refused").to_string()
}

#[test]
fn a_file_survives_its_text() {
    let (text, identities) = file(2, 3);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("federation.toml");
    std::fs::write(&path, toml::to_string(&text).unwrap()).unwrap();
    let read = Federation::load(&path).unwrap();
    assert_eq!(read.context(), Federation::new(text).unwrap().context());
    assert_eq!(read.members().len(), 3);
    for (member, identity) in read.members().iter().zip(&identities) {
        assert_eq!(member.identity, identity.public());
        assert_eq!(read.member_of(&identity.public()).unwrap().id, member.id);
        assert!(!read.is_coordinator(&identity.public()));
    }
    assert!(read.is_coordinator(&identities[3].public()));
    assert_eq!(read.backup().threshold(), 2);
}

#[test]
fn what_cannot_be_a_federation_is_refused_with_the_reason() {
    let (good, _) = file(2, 3);
    let with = |change: fn(&mut FileText)| {
        let mut text = good.clone();
        change(&mut text);
        error(text)
    };
    assert!(with(|file| file.threshold = 4).contains("cannot be what it takes"));
    assert!(with(|file| file.members[1].identity = "12".into()).contains("identity of member 1"));
    assert!(with(|file| file.members[1].backup_key = "zz".into()).contains("backup_key of member 1"));
    assert!(with(|file| file.members[1].identity = file.members[0].identity.clone()).contains("twice"));
    assert!(with(|file| file.coordinators[0] = file.members[0].identity.clone()).contains("twice"));
    assert!(with(|file| file.members[1].backup_key = file.members[0].backup_key.clone()).contains("backup"));
    assert!(with(|file| file.backup_timelock = 0).contains("backup"));
    let recovery = with(|file| {
        file.recovery = Some(Recovery {
            threshold: 2,
            timelock: 9,
            keys: vec![file.members[0].backup_key.clone()],
        });
    });
    assert!(recovery.contains("recovery"), "{recovery}");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("federation.toml");
    let missing = Federation::load(&path).expect_err("refused").to_string();
    assert!(missing.contains("federation init"), "{missing}");
    std::fs::write(&path, "threshold = 2\ncolour = 1\nmembers = []").unwrap();
    assert!(
        Federation::load(&path)
            .expect_err("refused")
            .to_string()
            .contains("colour")
    );
}

#[test]
fn the_hash_covers_what_members_agree_on_for_good_and_nothing_else() {
    let (good, _) = file(2, 3);
    let hash = |text: FileText| *Federation::new(text).unwrap().context();
    let changed = |change: fn(&mut FileText)| {
        let mut text = good.clone();
        change(&mut text);
        hash(text) != hash(good.clone())
    };
    assert!(changed(|file| file.threshold = 3));
    assert!(changed(|file| file.members[0].name = "somebody".into()));
    assert!(changed(|file| file.members.swap(0, 1)));
    assert!(changed(
        |file| file.members[0].identity = file.coordinators.remove(0)
    ));
    assert!(changed(|file| file.backup_timelock = 145));
    assert!(changed(|file| {
        file.recovery = Some(Recovery {
            threshold: 1,
            timelock: 9_000,
            keys: vec![file.members[0].backup_key.clone()],
        });
    }));
    assert!(
        !changed(|file| file.members[0].address = "elsewhere:1".into()),
        "members move"
    );
    assert!(!changed(|file| file.coordinators.clear()), "sequencers change");
    // What people compare covers those too: whoever is a coordinator may ask for signatures.
    let told = |change: fn(&mut FileText)| {
        let mut text = good.clone();
        change(&mut text);
        Federation::new(text).unwrap().fingerprint()
    };
    let same = told(|_| ());
    assert_eq!(same.split(' ').count(), 8);
    assert_ne!(told(|file| file.members[0].address = "elsewhere:1".into()), same);
    assert_ne!(told(|file| file.coordinators.clear()), same);
    assert_ne!(told(|file| file.threshold = 3), same);
}
