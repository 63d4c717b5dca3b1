//! A member signs what it agreed to, once.

use std::collections::BTreeMap;

use super::*;
use crate::testing::{id, rng, roster, shares};

fn input(n: u8) -> Input {
    Input::key_path([n; 32], (n % 2 == 1).then(|| root(n)))
}

fn root(n: u8) -> TapNodeHash {
    TapNodeHash::from_byte_array([n; 32])
}

fn signers(directory: &Path) -> Vec<Signer> {
    let shares = shares(&roster(2, 3), 1);
    let open = |share: KeyShare| {
        let path = directory.join(share.member().number().to_string());
        Signer::new(share, Ledger::open(&path).unwrap())
    };
    shares.into_iter().map(open).collect()
}

/// The packages for inputs, of commitments by signer.
fn packages(inputs: &[Input], commitments: &[(u16, Vec<Vec<u8>>)]) -> Vec<Vec<u8>> {
    let package = |(i, input): (usize, &Input)| {
        let of = |(member, all): &(u16, Vec<Vec<u8>>)| {
            let commitments = round1::SigningCommitments::decode(&all[i]).unwrap();
            (id(*member).identifier(), commitments)
        };
        let commitments: BTreeMap<_, _> = commitments.iter().map(of).collect();
        SigningPackage::new(commitments, &input.sighash).encode()
    };
    inputs.iter().enumerate().map(package).collect()
}

/// Both signers' commitments and the packages of them.
fn round(signers: &mut [Signer], inputs: &[Input], seed: u64) -> Vec<Vec<u8>> {
    let mut rng = rng(seed);
    let commitments = [
        (1, signers[0].commit(inputs, &mut rng).unwrap()),
        (2, signers[1].commit(inputs, &mut rng).unwrap()),
    ];
    packages(inputs, &commitments)
}

#[test]
fn nonces_sign_once_and_the_same_request_gets_the_same_answer() {
    let directory = tempfile::tempdir().unwrap();
    let mut signers = signers(directory.path());
    let inputs = [input(1), input(2)];
    let packages = round(&mut signers, &inputs, 7);
    let shares = signers[0].sign(&inputs, &packages).unwrap();
    assert_eq!(shares.len(), 2);
    assert_eq!(signers[0].sign(&inputs, &packages).unwrap(), shares);
    // In any other request they are used up.
    let again = signers[0].sign(&inputs[..1], &packages[..1]);
    assert!(matches!(again, Err(Refusal::Burned(0))), "{again:?}");
}

#[test]
fn nonces_do_not_outlive_the_process() {
    let directory = tempfile::tempdir().unwrap();
    let packages = round(&mut signers(directory.path()), &[input(1)], 7);
    let again = signers(directory.path())[0].sign(&[input(1)], &packages);
    assert!(matches!(again, Err(Refusal::UnknownNonces(0))), "{again:?}");
}

#[test]
fn randomness_that_repeats_makes_no_second_signature() {
    let directory = tempfile::tempdir().unwrap();
    let mut before = signers(directory.path());
    let packages = round(&mut before, &[input(1)], 7);
    let twice = before[0].commit(&[input(2)], &mut rng(7));
    assert!(matches!(twice, Err(Refusal::Burned(0))), "{twice:?}");
    before[0].sign(&[input(1)], &packages).unwrap();
    drop(before);
    let twice = signers(directory.path())[0].commit(&[input(1)], &mut rng(7));
    assert!(matches!(twice, Err(Refusal::Burned(0))), "{twice:?}");
}

#[test]
fn a_ledger_that_grew_without_this_process_stops_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut signers = signers(directory.path());
    let packages = round(&mut signers, &[input(1)], 7);
    let path = directory.path().join("1");
    std::fs::write(&path, [9; RECORD]).unwrap();
    for _ in 0..2 {
        let refused = signers[0].sign(&[input(1)], &packages);
        assert!(
            matches!(refused, Err(Refusal::LedgerChanged | Refusal::UnknownNonces(0))),
            "{refused:?}"
        );
    }
    assert_eq!(std::fs::read(path).unwrap(), [9; RECORD]);
}

#[test]
fn one_process_at_a_time_has_the_ledger() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger");
    let first = Ledger::open(&path).unwrap();
    let error = Ledger::open(&path).unwrap_err();
    assert!(error.to_string().contains("another process"), "{error}");
    drop(first);
    Ledger::open(&path).unwrap();
}

