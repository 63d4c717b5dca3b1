//! Handovers: who holds the vault and who writes anchors, and how that changes.
//!
//! The federation in office announces the next *epoch*; a rotation of the vault begins it. Anchors go
//! from sequencer to sequencer by a *reset*, a vault transaction with the next one's first anchor. A
//! reset counts only when the anchor chain has failed ([`reset_reason`]); otherwise it is void.
//! Specification: `docs/spec/bitcoin.md`.

use std::fmt;

use bitcoin::hashes::Hash;
use bitcoin::{OutPoint, Script, TxOut, Txid, XOnlyPublicKey};
use tacit_protocol::F;
use tacit_protocol::encoding::{Decode, DecodeError, Encode, Reader};
use tacit_protocol::kv::{KvError, KvRead, Overlay};
use tacit_protocol::ledger;
use tacit_protocol::params::{ChainParams, Genesis};
use tacit_protocol::peg::anchor::ANCHOR_AMOUNT;
use tacit_protocol::peg::epoch::announcements;
use tacit_protocol::peg::exit::read_x_only;
use tacit_protocol::peg::{AnchorKeys, Announcement, Epoch, EpochHash, TxInput};

use super::forced::Position;
use super::records::{AnchorRecord, Handed, Place, Swept, Tip, Verdict};
use super::table;
use crate::batch::due;
use crate::rules::Rules;

/// Output of a reset that is the next sequencer's first anchor.
const FIRST_ANCHOR: u32 = 2;

/// The tip of the anchor chain: whose it is, and what its spender has to pay to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnchorHead {
    /// The output.
    pub tip: Tip,
    /// The key of the sequencer in office.
    pub sequencer: XOnlyPublicKey,
    /// The federation in the tip's own script.
    pub own: XOnlyPublicKey,
    /// The federation in the script that the next anchor has to have: the one in office when the tip was
    /// made, so that a rotation makes no batch invalid that was built on the tip.
    pub next: XOnlyPublicKey,
    /// Whether the tip's script is not the one expected, so that the sequencer cannot go on from it.
    pub lost: bool,
}

impl AnchorHead {
    /// The keys of the tip's own script, unless it is lost.
    #[must_use]
    pub fn own_keys(&self, takeover_timelock: u16) -> AnchorKeys {
        anchor_keys(self.sequencer, self.own, takeover_timelock)
    }

    /// The keys of the script that output 0 of the next anchor has to have.
    #[must_use]
    pub fn next_keys(&self, takeover_timelock: u16) -> AnchorKeys {
        anchor_keys(self.sequencer, self.next, takeover_timelock)
    }

    /// The head once this tip is spent: `tip` is the spender's output 0, which should have had the script
    /// `expected`, and `federation` the one in office.
    pub(super) fn spent(&self, tip: Tip, expected: &Script, federation: XOnlyPublicKey) -> Self {
        Self {
            lost: tip.txout.script_pubkey.as_script() != expected,
            tip,
            sequencer: self.sequencer,
            own: self.next,
            next: federation,
        }
    }
}

/// The keys of anchors of a sequencer under a federation.
#[must_use]
pub fn anchor_keys(
    sequencer: XOnlyPublicKey,
    federation: XOnlyPublicKey,
    takeover_timelock: u16,
) -> AnchorKeys {
    AnchorKeys {
        anchor: sequencer,
        federation,
        takeover_timelock,
    }
}

impl Encode for AnchorHead {
    fn encode_to(&self, out: &mut Vec<u8>) {
        for key in [&self.sequencer, &self.own, &self.next] {
            out.extend_from_slice(&key.serialize());
        }
        out.push(u8::from(self.lost));
        self.tip.encode_to(out);
    }
}

impl Decode for AnchorHead {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            sequencer: read_x_only(reader)?,
            own: read_x_only(reader)?,
            next: read_x_only(reader)?,
            lost: match reader.u8()? {
                0 => false,
                1 => true,
                _ => return Err(DecodeError::Unknown("lost anchor")),
            },
            tip: Tip::decode_from(reader)?,
        })
    }
}

/// An epoch that has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochRecord {
    /// The epoch.
    pub epoch: Epoch,
    /// Height of the rotation that began it; of the start for the first one.
    pub height: u32,
    /// The rotation; the transaction of the first vault output for the first one.
    pub txid: Txid,
    /// How the federation before announced it; nothing for the first one.
    pub announcement: Option<Announcement>,
}

impl Encode for EpochRecord {
    fn encode_to(&self, out: &mut Vec<u8>) {
        self.epoch.encode_to(out);
        out.extend_from_slice(&self.height.to_le_bytes());
        out.extend_from_slice(self.txid.as_byte_array());
        out.push(u8::from(self.announcement.is_some()));
        if let Some(announcement) = &self.announcement {
            announcement.encode_to(out);
        }
    }
}

