//! Requests and answers are what their bytes say, and their bytes are the only ones.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::keygen::Commitments;
use crate::signer::{Input, Ledger};
use crate::testing::{id, rng, roster, second, shares};

fn status() -> SignerStatus {
    SignerStatus {
        member: 3,
        version: "0.1.0".into(),
        height: 7,
        tip: [1; 32],
        target: 9,
        vault_tip: ([2; 32], 5),
        paused: Some("maintenance".into()),
        halted: None,
        signed: 11,
        refused: u64::MAX,
    }
}

fn keygen(round: KeygenRound) -> Request {
    Request::Keygen {
        round,
        session: [7; 32],
        bytes: Zeroizing::new(vec![4, 5]),
    }
}

fn requests() -> Vec<Request> {
    vec![
        Request::Status,
        Request::Commit {
            proposal: vec![1, 2, 3],
        },
        Request::Commit { proposal: vec![] },
        Request::Sign {
            proposal: vec![1],
            packages: vec![vec![2, 3], vec![], vec![4]],
        },
        keygen(KeygenRound::Commitments),
        keygen(KeygenRound::Share),
        keygen(KeygenRound::Agreement),
    ]
}

fn answers() -> Vec<Answer> {
    let halted = SignerStatus {
        paused: None,
        halted: Some("the vault moved without us: größer".into()),
        ..status()
    };
    vec![
        Answer::Status(status()),
        Answer::Status(halted),
        Answer::Commitments(vec![vec![1; 71], vec![2; 71]]),
        Answer::Shares(vec![vec![3; 32]]),
        Answer::Shares(vec![]),
        Answer::refused(65_535, true, "the fee is too high"),
        Answer::refused(0, false, ""),
        Answer::Keygen {
            bytes: Zeroizing::new(vec![9; 40]),
        },
        Answer::NotYet,
    ]
}

fn only_these_bytes<T: Encode + Decode + PartialEq + fmt::Debug>(value: &T) {
    let bytes = value.encode();
    assert_eq!(T::decode(&bytes).as_ref(), Ok(value));
    for length in 0..bytes.len() {
        let cut = T::decode(&bytes[..length]);
        assert!(
            matches!(cut, Err(DecodeError::UnexpectedEnd { .. })),
            "{value:?}: {cut:?}"
        );
    }
    for more in 0..=255 {
        let longer = [&bytes[..], &[more]].concat();
        assert_eq!(
            T::decode(&longer),
            Err(DecodeError::TrailingBytes(1)),
            "{value:?}"
        );
    }
}

#[test]
fn requests_and_answers_are_what_their_bytes_say_and_no_others() {
    requests().iter().for_each(only_these_bytes);
    answers().iter().for_each(only_these_bytes);
}

#[test]
fn no_two_messages_have_the_same_bytes() {
    let mut all: Vec<_> = requests().iter().map(Encode::encode).collect();
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), count);
    let mut all: Vec<_> = answers().iter().map(Encode::encode).collect();
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), count);
}

#[test]
fn the_bytes_are_those_of_the_specification() {
    let sign = Request::Sign {
        proposal: vec![1],
        packages: vec![vec![2, 3], vec![]],
    };
    assert_eq!(
        hex::encode(sign.encode()),
        "02 01000000 01 02000000 02000000 0203 00000000".replace(' ', "")
    );
    let keygen = keygen(KeygenRound::Share).encode();
    assert_eq!(
        hex::encode(keygen),
        format!("0302{}020000000405", "07".repeat(32))
    );
    assert_eq!(
        hex::encode(Answer::refused(258, true, "no").encode()),
        "03 0201 01 02000000 6e6f".replace(' ', "")
    );
    let status = [
        "00 0300 05000000 302e312e30 07000000",
        &"01".repeat(32),
        "09000000",
        &"02".repeat(32),
        "05000000 01 0b000000 6d61696e74656e616e6365 00 0b00000000000000 ffffffffffffffff",
    ];
    assert_eq!(
        hex::encode(answers()[0].encode()),
        status.concat().replace(' ', "")
    );
}

