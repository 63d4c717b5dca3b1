//! Federations in one process, for tests: members that answer without a network.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::OsRng;
use tacit_bridge::keys::SigningKey;
use tacit_federation::identity::{Identity, IdentityKey};
use tacit_federation::message::{Answer, Request};
use tacit_federation::roster::MemberId;
use tacit_federation::share::KeyShare;

use super::coordinator::Ask;
use super::file::{Card, Federation, FileText, Member};
use super::keygen::{Hall, Join, Watch};
use super::listener::Answers;
use super::peer::CallError;

/// A federation file for `size` members, with their identities; its coordinator is the last of these.
pub(crate) fn federation(threshold: u16, size: usize) -> (Federation, Vec<Identity>) {
    let (text, identities) = file(threshold, size);
    (Federation::new(text).unwrap(), identities)
}

pub(crate) fn file(threshold: u16, size: usize) -> (FileText, Vec<Identity>) {
    let identities: Vec<Identity> = (0..=size).map(|_| Identity::generate(&mut OsRng)).collect();
    let members = identities[..size].iter().enumerate().map(|(i, identity)| Card {
        name: format!("member {i}"),
        address: format!("127.0.0.1:{}", 10_000 + i),
        identity: identity.public().to_string(),
        backup_key: SigningKey::generate(&mut OsRng).public_key().to_string(),
    });
    let text = FileText {
        threshold,
        backup_timelock: 144,
        coordinators: vec![identities[size].public().to_string()],
        recovery: None,
        members: members.collect(),
    };
    (text, identities)
}

/// Reaches members in this process: whoever is missing cannot be reached.
pub(crate) struct Local {
    pub(crate) from: IdentityKey,
    pub(crate) members: BTreeMap<MemberId, Arc<dyn Answers>>,
}

impl Ask for Local {
    fn ask(&self, member: &Member, request: &Request) -> Result<Answer, CallError> {
        match self.members.get(&member.id) {
            Some(answers) if answers.knows(&self.from) => Ok(answers.answer(&self.from, request.clone())),
            Some(_) | None => Err(CallError::Unreachable {
                address: member.address.clone(),
                source: std::io::ErrorKind::ConnectionRefused.into(),
            }),
        }
    }
}

/// Nobody watches.
pub(crate) struct Unwatched;

impl Watch for Unwatched {
    fn round(&self, _: u32, _: &str) {}
    fn missing(&self, _: &[String]) {}
}

/// Every member's hall.
pub(crate) fn halls(federation: &Federation) -> BTreeMap<MemberId, Arc<Hall>> {
    let ids = federation.roster().members();
    ids.map(|id| (id, Arc::new(Hall::new(federation.clone(), id))))
        .collect()
}

/// The way of a member to these halls.
pub(crate) fn way(from: &Identity, halls: &BTreeMap<MemberId, Arc<Hall>>) -> Local {
    let members = halls
        .iter()
        .map(|(id, hall)| (*id, Arc::clone(hall) as Arc<dyn Answers>));
    Local {
        from: from.public(),
        members: members.collect(),
    }
}

/// All members generate a key together.
pub(crate) fn shares(federation: &Federation, identities: &[Identity]) -> Vec<KeyShare> {
    let halls = halls(federation);
    std::thread::scope(|scope| {
        let joining: Vec<_> = halls
            .values()
            .zip(identities)
            .map(|(hall, identity)| {
                let way = way(identity, &halls);
                scope.spawn(move || {
                    let join = Join {
                        hall,
                        ask: &way,
                        watch: &Unwatched,
                        deadline: Instant::now() + Duration::from_secs(60),
                    };
                    let agreement = join.generate(|_| Ok(())).unwrap();
                    join.agree(agreement).unwrap()
                })
            })
            .collect();
        joining.into_iter().map(|join| join.join().unwrap()).collect()
    })
}
