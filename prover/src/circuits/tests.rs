//! The development keys of Tacit's own circuits are the same on every machine.

use std::sync::Mutex;
use std::time::Instant;

use tacit_protocol::batch::BatchShape;

use super::*;
use crate::progress::Stage;
use crate::setup;

/// Prints when stages begin.
struct Log(Mutex<Instant>);

impl Progress for Log {
    fn begin(&self, stage: Stage, total: u64) {
        let mut since = self.0.lock().expect("no thread panics");
        println!("{:>8.1?} | {stage}: {total}", since.elapsed());
        *since = Instant::now();
    }

    fn advance(&self, _steps: u64) {}
}

fn assert_pinned(id: CircuitId, pinned: &str) {
    let log = Log(Mutex::new(Instant::now()));
    log.begin(Stage::Synthesise, 1);
    let system = system(id);
    assert_eq!(system.digest(), id.digest(), "{}", id.name());
    let key = setup::development(&system, id.name(), &log).expect("every public input is used");
    log.begin(Stage::WriteKey, 0);
    assert_eq!(hex::encode(key.verifier().hash()), pinned, "{}", id.name());
}

#[test]
fn development_key_of_the_transfer_circuit_is_pinned() {
    assert_pinned(
        CircuitId::Transfer,
        "04acb6d4c03a27cec00aa1f47fe67194972f142d48e6f4c3d65a52dce5d6b48e",
    );
}

#[test]
fn development_key_of_a_large_batch_circuit_is_pinned() {
    assert_pinned(
        CircuitId::Batch(BatchShape::B20x8),
        "2aa08af6aea49dad1742f11c1479e3c736a2895d8206444cd4510a705a5bdec6",
    );
}
