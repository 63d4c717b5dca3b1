//! The next federation: two federations sign its epoch, which is posted, and when that is deep the vault is
//! handed over.
//!
//! Which step comes next follows from the chain's state at each look; nothing else is kept but what was posted.
//! A federation of the configuration whose keys had no epoch yet is the one to come.
//! Specification: `docs/spec/handover.md`.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bitcoin::secp256k1::schnorr::Signature;
use tacit_bridge::coins::CoinBook;
use tacit_bridge::fees::FeeQuote;
use tacit_bridge::poster::PostError;
use tacit_bridge::signer::{SignError, VaultSigner};
use tacit_protocol::encoding::Encode;
use tacit_protocol::kv::{KvError, KvRead};
use tacit_protocol::peg::anchor::AnchorPlanError;
use tacit_protocol::peg::epoch::{Announcement, Epoch, EpochHash, Release, SuccessionError, Voice};
use tacit_protocol::peg::vault::VaultKeys;
use tacit_verifier::chain::{handover, table};
use tacit_wallet::api::EpochStatus;
use thiserror::Error;

use super::Operator;
use crate::federation::backup_voice::{self, BackupVoice, VoiceError};
use crate::federation::coordinator::FederationSigner;
use crate::federation::succession::Succession;

/// The state of an epoch that members did not sign.
const UNSIGNED: &str = "unsigned";

/// Time after which members that did not sign are asked again although no block came.
const ASK_AGAIN: Duration = Duration::from_secs(20);

/// What is known of the next epoch between two looks.
#[derive(Default)]
pub(super) struct Epochs {
    status: Option<EpochStatus>,
    /// The incumbent's signature, so that it is not asked for again while the successor's is missing.
    incumbent: Option<(EpochHash, Signature)>,
    /// When members were asked the last time: at which height, and when.
    asked: Option<(u32, Instant)>,
}

impl Epochs {
    /// Whether members are to be asked now: consents take people days, and every refusal leaves a line.
    fn may_ask(&mut self, height: u32) -> bool {
        let recent = |(at, when): (u32, Instant)| at == height && when.elapsed() < ASK_AGAIN;
        let due = !self.asked.is_some_and(recent);
        if due {
            self.asked = Some((height, Instant::now()));
        }
        due
    }

    /// What kept this epoch from being announced at the last look.
    fn unsigned(&self, hash: &EpochHash) -> Option<String> {
        let status = self.status.as_ref()?;
        let same = status.state == UNSIGNED && status.next.as_ref() == Some(&hash.to_string());
        status.reason.clone().filter(|_| same)
    }
}

/// The federation to come.
struct Next {
    epoch: Epoch,
    hash: EpochHash,
    federation: Arc<FederationSigner>,
}

