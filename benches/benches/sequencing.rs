//! Admission: from the bytes of a transfer to the promise of a batch, whole and part by part.
//!
//! `submit` is everything a node does before it signs a receipt, on a store in memory; on disk comes
//! one synced write on top, measured alone. Rules by cost: the cheap ones bound what strangers can
//! make a sequencer do for nothing. Specification: `docs/spec/sequencer.md`.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput};
use tacit_benches::chain::Chain;
use tacit_protocol::F;
use tacit_protocol::encoding::Encode;
use tacit_protocol::kv::{Delta, KvError};
use tacit_sequencer::{
    Config, MemoryStore, Policy, Registration, Registrations, RocksStore, Screened, Sequencer, Store, Time,
};

const NOW: Time = Time::from_millis(0);

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let chain = Chain::new();
    let bytes = chain.prove(&chain.signed()[0]).encode();
    admission(&mut criterion, &chain, &bytes);
    writing(&mut criterion, &bytes);
    criterion.final_summary();
}

/// Nobody registered a deposit.
struct Nobody;

impl Registrations for Nobody {
    fn find(&self, _: &bitcoin::OutPoint) -> Result<Option<Registration>, KvError> {
        Ok(None)
    }
}

fn sequencer(chain: &Chain) -> Sequencer {
    let store = Arc::new(MemoryStore::from_snapshot(chain.kv().clone()));
    let config = Config {
        operator: F::from(1u64),
        policy: Policy::default(),
    };
    let opened = Sequencer::open(store, Arc::clone(chain.rules()), Arc::new(Nobody), config);
    let mut sequencer = opened.expect("a store in memory");
    sequencer.set_synced(true);
    sequencer
}

fn admission(criterion: &mut Criterion, chain: &Chain, bytes: &[u8]) {
    let idle = sequencer(chain);
    let Screened::Fresh(candidate) = idle.screen(bytes).expect("the transfer keeps every rule") else {
        unreachable!("nothing was submitted")
    };
    let mut group = criterion.benchmark_group("admission");
    group.throughput(Throughput::Elements(1));
    group.bench_function("cheap rules", |b| {
        b.iter(|| idle.screen(black_box(bytes)).expect("fresh"))
    });
    group.bench_function("proof", |b| {
        b.iter(|| candidate.verify(chain.rules()).expect("valid"))
    });
    group.bench_function("submit", |b| {
        let submit = |sequencer: &mut Sequencer| sequencer.submit(bytes, NOW).expect("accepted");
        b.iter_batched_ref(|| sequencer(chain), submit, BatchSize::PerIteration);
    });
    let mut busy = sequencer(chain);
    busy.submit(bytes, NOW).expect("accepted");
    group.bench_function("submit again", |b| {
        b.iter(|| busy.submit(black_box(bytes), NOW).expect("known"))
    });
    group.finish();
}

/// One acknowledged transfer on disk.
fn writing(criterion: &mut Criterion, bytes: &[u8]) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sequencing");
    let store = RocksStore::open(&folder).expect("the build's folder can be written");
    let mut n = 0u64;
    criterion.bench_function("admission/synced write", |b| {
        b.iter(|| {
            n += 1;
            let mut delta = Delta::default();
            delta.insert(n.to_be_bytes().to_vec(), Some(bytes.to_vec()));
            store.commit(&delta).expect("there is room");
        });
    });
    drop(store);
    std::fs::remove_dir_all(&folder).expect("nobody else uses the folder");
}
