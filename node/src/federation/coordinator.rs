//! Gathers signatures: the sequencer's side of a signing round.
//!
//! [`FederationSigner`] stands where the single local signer stands on test networks. It asks all members
//! at once whether they are willing, takes the first `t`, and asks those for their shares; who fails is
//! excluded with the reason and the round begins again (`tacit_federation::session`). Whoever was caught
//! at misbehaving is not asked in later rounds either, unless too few are left without it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use bitcoin::XOnlyPublicKey;
use bitcoin::secp256k1::schnorr::Signature;
use tacit_bridge::proposal::Proposal;
use tacit_bridge::signer::judge::Refusal;
use tacit_bridge::signer::{SignError, Signatures, VaultSigner, own_inputs};
use tacit_federation::identity::Identity;
use tacit_federation::message::{Answer, Request, SignerStatus};
use tacit_federation::roster::MemberId;
use tacit_federation::session::{Exclusion, Session, Step, Todo};
use tacit_federation::share::GroupKey;
use tacit_federation::signer::Input;
use tacit_protocol::encoding::Encode;
use tacit_protocol::peg::vault::{UnsignedVaultTx, VaultKeys};

use super::file::{Federation, FileError, Member};
use super::peer::{self, CallError};

/// Longest wait for members in one step of a round.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// The signatures that the federation with this key owes a transaction, by the index of the input.
#[must_use]
pub fn inputs_of(tx: &UnsignedVaultTx, key: &XOnlyPublicKey) -> BTreeMap<usize, Input> {
    own_inputs(tx.roles(), key)
        .map(|(i, root)| (i, Input::key_path(*tx.sighash(i).as_ref(), root)))
        .collect()
}

/// A way to ask members.
pub trait Ask: Send + Sync {
    /// Asks one member; blocks until it has answered or will not.
    ///
    /// # Errors
    /// [`CallError`].
    fn ask(&self, member: &Member, request: &Request) -> Result<Answer, CallError>;
}

/// Asks over the network.
pub struct Network {
    /// Who asks.
    pub own: Arc<Identity>,
    /// What connections are bound to.
    pub context: [u8; 32],
    /// Longest wait for an answer.
    pub patience: Duration,
}

impl Ask for Network {
    fn ask(&self, member: &Member, request: &Request) -> Result<Answer, CallError> {
        let (address, identity) = (&member.address, &member.identity);
        peer::ask(
            address,
            identity,
            &self.own,
            &self.context,
            request,
            self.patience,
        )
    }
}

/// What a coordinator knows of a member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Its last answer to the question how it is.
    pub status: Option<SignerStatus>,
    /// Why it cannot be reached, as of the last attempt.
    pub unreachable: Option<String>,
    /// Rounds that it was excluded from.
    pub excluded: u64,
    /// Why it was excluded the last time.
    pub last_exclusion: Option<String>,
}

/// How a member that answers is, in one word of `SignerHealth::STATES`, and why if it is not ready.
#[must_use]
pub fn condition(status: &SignerStatus) -> (&'static str, Option<String>) {
    let SignerStatus {
        height,
        target,
        paused,
        halted,
        ..
    } = status;
    match (paused, halted) {
        (Some(reason), _) => ("paused", Some(reason.clone())),
        (None, Some(reason)) => ("halted", Some(reason.clone())),
        (None, None) if height < target => ("behind", Some(format!("its bitcoind is at {target}"))),
        (None, None) => ("ready", None),
    }
}

impl Health {
    /// How the member is, in one word, and why if it is not ready.
    #[must_use]
    pub fn condition(&self) -> (&'static str, Option<String>) {
        match (&self.unreachable, &self.status) {
            (Some(reason), _) => ("unreachable", Some(reason.clone())),
            (None, Some(status)) => condition(status),
            (None, None) => ("unknown", None),
        }
    }
}

/// The figures of all rounds so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rounds {
    /// Rounds that ended with signatures.
    pub signed: u64,
    /// Rounds that failed.
    pub failed: u64,
    /// Attempts in all of them together.
    pub attempts: u64,
}

#[derive(Default)]
struct Record {
    health: BTreeMap<MemberId, Health>,
    rounds: Rounds,
    /// Who delays the transaction of the present round because too much would leave.
    delayed: BTreeMap<MemberId, String>,
    /// Caught at misbehaving.
    banned: BTreeMap<MemberId, Exclusion>,
}

