//! Trees agree with a plain recomputation; the nullifier list stays sorted and unique.

use super::*;
use crate::hash::{Tag, hash};
use crate::kv::MemoryKv;
use crate::note::Nullifier;

fn leaf(i: u64) -> F {
    hash(Tag::Note, &[F::from(i), F::from(i + 1)])
}

fn nullifier(i: u8) -> Nullifier {
    let mut bytes = [0; 20];
    bytes[0] = i;
    bytes[19] = i.wrapping_mul(37);
    Nullifier::new(bytes)
}

#[test]
fn path_of_every_set_leaf_reaches_the_root() {
    let base = MemoryKv::default();
    let mut kv = Overlay::new(&base);
    for i in [0, 1, 5, 300, (1 << 24) - 1] {
        HISTORY.set(&mut kv, i, leaf(i)).expect("memory");
    }
    let root = HISTORY.root(&kv).expect("memory");
    for i in [0, 1, 5, 300, (1 << 24) - 1] {
        assert_eq!(HISTORY.path(&kv, i).expect("memory").root(leaf(i), i), root);
    }
    assert_ne!(HISTORY.path(&kv, 5).expect("memory").root(leaf(6), 5), root);
}

#[test]
fn subtree_and_batch_levels_join_into_one_path() {
    let leaves: Vec<F> = (0..45).map(leaf).collect();
    let base = MemoryKv::default();
    let mut kv = Overlay::new(&base);
    NOTES.set(&mut kv, 7, subtree_root(&leaves)).expect("memory");
    let above = NOTES.path(&kv, 7).expect("memory");
    for j in [0, 3, 44] {
        let path = subtree_path(&leaves, j).join(&above);
        assert_eq!(
            path.root(leaves[j], 7 * 1024 + j as u64),
            NOTES.root(&kv).expect("memory")
        );
    }
}

#[test]
fn setting_a_subtree_equals_setting_its_leaves() {
    let leaves: Vec<F> = (0..9).map(leaf).collect();
    let base = MemoryKv::default();
    let (mut whole, mut single) = (Overlay::new(&base), Overlay::new(&base));
    NULLIFIERS.set_subtree(&mut whole, 3, &leaves).expect("memory");
    for (j, x) in leaves.iter().enumerate() {
        NULLIFIERS
            .set(&mut single, 3 * 1024 + j as u64, *x)
            .expect("memory");
    }
    assert_eq!(NULLIFIERS.root(&whole), NULLIFIERS.root(&single));
}

#[test]
fn nullifiers_are_inserted_once_and_low_leaves_are_proven() {
    let base = MemoryKv::default();
    let mut kv = Overlay::new(&base);
    nullifiers::write_genesis(&mut kv).expect("memory");
    let mut root = NULLIFIERS.root(&kv).expect("memory");
    let slots = [Some(nullifier(9)), None, Some(nullifier(2)), Some(nullifier(200))];
    let (insertions, leaves) = nullifiers::insert_batch(&mut kv, 1, &slots, true)
        .expect("memory")
        .expect("all new");
    for insertion in &insertions {
        assert_eq!(
            insertion.path.root(insertion.low.hash(), insertion.low.index),
            root
        );
        let lowered = nullifiers::ImtLeaf {
            next: Some(insertion.nf),
            ..insertion.low
        };
        root = insertion.path.root(lowered.hash(), lowered.index);
    }
    assert_eq!(leaves.iter().filter(|l| l.is_some()).count(), 3);
    assert!(nullifiers::contains(&kv, &nullifier(2)).expect("memory"));
    assert!(!nullifiers::contains(&kv, &nullifier(3)).expect("memory"));
    let again = nullifiers::insert_batch(&mut kv, 2, &[Some(nullifier(2))], false).expect("memory");
    assert_eq!(again, Err(nullifier(2)));
    let twice = [Some(nullifier(77)), Some(nullifier(77))];
    assert!(
        nullifiers::insert_batch(&mut kv, 2, &twice, false)
            .expect("memory")
            .is_err()
    );
}

#[test]
fn empty_leaf_is_zero_and_empty_roots_follow() {
    assert_eq!(empty_root(0), F::ZERO);
    assert_eq!(empty_root(3), subtree_root_at_level(3));
}

fn subtree_root_at_level(level: usize) -> F {
    (0..level).fold(F::ZERO, |x, _| node(&[x; 4]))
}
