//! The federation's key, held by nobody: `n` members have a share each, `t` of them sign together.
//!
//! * [`roster`]: who the members are, and how many of them it takes.
//! * [`keygen`]: distributed key generation; no member and no third party ever knows the key.
//! * [`share`]: what a member keeps, as bytes and as an encrypted file.
//! * [`signer`]: a member in a signing round: single-use nonces, bound to what is signed, burned on disk
//!   before anything that depends on them leaves.
//! * [`session`]: the coordinator of a round: tolerates members that are away, slow, refuse, or lie, and
//!   names them.
//! * [`identity`]: the keys by which members and the coordinator know each other.
//! * [`channel`]: an authenticated, encrypted connection over a stream that the caller opened.
//! * [`message`]: what is said over it: requests and answers.
//!
//! The protocol is FROST on secp256k1 with Taproot's tweaks (RFC 9591, BIP-341). Everything here is
//! values in, values out, and bytes for other members: no sockets, no clock; what a member is willing
//! to sign is decided by its caller. All bytes from other members are decoded strictly.
//! Specification: `docs/spec/federation.md`.
//!
//! Dependencies: `frost-secp256k1-tr` (the Zcash Foundation's implementation of FROST, with its
//! ciphersuite for Taproot), `bitcoin` (keys, signatures and hashes as Bitcoin has them), `snow` (the
//! maintained implementation of Noise in Rust, on ciphers and curves that the workspace has
//! anyway), `curve25519-dalek` (public keys of identities, and which points are none).

pub mod channel;
pub mod identity;
pub mod keygen;
pub mod message;
pub mod roster;
pub mod session;
pub mod share;
pub mod signer;
#[cfg(test)]
mod testing;
mod wire;
