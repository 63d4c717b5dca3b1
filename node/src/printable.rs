//! What others wrote, made fit for a terminal.
//!
//! Nodes, sequencers and memos are strangers: their words may hold characters that move the cursor,
//! recolour or hide text. JSON escapes them by itself; text for people goes through here.

use std::fmt::Write;

/// `text` with every control character but the line feed, and every character that changes the direction of
/// writing, replaced by its code.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for c in text.chars() {
        if c != '\n' && (c.is_control() || turns(c)) {
            let _ = write!(result, "{}", c.escape_unicode());
        } else {
            result.push(c);
        }
    }
    result
}

/// Unicode's marks, embeddings, overrides and isolates of direction.
fn turns(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests;
