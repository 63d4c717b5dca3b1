//! Verifies proofs, transfers, batches and Bitcoin blocks; the only maker of verified types.
//!
//! Nothing here waits, draws randomness, or touches a network or a disk: state comes in as a
//! key–value view, a block goes in, a delta comes out. Nodes, signers and the auditor run the very
//! same fold ([`chain`]).

pub mod batch;
pub mod chain;
pub mod groth16;
pub mod keys;
pub mod rules;
pub mod transfer;

pub use batch::{BatchError, VerifiedBatch};
pub use rules::Rules;
pub use transfer::{TransferError, VerifiedTransfer};
