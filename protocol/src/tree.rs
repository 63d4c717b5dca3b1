//! The quaternary Merkle trees: notes, nullifiers, history.
//!
//! All three have fixed depth. The notes and nullifier trees have 17 levels: 12 choose the batch,
//! 5 the leaf inside the batch's own subtree of 1,024 leaves. The history has 12 levels, one leaf
//! per batch. An empty leaf is 0, which no hash output equals; a leaf that is not empty is always a
//! tagged hash, so no inner node can pass for a leaf.
//!
//! ```text
//!   level 17            root
//!   levels 5..17        4-ary, child chosen by two bits of the batch number
//!   level 5             root of batch b's subtree
//!   levels 0..5         4-ary, child chosen by two bits of the leaf number
//!   level 0             leaf b·1024 + j
//! ```
//! Nodes live in a key–value view under `(tree, level, index)`; absent nodes are empty subtrees.
//! Specification: `docs/spec/state.md`.

use std::sync::OnceLock;

use ark_ff::AdditiveGroup;

use crate::encoding::Reader;
use crate::field::{self, F};
use crate::hash::node;
use crate::kv::{KvError, KvRead, Overlay};

pub mod nullifiers;

/// Levels below a batch's subtree root.
pub const LEAF_DEPTH: usize = 5;
/// Levels above a batch's subtree root.
pub const BATCH_DEPTH: usize = 12;
/// Levels of the notes and nullifier trees.
pub const NOTE_DEPTH: usize = LEAF_DEPTH + BATCH_DEPTH;
/// Leaves of one batch's subtree.
pub const SUBTREE_LEAVES: usize = 1 << (2 * LEAF_DEPTH);
/// The first batch number that does not exist.
pub const BATCH_LIMIT: u32 = 1 << (2 * BATCH_DEPTH);

/// The root of an empty subtree with `level` levels.
///
/// # Panics
/// If `level` is above [`NOTE_DEPTH`].
#[must_use]
pub fn empty_root(level: usize) -> F {
    static TABLE: OnceLock<[F; NOTE_DEPTH + 1]> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut table = [F::ZERO; NOTE_DEPTH + 1];
        for level in 0..NOTE_DEPTH {
            table[level + 1] = node(&[table[level]; 4]);
        }
        table
    })[level]
}

/// The three siblings at each level, from the leaf up, in child order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MerklePath {
    /// One entry per level.
    pub siblings: Vec<[F; 3]>,
}

impl MerklePath {
    /// A path of zeros, for statements that skip membership.
    #[must_use]
    pub fn zero(depth: usize) -> Self {
        Self {
            siblings: vec![[F::ZERO; 3]; depth],
        }
    }

    /// The root reached from `leaf` at `index`.
    #[must_use]
    pub fn root(&self, leaf: F, index: u64) -> F {
        self.siblings
            .iter()
            .enumerate()
            .fold(leaf, |current, (level, siblings)| {
                node(&place(current, siblings, child_number(index, level)))
            })
    }

    /// The path through this one and then `above`.
    #[must_use]
    pub fn join(mut self, above: &Self) -> Self {
        self.siblings.extend_from_slice(&above.siblings);
        self
    }
}

/// The two bits of `index` that choose the child at `level`.
///
/// # Panics
/// Never: two bits fit.
#[must_use]
pub fn child_number(index: u64, level: usize) -> usize {
    usize::try_from((index >> (2 * level)) & 3).expect("two bits")
}

/// The four children when `current` stands at `child` among its siblings.
///
/// # Panics
/// If `child` is above 3.
#[must_use]
pub fn place(current: F, siblings: &[F; 3], child: usize) -> [F; 4] {
    let mut others = siblings.iter();
    std::array::from_fn(|i| {
        if i == child {
            current
        } else {
            *others.next().expect("three siblings")
        }
    })
}

fn without(children: &[F; 4], child: usize) -> [F; 3] {
    let mut others = (0..4).filter(|i| *i != child).map(|i| children[i]);
    std::array::from_fn(|_| others.next().expect("three siblings"))
}

/// A tree over a key–value view.
#[derive(Clone, Copy, Debug)]
pub struct Tree {
    prefix: u8,
    /// Level of the tree's own leaves in the table of empty roots.
    base: usize,
    depth: usize,
}

/// The notes tree down to the roots of the batches' subtrees.
pub const NOTES: Tree = Tree {
    prefix: b'n',
    base: LEAF_DEPTH,
    depth: BATCH_DEPTH,
};
/// The whole nullifier tree.
pub const NULLIFIERS: Tree = Tree {
    prefix: b'u',
    base: 0,
    depth: NOTE_DEPTH,
};
/// The history tree.
pub const HISTORY: Tree = Tree {
    prefix: b'h',
    base: 0,
    depth: BATCH_DEPTH,
};

impl Tree {
    fn key(self, level: usize, index: u64) -> Vec<u8> {
        let mut key = vec![self.prefix, u8::try_from(level).expect("few levels")];
        key.extend_from_slice(&index.to_be_bytes());
        key
    }

    /// The node at `level` (0 = this tree's leaves) and `index`.
    ///
    /// # Errors
    /// [`KvError`] if the view fails or holds damaged bytes.
    pub fn node(self, kv: &dyn KvRead, level: usize, index: u64) -> Result<F, KvError> {
        let key = self.key(level, index);
        let Some(bytes) = kv.get(&key)? else {
            return Ok(empty_root(self.base + level));
        };
        let mut reader = Reader::new(&bytes);
        let value = reader.field().and_then(|x| reader.finish().map(|()| x));
        value.map_err(|e| KvError::corrupt(&key, e))
    }

