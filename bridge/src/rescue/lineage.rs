//! How a rescue says whose vault it moves: the announcements since the first epoch, in the PSBT itself.
//!
//! Who signs is offline and has `chain.json`. The announcements lead from its epoch to that of the vault, each
//! signed by the federation before it, so that nobody can slip in a vault of other keys. One more may say to which
//! epoch the vault goes.
//! Specification: `docs/spec/bitcoin.md`.

use std::collections::BTreeMap;

use bitcoin::OutPoint;
use bitcoin::psbt::Psbt;
use bitcoin::psbt::raw::ProprietaryKey;
use tacit_protocol::encoding::{Decode, Encode};
use tacit_protocol::peg::epoch::announcements;
use tacit_protocol::peg::{Announcement, Lineage};

use super::RescueError;
use crate::client::{BitcoinClient, ClientError};

/// Prefix and subtype of the PSBT's own fields; the key is the epoch's number, the value the announcement.
const PREFIX: &[u8] = b"tacit";
const ANNOUNCEMENT: u8 = 0;
/// The same for the epoch that the vault is handed over to.
const NEXT: u8 = 1;

fn is_own(key: &ProprietaryKey) -> bool {
    key.prefix == PREFIX
}

/// Writes the announcements in the place of those that are there.
pub(super) fn put(psbt: &mut Psbt, lineage: &Lineage, next: Option<&Announcement>) {
    psbt.proprietary.retain(|key, _| !is_own(key));
    let past = lineage
        .announcements()
        .iter()
        .map(|announcement| (ANNOUNCEMENT, announcement));
    for (subtype, announcement) in past.chain(next.map(|next| (NEXT, next))) {
        let key = ProprietaryKey {
            prefix: PREFIX.to_vec(),
            subtype,
            key: announcement.epoch.number.to_le_bytes().to_vec(),
        };
        psbt.proprietary.insert(key, announcement.encode());
    }
}

/// The epochs that a PSBT leads through from the first one, and the one that follows, if it says one. What is
/// known, if it says nothing, as where a tool dropped that.
///
/// # Errors
/// [`RescueError::Layout`], [`RescueError::Announcement`].
pub(super) fn read(
    psbt: &Psbt,
    (known, follows): (&Lineage, Option<&Announcement>),
) -> Result<(Lineage, Option<Announcement>), RescueError> {
    if !psbt.proprietary.keys().any(is_own) {
        return Ok((known.clone(), follows.cloned()));
    }
    let (mut announced, mut next) = (BTreeMap::new(), None);
    for (key, value) in psbt.proprietary.iter().filter(|(key, _)| is_own(key)) {
        let stated = <[u8; 4]>::try_from(&key.key[..]).map(u32::from_le_bytes);
        let announcement = Announcement::decode(value);
        let (Ok(stated), Ok(announcement)) = (stated, announcement) else {
            return Err(RescueError::Layout("has an announcement that is none"));
        };
        if stated != announcement.epoch.number {
            return Err(RescueError::Layout("gives an announcement another number"));
        }
        match key.subtype {
            ANNOUNCEMENT => {
                announced.insert(stated, announcement);
            }
            NEXT if next.is_none() => next = Some(announcement),
            NEXT => return Err(RescueError::Layout("names more than one epoch to hand over to")),
            _ => return Err(RescueError::Layout("has an announcement that is none")),
        }
    }
    let mut lineage = known.origin();
    let follow = |lineage: &mut Lineage, announcement: &Announcement| {
        let number = announcement.epoch.number;
        let followed = lineage.follow(announcement.clone());
        followed.map_err(|rule| RescueError::Announcement { number, rule })
    };
    for announcement in announced.values() {
        follow(&mut lineage, announcement)?;
    }
    if let Some(next) = &next {
        follow(&mut lineage.clone(), next)?;
    }
    Ok((lineage, next))
}

/// Whether this announcement stands in the block of this height, as a Bitcoin node has it now.
///
/// # Errors
/// [`ClientError`].
pub fn is_announced(
    client: &dyn BitcoinClient,
    height: u32,
    announcement: &Announcement,
) -> Result<bool, ClientError> {
    let Some(hash) = client.block_hash(height)? else {
        return Ok(false);
    };
    let block = client.block(&hash)?;
    // What a coinbase carries counts for nobody.
    let mut found = block.txs.iter().skip(1).flat_map(announcements);
    Ok(found.any(|found| found.epoch == announcement.epoch))
}

/// Up to the epoch whose vault this output is, as a Bitcoin node has it.
///
/// # Errors
/// [`RescueError::Moved`], [`RescueError::NoEpoch`], [`RescueError::Client`].
pub fn lineage_of(
    lineage: Lineage,
    vault: OutPoint,
    client: &dyn BitcoinClient,
) -> Result<Lineage, RescueError> {
    let found = client.unspent(&vault, false)?.ok_or(RescueError::Moved(vault))?;
    let lineage = lineage.up_to(&found.txout.script_pubkey);
    lineage.ok_or(RescueError::NoEpoch(vault))
}
