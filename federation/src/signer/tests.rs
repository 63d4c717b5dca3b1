//! A member signs what it agreed to, once.

use std::collections::BTreeMap;

use super::*;
use crate::testing::{id, rng, roster, shares};

fn input(n: u8) -> Input {
    Input {
        sighash: [n; 32],
        merkle_root: (n % 2 == 1).then(|| TapNodeHash::from_byte_array([n; 32])),
    }
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
        (1, signers[0].commit(inputs, &mut rng)),
        (2, signers[1].commit(inputs, &mut rng)),
    ];
    packages(inputs, &commitments)
}

#[test]
fn nonces_sign_once() {
    let directory = tempfile::tempdir().unwrap();
    let mut signers = signers(directory.path());
    let inputs = [input(1), input(2)];
    let packages = round(&mut signers, &inputs, 7);
    assert_eq!(signers[0].sign(&inputs, &packages).unwrap().len(), 2);
    let again = signers[0].sign(&inputs, &packages);
    assert!(matches!(again, Err(Refusal::UnknownNonces(0))), "{again:?}");
}

#[test]
fn nonces_do_not_outlive_the_process() {
    let directory = tempfile::tempdir().unwrap();
    let packages = round(&mut signers(directory.path()), &[input(1)], 7);
    let again = signers(directory.path())[0].sign(&[input(1)], &packages);
    assert!(matches!(again, Err(Refusal::UnknownNonces(0))), "{again:?}");
}

#[test]
fn a_machine_that_was_set_back_finds_its_nonces_in_the_ledger() {
    let directory = tempfile::tempdir().unwrap();
    let mut before = signers(directory.path());
    let packages = round(&mut before, &[input(1)], 7);
    before[0].sign(&[input(1)], &packages).unwrap();
    // The same randomness again, as a copied machine would draw it.
    let mut after = signers(directory.path());
    assert_eq!(round(&mut after, &[input(1)], 7), packages);
    let again = after[0].sign(&[input(1)], &packages);
    assert!(matches!(again, Err(Refusal::Burned(0))), "{again:?}");
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
    // The same sighash under other leaves is another key.
    let other_leaves = [
        Input {
            merkle_root: None,
            ..input(1)
        },
        input(2),
    ];
    assert!(matches!(
        sign(&other_leaves, &packages),
        Refusal::UnknownNonces(0)
    ));
    let mut garbage = packages.clone();
    garbage[1].push(0);
    assert!(matches!(sign(&inputs, &garbage), Refusal::Malformed(1)));
    // None of these cost the nonces.
    assert_eq!(signers[0].sign(&inputs, &packages).unwrap().len(), 2);
}

#[test]
fn packages_with_too_few_signers_strangers_or_without_this_member_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mut signers = signers(directory.path());
    let inputs = [input(1)];
    let mut rng = rng(7);
    let [mine, two, three] = [0, 1, 2].map(|i| signers[i].commit(&inputs, &mut rng));
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
    let mut ledger = Ledger::open(&path).unwrap();
    assert!(ledger.has(&[1; 32]) && ledger.has(&[2; 32]) && !ledger.has(&[3; 32]));
    ledger.burn(&[[4; 32]]).unwrap();
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
    assert_eq!(std::fs::read(path).unwrap(), b"");
}

#[test]
fn old_nonces_make_room() {
    let directory = tempfile::tempdir().unwrap();
    let mut signers = signers(directory.path());
    let packages = round(&mut signers, &[input(1)], 7);
    let many = vec![input(2); Signer::MOST_WAITING];
    signers[0].commit(&many, &mut rng(8));
    assert_eq!(signers[0].waiting.len(), Signer::MOST_WAITING);
    let late = signers[0].sign(&[input(1)], &packages);
    assert!(matches!(late, Err(Refusal::UnknownNonces(0))), "{late:?}");
}
