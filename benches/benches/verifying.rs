//! Proofs of `Transfer`: decoded, verified alone and verified together, beside `ark-groth16`.
//!
//! The peer has no batched verification; beside a batch stands the same number of its single ones.
//! Both sides get the same keys and proofs, prepared and decoded. Specification: `docs/spec/proofs.md`.

use std::hint::black_box;

use ark_bn254::Bn254;
use ark_groth16::Groth16;
use ark_serialize::{CanonicalDeserialize, CanonicalSerialize};
use criterion::{BenchmarkId, Criterion, Throughput};
use tacit_benches::chain::Chain;
use tacit_benches::peer;
use tacit_protocol::F;
use tacit_verifier::groth16::{PreparedVerifyingKey, Proof, verify, verify_batch};

/// Sizes of the batches.
const SIZES: [usize; 2] = [16, 64];

type PeerProof = ark_groth16::Proof<Bn254>;
type PeerKey = ark_groth16::PreparedVerifyingKey<Bn254>;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let chain = Chain::new();
    let proofs = proofs(&chain);
    decoding(&mut criterion, &proofs[0].1);
    verifying(&mut criterion, chain.transfer_key().verifier(), &proofs);
    criterion.final_summary();
}

/// Proven transfers: public inputs and proof.
fn proofs(chain: &Chain) -> Vec<([F; 7], Proof)> {
    let proven = chain.signed().into_iter().map(|signed| {
        let public = chain.statement(&signed).public_inputs();
        let proof = Proof::from_bytes(&chain.prove(&signed).proof.0);
        (public, proof.expect("the prover encodes canonically"))
    });
    proven.collect()
}

fn decoding(criterion: &mut Criterion, proof: &Proof) {
    let ours = proof.to_bytes();
    let mut theirs = Vec::new();
    peer::proof(proof)
        .serialize_compressed(&mut theirs)
        .expect("memory does not fail");
    let mut group = criterion.benchmark_group("decoding a proof");
    group.bench_function("tacit", |b| b.iter(|| Proof::from_bytes(black_box(&ours))));
    group.bench_function("peer: ark-groth16", |b| {
        b.iter(|| PeerProof::deserialize_compressed(black_box(&theirs[..])));
    });
    group.finish();
}

fn verifying(criterion: &mut Criterion, key: &PreparedVerifyingKey, proofs: &[([F; 7], Proof)]) {
    let peer_key = ark_groth16::prepare_verifying_key(&peer::verifying_key(key.key()));
    let peer_proofs: Vec<_> = proofs.iter().map(|(x, proof)| (*x, peer::proof(proof))).collect();
    let (public, proof) = &proofs[0];

    let mut group = criterion.benchmark_group("verifying");
    group.throughput(Throughput::Elements(1));
    group.bench_function(BenchmarkId::new("tacit", 1), |b| {
        b.iter(|| verify(key, black_box(public), proof).expect("valid"));
    });
    group.bench_function(BenchmarkId::new("peer: ark-groth16", 1), |b| {
        b.iter(|| assert!(peer_verify(&peer_key, black_box(&peer_proofs[0]))));
    });
    for size in SIZES {
        // Neither side looks for repetitions, so proofs may recur.
        let items: Vec<(&[F], &Proof)> = proofs.iter().map(|(x, proof)| (&x[..], proof)).collect();
        let items: Vec<_> = items.into_iter().cycle().take(size).collect();
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::new("tacit", size), |b| {
            b.iter(|| verify_batch(key, black_box(&items)).expect("valid"));
        });
        group.bench_function(BenchmarkId::new("peer: ark-groth16, one by one", size), |b| {
            let each = || peer_proofs.iter().cycle().take(size);
            b.iter(|| assert!(each().all(|item| peer_verify(&peer_key, black_box(item)))));
        });
    }
    group.finish();
}

fn peer_verify(key: &PeerKey, (public, proof): &([F; 7], PeerProof)) -> bool {
    Groth16::<Bn254>::verify_proof(key, proof, public).expect("the right number of inputs")
}
