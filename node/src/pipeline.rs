//! The pipeline: the only place where the stages are wired together.
//!
//! ```text
//!   bitcoind ──▶ follower ──▶ store ──▶ service ──▶ RPC
//!                   │                      ▲
//!                   ▼ (sequencer)          │ desk
//!                operator: tick, deposits, anchors, vault ──▶ signers
//!                prover:   one batch at a time
//! ```
//! A signer is a full node that answers the federation's coordinators on a socket of its own.
//! One thread follows Bitcoin and, in a sequencer, seals after each step; another one looks after anchors and
//! the vault, and a third proves.
//! Every step is idempotent and starts from the store, so a process killed at any point goes on
//! where it stopped.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context;
use tacit_bridge::client::{BitcoinClient, RpcOptions, connect_checked};
use tacit_protocol::kv::{Delta, KvError};
use tacit_sequencer::{RocksStore, Store};
use tacit_verifier::{Rules, chain};
use tacit_wallet::api::{BatchSummary, NodeApi, Range, Role as ApiRole};
use tokio::sync::broadcast;

mod desk;
mod follower;
mod forward;
pub(crate) mod genesis;
mod journal;
mod operator;
mod proving;
mod signing;
mod view;

use crate::config::{Config, Role};
use crate::federation::listener::Listener;
use crate::rpc::server::RpcServer;
use crate::service::deposits::Search;
use crate::service::{Desk, Following, Service};
use follower::{Behind, FollowError, Follower, Step};
use operator::Operator;

/// Blocks applied between two looks at everything else.
const BLOCKS_PER_STEP: u32 = 64;
/// Batches announced to subscribers before slow ones lose some.
const ANNOUNCEMENTS: usize = 256;
/// What a proof gets to end by itself when the node stops.
const PROOF_GRACE: Duration = Duration::from_secs(1);
/// Longest pause after bitcoind failed.
const MAX_BACKOFF: Duration = Duration::from_secs(10);

/// Where the follower's deltas go.
pub(crate) trait Sink: Send + Sync {
    /// Commits the delta of one block.
    fn commit(&self, delta: &Delta) -> Result<(), KvError>;
}

impl Sink for Arc<dyn Store> {
    fn commit(&self, delta: &Delta) -> Result<(), KvError> {
        (**self).commit(delta)
    }
}

/// A running node; [`Node::stop`] ends it.
pub struct Node {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    proving: Option<JoinHandle<()>>,
    member: Option<Listener>,
    rpc: RpcServer,
    failure: Arc<Mutex<Option<String>>>,
}

impl Node {
    /// Starts a node: checks bitcoind, opens the database, serves the RPC, follows Bitcoin.
    ///
    /// # Errors
    /// Whatever makes a start impossible, with cause and remedy.
    pub fn start(config: &Config, role: Role, acknowledge: bool) -> anyhow::Result<Self> {
        let rules = Arc::new(Rules::load(config.chain_params()?)?);
        let network = rules.params().genesis().network;
        let auth = config.bitcoind.auth()?;
        let client = connect_checked(&config.bitcoind.url, auth, network, RpcOptions::default())?;
        let client: Arc<dyn BitcoinClient> = Arc::new(client);
        genesis::check(&*client, rules.params())?;
        let store = open_store(&config.data_dir, &rules)?;
        let halt = HaltFile::new(&config.data_dir, acknowledge)?;
        let following = Following {
            target: client.chain_info()?.height,
            paused: None,
            halted: halt.reason()?,
        };
        let following = Arc::new(RwLock::new(following));

        let operator = match role {
            Role::Node | Role::Signer => None,
            Role::Sequencer => Some(Arc::new(Operator::open(
                config,
                Arc::clone(&client),
                Arc::clone(&store),
                Arc::clone(&rules),
                acknowledge,
            )?)),
        };
        let desk: Option<Arc<dyn Desk>> = match (&operator, &config.rpc.sequencer_url) {
            (Some(operator), _) => Some(Arc::clone(operator) as Arc<dyn Desk>),
            (None, Some(url)) => Some(Arc::new(forward::Forward::new(url, Arc::clone(&store))?)),
            (None, None) => None,
        };
        let sink: Arc<dyn Sink> = match &operator {
            Some(operator) => Arc::clone(operator) as Arc<dyn Sink>,
            None => Arc::new(Arc::clone(&store)),
        };
        let member = match role {
            Role::Node | Role::Sequencer => None,
            Role::Signer => {
                let member = signing::Member {
                    client: Arc::clone(&client),
                    store: Arc::clone(&store),
                    rules: Arc::clone(&rules),
                    following: Arc::clone(&following),
                };
                Some(member.listen(config)?)
            }
        };
        let role = if operator.is_some() {
            ApiRole::Sequencer
        } else {
            ApiRole::FullNode
        };
        let service = Arc::new(Service {
            rules: Arc::clone(&rules),
            store: Arc::clone(&store),
            client: Arc::clone(&client),
            following: Arc::clone(&following),
            role,
            desk,
            search: Search::default(),
        });
        let (announce, _) = broadcast::channel(ANNOUNCEMENTS);
        let rpc = RpcServer::start(&config.rpc, Arc::clone(&service) as _, announce.clone())?;
        tracing::info!(address = %rpc.address(), chain = %rules.params().chain_id(), "serving RPC");

        let stop = Arc::new(AtomicBool::new(false));
        let failure = Arc::new(Mutex::new(None));
        let follower = Follower::new(client, Arc::clone(&store), rules, sink);
        let main_loop = Loop {
            follower,
            operator: operator.clone(),
            following,
            halt,
            announcer: Announcer {
                service,
                announce,
                last: None,
            },
            poll: config.poll(),
            stop: Arc::clone(&stop),
        };
        let figures = config.metrics_listen.map(|address| {
            crate::metrics::serve(address)?;
            let (service, stop_reading) = (Arc::clone(&main_loop.announcer.service), Arc::clone(&stop));
            let read = move || {
                crate::metrics::read_until(&*service, &stop_reading);
                Ok(())
            };
            spawn("tacit-metrics", &stop, &failure, read)
        });
        let mut threads = vec![spawn("tacit-follow", &stop, &failure, move || main_loop.run())?];
        threads.extend(figures.transpose()?);
        if let Some(operator) = operator.clone() {
            let stop_tending = Arc::clone(&stop);
            let tend = move || operator.tend_until(&stop_tending);
            threads.push(spawn("tacit-tend", &stop, &failure, tend)?);
        }
        let federations = operator.as_ref().map(|operator| operator.federations().to_vec());
        if let Some(federations) = federations.filter(|federations| !federations.is_empty()) {
            let stop_looking = Arc::clone(&stop);
            let look = move || {
                signing::look_after(&federations, &stop_looking);
                Ok(())
            };
            threads.push(spawn("tacit-members", &stop, &failure, look)?);
        }
        let prove = |operator: Arc<Operator>| {
            let stop_proving = Arc::clone(&stop);
            let work = move || operator.prove_until(&stop_proving);
            spawn("tacit-prove", &stop, &failure, work)
        };
        let proving = operator.map(prove).transpose()?;
        Ok(Self {
            stop,
            threads,
            proving,
            member,
            rpc,
            failure,
        })
    }

