//! The statement `Transfer`: two notes in, two notes out, a fee and perhaps an exit.
//!
//! | paragraph | what it proves |
//! |---|---|
//! | `keys` | `ak` is in the prime-order group; `ok = H[own](ak, nk)` |
//! | `amounts` | every v, fee and exit is below 2^64; `out = fee + 2^64·exit` |
//! | `balance` | `v0 + v1 = w0 + w1 + fee + exit`, in integers because of the ranges |
//! | `input note` | `cm = H[note](v, H[inner](H[addr](ok, d), rcm))`: the note belongs to `ok` |
//! | `position` | `pos` is 34 booleans |
//! | `path` | 17 levels from `cm` at `pos` to `root` |
//! | `membership` | `v · (root − anchor) = 0`: a zero-value input skips this and nothing else |
//! | `nullifier` | `nf = low(H[nf](nk + rcm, cm, pos), 160)`, the same 34 bits as the path |
//! | `outputs` | `cm = H[note](v, inner)` |
//! | `signature` | Schnorr under `ak` over `ok`, both `nf`, both `cm`, `out`, `ctx` |
//!
//! `d` is eight bytes natively and any field element here: it only enters `pk_d = H[addr](ok, d)`, so
//! another `d` is another address of the same owner. `rcm` and an output's `inner` are any field
//! elements for the same reason. Specification: `docs/spec/transfer.md`.

use ark_ec::AffineRepr;
use ark_ed_on_bn254::{EdwardsAffine, Fr as Scalar};
use ark_ff::AdditiveGroup;
use tacit_protocol::note::{Commitment, Note, Position};
use tacit_protocol::signature::Signature;
use tacit_protocol::transfer::out_field;
use tacit_protocol::tree::{MerklePath, NOTE_DEPTH};
use tacit_protocol::{Amount, F, field};

use crate::bits::{alloc_bits, alloc_ranged};
use crate::keys::{self, SpendAuthority};
use crate::r1cs::{Cs, Num, Statement};
use crate::signature::SignatureVar;
use crate::{merkle, note};

/// Bits of an amount.
const AMOUNT_BITS: usize = 64;

/// A note to be spent.
#[derive(Clone, Debug)]
pub struct SpentNote {
    /// The note, one of the spender's.
    pub note: Note,
    /// Its position.
    pub position: Position,
    /// Its path to the anchor.
    pub path: MerklePath,
}

impl SpentNote {
    /// A zero-value input, which needs no path. Its nullifier is still derived and published, so
    /// `note.rcm` has to be fresh randomness.
    #[must_use]
    pub fn dummy(note: Note, position: Position) -> Self {
        Self {
            note,
            position,
            path: MerklePath::zero(NOTE_DEPTH),
        }
    }
}

/// A note to be created: all that the statement needs of it.
#[derive(Clone, Copy, Debug)]
pub struct NewNote {
    /// Amount.
    pub v: Amount,
    /// `inner = H[inner](pk_d, rcm)`.
    pub inner: F,
}

/// Everything a transfer proves knowledge of, and the public values it chooses.
#[derive(Clone, Debug)]
pub struct TransferWitness {
    /// The spend-authority key.
    pub ak: EdwardsAffine,
    /// The nullifier key.
    pub nk: F,
    /// The notes spent.
    pub inputs: [SpentNote; 2],
    /// The notes created.
    pub outputs: [NewNote; 2],
    /// The fee.
    pub fee: Amount,
    /// The amount that leaves to Bitcoin.
    pub exit: Amount,
    /// The notes root that the inputs are proven in.
    pub anchor: F,
    /// The context that the signature covers.
    pub ctx: F,
    /// The signature under `ak`.
    pub signature: Signature,
}

/// An input as field elements; tests put values here that no [`Note`] can hold.
#[derive(Clone, Debug)]
struct Input {
    v: F,
    d: F,
    rcm: F,
    position: F,
    siblings: Vec<[F; 3]>,
}

/// An output as field elements.
#[derive(Clone, Copy, Debug)]
struct Output {
    v: F,
    inner: F,
}

/// The statement with its witness.
#[derive(Clone, Debug)]
pub struct TransferStatement {
    public: [F; 7],
    ak_eighth: EdwardsAffine,
    nk: F,
    e: u128,
    s: Scalar,
    inputs: [Input; 2],
    outputs: [Output; 2],
    fee: F,
    exit: F,
}

impl TransferStatement {
    /// The statement that `witness` satisfies if it keeps every rule.
    #[must_use]
    pub fn new(witness: &TransferWitness) -> Self {
        let nf = witness
            .inputs
            .each_ref()
            .map(|i| i.note.nullifier(&witness.nk, i.position).to_field());
        let cm = witness.outputs.map(|o| Commitment::new(o.v, &o.inner).to_field());
        let out = out_field(witness.fee, witness.exit);
        Self {
            public: [witness.anchor, nf[0], nf[1], cm[0], cm[1], out, witness.ctx],
            ak_eighth: keys::eighth(&witness.ak),
            nk: witness.nk,
            e: witness.signature.e(),
            s: witness.signature.s(),
            inputs: witness.inputs.each_ref().map(|i| Input {
                v: i.note.v.to_field(),
                d: i.note.d.to_field(),
                rcm: i.note.rcm,
                position: i.position.to_field(),
                siblings: i.path.siblings.clone(),
            }),
            outputs: witness.outputs.map(|o| Output {
                v: o.v.to_field(),
                inner: o.inner,
            }),
            fee: witness.fee.to_field(),
            exit: witness.exit.to_field(),
        }
    }

