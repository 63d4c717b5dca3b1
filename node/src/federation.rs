//! The federation as processes: who the members are, how they reach each other, and what they do.
//!
//! * [`mod@file`]: `federation.toml`, the same for everybody, pins every identity.
//! * [`peer`]: one question to one member, over an encrypted connection.
//! * [`listener`]: answers questions, with limits.
//! * [`coordinator`]: gathers signatures for the sequencer.
//! * [`member`]: a signer: judges by its own state, then signs.
//! * [`succession`]: what two federations sign, so that one follows the other.
//! * [`consent`]: what a member's operator allows in advance.
//! * [`backup_voice`]: how a federation that lost its key lets another one follow.
//! * [`secrets`]: identities and shares in files.
//! * [`keygen`]: the key generation between the members' machines.
//!
//! Specification: `docs/spec/federation.md`.

pub mod backup_voice;
pub mod consent;
pub mod coordinator;
pub mod file;
pub mod keygen;
pub mod listener;
mod lookup;
pub mod member;
pub mod peer;
pub mod secrets;
mod stream;
pub mod succession;
#[cfg(test)]
pub(crate) mod testing;
