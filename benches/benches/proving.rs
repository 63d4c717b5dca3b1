//! Whole proofs of `Transfer` and `Batch<4, 4>`, beside `ark-groth16` on the same constraint system.
//!
//! | name | what is timed |
//! |---|---|
//! | `tacit` | what a wallet or an operator waits for: witness, proof, self-verification |
//! | `peer: ark-groth16 prove` | its own `prove`: synthesis (here the replay of our rows), then the proof |
//! | `peer: ark-groth16, matrices ready` | its proof alone, from matrices and assignment made before |
//!
//! The peer's key comes from the peer's own set-up. Neither of its figures holds a verification.
//! Specification: `docs/spec/proofs.md`.

use ark_bn254::Bn254;
use ark_ff::UniformRand;
use ark_groth16::Groth16;
use ark_snark::SNARK;
use criterion::{Criterion, SamplingMode};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tacit_benches::chain::{Chain, SHAPE};
use tacit_benches::peer::{self, Replay};
use tacit_circuits::r1cs::{Assignment, R1cs, Statement};
use tacit_protocol::F;
use tacit_prover::{Prover, ProvingKey, Silent};

type Peer = Groth16<Bn254>;
type PeerKey = ark_groth16::ProvingKey<Bn254>;
type PeerProof = ark_groth16::Proof<Bn254>;

fn main() {
    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    let chain = Chain::new();
    let signed = chain.signed();
    let transfer = chain.statement(&signed[0]);
    proving(&mut criterion, chain.transfer_key(), &transfer);
    let batch = chain.batch(&signed[..SHAPE.slots()]);
    proving(&mut criterion, chain.batch_key(), &batch);
    criterion.final_summary();
}

fn proving(criterion: &mut Criterion, key: &ProvingKey, statement: &impl Statement) {
    let mut rng = StdRng::seed_from_u64(3);
    let (system, assignment) = statement.r1cs_and_assignment();
    let shape = Replay::shape(&system);
    let (peer_key, _) = Peer::circuit_specific_setup(shape, &mut rng).expect("a circuit of ours");
    let witness = Replay::satisfied(&system, &assignment);
    let ready = Ready::new(&system, &assignment);

    // What is timed are proofs that verify.
    check(&peer_key, &assignment, &ready.prove(&peer_key, &mut rng));
    let proof = Peer::prove(&peer_key, witness, &mut rng).expect("satisfied");
    check(&peer_key, &assignment, &proof);

    let name = format!(
        "proving {} ({} constraints)",
        key.circuit().name(),
        system.num_constraints()
    );
    let mut group = criterion.benchmark_group(name);
    group.sampling_mode(SamplingMode::Flat);
    let prover = Prover::cpu();
    group.bench_function("tacit", |b| {
        b.iter(|| {
            prover
                .prove_statement(key, statement, &mut rng, &Silent)
                .expect("satisfied")
        });
    });
    group.bench_function("peer: ark-groth16 prove", |b| {
        b.iter(|| Peer::prove(&peer_key, witness, &mut rng).expect("satisfied"));
    });
    group.bench_function("peer: ark-groth16, matrices ready", |b| {
        b.iter(|| ready.prove(&peer_key, &mut rng));
    });
    group.finish();
}

/// All that the peer needs for a proof, made beforehand.
struct Ready {
    matrices: Vec<ark_relations::gr1cs::Matrix<F>>,
    num_public: usize,
    num_constraints: usize,
    z: Vec<F>,
}

impl Ready {
    fn new(system: &R1cs, assignment: &Assignment) -> Self {
        Self {
            matrices: peer::matrices(system),
            num_public: system.num_public(),
            num_constraints: system.num_constraints(),
            z: assignment.z(),
        }
    }

    fn prove(&self, key: &PeerKey, rng: &mut StdRng) -> PeerProof {
        let [r, s] = [(); 2].map(|()| F::rand(rng));
        let (inputs, rows) = (self.num_public, self.num_constraints);
        Peer::create_proof_with_reduction_and_matrices(key, r, s, &self.matrices, inputs, rows, &self.z)
            .expect("satisfied")
    }
}

fn check(key: &PeerKey, assignment: &Assignment, proof: &PeerProof) {
    let valid = Peer::verify(&key.vk, assignment.public_inputs(), proof);
    assert!(valid.expect("the right number of inputs"), "the peer's own proof");
}
