//! The proving keys of Tacit's own circuits.

use std::sync::Arc;

use tacit_circuits::batch::BatchStatement;
use tacit_circuits::r1cs::{R1cs, Statement};
use tacit_circuits::transfer::TransferStatement;
use tacit_circuits::version::CircuitId;

use crate::keys::{self, KeyError, KeyStore, ProvingKey};
use crate::progress::Progress;

/// The constraint system of a circuit.
#[must_use]
pub fn system(id: CircuitId) -> R1cs {
    match id {
        CircuitId::Transfer => TransferStatement::blank().r1cs(),
        CircuitId::Batch(shape) => BatchStatement::blank(shape).r1cs(),
    }
}

/// The proving key of a circuit as this build pins it; made, outside the main network, where there
/// is none yet.
///
/// # Errors
/// [`KeyError`]: what is wrong with the key there is, or why none could be made.
pub fn load_key(
    store: &KeyStore,
    id: CircuitId,
    progress: &dyn Progress,
) -> Result<Arc<ProvingKey>, KeyError> {
    let circuit = keys::CircuitId::new(id.name(), id.digest());
    store.load_or_generate(&circuit, || system(id), progress)
}

#[cfg(test)]
mod tests;
