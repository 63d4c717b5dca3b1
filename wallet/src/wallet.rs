//! The wallet: keys, store and what follows from both. Everything a user does starts here.
//!
//! The functions that talk to a node stand beside this file: [`crate::sync`], [`crate::send`],
//! [`crate::deposit`]; [`crate::history`] has what a user looks at.

use std::path::Path;

use rand_core::CryptoRngCore;
use tacit_protocol::Amount;
use tacit_protocol::address::{Address, AddressError};
use tacit_protocol::note::Position;
use tacit_protocol::params::ChainParams;
use tacit_prover::ProveError;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::KdfParams;
use crate::api::{ApiError, Status};
use crate::builder::BuildError;
use crate::builder::exit::ExitOrderError;
use crate::db::{Database, NoteRecord};
use crate::deposit::DepositError;
use crate::epochs::EpochsError;
use crate::forced::ForceError;
use crate::forced::raise::RaiseError;
use crate::scan::{ScanError, Scanner, View};
use crate::seed::{Keys, MnemonicError, Seed};
use crate::select::{Candidate, SelectError};
use crate::send::SendError;
use crate::store::{Store, StoreChain, StoreError};

/// Why something a user asked for was not done. Nothing is lost: every variant says what to do.
#[derive(Debug, Error)]
pub enum WalletError {
    /// The file.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The words.
    #[error(transparent)]
    Mnemonic(#[from] MnemonicError),
    /// The node refused or could not be reached.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The node is on another network or chain.
    #[error("the node follows chain {node}, this wallet belongs to {wallet}; connect to another node")]
    OtherChain {
        /// Chain of the node.
        node: String,
        /// Chain of the wallet.
        wallet: String,
    },
    /// The node said what cannot be true.
    #[error("{0}; connect to another node, best one of your own")]
    NodeLied(#[from] ScanError),
    /// The node is wrong about the federation's epochs.
    #[error(transparent)]
    Epochs(#[from] EpochsError),
    /// Too little money.
    #[error(transparent)]
    Select(#[from] SelectError),
    /// The transfer cannot be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The transfer cannot be proven.
    #[error("{0}")]
    Prove(#[from] ProveError),
    /// The transfer was not sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The withdrawal cannot be made as asked.
    #[error(transparent)]
    Exit(#[from] ExitOrderError),
    /// The deposit.
    #[error(transparent)]
    Deposit(#[from] DepositError),
    /// The transfer cannot be forced.
    #[error(transparent)]
    Force(#[from] ForceError),
    /// The fee limit of a withdrawal cannot be raised.
    #[error(transparent)]
    Raise(#[from] RaiseError),
    /// Not an address of this network.
    #[error("{0}; check the address, or ask the recipient for a new one")]
    Address(#[from] AddressError),
}

/// A wallet that is open.
pub struct Wallet {
    pub(crate) store: Store,
    pub(crate) params: ChainParams,
    pub(crate) seed: Seed,
    pub(crate) keys: Keys,
    pub(crate) db: Database,
    pub(crate) view: View,
}

impl std::fmt::Debug for Wallet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wallet")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

/// Where and how a wallet is stored.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The file.
    pub path: &'a Path,
    /// The passphrase.
    pub passphrase: &'a [u8],
    /// Cost of guessing it.
    pub kdf: KdfParams,
}

impl Wallet {
    /// Makes a wallet for `seed`: a fresh one ([`Seed::generate`]) or one that existed before
    /// ([`Seed::from_words`]). It scans from the first batch on unless [`Wallet::skip_history`] is
    /// called on a fresh one.
    ///
    /// # Errors
    /// [`WalletError::Store`]; an existing file is never touched.
    pub fn create(
        place: &Place<'_>,
        params: ChainParams,
        seed: Seed,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Self, WalletError> {
        let db = Database::new();
        let chain = chain_of(&params);
        let store = Store::create(place.path, chain, place.passphrase, place.kdf, (&seed, &db), rng)?;
        Ok(Self::assemble(store, params, seed, db))
    }

    /// Opens a wallet.
    ///
    /// # Errors
    /// [`WalletError::Store`].
    pub fn open(path: &Path, passphrase: &[u8], params: ChainParams) -> Result<Self, WalletError> {
        let (store, seed, db) = Store::open(path, chain_of(&params), passphrase)?;
        Ok(Self::assemble(store, params, seed, db))
    }

    fn assemble(store: Store, params: ChainParams, seed: Seed, db: Database) -> Self {
        let keys = Keys::derive(&seed, params.genesis().network);
        let view = View::new(&keys, &db);
        Self {
            store,
            params,
            seed,
            keys,
            db,
            view,
        }
    }

    /// Writes the wallet to its file.
    ///
    /// # Errors
    /// [`WalletError::Store`]; what was there before is intact.
    pub fn save(&self, rng: &mut dyn CryptoRngCore) -> Result<(), WalletError> {
        Ok(self.store.save(&self.seed, &self.db, rng)?)
    }

    /// The 24 words.
    #[must_use]
    pub fn words(&self) -> Zeroizing<String> {
        self.seed.words()
    }

    /// The chain the wallet belongs to.
    #[must_use]
    pub fn params(&self) -> &ChainParams {
        &self.params
    }

    /// The keys.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// A fresh address; none is handed out twice.
    ///
    /// # Errors
    /// [`WalletError::Store`] if its number cannot be saved; then it is not handed out.
    pub fn new_address(&mut self, rng: &mut dyn CryptoRngCore) -> Result<(u64, Address), WalletError> {
        let index = self.db.next_address;
        self.db.next_address = index + 1;
        if let Err(error) = self.save(rng) {
            self.db.next_address = index;
            return Err(error);
        }
        Ok((index, self.address(index)))
    }

    /// Address number `index`.
    ///
    /// # Panics
    /// If `index` is `u64::MAX`, which is kept for the wallet's own notes.
    #[must_use]
    pub fn address(&self, index: u64) -> Address {
        self.keys.viewing().incoming().address(index)
    }

    /// An address as text.
    #[must_use]
    pub fn address_text(&self, address: &Address) -> String {
        address.to_string_for(self.params.genesis().network)
    }

    /// Reads an address of this chain's network.
    ///
    /// # Errors
    /// [`WalletError::Address`].
    pub fn parse_address(&self, text: &str) -> Result<Address, WalletError> {
        Ok(Address::parse(text.trim(), self.params.genesis().network)?)
    }

    /// Refuses a node of another chain.
    pub(crate) fn check_node(&self, status: &Status) -> Result<(), WalletError> {
        let (node, wallet) = (status.chain_id, self.params.chain_id());
        if node == wallet && status.network == self.params.genesis().network {
            return Ok(());
        }
        let name = |id, network| format!("{id} on {network:?}");
        Err(WalletError::OtherChain {
            node: name(node, status.network),
            wallet: name(wallet, self.params.genesis().network),
        })
    }

    pub(crate) fn scanner(&mut self) -> Scanner<'_> {
        Scanner {
            keys: &self.keys,
            params: &self.params,
            db: &mut self.db,
            view: &mut self.view,
        }
    }

    /// Whether a batch is as deep in Bitcoin as the chain asks for.
    pub(crate) fn is_final(&self, batch: u32) -> bool {
        self.db
            .depth(batch)
            .is_some_and(|depth| depth >= u32::from(self.params.genesis().finality_depth))
    }

    /// Notes that no transfer spends, neither in a batch nor on its way. Those of refused transfers
    /// are among them: what is sent next has to spend them ([`crate::refused`]).
    pub(crate) fn unspent(&self) -> impl Iterator<Item = (Position, &NoteRecord)> {
        let live = || self.db.outgoing.iter().filter(|o| o.is_live());
        let leaving = move |position: &u64| live().any(|o| o.inputs.contains(position));
        self.db
            .notes
            .iter()
            .filter(move |(position, record)| record.spent.is_none() && !leaving(position))
            .map(|(position, record)| {
                (
                    Position::from_u64(*position).expect("stored positions come from the scan"),
                    record,
                )
            })
    }

    /// Notes that can be spent now.
    #[must_use]
    pub fn spendable(&self) -> Vec<Candidate> {
        self.unspent()
            .map(|(position, record)| Candidate {
                position,
                v: record.v,
            })
            .collect()
    }

    /// What can be spent now, fees not deducted.
    #[must_use]
    pub fn spendable_amount(&self) -> Amount {
        sum(self.unspent().map(|(_, record)| record.v))
    }
}

fn chain_of(params: &ChainParams) -> StoreChain {
    StoreChain {
        network: params.genesis().network,
        chain_id: params.chain_id(),
    }
}

/// A sum that stops at all bitcoin there can be. Only a node that made up batches can reach that, and
/// it must not be able to stop the program.
pub(crate) fn sum(amounts: impl Iterator<Item = Amount>) -> Amount {
    amounts.fold(Amount::ZERO, |sum, v| sum.checked_add(v).unwrap_or(Amount::MAX))
}
