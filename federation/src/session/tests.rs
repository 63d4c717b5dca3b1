//! Whatever fewer than `n − t + 1` members do, there are signatures that Bitcoin takes, and the others
//! are named.

use bitcoin::hashes::Hash;
use bitcoin::taproot::TapNodeHash;

use super::*;
use crate::signer::{Ledger, Signer, Tweak};
use crate::testing::{id, rng, roster, shares};

/// How a member behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Honest,
    Dead,
    /// Gives commitments and then dies.
    DiesInBetween,
    Refuses,
    Garbage,
    /// Answers with one share too few.
    TooFew,
    /// Its share is another member's.
    Lies,
    /// Loses its memory after giving commitments.
    Restarts,
}

fn inputs() -> Vec<Input> {
    vec![
        Input::key_path([1; 32], Some(TapNodeHash::from_byte_array([9; 32]))),
        Input::key_path([2; 32], None),
        Input::untweaked([3; 32]),
    ]
}

struct Member {
    signer: Signer,
    manner: Manner,
}

impl Member {
    fn commit(&mut self, inputs: &[Input], seed: u64) -> Option<Result<Vec<Vec<u8>>, String>> {
        match self.manner {
            Manner::Dead => None,
            Manner::Refuses => Some(Err("the batch is not deep enough".to_owned())),
            Manner::Garbage => Some(Ok(vec![vec![1, 2, 3]; inputs.len()])),
            Manner::Honest | Manner::DiesInBetween | Manner::TooFew | Manner::Lies | Manner::Restarts => {
                Some(Ok(self
                    .signer
                    .commit(inputs, &mut rng(seed))
                    .expect("fresh randomness")))
            }
        }
    }

    fn sign(&mut self, inputs: &[Input], packages: &[Vec<u8>]) -> Option<Result<Vec<Vec<u8>>, String>> {
        if self.manner == Manner::DiesInBetween {
            return None;
        }
        if self.manner == Manner::Restarts {
            return Some(Err("the nonces for input 0 are not waiting here".to_owned()));
        }
        let answer = self.signer.sign(inputs, packages);
        Some(answer.map_err(|refusal| refusal.to_string()).map(|mut shares| {
            if self.manner == Manner::Lies {
                shares.swap(0, 1);
            }
            if self.manner == Manner::TooFew {
                shares.pop();
            }
            shares
        }))
    }
}

/// Runs a session of 3 of 5 to its end; whoever does not answer is waited for once.
fn run(manners: [Manner; 5]) -> (Session, GroupKey) {
    let directory = tempfile::tempdir().unwrap();
    let mut members: BTreeMap<MemberId, Member> = shares(&roster(3, 5), 1)
        .into_iter()
        .zip(manners)
        .map(|(share, manner)| {
            let member = share.member();
            let ledger = Ledger::open(&directory.path().join(member.number().to_string())).unwrap();
            let signer = Signer::new(share, ledger);
            (member, Member { signer, manner })
        })
        .collect();
    let group = members[&id(1)].signer.share().group().clone();
    let mut session = Session::new(group.clone(), inputs(), BTreeMap::new());
    for round in 0.. {
        assert!(round < 20, "a session ends");
        match session.todo() {
            Todo::Commit { step, members: asked } => {
                for (i, &member) in (0..).zip(&asked) {
                    let answer = members
                        .get_mut(&member)
                        .unwrap()
                        .commit(&inputs(), 100 * round + i);
                    if let Some(answer) = answer {
                        session.committed(step, member, answer);
                    }
                }
                session.give_up_waiting(step);
            }
            Todo::Sign {
                step,
                members: asked,
                packages,
            } => {
                for &member in &asked {
                    let answer = members.get_mut(&member).unwrap().sign(&inputs(), &packages);
                    if let Some(answer) = answer {
                        session.signed(step, member, answer);
                    }
                }
                session.give_up_waiting(step);
            }
            Todo::Done(_) | Todo::Failed => break,
        }
    }
    (session, group)
}

fn assert_signed(session: &Session, group: &GroupKey) {
    let Todo::Done(signatures) = session.todo() else {
        panic!("no signatures; excluded: {:?}", session.excluded());
    };
    let secp = Secp256k1::verification_only();
    assert_eq!(signatures.len(), 3);
    for (signature, input) in signatures.iter().zip(inputs()) {
        let key = group.key_under(&secp, &input.tweak);
        let digest = Digest::from_digest(input.sighash);
        assert_eq!(secp.verify_schnorr(signature, &digest, &key), Ok(()));
    }
}

