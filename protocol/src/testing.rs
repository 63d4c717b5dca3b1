//! Made-up values for tests, of this crate and of those above it: never used outside tests.

use bitcoin::hashes::Hash;
use bitcoin::secp256k1::{Keypair, Secp256k1};
use bitcoin::{BlockHash, OutPoint, Txid, XOnlyPublicKey};
use curve25519_dalek::constants::RISTRETTO_BASEPOINT_POINT;
use curve25519_dalek::scalar::Scalar;

use crate::amount::Amount;
use crate::batch::{BatchData, BatchShape, Credit, Slot};
use crate::encryption::EncryptedOutputs;
use crate::field::F;
use crate::network::Network;
use crate::note::{Commitment, Nullifier};
use crate::params::{
    BACKUP_TIMELOCK, ChainParams, FORCED_WINDOW, FeeTable, Genesis, REFUND_TIMELOCK, RULES_VERSION,
    TAKEOVER_TIMELOCK,
};
use crate::peg::vault::Quorum;
use crate::transfer::{ProofBytes, Transfer, TransferBody};

/// A key pair from a small number.
///
/// # Panics
/// If `n` is zero.
#[must_use]
pub fn keypair(n: u8) -> Keypair {
    Keypair::from_seckey_slice(&Secp256k1::new(), &[n; 32]).expect("a small non-zero secret")
}

/// The public part of [`keypair`].
#[must_use]
pub fn x_only(n: u8) -> XOnlyPublicKey {
    keypair(n).x_only_public_key().0
}

/// A quorum of the public keys of these numbers, in any order.
///
/// # Panics
/// If there is no such quorum.
#[must_use]
pub fn quorum(threshold: u16, numbers: &[u8], timelock: u16) -> Quorum {
    let mut keys: Vec<XOnlyPublicKey> = numbers.iter().map(|n| x_only(*n)).collect();
    keys.sort_by_key(XOnlyPublicKey::serialize);
    Quorum::new(threshold, keys, timelock).expect("a quorum")
}

/// An outpoint from a small number.
#[must_use]
pub fn outpoint(n: u8) -> OutPoint {
    OutPoint {
        txid: Txid::from_byte_array([n; 32]),
        vout: u32::from(n),
    }
}

/// A regtest genesis with depth 1, fees 0, 100, 1,000 sat and both leaves in the vault's tree.
///
/// # Panics
/// Never: the values obey the rules.
#[must_use]
pub fn genesis() -> Genesis {
    Genesis {
        rules_version: RULES_VERSION,
        network: Network::Regtest,
        start_height: 100,
        start_hash: BlockHash::from_byte_array([9; 32]),
        anchor: outpoint(1),
        vault: outpoint(2),
        vault_amount: Amount::from_sat(10_000).expect("small"),
        federation_key: x_only(3),
        anchor_key: x_only(4),
        finality_depth: 1,
        refund_timelock: REFUND_TIMELOCK,
        takeover_timelock: TAKEOVER_TIMELOCK,
        forced_window: FORCED_WINDOW,
        fee_table: FeeTable::new(&[0, 100, 1_000]).expect("increasing"),
        vault_backup: Some(quorum(3, &[71, 72, 73, 74, 75], BACKUP_TIMELOCK)),
        vault_recovery: Some(quorum(2, &[81, 82, 83], 26_280)),
    }
}

/// Parameters over [`genesis`] without circuits.
///
/// # Panics
/// Never: the values obey the rules.
#[must_use]
pub fn params() -> ChainParams {
    ChainParams::new(genesis(), Vec::new()).expect("valid parameters")
}

/// A nullifier from a number; zero gives the zero nullifier.
#[must_use]
pub fn nullifier(n: u64) -> Nullifier {
    let mut bytes = [0; 20];
    bytes[6..14].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    Nullifier::new(bytes)
}

/// A transfer without exit whose nullifiers are those of `n` and `n + 1`. Its proof is zeros.
///
/// # Panics
/// Never: the ephemeral key is a point.
#[must_use]
pub fn transfer(n: u64) -> Transfer {
    let epk = (RISTRETTO_BASEPOINT_POINT * Scalar::from(n + 1))
        .compress()
        .to_bytes();
    let commitment = |k: u64| Commitment::new(Amount::ZERO, &F::from(k));
    Transfer {
        body: TransferBody {
            nf: [nullifier(n), nullifier(n + 1)],
            cm: [commitment(2 * n), commitment(2 * n + 1)],
            outputs: EncryptedOutputs::new(epk, [1; 32], [2; 16]).expect("a point"),
            fee: 1,
            expiry: 1_000,
            exit: None,
            memo: None,
        },
        anchor: 0,
        proof: ProofBytes([0; 128]),
    }
}

/// Data of an empty batch.
#[must_use]
pub fn batch_data(shape: BatchShape, number: u32) -> BatchData {
    BatchData {
        shape,
        number,
        operator: F::from(77u64),
        anchors: vec![0; shape.anchors()],
        slots: Vec::new(),
        credits: Vec::new(),
    }
}

/// A slot with the nullifiers of `n` and `n + 1`, a fee of 100 and this exit.
///
/// # Panics
/// If `exit` is above 21 million bitcoin.
#[must_use]
pub fn slot(n: u64, exit: u64) -> Slot {
    let body = transfer(n).body;
    Slot {
        anchor_index: 0,
        nf: body.nf,
        cm: body.cm,
        fee: Amount::from_sat(100).expect("small"),
        exit: Amount::from_sat(exit).expect("an amount"),
        ctx: F::from(n + 5),
    }
}

/// A credit of `sats`.
///
/// # Panics
/// If `sats` is above 21 million bitcoin.
#[must_use]
pub fn credit(n: u64, sats: u64) -> Credit {
    Credit {
        v: Amount::from_sat(sats).expect("an amount"),
        inner: F::from(n + 11),
        outpoint: F::from(n + 12),
    }
}
