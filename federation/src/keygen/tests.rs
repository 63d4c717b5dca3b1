//! A key that all agree on comes out of honest rounds; of others comes an error that names somebody.

use std::collections::BTreeSet;

use super::*;
use crate::testing::{first, id, others, rng, roster, second, shares, third, to};

/// The error of a round that must not succeed.
fn failed<T>(result: Result<T, KeygenError>) -> KeygenError {
    result.err().expect("the round fails")
}

fn not_agreed(result: Result<KeyShare, Box<NotAgreed>>) -> NotAgreed {
    *result.err().expect("the round fails")
}

#[test]
fn all_members_end_with_the_same_key_and_shares_of_their_own() {
    for (threshold, size) in [(2, 2), (3, 5), (11, 15)] {
        let shares = shares(&roster(threshold, size), 1);
        let keys: BTreeSet<_> = shares.iter().map(|share| share.group().internal_key()).collect();
        assert_eq!((keys.len(), shares.len()), (1, usize::from(size)));
        let secrets: BTreeSet<_> = shares.iter().map(|share| share.to_bytes().to_vec()).collect();
        assert_eq!(secrets.len(), usize::from(size));
    }
}

#[test]
fn generations_give_different_keys() {
    let key = |seed| shares(&roster(2, 3), seed)[0].group().internal_key();
    assert_ne!(key(1), key(2));
}

#[test]
fn a_stranger_cannot_begin() {
    let begun = Commitments::begin(roster(2, 3), id(4), &mut rng(1));
    assert_eq!(failed(begun), KeygenError::NoSuchMember(id(4)));
}

#[test]
fn missing_and_uninvited_answers_are_named_in_every_round() {
    let roster = roster(2, 3);
    let (mut states, mut broadcasts) = first(&roster, 1);
    broadcasts.remove(&id(3));
    let state = states.remove(&id(1)).unwrap();
    assert_eq!(
        failed(state.received(&others(&broadcasts, id(1)))),
        KeygenError::Answers(id(3))
    );

    let (mut states, mut broadcasts) = first(&roster, 1);
    broadcasts.insert(id(4), broadcasts[&id(2)].clone());
    let state = states.remove(&id(1)).unwrap();
    assert_eq!(
        failed(state.received(&others(&broadcasts, id(1)))),
        KeygenError::Answers(id(4))
    );

    let (mut states, sent) = second(&roster, 1);
    let mut received = to(&sent, id(1));
    received.remove(&id(2));
    let state = states.remove(&id(1)).unwrap();
    assert_eq!(failed(state.received(&received)), KeygenError::Answers(id(2)));

    let (mut states, mut transcripts) = third(&roster, 1);
    transcripts.remove(&id(2));
    let state = states.remove(&id(1)).unwrap();
    let failed = not_agreed(state.received(&others(&transcripts, id(1))));
    assert_eq!(failed.error, KeygenError::Answers(id(2)));
}

#[test]
fn nonsense_is_refused_and_named() {
    let roster = roster(2, 3);
    for spoil in [
        |bytes: &mut Vec<u8>| bytes.clear(),
        |bytes: &mut Vec<u8>| bytes.push(0),
        |bytes: &mut Vec<u8>| bytes.truncate(10),
        |bytes: &mut Vec<u8>| bytes.resize(1 << 20, 0),
    ] {
        let (mut states, mut broadcasts) = first(&roster, 1);
        spoil(broadcasts.get_mut(&id(2)).unwrap());
        let state = states.remove(&id(1)).unwrap();
        assert_eq!(
            failed(state.received(&others(&broadcasts, id(1)))),
            KeygenError::Malformed(id(2))
        );

        let (mut states, sent) = second(&roster, 1);
        let mut received = to(&sent, id(1));
        spoil(received.get_mut(&id(3)).unwrap());
        let state = states.remove(&id(1)).unwrap();
        assert_eq!(failed(state.received(&received)), KeygenError::Malformed(id(3)));
    }
}

#[test]
fn commitments_of_another_member_do_not_prove_knowledge() {
    let roster = roster(2, 3);
    let (mut states, mut broadcasts) = first(&roster, 1);
    broadcasts.insert(id(2), broadcasts[&id(3)].clone());
    let state = states.remove(&id(1)).unwrap();
    assert_eq!(
        failed(state.received(&others(&broadcasts, id(1)))),
        KeygenError::Lied(id(2))
    );
}

