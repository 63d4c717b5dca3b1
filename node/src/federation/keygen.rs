//! Distributed key generation between the members' machines.
//!
//! Every member listens and pushes its message of a round to every other until it is taken; a round ends
//! when all were taken and all others' have come. The first member names the generation: its messages
//! carry a fresh number, and whoever hears another number begins anew with it. A member that was
//! restarted half-way contradicts what it said before; the first member notices and begins a new
//! generation, so nobody has to be told by hand. The last round, in which hashes are compared, needs no
//! number: it can be taken up again by members that were interrupted in it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rand::RngCore;
use rand::rngs::OsRng;
use tacit_federation::identity::IdentityKey;
use tacit_federation::keygen::{Agreement, Commitments, Confidential, KeygenError};
use tacit_federation::message::{Answer, KeygenRound, Request};
use tacit_federation::roster::MemberId;
use tacit_federation::share::KeyShare;
use thiserror::Error;
use zeroize::Zeroizing;

use super::coordinator::Ask;
use super::file::Federation;
use super::listener::{Answers, LONGEST_OF_MEMBER};

/// Time between two attempts to hand a message over.
const AGAIN: Duration = Duration::from_millis(250);

/// How often a member may lose its memory before it is named.
const MOST_CONTRADICTIONS: u32 = 8;

/// Why there is no key.
#[derive(Debug, Error)]
pub enum JoinError {
    /// Somebody did not come.
    #[error("{} did not take part in time; start `tacit federation join` there, then here again", .0.join(", "))]
    Missing(Vec<String>),
    /// The generation itself failed.
    #[error("{name}: {error}")]
    Keygen {
        /// Whom it is about.
        name: String,
        /// How.
        error: KeygenError,
    },
    /// Somebody contradicted itself again and again.
    #[error("{0} begins anew again and again; mend it, then start `tacit federation join` everywhere")]
    Contradicts(String),
    /// The share could not be stored.
    #[error("the share could not be stored: {0:#}")]
    Store(anyhow::Error),
}

type Messages = BTreeMap<MemberId, Zeroizing<Vec<u8>>>;

#[derive(Default)]
struct Inbox {
    /// The number of the generation, once it is known.
    session: Option<[u8; 32]>,
    commitments: Messages,
    shares: Messages,
    agreements: Messages,
    /// Somebody contradicted itself, so this generation leads nowhere; only the first member judges that.
    spoilt: bool,
    /// How often members contradicted themselves, over all generations.
    contradictions: BTreeMap<MemberId, u32>,
}

impl Inbox {
    fn of(&mut self, round: KeygenRound) -> &mut Messages {
        match round {
            KeygenRound::Commitments => &mut self.commitments,
            KeygenRound::Share => &mut self.shares,
            KeygenRound::Agreement => &mut self.agreements,
        }
    }

    fn begin(&mut self, session: [u8; 32]) {
        self.session = Some(session);
        self.commitments.clear();
        self.shares.clear();
        // Nobody that takes part in this generation can have ended it already.
        self.agreements.clear();
        self.spoilt = false;
    }
}

/// Where the others' messages arrive.
pub struct Hall {
    federation: Federation,
    me: MemberId,
    inbox: Mutex<Inbox>,
    arrived: Condvar,
}

/// The number under which this generation goes on is another one now.
struct BegunAnew;

impl Hall {
    /// The hall of the member `me`.
    #[must_use]
    pub fn new(federation: Federation, me: MemberId) -> Self {
        Self {
            federation,
            me,
            inbox: Mutex::default(),
            arrived: Condvar::new(),
        }
    }

    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leads(&self, member: MemberId) -> bool {
        self.federation.members().first().map(|first| first.id) == Some(member)
    }

    fn take(
        &self,
        from: MemberId,
        round: KeygenRound,
        session: [u8; 32],
        bytes: Zeroizing<Vec<u8>>,
    ) -> Answer {
        let mut inbox = self.inbox();
        if round == KeygenRound::Agreement {
            inbox.agreements.insert(from, bytes);
            self.arrived.notify_all();
            return taken();
        }
        let named = self.leads(from) && round == KeygenRound::Commitments;
        if named && inbox.session != Some(session) {
            inbox.begin(session);
        }
        let same = inbox.session == Some(session);
        let known = inbox.of(round).get(&from);
        let contradicts = known.is_some_and(|known| !same || *known != bytes);
        if contradicts && self.leads(self.me) {
            inbox.spoilt = true;
            *inbox.contradictions.entry(from).or_default() += 1;
            self.arrived.notify_all();
        }
        if !same || contradicts {
            return Answer::NotYet;
        }
        inbox.of(round).insert(from, bytes);
        self.arrived.notify_all();
        taken()
    }
}

