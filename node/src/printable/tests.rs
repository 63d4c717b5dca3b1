//! Nothing that strangers write steers a terminal.

use super::*;

#[test]
fn what_steers_a_terminal_is_replaced_by_its_code() {
    assert_eq!(
        printable("paid\x1b[2K\r+1\u{7}\u{9b}2J \u{202e}lasrever\u{2066}"),
        r"paid\u{1b}[2K\u{d}+1\u{7}\u{9b}2J \u{202e}lasrever\u{2066}"
    );
}

#[test]
fn ordinary_text_of_any_script_and_its_lines_stay() {
    let text = "it expired: Größe, 支払い, дата\nremedy: none";
    assert_eq!(printable(text), text);
}