#[test]
fn unknown_tags_rounds_and_flags_are_refused() {
    for tag in 4..=255 {
        assert_eq!(Request::decode(&[tag]), Err(DecodeError::Unknown("request")));
    }
    for tag in 6..=255 {
        assert_eq!(Answer::decode(&[tag]), Err(DecodeError::Unknown("answer")));
    }
    let mut round = keygen(KeygenRound::Share).encode();
    for unknown in [0, 4, 255] {
        round[1] = unknown;
        let refused = Err(DecodeError::Unknown("round of a key generation"));
        assert_eq!(Request::decode(&round), refused);
    }
    let mut permanent = Answer::refused(1, true, "no").encode();
    permanent[3] = 2;
    assert_eq!(Answer::decode(&permanent), Err(DecodeError::Unknown("flag")));
    let mut paused = Answer::Status(status()).encode();
    let at = 1 + 2 + (4 + 5) + 4 + 32 + 4 + 32 + 4;
    assert_eq!(paused[at], 1);
    paused[at] = 2;
    assert_eq!(Answer::decode(&paused), Err(DecodeError::Unknown("flag")));
}

/// The longest message passes; it has this many bytes.
fn passes<T: Encode + Decode + PartialEq + fmt::Debug>(value: &T) -> usize {
    let bytes = value.encode();
    assert!(T::decode(&bytes).as_ref() == Ok(value), "{value:?}");
    bytes.len()
}

fn too_long<T: Encode + Decode + PartialEq + fmt::Debug>(value: &T, what: &'static str) {
    assert_eq!(T::decode(&value.encode()), Err(DecodeError::OutOfRange(what)));
}

#[test]
fn the_longest_requests_pass_and_longer_ones_are_refused() {
    let sign = |proposal, packages: Vec<Vec<u8>>| Request::Sign {
        proposal: vec![1; proposal],
        packages,
    };
    let longest = vec![vec![2; LONGEST_PACKAGE]; MOST_PARTS];
    assert_eq!(passes(&sign(LONGEST_PROPOSAL, longest)), Request::LONGEST);
    const { assert!(Request::LONGEST <= 10 * 1024 * 1024) };
    too_long(&sign(LONGEST_PROPOSAL + 1, vec![]), "the length of a proposal");
    too_long(
        &sign(0, vec![vec![2; LONGEST_PACKAGE + 1]]),
        "the length of a package",
    );
    too_long(&sign(0, vec![vec![]; MOST_PARTS + 1]), "the number of inputs");
    let commit = |length| Request::Commit {
        proposal: vec![1; length],
    };
    passes(&commit(LONGEST_PROPOSAL));
    too_long(&commit(LONGEST_PROPOSAL + 1), "the length of a proposal");
    let keygen = |length| Request::Keygen {
        round: KeygenRound::Commitments,
        session: [7; 32],
        bytes: Zeroizing::new(vec![3; length]),
    };
    passes(&keygen(LONGEST_KEYGEN));
    too_long(
        &keygen(LONGEST_KEYGEN + 1),
        "the length of a message of a key generation",
    );
}

#[test]
fn the_longest_answers_pass_and_longer_ones_are_refused() {
    let parts = |length| vec![vec![1; length]; MOST_PARTS];
    let too_many = vec![vec![]; MOST_PARTS + 1];
    for (answer, what) in [
        (
            Answer::Commitments as fn(Vec<Vec<u8>>) -> Answer,
            "the length of commitments",
        ),
        (Answer::Shares, "the length of a share"),
    ] {
        assert_eq!(passes(&answer(parts(LONGEST_PART))), Answer::LONGEST);
        too_long(&answer(vec![vec![1; LONGEST_PART + 1]]), what);
        too_long(&answer(too_many.clone()), "the number of inputs");
    }
    let keygen = |length| Answer::Keygen {
        bytes: Zeroizing::new(vec![3; length]),
    };
    assert!(passes(&keygen(LONGEST_KEYGEN)) <= Answer::LONGEST);
    too_long(
        &keygen(LONGEST_KEYGEN + 1),
        "the length of a message of a key generation",
    );
    let text = "𝔗".repeat(LONGEST_TEXT);
    let longest = SignerStatus {
        version: text.clone(),
        paused: Some(text.clone()),
        halted: Some(text),
        ..status()
    };
    assert!(passes(&Answer::Status(longest)) <= Answer::LONGEST);
}

#[test]
fn a_length_without_its_bytes_takes_nothing() {
    // Over the limit it is the limit that speaks, below it the missing bytes.
    let announced = |length: u32| [&[1][..], &length.to_le_bytes()].concat();
    assert_eq!(
        Request::decode(&announced(u32::MAX)),
        Err(DecodeError::OutOfRange("the length of a proposal"))
    );
    assert_eq!(
        Request::decode(&announced(65_536)),
        Err(DecodeError::UnexpectedEnd { needed: 65_536 })
    );
    assert_eq!(
        Answer::decode(&announced(u32::MAX)),
        Err(DecodeError::OutOfRange("the number of inputs"))
    );
    assert_eq!(
        Answer::decode(&announced(512)),
        Err(DecodeError::UnexpectedEnd { needed: 4 })
    );
}

