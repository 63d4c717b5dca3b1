//! What a sequencer does beyond following: seal, anchor, sweep, pay.
//!
//! Everything stands behind two locks, taken in this order: the sequencer, the operator's coins. No
//! lock is held while a proof is made or verified. Money is looked after by a thread of its own, for
//! signers may be slow, and following and sealing must not wait for them. Failures of bitcoind are logged and tried again
//! after the next step; failures of the database end the process.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use bitcoin::OutPoint;
use tacit_bridge::client::BitcoinClient;
use tacit_bridge::coins::CoinBook;
use tacit_bridge::fees::{FeePolicy, FeeSource, NodeFees};
use tacit_bridge::journal::Journal;
use tacit_bridge::keys::SigningKey;
use tacit_bridge::poster::Poster;
use tacit_bridge::publisher::{Publisher, PublisherConfig, Step};
use tacit_bridge::vault::{VaultConfig, VaultOperator, VaultStep};
use tacit_bridge::watcher::Watcher;
use tacit_protocol::envelope::MAX_PAYLOAD;
use tacit_protocol::kv::{Delta, KvError, KvRead};
use tacit_protocol::peg::FeeRate;
use tacit_protocol::{F, field};
use tacit_prover::{KeyStore, Prover};
use tacit_sequencer::config::Policy;
use tacit_sequencer::{Config as SequencerSettings, Registration, Registrations, Time};
use tacit_sequencer::{Sequencer, Store};
use tacit_verifier::Rules;
use tacit_verifier::chain::table;
use tacit_wallet::api::BridgeStatus;

use super::Sink;
use super::journal::StoreJournal;
use super::signing::Signing;
use super::view::{StateView, StoreTenures};
use crate::config::{Config, ConfigError, SequencerConfig};
use crate::federation::backup_voice::BackupVoice;
use crate::federation::coordinator::FederationSigner;

mod activity;
mod anchors;
mod crash_point;
mod epochs;
mod office;
mod vault;

use activity::Activity;
use crash_point::CrashJournal;
pub(super) use crash_point::CrashPoint;
use epochs::Epochs;

/// Time after which money is looked after again although no block came.
const TEND_AGAIN: Duration = Duration::from_secs(3);
/// Time between two looks at whether to stop.
const LOOK_UP: Duration = Duration::from_millis(200);
/// Unconfirmed blocks after which a reveal or a vault transaction may pay more.
const BUMP_AFTER: u32 = 3;

/// The acting half of a sequencer.
pub(crate) struct Operator {
    sequencer: Mutex<Sequencer>,
    coins: Mutex<CoinBook>,
    last_tended: Mutex<Option<Instant>>,
    /// Whether the operator's coins did not pay for an anchor at the last look.
    anchor_unpaid: AtomicBool,
    /// Whether there is something to look after.
    due: Mutex<bool>,
    became_due: Condvar,
    rate: Mutex<FeeRate>,
    activity: Mutex<Activity>,
    pub(super) store: Arc<dyn Store>,
    pub(super) rules: Arc<Rules>,
    pub(super) client: Arc<dyn BitcoinClient>,
    pub(super) watcher: Arc<Watcher>,
    view: Arc<StateView>,
    publisher: Publisher,
    vault: VaultOperator,
    poster: Poster,
    /// What backup keys say about federations to come.
    backup_voices: Vec<BackupVoice>,
    epochs: Mutex<Epochs>,
    fees: NodeFees,
    federations: Vec<Arc<FederationSigner>>,
    pub(super) anchor_key: Arc<SigningKey>,
    pub(super) keys: KeyStore,
    pub(super) prover: Prover,
    crash_at: Option<CrashPoint>,
    /// Whether the anchor chain is to be taken over when it has failed.
    take_over: bool,
}

/// Registered deposits, for the sequencer.
struct Register(Arc<Watcher>);

impl Registrations for Register {
    fn find(&self, outpoint: &OutPoint) -> Result<Option<Registration>, KvError> {
        let found = self
            .0
            .registration(outpoint)
            .map_err(|e| KvError::Io(e.to_string()))?;
        Ok(found.map(|r| Registration {
            inner: r.inner,
            refund: r.refund,
        }))
    }
}

