//! The spend-authority signature: Schnorr on Baby Jubjub, verified inside the transfer statement.
//!
//! `e = low(H[chal](R.x, R.y, ok, nf0, nf1, cm0, cm1, out, ctx), 128)` and `s·G = R + e·ak`. The
//! message covers neither the anchor nor the proof, so one signs first and proves later. `G` is the
//! generator of the prime-order subgroup in `ark-ed-on-bn254`. Secret scalar arithmetic is that of
//! arkworks and not constant-time: sign on a machine whose timing nobody measures.
//! Specification: `docs/spec/transfer.md`; R1CS twin: `signature.rs` of `tacit-circuits`.

use ark_ec::{AffineRepr, CurveGroup};
use ark_ed_on_bn254::{EdwardsAffine, Fr as JubjubScalar};
use ark_ff::{BigInteger, PrimeField};
use rand_core::{CryptoRng, RngCore};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::encoding::{Decode, DecodeError, Encode, Reader};
use crate::field::{self, F};
use crate::hash::{B2, Label, Tag, hash};
use crate::keys::{PointError, SpendKey, check_point, decode_point, encode_point};

/// Bits of a challenge.
pub const CHALLENGE_BITS: usize = 128;

/// Why a signature does not authorise a spend.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SignatureError {
    /// The public key is not a point of the prime-order group.
    #[error("ak {0}")]
    PublicKey(PointError),
    /// The commitment `R` is not a point of the prime-order group.
    #[error("R {0}")]
    Commitment(PointError),
    /// The stored challenge is not the hash of the message.
    #[error("the signature is over another message")]
    Challenge,
    /// `s·G = R + e·ak` does not hold.
    #[error("the signature was not made by this key")]
    Equation,
}

/// What a spend signature covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpendMessage {
    /// The owner key of the spender.
    pub ok: F,
    /// Both nullifiers.
    pub nf: [F; 2],
    /// Both output commitments.
    pub cm: [F; 2],
    /// `fee + 2^64·exit`.
    pub out: F,
    /// The hash of everything else in the transfer.
    pub ctx: F,
}

impl SpendMessage {
    /// The fields in the order they are hashed.
    #[must_use]
    pub fn to_fields(&self) -> [F; 7] {
        let Self { ok, nf, cm, out, ctx } = self;
        [*ok, nf[0], nf[1], cm[0], cm[1], *out, *ctx]
    }
}

/// A spend signature `(R, s)` with its challenge `e`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    r: EdwardsAffine,
    e: u128,
    s: JubjubScalar,
}

/// The Schnorr challenge, `low(H[chal](R.x, R.y, message), 128)`.
///
/// # Panics
/// Never: the sixteen low bytes always exist.
#[must_use]
pub fn challenge(r: &EdwardsAffine, message: &SpendMessage) -> u128 {
    let [ok, nf0, nf1, cm0, cm1, out, ctx] = message.to_fields();
    let digest = field::to_bytes(&hash(
        Tag::Challenge,
        &[r.x, r.y, ok, nf0, nf1, cm0, cm1, out, ctx],
    ));
    u128::from_le_bytes(digest[..CHALLENGE_BITS / 8].try_into().expect("sixteen bytes"))
}

/// Signs a message. The nonce hashes the key, fresh randomness and the message together, so that
/// neither a broken generator nor a repeated message alone reveals the key.
#[must_use]
pub fn sign<R: RngCore + CryptoRng>(key: &SpendKey, message: &SpendMessage, rng: &mut R) -> Signature {
    loop {
        let nonce = draw_nonce(key, message, rng);
        let r = (EdwardsAffine::generator() * *nonce).into_affine();
        if !r.is_zero() {
            let e = challenge(&r, message);
            return Signature {
                r,
                e,
                s: *nonce + JubjubScalar::from(e) * key.ask(),
            };
        }
    }
}

/// `B2[Nonce](ask, 32 random bytes, message) mod l`.
fn draw_nonce<R: RngCore + CryptoRng>(
    key: &SpendKey,
    message: &SpendMessage,
    rng: &mut R,
) -> Zeroizing<JubjubScalar> {
    let mut random = Zeroizing::new([0u8; 32]);
    rng.fill_bytes(&mut *random);
    let ask = Zeroizing::new(key.ask().into_bigint().to_bytes_le());
    let mut nonce = B2::new(Label::Nonce).bytes(&ask).bytes(&*random);
    for x in message.to_fields() {
        nonce = nonce.field(&x);
    }
    let wide = Zeroizing::new(nonce.finish());
    Zeroizing::new(JubjubScalar::from_le_bytes_mod_order(&*wide))
}

impl Signature {
    /// The commitment `R`.
    pub fn r(&self) -> EdwardsAffine {
        self.r
    }

    /// The challenge.
    #[must_use]
    pub fn e(&self) -> u128 {
        self.e
    }

    /// The response.
    #[must_use]
    pub fn s(&self) -> JubjubScalar {
        self.s
    }

    /// Checks the signature natively, with the group membership that the statement leaves out.
    ///
    /// # Errors
    /// The [`SignatureError`] of the first rule broken.
    pub fn verify(&self, ak: &EdwardsAffine, message: &SpendMessage) -> Result<(), SignatureError> {
        check_point(ak).map_err(SignatureError::PublicKey)?;
        check_point(&self.r).map_err(SignatureError::Commitment)?;
        if self.e != challenge(&self.r, message) {
            return Err(SignatureError::Challenge);
        }
        if EdwardsAffine::generator() * self.s != *ak * JubjubScalar::from(self.e) + self.r {
            return Err(SignatureError::Equation);
        }
        Ok(())
    }
}

impl Encode for Signature {
    fn encode_to(&self, out: &mut Vec<u8>) {
        encode_point(&self.r, out);
        out.extend_from_slice(&self.e.to_le_bytes());
        out.extend_from_slice(&self.s.into_bigint().to_bytes_le());
    }
}

impl Decode for Signature {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let r = decode_point(reader, "R")?;
        let e = u128::from_le_bytes(reader.array()?);
        let mut limbs = [0u64; 4];
        for limb in &mut limbs {
            *limb = reader.u64()?;
        }
        let s =
            JubjubScalar::from_bigint(ark_ff::BigInt::new(limbs)).ok_or(DecodeError::NonCanonicalScalar)?;
        Ok(Self { r, e, s })
    }
}

#[cfg(test)]
mod tests;
