//! The indexed nullifier tree: a sorted linked list of all nullifiers, laid over Merkle leaves.
//!
//! A leaf is `H[imt](value, next)`: no nullifier lies strictly between `value` and `next`. To insert
//! `nf`, its *low leaf* (`value < nf < next`) becomes `(value, nf)` and a new leaf `(nf, next)` takes
//! the place that its slot has in the batch's subtree. A batch inserts in descending order, so no
//! low leaf is ever one of the batch's own: all of them are in place before the subtree is added.
//! The genesis leaf `(0, 2^160)` stands in subtree 0, which no batch uses.

use crate::encoding::{Decode, DecodeError, Encode, Reader};
use crate::field::{self, F};
use crate::hash::{Tag, hash};
use crate::kv::{KvError, KvRead, Overlay};
use crate::note::Nullifier;
use crate::tree::{MerklePath, NULLIFIERS};

const PREFIX: u8 = b'l';

/// A leaf: a nullifier (or zero) and the next greater one (or 2^160).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImtLeaf {
    /// Position in the tree.
    pub index: u64,
    /// The value; zero in the genesis leaf.
    pub value: Nullifier,
    /// The next greater value; `None` stands for 2^160.
    pub next: Option<Nullifier>,
}

impl ImtLeaf {
    /// The genesis leaf.
    pub const GENESIS: Self = Self {
        index: 0,
        value: Nullifier::ZERO,
        next: None,
    };

    /// `next` as a field element.
    #[must_use]
    pub fn next_field(&self) -> F {
        self.next.map_or_else(|| field::pow2(160), |nf| nf.to_field())
    }

    /// `H[imt](value, next)`.
    #[must_use]
    pub fn hash(&self) -> F {
        hash(Tag::Imt, &[self.value.to_field(), self.next_field()])
    }
}

impl Encode for ImtLeaf {
    fn encode_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.index.to_le_bytes());
        out.extend_from_slice(self.value.as_bytes());
        if let Some(next) = &self.next {
            out.extend_from_slice(next.as_bytes());
        }
    }
}

impl Decode for ImtLeaf {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let index = reader.u64()?;
        let value = Nullifier::new(reader.array()?);
        let next = if reader.remaining() == 0 {
            None
        } else {
            Some(Nullifier::new(reader.array()?))
        };
        Ok(Self { index, value, next })
    }
}

/// What a circuit needs to insert one nullifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Insertion {
    /// The nullifier.
    pub nf: Nullifier,
    /// Its low leaf before the insertion.
    pub low: ImtLeaf,
    /// The low leaf's path at that moment.
    pub path: MerklePath,
}

/// What a batch inserts: the insertions in descending order, the new leaves by slot.
pub type Inserted = (Vec<Insertion>, Vec<Option<ImtLeaf>>);

fn key(nf: &Nullifier) -> Vec<u8> {
    let mut key = vec![PREFIX];
    key.extend(nf.as_bytes().iter().rev());
    key
}

/// Writes the genesis leaf.
///
/// # Errors
/// [`KvError`] if the view fails.
pub fn write_genesis(kv: &mut Overlay<'_>) -> Result<(), KvError> {
    let leaf = ImtLeaf::GENESIS;
    kv.put(key(&leaf.value), leaf.encode());
    NULLIFIERS.set(kv, leaf.index, leaf.hash())
}

/// Whether `nf` has been spent.
///
/// # Errors
/// [`KvError`] if the view fails.
pub fn contains(kv: &dyn KvRead, nf: &Nullifier) -> Result<bool, KvError> {
    Ok(!nf.is_zero() && kv.get(&key(nf))?.is_some())
}

fn low_leaf(kv: &dyn KvRead, nf: &Nullifier) -> Result<ImtLeaf, KvError> {
    let (key, bytes) = kv
        .last_in(&key(&Nullifier::ZERO), &key(nf))?
        .ok_or_else(|| KvError::corrupt(&[PREFIX], "the genesis nullifier leaf is missing"))?;
    ImtLeaf::decode(&bytes).map_err(|e| KvError::corrupt(&key, e))
}

/// Inserts a batch's nullifiers: `slots[j]` goes to leaf `j` of subtree `batch`.
///
/// Returns the insertions in descending order of the nullifiers, and the new leaves by slot. With
/// `with_paths` false the insertions carry empty paths, which is all a verifier needs.
///
/// # Errors
/// The outer error is the view's; the inner is the nullifier that is already spent or repeated.
pub fn insert_batch(
    kv: &mut Overlay<'_>,
    batch: u32,
    slots: &[Option<Nullifier>],
    with_paths: bool,
) -> Result<Result<Inserted, Nullifier>, KvError> {
    let first = u64::from(batch) << (2 * super::LEAF_DEPTH);
    let mut order: Vec<(Nullifier, usize)> = slots
        .iter()
        .enumerate()
        .filter_map(|(j, nf)| Some(((*nf)?, j)))
        .collect();
    order.sort_by(|a, b| b.cmp(a));
    let mut insertions = Vec::with_capacity(order.len());
    let mut leaves: Vec<Option<ImtLeaf>> = vec![None; slots.len()];
    for (nf, j) in order {
        let low = low_leaf(kv, &nf)?;
        if nf.is_zero() || low.value == nf || low.next == Some(nf) {
            return Ok(Err(nf));
        }
        let path = if with_paths {
            NULLIFIERS.path(kv, low.index)?
        } else {
            MerklePath { siblings: Vec::new() }
        };
        let lowered = ImtLeaf {
            next: Some(nf),
            ..low
        };
        kv.put(key(&low.value), lowered.encode());
        NULLIFIERS.set(kv, low.index, lowered.hash())?;
        leaves[j] = Some(ImtLeaf {
            index: first + j as u64,
            value: nf,
            next: low.next,
        });
        insertions.push(Insertion { nf, low, path });
    }
    for leaf in leaves.iter().flatten() {
        kv.put(key(&leaf.value), leaf.encode());
    }
    let hashes: Vec<F> = leaves
        .iter()
        .map(|l| l.map_or(F::from(0u64), |l| l.hash()))
        .collect();
    NULLIFIERS.set_subtree(kv, batch, &hashes)?;
    Ok(Ok((insertions, leaves)))
}
