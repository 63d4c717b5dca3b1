//! Transfers that a node refused, or that were overtaken: they count as not sent, and may count yet.
//!
//! A refusal is a node's word. Whoever has the bytes can include the transfer later, until its expiry.
//! If the payer paid again with other notes, both would count. So a refused transfer stays on record
//! until it is final that it cannot be included, and whatever is sent before that spends a note of it:
//! of transfers that share a note at most one counts, whoever lies. Its notes are free for that, so a
//! payer notices nothing but the same notes being spent. Specification: `docs/spec/wallet.md`.

use tacit_protocol::note::{Note, Position};
use tacit_protocol::transfer::TransferId;

use crate::db::Outgoing;
use crate::wallet::Wallet;

impl Wallet {
    /// Counts a transfer as not sent, for a reason; returns the last batch that could include it.
    pub(crate) fn give_up(&mut self, txid: TransferId, reason: &str) -> u32 {
        let Some(outgoing) = self.db.outgoing.iter_mut().find(|o| o.txid == txid) else {
            return self.db.tip();
        };
        outgoing.refused = Some(reason.to_owned());
        outgoing.transfer.body.expiry
    }

    /// Counts a refused transfer as sent again: the node says that it waits.
    pub(crate) fn take_back_refusal(&mut self, txid: TransferId) {
        if let Some(outgoing) = self.db.outgoing.iter_mut().find(|o| o.txid == txid) {
            outgoing.refused = None;
        }
    }

    /// The notes of every refused transfer that could count beside a new one: one of each set has to
    /// be spent by the next transfer.
    pub(crate) fn rivals(&self) -> Vec<Vec<Position>> {
        self.standing()
            .map(|outgoing| outgoing.inputs.iter().map(|at| position(*at)).collect())
            .collect()
    }

    /// The refused transfers that could count, and share a note with these.
    pub(crate) fn replaced_by(&self, notes: &[(Note, Position)]) -> Vec<TransferId> {
        let shared = |o: &&Outgoing| notes.iter().any(|(_, at)| o.inputs.contains(&at.to_u64()));
        self.standing().filter(shared).map(|o| o.txid).collect()
    }

    /// Refused transfers whose notes are all unspent, with none of them on its way elsewhere.
    fn standing(&self) -> impl Iterator<Item = &Outgoing> {
        let spendable = |at: &u64| self.db.notes.get(at).is_some_and(|note| note.spent.is_none());
        let live = || self.db.outgoing.iter().filter(|o| o.is_live());
        let covered =
            move |outgoing: &Outgoing| live().any(|o| o.inputs.iter().any(|at| outgoing.inputs.contains(at)));
        self.db.outgoing.iter().filter(move |outgoing| {
            !outgoing.is_live()
                && !outgoing.inputs.is_empty()
                && outgoing.inputs.iter().all(spendable)
                && !covered(outgoing)
        })
    }

    /// Forgets transfers of which it is final whether they count: included or overtaken in a batch
    /// that is final, or refused and the batch they expired with is final.
    pub(crate) fn forget_settled(&mut self) {
        let settled: Vec<TransferId> = self
            .db
            .outgoing
            .iter()
            .filter(|outgoing| self.is_settled(outgoing))
            .map(|outgoing| outgoing.txid)
            .collect();
        self.db.outgoing.retain(|o| !settled.contains(&o.txid));
    }

    fn is_settled(&self, outgoing: &Outgoing) -> bool {
        if let Some(batch) = outgoing.batch {
            return self.is_final(batch);
        }
        let overtaken = |at: &u64| {
            let spent = self.db.notes.get(at).and_then(|note| note.spent);
            spent.is_some_and(|spent| self.is_final(spent.batch))
        };
        !outgoing.is_live()
            && (outgoing.inputs.iter().any(overtaken) || self.is_final(outgoing.transfer.body.expiry))
    }
}

fn position(at: u64) -> Position {
    Position::from_u64(at).expect("stored positions come from the scan")
}

#[cfg(test)]
mod tests;
