//! A private wallet for Tacit, a library first: keys, store, scan, selection, building, proving.
//!
//! The core is synchronous and reaches the outside only through its arguments: the node through
//! [`api::NodeApi`], randomness through a generator, time through a number, proofs through
//! [`builder::TransferProver`].

pub mod api;
