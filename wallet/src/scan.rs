//! Scanning: from a batch's public data to the wallet's notes, spends and events.
//!
//! Every transfer is tried with the incoming key (payments) and the outgoing key (change), every
//! deposit by its inner commitment, fee notes by the operator's key, spends by nullifier. Nothing a
//! node says about the notes tree is believed: leaves, subtree root and notes root are recomputed
//! and must equal the opened state. What a wallet cannot check alone is that this state is the one
//! on Bitcoin; that is what a full node of one's own is for. Specification: `docs/spec/wallet.md`.

use std::collections::{BTreeMap, HashMap};

use tacit_protocol::F;
use tacit_protocol::encryption::MemoKey;
use tacit_protocol::field;
use tacit_protocol::note::{self, Note, Nullifier, Position};
use tacit_protocol::params::ChainParams;
use tacit_protocol::transfer::{TransferBody, TransferId};
use tacit_protocol::tree::{BATCH_LIMIT, subtree_root};
use tacit_protocol::{Amount, DecodeError};
use thiserror::Error;

use crate::api::{CompactBatch, CompactDeposit, CompactError};
use crate::db::{
    BatchRecord, Database, DepositOutput, DepositProgress, Event, EventKind, Leaves, MemoRecord, NoteRecord,
    Source, SpentIn, StateRecord,
};
use crate::seed::Keys;
use crate::tree::RootTree;
use crate::wallet::sum;

/// Deposit addresses searched beyond the last one used.
pub const GAP: u32 = 20;

/// What a node said that cannot be true. Another node, or one of one's own, helps.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ScanError {
    /// Batches do not follow each other.
    #[error("the node answered with batch {found} where {expected} was asked for")]
    Number {
        /// Asked for.
        expected: u32,
        /// Answered.
        found: u32,
    },
    /// The notes root recomputed from the batch is not the one of the state.
    #[error("the notes of batch {batch} do not lead to the root that the node states")]
    NotesRoot {
        /// The batch.
        batch: u32,
    },
    /// The subtree roots do not lead to the root of the state.
    #[error("the subtree roots up to batch {batch} do not lead to the root that the node states")]
    SubtreeRoots {
        /// The last batch.
        batch: u32,
    },
    /// A batch breaks a rule.
    #[error("batch {batch} is impossible: {rule}")]
    Rule {
        /// The batch.
        batch: u32,
        /// The rule.
        rule: CompactError,
    },
    /// The node has fewer batches than it says.
    #[error("the node says it has batch {0} and does not give it")]
    Missing(u32),
}

/// What follows from the database and the keys; kept in memory only.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) tree: RootTree,
    nullifiers: HashMap<Nullifier, u64>,
    inners: HashMap<[u8; 32], u32>,
    covered: u32,
}

impl View {
    /// Derives everything.
    pub(crate) fn new(keys: &Keys, db: &Database) -> Self {
        let roots: Vec<F> = db.batches.iter().map(|batch| batch.subtree).collect();
        let mut view = Self {
            tree: RootTree::new(&roots),
            nullifiers: HashMap::new(),
            inners: HashMap::new(),
            covered: 0,
        };
        for (&position, record) in &db.notes {
            view.add_note(keys, position, record);
        }
        view.cover(keys, db.next_deposit);
        view
    }

    fn add_note(&mut self, keys: &Keys, position: u64, record: &NoteRecord) {
        let at = Position::from_u64(position).expect("stored positions come from the scan");
        self.nullifiers
            .insert(record.nullifier(keys.viewing(), at), position);
    }

    /// Makes sure that deposits up to [`GAP`] beyond `next` are recognised.
    pub(crate) fn cover(&mut self, keys: &Keys, next: u32) {
        let until = next.saturating_add(GAP);
        for index in self.covered..until {
            self.inners
                .insert(field::to_bytes(&deposit_inner(keys, index)), index);
        }
        self.covered = self.covered.max(until);
    }

    fn deposit_index(&self, inner: &F) -> Option<u32> {
        self.inners.get(&field::to_bytes(inner)).copied()
    }
}