    /// The statement's shape, for set-up; nothing satisfies it.
    #[must_use]
    pub fn blank() -> Self {
        let input = || Input {
            v: F::ZERO,
            d: F::ZERO,
            rcm: F::ZERO,
            position: F::ZERO,
            siblings: MerklePath::zero(NOTE_DEPTH).siblings,
        };
        let output = Output {
            v: F::ZERO,
            inner: F::ZERO,
        };
        Self {
            public: [F::ZERO; 7],
            ak_eighth: EdwardsAffine::generator(),
            nk: F::ZERO,
            e: 0,
            s: Scalar::ZERO,
            inputs: [input(), input()],
            outputs: [output, output],
            fee: F::ZERO,
            exit: F::ZERO,
        }
    }

    /// `anchor, nf0, nf1, cm0, cm1, out, ctx`.
    #[must_use]
    pub fn public_inputs(&self) -> [F; 7] {
        self.public
    }
}

impl Statement for TransferStatement {
    fn synthesize(&self, cs: &mut Cs) {
        let public = self.public.map(|x| cs.public(x));
        self.constrain(cs, public);
    }
}

impl TransferStatement {
    /// The public inputs: anchor, both nullifiers, both commitments, `out`, `ctx`.
    #[must_use]
    pub fn public(&self) -> [F; 7] {
        self.public
    }

    /// The whole statement about public inputs that were allocated before.
    pub fn constrain(&self, cs: &mut Cs, public: [Num; 7]) {
        let [anchor, nf0, nf1, cm0, cm1, out, ctx] = public;
        let (nf, cm) = ([nf0, nf1], [cm0, cm1]);

        // One key owns both inputs and signs.
        cs.paragraph("keys");
        let key = SpendAuthority::alloc(cs, &self.ak_eighth);
        let nk = cs.alloc(self.nk);
        let ok = keys::owner(cs, &key.ak, &nk);

        // All amounts are below 2^64, so that neither sums nor `out` can wrap around the modulus.
        cs.paragraph("amounts");
        let [v0, v1] = self
            .inputs
            .each_ref()
            .map(|input| alloc_ranged(cs, input.v, AMOUNT_BITS));
        let [w0, w1] = self.outputs.map(|output| alloc_ranged(cs, output.v, AMOUNT_BITS));
        let [fee, exit] = [self.fee, self.exit].map(|x| alloc_ranged(cs, x, AMOUNT_BITS));
        cs.enforce_equal(&out, &fee.add_scaled(&exit, field::pow2(AMOUNT_BITS)));

        // No money appears or disappears.
        cs.paragraph("balance");
        cs.enforce_equal(&(&v0 + &v1), &Num::sum([&w0, &w1, &fee, &exit]));

        for ((input, v), nf) in self.inputs.iter().zip([&v0, &v1]).zip(&nf) {
            // The note belongs to the owner.
            cs.paragraph("input note");
            let (d, rcm) = (cs.alloc(input.d), cs.alloc(input.rcm));
            let pk_d = keys::pk_d(cs, &ok, &d);
            let inner = note::inner(cs, &pk_d, &rcm);
            let commitment = note::commitment(cs, v, &inner);

            // It stands at `pos` in the tree under `root`.
            cs.paragraph("position");
            let position = alloc_bits(cs, input.position, 2 * NOTE_DEPTH);
            cs.paragraph("path");
            let root = merkle::root(cs, &commitment, &position, &input.siblings);

            // That root is the anchor, unless the note is worth nothing.
            cs.paragraph("membership");
            cs.enforce(v, &(&root - &anchor), &Num::zero());

            // Its nullifier is the public one; nothing skips this.
            cs.paragraph("nullifier");
            let expected = note::nullifier(cs, &nk, &rcm, &commitment, &position);
            cs.enforce_equal(&expected, nf);
        }

        // The public commitments hold the amounts that were balanced.
        cs.paragraph("outputs");
        for ((output, w), cm) in self.outputs.iter().zip([&w0, &w1]).zip(&cm) {
            let inner = cs.alloc(output.inner);
            let commitment = note::commitment(cs, w, &inner);
            cs.enforce_equal(&commitment, cm);
        }

        // The owner agreed to exactly this.
        cs.paragraph("signature");
        let signature = SignatureVar::alloc(cs, &key, self.e, &self.s);
        let ([nf0, nf1], [cm0, cm1]) = (nf, cm);
        signature.verify(cs, &[ok, nf0, nf1, cm0, cm1, out, ctx]);
    }
}

#[cfg(test)]
mod tests;