/// Milliseconds since 1970.
pub(super) fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn settings(config: &SequencerConfig, rules: &Rules) -> anyhow::Result<SequencerSettings> {
    let invalid = || ConfigError::Invalid {
        field: "sequencer.fee_key",
        value: config.fee_key.clone(),
        remedy: "use the 64 hexadecimal digits that `tacit wallet fee-key` prints",
    };
    let mut bytes = [0; 32];
    hex::decode_to_slice(&config.fee_key, &mut bytes).map_err(|_| invalid())?;
    let operator: F = field::from_bytes(&bytes).map_err(|_| invalid())?;
    let min_fee = rules
        .params()
        .genesis()
        .fee_table
        .fee(config.fee_floor)
        .ok_or(ConfigError::Invalid {
            field: "sequencer.fee_floor",
            value: config.fee_floor.to_string(),
            remedy: "use an index into the chain's fee table",
        })?;
    let seal_after = Duration::from_millis(config.seal_after_ms);
    let policy = Policy {
        min_fee,
        max_transfers: config.mempool_transfers,
        seal_after,
        deposit_after: Policy::default().deposit_after.min(seal_after),
        ..Policy::default()
    };
    Ok(SequencerSettings { operator, policy })
}

impl Operator {
    /// Opens everything a sequencer needs.
    ///
    /// # Errors
    /// Missing or foreign keys, an unreachable bitcoind, a damaged database.
    pub(super) fn open(
        config: &Config,
        client: Arc<dyn BitcoinClient>,
        store: Arc<dyn Store>,
        rules: Arc<Rules>,
        acknowledge: bool,
    ) -> anyhow::Result<Self> {
        let own = config.sequencer()?;
        let genesis = rules.params().genesis();
        let anchor_key = Arc::new(SigningKey::load(&own.anchor_key_file)?);
        let operator_key = Arc::new(SigningKey::load(&own.operator_key_file)?);
        office::check_key(own, anchor_key.public_key(), &*store, genesis)?;
        let crash_at = own.crash_at.as_deref().map(CrashPoint::parse).transpose()?;
        let journal: Arc<dyn Journal> = Arc::new(StoreJournal(Arc::clone(&store)));
        let journal = CrashJournal::around(journal, crash_at);
        let watcher = Arc::new(Watcher::new(
            Arc::clone(&client),
            Arc::clone(&journal),
            Arc::new(StoreTenures(Arc::clone(&store))),
            genesis,
        ));
        let register: Arc<dyn Registrations> = Arc::new(Register(Arc::clone(&watcher)));
        let mut sequencer = Sequencer::open(
            Arc::clone(&store),
            Arc::clone(&rules),
            register,
            settings(own, &rules)?,
        )?;
        if acknowledge {
            sequencer.acknowledge(now())?;
        }
        let fee_policy = FeePolicy::default();
        let depth = u32::from(genesis.finality_depth);
        let view = Arc::new(StateView::new(
            Arc::clone(&client),
            Arc::clone(&store),
            Arc::clone(&rules),
            Arc::clone(&watcher),
        )?);
        let voices = own.more_federations.iter().flat_map(|files| &files.backup_voices);
        let chain = rules.params().chain_id();
        let backup_voices: Result<_, _> = voices.map(|path| BackupVoice::load(path, chain)).collect();
        let backup_voices = backup_voices?;
        let signing = Signing::open(own, (genesis, &*store), Arc::clone(&view), fee_policy.ceiling)?;
        let publisher = Publisher::new(PublisherConfig {
            client: Arc::clone(&client),
            journal: Arc::clone(&journal),
            anchor_key: Arc::clone(&anchor_key),
            operator_key: Arc::clone(&operator_key),
            depth,
            bump_after: BUMP_AFTER,
        })
        .with_observer(Box::new(move |step| match step {
            Step::Journalled => CrashPoint::Journal.reached(crash_at),
            Step::CommitSent => CrashPoint::Commit.reached(crash_at),
            Step::RevealSent => CrashPoint::Reveal.reached(crash_at),
        }));
        let poster = Poster::new(
            Arc::clone(&client),
            Arc::clone(&journal),
            Arc::clone(&operator_key),
        );
        let vault = VaultOperator::new(VaultConfig {
            client: Arc::clone(&client),
            journal,
            signer: signing.signer,
            operator_key: Arc::clone(&operator_key),
            depth,
            bump_after: BUMP_AFTER,
            // Members of a federation may refuse a replacement; one local key does not.
            p2a: !signing.federations.is_empty(),
        })
        .with_observer(Box::new(move |step| match step {
            VaultStep::Planned => CrashPoint::VaultPlanned.reached(crash_at),
            VaultStep::Signed => CrashPoint::VaultSigned.reached(crash_at),
            VaultStep::Sent => CrashPoint::VaultSent.reached(crash_at),
            VaultStep::ChildSigned => CrashPoint::ChildSigned.reached(crash_at),
        }));
        let mut coins = CoinBook::scan(&*client, operator_key.output_script())
            .context("cannot find the operator's coins")?;
        publisher.resume(&mut coins)?;
        vault.resume(&mut coins)?;
        poster.resume(&mut coins)?;
        tracing::info!(operator_coins = %coins.balance(), "sequencer opened");
        let fees = NodeFees::new(Arc::clone(&client), fee_policy);
        Ok(Self {
            sequencer: Mutex::new(sequencer),
            coins: Mutex::new(coins),
            last_tended: Mutex::new(None),
            anchor_unpaid: AtomicBool::new(false),
            due: Mutex::new(false),
            became_due: Condvar::new(),
            rate: Mutex::new(fee_policy.fallback),
            activity: Mutex::default(),
            federations: signing.federations,
            keys: KeyStore::new(&config.keys_dir, genesis.network),
            store,
            rules,
            client,
            watcher,
            view,
            publisher,
            vault,
            poster,
            backup_voices,
            epochs: Mutex::default(),
            fees,
            anchor_key,
            prover: config.backend.prover()?,
            crash_at,
            take_over: own.take_over,
        })
    }

