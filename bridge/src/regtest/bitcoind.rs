//! A regtest `bitcoind` process that ends with its guard.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bitcoin::BlockHash;
use serde_json::{Value, json};

use super::{BITCOIND_EXE, RegtestError};
use crate::client::{Auth, BitcoinClient, ClientError, RpcClient, RpcOptions};

/// How long a node may take to start, to end, or to agree with another.
const PATIENCE: Duration = Duration::from_secs(120);

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// How often other free ports are tried when another program was faster.
const PORT_ATTEMPTS: u32 = 5;

/// How much of the log an error repeats.
const LOG_TAIL: usize = 2_000;

/// How to run a node.
#[derive(Clone, Debug, Default)]
pub struct BitcoindOptions {
    /// The program; by default the one that `BITCOIND_EXE` names.
    pub program: Option<PathBuf>,
    /// Where it keeps its data, left behind at the end; by default a temporary directory, removed
    /// at the end.
    pub datadir: Option<PathBuf>,
    /// More arguments.
    pub args: Vec<String>,
}

/// A running regtest node. It is killed when this is dropped.
#[derive(Debug)]
pub struct Bitcoind {
    program: PathBuf,
    args: Vec<String>,
    datadir: PathBuf,
    temporary: bool,
    child: Option<Child>,
    rpc_port: u16,
    p2p_port: u16,
    client: Arc<RpcClient>,
}

impl Bitcoind {
    /// Starts a node with an empty chain in a temporary directory.
    ///
    /// # Errors
    /// [`RegtestError`].
    pub fn start() -> Result<Self, RegtestError> {
        Self::start_with(BitcoindOptions::default())
    }

    /// Starts a node and waits until it answers.
    ///
    /// # Errors
    /// [`RegtestError`].
    pub fn start_with(options: BitcoindOptions) -> Result<Self, RegtestError> {
        let program = match options.program {
            Some(program) => program,
            None => match std::env::var_os(BITCOIND_EXE) {
                Some(program) if !program.is_empty() => PathBuf::from(program),
                Some(_) | None => return Err(RegtestError::NoProgram),
            },
        };
        let (datadir, temporary) = match options.datadir {
            Some(datadir) => (datadir, false),
            None => (scratch_dir(), true),
        };
        make_dir(&datadir)?;
        let mut node = Self {
            program,
            args: options.args,
            client: Arc::new(client_for(0, &datadir)),
            datadir,
            temporary,
            child: None,
            rpc_port: 0,
            p2p_port: 0,
        };
        node.launch()?;
        Ok(node)
    }

    /// Spawns the process on free ports, others if the first ones were taken meanwhile.
    fn launch(&mut self) -> Result<(), RegtestError> {
        let mut attempt = 1;
        loop {
            match self.spawn() {
                Err(RegtestError::Ended { log, .. })
                    if attempt < PORT_ATTEMPTS && log.contains("bind to address") =>
                {
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }

    fn spawn(&mut self) -> Result<(), RegtestError> {
        let cookie = cookie_file(&self.datadir);
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| RegtestError::Io { path, source }
        };
        if cookie.exists() {
            // A killed node leaves it behind, and it opens nothing any more.
            fs::remove_file(&cookie).map_err(io(&cookie))?;
        }
        (self.rpc_port, self.p2p_port) = free_ports().map_err(io(Path::new("127.0.0.1")))?;
        let said = self.datadir.join("output.log");
        let output = fs::File::create(&said).map_err(io(&said))?;
        let errors = output.try_clone().map_err(io(&said))?;
        let child = Command::new(&self.program)
            .arg(format!("-datadir={}", self.datadir.display()))
            .arg(format!("-rpcport={}", self.rpc_port))
            .arg(format!("-bind=127.0.0.1:{}", self.p2p_port))
            .args([
                "-regtest",
                "-server",
                "-listen",
                "-listenonion=0",
                "-dnsseed=0",
                "-fixedseeds=0",
                "-discover=0",
                "-txindex=0",
                "-disablewallet",
                "-acceptnonstdtxn=0",
                "-printtoconsole=0",
            ])
            .args(&self.args)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .map_err(|source| RegtestError::Spawn {
                program: self.program.clone(),
                source,
            })?;
        self.child = Some(child);
        self.client = Arc::new(client_for(self.rpc_port, &self.datadir));
        self.wait_until_ready()
    }

    fn wait_until_ready(&mut self) -> Result<(), RegtestError> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.exit_status() {
                self.child = None;
                let log = self.log_tail();
                let datadir = self.datadir.clone();
                return Err(RegtestError::Ended { status, datadir, log });
            }
            match self.client.write::<Value>("getblockchaininfo", &json!([])) {
                Ok(_) => return Ok(()),
                Err(error) if start.elapsed() > PATIENCE => {
                    return Err(RegtestError::NotReady(error));
                }
                Err(_) => thread::sleep(PAUSE),
            }
        }
    }

    fn exit_status(&mut self) -> Option<String> {
        let child = self.child.as_mut()?;
        child.try_wait().ok().flatten().map(|status| status.to_string())
    }

    /// The end of what the process said, or else of its log.
    fn log_tail(&self) -> String {
        let said = fs::read_to_string(self.datadir.join("output.log")).unwrap_or_default();
        let log = match said.trim() {
            "" => fs::read_to_string(self.datadir.join("regtest/debug.log")).unwrap_or_default(),
            _ => said,
        };
        let start = log.len().saturating_sub(LOG_TAIL);
        let start = (start..=log.len())
            .find(|i| log.is_char_boundary(*i))
            .unwrap_or(log.len());
        log[start..].trim().to_owned()
    }

    /// The client of the running node. After a restart this is another one.
    #[must_use]
    pub fn client(&self) -> Arc<RpcClient> {
        Arc::clone(&self.client)
    }

