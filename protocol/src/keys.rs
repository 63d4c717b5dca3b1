//! Keys of an account, from the mnemonic down to what each holder needs.
//!
//! A BIP-39 seed gives one [`AccountRoot`] per network and account; everything else is an
//! independent pseudo-random function of it:
//!
//! ```text
//! seed ── AccountRoot ─┬─ ask ── ak ─┐
//!                      ├─ nk ────────┴─ ok = H[own](ak.x, ak.y, nk)
//!                      ├─ ivk, dk ───── IncomingViewingKey = (ok, ivk, dk)
//!                      └─ ovk            FullViewingKey = (ak, nk, ivk, dk, ovk)
//! ```
//!
//! [`SpendKey`] (`ask`) authorises spends and nothing else; [`FullViewingKey`] sees everything and
//! spends nothing; [`IncomingViewingKey`] finds incoming notes and makes addresses.
//! Specification: `docs/spec/keys.md`.

use ark_ec::{AffineRepr, CurveGroup};
use ark_ed_on_bn254::{EdwardsAffine, Fr as JubjubScalar};
use ark_ff::{AdditiveGroup, PrimeField};
use curve25519_dalek::Scalar;
use std::fmt;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::field::F;
use crate::hash::{B2, Label};
use crate::network::Network;
use crate::note::Nullifier;

mod cipher;
mod mnemonic;
mod point;
mod viewing;

pub use mnemonic::{mnemonic_from_entropy, seed_from_mnemonic};
pub use point::{PointError, check_point, decode_point, encode_point};
pub use viewing::{FullViewingKey, IncomingViewingKey};

/// Why key material was refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum KeyError {
    /// The words are not a valid English BIP-39 mnemonic.
    #[error("not a valid English BIP-39 mnemonic: {0}")]
    Mnemonic(String),
    /// `ak` is not a point of the prime-order group.
    #[error("ak {0}")]
    SpendAuthority(#[from] PointError),
    /// The incoming viewing scalar is zero.
    #[error("ivk is zero")]
    ZeroIncomingScalar,
    /// The spend-authority scalar is zero.
    #[error("ask is zero")]
    ZeroSpendScalar,
}

/// The root secret of one account on one network, `B2[Account](seed, network, account)`.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct AccountRoot([u8; 64]);

impl AccountRoot {
    /// Derives the root of `account` on `network` from a 64-byte BIP-39 seed.
    #[must_use]
    pub fn new(seed: &[u8; 64], network: Network, account: u32) -> Self {
        let hash = B2::new(Label::Account).bytes(seed);
        Self(
            hash.bytes(&[network.code()])
                .bytes(&account.to_le_bytes())
                .finish(),
        )
    }

    /// `B2[Key](I, name)`: the pseudo-random function behind every account key.
    fn prf(&self, name: &str) -> Zeroizing<[u8; 64]> {
        Zeroizing::new(B2::new(Label::Key).bytes(&self.0).bytes(name.as_bytes()).finish())
    }

    /// The first 32 bytes of the pseudo-random function.
    fn prf32(&self, name: &str) -> [u8; 32] {
        let wide = self.prf(name);
        let mut out = [0; 32];
        out.copy_from_slice(&wide[..32]);
        out
    }

    /// The key that signs spends.
    ///
    /// # Panics
    /// Never in practice: a zero scalar has probability 2^-251.
    #[must_use]
    pub fn spend_key(&self) -> SpendKey {
        let ask = JubjubScalar::from_le_bytes_mod_order(&*self.prf("ask"));
        SpendKey::from_scalar(ask).expect("512 pseudo-random bits are not zero modulo l")
    }

    /// The key that sees everything and spends nothing.
    ///
    /// # Panics
    /// Never in practice: a zero scalar has probability 2^-251.
    #[must_use]
    pub fn full_viewing_key(&self) -> FullViewingKey {
        let nk = crate::field::from_uniform(&self.prf("nk"));
        let ivk = Scalar::from_bytes_mod_order_wide(&self.prf("ivk"));
        let (dk, ovk) = (self.prf32("dk"), self.prf32("ovk"));
        FullViewingKey::from_parts(self.spend_key().ak(), nk, ivk, dk, ovk)
            .expect("ak is a non-zero multiple of G and 512 pseudo-random bits are not zero")
    }

    /// Randomness of the note a deposit creates, `B2[DepRcm](I, index) → F`. It cannot depend on
    /// the amount, which is not known when the deposit is made.
    #[must_use]
    pub fn deposit_rcm(&self, index: u32) -> F {
        B2::new(Label::DepRcm)
            .bytes(&self.0)
            .bytes(&index.to_le_bytes())
            .to_field()
    }

    /// The secp256k1 secret that takes deposit `index` back after its time-out.
    #[must_use]
    pub fn deposit_refund_secret(&self, index: u32) -> [u8; 32] {
        let hash = B2::new(Label::DepRefund)
            .bytes(&self.0)
            .bytes(&index.to_le_bytes());
        first_secp256k1_secret(|counter| hash.clone().u64(counter).finish32())
    }

    /// The secp256k1 secret whose coins pay for posting forced requests on Bitcoin.
    #[must_use]
    pub fn posting_secret(&self) -> [u8; 32] {
        let hash = B2::new(Label::Posting).bytes(&self.0);
        first_secp256k1_secret(|counter| hash.clone().u64(counter).finish32())
    }

    /// The secp256k1 secret of the withdrawal made by the transfer whose first nullifier is `nf0`;
    /// it signs raises of that withdrawal's fee limit. Recoverable from the chain and the mnemonic.
    #[must_use]
    pub fn exit_key_secret(&self, nf0: &Nullifier) -> [u8; 32] {
        let hash = B2::new(Label::ExitKey).bytes(&self.0).bytes(nf0.as_bytes());
        first_secp256k1_secret(|counter| hash.clone().u64(counter).finish32())
    }
}

impl fmt::Debug for AccountRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccountRoot(..)")
    }
}

/// The first of `candidate(0), candidate(1), …` that is a valid secp256k1 secret.
fn first_secp256k1_secret(candidate: impl Fn(u64) -> [u8; 32]) -> [u8; 32] {
    (0..)
        .map(candidate)
        .find(|bytes| bitcoin::secp256k1::SecretKey::from_slice(bytes).is_ok())
        .expect("all but one in 2^127 strings are valid secrets")
}

/// The spend-authority secret `ask`. It has no codec and no debug output of its value, and is wiped
/// when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SpendKey(JubjubScalar);

impl SpendKey {
    /// Takes a scalar as the spend-authority secret.
    ///
    /// # Errors
    /// [`KeyError::ZeroSpendScalar`]: its public key would be the identity.
    pub fn from_scalar(ask: JubjubScalar) -> Result<Self, KeyError> {
        if ask == JubjubScalar::ZERO {
            Err(KeyError::ZeroSpendScalar)
        } else {
            Ok(Self(ask))
        }
    }

    /// The secret scalar, for the signer only.
    #[must_use]
    pub fn ask(&self) -> &JubjubScalar {
        &self.0
    }

    /// The public key `ak = ask·G`.
    pub fn ak(&self) -> EdwardsAffine {
        (EdwardsAffine::generator() * self.0).into_affine()
    }
}

impl fmt::Debug for SpendKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SpendKey(..)")
    }
}

#[cfg(test)]
pub(crate) mod tests;
