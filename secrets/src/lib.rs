//! Secrets on disk: private files, and what is encrypted in them under a passphrase.
//!
//! * [`cipher`]: a passphrase becomes a key and a check value; sealing and opening under the key.
//! * [`mod@file`]: files for their owner only, locked, written whole or not at all.
//! * [`sealed`]: both together: a file with a header in clear and an encrypted content.
//!
//! Wallet, bridge and federation keep their secrets here and nowhere else. What the content means is
//! theirs to say. No clock, no network; randomness is an argument.
//! Specification: `docs/spec/secrets.md`.
//!
//! Dependencies: `argon2` and `chacha20poly1305` (the ciphers, from RustCrypto), `sha2` (the sum of a
//! header), `zeroize` (wipes keys and contents from memory).

pub mod cipher;
pub mod file;
pub mod sealed;
