//! Members in one process, for tests.

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::keygen::{Agreement, Commitments, Shares};
use crate::roster::{MemberId, Roster};
use crate::share::KeyShare;

pub(crate) fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

pub(crate) fn id(number: u16) -> MemberId {
    MemberId::new(number).expect("not zero")
}

pub(crate) fn roster(threshold: u16, size: u16) -> Roster {
    let names = (1..=size).map(|i| format!("operator {i}")).collect();
    Roster::new(threshold, names).expect("a roster that can be")
}

/// What each member sees of messages from all: everybody else's.
pub(crate) fn others<T: Clone>(all: &BTreeMap<MemberId, T>, me: MemberId) -> BTreeMap<MemberId, T> {
    let others = all.iter().filter(|&(&member, _)| member != me);
    others
        .map(|(&member, message)| (member, message.clone()))
        .collect()
}

type Broadcasts = BTreeMap<MemberId, Vec<u8>>;

/// All members in the first round, with their broadcasts.
pub(crate) fn first(roster: &Roster, seed: u64) -> (BTreeMap<MemberId, Commitments>, Broadcasts) {
    let mut rng = rng(seed);
    let begun = roster.members().map(|member| {
        let (state, message) = Commitments::begin(roster.clone(), member, &mut rng).expect("a member");
        ((member, state), (member, message))
    });
    begun.unzip()
}

/// Shares by sender and recipient.
pub(crate) type Sent = BTreeMap<MemberId, BTreeMap<MemberId, zeroize::Zeroizing<Vec<u8>>>>;

/// All members in the second round, with what they send each other.
pub(crate) fn second(roster: &Roster, seed: u64) -> (BTreeMap<MemberId, Shares>, Sent) {
    let (states, broadcasts) = first(roster, seed);
    let received = states.into_iter().map(|(member, state)| {
        let (state, to) = state
            .received(&others(&broadcasts, member))
            .expect("honest members");
        ((member, state), (member, to))
    });
    received.unzip()
}

/// What everybody sent one member.
pub(crate) fn to(sent: &Sent, me: MemberId) -> BTreeMap<MemberId, zeroize::Zeroizing<Vec<u8>>> {
    let to_me = |to: &BTreeMap<MemberId, _>| to.get(&me).cloned();
    sent.iter()
        .filter_map(|(&member, shares)| Some((member, to_me(shares)?)))
        .collect()
}

/// All members in the last round, with their transcripts.
pub(crate) fn third(
    roster: &Roster,
    seed: u64,
) -> (BTreeMap<MemberId, Agreement>, BTreeMap<MemberId, [u8; 32]>) {
    let (states, sent) = second(roster, seed);
    let agreed = states.into_iter().map(|(member, state)| {
        let state = state.received(&to(&sent, member)).expect("honest members");
        let transcript = state.transcript();
        ((member, state), (member, transcript))
    });
    agreed.unzip()
}

/// The shares of a whole key generation.
pub(crate) fn shares(roster: &Roster, seed: u64) -> Vec<KeyShare> {
    let (states, transcripts) = third(roster, seed);
    states
        .into_iter()
        .map(|(member, state)| {
            let share = state.received(&others(&transcripts, member));
            share.unwrap_or_else(|failed| panic!("honest members: {}", failed.error))
        })
        .collect()
}
