//! The real snarkjs reads what this crate exports, and this crate what snarkjs makes.
//!
//! Specification: `docs/spec/interop.md`. The set-up installs snarkjs; without it these tests fail.

mod guide;
mod tool;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use sha2::{Digest, Sha256};
use tacit_circuits::r1cs::{Cs, Num, R1cs, Statement};
use tacit_circuits::transfer::TransferStatement;
use tacit_protocol::F;
use tacit_prover::interop::zkey::{self, Imported, Pin};
use tacit_prover::interop::{InteropError, json, r1cs, wtns};
use tacit_prover::{CircuitId, Prover, ProvingKey, Silent, setup};
use tacit_verifier::groth16;

use tool::Tool;

/// `p = a·b` and `s = a + 2·b + 5` for public `p` and `s`; `a` has three bits; one variable is used nowhere.
struct Factors {
    a: u64,
    b: u64,
    /// Enforces the product once more, which changes the circuit.
    twice: bool,
}

const FACTORS: Factors = Factors {
    a: 6,
    b: 11,
    twice: false,
};

impl Statement for Factors {
    fn synthesize(&self, cs: &mut Cs) {
        let product = cs.public(F::from(self.a * self.b));
        let sum = cs.public(F::from(self.a + 2 * self.b + 5));
        let (a, b) = (cs.alloc(F::from(self.a)), cs.alloc(F::from(self.b)));
        for _ in 0..=u8::from(self.twice) {
            cs.enforce(&a, &b, &product);
        }
        let five = Num::constant(F::from(5u64));
        cs.enforce_equal(&(&a.add_scaled(&b, F::from(2u64)) + &five), &sum);
        let mut bits = Num::zero();
        for i in 0..3 {
            let bit = cs.alloc(F::from(self.a >> i & 1));
            cs.enforce(&bit, &bit, &bit);
            bits = bits.add_scaled(&bit, F::from(1u64 << i));
        }
        cs.enforce_equal(&bits, &a);
        let _ = cs.alloc(F::from(7u64));
    }
}

fn circuit(system: &R1cs) -> CircuitId {
    CircuitId::new("factors", system.digest())
}

fn exported(system: &R1cs) -> Vec<u8> {
    let mut bytes = Vec::new();
    r1cs::write(system, &mut bytes).expect("memory");
    bytes
}

fn witness(statement: &impl Statement) -> Vec<u8> {
    let mut bytes = Vec::new();
    wtns::write(&statement.assignment(), &mut bytes).expect("memory");
    bytes
}

/// Our proof of [`FACTORS`] under a key, checked by snarkjs with the verifying key in a file.
fn prove_here_verify_there(tool: &Tool, key: &ProvingKey, verifying_key: &str) {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let proof = Prover::cpu().prove_statement(key, &FACTORS, &mut rng, &Silent);
    tool.write("proof.json", json::proof(&proof.expect("a satisfied statement")));
    let assignment = FACTORS.assignment();
    let mut inputs = assignment.public_inputs().to_vec();
    tool.write("public.json", json::public_inputs(&inputs));
    let said = tool.run(&format!(
        "snarkjs groth16 verify {verifying_key} public.json proof.json"
    ));
    assert!(said.contains("OK!"), "{said}");
    inputs[1] += F::from(1u64);
    tool.write("wrong.json", json::public_inputs(&inputs));
    tool.refuses(&format!(
        "snarkjs groth16 verify {verifying_key} wrong.json proof.json"
    ));
}

/// A proof that snarkjs makes with our witness and its own key, checked here.
fn prove_there_verify_here(tool: &Tool, key: &ProvingKey, zkey: &str) {
    tool.write("witness.wtns", witness(&FACTORS));
    tool.run(&format!(
        "snarkjs groth16 prove {zkey} witness.wtns its_proof.json its_public.json"
    ));
    let proof = json::read_proof(&tool.text("its_proof.json")).expect("snarkjs's proof");
    let inputs = json::read_public_inputs(&tool.text("its_public.json")).expect("snarkjs's inputs");
    assert_eq!(inputs, FACTORS.assignment().public_inputs());
    assert_eq!(groth16::verify(key.verifier(), &inputs, &proof), Ok(()));
}

#[test]
fn the_guide_makes_a_key_that_proves_here_and_there() {
    let tool = Tool::new();
    let system = FACTORS.r1cs();
    let Imported { key, ceremony } = guide::follow(&tool, &circuit(&system), &system);
    assert!(!key.is_insecure());
    let names: Vec<_> = ceremony.contributions.iter().map(|c| c.name.as_deref()).collect();
    let expected = ["First contributor", "Second contributor", "Beacon"];
    assert_eq!(names, expected.map(Some));
    assert!(ceremony.ends_with_beacon());
    prove_here_verify_there(&tool, &key, "verification_key.json");
    prove_there_verify_here(&tool, &key, "circuit_final.zkey");
}

