//! Files that cannot be the next federation's are refused before anybody is asked.

use super::*;
use crate::federation::file::Recovery;
use crate::federation::testing::{file, shares};

#[test]
fn the_next_federation_needs_this_coordinator_a_key_of_its_own_and_leaves_in_order() {
    let (text, identities) = file(2, 2);
    let federation = Federation::new(text.clone()).unwrap();
    let group = shares(&federation, &identities)[0].group().clone();
    let coordinator = identities[2].public();
    let keys = check(&federation, &group, &coordinator, &[]).unwrap();
    assert_eq!(keys, federation.vault_keys(&group).unwrap());

    let refused = |federation: &Federation, own: &IdentityKey, others: &[(PathBuf, GroupKey)]| {
        check(federation, &group, own, others).unwrap_err().to_string()
    };
    let stranger = identities[0].public();
    let said = refused(&federation, &stranger, &[]);
    assert!(
        said.contains(&stranger.to_string()) && said.contains("`coordinators`"),
        "{said}"
    );
    let said = refused(&federation, &coordinator, &[("group.key".into(), group.clone())]);
    assert!(
        said.starts_with("group.key names a federation with the same key"),
        "{said}"
    );

    let mut early = text.clone();
    early.recovery = Some(Recovery {
        threshold: 1,
        timelock: early.backup_timelock,
        keys: vec![tacit_protocol::testing::x_only(7).to_string()],
    });
    if let Ok(early) = Federation::new(early) {
        assert!(refused(&early, &coordinator, &[]).contains("opens no later"));
    }

    let (other, _) = file(2, 3);
    let said = refused(&Federation::new(other).unwrap(), &coordinator, &[]);
    assert!(said.contains("member"), "{said}");
}

#[test]
fn the_lines_name_both_files_as_the_configuration_reads_them() {
    let files = FederationFiles {
        federation_file: "/next/federation.toml".into(),
        group_file: "/next/group.key".into(),
        backup_voices: Vec::new(),
    };
    let text = format!(
        "[sequencer]\nanchor_key_file = \"a\"\noperator_key_file = \"o\"\nfee_key = \"00\"\n{}",
        lines(&files).unwrap()
    );
    let config: Config = toml::from_str(&text).unwrap();
    assert_eq!(config.sequencer.unwrap().more_federations, [files]);
}