    /// The address of the RPC.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.rpc.address()
    }

    /// Whether the node still runs; if not, [`Node::stop`] says why.
    #[must_use]
    pub fn is_running(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    /// Stops the threads and the RPC. A proof under way is left behind: it ends with the process and
    /// is made again after the next start.
    ///
    /// # Errors
    /// The failure that ended the node by itself.
    pub fn stop(self) -> anyhow::Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        drop(self.rpc);
        drop(self.member);
        for thread in self.threads {
            // A panic was reported when it happened.
            let _ = thread.join();
        }
        if let Some(proving) = self.proving
            && !ends_within(PROOF_GRACE, &proving)
        {
            tracing::info!("a proof is left unfinished; the next start makes it again");
        }
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        failure.map_or(Ok(()), |reason| Err(anyhow::anyhow!(reason)))
    }
}

/// Waits for a thread, but no longer than this; whether it ended.
fn ends_within(limit: Duration, thread: &JoinHandle<()>) -> bool {
    let slice = Duration::from_millis(20);
    let mut left = limit;
    while !thread.is_finished() && !left.is_zero() {
        let nap = left.min(slice);
        thread::sleep(nap);
        left -= nap;
    }
    thread.is_finished()
}

/// Starts a thread that, when it fails, records why and stops the others.
fn spawn(
    name: &str,
    stop: &Arc<AtomicBool>,
    failure: &Arc<Mutex<Option<String>>>,
    work: impl FnOnce() -> anyhow::Result<()> + Send + 'static,
) -> anyhow::Result<JoinHandle<()>> {
    let (stop, failure) = (Arc::clone(stop), Arc::clone(failure));
    let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        let reason = match outcome {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(format!("{error:#}")),
            Err(_) => Some("a thread panicked; the log says where".to_owned()),
        };
        if let Some(reason) = reason {
            tracing::error!(reason, "stopping");
            failure
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get_or_insert(reason);
        }
        stop.store(true, Ordering::Relaxed);
    })?;
    Ok(thread)
}

/// Opens the database and makes sure that it is this chain's. The chain's identifier covers the keys
/// that its blocks were judged by.
pub(crate) fn open_store(dir: &Path, rules: &Rules) -> anyhow::Result<Arc<dyn Store>> {
    std::fs::create_dir_all(dir).with_context(|| {
        format!(
            "cannot create {}; set `data_dir` to a folder you can write",
            dir.display()
        )
    })?;
    let store: Arc<dyn Store> = Arc::new(RocksStore::open(&dir.join("db"))?);
    let genesis = chain::genesis(&tacit_protocol::kv::MemoryKv::default(), rules.params())?;
    tacit_sequencer::store::schema::initialise(&*store, rules.params().chain_id(), &genesis)?;
    Ok(store)
}

