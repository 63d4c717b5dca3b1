//! What a user looks at: balance, history, state of every entry.

use tacit_protocol::Amount;
use tacit_protocol::transfer::TransferId;

use crate::api::Anchored;
use crate::db::{DepositProgress, EventKind, MemoRecord};
use crate::wallet::{Wallet, sum};

/// The balance, in parts that do not overlap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// In batches as deep in Bitcoin as the chain asks for.
    pub confirmed: Amount,
    /// In batches that are pending or not yet deep: the sequencer's word, or a young block's.
    pub soft: Amount,
    /// Comes back as change of transfers that are not in a batch yet.
    pub pending_change: Amount,
    /// Deposited on Bitcoin and not yet credited; fee shares will be deducted.
    pub pending_deposits: Amount,
}

impl Balance {
    /// What belongs to the wallet inside the rollup.
    #[must_use]
    pub fn total(&self) -> Amount {
        sum([self.confirmed, self.soft, self.pending_change].into_iter())
    }
}

/// How sure an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryState {
    /// Handed in, in no batch yet.
    Sent,
    /// Refused: it counts as not sent.
    Refused {
        /// Whoever kept it could still include it until this batch is final.
        until: u32,
    },
    /// In a batch that is not on Bitcoin yet.
    Pending,
    /// On Bitcoin, `depth` blocks deep.
    Anchored {
        /// The block.
        block: Anchored,
        /// Blocks on top of it.
        depth: u32,
        /// Whether that is as deep as the chain asks for.
        is_final: bool,
    },
}

/// One line of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What happened.
    pub what: EventKind,
    /// The transfer, unless a deposit or fees are the cause.
    pub txid: Option<TransferId>,
    /// Satoshi that came or went, without the fee.
    pub amount: Amount,
    /// Fee paid by this wallet.
    pub fee: Amount,
    /// The batch; absent while there is none.
    pub batch: Option<u32>,
    /// How sure it is.
    pub state: EntryState,
    /// What the payer wrote.
    pub memo: Option<MemoRecord>,
}

impl Wallet {
    /// The balance as of the last sync.
    #[must_use]
    pub fn balance(&self) -> Balance {
        let mut balance = Balance::default();
        let add = |to: &mut Amount, v: Amount| *to = sum([*to, v].into_iter());
        for (position, record) in self.unspent() {
            let confirmed = self.is_final(position.batch());
            add(
                if confirmed {
                    &mut balance.confirmed
                } else {
                    &mut balance.soft
                },
                record.v,
            );
        }
        let on_their_way = self.waiting().filter(|outgoing| outgoing.is_live());
        balance.pending_change = sum(on_their_way.map(|outgoing| outgoing.change));
        let open = self.db.deposits.iter().filter(|output| {
            !matches!(
                output.progress,
                DepositProgress::Credited { .. }
                    | DepositProgress::Refunding { .. }
                    | DepositProgress::Refunded { .. }
            )
        });
        balance.pending_deposits = sum(open.map(|output| output.amount));
        balance
    }

    /// Transfers that are in no batch yet.
    fn waiting(&self) -> impl Iterator<Item = &crate::db::Outgoing> {
        self.db
            .outgoing
            .iter()
            .filter(|outgoing| outgoing.batch.is_none())
    }

    /// All that happened, the oldest first, what is on its way last.
    #[must_use]
    pub fn history(&self) -> Vec<Entry> {
        let happened = self.db.history.iter().map(|event| Entry {
            what: event.what.clone(),
            txid: event.txid,
            amount: event.amount,
            fee: event.fee,
            batch: Some(event.batch),
            state: self.state_of(event.batch),
            memo: event.memo.clone(),
        });
        let waiting = self.waiting().map(|outgoing| Entry {
            what: outgoing.what.clone(),
            txid: Some(outgoing.txid),
            amount: outgoing.amount,
            fee: outgoing.fee,
            batch: None,
            state: if outgoing.is_live() {
                EntryState::Sent
            } else {
                let until = outgoing.transfer.body.expiry;
                EntryState::Refused { until }
            },
            memo: outgoing.memo.clone(),
        });
        happened.chain(waiting).collect()
    }

    fn state_of(&self, batch: u32) -> EntryState {
        let anchored = self.db.batch(batch).and_then(|record| record.anchored);
        anchored.map_or(EntryState::Pending, |block| EntryState::Anchored {
            block,
            depth: self.db.bitcoin_height.saturating_sub(block.height),
            is_final: self.is_final(batch),
        })
    }

    /// The latest batch the wallet knows.
    #[must_use]
    pub fn batch(&self) -> u32 {
        self.db.tip()
    }
}