#[test]
fn a_share_that_contradicts_its_commitments_is_named() {
    let roster = roster(2, 3);
    let (mut states, sent) = second(&roster, 1);
    let mut received = to(&sent, id(1));
    received.insert(id(2), sent[&id(2)][&id(3)].clone());
    let state = states.remove(&id(1)).unwrap();
    assert_eq!(failed(state.received(&received)), KeygenError::Lied(id(2)));
}

#[test]
fn a_member_that_tells_others_different_things_is_noticed_before_the_key_is_used() {
    let roster = roster(2, 3);
    let (mut states, broadcasts) = first(&roster, 1);
    // Member 3 broadcasts one polynomial to member 1 and another to member 2, and sends each the shares
    // that go with what it was told.
    let (mut liar, other) = {
        let (mut states, broadcasts) = first(&roster, 2);
        (states.remove(&id(3)), broadcasts[&id(3)].clone())
    };
    let mut told = broadcasts.clone();
    told.insert(id(3), other);
    let mut honest = |member, heard: &BTreeMap<MemberId, Vec<u8>>| {
        states
            .remove(&member)
            .unwrap()
            .received(&others(heard, member))
            .unwrap()
    };
    let (one, from_one) = honest(id(1), &broadcasts);
    let (two, from_two) = honest(id(2), &told);
    let (_, to_one) = honest(id(3), &broadcasts);
    let (_, to_two) = liar
        .take()
        .unwrap()
        .received(&others(&broadcasts, id(3)))
        .unwrap();

    let received = |mine: [(MemberId, &Zeroizing<Vec<u8>>); 2]| -> BTreeMap<_, _> {
        mine.into_iter()
            .map(|(member, share)| (member, share.clone()))
            .collect()
    };
    let one = one
        .received(&received([(id(2), &from_two[&id(1)]), (id(3), &to_one[&id(1)])]))
        .unwrap();
    let two = two
        .received(&received([(id(1), &from_one[&id(2)]), (id(3), &to_two[&id(2)])]))
        .unwrap();
    // The liar can say what it likes to each: the other honest member's transcript differs.
    let heard = |other: (MemberId, [u8; 32]), liar: [u8; 32]| [other, (id(3), liar)].into();
    let (of_one, of_two) = (one.transcript(), two.transcript());
    let disagreement = |agreement: Agreement, heard| not_agreed(agreement.received(&heard)).error;
    assert_eq!(
        disagreement(one, heard((id(2), of_two), of_one)),
        KeygenError::Disagreement(id(2))
    );
    assert_eq!(
        disagreement(two, heard((id(1), of_one), of_two)),
        KeygenError::Disagreement(id(1))
    );
}

#[test]
fn a_share_is_kept_until_everybody_agrees_also_through_a_restart() {
    let roster = roster(2, 3);
    let (mut states, transcripts) = third(&roster, 1);
    let state = states.remove(&id(1)).unwrap();
    // Somebody sends this member, and only this one, another hash.
    let mut wrong = others(&transcripts, id(1));
    wrong.insert(id(3), [0; 32]);
    let kept = not_agreed(state.received(&wrong)).agreement;
    let restored = Agreement::from_bytes(&kept.to_bytes()).unwrap();
    assert_eq!(restored.transcript(), transcripts[&id(1)]);
    let share = restored.received(&others(&transcripts, id(1)));
    let share = share.ok().expect("all agree");
    assert_eq!(share.to_bytes(), shares(&roster, 1)[0].to_bytes());
    assert!(Agreement::from_bytes(&kept.to_bytes()[..20]).is_err());
}

#[test]
fn commitments_to_a_polynomial_of_another_degree_are_named() {
    let (mut states, mut broadcasts) = first(&roster(2, 3), 1);
    let (_, of_three) = first(&roster(3, 3), 1);
    broadcasts.insert(id(2), of_three[&id(2)].clone());
    let state = states.remove(&id(1)).unwrap();
    assert_eq!(
        failed(state.received(&others(&broadcasts, id(1)))),
        KeygenError::Lied(id(2))
    );
}
