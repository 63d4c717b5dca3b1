//! Taproot helpers shared by deposits, vault and anchors: output scripts, key-path signature hashes
//! and tweaked keys. Signing itself happens outside (`tacit-bridge`, `tacit-wallet`).

use std::sync::OnceLock;

use bitcoin::key::{Keypair, TapTweak};
use bitcoin::secp256k1::schnorr::Signature;
use bitcoin::secp256k1::{Message, Secp256k1, Signing, Verification, VerifyOnly};
use bitcoin::sighash::{Prevouts, SighashCache, TapSighashType};
use bitcoin::taproot::{LeafVersion, TapLeafHash, TapNodeHash};
use bitcoin::{Script, ScriptBuf, Transaction, TxOut, Witness, XOnlyPublicKey};

/// Weight of one input spent by a key path with the default signature-hash type.
pub const KEY_INPUT_WEIGHT: u32 = 230;

/// The process-wide verification context, for tweaking public keys.
pub(crate) fn secp() -> &'static Secp256k1<VerifyOnly> {
    static CONTEXT: OnceLock<Secp256k1<VerifyOnly>> = OnceLock::new();
    CONTEXT.get_or_init(Secp256k1::verification_only)
}

/// The P2TR script of `internal` tweaked by the script tree's root.
#[must_use]
pub fn output_script(internal: XOnlyPublicKey, merkle_root: Option<TapNodeHash>) -> ScriptBuf {
    ScriptBuf::new_p2tr(secp(), internal, merkle_root)
}

/// The message a key-path signature of `input` covers: everything, by the default hash type.
///
/// # Panics
/// If `input` is not an input of `tx`, or `prevouts` does not list one output per input.
#[must_use]
pub fn key_path_sighash(tx: &Transaction, input: usize, prevouts: &[TxOut]) -> Message {
    let sighash = SighashCache::new(tx)
        .taproot_key_spend_signature_hash(input, &Prevouts::All(prevouts), TapSighashType::Default)
        .expect("the caller passes an input of the transaction and all outputs it spends");
    Message::from(sighash)
}

/// The message a script-path signature of `input` covers when it spends by `leaf`.
///
/// # Panics
/// As [`key_path_sighash`].
#[must_use]
pub fn script_path_sighash(tx: &Transaction, input: usize, prevouts: &[TxOut], leaf: &Script) -> Message {
    let sighash = SighashCache::new(tx)
        .taproot_script_spend_signature_hash(
            input,
            &Prevouts::All(prevouts),
            TapLeafHash::from_script(leaf, LeafVersion::TapScript),
            TapSighashType::Default,
        )
        .expect("the caller passes an input of the transaction and all outputs it spends");
    Message::from(sighash)
}

/// The key pair that signs for the output key: `keypair` tweaked by the script tree's root.
#[must_use]
pub fn tweaked_keypair<C: Signing + Verification>(
    secp: &Secp256k1<C>,
    keypair: &Keypair,
    merkle_root: Option<TapNodeHash>,
) -> Keypair {
    keypair.tap_tweak(secp, merkle_root).to_keypair()
}

/// The witness of a key-path spend with the default signature-hash type.
#[must_use]
pub fn key_path_witness(signature: &Signature) -> Witness {
    Witness::from_slice(&[signature.serialize()])
}

/// A stand-in of the same size as [`key_path_witness`], for weighing unsigned transactions.
#[must_use]
pub(crate) fn dummy_key_path_witness() -> Witness {
    Witness::from_slice(&[[0u8; 64]])
}
