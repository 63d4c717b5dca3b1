//! The directory of proving keys: one file per circuit, found or made.
//!
//! Files are named after the circuit and the first eight bytes of its digest, so a changed circuit
//! never meets an old key: `batch-20-8-v1-0123456789abcdef-INSECURE.key`, without the mark for the
//! key of a ceremony, which is preferred. A key is written to a temporary file, synced and renamed,
//! under a lock that processes share: a crash leaves no half key, two processes do not both make one.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tacit_circuits::r1cs::R1cs;
use tacit_protocol::Network;

use super::file::{self, KeyError};
use super::{CircuitId, ProvingKey};
use crate::progress::{Progress, Stage};
use crate::setup;

/// A directory of proving keys for use on one network; keys once loaded stay in memory.
#[derive(Debug)]
pub struct KeyStore {
    dir: PathBuf,
    network: Network,
    loaded: Mutex<HashMap<CircuitId, Arc<ProvingKey>>>,
}

impl KeyStore {
    /// The keys in `dir`, which is created when the first key is made.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>, network: Network) -> Self {
        Self {
            dir: dir.into(),
            network,
            loaded: Mutex::default(),
        }
    }

    /// The directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the key of `circuit` is kept.
    #[must_use]
    pub fn path(&self, circuit: &CircuitId, insecure: bool) -> PathBuf {
        let digest = hex::encode(&circuit.digest()[..8]);
        let mark = if insecure { "-INSECURE" } else { "" };
        self.dir.join(format!("{}-{digest}{mark}.key", circuit.name()))
    }

    /// The key of `circuit`, if there is one.
    ///
    /// # Errors
    /// [`KeyError::NotFound`] if there is none, otherwise what is wrong with it.
    pub fn load(&self, circuit: &CircuitId, progress: &dyn Progress) -> Result<Arc<ProvingKey>, KeyError> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = loaded.get(circuit) {
            return Ok(Arc::clone(key));
        }
        let key = Arc::new(self.read(circuit, progress)?);
        loaded.insert(circuit.clone(), Arc::clone(&key));
        Ok(key)
    }

    /// The key of `circuit`; if there is none, makes a development key and keeps it.
    ///
    /// `r1cs` builds the constraint system and is called only when the key has to be made.
    ///
    /// # Errors
    /// What is wrong with the key there is (a damaged key is never replaced silently, a development key
    /// in an older format is), why a new one
    /// could not be written, [`KeyError::CircuitChanged`] if `r1cs` builds another circuit, and on
    /// the main network [`KeyError::NotFound`]: no key is made there.
    pub fn load_or_generate(
        &self,
        circuit: &CircuitId,
        r1cs: impl FnOnce() -> R1cs,
        progress: &dyn Progress,
    ) -> Result<Arc<ProvingKey>, KeyError> {
        match self.load(circuit, progress) {
            Err(error) if self.network != Network::Mainnet && self.can_be_made(circuit, &error) => {}
            result => return result,
        }
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = loaded.get(circuit) {
            return Ok(Arc::clone(key));
        }
        fs::create_dir_all(&self.dir).map_err(|source| KeyError::Io {
            path: self.dir.clone(),
            source,
        })?;
        let path = self.path(circuit, true);
        let _lock = lock(&path.with_extension("lock"), progress)?;
        let key = match self.read(circuit, progress) {
            Err(error) if self.can_be_made(circuit, &error) => {
                let key = generate(circuit, r1cs, progress)?;
                write(&path, &key, progress)?;
                key
            }
            result => result?,
        };
        let key = Arc::new(key);
        loaded.insert(circuit.clone(), Arc::clone(&key));
        Ok(key)
    }

    /// Whether making a development key is the answer to `error`: there is none, or only one of an
    /// older format, which says the same as the one that would be made.
    fn can_be_made(&self, circuit: &CircuitId, error: &KeyError) -> bool {
        if let KeyError::UnsupportedVersion { path, found } = error {
            return *found < file::VERSION && *path == self.path(circuit, true);
        }
        matches!(error, KeyError::NotFound { .. })
    }

    fn read(&self, circuit: &CircuitId, progress: &dyn Progress) -> Result<ProvingKey, KeyError> {
        let (secure, insecure) = (self.path(circuit, false), self.path(circuit, true));
        let path = if !secure.exists() && insecure.exists() {
            insecure
        } else {
            secure
        };
        let key = file::read(&path, progress)?;
        if key.circuit() != circuit {
            let full = |c: &CircuitId| format!("{} ({})", c.name(), hex::encode(c.digest()));
            let (expected, found) = (full(circuit), full(key.circuit()));
            return Err(KeyError::OtherCircuit {
                path,
                expected,
                found,
            });
        }
        if key.is_allowed_on(self.network) {
            Ok(key)
        } else {
            Err(KeyError::InsecureOnMainnet { path })
        }
    }
}

fn generate(
    circuit: &CircuitId,
    r1cs: impl FnOnce() -> R1cs,
    progress: &dyn Progress,
) -> Result<ProvingKey, KeyError> {
    let name = circuit.name().to_owned();
    tracing::info!(circuit = name, "making a development key (INSECURE)");
    progress.begin(Stage::Synthesise, 1);
    let system = r1cs();
    let built = system.digest();
    if built != *circuit.digest() {
        let (expected, found) = (hex::encode(circuit.digest()), hex::encode(built));
        return Err(KeyError::CircuitChanged {
            name,
            expected,
            found,
        });
    }
    progress.advance(1);
    setup::development(&system, circuit.name(), progress).map_err(|rule| KeyError::Rule { name, rule })
}

/// Holds an exclusive lock on `path` until the file is dropped.
fn lock(path: &Path, progress: &dyn Progress) -> Result<File, KeyError> {
    let failed = |source| KeyError::Io {
        path: path.to_owned(),
        source,
    };
    let file = File::options()
        .create(true)
        .append(true)
        .open(path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            progress.begin(Stage::WaitForLock, 1);
            file.lock().map_err(failed)?;
            progress.advance(1);
        }
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    Ok(file)
}

/// Writes a key file whole or not at all.
///
/// # Errors
/// [`KeyError::Io`].
pub fn write(path: &Path, key: &ProvingKey, progress: &dyn Progress) -> Result<(), KeyError> {
    let failed = |source| KeyError::Io {
        path: path.to_owned(),
        source,
    };
    let pieces = file::encode(key);
    progress.begin(Stage::WriteKey, pieces.len() as u64);
    let temporary = path.with_extension("tmp");
    let result = write_synced(&temporary, &pieces, progress).and_then(|()| fs::rename(&temporary, path));
    if let Err(source) = result {
        // The file may be incomplete; if it cannot be removed either, the next attempt overwrites it.
        let _ = fs::remove_file(&temporary);
        return Err(failed(source));
    }
    let dir = path
        .parent()
        .filter(|dir| !dir.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed)
}

fn write_synced(path: &Path, pieces: &[Cow<'_, [u8]>], progress: &dyn Progress) -> io::Result<()> {
    let mut file = File::create(path)?;
    for piece in pieces {
        file.write_all(piece)?;
        progress.advance(1);
    }
    file.sync_all()
}
