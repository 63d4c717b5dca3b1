//! Files of other Groth16 tools: iden3's `.r1cs`, `.wtns` and `.zkey`, and snarkjs's JSON.
//!
//! With these a circuit of ours can go through a public ceremony of existing tools, the ceremony's
//! key proves here, and proofs made here are checked elsewhere:
//! * [`r1cs::write`] and [`wtns::write`] export a constraint system and a satisfying assignment;
//! * [`zkey::import`] turns the outcome of a ceremony into a [`crate::ProvingKey`];
//! * [`json`] writes and reads proofs and public inputs, and writes verifying keys.
//!
//! Everything read here is untrusted: decoders are strict, and every error names section and reason.
//! Specification: `docs/spec/interop.md`; how to hold a ceremony: `docs/ceremony.md`.

mod error;
pub mod json;
mod points;
pub mod r1cs;
mod sections;
pub mod wtns;
pub mod zkey;

pub use error::{InteropError, Place, PointFault};
pub use json::JsonError;
pub use sections::{Format, Section};