/// A file that keeps a halt over restarts: following goes on, acting does not.
struct HaltFile(PathBuf);

impl HaltFile {
    fn new(dir: &Path, acknowledge: bool) -> anyhow::Result<Self> {
        let file = Self(dir.join("halted"));
        if acknowledge && file.0.exists() {
            std::fs::remove_file(&file.0)?;
        }
        Ok(file)
    }

    fn reason(&self) -> anyhow::Result<Option<String>> {
        if self.0.exists() {
            Ok(Some(std::fs::read_to_string(&self.0)?))
        } else {
            Ok(None)
        }
    }

    fn set(&self, reason: &str) -> anyhow::Result<()> {
        crate::synced::write(&self.0, reason).with_context(|| format!("cannot write {}", self.0.display()))
    }
}

/// Tells subscribers about batches that are new or changed.
struct Announcer {
    service: Arc<Service>,
    announce: broadcast::Sender<BatchSummary>,
    last: Option<(u32, Option<u32>)>,
}

impl Announcer {
    fn run(&mut self) {
        let Ok(status) = self.service.status() else { return };
        let now = (status.batch, Some(status.anchored_batch));
        let Some((batch, _)) = self.last.replace(now).filter(|last| *last != now) else {
            return;
        };
        let from = batch.min(status.batch);
        let limit = status.batch.saturating_sub(from) + 1;
        for summary in self.service.batches(Range { from, limit }).unwrap_or_default() {
            // Nobody may be listening.
            let _ = self.announce.send(summary);
        }
    }
}

/// The following thread.
struct Loop {
    follower: Follower,
    operator: Option<Arc<Operator>>,
    following: Arc<RwLock<Following>>,
    halt: HaltFile,
    announcer: Announcer,
    poll: Duration,
    stop: Arc<AtomicBool>,
}

impl Loop {
    fn run(mut self) -> anyhow::Result<()> {
        let mut backoff = self.poll;
        while !self.stop.load(Ordering::Relaxed) {
            let pause = match self.follower.step(BLOCKS_PER_STEP) {
                Ok(step) => {
                    backoff = self.poll;
                    self.after(&step)?;
                    if step.connected == BLOCKS_PER_STEP {
                        Duration::ZERO
                    } else {
                        self.poll
                    }
                }
                Err(FollowError::Client(error)) => {
                    tracing::warn!(%error, "bitcoind does not answer; trying again");
                    backoff = (backoff * 2).min(MAX_BACKOFF);
                    backoff
                }
                Err(FollowError::Behind(behind)) => {
                    self.pause(&behind);
                    backoff = (backoff * 2).min(MAX_BACKOFF);
                    backoff
                }
                Err(FollowError::Kv(error)) => return Err(error.into()),
                Err(FollowError::Chain(error)) => return Err(error.into()),
            };
            self.announcer.run();
            wait(pause, &self.stop);
        }
        Ok(())
    }

    /// Says that following waits for bitcoind; a sequencer takes, seals and sends nothing meanwhile.
    fn pause(&self, behind: &Behind) {
        tracing::warn!(%behind, "paused");
        self.following
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .paused = Some(behind.to_string());
        if let Some(operator) = &self.operator {
            operator.pause();
        }
    }

    fn after(&self, step: &Step) -> anyhow::Result<()> {
        let height = self.follower.cursor()?.height;
        if step.changed() {
            tracing::debug!(
                height,
                connected = step.connected,
                disconnected = step.disconnected,
                "followed"
            );
        }
        if let Some(reorg) = step.deep_reorg {
            let reason = format!(
                "a reorganisation of {} blocks below height {} undid money that counted as final; \
                 check deposits and payouts, then restart with --acknowledge",
                reorg.depth, reorg.height
            );
            tracing::error!(reason, "halted");
            if let Some(operator) = &self.operator {
                operator.rest();
            }
            self.halt.set(&reason)?;
            self.follower.forget_fork()?;
            self.following
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .halted = Some(reason);
        }
        let halted = {
            let mut following = self.following.write().unwrap_or_else(PoisonError::into_inner);
            following.target = step.target;
            following.paused = None;
            following.halted.is_some()
        };
        if let Some(operator) = self.operator.as_ref().filter(|_| !halted) {
            operator.after_step(step.changed(), height >= step.target)?;
        }
        Ok(())
    }
}

/// Waits, but not beyond a stop.
pub(crate) fn wait(pause: Duration, stop: &AtomicBool) {
    let slice = Duration::from_millis(50);
    let mut left = pause;
    while !left.is_zero() && !stop.load(Ordering::Relaxed) {
        let nap = left.min(slice);
        thread::sleep(nap);
        left -= nap;
    }
}

#[cfg(test)]
mod tests;
