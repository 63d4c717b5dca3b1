//! The batch statement: agreement with the ledger, forgeries, free variables, pinned counts.

use std::sync::OnceLock;

use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};
use tacit_protocol::batch::{Batch, BatchData, Credit, Slot};
use tacit_protocol::kv::{MemoryKv, Overlay};
use tacit_protocol::ledger::{self, BatchTrace};
use tacit_protocol::note::{Commitment, Nullifier};
use tacit_protocol::{Amount, field};

use super::*;
use crate::r1cs::R1cs;

mod agreement;
mod forge;
mod forgeries;
mod free;
mod pinned;

/// The system of the smallest shape, recorded once.
fn small_system() -> &'static R1cs {
    static SYSTEM: OnceLock<R1cs> = OnceLock::new();
    SYSTEM.get_or_init(|| BatchStatement::blank(BatchShape::B4x4).r1cs())
}

/// A ledger that makes up its batches.
struct Chain {
    kv: MemoryKv,
    rng: StdRng,
}

impl Chain {
    fn genesis(seed: u64) -> Self {
        let mut kv = MemoryKv::default();
        let mut overlay = Overlay::new(&kv);
        ledger::write_genesis(&mut overlay).expect("memory");
        let delta = overlay.into_delta();
        kv.commit(&delta);
        Self {
            kv,
            rng: StdRng::seed_from_u64(seed),
        }
    }

    /// A chain with a few batches of the smallest shape behind it.
    fn with_batches(seed: u64, batches: usize) -> Self {
        let mut chain = Self::genesis(seed);
        for _ in 0..batches {
            let data = chain.batch(BatchShape::B4x4, 4, 4);
            chain.apply(&data);
        }
        chain
    }

    fn field(&mut self) -> F {
        let mut bytes = [0; 64];
        self.rng.fill_bytes(&mut bytes);
        field::from_uniform(&bytes)
    }

    fn amount(&mut self, below: u64) -> Amount {
        Amount::from_sat(self.rng.gen_range(1..below)).expect("small")
    }

    fn nullifier(&mut self) -> Nullifier {
        Nullifier::new(self.rng.r#gen())
    }

    fn slot(&mut self, anchors: &[u32], exit: Amount) -> Slot {
        let anchor = anchors[self.rng.gen_range(0..anchors.len())];
        let first = anchors.iter().position(|a| *a == anchor).expect("one of them");
        Slot {
            anchor_index: u8::try_from(first).expect("few anchors"),
            nf: [self.nullifier(), self.nullifier()],
            cm: [
                Commitment::from_field(self.field()),
                Commitment::from_field(self.field()),
            ],
            fee: self.amount(1_000),
            exit,
            ctx: self.field(),
        }
    }

    /// A random batch with this many transfers and deposits, never emptying the supply.
    fn batch(&mut self, shape: BatchShape, transfers: usize, credits: usize) -> BatchData {
        let tip = ledger::tip(&self.kv).expect("memory");
        let distinct: Vec<u32> = (0..=tip.batch)
            .rev()
            .take(self.rng.gen_range(1..=shape.anchors()))
            .collect();
        let anchors = Batch::pad_anchors(shape, &distinct).expect("few");
        let share = tip.supply.to_sat() / (2 * shape.slots() as u64);
        let slots = (0..transfers)
            .map(|_| {
                let exit = Amount::from_sat(self.rng.gen_range(0..=share)).expect("small");
                self.slot(&anchors, exit)
            })
            .collect();
        let credits = (0..credits)
            .map(|_| Credit {
                v: self.amount(1_000_000),
                inner: self.field(),
                outpoint: self.field(),
            })
            .collect();
        BatchData {
            shape,
            number: tip.batch + 1,
            operator: self.field(),
            anchors,
            slots,
            credits,
        }
    }

    /// The trace of a batch on the tip, which does not move.
    fn trace(&self, data: &BatchData) -> BatchTrace {
        let mut overlay = Overlay::new(&self.kv);
        ledger::apply_traced(&mut overlay, data, F::from(77u64)).expect("a valid batch")
    }

    /// Applies a batch.
    fn apply(&mut self, data: &BatchData) -> BatchTrace {
        let mut overlay = Overlay::new(&self.kv);
        let trace = ledger::apply_traced(&mut overlay, data, F::from(77u64)).expect("a valid batch");
        let delta = overlay.into_delta();
        self.kv.commit(&delta);
        trace
    }

    /// Pretends that the tip has another number, far into the chain's life.
    fn jump_to(&mut self, number: u32) {
        let state = tacit_protocol::state::State {
            batch: number,
            ..ledger::tip(&self.kv).expect("memory")
        };
        let mut overlay = Overlay::new(&self.kv);
        let mut key = vec![b's'];
        key.extend_from_slice(&number.to_be_bytes());
        overlay.put(key, tacit_protocol::encoding::Encode::encode(&state));
        let delta = overlay.into_delta();
        self.kv.commit(&delta);
    }
}
