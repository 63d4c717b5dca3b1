//! From words to a seed (BIP-39, English).

use bip39::{Language, Mnemonic};
use zeroize::Zeroizing;

use super::KeyError;

/// The 64-byte BIP-39 seed of an English mnemonic and a passphrase (empty for none).
///
/// # Errors
/// [`KeyError::Mnemonic`] on a wrong word, word count or checksum.
pub fn seed_from_mnemonic(words: &str, passphrase: &str) -> Result<Zeroizing<[u8; 64]>, KeyError> {
    let mnemonic = Mnemonic::parse_in(Language::English, words)
        .map_err(|error| KeyError::Mnemonic(error.to_string()))?;
    Ok(Zeroizing::new(mnemonic.to_seed(passphrase)))
}

/// The 24 words that stand for 256 bits of entropy, drawn by the caller.
///
/// # Panics
/// Never: 256 bits are one of the lengths BIP-39 defines.
#[must_use]
pub fn mnemonic_from_entropy(entropy: &[u8; 32]) -> Zeroizing<String> {
    let mnemonic =
        Mnemonic::from_entropy_in(Language::English, entropy).expect("256 bits are a length BIP-39 defines");
    Zeroizing::new(mnemonic.to_string())
}
