//! The root of a batch's own subtree of 1,024 leaves: twin of `tacit_protocol::tree::subtree_root`.

use tacit_protocol::tree::{LEAF_DEPTH, empty_root};

use crate::hash::node;
use crate::r1cs::{Cs, Num};

/// The root of an empty subtree.
pub(super) fn empty() -> Num {
    Num::constant(empty_root(LEAF_DEPTH))
}

/// The root over `leaves`, all others empty constants; about 88 constraints per leaf.
pub(super) fn root(cs: &mut Cs, leaves: Vec<Num>) -> Num {
    let top = (0..LEAF_DEPTH).fold(leaves, |nodes, level| parents(cs, &nodes, level));
    let [root] = top.try_into().expect("at most 1,024 leaves, and at least one");
    root
}

fn parents(cs: &mut Cs, nodes: &[Num], level: usize) -> Vec<Num> {
    let empty = Num::constant(empty_root(level));
    nodes
        .chunks(4)
        .map(|chunk| {
            let children = std::array::from_fn(|i| chunk.get(i).unwrap_or(&empty).clone());
            node(cs, &children)
        })
        .collect()
}
