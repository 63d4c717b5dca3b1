//! The upper twelve levels of the notes tree: one root per batch, and paths to any anchor.
//!
//! A wallet keeps the root of every batch's subtree. From them it computes the notes root after any
//! batch, which it compares with what the node says, and the path from a batch's subtree to it.
//! Specification: `docs/spec/wallet.md`.

use tacit_protocol::F;
use tacit_protocol::hash::node;
use tacit_protocol::tree::{BATCH_DEPTH, LEAF_DEPTH, MerklePath, child_number, empty_root};

/// Roots of consecutive batches' subtrees, from batch 0 on, and the nodes above them.
#[derive(Clone, Debug, Default)]
pub struct RootTree {
    /// `levels[0]` are the subtree roots; each level holds a quarter of the one below, rounded up.
    levels: Vec<Vec<F>>,
}

impl RootTree {
    /// The tree over these roots.
    #[must_use]
    pub fn new(roots: &[F]) -> Self {
        let mut tree = Self {
            levels: vec![Vec::new(); BATCH_DEPTH + 1],
        };
        for root in roots {
            tree.push(*root);
        }
        tree
    }

    /// Number of batches.
    #[must_use]
    pub fn len(&self) -> usize {
        self.levels.first().map_or(0, Vec::len)
    }

    /// Whether there is no batch.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds the subtree root of the next batch.
    pub fn push(&mut self, root: F) {
        self.levels[0].push(root);
        self.refresh_edge();
    }

    /// Keeps the first `n` batches.
    pub fn truncate(&mut self, n: usize) {
        let mut keep = n;
        for level in &mut self.levels {
            level.truncate(keep);
            keep = keep.div_ceil(4);
        }
        self.refresh_edge();
    }

    /// Recomputes the nodes above the last batch.
    fn refresh_edge(&mut self) {
        let mut count = self.len();
        for level in 0..BATCH_DEPTH {
            let parents = count.div_ceil(4);
            if parents > 0 {
                let last = node(&self.children(level, 4 * (parents - 1)));
                let above = &mut self.levels[level + 1];
                above.truncate(parents - 1);
                above.push(last);
            }
            count = parents;
        }
    }

    fn at(&self, level: usize, index: usize) -> F {
        self.levels[level]
            .get(index)
            .copied()
            .unwrap_or_else(|| empty_root(LEAF_DEPTH + level))
    }

    fn children(&self, level: usize, first: usize) -> [F; 4] {
        std::array::from_fn(|i| self.at(level, first + i))
    }

    /// The notes root after the last batch.
    #[must_use]
    pub fn root(&self) -> F {
        self.at(BATCH_DEPTH, 0)
    }

    /// The tree as it was after batch `anchor`.
    fn at_anchor(&self, anchor: u32) -> Self {
        assert!((anchor as usize) < self.len(), "the anchor is a known batch");
        let mut then = self.clone();
        then.truncate(anchor as usize + 1);
        then
    }

    /// The notes root after batch `anchor`.
    ///
    /// # Panics
    /// If `anchor` is not among the batches.
    #[must_use]
    pub fn root_at(&self, anchor: u32) -> F {
        self.at_anchor(anchor).root()
    }

    /// The path from the subtree of `batch` to the notes root after batch `anchor`.
    ///
    /// # Panics
    /// If `batch` is above `anchor`, or `anchor` is not among the batches.
    #[must_use]
    pub fn path(&self, batch: u32, anchor: u32) -> MerklePath {
        assert!(batch <= anchor, "an anchor contains only the batches before it");
        let then = self.at_anchor(anchor);
        let siblings = (0..BATCH_DEPTH).map(|level| {
            let at = (batch >> (2 * level)) as usize;
            let children = then.children(level, at & !3);
            let child = child_number(u64::from(batch), level);
            let mut others = (0..4).filter(|i| *i != child).map(|i| children[i]);
            std::array::from_fn(|_| others.next().expect("three siblings"))
        });
        MerklePath {
            siblings: siblings.collect(),
        }
    }
}

#[cfg(test)]
mod tests;
