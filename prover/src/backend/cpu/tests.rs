//! The fast engine passes the conformance checks with every set of instructions this machine has.

use super::*;
use crate::backend::conformance;
use crate::{setup, testing};

fn engines() -> impl Iterator<Item = Cpu> {
    Instructions::ALL.into_iter().filter_map(Cpu::with)
}

#[test]
fn proofs_of_every_instruction_set_verify() {
    assert!(engines().count() > 0);
    for engine in engines() {
        conformance::check_proofs_verify(&engine);
    }
}

#[test]
fn proofs_of_every_instruction_set_are_the_reference_engines() {
    for engine in engines() {
        conformance::check_proofs_equal_the_reference(&engine);
    }
}

/// Proves over eight vector lanes beside a portable one.
#[cfg(target_arch = "x86_64")]
struct VectorsAlone(Cpu);

#[cfg(target_arch = "x86_64")]
impl Backend for VectorsAlone {
    fn name(&self) -> &str {
        engine::VectorsAlone::NAME
    }

    fn prove(
        &self,
        key: &ProvingKey,
        assignment: &Assignment,
        blinding: Blinding,
        progress: &dyn Progress,
    ) -> Result<Proof, ProveError> {
        self.0
            .prove_with::<engine::VectorsAlone>(key, assignment, blinding, progress)
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn proofs_over_eight_vector_lanes_alone_verify_and_are_the_reference_engines() {
    if let Some(cpu) = Cpu::with(Instructions::Ifma) {
        let engine = VectorsAlone(cpu);
        conformance::check_proofs_verify(&engine);
        conformance::check_proofs_equal_the_reference(&engine);
    }
}

#[test]
fn no_instruction_set_proves_a_broken_assignment() {
    for engine in engines() {
        conformance::check_broken_assignments_do_not_verify(&engine);
    }
}

#[test]
fn the_detected_engine_uses_the_fastest_instructions_there_are() {
    let detected = Cpu::detect();
    let fastest = Instructions::ALL.into_iter().find(|i| i.is_available());
    assert_eq!(Some(detected.instructions), fastest);
    assert!(detected.name().starts_with("cpu ("), "{}", detected.name());
}

/// `make test-ifma` runs it with the others, which leave out what the processor lacks.
#[test]
#[ignore = "only where the processor has AVX-512 IFMA, or under an emulator: make test-ifma"]
fn the_engine_detected_here_is_that_of_eight_lanes() {
    assert_eq!(Cpu::detect().name(), "cpu (avx512-ifma)");
}

#[test]
fn proofs_do_not_depend_on_the_number_of_threads() {
    use tacit_circuits::r1cs::Statement;
    let (key, assignment) = (testing::powers_key(), testing::powers().assignment());
    let mut rng = testing::rng(4);
    let blinding = Blinding {
        r: setup::random_field(&mut rng),
        s: setup::random_field(&mut rng),
    };
    let prove = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("threads");
        pool.install(|| Cpu::detect().prove(&key, &assignment, blinding, &crate::Silent))
    };
    assert_eq!(prove(1), prove(7));
}
