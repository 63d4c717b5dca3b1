//! Members on different machines end with one key, whoever is late, restarts or contradicts itself.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::federation::coordinator::Ask;
use crate::federation::file::Member;
use crate::federation::peer::CallError;
use crate::federation::testing::{Local, Unwatched, federation, halls, shares, way};

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

#[test]
fn all_members_end_with_one_key_and_shares_of_their_own() {
    let (federation, identities) = federation(2, 3);
    let shares = shares(&federation, &identities);
    assert_eq!(shares.len(), 3);
    for (share, id) in shares.iter().zip(federation.roster().members()) {
        assert_eq!(share.member(), id);
        assert_eq!(share.group().internal_key(), shares[0].group().internal_key());
        assert_eq!(share.roster(), federation.roster());
    }
}

#[test]
fn whoever_does_not_come_is_named() {
    let (federation, identities) = federation(2, 3);
    let mut halls = halls(&federation);
    let last = federation.roster().members().last().unwrap();
    halls.remove(&last);
    let first = federation.roster().members().next().unwrap();
    let way = way(&identities[0], &halls);
    let join = Join {
        hall: &halls[&first],
        ask: &way,
        watch: &Unwatched,
        deadline: Instant::now(),
    };
    let Err(JoinError::Missing(names)) = join.generate(|_| Ok(())) else {
        panic!("nobody else took part")
    };
    assert!(names.contains(&"member 2".to_owned()), "{names:?}");
    let second = Hall::new(federation.clone(), federation.roster().members().nth(1).unwrap());
    let join = Join {
        hall: &second,
        ..join
    };
    let Err(JoinError::Missing(names)) = join.generate(|_| Ok(())) else {
        panic!("the first member names the generation")
    };
    assert_eq!(names, ["member 0"]);
}

/// Loses its memory once, right after its commitments were taken.
struct Forgetful<'a> {
    way: &'a Local,
    hall: &'a Hall,
    crashed: AtomicBool,
}

impl Ask for Forgetful<'_> {
    fn ask(&self, member: &Member, request: &Request) -> Result<Answer, CallError> {
        let answer = self.way.ask(member, request)?;
        let taken = matches!(answer, Answer::Keygen { .. });
        if taken && !self.crashed.swap(true, Ordering::Relaxed) {
            let mut inbox = self.hall.inbox();
            *inbox = Inbox::default();
        }
        Ok(answer)
    }
}

#[test]
fn a_member_that_restarts_half_way_makes_everybody_begin_anew() {
    let (federation, identities) = federation(2, 3);
    let halls = halls(&federation);
    let keys: Vec<_> = std::thread::scope(|scope| {
        let joining: Vec<_> = halls
            .values()
            .zip(&identities)
            .enumerate()
            .map(|(i, (hall, identity))| {
                let way = way(identity, &halls);
                scope.spawn(move || {
                    let forgetful = Forgetful {
                        way: &way,
                        hall,
                        crashed: AtomicBool::new(i != 2),
                    };
                    let join = Join {
                        hall,
                        ask: &forgetful,
                        watch: &Unwatched,
                        deadline: soon(),
                    };
                    let agreement = join.generate(|_| Ok(())).unwrap();
                    let share = join.agree(agreement).unwrap();
                    share.group().internal_key()
                })
            })
            .collect();
        joining.into_iter().map(|join| join.join().unwrap()).collect()
    });
    assert!(keys.windows(2).all(|pair| pair[0] == pair[1]), "{keys:?}");
}

#[test]
fn the_first_member_begins_anew_when_another_contradicts_itself() {
    let (federation, identities) = federation(2, 3);
    let halls = halls(&federation);
    let mut ids = federation.roster().members();
    let (first, second) = (ids.next().unwrap(), ids.next().unwrap());
    let say = |to: MemberId, from: usize, session, bytes: &[u8]| {
        let request = Request::Keygen {
            round: KeygenRound::Commitments,
            session,
            bytes: Zeroizing::new(bytes.to_vec()),
        };
        halls[&to].answer(&identities[from].public(), request)
    };
    halls[&first].inbox().begin([7; 32]);
    assert_eq!(say(first, 1, [9; 32], b"x"), Answer::NotYet, "another generation");
    assert_eq!(say(first, 1, [7; 32], b"x"), taken());
    assert_eq!(
        say(first, 1, [7; 32], b"x"),
        taken(),
        "saying it twice is harmless"
    );
    assert!(!halls[&first].inbox().spoilt);
    assert_eq!(say(first, 1, [7; 32], b"y"), Answer::NotYet);
    assert!(halls[&first].inbox().spoilt, "it contradicts itself");

    assert_eq!(
        say(second, 2, [8; 32], b"z"),
        Answer::NotYet,
        "only the first one names it"
    );
    assert_eq!(say(second, 0, [7; 32], b"a"), taken());
    assert_eq!(say(second, 2, [7; 32], b"z"), taken());
    assert_eq!(
        say(second, 0, [8; 32], b"b"),
        taken(),
        "the first one begins anew"
    );
    let inbox = halls[&second].inbox();
    assert_eq!(inbox.session, Some([8; 32]));
    assert_eq!(inbox.commitments.len(), 1, "what belonged to the old one is gone");
}

#[test]
fn strangers_and_other_questions_get_nothing() {
    let (federation, identities) = federation(2, 3);
    let first = federation.roster().members().next().unwrap();
    let hall = Hall::new(federation, first);
    let coordinator = identities[3].public();
    assert!(!hall.knows(&coordinator), "a coordinator has no part in it");
    let request = || Request::Keygen {
        round: KeygenRound::Agreement,
        session: [0; 32],
        bytes: Zeroizing::default(),
    };
    for from in [coordinator, identities[0].public()] {
        assert!(matches!(hall.answer(&from, request()), Answer::Refused { .. }));
    }
    let proposal = Request::Commit { proposal: Vec::new() };
    assert!(matches!(
        hall.answer(&identities[1].public(), proposal),
        Answer::Refused { permanent: false, .. }
    ));
}

#[test]
fn a_share_that_cannot_be_stored_is_not_agreed_on() {
    let (federation, identities) = federation(2, 2);
    let halls = halls(&federation);
    std::thread::scope(|scope| {
        for (i, (hall, identity)) in halls.values().zip(&identities).enumerate() {
            let way = way(identity, &halls);
            scope.spawn(move || {
                let join = Join {
                    hall,
                    ask: &way,
                    watch: &Unwatched,
                    deadline: soon(),
                };
                let full = || anyhow::anyhow!("the disk is full");
                let stored = join.generate(|_| if i == 0 { Err(full()) } else { Ok(()) });
                assert_eq!(matches!(stored, Err(JoinError::Store(_))), i == 0);
            });
        }
    });
    let agreements = halls.values().map(|hall| hall.inbox().agreements.len());
    assert_eq!(agreements.sum::<usize>(), 0, "nobody heard a hash");
}
