//! A person of the story: a wallet that talks to a node.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use rand::rngs::OsRng;
use rand_core::CryptoRngCore;
use tacit_circuits::transfer::TransferStatement;
use tacit_protocol::encryption::MemoText;
use tacit_protocol::params::ChainParams;
use tacit_protocol::transfer::ProofBytes;
use tacit_protocol::{Amount, F};
use tacit_prover::{ProveError, Prover, ProvingKey};
use tacit_wallet::api::NodeApi;
use tacit_wallet::{
    Groth16TransferProver, KdfParams, MemoRecord, Payment, Place, Seed, Sent, Session, TransferProver, Wallet,
};

const PASSPHRASE: &[u8] = b"demo";

/// A prover that remembers how long it took, and its last proof.
pub(super) struct Timed {
    inner: Groth16TransferProver,
    pub(super) log: Mutex<Vec<(u64, [F; 7], ProofBytes)>>,
}

impl Timed {
    pub(super) fn new(key: Arc<ProvingKey>) -> Self {
        Self {
            inner: Groth16TransferProver::new(Prover::cpu(), key),
            log: Mutex::default(),
        }
    }
}

impl TransferProver for Timed {
    fn prove_transfer(
        &self,
        statement: &TransferStatement,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<ProofBytes, ProveError> {
        let started = Instant::now();
        let proof = self.inner.prove_transfer(statement, rng)?;
        let millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.push((millis, statement.public_inputs(), proof));
        Ok(proof)
    }
}

/// Somebody with a wallet.
pub(super) struct Person {
    pub(super) name: &'static str,
    pub(super) wallet: Wallet,
}

fn file(dir: &Path, stem: &str) -> PathBuf {
    dir.join(format!("{}.wallet", stem.to_lowercase()))
}

impl Person {
    /// A wallet from fresh words.
    pub(super) fn new(dir: &Path, name: &'static str, params: &ChainParams) -> anyhow::Result<Self> {
        Self::with_seed(dir, name, name, params, Seed::generate(&mut OsRng))
    }

    /// The same person on an empty disk, from the words alone.
    pub(super) fn restored(&self, dir: &Path, params: &ChainParams) -> anyhow::Result<Self> {
        let seed = Seed::from_words(&self.wallet.words())?;
        Self::with_seed(dir, &format!("{}-restored", self.name), self.name, params, seed)
    }

    pub(super) fn with_seed(
        dir: &Path,
        stem: &str,
        name: &'static str,
        params: &ChainParams,
        seed: Seed,
    ) -> anyhow::Result<Self> {
        let path = file(dir, stem);
        let place = Place {
            path: &path,
            passphrase: PASSPHRASE,
            kdf: KdfParams::default(),
        };
        let wallet = Wallet::create(&place, params.clone(), seed, &mut OsRng)?;
        Ok(Self { name, wallet })
    }

    pub(super) fn sync(&mut self, api: &dyn NodeApi) -> anyhow::Result<()> {
        self.wallet.sync(api, &mut |_| (), &mut OsRng)?;
        Ok(())
    }

    /// The memos in the history.
    pub(super) fn memos(&self) -> Vec<MemoText> {
        let memos = self
            .wallet
            .history()
            .into_iter()
            .filter_map(|entry| match entry.memo {
                Some(MemoRecord::Text(text)) => Some(text),
                Some(MemoRecord::Unreadable(_)) | None => None,
            });
        memos.collect()
    }

    /// What belongs to the wallet inside the rollup.
    pub(super) fn balance(&self) -> u64 {
        self.wallet.balance().total().to_sat()
    }

    pub(super) fn pay(
        &mut self,
        api: &dyn NodeApi,
        prover: &Timed,
        to: &mut Self,
        (sats, memo): (u64, Option<&str>),
    ) -> anyhow::Result<Sent> {
        let (_, address) = to.wallet.new_address(&mut OsRng)?;
        self.send(
            api,
            prover,
            &Payment::Pay {
                to: address,
                amount: Amount::from_sat(sats)?,
                memo: memo.map(MemoText::new).transpose()?,
            },
        )
    }

    pub(super) fn send(
        &mut self,
        api: &dyn NodeApi,
        prover: &Timed,
        payment: &Payment,
    ) -> anyhow::Result<Sent> {
        self.sync(api)?;
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let mut session = Session {
            api,
            prover,
            rng: &mut OsRng,
            now,
            max_fee: None,
        };
        Ok(self.wallet.send(&mut session, payment)?)
    }
}
