//! Tests of envelopes: one script per body, and nothing else is read.

use bitcoin::opcodes::all::{OP_DROP, OP_PUSHNUM_2};
use bitcoin::script::Instruction;
use proptest::prelude::*;

use super::*;
use crate::peg::fixture::{exit_script, key, key_script};

fn envelope(len: usize) -> Envelope {
    // Never zero, so that padding is told from content.
    let body = (0..len).map(|i| u8::try_from(i % 255 + 1).unwrap()).collect();
    Envelope::new(key(1), EnvelopeKind::Anchor, body).unwrap()
}

/// Walks the script under the minimal-push rule and checks its shape.
fn check_shape(script: &Script) {
    let steps: Vec<Instruction<'_>> = script.instructions_minimal().map(Result::unwrap).collect();
    let (head, rest) = steps.split_at(2);
    assert_eq!(head[0].push_bytes().unwrap().len(), 32);
    assert_eq!(head[1].opcode(), Some(OP_CHECKSIGVERIFY));
    let (last, pairs) = rest.split_last().unwrap();
    assert_eq!(last.opcode(), Some(OP_PUSHNUM_1));
    assert_eq!(pairs.len() % 3, 0);
    for pair in pairs.chunks(3) {
        assert!(
            pair[..2]
                .iter()
                .all(|push| (2..=255).contains(&push.push_bytes().unwrap().len()))
        );
        assert_eq!(pair[2].opcode(), Some(OP_2DROP));
    }
}

#[test]
fn bodies_of_every_small_size_come_back_from_a_minimal_script() {
    for len in 0..=1100 {
        let envelope = envelope(len);
        let script = envelope.to_script();
        check_shape(&script);
        assert_eq!(read_envelope(&script), Ok(Some(envelope)), "{len} bytes");
    }
}

#[test]
fn the_longest_body_comes_back_and_a_longer_one_is_refused() {
    let longest = envelope(MAX_PAYLOAD);
    let script = longest.to_script();
    check_shape(&script);
    assert!(script.len() < 395_000);
    assert_eq!(read_envelope(&script), Ok(Some(longest)));
    let too_long = Envelope::new(key(1), EnvelopeKind::Anchor, vec![0; MAX_PAYLOAD + 1]);
    assert_eq!(too_long, Err(EnvelopeError::TooLong(MAX_PAYLOAD + 1)));
}

#[test]
fn a_longer_body_on_the_chain_is_refused_too() {
    let body = vec![1; MAX_PAYLOAD + 1];
    let script = Envelope {
        key: key(1),
        kind: EnvelopeKind::Anchor,
        body,
    }
    .to_script();
    assert_eq!(
        read_envelope(&script),
        Err(EnvelopeError::TooLong(MAX_PAYLOAD + 1))
    );
}

#[test]
fn the_layout_is_as_documented() {
    let script = Envelope::new(key(1), EnvelopeKind::Epoch, vec![0xab])
        .unwrap()
        .to_script();
    let expected = "20".to_owned()
        + &hex::encode(key(1).serialize())
        + "ad4cff"
        + "06000000" // length
        + &hex::encode(b"TCTE")
        + "04ab"
        + &"00".repeat(245)
        + "0200006d51";
    assert_eq!(script.to_hex_string(), expected);
}

#[test]
fn padding_makes_an_even_number_of_pushes_of_at_least_two_bytes() {
    let cases = [
        (4, 257),
        (255, 257),
        (256, 257),
        (257, 257),
        (510, 510),
        (511, 767),
        (766, 767),
    ];
    for (len, padded) in cases {
        assert_eq!(padded_len(len), padded, "{len}");
    }
}

#[test]
fn every_kind_has_its_own_code() {
    for kind in EnvelopeKind::ALL {
        assert_eq!(EnvelopeKind::from_code(kind.code()), Some(kind));
        let script = Envelope::new(key(1), kind, vec![1, 2, 3]).unwrap().to_script();
        assert_eq!(read_envelope(&script).unwrap().unwrap().kind(), kind);
    }
    assert_eq!(EnvelopeKind::from_code(5), None);
}

#[test]
fn other_scripts_are_no_envelopes() {
    let mut foreign = envelope(600).to_script().into_bytes();
    foreign[40] ^= 1;
    for script in [
        ScriptBuf::new(),
        key_script(1),
        exit_script(1).to_script_buf(),
        foreign.into(),
    ] {
        assert_eq!(read_envelope(&script), Ok(None));
    }
}

/// An envelope-like script around any pushes.
fn script_of(pushes: &[&[u8]]) -> Vec<u8> {
    let mut builder = Builder::new()
        .push_x_only_key(&key(1))
        .push_opcode(OP_CHECKSIGVERIFY);
    for pair in pushes.chunks(2) {
        for push in pair {
            builder = builder.push_slice(<&PushBytes>::try_from(*push).unwrap());
        }
        builder = builder.push_opcode(OP_2DROP);
    }
    builder.push_opcode(OP_PUSHNUM_1).into_bytes()
}

fn data(len: u32, kind: u8, size: usize) -> Vec<u8> {
    let mut data = [&len.to_le_bytes()[..], &MAGIC, &[kind]].concat();
    data.resize(size, 0);
    data
}