fn taken() -> Answer {
    Answer::Keygen {
        bytes: Zeroizing::default(),
    }
}

impl Answers for Hall {
    fn knows(&self, identity: &IdentityKey) -> bool {
        self.federation.member_of(identity).is_some()
    }

    fn longest(&self, _: &IdentityKey) -> usize {
        LONGEST_OF_MEMBER
    }

    fn answer(&self, from: &IdentityKey, request: Request) -> Answer {
        let Some(member) = self
            .federation
            .member_of(from)
            .filter(|member| member.id != self.me)
        else {
            return Answer::refused(18, true, "only other members may ask this");
        };
        match request {
            Request::Keygen {
                round,
                session,
                bytes,
            } => self.take(member.id, round, session, bytes),
            Request::Status | Request::Commit { .. } | Request::Sign { .. } => {
                Answer::refused(18, false, "this member is generating its key")
            }
        }
    }
}

/// What is told to whoever watches.
pub trait Watch: Sync {
    /// A round began.
    fn round(&self, number: u32, what: &str);
    /// These are still missing.
    fn missing(&self, names: &[String]);
}

/// A member taking part in a key generation.
pub struct Join<'a> {
    /// Where messages arrive.
    pub hall: &'a Hall,
    /// The way to the others.
    pub ask: &'a dyn Ask,
    /// Who watches.
    pub watch: &'a dyn Watch,
    /// When to give up.
    pub deadline: Instant,
}

