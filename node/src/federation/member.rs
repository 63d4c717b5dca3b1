//! A signer's answers: it judges every proposal by its own state and signs what it derives itself.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use bitcoin::XOnlyPublicKey;
use bitcoin::hashes::Hash;
use rand::rngs::OsRng;
use tacit_bridge::proposal::Proposal;
use tacit_bridge::signer::judge::{Judge, Refusal};
use tacit_bridge::vault::ViewError;
use tacit_federation::identity::IdentityKey;
use tacit_federation::message::{Answer, Request, SignerStatus, printable};
use tacit_federation::share::ShareFile;
use tacit_federation::signer::{Input, Signer};
use tacit_protocol::encoding::Decode;
use tacit_protocol::kv::KvError;
use tacit_protocol::params::ChainId;
use tacit_sequencer::Store;
use tacit_verifier::chain::table;

use super::consent::{Consent, Consents, Given, MOST_BLOCKS};
use super::coordinator::inputs_of;
use super::file::Federation;
use super::listener::{Answers, LONGEST_OF_MEMBER};
use super::succession::Succession;
use crate::metrics;
use crate::service::Following;
use crate::synced;

mod succession;

/// Time between two looks at what may pass.
const AGAIN: Duration = Duration::from_millis(100);

/// How long a signer waits for a block that a coordinator has seen; below the coordinator's own patience.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// The file whose presence pauses a signer; it holds the reason.
const PAUSE_FILE: &str = "paused";

/// A switch that the operator of a signer can turn without the signer running.
#[derive(Clone, Debug)]
pub struct Pause(PathBuf);

impl Pause {
    /// The switch of the signer whose data are in `dir`.
    #[must_use]
    pub fn of(dir: &Path) -> Self {
        Self(dir.join(PAUSE_FILE))
    }

    /// Why the signer is paused, if it is. A file that cannot be read pauses too.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        match fs::read_to_string(&self.0) {
            Ok(reason) => Some(reason.trim().to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => Some(format!("{} cannot be read: {error}", self.0.display())),
        }
    }

    /// Pauses.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn set(&self, reason: &str) -> io::Result<()> {
        synced::write(&self.0, reason)
    }

    /// Goes on; whether it was paused.
    ///
    /// # Errors
    /// If the file cannot be removed.
    pub fn clear(&self) -> io::Result<bool> {
        match fs::remove_file(&self.0) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// How often a signer signs: every signature leaves a record in its ledger for ever.
pub struct Pace {
    left: u32,
    since: Instant,
}

impl Pace {
    /// Signatures at once, when none were asked for in a while.
    const BURST: u32 = 256;
    /// Time after which there is one more.
    const REFILL: Duration = Duration::from_secs(5);

    /// All of a burst is left.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            left: Self::BURST,
            since: now,
        }
    }

    fn step(&mut self, now: Instant) -> Result<(), Refusal> {
        let elapsed = now.saturating_duration_since(self.since);
        let more = elapsed.as_millis() / Self::REFILL.as_millis();
        if let Ok(more @ 1..) = u32::try_from(more) {
            self.left = self.left.saturating_add(more).min(Self::BURST);
            self.since = now;
        }
        self.left = self.left.checked_sub(1).ok_or_else(|| {
            Refusal::Round("too many signatures were asked for lately; ask again in some seconds".into())
        })?;
        Ok(())
    }
}

/// What a signer answers with.
pub struct SignerDesk {
    /// The chain that its signatures are for.
    pub chain: ChainId,
    /// Who may ask.
    pub federation: Arc<Federation>,
    /// Judges proposals.
    pub judge: Judge,
    /// Holds share and nonces.
    pub signer: Mutex<Signer>,
    /// How far this node is.
    pub following: Arc<RwLock<Following>>,
    /// The verified state.
    pub store: Arc<dyn Store>,
    /// The operator's switch.
    pub pause: Pause,
    /// What its operator allows in advance; looked at whenever something takes it.
    pub consents: Consents,
    /// How long to wait for what may pass.
    pub patience: Duration,
    /// Held while a proposal is judged.
    pub judging: Mutex<()>,
    /// Bounds what a coordinator can have signed in a time.
    pub pace: Mutex<Pace>,
    /// The share's file, locked so that no second process signs with it.
    pub share: Option<ShareFile>,
    /// Requests signed.
    pub signed: AtomicU64,
    /// Requests refused.
    pub refused: AtomicU64,
}

