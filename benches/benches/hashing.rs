//! Poseidon2: sponge, Merkle node and a batch's subtree, beside the bare permutation.
//!
//! One permutation hashes a note or a node, three make a challenge, 341 the subtree of a full batch.
//! Specification: `docs/spec/hashes.md`.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use tacit_protocol::F;
use tacit_protocol::hash::{Tag, hash, node};
use tacit_protocol::tree::{SUBTREE_LEAVES, subtree_root};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    hashing(&mut criterion);
    criterion.final_summary();
}

fn hashing(criterion: &mut Criterion) {
    let x: [F; 9] = std::array::from_fn(|i| hash(Tag::Inner, &[F::from(i as u64), F::from(1u64)]));
    let four = [x[0], x[1], x[2], x[3]];
    let leaves: Vec<F> = x.iter().copied().cycle().take(SUBTREE_LEAVES).collect();

    let mut group = criterion.benchmark_group("hashing");
    group.throughput(Throughput::Elements(1));
    group.bench_function("peer: taceo-poseidon2 permutation", |b| {
        b.iter(|| taceo_poseidon2::bn254::t4::permutation(black_box(&four)));
    });
    group.bench_function("Merkle node (1 permutation)", |b| {
        b.iter(|| node(black_box(&four)))
    });
    group.bench_function("note commitment (1 permutation)", |b| {
        b.iter(|| hash(Tag::Note, black_box(&x[..2])));
    });
    group.bench_function("challenge (3 permutations)", |b| {
        b.iter(|| hash(Tag::Challenge, black_box(&x)));
    });
    group.bench_function("subtree of 1,024 leaves (341 permutations)", |b| {
        b.iter(|| subtree_root(black_box(&leaves)));
    });
    group.finish();
}
