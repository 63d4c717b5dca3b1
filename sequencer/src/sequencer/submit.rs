//! Taking transfers in: screen, verify, write down, then answer.

use tacit_protocol::kv::Delta;
use tacit_protocol::transfer::{Transfer, TransferId};
use tacit_verifier::{TransferError, VerifiedTransfer};

use super::Sequencer;
use crate::admission::{self, Accepted, AdmissionError, Candidate, Context, Screened};
use crate::batch_builder::largest;
use crate::config::Time;
use crate::mempool::{Entry, Full};
use crate::record::{DropReason, Queued, Rejection};
use crate::table;

impl Sequencer {
    /// Accepts a transfer. When this returns without an error the transfer is on disk; the same
    /// transfer again, whatever its proof, gets the same answer.
    ///
    /// # Errors
    /// The first rule broken.
    pub fn submit(&mut self, bytes: &[u8], now: Time) -> Result<Accepted, AdmissionError> {
        match self.screen(bytes)? {
            Screened::Known(accepted) => Ok(accepted),
            Screened::Fresh(candidate) => {
                let verdict = candidate.verify(&self.rules);
                self.admit(*candidate, verdict, now)
            }
        }
    }

    /// Checks every rule but the proof.
    ///
    /// # Errors
    /// The first rule broken.
    pub fn screen(&self, bytes: &[u8]) -> Result<Screened, AdmissionError> {
        self.check_open()?;
        let (transfer, id) = admission::decode(&self.rules, bytes)?;
        self.screen_decoded(bytes, transfer, id)
    }

    /// Accepts a candidate with the outcome of [`Candidate::verify`]. The cheap rules are checked
    /// again: the state may have moved meanwhile.
    ///
    /// # Errors
    /// The first rule broken.
    pub fn admit(
        &mut self,
        candidate: Candidate,
        verdict: Result<VerifiedTransfer, TransferError>,
        now: Time,
    ) -> Result<Accepted, AdmissionError> {
        self.check_open()?;
        let Candidate {
            bytes,
            transfer,
            id,
            anchor_root,
            ..
        } = candidate;
        let verified = match verdict {
            Ok(verified) if *verified.transfer() == transfer && verified.anchor_root() == anchor_root => {
                verified
            }
            Ok(_) => return Err(AdmissionError::BadProof(TransferError::Proof)),
            Err(error) => {
                self.refusals.insert(&bytes, &anchor_root);
                return Err(AdmissionError::BadProof(error));
            }
        };
        let anchor = transfer.anchor;
        match self.screen_decoded(&bytes, transfer, id)? {
            Screened::Known(accepted) => Ok(accepted),
            Screened::Fresh(now_valid) if now_valid.anchor_root == anchor_root => {
                self.enqueue(verified, &now_valid, now)
            }
            Screened::Fresh(_) => Err(AdmissionError::UnknownAnchor(anchor)),
        }
    }

    /// Whether transfers are taken at all.
    fn check_open(&self) -> Result<(), AdmissionError> {
        self.check_current()?;
        if let Some(halt) = self.halt {
            return Err(AdmissionError::Halted(halt));
        }
        if self.synced {
            Ok(())
        } else {
            Err(AdmissionError::NotSynced)
        }
    }

    fn screen_decoded(
        &self,
        bytes: &[u8],
        transfer: Transfer,
        id: TransferId,
    ) -> Result<Screened, AdmissionError> {
        if let Some(target_batch) = self.promised(&id)? {
            return Ok(Screened::Known(Accepted {
                txid: id,
                nf: transfer.body.nf,
                target_batch,
            }));
        }
        let context = Context {
            rules: &self.rules,
            policy: &self.config.policy,
            view: &self.view(),
            next: self.next_batch(),
            oldest_anchor: self.oldest_anchor,
            mempool: &self.mempool,
            refusals: &self.refusals,
        };
        let candidate = admission::screen(&context, bytes, transfer, id)?;
        Ok(Screened::Fresh(Box::new(candidate)))
    }

    /// The batch that a transfer accepted now should go into.
    fn target(&self) -> u32 {
        let batches_ahead = self.mempool.len() / largest(&self.shapes).slots();
        self.next_batch()
            .saturating_add(u32::try_from(batches_ahead).unwrap_or(u32::MAX))
    }

    fn enqueue(
        &mut self,
        verified: VerifiedTransfer,
        candidate: &Candidate,
        now: Time,
    ) -> Result<Accepted, AdmissionError> {
        let size = candidate.bytes.len();
        let next = self.next_batch();
        let full = |Full { waiting }| AdmissionError::MempoolFull { waiting, next };
        self.mempool.check_room(size).map_err(full)?;
        let (seq, target) = (self.mempool.next_seq(), self.target());
        let mut delta = Delta::default();
        let queued = Queued {
            arrived: now,
            target,
            transfer: verified.transfer().clone(),
        };
        table::put_queued(&mut delta, seq, &queued);
        if let Some(old) = table::rejection(&*self.store, &candidate.id)? {
            table::delete_rejection(&mut delta, &candidate.id, &old);
        }
        self.store.commit(&delta)?;
        let accepted = Accepted {
            txid: candidate.id,
            nf: verified.transfer().body.nf,
            target_batch: target,
        };
        self.mempool.insert(
            seq,
            Entry {
                verified,
                arrived: now,
                target,
                size,
            },
        );
        Ok(accepted)
    }

    /// Adds to `delta` what dropping these transfers takes.
    pub(super) fn write_drops(&self, delta: &mut Delta, dropped: &[(u64, DropReason)]) {
        let batch = self.next_batch();
        for (seq, reason) in dropped {
            table::delete_queued(delta, *seq);
            if let Some(entry) = self.mempool.at(*seq) {
                let rejection = Rejection {
                    batch,
                    reason: *reason,
                };
                table::put_rejection(delta, &entry.verified.id(), &rejection);
            }
        }
    }
}
