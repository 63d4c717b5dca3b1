//! What strangers write reaches programs as it is and terminals escaped.

use tacit_protocol::Amount;
use tacit_protocol::encryption::MemoText;

use super::*;

fn entry(memo: Option<MemoRecord>) -> Entry {
    Entry {
        what: EventKind::Received { address: 3 },
        txid: None,
        amount: Amount::ZERO,
        fee: Amount::ZERO,
        batch: Some(1),
        state: EntryState::Pending,
        memo,
    }
}

#[test]
fn a_memo_is_escaped_for_people_and_whole_for_programs() {
    let nasty = "paid\x1b[2K\r+1000000 sat\n\u{202e}";
    let memo = MemoRecord::Text(MemoText::new(nasty).unwrap());
    assert_eq!(
        memo_line(&memo),
        r#"memo "paid\u{1b}[2K\r+1000000 sat\n\u{202e}""#
    );
    let json = entry_json(&entry(Some(memo))).unwrap();
    assert_eq!(json["memo"], nasty);
    assert_eq!(json.get("memoError"), None);
    let printed = json.to_string();
    assert!(
        !printed.chars().any(char::is_control),
        "JSON escapes them by itself: {printed}"
    );
}

#[test]
fn an_entry_says_why_a_memo_cannot_be_read_or_that_there_is_none() {
    let memo = MemoRecord::Unreadable("the memo is not UTF-8".to_owned());
    assert_eq!(
        memo_line(&memo),
        "with a memo that cannot be read: the memo is not UTF-8"
    );
    let json = entry_json(&entry(Some(memo))).unwrap();
    assert_eq!(
        (json.get("memo"), &json["memoError"]),
        (None, &json!("the memo is not UTF-8"))
    );
    let json = entry_json(&entry(None)).unwrap();
    assert_eq!((json.get("memo"), json.get("memoError")), (None, None));
}
