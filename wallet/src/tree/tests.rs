//! Tests of the upper levels against the ledger's own tree.

use super::*;
use tacit_protocol::kv::{MemoryKv, Overlay};
use tacit_protocol::tree::NOTES;

fn roots(n: u64) -> Vec<F> {
    (0..n)
        .map(|i| {
            if i == 0 {
                empty_root(LEAF_DEPTH)
            } else {
                F::from(1_000 + i)
            }
        })
        .collect()
}

#[test]
fn every_root_and_path_is_the_ledgers() {
    let (roots, base) = (roots(23), MemoryKv::default());
    let mut kv = Overlay::new(&base);
    let (tree, mut grown) = (RootTree::new(&roots), RootTree::new(&[]));
    for (anchor, root) in (0u32..).zip(&roots) {
        NOTES.set(&mut kv, u64::from(anchor), *root).unwrap();
        grown.push(*root);
        assert_eq!(grown.root(), NOTES.root(&kv).unwrap());
        for batch in [0, anchor / 2, anchor] {
            let (at, path) = (tree.root_at(anchor), tree.path(batch, anchor));
            assert_eq!(at, grown.root());
            assert_eq!(path, NOTES.path(&kv, u64::from(batch)).unwrap());
            assert_eq!(path.root(roots[batch as usize], u64::from(batch)), at);
        }
    }
}

#[test]
fn a_truncated_tree_is_the_shorter_tree() {
    let roots = roots(70);
    for n in [0, 1, 3, 4, 5, 16, 17, 64, 65, 70] {
        let mut tree = RootTree::new(&roots);
        tree.truncate(n);
        assert_eq!(tree.len(), n);
        assert_eq!(tree.root(), RootTree::new(&roots[..n]).root());
        tree.push(F::from(5u64));
        let mut longer = roots[..n].to_vec();
        longer.push(F::from(5u64));
        assert_eq!(tree.root(), RootTree::new(&longer).root());
    }
}
