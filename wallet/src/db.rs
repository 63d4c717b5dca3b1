//! What a wallet remembers, all of it but the secret. Everything here except labels, address and
//! deposit counters can be found again from the mnemonic and a node.
//!
//! The content is JSON inside the encrypted store; consensus values stand in it as hexadecimal
//! strings of their canonical bytes.

use std::collections::BTreeMap;

use bitcoin::{OutPoint, Transaction, Txid, XOnlyPublicKey};
use serde::{Deserialize, Serialize};
use tacit_protocol::address::Diversifier;
use tacit_protocol::encryption::MemoText;
use tacit_protocol::keys::FullViewingKey;
use tacit_protocol::note::{Note, Nullifier, Position};
use tacit_protocol::transfer::{Transfer, TransferId};
use tacit_protocol::tree::{LEAF_DEPTH, empty_root};
use tacit_protocol::{Amount, F};

use crate::api::{Anchored, EpochDetails, Receipt, codec};

/// Version of the content. It rises with every field and every word that programs before do not know, so that they
/// say so.
///
/// 2: deposits that are being taken back.
pub(crate) const VERSION: u16 = 2;

/// The oldest version that is read: whatever is not in it has a default.
pub(crate) const OLDEST: u16 = 1;

/// The content of a wallet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Database {
    /// [`VERSION`].
    pub(crate) version: u16,
    /// The last batch that was not scanned, because the wallet did not exist then.
    pub(crate) birthday: u32,
    /// Height of Bitcoin at the last sync.
    pub(crate) bitcoin_height: u32,
    /// Number of the next address to hand out.
    pub(crate) next_address: u64,
    /// Number of the next deposit.
    pub(crate) next_deposit: u32,
    /// One record per batch, from the genesis state (0) on.
    pub(crate) batches: Vec<BatchRecord>,
    /// All notes ever received, by position.
    pub(crate) notes: BTreeMap<u64, NoteRecord>,
    /// What happened, in the order of batches and slots.
    pub(crate) history: Vec<Event>,
    /// Transfers this wallet made, until it is final whether they count.
    pub(crate) outgoing: Vec<Outgoing>,
    /// Outputs on Bitcoin that pay to deposit addresses of this wallet.
    pub(crate) deposits: Vec<DepositOutput>,
    /// Raises of fee limits that were made, until the withdrawal needs them no more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) raises: Vec<PostedRaise>,
    /// The epochs after the first up to the one in office, each checked against the one before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) epochs: Vec<EpochDetails>,
    /// Federations that a node once said were in office, properly announced, and that are in no epoch above.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) passed_over: Vec<XOnlyPublicKey>,
    /// The sequencer in office at the last sync.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sequencer: Option<XOnlyPublicKey>,
}

impl Database {
    /// The content of a new wallet.
    pub(crate) fn new() -> Self {
        Self {
            version: VERSION,
            birthday: 0,
            bitcoin_height: 0,
            next_address: 0,
            next_deposit: 0,
            batches: vec![BatchRecord::genesis()],
            notes: BTreeMap::new(),
            history: Vec::new(),
            outgoing: Vec::new(),
            deposits: Vec::new(),
            raises: Vec::new(),
            epochs: Vec::new(),
            passed_over: Vec::new(),
            sequencer: None,
        }
    }

    /// Number of the last batch known.
    ///
    /// # Panics
    /// Never: there is always a genesis record, and batch numbers have 24 bits.
    pub(crate) fn tip(&self) -> u32 {
        u32::try_from(self.batches.len() - 1).expect("batch numbers have 24 bits")
    }

    /// The record of a batch.
    pub(crate) fn batch(&self, number: u32) -> Option<&BatchRecord> {
        self.batches.get(number as usize)
    }

    /// Bitcoin blocks on top of a batch's block; `None` while it is pending.
    pub(crate) fn depth(&self, batch: u32) -> Option<u32> {
        let anchored = self.batch(batch)?.anchored?;
        Some(self.bitcoin_height.saturating_sub(anchored.height))
    }
}

/// What is kept of every batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BatchRecord {
    /// Root of its notes subtree.
    #[serde(with = "codec::field")]
    pub(crate) subtree: F,
    /// Commitment to the state after it; absent for genesis and batches that were skipped.
    pub(crate) state: Option<StateRecord>,
    /// The block it is anchored in; absent while pending.
    pub(crate) anchored: Option<Anchored>,
    /// Leaves of its notes subtree, if it holds notes of this wallet.
    pub(crate) leaves: Option<Leaves>,
}

impl BatchRecord {
    /// The record of the genesis state.
    pub(crate) fn genesis() -> Self {
        Self {
            subtree: empty_root(LEAF_DEPTH),
            state: None,
            anchored: None,
            leaves: None,
        }
    }
}

/// A state commitment in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct StateRecord(#[serde(with = "codec::field")] pub(crate) F);

/// Leaves of a subtree in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Leaves(#[serde(with = "codec::fields")] pub(crate) Vec<F>);

/// Where a note came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// Somebody paid, perhaps this wallet itself.
    Payment,
    /// Change of a transfer of this wallet.
    Change,
    /// A deposit, with its number.
    Deposit(u32),
    /// Fees of a batch this wallet's owner operates.
    Fees,
}

/// A transfer that spent a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SpentIn {
    pub(crate) batch: u32,
    #[serde(with = "codec::txid")]
    pub(crate) txid: TransferId,
}

/// A note of this wallet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoteRecord {
    pub(crate) v: Amount,
    pub(crate) d: u64,
    #[serde(with = "codec::field")]
    pub(crate) rcm: F,
    pub(crate) source: Source,
    pub(crate) spent: Option<SpentIn>,
}

