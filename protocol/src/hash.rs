//! Hashes: Poseidon2 inside statements, BLAKE2b outside.
//!
//! * [`hash`] is a sponge over the Poseidon2 permutation with `t = 4` (HorizenLabs parameters):
//!   lanes 0–2 are the rate, lane 3 the capacity, which starts at `tag + n·2^32`; inputs are
//!   absorbed by addition, the last block is padded with zeros (`n` is fixed per tag), and the
//!   output is lane 0.
//! * [`node`] is the 4-ary Merkle node `P4(a, b, c, d)[0] + a`.
//! * [`B2`] is BLAKE2b-512 with a personalisation label; every field is length-prefixed, so no two
//!   different lists of fields share a preimage.
//!
//! All tags and labels stand in the two tables of this file. Specification: `docs/spec/hashes.md`.

use blake2b_simd::{Params, State};

use crate::field::{self, F};

pub mod poseidon2;

pub use poseidon2::permute;

/// Domain tags of the Poseidon2 sponge. Each has a fixed number of inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Tag {
    /// `ok = H[own](ak.x, ak.y, nk)`.
    Own = 1,
    /// `pk_d = H[addr](ok, d)`.
    Addr = 2,
    /// `inner = H[inner](pk_d, rcm)`.
    Inner = 3,
    /// `cm = H[note](v, inner)`.
    Note = 4,
    /// `nf = low(H[nf](nk + rcm, cm, pos), 160)`.
    Nullifier = 5,
    /// The Schnorr challenge over `(R.x, R.y, ok, nf0, nf1, cm0, cm1, out, ctx)`.
    Challenge = 6,
    /// A leaf of the indexed nullifier tree, `H[imt](value, next)`.
    Imt = 7,
    /// `S_b = H[state](notes_root, nullifier_root, history_root, supply, b)`.
    State = 8,
    /// The public digest of a batch; its length is fixed by the circuit's shape.
    Digest = 9,
}

impl Tag {
    /// All tags, for tests that check the table.
    pub const ALL: [Self; 9] = [
        Self::Own,
        Self::Addr,
        Self::Inner,
        Self::Note,
        Self::Nullifier,
        Self::Challenge,
        Self::Imt,
        Self::State,
        Self::Digest,
    ];

    /// The initial capacity lane for `n` inputs: `tag + n·2^32`.
    #[must_use]
    pub fn capacity(self, n: usize) -> F {
        F::from(self as u64 + ((n as u64) << 32))
    }
}

/// `H[tag](inputs)`: the Poseidon2 sponge described in the module documentation.
#[must_use]
pub fn hash(tag: Tag, inputs: &[F]) -> F {
    let mut state = [
        F::from(0u64),
        F::from(0u64),
        F::from(0u64),
        tag.capacity(inputs.len()),
    ];
    for block in inputs.chunks(3) {
        for (lane, x) in state.iter_mut().zip(block) {
            *lane += x;
        }
        permute(&mut state);
    }
    state[0]
}

/// The 4-ary Merkle node: `P4(children)[0] + children[0]`.
#[must_use]
pub fn node(children: &[F; 4]) -> F {
    let mut state = *children;
    permute(&mut state);
    state[0] + children[0]
}

