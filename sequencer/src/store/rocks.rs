//! The store on disk: RocksDB with synced writes.
//!
//! One column family, no compression (the values are hashes), a write-ahead log that is flushed to
//! the device before [`Store::commit`] returns. A record cut short at the log's end was never
//! acknowledged and is dropped on opening; any other damage is refused by name. The first failed
//! write ends all writing: only opening the folder again can tell what reached the disk.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rocksdb::{
    BlockBasedOptions, Cache, DB, DBCompressionType, DBRecoveryMode, ErrorKind, Options, ReadOptions,
    WriteBatch, WriteOptions,
};
use tacit_protocol::kv::{Delta, KvError, KvRead, Pair};

use super::{Store, StoreError, schema};

const CACHE_BYTES: usize = 64 << 20;
const WRITE_BUFFER_BYTES: usize = 32 << 20;
const MAX_WAL_BYTES: u64 = 128 << 20;
const MAX_OPEN_FILES: i32 = 256;
const BLOOM_BITS: f64 = 10.0;

/// A store in a folder of its own.
pub struct RocksStore {
    db: DB,
    path: PathBuf,
    synced: WriteOptions,
    failure: Mutex<Option<KvError>>,
}

impl fmt::Debug for RocksStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RocksStore({})", self.path.display())
    }
}

impl RocksStore {
    /// Opens the store in `path`, creating it if the folder is empty or absent, and checks the
    /// version of its layout.
    ///
    /// # Errors
    /// [`StoreError`]: in use, damaged, of another layout, or not readable.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        refuse_headless(path)?;
        let db = DB::open(&options(), path).map_err(|error| open_error(path, &error))?;
        let mut synced = WriteOptions::default();
        synced.set_sync(true);
        let store = Self {
            db,
            path: path.to_owned(),
            synced,
            failure: Mutex::new(None),
        };
        schema::check(&store)?;
        Ok(store)
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn bounded(&self, start: &[u8]) -> ReadOptions {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(start);
        options.set_verify_checksums(true);
        options
    }
}

fn options() -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(&Cache::new_lru_cache(CACHE_BYTES));
    table.set_bloom_filter(BLOOM_BITS, false);
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_paranoid_checks(true);
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_compression_type(DBCompressionType::None);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    options.set_max_total_wal_size(MAX_WAL_BYTES);
    options.set_max_open_files(MAX_OPEN_FILES);
    options.set_keep_log_file_num(4);
    options.set_block_based_table_factory(&table);
    options
}

/// A folder with files but without `CURRENT` has lost its head: RocksDB would start an empty
/// database in it and forget everything acknowledged.
fn refuse_headless(path: &Path) -> Result<(), StoreError> {
    let io = |error: std::io::Error| StoreError::Io {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    if !path.try_exists().map_err(io)? {
        return Ok(());
    }
    let names = std::fs::read_dir(path)
        .map_err(io)?
        .map(|entry| entry.map(|e| e.file_name()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(io)?;
    if names.is_empty() || names.iter().any(|name| name == "CURRENT") {
        return Ok(());
    }
    // RocksDB writes its own log and lock before anything else: a crash then leaves only those.
    let harmless = |name: &std::ffi::OsString| {
        let name = name.to_string_lossy();
        name == "LOCK" || name == "IDENTITY" || name.starts_with("LOG") || name.ends_with(".dbtmp")
    };
    if names.iter().all(harmless) {
        return Ok(());
    }
    Err(StoreError::Damaged {
        path: path.to_owned(),
        reason: "the file CURRENT is missing".to_owned(),
    })
}

fn open_error(path: &Path, error: &rocksdb::Error) -> StoreError {
    let (path, reason) = (path.to_owned(), error.to_string());
    if reason.contains("LOCK") && error.kind() == ErrorKind::IOError && !reason.contains("denied") {
        return StoreError::InUse(path);
    }
    // A file that the manifest names and that is gone is damage, though it reads as an I/O error.
    if is_damage(error) || reason.contains("No such file") {
        return StoreError::Damaged { path, reason };
    }
    if is_full(error) {
        return StoreError::Full { path, reason };
    }
    StoreError::Io { path, reason }
}

fn is_damage(error: &rocksdb::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Corruption | ErrorKind::InvalidArgument | ErrorKind::NotSupported
    )
}

/// Whether there is no room, as the operating system says it: on the disk, within a quota, or within a
/// limit on the size of files.
fn is_full(error: &rocksdb::Error) -> bool {
    const WORDS: [&str; 3] = ["No space left", "quota exceeded", "File too large"];
    error.kind() == ErrorKind::IOError && WORDS.iter().any(|words| error.as_ref().contains(words))
}

fn kv_error(key: &[u8], error: &rocksdb::Error) -> KvError {
    if is_damage(error) {
        KvError::corrupt(key, error)
    } else if is_full(error) {
        KvError::Full(error.to_string())
    } else {
        KvError::Io(error.to_string())
    }
}

impl KvRead for RocksStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        self.db.get(key).map_err(|error| kv_error(key, &error))
    }

    fn range(&self, start: &[u8], end: &[u8], limit: usize) -> Result<Vec<Pair>, KvError> {
        let mut pairs = Vec::new();
        if start >= end {
            return Ok(pairs);
        }
        let mut options = self.bounded(start);
        options.set_iterate_upper_bound(end);
        let mut cursor = self.db.raw_iterator_opt(options);
        cursor.seek_to_first();
        while let Some((key, value)) = cursor.item().filter(|_| pairs.len() < limit) {
            pairs.push((key.to_vec(), value.to_vec()));
            cursor.next();
        }
        cursor.status().map_err(|error| kv_error(start, &error))?;
        Ok(pairs)
    }

    fn last_in(&self, start: &[u8], last: &[u8]) -> Result<Option<Pair>, KvError> {
        if start > last {
            return Ok(None);
        }
        let mut cursor = self.db.raw_iterator_opt(self.bounded(start));
        cursor.seek_for_prev(last);
        let found = cursor.item().map(|(key, value)| (key.to_vec(), value.to_vec()));
        cursor.status().map_err(|error| kv_error(start, &error))?;
        Ok(found)
    }
}

impl Store for RocksStore {
    fn commit(&self, delta: &Delta) -> Result<(), KvError> {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(first) = failure.as_ref() {
            return Err(first.clone());
        }
        let mut batch = WriteBatch::default();
        for (key, value) in delta.writes() {
            match value {
                Some(value) => batch.put(key, value),
                None => batch.delete(key),
            }
        }
        self.db.write_opt(batch, &self.synced).map_err(|error| {
            let error = kv_error(b"", &error);
            failure.get_or_insert(error).clone()
        })
    }
}

#[cfg(test)]
mod tests;
