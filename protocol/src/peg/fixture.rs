//! Small values that the tests of the peg share.

use bitcoin::hashes::Hash;
use bitcoin::key::Keypair;
use bitcoin::secp256k1::{All, Message, Secp256k1, schnorr::Signature};
use bitcoin::taproot::TapNodeHash;
use bitcoin::{OutPoint, ScriptBuf, TxOut, Txid, WPubkeyHash, XOnlyPublicKey};

use crate::amount::Amount;
use crate::peg::coins::Coin;
use crate::peg::exit::ExitScript;
use crate::peg::taproot::{output_script, tweaked_keypair};

/// A key pair that depends on `n` (not zero) alone.
pub(crate) fn keypair(n: u8) -> Keypair {
    Keypair::from_seckey_slice(&all(), &[n; 32]).unwrap()
}

/// Its public key.
pub(crate) fn key(n: u8) -> XOnlyPublicKey {
    keypair(n).x_only_public_key().0
}

/// A context that signs and verifies.
pub(crate) fn all() -> Secp256k1<All> {
    Secp256k1::new()
}

/// A key-path signature by key `n`.
pub(crate) fn sign(n: u8, root: Option<TapNodeHash>, message: &Message) -> Signature {
    all().sign_schnorr_no_aux_rand(message, &tweaked_keypair(&all(), &keypair(n), root))
}

/// A signature by key `n` without a tweak.
pub(crate) fn sign_plain(n: u8, message: &Message) -> Signature {
    all().sign_schnorr_no_aux_rand(message, &keypair(n))
}

/// Whether a key-path witness signature verifies under the output key of `script`.
pub(crate) fn verifies(script: &ScriptBuf, message: &Message, signature: &Signature) -> bool {
    let key = XOnlyPublicKey::from_slice(&script.as_bytes()[2..]).unwrap();
    all().verify_schnorr(signature, message, &key).is_ok()
}

/// An outpoint that depends on `n` alone; ascending in `n`.
pub(crate) fn outpoint(n: u8) -> OutPoint {
    OutPoint {
        txid: Txid::from_byte_array([n; 32]),
        vout: u32::from(n),
    }
}

/// An amount.
pub(crate) fn sats(sats: u64) -> Amount {
    Amount::from_sat(sats).unwrap()
}

/// An output.
pub(crate) fn txout(sats: u64, script_pubkey: ScriptBuf) -> TxOut {
    TxOut {
        value: bitcoin::Amount::from_sat(sats),
        script_pubkey,
    }
}

/// The BIP 86 script of key `n`.
pub(crate) fn key_script(n: u8) -> ScriptBuf {
    output_script(key(n), None)
}

/// A coin of key `owner` at outpoint `n`.
pub(crate) fn coin(n: u8, owner: u8, sats: u64) -> Coin {
    Coin {
        outpoint: outpoint(n),
        txout: txout(sats, key_script(owner)),
    }
}

/// A P2WPKH script that depends on `n` alone.
pub(crate) fn exit_script(n: u8) -> ExitScript {
    ExitScript::new(ScriptBuf::new_p2wpkh(&WPubkeyHash::from_byte_array([n; 20]))).unwrap()
}