#[test]
fn malformed_envelopes_are_refused_by_the_rule_they_break() {
    let read = |bytes: Vec<u8>| read_envelope(Script::from_bytes(&bytes)).unwrap_err();
    let good = envelope(600).to_script().into_bytes();
    let tampered = |f: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        f(&mut bytes);
        read(bytes)
    };
    let last = good.len() - 1;
    assert_eq!(tampered(&|b| b[1..33].fill(0xff)), EnvelopeError::Key);
    assert_eq!(tampered(&|b| b.truncate(last)), EnvelopeError::Truncated);
    assert_eq!(tampered(&|b| b.truncate(100)), EnvelopeError::Truncated);
    assert_eq!(
        tampered(&|b| b[last] = OP_PUSHNUM_2.to_u8()),
        EnvelopeError::Opcode
    );
    assert_eq!(
        tampered(&|b| b[last - 1] = OP_DROP.to_u8()),
        EnvelopeError::Opcode
    );
    assert_eq!(
        tampered(&|b| b.push(OP_PUSHNUM_1.to_u8())),
        EnvelopeError::Trailing
    );
    assert_eq!(tampered(&|b| b[36] ^= 1), EnvelopeError::Padding);
    assert_eq!(tampered(&|b| b[37] ^= 1), EnvelopeError::Length);
    assert_eq!(tampered(&|b| b[39] = 0xff), EnvelopeError::Length);
    assert_eq!(tampered(&|b| b[44] = 5), EnvelopeError::Kind(5));

    let first = data(5, 0, 255);
    assert_eq!(
        read_envelope(Script::from_bytes(&script_of(&[&first, &[0, 0]])))
            .unwrap()
            .unwrap()
            .body(),
        b""
    );
    // A push that is not minimal, one that is short before the last, and one of a single byte.
    let mut long_form = script_of(&[&first, &[0; 76]]);
    let at = 34 + 2 + 255;
    long_form[at + 1] = 75;
    long_form.remove(at + 2);
    assert_eq!(read(long_form), EnvelopeError::Opcode);
    assert_eq!(
        read(script_of(&[&first, &[0, 0], &[0; 255], &[0; 2]])),
        EnvelopeError::ShortPush
    );
    assert_eq!(read(script_of(&[&first, &[0x81]])), EnvelopeError::Opcode);
    let one_byte = [&script_of(&[&first])[..at], &[1, 0xff, 0x6d, 0x51]].concat();
    assert_eq!(read(one_byte), EnvelopeError::Opcode);
    // More or fewer pushes than the length asks for, and a length that cuts the content's head.
    assert_eq!(read(script_of(&[&first, &[0, 0, 0]])), EnvelopeError::Length);
    assert_eq!(
        read(script_of(&[&first, &[0; 255], &[0; 255], &[0; 2]])),
        EnvelopeError::Length
    );
    assert_eq!(
        read(script_of(&[&data(4, 0, 255), &[0, 0]])),
        EnvelopeError::Length
    );
    assert_eq!(
        read(script_of(&[&data(u32::MAX, 0, 255), &[0, 0]])),
        EnvelopeError::Length
    );
}

proptest! {
    #[test]
    fn no_byte_can_change_without_changing_what_is_read(
        len in 0usize..1_500,
        at: prop::sample::Index,
        flip in 1u8..=255,
    ) {
        let original = envelope(len);
        let mut bytes = original.to_script().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if let Ok(Some(other)) = read_envelope(Script::from_bytes(&bytes)) {
            prop_assert_ne!(&other, &original);
            let script = other.to_script();
            prop_assert_eq!(script.as_bytes(), &bytes[..]);
        }
    }

    #[test]
    fn arbitrary_pushes_never_panic_and_read_only_canonically(
        pushes in prop::collection::vec(prop::collection::vec(any::<u8>(), 2..=255), 0..6),
        len in 0u32..1_600,
    ) {
        let head = data(len, 0, 255);
        let mut all: Vec<&[u8]> = vec![&head];
        all.extend(pushes.iter().map(Vec::as_slice));
        let bytes = script_of(&all);
        if let Ok(Some(envelope)) = read_envelope(Script::from_bytes(&bytes)) {
            let script = envelope.to_script();
            prop_assert_eq!(script.as_bytes(), &bytes[..]);
        }
    }
}

#[test]
fn a_glance_tells_the_kind_and_length_that_reading_finds() {
    for kind in EnvelopeKind::ALL {
        for len in [0, 1, 100, 531, 1_100] {
            let envelope = Envelope::new(key(1), kind, vec![7; len]).unwrap();
            assert_eq!(peek_envelope(&envelope.to_script()), Some((kind, len)));
        }
    }
    let script = envelope(300).to_script().into_bytes();
    for (at, byte) in [(0, 33), (33, 0), (35, 254), (40, b'X'), (44, 99)] {
        let mut other = script.clone();
        other[at] = byte;
        assert_eq!(peek_envelope(Script::from_bytes(&other)), None, "byte {at}");
    }
    // A length that leaves no room for magic and kind.
    let mut short = script.clone();
    short[36..40].copy_from_slice(&4u32.to_le_bytes());
    assert_eq!(peek_envelope(Script::from_bytes(&short)), None);
    assert_eq!(peek_envelope(Script::from_bytes(&script[..44])), None);
}