/// `inner` of deposit `index`.
#[must_use]
pub fn deposit_inner(keys: &Keys, index: u32) -> F {
    note::inner(
        &keys.viewing().incoming().internal_pk_d(),
        &keys.root().deposit_rcm(index),
    )
}

/// Applies batches to a database.
pub(crate) struct Scanner<'a> {
    pub(crate) keys: &'a Keys,
    pub(crate) params: &'a ChainParams,
    pub(crate) db: &'a mut Database,
    pub(crate) view: &'a mut View,
}

/// The outputs of one transfer that belong to the wallet, by leaf.
type Outputs = BTreeMap<usize, (Note, Source)>;

impl Scanner<'_> {
    /// Applies the next batch. On an error nothing has changed: what can be wrong with a batch is
    /// found by the verification, before anything is written.
    pub(crate) fn apply(&mut self, batch: &CompactBatch) -> Result<(), ScanError> {
        let leaves = self.verify(batch)?;
        let mut notes = Outputs::new();
        let mut events = Vec::new();
        for (slot, transfer) in batch.transfers.iter().enumerate() {
            self.transfer(batch.number, slot, transfer.body(), &mut notes, &mut events)
                .map_err(|rule| ScanError::Rule {
                    batch: batch.number,
                    rule,
                })?;
        }
        for (j, deposit) in batch.deposits.iter().enumerate() {
            self.deposit(batch, j, deposit, &mut notes, &mut events);
        }
        self.fees(batch, &mut notes, &mut events)?;
        self.record(batch, leaves, &notes, events);
        Ok(())
    }

    /// Recomputes the notes tree and compares it with the state; extends the tree of roots.
    fn verify(&mut self, batch: &CompactBatch) -> Result<Vec<F>, ScanError> {
        let expected = self.db.tip() + 1;
        if batch.number != expected || batch.state.batch != expected || expected >= BATCH_LIMIT {
            return Err(ScanError::Number {
                expected,
                found: batch.number,
            });
        }
        let leaves = batch.note_leaves(self.params).map_err(|rule| ScanError::Rule {
            batch: batch.number,
            rule,
        })?;
        self.view.tree.push(subtree_root(&leaves));
        if self.view.tree.root() != batch.state.notes_root {
            self.view.tree.truncate(expected as usize);
            return Err(ScanError::NotesRoot { batch: batch.number });
        }
        Ok(leaves)
    }

    /// Tries one transfer.
    fn transfer(
        &mut self,
        batch: u32,
        slot: usize,
        body: &TransferBody,
        notes: &mut Outputs,
        events: &mut Vec<Event>,
    ) -> Result<(), CompactError> {
        let viewing = self.keys.viewing();
        let mut own = Outputs::new();
        let mut memo_key = None;
        if let Some(change) = viewing.try_change(&body.outputs, &body.nf[0], &body.cm) {
            own.insert(
                2 * slot + usize::from(change.index),
                (change.note, Source::Change),
            );
            memo_key = Some(change.memo_key);
        }
        let mut paid_to = None;
        if let Some(paid) = viewing.incoming().try_payment(&body.outputs, &body.cm) {
            let index = viewing.incoming().index_of(&paid.note.d);
            if paid.note.v > Amount::ZERO {
                paid_to = Some(index);
            }
            if paid.twice {
                own.insert(2 * slot + 1, (paid.note.clone(), Source::Payment));
            }
            own.insert(2 * slot + usize::from(paid.index), (paid.note, Source::Payment));
            memo_key = Some(paid.memo_key);
        }
        let inputs: Vec<u64> = body
            .nf
            .iter()
            .filter_map(|nf| self.view.nullifiers.get(nf).copied())
            .collect();
        if own.is_empty() && inputs.is_empty() {
            return Ok(());
        }
        let txid = body.id(self.params)?;
        let memo = read_memo(body, memo_key.as_ref());
        let came: Amount = sum(own.values().map(|(note, _)| note.v));
        if inputs.is_empty() {
            if came > Amount::ZERO {
                let what = EventKind::Received {
                    address: paid_to.unwrap_or(u64::MAX),
                };
                events.push(Event {
                    what,
                    txid: Some(txid),
                    amount: came,
                    fee: Amount::ZERO,
                    batch,
                    memo,
                });
            }
        } else {
            let fee = body.fee_amount(self.params)?;
            let first = events.len();
            self.spend(batch, body, txid, (&inputs, came, fee), events);
            // The payment comes last.
            if let Some(event) = events[first..].last_mut() {
                event.memo = memo;
            }
        }
        if let Some(index) = paid_to.filter(|index| *index != u64::MAX) {
            self.db.next_address = self.db.next_address.max(index + 1);
        }
        notes.extend(own.into_iter().filter(|(_, (note, _))| note.v > Amount::ZERO));
        Ok(())
    }

    /// Marks inputs as spent and says what they were spent for.
    fn spend(
        &mut self,
        batch: u32,
        body: &TransferBody,
        txid: TransferId,
        (inputs, came, fee): (&[u64], Amount, Amount),
        events: &mut Vec<Event>,
    ) {
        let mut went = Amount::ZERO;
        for position in inputs {
            let record = self
                .db
                .notes
                .get_mut(position)
                .expect("known nullifiers belong to notes");
            record.spent = Some(SpentIn { batch, txid });
            went = sum([went, record.v].into_iter());
        }
        let made = self.db.outgoing.iter_mut().find(|outgoing| outgoing.txid == txid);
        let recipient = made.and_then(|outgoing| {
            outgoing.batch = Some(batch);
            outgoing.refused = None;
            match &outgoing.what {
                EventKind::Sent { recipient } => recipient.clone(),
                EventKind::Received { .. }
                | EventKind::Merged
                | EventKind::Deposited { .. }
                | EventKind::Withdrew { .. }
                | EventKind::Fees => None,
            }
        });
        let exit = body.exit_amount();
        let rest = [came, fee, exit]
            .into_iter()
            .try_fold(went, Amount::checked_sub)
            .unwrap_or(Amount::ZERO);
        let mut event = |what, amount, fee| {
            events.push(Event {
                what,
                txid: Some(txid),
                amount,
                fee,
                batch,
                memo: None,
            })
        };
        if let Some(exit) = &body.exit {
            let address = exit.script().address(self.params.genesis().network).to_string();
            let max_l1_fee = exit.max_l1_fee();
            event(EventKind::Withdrew { address, max_l1_fee }, exit.amount(), fee);
        } else if rest == Amount::ZERO {
            event(EventKind::Merged, came, fee);
        }
        if rest > Amount::ZERO {
            let fee = if body.exit.is_some() { Amount::ZERO } else { fee };
            event(EventKind::Sent { recipient }, rest, fee);
        }
    }

    fn deposit(
        &mut self,
        batch: &CompactBatch,
        j: usize,
        deposit: &CompactDeposit,
        notes: &mut Outputs,
        events: &mut Vec<Event>,
    ) {
        let Some(index) = self.view.deposit_index(&deposit.inner) else {
            return;
        };
        let note = self.own_note(deposit.v, self.keys.root().deposit_rcm(index));
        if deposit.v > Amount::ZERO {
            notes.insert(batch.deposit_leaf(j), (note, Source::Deposit(index)));
        }
        events.push(Event {
            what: EventKind::Deposited { index },
            txid: None,
            amount: deposit.v,
            fee: Amount::ZERO,
            batch: batch.number,
            memo: None,
        });
        self.db.next_deposit = self.db.next_deposit.max(index + 1);
        self.view.cover(self.keys, self.db.next_deposit);
        // Several outputs may pay to one deposit address; the smallest that can be this one is, and one that is
        // being taken back only if there is no other: the sweep was faster then.
        let open = self.db.deposits.iter_mut().filter(|output| {
            let done = matches!(
                output.progress,
                DepositProgress::Credited { .. } | DepositProgress::Refunded { .. }
            );
            output.index == index && output.amount >= deposit.v && !done
        });
        let order = |output: &&mut DepositOutput| {
            let leaving = matches!(output.progress, DepositProgress::Refunding { .. });
            (leaving, output.amount)
        };
        if let Some(output) = open.min_by_key(order) {
            output.progress = DepositProgress::Credited { batch: batch.number };
        }
    }

    fn fees(
        &mut self,
        batch: &CompactBatch,
        notes: &mut Outputs,
        events: &mut Vec<Event>,
    ) -> Result<(), ScanError> {
        if batch.operator != self.keys.viewing().incoming().internal_pk_d() {
            return Ok(());
        }
        let number = batch.number;
        let amount = batch
            .total_fee(self.params)
            .map_err(|rule| ScanError::Rule { batch: number, rule })?;
        if amount > Amount::ZERO {
            let note = self.own_note(amount, note::fee_rcm(number));
            notes.insert(batch.fee_leaf(), (note, Source::Fees));
            let (what, fee) = (EventKind::Fees, Amount::ZERO);
            events.push(Event {
                what,
                txid: None,
                amount,
                fee,
                batch: number,
                memo: None,
            });
        }
        Ok(())
    }

    /// A note of the internal address.
    fn own_note(&self, v: Amount, rcm: F) -> Note {
        let incoming = self.keys.viewing().incoming();
        Note {
            v,
            d: incoming.internal_diversifier(),
            pk_d: incoming.internal_pk_d(),
            rcm,
        }
    }

    fn record(&mut self, batch: &CompactBatch, leaves: Vec<F>, notes: &Outputs, events: Vec<Event>) {
        for (leaf, (note, source)) in notes {
            let position = position(batch.number, *leaf).expect("leaves of a batch fit its subtree");
            debug_assert_eq!(
                leaves[*leaf],
                note.commitment().to_field(),
                "a note stands where it was found"
            );
            let record = NoteRecord::new(note, *source);
            self.view.add_note(self.keys, position.to_u64(), &record);
            self.db.notes.insert(position.to_u64(), record);
        }
        self.db.history.extend(events);
        self.db.batches.push(BatchRecord {
            subtree: subtree_root(&leaves),
            state: Some(StateRecord(batch.state.commitment())),
            anchored: batch.anchored,
            leaves: (!notes.is_empty()).then_some(Leaves(leaves)),
        });
    }

    /// Forgets everything after batch `keep`.
    pub(crate) fn roll_back(&mut self, keep: u32) {
        let db = &mut *self.db;
        db.batches.truncate(keep as usize + 1);
        db.history.retain(|event| event.batch <= keep);
        db.notes.retain(|position, _| batch_of(*position) <= keep);
        for record in db.notes.values_mut() {
            record.spent = record.spent.filter(|spent| spent.batch <= keep);
        }
        for outgoing in &mut db.outgoing {
            outgoing.batch = outgoing.batch.filter(|batch| *batch <= keep);
        }
        for output in &mut db.deposits {
            if matches!(output.progress, DepositProgress::Credited { batch } if batch > keep) {
                output.progress = DepositProgress::Found;
            }
        }
        self.view.tree.truncate(keep as usize + 1);
        self.view
            .nullifiers
            .retain(|_, position| batch_of(*position) <= keep);
    }
}

/// The memo of a transfer for whoever has its key. What is in it never decides about money.
fn read_memo(body: &TransferBody, key: Option<&MemoKey>) -> Option<MemoRecord> {
    let read = key?.open(body.memo.as_ref()?);
    Some(read.map_or_else(
        |error| MemoRecord::Unreadable(error.to_string()),
        MemoRecord::Text,
    ))
}

/// The batch of a stored position.
pub(crate) fn batch_of(position: u64) -> u32 {
    Position::from_u64(position)
        .expect("stored positions come from the scan")
        .batch()
}

fn position(batch: u32, leaf: usize) -> Result<Position, DecodeError> {
    Position::new(
        batch,
        u16::try_from(leaf).map_err(|_| DecodeError::OutOfRange("leaf"))?,
    )
}

#[cfg(test)]
mod tests;