fn unreadable(error: &KvError) -> Refusal {
    Refusal::View(ViewError(error.to_string()))
}

impl SignerDesk {
    fn following(&self) -> Following {
        self.following
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn height(&self) -> Result<u32, Refusal> {
        let cursor = table::cursor(&*self.store).map_err(|error| unreadable(&error))?;
        Ok(cursor.map_or(0, |cursor| cursor.height))
    }

    /// It is not paused or halted, and has caught up.
    fn require_ready(&self) -> Result<(), Refusal> {
        if let Some(reason) = self.pause.reason() {
            return Err(Refusal::Paused(reason));
        }
        let following = self.following();
        if let Some(reason) = following.halted.or(following.paused) {
            return Err(Refusal::Halted(reason));
        }
        let (height, target) = (self.height()?, following.target);
        if height < target {
            return Err(Refusal::Behind { height, target });
        }
        Ok(())
    }

    /// What to sign for a proposal or an epoch, if this signer is willing.
    fn inputs(&self, request: &[u8]) -> Result<Vec<Input>, Refusal> {
        if Succession::begins(request) {
            return self.succession(request).map(|input| vec![input]);
        }
        let proposal = Proposal::decode(request).map_err(Refusal::Malformed)?;
        self.require_ready()?;
        // One at a time: judging reads much.
        let _judging = self.judging.lock().unwrap_or_else(PoisonError::into_inner);
        // What neither sweeps nor pays keeps the recovery leaf shut, and is rare: it outruns nobody.
        let refreshes = proposal.deposits().is_empty() && proposal.withdrawals().is_empty();
        match proposal.handover() {
            Some(handover) => self.require_consent(&handover.into())?,
            None if refreshes => {}
            None => self.require_no_handover_first()?,
        }
        let tx = self.judge.judge(&proposal)?;
        let key = self.key();
        let own: Vec<Input> = inputs_of(&tx, &key).into_values().collect();
        if own.is_empty() {
            return Err(Refusal::NotOurs(Box::new(key)));
        }
        Ok(own)
    }

    /// The key of which this member has a share: what belongs to another is another federation's to sign.
    fn key(&self) -> XOnlyPublicKey {
        let signer = self.signer.lock().unwrap_or_else(PoisonError::into_inner);
        signer.share().group().internal_key()
    }

    /// The same, with a little patience where a block more may settle it: the coordinator's bitcoind often
    /// hears of a block first.
    fn inputs_soon(&self, proposal: &[u8]) -> Result<Vec<Input>, Refusal> {
        let deadline = Instant::now() + self.patience;
        loop {
            match self.inputs(proposal) {
                Err(refusal) if refusal.may_pass() && Instant::now() < deadline => thread::sleep(AGAIN),
                judged => return judged,
            }
        }
    }

    fn commit(&self, proposal: &[u8]) -> Result<Answer, Refusal> {
        let inputs = self.inputs_soon(proposal)?;
        let mut signer = self.signer.lock().unwrap_or_else(PoisonError::into_inner);
        let commitments = signer.commit(&inputs, &mut OsRng);
        commitments
            .map(Answer::Commitments)
            .map_err(|error| Refusal::Round(error.to_string()))
    }

    fn sign(&self, proposal: &[u8], packages: &[Vec<u8>]) -> Result<Answer, Refusal> {
        let inputs = self.inputs_soon(proposal)?;
        self.pace
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .step(Instant::now())?;
        let mut signer = self.signer.lock().unwrap_or_else(PoisonError::into_inner);
        let shares = signer.sign(&inputs, packages);
        shares
            .map(Answer::Shares)
            .map_err(|error| Refusal::Round(error.to_string()))
    }

    /// No rule decides who comes next: the operator has to have said so, and not too long ago.
    fn require_consent(&self, consent: &Consent) -> Result<(), Refusal> {
        let height = self.height()?;
        let until = match self.consents.until(consent) {
            Ok(until) => until,
            Err(error) => return Err(Refusal::Consent(format!("{consent} ({error})"))),
        };
        let Some(until) = until else {
            return Err(Refusal::Consent(consent.to_string()));
        };
        let consent = *consent;
        if (Given { consent, until }).counts(height) {
            return Ok(());
        }
        Err(Refusal::Consent(if height > until {
            format!("{consent} beyond block {until}")
        } else {
            format!(
                "{consent} in a way that counts: its end at block {until} is more than {MOST_BLOCKS} ahead"
            )
        }))
    }

    /// Nothing that its operator wants handed over can be handed over now: until it is, whoever asks for
    /// anything else keeps it from being done.
    fn require_no_handover_first(&self) -> Result<(), Refusal> {
        let height = self.height()?;
        let head = table::anchor_head(&*self.store).map_err(|error| unreadable(&error))?;
        let in_office = head.filter(|head| !head.lost).map(|head| head.sequencer);
        let listed = self.consents.list();
        let listed = listed.map_err(|error| Refusal::Consent(error.to_string()))?;
        for given in listed.into_iter().flatten() {
            let done = matches!(given.consent, Consent::Sequencer(key) if Some(key) == in_office);
            if given.counts(height) && !done && self.judge.allows(&given.consent.into())? {
                return Err(Refusal::HandoverFirst(given.consent.to_string()));
            }
        }
        Ok(())
    }

    fn status(&self) -> Result<Answer, Refusal> {
        let following = self.following();
        let cursor = table::cursor(&*self.store).map_err(|error| unreadable(&error))?;
        let vault = table::vault_tip(&*self.store).map_err(|error| unreadable(&error))?;
        let member = self
            .signer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .share()
            .member();
        Ok(Answer::Status(SignerStatus {
            member: member.number(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            height: cursor.as_ref().map_or(0, |cursor| cursor.height),
            tip: cursor.map_or([0; 32], |cursor| cursor.hash.to_byte_array()),
            target: following.target,
            vault_tip: vault.map_or(([0; 32], 0), |tip| {
                (tip.outpoint.txid.to_byte_array(), tip.outpoint.vout)
            }),
            paused: self.pause.reason().map(|reason| printable(&reason)),
            halted: following
                .halted
                .or(following.paused)
                .map(|reason| printable(&reason)),
            signed: self.signed.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
        }))
    }
}

impl Answers for SignerDesk {
    fn knows(&self, identity: &IdentityKey) -> bool {
        self.federation.is_coordinator(identity) || self.federation.member_of(identity).is_some()
    }

    fn longest(&self, identity: &IdentityKey) -> usize {
        if self.federation.is_coordinator(identity) {
            Request::LONGEST
        } else {
            LONGEST_OF_MEMBER
        }
    }

    fn answer(&self, from: &IdentityKey, request: Request) -> Answer {
        let asks = self.federation.is_coordinator(from);
        let answer = match &request {
            Request::Status => self.status(),
            Request::Commit { .. } | Request::Sign { .. } if !asks => Err(Refusal::Round(
                "only a coordinator of the federation file may ask for signatures".into(),
            )),
            Request::Commit { proposal } => self.commit(proposal),
            Request::Sign { proposal, packages } => self.sign(proposal, packages),
            Request::Keygen { .. } => Err(Refusal::Round(
                "this member has its share already; its key generation is over".into(),
            )),
        };
        match answer {
            Ok(answer) => {
                if matches!(answer, Answer::Shares(_)) {
                    self.signed.fetch_add(1, Ordering::Relaxed);
                    metrics::signed();
                    tracing::info!("signed");
                }
                answer
            }
            Err(refusal) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                metrics::refused(refusal.code());
                if asks {
                    tracing::warn!(code = refusal.code(), %refusal, "refused to sign");
                } else {
                    tracing::debug!(code = refusal.code(), %refusal, "refused to answer");
                }
                Answer::refused(refusal.code(), refusal.is_permanent(), &refusal.to_string())
            }
        }
    }
}

#[cfg(test)]
mod tests;