    /// The root.
    ///
    /// # Errors
    /// As [`Tree::node`].
    pub fn root(self, kv: &dyn KvRead) -> Result<F, KvError> {
        self.node(kv, self.depth, 0)
    }

    /// Nodes `0..count` of a level.
    ///
    /// # Errors
    /// As [`Tree::node`].
    pub fn level(self, kv: &dyn KvRead, level: usize, count: u64) -> Result<Vec<F>, KvError> {
        (0..count).map(|index| self.node(kv, level, index)).collect()
    }

    /// The path from leaf `index` up `levels` levels (all of them: `depth`).
    ///
    /// # Errors
    /// As [`Tree::node`].
    pub fn path_to(self, kv: &dyn KvRead, index: u64, levels: usize) -> Result<MerklePath, KvError> {
        let siblings = (0..levels)
            .map(|level| {
                let children = self.children(kv, level, index >> (2 * level))?;
                Ok(without(&children, child_number(index, level)))
            })
            .collect::<Result<_, KvError>>()?;
        Ok(MerklePath { siblings })
    }

    /// The path from leaf `index` to the root.
    ///
    /// # Errors
    /// As [`Tree::node`].
    pub fn path(self, kv: &dyn KvRead, index: u64) -> Result<MerklePath, KvError> {
        self.path_to(kv, index, self.depth)
    }

    /// The four nodes at `level` that share the parent of `index`.
    fn children(self, kv: &dyn KvRead, level: usize, index: u64) -> Result<[F; 4], KvError> {
        let first = index & !3;
        let mut children = [F::ZERO; 4];
        for (i, child) in (first..).zip(children.iter_mut()) {
            *child = self.node(kv, level, i)?;
        }
        Ok(children)
    }

    /// Sets leaf `index` and every node above it.
    ///
    /// # Errors
    /// As [`Tree::node`].
    pub fn set(self, kv: &mut Overlay<'_>, index: u64, leaf: F) -> Result<(), KvError> {
        let mut current = leaf;
        for level in 0..=self.depth {
            let at = index >> (2 * level);
            kv.put(self.key(level, at), field::to_bytes(&current).to_vec());
            if level < self.depth {
                let children = self.children(kv, level, at)?;
                current = node(&children);
            }
        }
        Ok(())
    }

    /// Sets many leaves of one subtree of [`SUBTREE_LEAVES`] and every node above them once.
    ///
    /// # Errors
    /// As [`Tree::node`].
    pub fn set_subtree(self, kv: &mut Overlay<'_>, batch: u32, leaves: &[F]) -> Result<(), KvError> {
        let first = u64::from(batch) << (2 * LEAF_DEPTH);
        let mut nodes = leaves.to_vec();
        for level in 0..LEAF_DEPTH {
            let start = first >> (2 * level);
            for (index, value) in (start..).zip(&nodes) {
                if *value != empty_root(level) {
                    kv.put(self.key(level, index), field::to_bytes(value).to_vec());
                }
            }
            nodes = parents(&nodes, level);
        }
        let root = nodes.first().copied().unwrap_or_else(|| empty_root(LEAF_DEPTH));
        let mut current = root;
        for level in 0..=self.depth - LEAF_DEPTH {
            let at = u64::from(batch) >> (2 * level);
            kv.put(
                self.key(LEAF_DEPTH + level, at),
                field::to_bytes(&current).to_vec(),
            );
            if level < self.depth - LEAF_DEPTH {
                current = node(&self.children(kv, LEAF_DEPTH + level, at)?);
            }
        }
        Ok(())
    }
}

/// The parents of consecutive nodes at `level`, the first of which is a first child.
fn parents(nodes: &[F], level: usize) -> Vec<F> {
    nodes
        .chunks(4)
        .map(|chunk| {
            let mut children = [empty_root(level); 4];
            children[..chunk.len()].copy_from_slice(chunk);
            node(&children)
        })
        .collect()
}

/// All levels of a batch's subtree, leaves first, each without its empty tail.
#[must_use]
pub fn subtree(leaves: &[F]) -> Vec<Vec<F>> {
    let mut levels = vec![leaves.to_vec()];
    for level in 0..LEAF_DEPTH {
        levels.push(parents(&levels[level], level));
    }
    levels
}

/// The root of a batch's subtree with these leaves, the rest empty.
#[must_use]
pub fn subtree_root(leaves: &[F]) -> F {
    let levels = subtree(leaves);
    levels[LEAF_DEPTH]
        .first()
        .copied()
        .unwrap_or_else(|| empty_root(LEAF_DEPTH))
}

/// The path from leaf `j` to the root of a batch's subtree.
#[must_use]
pub fn subtree_path(leaves: &[F], j: usize) -> MerklePath {
    let levels = subtree(leaves);
    let siblings = (0..LEAF_DEPTH)
        .map(|level| {
            let at = j >> (2 * level);
            let children = std::array::from_fn(|i| {
                levels[level]
                    .get((at & !3) + i)
                    .copied()
                    .unwrap_or_else(|| empty_root(level))
            });
            without(&children, at & 3)
        })
        .collect();
    MerklePath { siblings }
}

#[cfg(test)]
mod tests;