/// Why the next epoch is not announced yet.
#[derive(Debug, Error)]
enum AnnounceError {
    /// Nobody here speaks for the federation in office.
    #[error(
        "no federation of the configuration has the key in office {0}; name its files, the sequencer asks it \
         for its signature"
    )]
    NoIncumbent(bitcoin::XOnlyPublicKey),
    /// Too few members signed.
    #[error("{0} federation: {1}")]
    Unsigned(&'static str, SignError),
    /// The voices of the backup keys are not enough, or not for this.
    #[error("the backup keys of the present federation: {0}")]
    Voices(#[from] VoiceError),
    /// The signatures are not those of an announcement.
    #[error("the federations' signatures do not hold: {0}; compare their group files")]
    Succession(#[from] SuccessionError),
    /// It could not be posted.
    #[error(transparent)]
    Post(#[from] PostError),
}

/// The first of these keys, in their order, that had no epoch yet.
fn to_come<'a>(
    store: &dyn KvRead,
    mut configured: impl Iterator<Item = (usize, &'a VaultKeys)>,
) -> Result<Option<usize>, KvError> {
    let epochs = table::epochs(store, 0, usize::MAX)?;
    let known = |keys: &VaultKeys| epochs.iter().any(|(_, record)| record.epoch.keys == *keys);
    Ok(configured.find(|(_, keys)| !known(keys)).map(|(at, _)| at))
}

impl Operator {
    fn epochs(&self) -> MutexGuard<'_, Epochs> {
        self.epochs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_epoch(&self, current: &Epoch) -> Result<Option<Next>, KvError> {
        let federations = self.federations();
        let keys: Vec<&VaultKeys> = federations.iter().map(|each| each.vault_keys()).collect();
        let found = to_come(&*self.store, keys.iter().copied().enumerate())?;
        Ok(found.zip(current.number.checked_add(1)).map(|(at, number)| {
            let keys = keys[at].clone();
            let epoch = Epoch { number, keys };
            let hash = epoch.hash(self.rules.params().chain_id());
            let federation = Arc::clone(&federations[at]);
            Next {
                epoch,
                hash,
                federation,
            }
        }))
    }

    /// The epoch that the vault is to be handed over to.
    pub(super) fn epoch_to_come(&self) -> Result<Option<EpochHash>, KvError> {
        let next = self.next_epoch(&handover::epoch(&*self.store)?)?;
        Ok(next.map(|next| next.hash))
    }

    /// Does what comes next for the federation to come, if there is one.
    pub(super) fn tend_epoch(
        &self,
        height: u32,
        quote: &FeeQuote,
        coins: &mut CoinBook,
    ) -> anyhow::Result<()> {
        let current = handover::epoch(&*self.store)?;
        let next = self.next_epoch(&current)?;
        let (state, reason) = match &next {
            None => {
                self.poster.forget_all_but(None, coins)?;
                ("inOffice", None)
            }
            Some(next) => self.bring_in(next, &current, height, quote, coins)?,
        };
        self.say(EpochStatus {
            number: current.number,
            next: next.map(|next| next.hash.to_string()),
            state: state.to_owned(),
            reason,
        });
        Ok(())
    }

    fn bring_in(
        &self,
        next: &Next,
        current: &Epoch,
        height: u32,
        quote: &FeeQuote,
        coins: &mut CoinBook,
    ) -> anyhow::Result<(&'static str, Option<String>)> {
        let genesis = self.rules.params().genesis();
        if let Some(found) = handover::announced_next(&*self.store, current, &next.hash)? {
            let at = format!("announced in block {}", found.height);
            return Ok(if genesis.is_deep(found.height, height) {
                // Coins of versions that were not mined may be needed to hand over.
                self.poster.forget_all_but(None, coins)?;
                ("handingOver", Some(at))
            } else {
                (
                    "announced",
                    Some(format!("{at}; it has to be {} deep", genesis.finality_depth)),
                )
            });
        }
        self.poster.forget_all_but(Some(&next.hash.0), coins)?;
        let report = match self.poster.tend(&next.hash.0, quote, coins)? {
            Some(report) => Ok(report),
            None => {
                let mut epochs = self.epochs();
                let known = epochs.unsigned(&next.hash);
                if let Some(reason) = known.filter(|_| !epochs.may_ask(height)) {
                    return Ok((UNSIGNED, Some(reason)));
                }
                drop(epochs);
                self.announce(next, current, quote, coins)
            }
        };
        Ok(match report {
            Ok(report) => match report.stuck {
                Some(reason) => ("stuck", Some(reason)),
                None => ("posted", Some(format!("in transaction {}", report.reveal))),
            },
            Err(AnnounceError::Post(PostError::Plan(error))) => ("outOfCoins", Some(error.to_string())),
            Err(AnnounceError::Post(error)) => return Err(error.into()),
            Err(
                error @ (AnnounceError::NoIncumbent(_)
                | AnnounceError::Unsigned(..)
                | AnnounceError::Voices(_)
                | AnnounceError::Succession(_)),
            ) => (UNSIGNED, Some(error.to_string())),
        })
    }

    /// Gathers both signatures and posts the announcement.
    fn announce(
        &self,
        next: &Next,
        current: &Epoch,
        quote: &FeeQuote,
        coins: &mut CoinBook,
    ) -> Result<tacit_bridge::poster::PostReport, AnnounceError> {
        let release = self.release(next, current)?;
        let successor = self.gather(&next.federation, Voice::Successor, &next.epoch, &next.epoch.keys)?;
        let announcement = Announcement {
            epoch: next.epoch.clone(),
            release,
            successor,
        };
        announcement.check(self.rules.params().chain_id(), current)?;
        let envelope = |key| announcement.envelope(key).map_err(AnchorPlanError::from);
        Ok(self.poster.post(&next.hash.0, envelope, quote, coins)?)
    }

    /// Has the vault let go: by the backup keys, where voices of them say so, or else by the federation in office.
    fn release(&self, next: &Next, current: &Epoch) -> Result<Release, AnnounceError> {
        let voices: Vec<&BackupVoice> = self
            .backup_voices
            .iter()
            .filter(|voice| voice.is_about(&next.hash))
            .collect();
        if !voices.is_empty() {
            let chain = self.rules.params().chain_id();
            return Ok(backup_voice::release(&voices, chain, &next.epoch, current)?);
        }
        let key = current.keys.federation;
        let mut federations = self.federations().iter();
        let incumbent = federations.find(|federation| federation.keys().contains(&key));
        let incumbent = incumbent.ok_or(AnnounceError::NoIncumbent(key))?;
        let known = self.epochs().incumbent;
        if let Some((_, signature)) = known.filter(|(hash, _)| *hash == next.hash) {
            return Ok(Release::Federation(signature));
        }
        let signature = self.gather(incumbent, Voice::Incumbent, &next.epoch, &current.keys)?;
        self.epochs().incumbent = Some((next.hash, signature));
        Ok(Release::Federation(signature))
    }

    fn gather(
        &self,
        federation: &FederationSigner,
        voice: Voice,
        epoch: &Epoch,
        keys: &VaultKeys,
    ) -> Result<Signature, AnnounceError> {
        let who = match voice {
            Voice::Incumbent => "the present",
            Voice::Successor => "the next",
        };
        let epoch = epoch.clone();
        let request = Succession { voice, epoch };
        let input = request.input(self.rules.params().chain_id(), keys);
        let signatures = federation.gather(&request.encode(), &[input]);
        let mut signatures = signatures.map_err(|error| AnnounceError::Unsigned(who, error))?;
        Ok(signatures.remove(0))
    }

    /// Keeps it for whoever asks, and says it once.
    fn say(&self, status: EpochStatus) {
        let mut epochs = self.epochs();
        if epochs.status.as_ref() == Some(&status) {
            return;
        }
        if epochs.status.is_some() || status.next.is_some() {
            let (epoch, state) = (status.number, &status.state);
            let (next, reason) = (status.next.as_deref(), status.reason.as_deref());
            tracing::info!(epoch, next, state, reason, "epoch of the federation");
        }
        epochs.status = Some(status);
    }

    /// Whose vault it is and who comes next, for operators.
    pub(super) fn epoch_status(&self) -> EpochStatus {
        let known = self.epochs().status.clone();
        known.unwrap_or_else(|| match handover::epoch(&*self.store) {
            Ok(current) => EpochStatus::starting(current.number, None),
            Err(error) => EpochStatus::starting(0, Some(format!("the state cannot be read: {error}"))),
        })
    }
}

#[cfg(test)]
mod tests;
