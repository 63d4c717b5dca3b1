//! The command line of a rescue.

use clap::Parser;

use crate::cli::Cli;

fn parses(words: &str) -> bool {
    let line = ["tacit", "vault", "rescue"].into_iter().chain(words.split(' '));
    Cli::try_parse_from(line).is_ok()
}

#[test]
fn signing_takes_one_key_of_the_leaf_or_one_of_the_coins_or_both() {
    for (words, right) in [
        ("sign --out o p", false),
        ("sign --out o --backup-key-file k p", true),
        ("sign --out o --key-file k p", true),
        ("sign --out o --fee-key-file k p", true),
        ("sign --out o --key-file k --fee-key-file k p", true),
        ("sign --out o --key-file k --backup-key-file k p", false),
        ("sign --key-file k p", false),
        ("combine --out o", false),
        ("combine --out o a b", true),
        ("finish p --dry-run --json", true),
        ("prepare", true),
        ("prepare --leaf other", false),
    ] {
        assert_eq!(parses(words), right, "{words}");
    }
}
