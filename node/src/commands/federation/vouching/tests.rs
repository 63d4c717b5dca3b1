//! What a backup key signs is shown before.

use tacit_protocol::testing::{quorum, x_only};

use super::*;

#[test]
fn what_a_backup_key_signs_is_shown_before() {
    let keys = VaultKeys {
        federation: x_only(2),
        backup: Some(quorum(2, &[61, 62, 63], 144)),
        recovery: None,
    };
    let text = describe(&Epoch { number: 3, keys }, "00ff");
    for words in [
        "epoch     3\n".to_owned(),
        "hash      00ff".to_owned(),
        format!("key       {}", x_only(2)),
        "backup    2 of 3, after 144 blocks\n".to_owned(),
        x_only(62).to_string(),
        "recovery  none\n".to_owned(),
    ] {
        assert!(text.contains(&words), "{words}: {text}");
    }
}