#[test]
fn snarkjs_verifies_our_proofs_under_a_development_key() {
    let tool = Tool::new();
    let key = setup::development(&FACTORS.r1cs(), "factors", &Silent).expect("a sound key");
    tool.write("key.json", json::verifying_key(key.verifying_key()));
    prove_here_verify_there(&tool, &key, "key.json");
}

#[test]
fn snarkjs_accepts_our_witness_and_refuses_one_that_is_wrong() {
    let tool = Tool::new();
    tool.write("circuit.r1cs", exported(&FACTORS.r1cs()));
    tool.write("witness.wtns", witness(&FACTORS));
    tool.run("snarkjs wtns check circuit.r1cs witness.wtns");
    // Nine has four bits.
    let wrong = Factors { a: 9, ..FACTORS };
    tool.write("wrong.wtns", witness(&wrong));
    let said = tool.refuses("snarkjs wtns check circuit.r1cs wrong.wtns");
    assert!(said.contains("NOT CORRECT"), "{said}");
}

#[test]
fn snarkjs_reads_our_transfer_circuit_with_all_its_constraints() {
    let tool = Tool::new();
    let system = TransferStatement::blank().r1cs();
    tool.write("circuit.r1cs", exported(&system));
    let said = tool.run("snarkjs r1cs info circuit.r1cs");
    for (what, number) in [
        ("Wires", system.num_variables()),
        ("Constraints", system.num_constraints()),
        ("Public Inputs", system.num_public() - 1),
        ("Private Inputs", system.num_witness()),
        ("Outputs", 0),
    ] {
        let line = format!("# of {what}: {number}\n");
        assert!(said.contains(&line), "{line} is not in\n{said}");
    }
}

#[test]
fn a_key_that_snarkjs_made_is_refused_when_it_is_cut_changed_unfinished_or_for_another_circuit() {
    let tool = Tool::new();
    let system = FACTORS.r1cs();
    let other = Factors {
        twice: true,
        ..FACTORS
    }
    .r1cs();
    tool.write("circuit.r1cs", exported(&system));
    tool.write("other.r1cs", exported(&other));
    tool.run("snarkjs powersoftau new bn128 5 pot_0000.ptau");
    // Powers that nobody contributed to have τ = 1, and points that are the identity.
    tool.run("snarkjs powersoftau contribute pot_0000.ptau pot.ptau --name=Ann -e=rehearsal");
    tool.run("snarkjs powersoftau prepare phase2 pot.ptau pot_final.ptau");
    tool.run("snarkjs groth16 setup circuit.r1cs pot_final.ptau circuit_0000.zkey");
    tool.run("snarkjs zkey contribute circuit_0000.zkey circuit.zkey --name=Ann -e=rehearsal");
    tool.run("snarkjs zkey verify circuit.r1cs pot_final.ptau circuit.zkey");
    tool.refuses("snarkjs zkey verify other.r1cs pot_final.ptau circuit.zkey");

    let import = |bytes: &[u8], system: &R1cs| {
        let pin = Pin {
            circuit: circuit(system),
            sha256: Sha256::digest(bytes).into(),
        };
        zkey::import(bytes, &pin, system, &Silent)
    };
    let file = tool.read("circuit.zkey");
    import(&file, &system).expect("the file as snarkjs wrote it");

    let refused = import(&file, &other).expect_err("another circuit");
    assert!(
        matches!(
            refused,
            InteropError::OtherSize { .. } | InteropError::OtherCoefficient { .. }
        ),
        "{refused}"
    );
    let unfinished = tool.read("circuit_0000.zkey");
    let refused = import(&unfinished, &system).expect_err("nobody contributed");
    assert!(matches!(refused, InteropError::NoContribution(_)), "{refused}");
    for end in section_ends(&file) {
        for cut in [end - 1, end - 13] {
            let refused = import(&file[..cut], &system).expect_err("a cut file");
            assert!(
                matches!(refused, InteropError::Truncated { .. }),
                "cut at {cut}: {refused}"
            );
        }
    }
    // What contributors claim about themselves (transcripts, names) is for `zkey verify` to check.
    let (last, claims) = (file.len() - 1, section_ends(&file)[8]);
    assert!(claims < last);
    for at in (0..claims).step_by(97) {
        let mut changed = file.clone();
        changed[at] ^= 0x10;
        import(&changed, &system).expect_err("a changed file");
    }
}

/// Where the sections of a file end.
fn section_ends(file: &[u8]) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut at = 12;
    while at < file.len() {
        let length: [u8; 8] = file[at + 4..at + 12].try_into().expect("eight bytes");
        at += 12 + usize::try_from(u64::from_le_bytes(length)).expect("a small file");
        ends.push(at);
    }
    ends
}