use Manner::{Dead, DiesInBetween, Garbage, Honest, Lies, Refuses, Restarts, TooFew};

#[test]
fn honest_members_sign_at_once() {
    let (session, group) = run([Honest; 5]);
    assert_signed(&session, &group);
    assert_eq!((session.attempts(), session.excluded().len()), (1, 0));
}

#[test]
fn a_signature_under_one_key_of_the_group_is_worthless_under_the_others() {
    let (session, group) = run([Honest; 5]);
    let Todo::Done(signatures) = session.todo() else {
        panic!("honest members sign");
    };
    let secp = Secp256k1::verification_only();
    let untweaked = group.key_under(&secp, &Tweak::Untweaked);
    assert_eq!(untweaked, group.internal_key());
    for (i, signature) in signatures.iter().enumerate() {
        for (j, input) in inputs().iter().enumerate() {
            // The message is the signature's own: only the key differs.
            let digest = Digest::from_digest(inputs()[i].sighash);
            let key = group.key_under(&secp, &input.tweak);
            let valid = secp.verify_schnorr(signature, &digest, &key).is_ok();
            assert_eq!(valid, i == j, "signature {i} under key {j}");
        }
    }
}

#[test]
fn groups_of_odd_keys_sign_untweaked_too() {
    // The library keeps the parity of the key; Taproot's keys have none.
    for seed in 1..=8 {
        let directory = tempfile::tempdir().unwrap();
        let mut signers: Vec<Signer> = shares(&roster(2, 2), seed)
            .into_iter()
            .map(|share| {
                let path = directory.path().join(share.member().number().to_string());
                Signer::new(share, Ledger::open(&path).unwrap())
            })
            .collect();
        let group = signers[0].share().group().clone();
        let input = [Input::untweaked([7; 32])];
        let mut session = Session::new(group.clone(), input.to_vec(), BTreeMap::new());
        for number in [1, 2] {
            let signer = &mut signers[usize::from(number) - 1];
            let commitments = signer.commit(&input, &mut rng(100 + seed)).unwrap();
            session.committed(Step(0), id(number), Ok(commitments));
        }
        let Todo::Sign { step, packages, .. } = session.todo() else {
            panic!("{:?}", session.todo());
        };
        for number in [1, 2] {
            let shares = signers[usize::from(number) - 1].sign(&input, &packages).unwrap();
            session.signed(step, id(number), Ok(shares));
        }
        let Todo::Done(signatures) = session.todo() else {
            panic!("{:?}", session.excluded());
        };
        let digest = Digest::from_digest([7; 32]);
        let secp = Secp256k1::verification_only();
        secp.verify_schnorr(&signatures[0], &digest, &group.internal_key())
            .unwrap();
    }
}

#[test]
fn two_of_five_may_fail_in_any_two_ways() {
    let bad = [Dead, DiesInBetween, Refuses, Garbage, TooFew, Lies, Restarts];
    for first in bad {
        for second in bad {
            let (session, group) = run([first, Honest, second, Honest, Honest]);
            assert_signed(&session, &group);
            // Members that were never needed are not blamed; nobody honest ever is.
            assert!(
                session
                    .excluded()
                    .keys()
                    .all(|&member| member == id(1) || member == id(3))
            );
            let named = session.excluded().contains_key(&id(1));
            assert_eq!(named, first != Dead, "{first:?}: the dead one was not needed");
        }
    }
}

#[test]
fn every_failure_is_named_for_what_it_is() {
    for (manner, why) in [
        (Dead, None), // three others answered first
        (DiesInBetween, Some(Exclusion::Late)),
        (
            Refuses,
            Some(Exclusion::Refused("the batch is not deep enough".to_owned())),
        ),
        (Garbage, Some(Exclusion::Garbage)),
        (TooFew, Some(Exclusion::Garbage)),
        (Lies, Some(Exclusion::BadShare)),
        (
            Restarts,
            Some(Exclusion::Refused(
                "the nonces for input 0 are not waiting here".to_owned(),
            )),
        ),
    ] {
        let (session, _) = run([manner, Honest, Honest, Honest, Honest]);
        assert_eq!(session.excluded().get(&id(1)), why.as_ref(), "{manner:?}");
        let misbehaved = why.is_some_and(|why| why.is_misbehaviour());
        assert_eq!(misbehaved, matches!(manner, Garbage | TooFew | Lies));
    }
}