#[test]
fn texts_are_short_and_have_no_control_characters() {
    let refused = |reason: String| Answer::Refused {
        code: 1,
        permanent: false,
        reason,
    };
    passes(&refused("ö".repeat(LONGEST_TEXT)));
    too_long(&refused("o".repeat(LONGEST_TEXT + 1)), "the length of a text");
    too_long(&refused("o".repeat(LONGEST_TEXT * 4 + 1)), "the length of a text");
    let unknown = DecodeError::Unknown("characters in a text");
    for bad in ["\u{1b}[2K", "two\nlines", "\0", "\u{9b}m"] {
        assert_eq!(
            Answer::decode(&refused(bad.into()).encode()),
            Err(unknown.clone())
        );
    }
    let mut bytes = refused("no".into()).encode();
    *bytes.last_mut().unwrap() = 0xff;
    assert_eq!(Answer::decode(&bytes), Err(unknown.clone()));
    for field in [
        |status: &mut SignerStatus| status.version = "\n".into(),
        |status: &mut SignerStatus| status.paused = Some("\n".into()),
        |status: &mut SignerStatus| status.halted = Some("\n".into()),
    ] {
        let mut status = status();
        field(&mut status);
        assert_eq!(
            Answer::decode(&Answer::Status(status).encode()),
            Err(unknown.clone())
        );
    }
}

#[test]
fn any_reason_is_made_printable() {
    let reason = format!("\u{1b}[2K{}\n", "ö".repeat(LONGEST_TEXT));
    let answer = Answer::refused(1, true, &reason);
    passes(&answer);
    let Answer::Refused { reason, .. } = answer else {
        panic!("a refusal")
    };
    assert_eq!(reason, format!(" [2K{}", "ö".repeat(LONGEST_TEXT - 4)));
    assert_eq!(printable("as it is"), "as it is");
}

#[test]
fn what_members_say_fits_its_messages() {
    let (_, broadcast) = Commitments::begin(roster(100, 100), id(1), &mut rng(1)).unwrap();
    passes(&Answer::Keygen {
        bytes: Zeroizing::new(broadcast),
    });
    let (_, sent) = second(&roster(2, 3), 1);
    for bytes in sent[&id(1)].values() {
        passes(&Answer::Keygen { bytes: bytes.clone() });
    }
    let folder = tempfile::tempdir().unwrap();
    let share = shares(&roster(2, 3), 1).remove(0);
    let mut signer = Signer::new(share, Ledger::open(&folder.path().join("ledger")).unwrap());
    let input = Input::key_path([1; 32], None);
    let commitments = signer.commit(&[input; MOST_PARTS], &mut rng(1)).unwrap();
    passes(&Answer::Commitments(commitments));
}

#[test]
fn bytes_of_a_key_generation_are_not_printed() {
    let secret = Zeroizing::new(b"secret share".to_vec());
    let request = Request::Keygen {
        round: KeygenRound::Share,
        session: [7; 32],
        bytes: secret.clone(),
    };
    assert_eq!(format!("{request:?}"), "Keygen(Share, 12 bytes)");
    assert_eq!(
        format!("{:?}", Answer::Keygen { bytes: secret }),
        "Keygen(12 bytes)"
    );
}

/// Bytes that look like messages more often than noise does.
fn likely() -> impl Strategy<Value = Vec<u8>> {
    let small = prop_oneof![3 => 0u8..4, 1 => any::<u8>()];
    prop_oneof![vec(any::<u8>(), 0..300), vec(small, 0..60), mutated()]
}

/// A message with a few other bytes.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let requests = requests().into_iter().map(|request| request.encode());
    let answers = answers().into_iter().map(|answer| answer.encode());
    let all: Vec<_> = requests.chain(answers).collect();
    let changes = vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    (prop::sample::select(all), changes).prop_map(|(mut bytes, changes)| {
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_decodes_has_these_bytes_and_nothing_panics(bytes in likely()) {
        if let Ok(request) = Request::decode(&bytes) {
            prop_assert_eq!(request.encode(), bytes.clone());
        }
        if let Ok(answer) = Answer::decode(&bytes) {
            prop_assert_eq!(answer.encode(), bytes);
        }
    }
}