impl Join<'_> {
    /// Rounds one and two; `store` keeps the share before anybody hears that it is there.
    ///
    /// # Errors
    /// [`JoinError`].
    pub fn generate(
        &self,
        store: impl FnOnce(&Agreement) -> anyhow::Result<()>,
    ) -> Result<Agreement, JoinError> {
        let agreement = loop {
            let session = self.session()?;
            match self.attempt(session)? {
                Ok(agreement) => break agreement,
                Err(BegunAnew) => continue,
            }
        };
        store(&agreement).map_err(JoinError::Store)?;
        Ok(agreement)
    }

    /// The last round. The share stays stored whatever comes of it.
    ///
    /// # Errors
    /// [`JoinError`].
    pub fn agree(&self, agreement: Agreement) -> Result<KeyShare, JoinError> {
        self.watch.round(3, "comparing what everybody saw");
        let transcript = Zeroizing::new(agreement.transcript().to_vec());
        let own = self.others().map(|id| (id, transcript.clone())).collect();
        // This round has no number, so it is never begun anew.
        let heard = self
            .exchange(KeygenRound::Agreement, [0; 32], &own)?
            .unwrap_or_default();
        let mut transcripts = BTreeMap::new();
        for (member, bytes) in heard {
            let bytes: [u8; 32] = bytes.as_slice().try_into().map_err(|_| JoinError::Keygen {
                name: self.name(member),
                error: KeygenError::Malformed(member),
            })?;
            transcripts.insert(member, bytes);
        }
        agreement
            .received(&transcripts)
            .map_err(|failed| self.failed(failed.error))
    }

    fn others(&self) -> impl Iterator<Item = MemberId> + use<'_> {
        self.hall.federation.roster().others(self.hall.me)
    }

    fn name(&self, member: MemberId) -> String {
        let name = self.hall.federation.roster().name(member);
        name.unwrap_or_default().to_owned()
    }

    fn failed(&self, error: KeygenError) -> JoinError {
        let about = match &error {
            KeygenError::NoSuchMember(member)
            | KeygenError::Answers(member)
            | KeygenError::Malformed(member)
            | KeygenError::Lied(member)
            | KeygenError::Disagreement(member) => Some(*member),
            KeygenError::Failed(_) => None,
        };
        JoinError::Keygen {
            name: about.map_or_else(|| "the key generation".to_owned(), |member| self.name(member)),
            error,
        }
    }

    /// The number of the generation: drawn by the first member, heard by the others.
    fn session(&self) -> Result<[u8; 32], JoinError> {
        let mut inbox = self.hall.inbox();
        if self.hall.leads(self.hall.me) {
            let worst = inbox.contradictions.iter().max_by_key(|(_, times)| **times);
            if let Some((&member, _)) = worst.filter(|(_, times)| **times > MOST_CONTRADICTIONS) {
                return Err(JoinError::Contradicts(self.name(member)));
            }
            let mut session = [0; 32];
            OsRng.fill_bytes(&mut session);
            inbox.begin(session);
            return Ok(session);
        }
        let first = &self.hall.federation.members()[0];
        let names = vec![first.name.clone()];
        loop {
            if let Some(session) = inbox.session {
                return Ok(session);
            }
            drop(inbox);
            self.watch.missing(&names);
            if Instant::now() >= self.deadline {
                return Err(JoinError::Missing(names));
            }
            // A first member that has heard of this one before learns that it lost its memory.
            let forgot = Request::Keygen {
                round: KeygenRound::Commitments,
                session: [0; 32],
                bytes: Zeroizing::default(),
            };
            // The first member may not be there yet.
            let _ = self.ask.ask(first, &forgot);
            inbox = self.hall.inbox();
            if inbox.session.is_none() {
                let waited = self.hall.arrived.wait_timeout(inbox, AGAIN);
                inbox = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }

    fn attempt(&self, session: [u8; 32]) -> Result<Result<Agreement, BegunAnew>, JoinError> {
        let roster = self.hall.federation.roster().clone();
        self.watch.round(1, "commitments");
        let (state, broadcast) =
            Commitments::begin(roster, self.hall.me, &mut OsRng).map_err(|error| self.failed(error))?;
        let broadcast = Zeroizing::new(broadcast);
        let own = self.others().map(|id| (id, broadcast.clone())).collect();
        let Ok(heard) = self.exchange(KeygenRound::Commitments, session, &own)? else {
            return Ok(Err(BegunAnew));
        };
        let heard = heard
            .into_iter()
            .map(|(id, bytes)| (id, bytes.to_vec()))
            .collect();
        let (state, own): (_, Confidential) = state.received(&heard).map_err(|error| self.failed(error))?;
        self.watch.round(2, "shares, each in confidence");
        let Ok(heard) = self.exchange(KeygenRound::Share, session, &own)? else {
            return Ok(Err(BegunAnew));
        };
        let agreement = state.received(&heard).map_err(|error| self.failed(error))?;
        Ok(Ok(agreement))
    }

    /// Hands own messages over and waits for the others'.
    fn exchange(
        &self,
        round: KeygenRound,
        session: [u8; 32],
        own: &Messages,
    ) -> Result<Result<Messages, BegunAnew>, JoinError> {
        let mut taken = BTreeSet::new();
        loop {
            self.push(round, session, own, &mut taken);
            let mut inbox = self.hall.inbox();
            let anew = inbox.session != Some(session) || inbox.spoilt;
            if round != KeygenRound::Agreement && anew {
                return Ok(Err(BegunAnew));
            }
            let missing: Vec<MemberId> = self
                .others()
                .filter(|id| !taken.contains(id) || !inbox.of(round).contains_key(id))
                .collect();
            if missing.is_empty() {
                return Ok(Ok(inbox.of(round).clone()));
            }
            let names: Vec<String> = missing.into_iter().map(|id| self.name(id)).collect();
            self.watch.missing(&names);
            if Instant::now() >= self.deadline {
                return Err(JoinError::Missing(names));
            }
            // What arrives wakes this up; what has to be handed over is tried again in any case.
            let waited = self.hall.arrived.wait_timeout(inbox, AGAIN);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
    }

    fn push(&self, round: KeygenRound, session: [u8; 32], own: &Messages, taken: &mut BTreeSet<MemberId>) {
        let members = self.hall.federation.members();
        let left: Vec<_> = members
            .iter()
            .filter(|member| !taken.contains(&member.id))
            .filter_map(|member| Some((member, own.get(&member.id)?.clone())))
            .collect();
        let took = std::thread::scope(|scope| {
            let calls: Vec<_> = left
                .into_iter()
                .map(|(member, bytes)| {
                    let request = Request::Keygen {
                        round,
                        session,
                        bytes,
                    };
                    scope.spawn(move || {
                        let answer = self.ask.ask(member, &request);
                        matches!(answer, Ok(Answer::Keygen { .. })).then_some(member.id)
                    })
                })
                .collect();
            calls
                .into_iter()
                .filter_map(|call| call.join().ok().flatten())
                .collect::<Vec<_>>()
        });
        taken.extend(took);
    }
}

#[cfg(test)]
mod tests;
