//! Tests of the secret and its words.

use super::*;

#[test]
fn words_lead_back_to_the_same_secret() {
    let seed = Seed::from_entropy([7; 32]);
    let again = Seed::from_words(&seed.words()).unwrap();
    assert_eq!(again.entropy(), seed.entropy());
    let shouted = format!("  {}  ", seed.words().to_uppercase().replace(' ', "   "));
    assert_eq!(Seed::from_words(&shouted).unwrap().entropy(), seed.entropy());
}

#[test]
fn wrong_words_are_named() {
    let words = Seed::from_entropy([7; 32]).words();
    let list: Vec<&str> = words.split(' ').collect();
    assert_eq!(
        Seed::from_words(&list[..12].join(" ")).unwrap_err(),
        MnemonicError::Count(12)
    );
    assert_eq!(Seed::from_words("").unwrap_err(), MnemonicError::Count(0));
    let mut wrong = list.clone();
    wrong[2] = "bitcoinn";
    assert_eq!(
        Seed::from_words(&wrong.join(" ")).unwrap_err(),
        MnemonicError::Word(3)
    );
    let mut swapped = list.clone();
    swapped[23] = if list[23] == "abandon" {
        "ability"
    } else {
        "abandon"
    };
    assert_eq!(
        Seed::from_words(&swapped.join(" ")).unwrap_err(),
        MnemonicError::Checksum
    );
}

#[test]
fn networks_have_unrelated_keys() {
    let seed = Seed::from_entropy([7; 32]);
    let regtest = Keys::derive(&seed, Network::Regtest);
    let signet = Keys::derive(&seed, Network::Signet);
    assert_ne!(regtest.viewing().ok(), signet.viewing().ok());
}

#[test]
fn secrets_do_not_show_in_debug_output() {
    assert_eq!(format!("{:?}", Seed::from_entropy([7; 32])), "Seed(..)");
}
