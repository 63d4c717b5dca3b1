//! What a store says about itself: the version of its layout, and the chain it follows.
//!
//! There is no migration: the state can always be derived again from Bitcoin, so a store of another
//! layout is refused by name. Both entries are written together with the first data, so no crash
//! leaves a store half made.

use tacit_protocol::encoding::{Encode, Reader};
use tacit_protocol::kv::{Delta, KvError, KvRead, get_decoded};
use tacit_protocol::params::ChainId;

use super::{Store, StoreError};
use crate::table;

/// Version of the layout that this program reads and writes.
pub const VERSION: u32 = 2;

/// Checks the version of an existing store; an empty one has none yet.
///
/// # Errors
/// [`StoreError::Newer`], [`StoreError::Older`], [`StoreError::Foreign`], or the store's.
pub fn check(kv: &dyn KvRead) -> Result<(), StoreError> {
    match version(kv)? {
        Some(VERSION) => Ok(()),
        Some(found) if found > VERSION => Err(StoreError::Newer {
            found,
            known: VERSION,
        }),
        Some(found) => Err(StoreError::Older {
            found,
            known: VERSION,
        }),
        None if kv.range(&[], &[0xff], 1)?.is_empty() => Ok(()),
        None => Err(StoreError::Foreign),
    }
}

fn version(kv: &dyn KvRead) -> Result<Option<u32>, KvError> {
    let Some(bytes) = kv.get(table::SCHEMA)? else {
        return Ok(None);
    };
    let mut reader = Reader::new(&bytes);
    let version = reader.u32().and_then(|v| reader.finish().map(|()| v));
    version.map(Some).map_err(|e| KvError::corrupt(table::SCHEMA, e))
}

/// The chain that the store follows.
///
/// # Errors
/// [`KvError`] if the store fails or is damaged.
pub fn chain(kv: &dyn KvRead) -> Result<Option<ChainId>, KvError> {
    get_decoded::<ChainId>(kv, table::CHAIN)
}

/// Checks that the store follows `expected`. An empty store gets its version and chain together with
/// the `first` data, in one commit; a store that has them is left as it is.
///
/// # Errors
/// As [`check`], [`StoreError::OtherChain`], or the store's.
pub fn initialise(store: &dyn Store, expected: ChainId, first: &Delta) -> Result<(), StoreError> {
    check(store)?;
    match chain(store)? {
        Some(found) if found == expected => return Ok(()),
        Some(found) => return Err(StoreError::OtherChain { found, expected }),
        None => {}
    }
    let mut delta = first.clone();
    delta.insert(table::SCHEMA.to_vec(), Some(VERSION.to_le_bytes().to_vec()));
    delta.insert(table::CHAIN.to_vec(), Some(expected.encode()));
    store.commit(&delta)?;
    Ok(())
}