/// Personalisation labels of BLAKE2b, 16 bytes each (zero-padded by the function).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// Account root from a seed.
    Account,
    /// A pseudo-random function of the account root; the first field names the key.
    Key,
    /// Diversifier hash to ristretto255.
    Diversify,
    /// Round function of the diversifier's block cipher.
    Index,
    /// Round functions of the address mixing.
    Jumble,
    /// Note randomness of payments and change.
    Rcm,
    /// Note randomness of deposits.
    DepRcm,
    /// Refund key of deposits.
    DepRefund,
    /// Key whose coins pay for posting forced requests.
    Posting,
    /// Seeds of a transfer's outputs.
    Seed,
    /// Ephemeral secret of a transfer.
    Esk,
    /// Key stream of a payment.
    Enc,
    /// Key stream of the change.
    Change,
    /// Key of a memo.
    Memo,
    /// Nonce of a spend signature.
    Nonce,
    /// The context a transfer signs.
    Ctx,
    /// Transfer identifier.
    Tx,
    /// Hash of a Bitcoin outpoint to a field element.
    Outpoint,
    /// Chain identifier to a field element, and the hash of the genesis part.
    Chain,
    /// Message of a sequencer's receipt.
    Receipt,
    /// Secret of a withdrawal's own key.
    ExitKey,
    /// Message that raises a withdrawal's fee limit.
    RaiseFee,
    /// Hash of a federation epoch.
    Epoch,
    /// Message by which one epoch hands the vault over to the next.
    Succession,
    /// Weights of batched proof verification.
    Weights,
    /// Digest of a circuit.
    Circuit,
    /// Digest of a key file.
    KeyFile,
    /// Hash of a verifying key, the one that is pinned.
    VerifyingKey,
    /// Seed of the development set-up.
    DevSetup,
}

impl Label {
    /// The personalisation string, at most 16 bytes.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Account => "TacitAccount",
            Self::Key => "TacitKey",
            Self::Diversify => "TacitDiversify",
            Self::Index => "TacitIndex",
            Self::Jumble => "TacitJumble",
            Self::Rcm => "TacitRcm",
            Self::DepRcm => "TacitDepRcm",
            Self::DepRefund => "TacitDepRefund",
            Self::Posting => "TacitPosting",
            Self::Seed => "TacitSeed",
            Self::Esk => "TacitEsk",
            Self::Enc => "TacitEnc",
            Self::Change => "TacitChange",
            Self::Memo => "TacitMemo",
            Self::Nonce => "TacitNonce",
            Self::Ctx => "TacitCtx",
            Self::Tx => "TacitTx",
            Self::Outpoint => "TacitOutpoint",
            Self::Chain => "TacitChain",
            Self::Receipt => "TacitReceipt",
            Self::ExitKey => "TacitExitKey",
            Self::RaiseFee => "TacitRaiseFee",
            Self::Epoch => "TacitEpoch",
            Self::Succession => "TacitSuccession",
            Self::Weights => "TacitWeights",
            Self::Circuit => "TacitCircuit",
            Self::KeyFile => "TacitKeyFile",
            Self::VerifyingKey => "TacitVerifyKey",
            Self::DevSetup => "TacitDevSetup",
        }
    }
}

/// A framed BLAKE2b-512 hash: every field goes in behind its length as a `u64`.
#[derive(Clone, Debug)]
pub struct B2(State);

impl B2 {
    /// Starts a hash under `label`.
    #[must_use]
    pub fn new(label: Label) -> Self {
        Self(
            Params::new()
                .hash_length(64)
                .personal(label.name().as_bytes())
                .to_state(),
        )
    }

    /// Absorbs one field of any length.
    #[must_use]
    pub fn bytes(mut self, field: &[u8]) -> Self {
        self.0.update(&(field.len() as u64).to_le_bytes());
        self.0.update(field);
        self
    }

    /// Absorbs an integer as an eight-byte field.
    #[must_use]
    pub fn u64(self, x: u64) -> Self {
        self.bytes(&x.to_le_bytes())
    }

    /// Absorbs a field element as a 32-byte field.
    #[must_use]
    pub fn field(self, x: &F) -> Self {
        self.bytes(&field::to_bytes(x))
    }

    /// The 64-byte digest.
    #[must_use]
    pub fn finish(self) -> [u8; 64] {
        *self.0.finalize().as_array()
    }

    /// The first 32 bytes of the digest.
    #[must_use]
    pub fn finish32(self) -> [u8; 32] {
        let mut out = [0; 32];
        out.copy_from_slice(&self.finish()[..32]);
        out
    }

    /// The digest reduced to a field element.
    #[must_use]
    pub fn to_field(self) -> F {
        field::from_uniform(&self.finish())
    }
}

#[cfg(test)]
mod tests;