impl Decode for EpochRecord {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            epoch: Epoch::decode_from(reader)?,
            height: reader.u32()?,
            txid: Txid::from_byte_array(reader.array()?),
            announcement: match reader.u8()? {
                0 => None,
                1 => Some(Announcement::decode_from(reader)?),
                _ => return Err(DecodeError::Unknown("announcement of an epoch")),
            },
        })
    }
}

/// An epoch that was announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// The announcement.
    pub announcement: Announcement,
    /// Height of its block.
    pub height: u32,
    /// The transaction that carries it.
    pub txid: Txid,
}

impl Encode for Announced {
    fn encode_to(&self, out: &mut Vec<u8>) {
        self.announcement.encode_to(out);
        out.extend_from_slice(&self.height.to_le_bytes());
        out.extend_from_slice(self.txid.as_byte_array());
    }
}

impl Decode for Announced {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            announcement: Announcement::decode_from(reader)?,
            height: reader.u32()?,
            txid: Txid::from_byte_array(reader.array()?),
        })
    }
}

/// Writes the first epoch and the first anchor.
pub(super) fn genesis(kv: &mut Overlay<'_>, genesis: &Genesis) {
    table::put_epoch(
        kv,
        &EpochRecord {
            epoch: genesis.epoch(),
            height: genesis.start_height,
            txid: genesis.vault.txid,
            announcement: None,
        },
    );
    let keys = genesis.anchor_keys();
    let head = first_head(keys, genesis.anchor);
    table::put_anchor_head(kv, &head);
}

/// A chain of anchors that begins at `outpoint`.
fn first_head(keys: AnchorKeys, outpoint: OutPoint) -> AnchorHead {
    let txout = TxOut {
        value: ANCHOR_AMOUNT,
        script_pubkey: keys.script_pubkey(),
    };
    AnchorHead {
        tip: Tip { outpoint, txout },
        sequencer: keys.anchor,
        own: keys.federation,
        next: keys.federation,
        lost: false,
    }
}

/// The epoch in office with how it began.
///
/// # Errors
/// [`KvError`] if the view fails or is damaged.
pub fn epoch_record(kv: &dyn KvRead) -> Result<EpochRecord, KvError> {
    let missing = || KvError::corrupt(b"Y", "the first epoch is missing");
    let last = table::epoch_count(kv)?.checked_sub(1).ok_or_else(missing)?;
    let mut found = table::epochs(kv, last, 1)?;
    found.pop().map(|(_, record)| record).ok_or_else(missing)
}

/// The epoch in office.
///
/// # Errors
/// [`KvError`] if the view fails or is damaged.
pub fn epoch(kv: &dyn KvRead) -> Result<Epoch, KvError> {
    epoch_record(kv).map(|record| record.epoch)
}

/// Records the announcements in a transaction that may follow the epoch in office.
pub(super) fn announce(
    kv: &mut Overlay<'_>,
    params: &ChainParams,
    height: u32,
    tx: &TxInput,
) -> Result<(), KvError> {
    for announcement in announcements(tx) {
        let hash = announcement.epoch.hash(params.chain_id());
        let known = table::announced(kv, &hash)?.is_some();
        let holds = !known && announcement.check(params.chain_id(), &epoch(kv)?).is_ok();
        if holds && !had_office(kv, &announcement.epoch)? {
            let txid = tx.txid();
            let announced = Announced {
                announcement,
                height,
                txid,
            };
            table::put_announced(kv, &hash, &announced);
        }
    }
    Ok(())
}

/// Whether an epoch had the same vault script: nobody who looks at an output could tell them apart.
fn had_office(kv: &dyn KvRead, epoch: &Epoch) -> Result<bool, KvError> {
    let script = epoch.keys.script_pubkey();
    let epochs = table::epochs(kv, 0, usize::MAX)?;
    Ok(epochs
        .iter()
        .any(|(_, record)| record.epoch.keys.script_pubkey() == script))
}

/// The announcement of this hash, if it may follow `current`. That it was signed by the federation of
/// `current` was checked when it was recorded: no other federation had office with that number before.
///
/// # Errors
/// [`KvError`] if the view fails or is damaged.
pub fn announced_next(
    kv: &dyn KvRead,
    current: &Epoch,
    hash: &EpochHash,
) -> Result<Option<Announced>, KvError> {
    let announced = table::announced(kv, hash)?;
    Ok(announced.filter(|found| Some(found.announcement.epoch.number) == current.number.checked_add(1)))
}

/// The announcements that may follow `current`, by the hash of their epoch.
///
/// # Errors
/// [`KvError`] if the view fails or is damaged.
pub fn announcements_after(kv: &dyn KvRead, current: &Epoch) -> Result<Vec<(EpochHash, Announced)>, KvError> {
    let mut found = table::all_announced(kv)?;
    found.retain(|(_, found)| Some(found.announcement.epoch.number) == current.number.checked_add(1));
    Ok(found)
}

