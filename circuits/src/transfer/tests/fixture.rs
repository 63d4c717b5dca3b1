//! A valid statement whose raw fields tests may forge, and the native steps that make the rest fit.

use ark_ff::UniformRand;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tacit_protocol::hash::{Tag, hash};
use tacit_protocol::keys::SpendKey;
use tacit_protocol::note::NULLIFIER_BITS;
use tacit_protocol::signature::{SpendMessage, sign};
use tacit_protocol::tree::place;

use super::*;

/// A statement and the key that signs it.
///
/// The two notes spent stand side by side, at `position` and `position ^ 1`.
#[derive(Clone)]
pub(super) struct Forge {
    pub(super) statement: TransferStatement,
    pub(super) key: SpendKey,
    /// `ak` as the owner key hashes it.
    pub(super) ak: EdwardsAffine,
}

impl Forge {
    /// A valid transfer: 700 + 500 = 900 + 250 + 20 (fee) + 30 (exit).
    pub(super) fn honest(seed: u64) -> Self {
        let rng = &mut StdRng::seed_from_u64(seed);
        let key = SpendKey::from_scalar(Scalar::rand(rng)).expect("not zero");
        let position = rng.r#gen::<u64>() >> 30;
        let siblings: Vec<[F; 3]> = (0..NOTE_DEPTH)
            .map(|_| std::array::from_fn(|_| F::rand(rng)))
            .collect();
        let mut input = |v: u64, position: u64| Input {
            v: F::from(v),
            d: F::from(rng.r#gen::<u64>()),
            rcm: F::rand(rng),
            position: F::from(position),
            siblings: siblings.clone(),
        };
        let inputs = [input(700, position), input(500, position ^ 1)];
        let mut output = |v: u64| Output {
            v: F::from(v),
            inner: F::rand(rng),
        };
        let outputs = [output(900), output(250)];
        let statement = TransferStatement {
            public: [F::ZERO, F::ZERO, F::ZERO, F::ZERO, F::ZERO, F::ZERO, F::rand(rng)],
            ak_eighth: keys::eighth(&key.ak()),
            nk: F::rand(rng),
            e: 0,
            s: Scalar::ZERO,
            inputs,
            outputs,
            fee: F::from(20u64),
            exit: F::from(30u64),
        };
        let mut forge = Self {
            statement,
            ak: key.ak(),
            key,
        };
        forge.plant();
        forge
    }

    /// Another spender takes over: key and nullifier key.
    pub(super) fn take_over(&mut self) {
        let rng = &mut StdRng::seed_from_u64(4_242);
        self.key = SpendKey::from_scalar(Scalar::rand(rng)).expect("not zero");
        self.ak = self.key.ak();
        self.statement.ak_eighth = keys::eighth(&self.ak);
    }

    pub(super) fn owner(&self) -> F {
        hash(Tag::Own, &[self.ak.x, self.ak.y, self.statement.nk])
    }

    /// The commitment of input `i`, from its raw fields.
    pub(super) fn commitment(&self, i: usize) -> F {
        let Input { v, d, rcm, .. } = &self.statement.inputs[i];
        let pk_d = hash(Tag::Addr, &[self.owner(), *d]);
        hash(Tag::Note, &[*v, hash(Tag::Inner, &[pk_d, *rcm])])
    }

    /// The digest whose low bits are the nullifier of input `i`.
    pub(super) fn nullifier_digest(&self, i: usize) -> F {
        let Input { rcm, position, .. } = &self.statement.inputs[i];
        hash(
            Tag::Nullifier,
            &[self.statement.nk + rcm, self.commitment(i), *position],
        )
    }

    /// The root that the path of input `i` reaches.
    pub(super) fn root(&self, i: usize) -> F {
        let Input {
            position, siblings, ..
        } = &self.statement.inputs[i];
        let position = field::to_u64(position).expect("a position");
        MerklePath {
            siblings: siblings.clone(),
        }
        .root(self.commitment(i), position)
    }

    /// Puts both notes into the tree, takes its root as the anchor, settles and signs.
    pub(super) fn plant(&mut self) {
        let own = self.commitment(0);
        let other = self.commitment(1);
        let child = tacit_protocol::tree::child_number(
            field::to_u64(&self.statement.inputs[0].position).expect("a position"),
            0,
        );
        // The neighbour takes the place among the siblings that belongs to `child ^ 1`.
        let mut siblings = self.statement.inputs[0].siblings[0];
        let slot = child & !1;
        siblings[slot] = other;
        let children = place(own, &siblings, child);
        let mut rest = (0..4).filter(|i| *i != child ^ 1).map(|i| children[i]);
        self.statement.inputs[0].siblings[0] = siblings;
        self.statement.inputs[1].siblings[0] = std::array::from_fn(|_| rest.next().expect("three"));
        self.statement.public[0] = self.root(0);
        assert_eq!(self.root(0), self.root(1));
        self.settle();
    }

    /// Publishes the nullifiers, commitments and `out` of the raw fields, and signs.
    pub(super) fn settle(&mut self) {
        for i in 0..2 {
            self.statement.public[1 + i] = field::low(&self.nullifier_digest(i), NULLIFIER_BITS);
            let Output { v, inner } = self.statement.outputs[i];
            self.statement.public[3 + i] = hash(Tag::Note, &[v, inner]);
        }
        self.statement.public[5] = self.statement.fee + self.statement.exit * field::pow2(64);
        self.sign();
    }

    pub(super) fn message(&self) -> SpendMessage {
        let [_, nf0, nf1, cm0, cm1, out, ctx] = self.statement.public;
        SpendMessage {
            ok: self.owner(),
            nf: [nf0, nf1],
            cm: [cm0, cm1],
            out,
            ctx,
        }
    }

    /// Signs the public inputs as they are.
    pub(super) fn sign(&mut self) {
        let signature = sign(&self.key, &self.message(), &mut StdRng::seed_from_u64(7));
        self.statement.e = signature.e();
        self.statement.s = signature.s();
    }
}