    /// The sequencer, alone.
    pub(super) fn sequencer(&self) -> MutexGuard<'_, Sequencer> {
        self.sequencer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bitcoin's fee rate as last asked for.
    pub(super) fn rate(&self) -> FeeRate {
        *self.rate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The federations that it coordinates; none if one local key signs.
    pub(super) fn federations(&self) -> &[Arc<FederationSigner>] {
        &self.federations
    }

    /// What the bridge does and why anything waits.
    pub(super) fn bridge(&self) -> BridgeStatus {
        let activity = self
            .activity
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let standing = (self.office(), self.epoch_status());
        activity.status(self.rate(), standing, self.incumbent().as_deref())
    }

    /// How far deposits are.
    pub(super) fn view(&self) -> &StateView {
        &self.view
    }

    /// Aborts the process if the configuration of a test names this point.
    pub(super) fn crash_point(&self, point: CrashPoint) {
        point.reached(self.crash_at);
    }

    /// Takes, seals and sends nothing until the follower is at the tip again.
    pub(super) fn pause(&self) {
        self.sequencer().set_synced(false);
        self.rest();
    }

    /// Looks after nothing until something is due again.
    pub(super) fn rest(&self) {
        self.set_due(false);
    }

    fn set_due(&self, due: bool) {
        *self.due.lock().unwrap_or_else(PoisonError::into_inner) = due;
        self.became_due.notify_all();
    }

    /// Looks after money whenever that is due, until told to stop.
    ///
    /// # Errors
    /// A failing database.
    pub(super) fn tend_until(&self, stop: &AtomicBool) -> anyhow::Result<()> {
        while !stop.load(Ordering::Relaxed) {
            let due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
            let waited = self.became_due.wait_timeout_while(due, LOOK_UP, |due| !*due);
            let mut due = waited.unwrap_or_else(PoisonError::into_inner).0;
            if !std::mem::take(&mut *due) {
                continue;
            }
            drop(due);
            if let Err(error) = self.tend() {
                if error.is::<KvError>() {
                    return Err(error);
                }
                tracing::warn!(error = format!("{error:#}"), "will try again");
            }
        }
        Ok(())
    }

    /// Acts after the follower's step: `changed` if the state moved, `synced` if it is at the tip.
    ///
    /// # Errors
    /// A failing database.
    pub(super) fn after_step(&self, changed: bool, synced: bool) -> anyhow::Result<()> {
        // Whoever is not in office follows, and takes and seals nothing.
        let acting = synced && self.is_in_office()?;
        let tick = {
            let mut sequencer = self.sequencer();
            sequencer.set_synced(acting);
            sequencer.tick(now())?
        };
        for number in &tick.sealed {
            tracing::info!(batch = number, "sealed");
            self.crash_point(CrashPoint::Seal);
        }
        for (txid, reason) in &tick.dropped {
            tracing::info!(%txid, %reason, "dropped");
        }
        if synced && !self.is_halted() && self.is_due(changed)? {
            self.set_due(true);
        }
        Ok(())
    }

    /// Whether the sequencer stopped acting until its operator agrees; then it neither anchors nor pays.
    fn is_halted(&self) -> bool {
        self.sequencer().halt().is_some()
    }

    /// Whether there is reason to look after anchors and the vault: a new block, a proven batch that
    /// nobody published, or a while without a look.
    fn is_due(&self, changed: bool) -> Result<bool, KvError> {
        let mut last = self.last_tended.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = last.is_none_or(|at| at.elapsed() > TEND_AGAIN);
        // What the coins did not pay for a moment ago waits for a block or for a while.
        let hurry = !self.anchor_unpaid.load(Ordering::Relaxed);
        let due = changed || waited || (hurry && self.has_unpublished()?);
        if due {
            *last = Some(Instant::now());
        }
        Ok(due)
    }

    fn has_unpublished(&self) -> Result<bool, KvError> {
        let tip = self.anchor_head()?.tip.outpoint;
        let in_flight = self
            .publisher
            .payload_in_flight(&tip)
            .map_err(|e| KvError::Io(e.to_string()))?;
        Ok(in_flight.is_none() && self.sequencer().anchorable(MAX_PAYLOAD)?.is_some())
    }

    /// Looks after coins, anchors and the vault.
    fn tend(&self) -> anyhow::Result<()> {
        let mut coins = self.coins.lock().unwrap_or_else(PoisonError::into_inner);
        coins.follow(&*self.client)?;
        let quote = self.fees.quote()?;
        let rate = quote.rate;
        *self.rate.lock().unwrap_or_else(PoisonError::into_inner) = rate;
        let height = table::cursor(&*self.store)?
            .context("the cursor is missing")?
            .height;
        // The vault waits for neither anchors nor announcements: what does not pay for one may pay for a payout.
        let anchors = self.tend_anchors(height, rate, &mut coins);
        let unpaid = anchors.as_ref().err().is_some_and(anchors::is_out_of_coins);
        self.anchor_unpaid.store(unpaid, Ordering::Relaxed);
        put_off("anchor", anchors)?;
        if self.is_in_office()? || self.may_take_over()? {
            put_off("announcement", self.tend_epoch(height, &quote, &mut coins))?;
            self.tend_vault(&quote, &mut coins)?;
        }
        Ok(())
    }
}

impl Sink for Operator {
    fn commit(&self, delta: &Delta) -> Result<(), KvError> {
        // Who is out of office by the block before takes other writers' batches for what they are.
        let in_office = self.is_in_office()?;
        let changes = {
            let mut sequencer = self.sequencer();
            if !in_office {
                sequencer.set_synced(false);
            }
            sequencer.commit_canonical(delta)?
        };
        if !changes.anchored.is_empty() {
            tracing::info!(batches = ?changes.anchored, "anchored");
        }
        if !changes.returned.is_empty() {
            tracing::warn!(batches = ?changes.returned, "a reorganisation returned batches; anchoring again");
        }
        if let Some(from) = changes.resealed_from {
            tracing::warn!(
                from,
                "batches are sealed anew: a forced request became due before them"
            );
        }
        if let Some(halt) = changes.halted {
            tracing::error!(%halt, "the sequencer stopped acting");
        }
        Ok(())
    }
}

/// Goes on after whatever is no failure of the database; it is tried again at the next look.
fn put_off(what: &str, outcome: anyhow::Result<()>) -> anyhow::Result<()> {
    match outcome {
        Err(error) if !error.is::<KvError>() => {
            tracing::warn!(what, error = format!("{error:#}"), "will try again");
            Ok(())
        }
        outcome => outcome,
    }
}

/// Reads through the sequencer's pending batches.
pub(super) fn with_view<T>(sequencer: &Sequencer, read: impl FnOnce(&dyn KvRead) -> T) -> T {
    read(&sequencer.view())
}

#[cfg(test)]
mod tests;