impl NoteRecord {
    /// Keeps a note.
    pub(crate) fn new(note: &Note, source: Source) -> Self {
        Self {
            v: note.v,
            d: note.d.to_u64(),
            rcm: note.rcm,
            source,
            spent: None,
        }
    }

    /// The note.
    pub(crate) fn note(&self, key: &FullViewingKey) -> Note {
        let d = Diversifier::from_u64(self.d);
        Note {
            v: self.v,
            d,
            pk_d: key.incoming().pk_d(&d),
            rcm: self.rcm,
        }
    }

    /// Its nullifier at `position`.
    pub(crate) fn nullifier(&self, key: &FullViewingKey, position: Position) -> Nullifier {
        self.note(key).nullifier(&key.nk(), position)
    }
}

/// What kind of event it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum EventKind {
    /// Somebody paid this wallet.
    Received {
        /// Number of the address that was paid.
        address: u64,
    },
    /// This wallet paid somebody.
    Sent {
        /// The address, where this copy of the wallet made the transfer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        recipient: Option<String>,
    },
    /// This wallet paid itself, to merge notes or by one of its own addresses.
    Merged,
    /// A deposit was credited.
    Deposited {
        /// Its number.
        index: u32,
    },
    /// This wallet withdrew to Bitcoin.
    Withdrew {
        /// The Bitcoin address.
        address: String,
        /// The highest fee share its owner accepted.
        max_l1_fee: Amount,
    },
    /// Fees of a batch.
    Fees,
}

/// What a wallet knows of the memo that came with a transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MemoRecord {
    /// The text. Whoever paid wrote it; print it by its `Display` only.
    Text(MemoText),
    /// There is one and it cannot be read, for this reason; the payment is as good as any.
    Unreadable(String),
}

/// One line of the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Event {
    /// What happened.
    pub what: EventKind,
    /// The transfer, unless a deposit or fees are the cause.
    #[serde(default, with = "optional_txid", skip_serializing_if = "Option::is_none")]
    pub txid: Option<TransferId>,
    /// Satoshi that came or went, without the fee.
    pub amount: Amount,
    /// Fee paid by this wallet.
    pub fee: Amount,
    /// The batch.
    pub batch: u32,
    /// What the payer wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memo: Option<MemoRecord>,
}

mod optional_txid {
    use super::{Deserialize, TransferId};
    use serde::{Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(
        txid: &Option<TransferId>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match txid {
            Some(txid) => serializer.collect_str(txid),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<TransferId>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(D::Error::custom))
            .transpose()
    }
}

/// A transfer this wallet made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Outgoing {
    #[serde(with = "codec::txid")]
    pub(crate) txid: TransferId,
    /// The bytes handed in.
    #[serde(with = "codec")]
    pub(crate) transfer: Transfer,
    /// Positions of the notes it spends.
    pub(crate) inputs: Vec<u64>,
    /// What it is for, as the history will say.
    pub(crate) what: EventKind,
    pub(crate) amount: Amount,
    pub(crate) fee: Amount,
    /// Comes back as change.
    pub(crate) change: Amount,
    /// Seconds since 1970 when it was made.
    pub(crate) created: u64,
    /// The sequencer's promise.
    pub(crate) receipt: Option<Receipt>,
    /// The batch it is in, once it is.
    pub(crate) batch: Option<u32>,
    /// Why it counts as not sent; whoever has its bytes may still include it ([`crate::refused`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refused: Option<String>,
    /// What was written to the recipient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) memo: Option<MemoRecord>,
    /// For a transfer that is posted on Bitcoin and handed to no node: commit and reveal, once there
    /// are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) forced: Option<Vec<Transaction>>,
}

impl Outgoing {
    /// Whether the wallet waits for it to be included, or saw it in a batch.
    pub(crate) fn is_live(&self) -> bool {
        self.refused.is_none()
    }
}

/// How far a deposit output is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum DepositProgress {
    /// Seen on Bitcoin, not yet registered at a node.
    Found,
    /// Registered at a node, waiting.
    Registered {
        /// The node's words.
        note: String,
    },
    /// Made to a federation that had handed the vault over: nobody sweeps it.
    TooLate {
        /// First block that may hold the refund.
        opens: u32,
    },
    /// Swept into the vault, waiting to be credited.
    Swept {
        /// The vault transaction.
        txid: Txid,
    },
    /// Credited.
    Credited {
        /// The batch.
        batch: u32,
    },
    /// Being taken back: the transaction was sent, and until it is in a block a sweep may win against it.
    Refunding {
        /// The transaction that takes it back.
        txid: Txid,
    },
    /// Taken back.
    Refunded {
        /// The transaction that took it back.
        txid: Txid,
    },
}

/// An output on Bitcoin that pays to a deposit address of this wallet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DepositOutput {
    /// Number of the deposit address.
    pub index: u32,
    /// The output.
    pub outpoint: OutPoint,
    /// Satoshi in it.
    pub amount: Amount,
    /// Height of the block it is in.
    pub height: u32,
    /// The federation it was made to; absent for the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub federation: Option<XOnlyPublicKey>,
    /// How far it is.
    pub progress: DepositProgress,
    /// Commit and reveal of its forced claim, if one was made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub posted: Vec<Transaction>,
}

/// A raise of a withdrawal's fee limit that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PostedRaise {
    /// The transfer that ordered the withdrawal.
    #[serde(with = "codec::txid")]
    pub(crate) txid: TransferId,
    /// The running number it was signed for.
    pub(crate) index: u64,
    /// The new limit.
    pub(crate) max: Amount,
    /// Commit and reveal.
    pub(crate) posted: Vec<Transaction>,
}