    /// The address for RPC.
    #[must_use]
    pub fn url(&self) -> String {
        url_for(self.rpc_port)
    }

    /// The cookie file with the credentials.
    #[must_use]
    pub fn cookie_file(&self) -> PathBuf {
        cookie_file(&self.datadir)
    }

    /// The credentials.
    #[must_use]
    pub fn auth(&self) -> Auth {
        Auth::Cookie(self.cookie_file())
    }

    /// Where the node keeps its data.
    #[must_use]
    pub fn datadir(&self) -> &Path {
        &self.datadir
    }

    /// Whether the process runs.
    #[must_use]
    pub fn is_running(&mut self) -> bool {
        self.child.is_some() && self.exit_status().is_none()
    }

    /// Ends the node in good order.
    ///
    /// # Errors
    /// [`RegtestError`]; the process is gone in any case.
    pub fn stop(&mut self) -> Result<(), RegtestError> {
        if self.child.is_none() {
            return Ok(());
        }
        let asked = self.client.write::<Value>("stop", &json!([]));
        let start = Instant::now();
        while asked.is_ok() && self.exit_status().is_none() && start.elapsed() < PATIENCE {
            thread::sleep(PAUSE);
        }
        self.kill();
        asked.map(drop).map_err(RegtestError::from)
    }

    /// Ends the process at once, as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Failing means that it has ended already, which is what is wanted.
            let _ended = child.kill();
            let _reaped = child.wait();
        }
    }

    /// Starts the node again with the same data, on other ports if need be.
    ///
    /// # Errors
    /// [`RegtestError`].
    pub fn restart(&mut self) -> Result<(), RegtestError> {
        self.stop()?;
        self.launch()
    }

    /// Starts a node that was stopped or killed.
    ///
    /// # Errors
    /// [`RegtestError`].
    pub fn start_again(&mut self) -> Result<(), RegtestError> {
        self.kill();
        self.launch()
    }

    /// Connects to another node, as a peer.
    ///
    /// # Errors
    /// [`RegtestError`].
    pub fn connect(&self, other: &Self) -> Result<(), RegtestError> {
        let peer = format!("127.0.0.1:{}", other.p2p_port);
        self.client.write::<Value>("addnode", &json!([peer, "onetry"]))?;
        self.wait(|| Ok(self.peers()?.iter().any(|found| found["addr"] == json!(peer))))
    }

    fn peers(&self) -> Result<Vec<Value>, ClientError> {
        self.client.read("getpeerinfo", &json!([]))
    }

    /// Cuts all connections to other nodes, waits until they are gone, and lets none in until it is called with
    /// `true`.
    ///
    /// # Errors
    /// [`RegtestError`].
    pub fn set_connected(&self, connected: bool) -> Result<(), RegtestError> {
        self.client
            .write::<Value>("setnetworkactive", &json!([connected]))?;
        if connected {
            return Ok(());
        }
        // The answer comes before the connections are gone, and a block may still slip through.
        self.wait(|| Ok(self.client.read::<u32>("getconnectioncount", &json!([]))? == 0))
    }

    /// Waits until both nodes have the same tip.
    ///
    /// # Errors
    /// [`RegtestError::NoCommonTip`] and those of the client.
    pub fn wait_for_common_tip(&self, other: &Self) -> Result<(), RegtestError> {
        self.wait(|| Ok(self.client.chain_info()?.best == other.client.chain_info()?.best))
    }

    fn wait(&self, done: impl Fn() -> Result<bool, ClientError>) -> Result<(), RegtestError> {
        let start = Instant::now();
        while !done()? {
            if start.elapsed() > PATIENCE {
                return Err(RegtestError::NoCommonTip);
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Takes a block and all above it off the best chain.
    ///
    /// # Errors
    /// [`RegtestError`].
    pub fn invalidate(&self, hash: &BlockHash) -> Result<(), RegtestError> {
        Ok(self.client.write("invalidateblock", &json!([hash]))?)
    }

    /// Lets a block back that was taken off.
    ///
    /// # Errors
    /// [`RegtestError`].
    pub fn reconsider(&self, hash: &BlockHash) -> Result<(), RegtestError> {
        Ok(self.client.write("reconsiderblock", &json!([hash]))?)
    }
}

impl Drop for Bitcoind {
    fn drop(&mut self) {
        self.kill();
        if self.temporary {
            // What cannot be removed is left to whoever cleans the temporary directory.
            let _removed = fs::remove_dir_all(&self.datadir);
        }
    }
}

fn url_for(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

fn cookie_file(datadir: &Path) -> PathBuf {
    datadir.join("regtest").join(".cookie")
}

fn client_for(port: u16, datadir: &Path) -> RpcClient {
    RpcClient::new(
        &url_for(port),
        Auth::Cookie(cookie_file(datadir)),
        RpcOptions::default(),
    )
}

/// A directory name that no other process of this machine uses now.
fn scratch_dir() -> PathBuf {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let (pid, n) = (std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanos = since.map_or(0, |elapsed| elapsed.subsec_nanos());
    std::env::temp_dir().join(format!("tacit-bitcoind-{pid}-{n}-{nanos}"))
}

fn make_dir(path: &Path) -> Result<(), RegtestError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| RegtestError::Io {
        path: path.to_owned(),
        source,
    })
}

/// Two ports that nobody listens on at the moment.
fn free_ports() -> std::io::Result<(u16, u16)> {
    let listeners = (
        TcpListener::bind("127.0.0.1:0")?,
        TcpListener::bind("127.0.0.1:0")?,
    );
    Ok((listeners.0.local_addr()?.port(), listeners.1.local_addr()?.port()))
}
