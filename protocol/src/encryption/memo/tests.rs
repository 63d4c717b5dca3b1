//! Who can read a memo, that its length does not show, and that nothing in it does harm.

use proptest::prelude::*;

use super::*;
use crate::encryption::tests::{NF0, recipient, sealed, viewer};
use crate::encryption::{Sealed, open_disclosed};
use crate::note::Nullifier;

fn text(text: &str) -> MemoText {
    MemoText::new(text).unwrap()
}

/// A block over any 112 bytes, as a sender who follows no rule can make.
fn forged(key: &MemoKey, plain: [u8; PLAIN_BYTES]) -> Memo {
    let mut sealed = plain;
    let tag = key
        .cipher()
        .encrypt_in_place_detached(&Nonce::default(), &[], &mut sealed)
        .unwrap();
    Memo::new([&sealed[..], &tag].concat().try_into().unwrap())
}

#[test]
fn recipient_and_sender_read_the_memo_from_their_keys_alone() {
    let Sealed {
        outputs,
        cm,
        memo_key,
        ..
    } = sealed();
    let memo = memo_key.seal(&text("rent for May"));
    let received = viewer(2).incoming().try_payment(&outputs, &cm).unwrap();
    assert_eq!(received.memo_key.open(&memo), Ok(text("rent for May")));
    // The sender knows neither the address nor the amount here: the words are enough.
    let change = viewer(1).try_change(&outputs, &NF0, &cm).unwrap();
    assert_eq!(change.memo_key.open(&memo), Ok(text("rent for May")));
}

#[test]
fn whoever_is_shown_the_payment_can_read_the_memo() {
    let Sealed {
        outputs,
        cm,
        memo_key,
        ..
    } = sealed();
    let memo = memo_key.seal(&text("invoice 7"));
    let rseed = *crate::encryption::tests::secrets().payment_rseed();
    let shown = open_disclosed(&rseed, &outputs, &cm, &recipient()).unwrap();
    assert_eq!(shown.memo_key.open(&memo), Ok(text("invoice 7")));
}

#[test]
fn a_memo_opens_with_the_key_of_its_own_transfer_only() {
    let Sealed {
        outputs,
        cm,
        memo_key,
        ..
    } = sealed();
    let memo = memo_key.seal(&text("for you"));
    let rseed = *crate::encryption::tests::secrets().payment_rseed();
    assert_eq!(MemoKey::derive(&rseed, outputs.epk(), &cm), memo_key);
    for other in [
        MemoKey::derive(&[1; 16], outputs.epk(), &cm),
        MemoKey::derive(&rseed, &[1; 32], &cm),
        MemoKey::derive(&rseed, outputs.epk(), &[cm[1], cm[0]]),
        MemoKey::derive(&rseed, outputs.epk(), &[cm[0]; 2]),
        MemoKey([0; 32]),
    ] {
        assert_eq!(other.open(&memo), Err(MemoError::Unauthentic));
    }
    // A stranger does not even get a key.
    assert_eq!(viewer(3).incoming().try_payment(&outputs, &cm), None);
    assert_eq!(
        viewer(3).try_change(&outputs, &Nullifier::new([4; 20]), &cm),
        None
    );
}

#[test]
fn any_flipped_bit_of_a_memo_is_noticed() {
    let key = sealed().memo_key;
    let memo = key.seal(&text("100 sat"));
    for bit in 0..8 * Memo::BYTES {
        let mut bytes = *memo.as_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(key.open(&Memo::new(bytes)), Err(MemoError::Unauthentic));
    }
}

#[test]
fn every_memo_has_the_same_size_and_the_longest_text_fits() {
    let key = sealed().memo_key;
    for length in [1, 2, 110, MemoText::MAX_BYTES] {
        let long = text(&"x".repeat(length));
        let memo = key.seal(&long);
        assert_eq!(memo.encode().len(), 128);
        assert_eq!(key.open(&memo), Ok(long));
    }
    assert_eq!(MemoText::MAX_BYTES, 111);
}

#[test]
fn empty_and_oversized_texts_are_refused_with_the_limit() {
    assert_eq!(MemoText::new(""), Err(MemoError::Empty));
    // Counted in bytes: 56 letters of two bytes each are one too many.
    let error = MemoText::new("é".repeat(56)).unwrap_err();
    assert_eq!(error, MemoError::TooLong { bytes: 112 });
    assert_eq!(error.to_string(), "the memo has 112 bytes, at most 111 fit");
    assert!(MemoText::new("é".repeat(55)).is_ok());
}

