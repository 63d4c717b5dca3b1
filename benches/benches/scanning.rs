//! What a wallet does with every transfer of the chain: try both outputs with both of its keys.
//!
//! Nearly all transfers are strangers', so that case decides how long a wallet takes to catch up.
//! One multiplication on ristretto255 cannot be avoided; it is measured alone as the floor.
//! Specification: `docs/spec/encryption.md`.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use curve25519_dalek::ristretto::CompressedRistretto;
use tacit_protocol::encryption::{OutputOrder, OutputSecrets, Sealed};
use tacit_protocol::keys::FullViewingKey;
use tacit_protocol::note::Nullifier;
use tacit_protocol::{Amount, Network, testing};
use tacit_wallet::{Keys, Seed};

/// Transfers tried in one iteration.
const TRANSFERS: u64 = 64;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    scanning(&mut criterion);
    criterion.final_summary();
}

fn keys(n: u8) -> Keys {
    Keys::derive(&Seed::from_entropy([n; 32]), Network::Regtest)
}

/// Payments of `sender` to `receiver`.
fn payments(sender: &Keys, receiver: &Keys) -> Vec<(Nullifier, Sealed)> {
    let amount = |sats| Amount::from_sat(sats).expect("small");
    (0..TRANSFERS)
        .map(|n| {
            let nf0 = testing::nullifier(n + 1);
            let to = receiver.viewing().incoming().address(n);
            let payment = (amount(1_000 + n), &to);
            let secrets =
                OutputSecrets::derive(sender.viewing(), &nf0, n.to_le_bytes(), payment, amount(500));
            (nf0, secrets.seal(OutputOrder::from_bit(n % 2 == 1)))
        })
        .collect()
}

/// Tries all transfers and counts the notes found.
fn scan(key: &FullViewingKey, transfers: &[(Nullifier, Sealed)]) -> usize {
    let found = transfers.iter().map(|(nf0, Sealed { outputs, cm, .. })| {
        usize::from(key.try_change(outputs, nf0, cm).is_some())
            + usize::from(key.incoming().try_payment(outputs, cm).is_some())
    });
    found.sum()
}

fn scanning(criterion: &mut Criterion) {
    let [sender, receiver, stranger] = [1, 2, 3].map(keys);
    let transfers = payments(&sender, &receiver);
    let all = transfers.len();
    assert_eq!(scan(stranger.viewing(), &transfers), 0);
    assert_eq!(scan(receiver.viewing(), &transfers), all);
    assert_eq!(scan(sender.viewing(), &transfers), all);

    let mut group = criterion.benchmark_group("scanning");
    group.throughput(Throughput::Elements(TRANSFERS));
    let ivk = *stranger.viewing().incoming().ivk();
    let epks: Vec<_> = transfers
        .iter()
        .map(|(_, sealed)| CompressedRistretto(*sealed.outputs.epk()))
        .collect();
    group.bench_function("peer: curve25519-dalek, decode and multiply", |b| {
        b.iter(|| {
            for epk in &epks {
                black_box(black_box(epk).decompress().map(|point| point * ivk));
            }
        });
    });
    for (name, who) in [
        ("a stranger's transfer", &stranger),
        ("a payment received", &receiver),
        ("a transfer of one's own", &sender),
    ] {
        group.bench_function(name, |b| b.iter(|| scan(who.viewing(), black_box(&transfers))));
    }
    group.finish();
}
