//! The circuits of the race: one transfer, and several transfers in one circuit.
//!
//! Several transfers make a circuit of any size with the real thing's mixture of bits and full-size
//! values, and of sparse and dense rows.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tacit_circuits::r1cs::{Cs, R1cs, Statement};
use tacit_circuits::transfer::TransferStatement;
use tacit_prover::{CircuitId, KeyStore, ProvingKey, Silent};

use crate::chain::{self, Chain};

/// How large a circuit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(usize);

impl Size {
    /// About 20 thousand, 240 thousand and one million constraints.
    pub const ALL: [Self; 3] = [Self(1), Self(15), Self(64)];

    /// A circuit of so many transfers; `None` for none.
    #[must_use]
    pub fn new(transfers: usize) -> Option<Self> {
        (transfers > 0).then_some(Self(transfers))
    }

    /// Number of transfers.
    #[must_use]
    pub fn transfers(self) -> usize {
        self.0
    }

    /// Its name in results and in the name of its key file.
    #[must_use]
    pub fn name(self) -> String {
        format!("transfers-{}", self.0)
    }
}

/// Several transfers as one statement.
#[derive(Clone, Debug)]
pub struct Transfers(Vec<TransferStatement>);

impl Transfers {
    /// Satisfied transfers of a chain in memory, as often as needed.
    #[must_use]
    pub fn new(size: Size) -> Self {
        let chain = Chain::new();
        let statements: Vec<_> = chain.signed().iter().map(|s| chain.statement(s)).collect();
        Self(statements.into_iter().cycle().take(size.0).collect())
    }
}

impl Statement for Transfers {
    fn synthesize(&self, cs: &mut Cs) {
        let public: Vec<_> = self.0.iter().map(|t| t.public().map(|x| cs.public(x))).collect();
        for (transfer, public) in self.0.iter().zip(public) {
            transfer.constrain(cs, public);
        }
    }
}

/// Where keys that only the race needs are kept.
///
/// # Panics
/// If the directory cannot be made.
#[must_use]
pub fn directory() -> PathBuf {
    let dir = chain::keys_dir().join("race");
    std::fs::create_dir_all(&dir).expect("the directory of keys can be written");
    dir
}

/// Our key of a circuit, made on first use, and how long it takes to load.
///
/// # Panics
/// If it can neither be read nor made; the message says why.
#[must_use]
pub fn key(size: Size, system: &R1cs) -> (Arc<ProvingKey>, Duration) {
    let circuit = CircuitId::new(size.name(), system.digest());
    let load = || {
        KeyStore::new(directory(), tacit_protocol::Network::Regtest)
            .load_or_generate(&circuit, || system.clone(), &Silent)
            .expect("development keys can be read or made")
    };
    drop(load()); // makes it, and has the system read its file
    let start = Instant::now();
    (load(), start.elapsed())
}
