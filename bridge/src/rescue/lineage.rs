//! How a rescue says whose vault it moves: the announcements since the first epoch, in the PSBT itself.
//!
//! Who signs is offline and has `chain.json`. The announcements lead from its epoch to that of the vault, each
//! signed by the federation before it, so that nobody can slip in a vault of other keys.
//! Specification: `docs/spec/bitcoin.md`.

use std::collections::BTreeMap;

use bitcoin::OutPoint;
use bitcoin::psbt::Psbt;
use bitcoin::psbt::raw::ProprietaryKey;
use tacit_protocol::encoding::{Decode, Encode};
use tacit_protocol::peg::{Announcement, Lineage};

use super::RescueError;
use crate::client::BitcoinClient;

/// Prefix and subtype of the PSBT's own fields; the key is the epoch's number, the value the announcement.
const PREFIX: &[u8] = b"tacit";
const ANNOUNCEMENT: u8 = 0;

fn is_own(key: &ProprietaryKey) -> bool {
    key.prefix == PREFIX
}

/// Writes the announcements in the place of those that are there.
pub(super) fn put(psbt: &mut Psbt, lineage: &Lineage) {
    psbt.proprietary.retain(|key, _| !is_own(key));
    for announcement in lineage.announcements() {
        let key = ProprietaryKey {
            prefix: PREFIX.to_vec(),
            subtype: ANNOUNCEMENT,
            key: announcement.epoch.number.to_le_bytes().to_vec(),
        };
        psbt.proprietary.insert(key, announcement.encode());
    }
}

/// The epochs that a PSBT leads through from the first one; `known` if it has none, as where a tool dropped them.
///
/// # Errors
/// [`RescueError::Layout`], [`RescueError::Announcement`].
pub(super) fn read(psbt: &Psbt, known: &Lineage) -> Result<Lineage, RescueError> {
    let mut announced = BTreeMap::new();
    for (key, value) in psbt.proprietary.iter().filter(|(key, _)| is_own(key)) {
        let stated = <[u8; 4]>::try_from(&key.key[..]).map(u32::from_le_bytes);
        let announcement = Announcement::decode(value);
        let (Ok(stated), Ok(announcement), ANNOUNCEMENT) = (stated, announcement, key.subtype) else {
            return Err(RescueError::Layout("has an announcement that is none"));
        };
        if stated != announcement.epoch.number {
            return Err(RescueError::Layout("gives an announcement another number"));
        }
        announced.insert(stated, announcement);
    }
    if announced.is_empty() {
        return Ok(known.clone());
    }
    let mut lineage = known.origin();
    for (number, announcement) in announced {
        let followed = lineage.follow(announcement);
        followed.map_err(|rule| RescueError::Announcement { number, rule })?;
    }
    Ok(lineage)
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
