//! What the benches share: a chain with real notes and keys, the way to an outside prover, and the
//! race of provers.
//!
//! Every bench stands in `benches/benches/` and measures our code beside an outside peer in the
//! same run, on the same data, wherever there is one:
//!
//! | bench | ours | peer |
//! |---|---|---|
//! | `proving` | a proof with witness and self-check, `Transfer` and `Batch<4, 4>` | `ark-groth16` on the same constraints |
//! | `verifying` | one proof, 16 and 64 at once, decoding | `ark-groth16`, `ark-serialize` |
//! | `sequencing` | admission of a transfer, part by part | – |
//! | `scanning` | trial decryption of transfers | the one group operation of `curve25519-dalek` it needs |
//! | `hashing` | sponge, Merkle node, subtree | the bare permutation of `taceo-poseidon2` |
//!
//! The provers' race (`race`, `make bench-prover`) measures whole proofs in processes of their own, time and
//! memory, at three sizes.
//!
//! Run one with `cargo bench -p tacit-benches --profile dev --bench proving`, all with `make bench`.
//! Machines differ: quote ratios and medians of one run, and say where it ran.

pub mod chain;
pub mod peer;
pub mod race;
