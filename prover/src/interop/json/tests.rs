//! JSON there and back, and everything that is refused on the way back.

use tacit_circuits::r1cs::Statement;

use super::*;
use crate::progress::Silent;
use crate::{Prover, testing};

fn sample() -> Proof {
    let key = testing::powers_key();
    let proof = Prover::cpu().prove_statement(&key, &testing::powers(), &mut testing::rng(1), &Silent);
    proof.expect("a satisfied statement")
}

#[test]
fn proof_and_public_inputs_are_read_back() {
    let ours = sample();
    assert_eq!(read_proof(&proof(&ours)).expect("our own JSON"), ours);
    let assignment = testing::powers().assignment();
    let inputs = assignment.public_inputs();
    assert_eq!(
        read_public_inputs(&public_inputs(inputs)).expect("our own JSON"),
        inputs
    );
    assert_eq!(read_public_inputs("[\"0\"]").expect("zero"), [F::from(0u64)]);
    assert!(read_public_inputs("[]").expect("none").is_empty());
}

#[test]
fn numbers_with_another_spelling_or_beyond_the_modulus_are_refused() {
    let modulus = F::MODULUS.to_string();
    let greatest = decimal(&-F::from(1u64));
    assert!(read_public_inputs(&format!("[\"{greatest}\"]")).is_ok());
    for bad in [
        "",
        "00",
        "01",
        "+1",
        "-1",
        " 1",
        "1 ",
        "1.0",
        "0x1",
        "1e3",
        "٣",
        &modulus,
        &"9".repeat(77),
        &"9".repeat(78),
    ] {
        let refused = read_public_inputs(&format!("[\"{bad}\"]"));
        assert!(matches!(refused, Err(JsonError::Number(_))), "{bad:?}");
    }
    for bad in ["[1]", "{}", "[\"1\"] []", "[\"1\",]", "", "[[\"1\"]]"] {
        let refused = read_public_inputs(bad);
        assert!(matches!(refused, Err(JsonError::Form { .. })), "{bad:?}");
    }
}

/// Changes the JSON of a proof and reads the outcome.
fn changed(change: impl FnOnce(&mut serde_json::Value)) -> JsonError {
    let mut value = serde_json::from_str(&proof(&sample())).expect("our own JSON");
    change(&mut value);
    read_proof(&value.to_string()).expect_err("a broken proof")
}

#[test]
fn proofs_of_another_form_system_or_curve_are_refused() {
    let refused = changed(|proof| proof["protocol"] = "plonk".into());
    assert!(matches!(
        refused,
        JsonError::Other {
            expected: "groth16",
            ..
        }
    ));
    let refused = changed(|proof| proof["curve"] = "bls12381".into());
    assert!(matches!(
        refused,
        JsonError::Other {
            expected: "bn128",
            ..
        }
    ));
    let refused = changed(|proof| proof["extra"] = "1".into());
    assert!(matches!(refused, JsonError::Form { .. }));
    let refused = changed(|proof| proof["pi_a"] = serde_json::json!(["1", "2"]));
    assert!(matches!(refused, JsonError::Form { .. }));
    let refused = read_proof(&" ".repeat(MAX_BYTES + 1));
    assert!(matches!(refused, Err(JsonError::TooLong { .. })));
}

#[test]
fn points_that_are_not_normalised_or_not_in_their_group_are_refused() {
    let refused = changed(|proof| proof["pi_c"][2] = "2".into());
    assert!(matches!(refused, JsonError::NotAffine("pi_c")));
    // The identity, as snarkjs writes it.
    let refused = changed(|proof| proof["pi_a"] = serde_json::json!(["0", "1", "0"]));
    assert!(matches!(refused, JsonError::NotAffine("pi_a")));
    let refused = changed(|proof| proof["pi_b"][2] = serde_json::json!(["1", "1"]));
    assert!(matches!(refused, JsonError::NotAffine("pi_b")));
    for point in ["pi_a", "pi_c"] {
        let refused = changed(|proof| proof[point] = serde_json::json!(["1", "1", "1"]));
        assert!(matches!(refused, JsonError::BadPoint(_)), "{refused}");
    }
    let refused = changed(|proof| proof["pi_b"][0][0] = "1".into());
    assert!(matches!(refused, JsonError::BadPoint(_)), "{refused}");
    let modulus = Fq::MODULUS.to_string();
    let refused = changed(|proof| proof["pi_a"][0] = modulus.into());
    assert!(matches!(refused, JsonError::Number(_)), "{refused}");
}

#[test]
fn verifying_key_names_system_curve_and_number_of_inputs() {
    let key = testing::powers_key();
    let json: serde_json::Value =
        serde_json::from_str(&verifying_key(key.verifying_key())).expect("our own JSON");
    assert_eq!(json["protocol"], "groth16");
    assert_eq!(json["curve"], "bn128");
    let inputs = testing::powers().assignment().public_inputs().len();
    assert_eq!(json["nPublic"], inputs);
    assert_eq!(json["IC"].as_array().map(Vec::len), Some(inputs + 1));
}