/// Begins the epoch of this hash, whose vault output a valid rotation has just paid to.
pub(super) fn rotate(kv: &mut Overlay<'_>, hash: &EpochHash, place: &Place) -> Result<Handed, KvError> {
    let announced = table::announced(kv, hash)?
        .ok_or_else(|| KvError::corrupt(b"I", format!("the announcement of {hash} is missing")))?;
    let epoch = announced.announcement.epoch.clone();
    let number = epoch.number;
    table::put_epoch(
        kv,
        &EpochRecord {
            epoch,
            height: place.height,
            txid: place.txid,
            announcement: Some(announced.announcement),
        },
    );
    Ok(Handed::Vault(number))
}

/// Why the anchor chain may begin anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetReason {
    /// The tip is not under the script that the sequencer could go on from.
    Lost,
    /// No batch was applied since this height.
    Silent {
        /// Height of the last batch or reset, or of the start.
        since: u32,
    },
    /// This request should have been honoured long ago.
    Overdue(Position),
}

impl fmt::Display for ResetReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost => f.write_str("the anchor tip is not under its script any more"),
            Self::Silent { since } => write!(f, "no batch since block {since}"),
            Self::Overdue(position) => write!(f, "the forced request at {position} was never honoured"),
        }
    }
}

/// Why a reset of the anchor chain would count in a block of this height; `None` if it would be void.
///
/// # Errors
/// [`KvError`] if the view fails or is damaged.
pub fn reset_reason(kv: &dyn KvRead, rules: &Rules, height: u32) -> Result<Option<ResetReason>, KvError> {
    if super::require_head(kv)?.lost {
        return Ok(Some(ResetReason::Lost));
    }
    let genesis = rules.params().genesis();
    let passed = |since: u32| height.saturating_sub(since) >= u32::from(genesis.takeover_timelock);
    let since = active_since(kv, genesis)?;
    if passed(since) {
        return Ok(Some(ResetReason::Silent { since }));
    }
    // After a reset the next sequencer has the whole time as well.
    let reset = table::last_reset(kv)?.unwrap_or(genesis.start_height);
    let long = u32::from(genesis.takeover_timelock) + u32::from(genesis.forced_window);
    let (Some(until), Some(shape)) = (height.checked_sub(long), rules.largest_shape()) else {
        return Ok(None);
    };
    if !passed(reset) {
        return Ok(None);
    }
    // Those that cannot be honoured any more wait for nothing but to be dropped.
    let walk = due::walk(rules, kv, shape, Some(until), due::LOOK)?;
    let transfer = walk.honoured_transfers().map(|step| step.position).next();
    let claim = walk.honoured_claims().map(|step| step.position).next();
    Ok(transfer.or(claim).map(ResetReason::Overdue))
}

/// Height of the last batch or counted reset, or of the chain's start.
///
/// # Errors
/// [`KvError`] if the view fails or is damaged.
pub fn active_since(kv: &dyn KvRead, genesis: &Genesis) -> Result<u32, KvError> {
    let last = table::batch(kv, ledger::tip(kv)?.batch)?;
    let batch = last.map_or(genesis.start_height, |record| record.place.height);
    Ok(table::last_reset(kv)?.map_or(batch, |reset| reset.max(batch)))
}

/// Begins the anchor chain anew, for another sequencer, if that counts.
pub(super) fn reset(
    kv: &mut Overlay<'_>,
    rules: &Rules,
    sequencer: XOnlyPublicKey,
    place: &Place,
) -> Result<Handed, KvError> {
    if reset_reason(kv, rules, place.height)?.is_none() {
        return Ok(Handed::Void);
    }
    let federation = epoch(kv)?.keys.federation;
    let keys = anchor_keys(sequencer, federation, rules.params().genesis().takeover_timelock);
    let outpoint = OutPoint {
        txid: place.txid,
        vout: FIRST_ANCHOR,
    };
    table::put_anchor_head(kv, &first_head(keys, outpoint));
    table::put_last_reset(kv, place.height);
    let record = AnchorRecord {
        place: place.clone(),
        verdict: Verdict::Reset(sequencer),
    };
    table::append_anchor(kv, &record)?;
    Ok(Handed::Anchor)
}

/// Whether a swept deposit was made on these terms: `inner` and refund key. It was made to the federation
/// that swept it or to the one before.
///
/// # Errors
/// [`KvError`] if the view fails or is damaged.
pub fn deposit_matches(
    kv: &dyn KvRead,
    params: &ChainParams,
    swept: &Swept,
    (inner, refund): (F, XOnlyPublicKey),
) -> Result<bool, KvError> {
    for number in swept.epoch.saturating_sub(1)..=swept.epoch {
        let record = table::epoch(kv, number)?
            .ok_or_else(|| KvError::corrupt(b"Y", format!("epoch {number} is missing")))?;
        let terms = params
            .genesis()
            .deposit_terms(record.epoch.keys.federation, inner, refund);
        if terms.script_pubkey() == swept.script {
            return Ok(true);
        }
    }
    Ok(false)
}