#[test]
fn only_what_was_agreed_to_is_signed() {
    let directory = tempfile::tempdir().unwrap();
    let mut signers = signers(directory.path());
    let inputs = [input(1), input(2)];
    let packages = round(&mut signers, &inputs, 7);
    let mut sign = |inputs: &[Input], packages: &[Vec<u8>]| signers[0].sign(inputs, packages).unwrap_err();

    assert!(matches!(sign(&[], &[]), Refusal::Count { .. }));
    assert!(matches!(sign(&inputs, &packages[..1]), Refusal::Count { .. }));
    let swapped = [packages[1].clone(), packages[0].clone()];
    assert!(matches!(sign(&inputs, &swapped), Refusal::OtherMessage(0)));
    // The same sighash under other leaves, or without a tweak, is under another key.
    for other in [
        Tweak::Taproot(None),
        Tweak::Taproot(Some(root(2))),
        Tweak::Untweaked,
    ] {
        let other = Input {
            tweak: other,
            ..input(1)
        };
        let refused = sign(&[other, input(2)], &packages);
        assert!(matches!(refused, Refusal::UnknownNonces(0)), "{refused:?}");
    }
    let mut garbage = packages.clone();
    garbage[1].push(0);
    assert!(matches!(sign(&inputs, &garbage), Refusal::Malformed(1)));
    // None of these cost the nonces.
    assert_eq!(signers[0].sign(&inputs, &packages).unwrap().len(), 2);
}

#[test]
fn nonces_made_for_the_untweaked_key_sign_nothing_else_and_once() {
    let directory = tempfile::tempdir().unwrap();
    let mut signers = signers(directory.path());
    let plain = Input::untweaked([1; 32]);
    let packages = round(&mut signers, &[plain], 7);
    for other in [Input::key_path([1; 32], None), input(1)] {
        let refused = signers[0].sign(&[other], &packages);
        assert!(matches!(refused, Err(Refusal::UnknownNonces(0))), "{refused:?}");
    }
    signers[0].sign(&[plain], &packages).unwrap();
    // Burned for every key.
    for other in [Input::key_path([1; 32], None), input(1)] {
        let refused = signers[0].sign(&[other], &packages);
        assert!(matches!(refused, Err(Refusal::Burned(0))), "{refused:?}");
    }
}

#[test]
fn packages_with_too_few_signers_strangers_or_without_this_member_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mut signers = signers(directory.path());
    let inputs = [input(1)];
    let mut rng = rng(7);
    let [mine, two, three] = [0, 1, 2].map(|i| signers[i].commit(&inputs, &mut rng).unwrap());
    let mut sign = |commitments: &[(u16, Vec<Vec<u8>>)]| {
        signers[0]
            .sign(&inputs, &packages(&inputs, commitments))
            .unwrap_err()
    };
    assert!(matches!(
        sign(&[(1, mine.clone())]),
        Refusal::Package { input: 0, .. }
    ));
    assert!(matches!(
        sign(&[(1, mine.clone()), (4, two.clone())]),
        Refusal::Stranger(0)
    ));
    assert!(matches!(
        sign(&[(2, two.clone()), (3, three)]),
        Refusal::UnknownNonces(0)
    ));
    // Somebody else's commitments in this member's place.
    assert!(matches!(sign(&[(1, two), (2, mine)]), Refusal::UnknownNonces(0)));
}

#[test]
fn a_torn_record_is_dropped_and_the_others_stay() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger");
    Ledger::open(&path).unwrap().burn(&[[1; 32], [2; 32]]).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.extend([3; 20]);
    std::fs::write(&path, bytes).unwrap();
    let mut ledger = Ledger::open(&path).unwrap(); // the one before is closed
    assert!(ledger.has(&[1; 32]) && ledger.has(&[2; 32]) && !ledger.has(&[3; 32]));
    ledger.burn(&[[4; 32]]).unwrap();
    drop(ledger);
    let ledger = Ledger::open(&path).unwrap();
    assert!(ledger.has(&[4; 32]) && ledger.burned.len() == 3);
}

#[test]
fn nothing_is_signed_when_the_ledger_cannot_be_written() {
    let directory = tempfile::tempdir().unwrap();
    let mut signers = signers(directory.path());
    let packages = round(&mut signers, &[input(1)], 7);
    let path = directory.path().join("1");
    signers[0].ledger.file = File::open(&path).unwrap(); // for reading only
    let refused = signers[0].sign(&[input(1)], &packages);
    assert!(matches!(refused, Err(Refusal::Ledger(_))), "{refused:?}");
    // Nor afterwards: what the disk holds is not known any more.
    let packages = round(&mut signers, &[input(2)], 8);
    let refused = signers[0].sign(&[input(2)], &packages);
    assert!(matches!(refused, Err(Refusal::LedgerChanged)), "{refused:?}");
    assert_eq!(std::fs::read(path).unwrap(), b"");
}

#[test]
fn old_nonces_make_room() {
    let directory = tempfile::tempdir().unwrap();
    let mut signers = signers(directory.path());
    let packages = round(&mut signers, &[input(1)], 7);
    let many = [input(2); Signer::MOST_INPUTS];
    for seed in 0..Signer::MOST_WAITING / Signer::MOST_INPUTS {
        signers[0].commit(&many, &mut rng(100 + seed as u64)).unwrap();
    }
    let too_many = signers[0].commit(&[input(2); Signer::MOST_INPUTS + 1], &mut rng(8));
    assert!(matches!(too_many, Err(Refusal::Count { .. })));
    assert_eq!(signers[0].waiting.len(), Signer::MOST_WAITING);
    let late = signers[0].sign(&[input(1)], &packages);
    assert!(matches!(late, Err(Refusal::UnknownNonces(0))), "{late:?}");
}
