//! The two statements of Tacit as R1CS over the BN254 scalar field, twins of `tacit-protocol`.
//!
//! A statement is a function that walks over its witness once and calls [`r1cs::Cs`]. The same
//! function serves set-up (it records the constraint system), proving (it records the assignment
//! and the three products, never a matrix) and tests (both). File names follow the native twins.

pub mod batch;
pub mod bits;
pub mod curve;
pub mod hash;
pub mod keys;
pub mod merkle;
pub mod note;
pub mod r1cs;
pub mod signature;
#[cfg(test)]
mod testing;
pub mod transfer;
pub mod version;