/// The federation, as whoever needs its signatures sees it.
pub struct FederationSigner {
    group: GroupKey,
    vault: VaultKeys,
    federation: Arc<Federation>,
    ask: Arc<dyn Ask>,
    patience: Duration,
    record: Mutex<Record>,
}

impl FederationSigner {
    /// Asks the members of `federation`, whose key is `group`.
    ///
    /// # Errors
    /// [`FileError::OtherMembers`] if the key is another federation's.
    pub fn new(
        group: GroupKey,
        federation: Arc<Federation>,
        ask: Arc<dyn Ask>,
        patience: Duration,
    ) -> Result<Self, FileError> {
        Ok(Self {
            vault: federation.vault_keys(&group)?,
            group,
            federation,
            ask,
            patience,
            record: Mutex::default(),
        })
    }

    /// The keys of a vault that is this federation's.
    #[must_use]
    pub fn vault_keys(&self) -> &VaultKeys {
        &self.vault
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The members.
    #[must_use]
    pub fn federation(&self) -> &Federation {
        &self.federation
    }

    /// What is known of every member.
    #[must_use]
    pub fn health(&self) -> BTreeMap<MemberId, Health> {
        self.record().health.clone()
    }

    /// The figures of all rounds so far.
    #[must_use]
    pub fn rounds(&self) -> Rounds {
        self.record().rounds
    }

    /// Asks every member how it is.
    pub fn poll(&self) {
        let everybody = self.federation.members().iter().map(|member| member.id).collect();
        for (member, answer) in self.ask_all(&everybody, &Arc::new(Request::Status)) {
            let mut record = self.record();
            let health = record.health.entry(member).or_default();
            match answer {
                Ok(Answer::Status(status)) => {
                    health.status = Some(status);
                    health.unreachable = None;
                }
                Ok(other) => health.unreachable = Some(format!("gave another answer: {other:?}")),
                Err(error) => health.unreachable = Some(error.to_string()),
            }
        }
    }

    /// Answers as they come; members that never answer end with the connection's patience.
    fn ask_all(
        &self,
        members: &BTreeSet<MemberId>,
        request: &Arc<Request>,
    ) -> mpsc::Receiver<(MemberId, Result<Answer, CallError>)> {
        let (answers, received) = mpsc::channel();
        for member in self.federation.members() {
            if !members.contains(&member.id) {
                continue;
            }
            let (member, ask) = (member.clone(), Arc::clone(&self.ask));
            let (request, answers) = (Arc::clone(request), answers.clone());
            let call = move || {
                let answer = ask.ask(&member, &request);
                // Nobody listens any more once the step is over.
                let _ = answers.send((member.id, answer));
            };
            if let Err(error) = thread::Builder::new().name("tacit-ask".into()).spawn(call) {
                tracing::warn!(%error, "no thread to ask a member with");
            }
        }
        received
    }

    /// One step: asks, and feeds the answers to the session until the step is over.
    fn step(&self, session: &mut Session, step: Step, members: &BTreeSet<MemberId>, request: Request) {
        let received = self.ask_all(members, &Arc::new(request));
        let deadline = Instant::now() + self.patience;
        while session.is_at(step) {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok((member, answer)) = received.recv_timeout(left) else {
                session.give_up_waiting(step);
                return;
            };
            self.heard(session, step, member, answer);
        }
    }

    fn heard(&self, session: &mut Session, step: Step, from: MemberId, answer: Result<Answer, CallError>) {
        let answer = match answer {
            Ok(Answer::Commitments(parts)) => return session.committed(step, from, Ok(parts)),
            Ok(Answer::Shares(parts)) => return session.signed(step, from, Ok(parts)),
            Ok(Answer::Refused { code, reason, .. }) => {
                if code == Refusal::OUTFLOW {
                    self.record().delayed.insert(from, reason.clone());
                }
                Err(reason)
            }
            // Not what was asked for: no parts at all are garbage too.
            Ok(Answer::Status(_) | Answer::Keygen { .. } | Answer::NotYet) => Ok(Vec::new()),
            Err(error @ (CallError::Unreachable { .. } | CallError::Channel(_))) => {
                let mut record = self.record();
                record.health.entry(from).or_default().unreachable = Some(error.to_string());
                drop(record);
                return session.lost(step, from);
            }
            Err(CallError::Malformed(_)) => Ok(Vec::new()),
        };
        session.committed(step, from, answer.clone());
        session.signed(step, from, answer);
    }

    /// Signatures of these, in their order, that members derive from `request` themselves.
    ///
    /// # Errors
    /// [`SignError::TooFew`], [`SignError::Outflow`].
    pub fn gather(&self, request: &[u8], inputs: &[Input]) -> Result<Vec<Signature>, SignError> {
        let mut banned = {
            let mut record = self.record();
            record.delayed.clear();
            record.banned.clone()
        };
        let mut session = self.run(request, inputs, banned.clone());
        if matches!(session.todo(), Todo::Failed) && !banned.is_empty() {
            self.record().banned.clear();
            banned.clear();
            session = self.run(request, inputs, BTreeMap::new());
        }
        match session.todo() {
            Todo::Done(signatures) => {
                self.enter(&session, &banned, true);
                Ok(signatures)
            }
            Todo::Commit { .. } | Todo::Sign { .. } | Todo::Failed => {
                self.enter(&session, &banned, false);
                Err(self.delayed(&session).unwrap_or_else(|| self.too_few(&session)))
            }
        }
    }

    fn run(&self, proposal: &[u8], inputs: &[Input], banned: BTreeMap<MemberId, Exclusion>) -> Session {
        let mut session = Session::new(self.group.clone(), inputs.to_vec(), banned);
        loop {
            match session.todo() {
                Todo::Commit { step, members } => {
                    let proposal = proposal.to_vec();
                    self.step(&mut session, step, &members, Request::Commit { proposal });
                }
                Todo::Sign {
                    step,
                    members,
                    packages,
                } => {
                    let proposal = proposal.to_vec();
                    self.step(&mut session, step, &members, Request::Sign { proposal, packages });
                }
                Todo::Done(_) | Todo::Failed => return session,
            }
        }
    }

    /// Enters what a session showed about its members.
    fn enter(&self, session: &Session, before: &BTreeMap<MemberId, Exclusion>, done: bool) {
        let mut record = self.record();
        for (&member, why) in session.excluded() {
            if before.contains_key(&member) {
                continue;
            }
            let health = record.health.entry(member).or_default();
            health.excluded += 1;
            health.last_exclusion = Some(why.to_string());
            let name = self.federation.roster().name(member).unwrap_or_default();
            tracing::warn!(member = name, reason = %why, "excluded from a signing round");
            if why.is_misbehaviour() {
                record.banned.insert(member, why.clone());
            }
        }
        record.rounds.attempts += u64::from(session.attempts());
        if done {
            record.rounds.signed += 1;
        } else {
            record.rounds.failed += 1;
        }
    }

    /// Whether enough members would have signed if less left the vault.
    fn delayed(&self, session: &Session) -> Option<SignError> {
        let delayed = self.record().delayed.clone();
        let roster = self.federation.roster();
        let lost = session
            .excluded()
            .keys()
            .filter(|member| !delayed.contains_key(member));
        let left = usize::from(roster.size()) - lost.count();
        let reason = delayed
            .values()
            .next()
            .filter(|_| left >= usize::from(roster.threshold()))?;
        Some(SignError::Outflow(reason.clone()))
    }

    fn too_few(&self, session: &Session) -> SignError {
        let roster = self.federation.roster();
        let name = |member: MemberId| roster.name(member).unwrap_or_default().to_owned();
        let missing: Vec<(String, String)> = session
            .excluded()
            .iter()
            .map(|(&member, why)| (name(member), why.to_string()))
            .collect();
        SignError::TooFew {
            signed: usize::from(roster.size()) - missing.len(),
            needed: usize::from(roster.threshold()),
            missing,
        }
    }
}

impl VaultSigner for FederationSigner {
    fn keys(&self) -> Vec<XOnlyPublicKey> {
        vec![self.group.internal_key()]
    }

    fn sign_vault(&self, proposal: &Proposal, tx: &UnsignedVaultTx) -> Result<Signatures, SignError> {
        let inputs = inputs_of(tx, &self.group.internal_key());
        if inputs.is_empty() {
            return Ok(Signatures::new());
        }
        let (at, inputs): (Vec<usize>, Vec<Input>) = inputs.into_iter().unzip();
        let signatures = self.gather(&proposal.encode(), &inputs)?;
        Ok(at.into_iter().zip(signatures).collect())
    }
}

#[cfg(test)]
mod tests;