#[test]
fn a_plaintext_that_breaks_a_rule_is_refused_by_name() {
    let key = sealed().memo_key;
    let plain = |length: u8, bytes: &[u8]| {
        let mut plain = [0; PLAIN_BYTES];
        plain[0] = length;
        plain[1..=bytes.len()].copy_from_slice(bytes);
        key.open(&forged(&key, plain))
    };
    assert_eq!(plain(2, b"ok"), Ok(text("ok")));
    assert_eq!(plain(0, b""), Err(MemoError::Empty));
    assert_eq!(plain(0, b"hidden"), Err(MemoError::Padding));
    assert_eq!(plain(2, b"ok!"), Err(MemoError::Padding));
    assert_eq!(plain(112, b"x"), Err(MemoError::TooLong { bytes: 112 }));
    assert_eq!(plain(255, b"x"), Err(MemoError::TooLong { bytes: 255 }));
    assert_eq!(plain(2, &[0xff, 0xfe]), Err(MemoError::NotUtf8));
    // The cut end of a character of three bytes.
    assert_eq!(plain(2, &"€".as_bytes()[..2]), Err(MemoError::NotUtf8));
}

#[test]
fn garbage_in_place_of_a_memo_leaves_the_payment_alone() {
    let Sealed { outputs, cm, .. } = sealed();
    let received = viewer(2).incoming().try_payment(&outputs, &cm).unwrap();
    for garbage in [[0; 128], [0xff; 128]] {
        let memo = Memo::decode(&garbage).unwrap();
        assert_eq!(received.memo_key.open(&memo), Err(MemoError::Unauthentic));
    }
    assert!(received.note.v.to_sat() > 0);
}

#[test]
fn a_memo_is_128_bytes_and_no_others() {
    let bytes = [7; 129];
    assert_eq!(
        Memo::decode(&bytes[..127]),
        Err(DecodeError::UnexpectedEnd { needed: 1 })
    );
    assert_eq!(Memo::decode(&bytes), Err(DecodeError::TrailingBytes(1)));
    assert_eq!(Memo::decode(&bytes[..128]).unwrap().encode(), bytes[..128]);
}

#[test]
fn a_printed_memo_cannot_steer_a_terminal() {
    let nasty =
        "a\x1b[2J\u{9b}1m\x07\r\n\t\0\x7f\u{202e}\u{2066}\u{200f}\u{2028}\u{200b}\u{feff}\u{e0041}\"z";
    let shown = text(nasty).to_string();
    assert!(
        shown.chars().all(|c| c.is_ascii_graphic()),
        "only plain characters are printed: {shown}"
    );
    assert!(
        shown.starts_with("\"a\\u{1b}[2J") && shown.ends_with("\\\"z\""),
        "{shown}"
    );
    assert_eq!(text(nasty).as_str(), nasty, "programs get it as it was sent");
    assert_eq!(text("Grüße, 日本 🙂").to_string(), "\"Grüße, 日本 🙂\"");
}

#[test]
fn debug_output_shows_neither_text_nor_key() {
    let key = sealed().memo_key;
    assert_eq!(
        format!("{key:?} {:?}", text("secret")),
        "MemoKey(..) MemoText(..)"
    );
    let shown = format!("{:?}", Memo::new([0xab; 128]));
    assert_eq!(shown, "Memo(abababababababab…)");
}

#[test]
fn sealed_memo_is_the_pinned_one() {
    let memo = sealed().memo_key.seal(&text("rent for May"));
    assert_eq!(
        hex::encode(memo.as_bytes()),
        "253524b1e3d05e6d971db95cee102a2d245b1626f33ded29da64904294ce430b6c5284e14911b4d6141d3e2e6fafb77a5d8e5b157c17e8cd5debc66b599c1ba9b0ae74a123bf523ca92ba1f82b5d4d1c88e4af862095b669adcdbec1700632b4b01722521f0e039101f3b6d69fe3c9c7c3b14ea2c0e97c5ad633535330fb6bb3"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_that_fits_is_read_as_it_was_written(written in "\\PC{0,40}|.{0,60}", key: [u8; 32]) {
        let key = MemoKey(key);
        match MemoText::new(written.clone()) {
            Ok(sent) => {
                let read = key.open(&key.seal(&sent)).unwrap();
                prop_assert_eq!(read.as_str(), written.as_str());
                let json = serde_json::to_string(&sent).unwrap();
                prop_assert_eq!(&serde_json::from_str::<String>(&json).unwrap(), &written);
                prop_assert_eq!(serde_json::from_str::<MemoText>(&json).unwrap(), sent);
            }
            Err(MemoError::Empty) => prop_assert!(written.is_empty()),
            Err(error) => prop_assert_eq!(error, MemoError::TooLong { bytes: written.len() }),
        }
    }

    #[test]
    fn padding_has_one_form(plain in prop::collection::vec(any::<u8>(), PLAIN_BYTES)) {
        let plain: [u8; PLAIN_BYTES] = plain.try_into().unwrap();
        if let Ok(text) = MemoText::unpad(&plain) {
            prop_assert_eq!(text.pad(), plain);
        }
    }

    #[test]
    fn short_plaintexts_pad_in_one_form_only(length in 0u8..8, head: [u8; 8]) {
        let mut plain = [0; PLAIN_BYTES];
        plain[0] = length;
        plain[1..9].copy_from_slice(&head.map(|byte| byte & 0x6f));
        if let Ok(text) = MemoText::unpad(&plain) {
            prop_assert_eq!(text.pad(), plain);
        }
    }
}