#[test]
fn with_too_few_members_left_the_session_fails_and_says_who_is_missing() {
    let (session, _) = run([Dead, Refuses, Lies, Honest, Honest]);
    assert_eq!(session.todo(), Todo::Failed);
    let reasons: Vec<String> = session.excluded().values().map(ToString::to_string).collect();
    assert!(reasons.len() >= 2, "{reasons:?}");
    assert!(
        reasons.iter().any(|reason| reason.contains("did not answer")),
        "{reasons:?}"
    );
}

#[test]
fn answers_that_nobody_asked_for_change_nothing() {
    let group = shares(&roster(2, 3), 1)[0].group().clone();
    let mut session = Session::new(group, inputs(), BTreeMap::new());
    let before = session.todo();
    session.signed(Step(0), id(1), Ok(vec![vec![0; 32]; 3]));
    session.committed(Step(0), id(9), Ok(vec![vec![0; 32]; 3]));
    session.committed(Step(1), id(1), Ok(vec![vec![0; 32]; 3]));
    session.give_up_waiting(Step(1));
    assert_eq!(session.todo(), before);
    assert_eq!(session.excluded().len(), 0);
}

#[test]
fn an_answer_to_an_earlier_attempt_blames_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let mut signers: Vec<Signer> = shares(&roster(2, 3), 1)
        .into_iter()
        .map(|share| {
            let path = directory.path().join(share.member().number().to_string());
            Signer::new(share, Ledger::open(&path).unwrap())
        })
        .collect();
    let group = signers[0].share().group().clone();
    let mut session = Session::new(group.clone(), inputs(), BTreeMap::new());
    let commit = |session: &mut Session, signers: &mut [Signer], who: [u16; 2], seed| {
        let Todo::Commit { step, .. } = session.todo() else {
            panic!("{:?}", session.todo());
        };
        for number in who {
            let commitments = signers[usize::from(number) - 1]
                .commit(&inputs(), &mut rng(seed))
                .unwrap();
            session.committed(step, id(number), Ok(commitments));
        }
        let Todo::Sign {
            step: next, packages, ..
        } = session.todo()
        else {
            panic!("{:?}", session.todo());
        };
        (step, next, packages)
    };
    let (_, first, packages) = commit(&mut session, &mut signers, [1, 2], 10);
    let late = signers[0].sign(&inputs(), &packages).unwrap();
    // Member 2 answers with garbage before member 1's share arrives.
    session.signed(first, id(2), Ok(Vec::new()));
    let (asked, second, packages) = commit(&mut session, &mut signers, [1, 3], 20);
    session.signed(first, id(1), Ok(late));
    session.give_up_waiting(first);
    session.give_up_waiting(asked);
    for number in [1, 3] {
        let shares = signers[usize::from(number) - 1]
            .sign(&inputs(), &packages)
            .unwrap();
        session.signed(second, id(number), Ok(shares));
    }
    assert_signed(&session, &group);
    assert_eq!(session.excluded().keys().copied().collect::<Vec<_>>(), [id(2)]);
    assert_eq!(session.attempts(), 2);
}

#[test]
fn members_that_earlier_rounds_excluded_are_not_asked_and_no_inputs_need_no_signatures() {
    let group = shares(&roster(2, 3), 1)[0].group().clone();
    let unfit = |members: &[u16]| {
        let excluded = members.iter().map(|&member| (id(member), Exclusion::BadShare));
        Session::new(group.clone(), inputs(), excluded.collect()).todo()
    };
    let asked = [1, 3].map(id).into();
    assert_eq!(
        unfit(&[2]),
        Todo::Commit {
            step: Step(0),
            members: asked
        }
    );
    assert_eq!(unfit(&[2, 3]), Todo::Failed);
    let nothing = Session::new(group.clone(), Vec::new(), BTreeMap::new());
    assert_eq!(nothing.todo(), Todo::Done(Vec::new()));
}

#[test]
fn reasons_are_kept_short() {
    let group = shares(&roster(2, 3), 1)[0].group().clone();
    let mut session = Session::new(group, inputs(), BTreeMap::new());
    session.committed(Step(0), id(1), Err("x".repeat(100_000)));
    assert_eq!(
        session.excluded()[&id(1)],
        Exclusion::Refused("x".repeat(LONGEST_REASON))
    );
}
