//! The wallet's secret and the keys that follow from it.
//!
//! The secret is 32 bytes of entropy, shown to people as 24 BIP-39 words. It exists in memory and,
//! encrypted, in the store; it is wiped when dropped and has no debug output.

use bip39::{Language, Mnemonic};
use rand_core::CryptoRngCore;
use tacit_protocol::Network;
use tacit_protocol::keys::{
    AccountRoot, FullViewingKey, SpendKey, mnemonic_from_entropy, seed_from_mnemonic,
};
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Number of words.
pub const WORDS: usize = 24;

/// Why words are not a wallet's secret.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum MnemonicError {
    /// Too few or too many words.
    #[error("{0} words were given, a wallet has {WORDS}")]
    Count(usize),
    /// A word is not in the list.
    #[error("word {0} is not in the English BIP-39 list; check its spelling")]
    Word(usize),
    /// The words do not belong together.
    #[error("the checksum of the words does not match; check their order and spelling")]
    Checksum,
}

/// The secret behind a wallet: 256 bits.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Seed([u8; 32]);

impl Seed {
    /// A fresh secret.
    pub fn generate(rng: &mut dyn CryptoRngCore) -> Self {
        let mut entropy = [0; 32];
        rng.fill_bytes(&mut entropy);
        Self(entropy)
    }

    /// The secret with these bytes.
    #[must_use]
    pub fn from_entropy(entropy: [u8; 32]) -> Self {
        Self(entropy)
    }

    /// The secret that 24 words stand for; spaces and case do not matter.
    ///
    /// # Errors
    /// [`MnemonicError`].
    pub fn from_words(words: &str) -> Result<Self, MnemonicError> {
        let words = Zeroizing::new(
            words
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
                .to_lowercase(),
        );
        let count = words.split(' ').filter(|word| !word.is_empty()).count();
        if count != WORDS {
            return Err(MnemonicError::Count(count));
        }
        let mnemonic =
            Mnemonic::parse_in(Language::English, words.as_str()).map_err(|error| match error {
                bip39::Error::UnknownWord(index) => MnemonicError::Word(index + 1),
                bip39::Error::BadWordCount(count) => MnemonicError::Count(count),
                bip39::Error::InvalidChecksum
                | bip39::Error::BadEntropyBitCount(_)
                | bip39::Error::AmbiguousLanguages(_) => MnemonicError::Checksum,
            })?;
        let (mut bytes, length) = mnemonic.to_entropy_array();
        let mut entropy = [0; 32];
        entropy.copy_from_slice(&bytes[..length.min(32)]);
        bytes.zeroize();
        Ok(Self(entropy))
    }

    /// The 24 words.
    #[must_use]
    pub fn words(&self) -> Zeroizing<String> {
        mnemonic_from_entropy(&self.0)
    }

    /// The bytes, for the store only.
    pub(crate) fn entropy(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed(..)")
    }
}

/// The keys of the wallet's account.
#[derive(Clone, Debug)]
pub struct Keys {
    root: AccountRoot,
    spend: SpendKey,
    viewing: FullViewingKey,
}

impl Keys {
    /// Number of the account that a wallet uses.
    pub const ACCOUNT: u32 = 0;

    /// Derives the keys on `network`.
    ///
    /// # Panics
    /// Never: the words were made from valid entropy.
    #[must_use]
    pub fn derive(seed: &Seed, network: Network) -> Self {
        let bip39 = seed_from_mnemonic(&seed.words(), "").expect("256 bits of entropy make valid words");
        let root = AccountRoot::new(&bip39, network, Self::ACCOUNT);
        Self {
            spend: root.spend_key(),
            viewing: root.full_viewing_key(),
            root,
        }
    }

    /// The root of the account.
    #[must_use]
    pub fn root(&self) -> &AccountRoot {
        &self.root
    }

    /// The key that signs spends.
    #[must_use]
    pub fn spend(&self) -> &SpendKey {
        &self.spend
    }

    /// The key that sees everything.
    #[must_use]
    pub fn viewing(&self) -> &FullViewingKey {
        &self.viewing
    }
}

#[cfg(test)]
mod tests;
