//! Bitcoin Core over JSON-RPC.
//!
//! Reads that fail for a passing reason (node restarting, queue full) are repeated with growing
//! pauses until the time of one request is used up; whatever changes the node is sent once.
//! [`connect_checked`] refuses a node that Tacit cannot work with before anything is built on it.

use std::thread;
use std::time::{Duration, Instant};

use bitcoin::consensus::encode::serialize_hex;
use bitcoin::{BlockHash, OutPoint, ScriptBuf, Transaction, Txid};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tacit_protocol::Network;
use tacit_protocol::peg::{BlockInput, FeeRate};

use crate::client::{
    Acceptance, BitcoinClient, Broadcast, ChainInfo, ClientError, HeaderInfo, MIN_VERSION, MempoolEntry,
    MempoolInfo, PackageOutcome, Scan, UnspentOutput,
};

mod answers;
mod transport;

pub use transport::Auth;
use transport::Transport;

/// Codes of Bitcoin Core's `rpc/protocol.h`.
mod code {
    /// Anything the node has no better code for; a pruned block among others.
    pub(super) const MISC: i32 = -1;
    /// Not found.
    pub(super) const NOT_FOUND: i32 = -5;
    /// A parameter is out of its range.
    pub(super) const INVALID_PARAMETER: i32 = -8;
    /// The transaction is malformed.
    pub(super) const DESERIALIZATION: i32 = -22;
    /// The transaction fails at verification.
    pub(super) const VERIFY: i32 = -25;
    /// The mempool's rules refuse the transaction.
    pub(super) const VERIFY_REJECTED: i32 = -26;
    /// The transaction is in a block.
    pub(super) const ALREADY_CONFIRMED: i32 = -27;
    /// The node is starting.
    pub(super) const WARMUP: i32 = -28;
}

/// How patient the client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RpcOptions {
    /// Time for one request; reads are not repeated beyond it.
    pub timeout: Duration,
    /// Time for one scan of all unspent outputs.
    pub scan_timeout: Duration,
    /// How often a read is tried.
    pub attempts: u32,
    /// Pause after the first failure; it doubles from there.
    pub pause: Duration,
}

impl Default for RpcOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(60),
            scan_timeout: Duration::from_secs(1_800),
            attempts: 5,
            pause: Duration::from_millis(100),
        }
    }
}

/// A client of one Bitcoin Core node.
#[derive(Debug)]
pub struct RpcClient {
    transport: Transport,
    options: RpcOptions,
}

/// Connects to a node and checks that Tacit can work with it on `network`.
///
/// # Errors
/// [`ClientError`]: unreachable, unauthorised, wrong network, too old, pruned or still syncing.
pub fn connect_checked(
    url: &str,
    auth: Auth,
    network: Network,
    options: RpcOptions,
) -> Result<RpcClient, ClientError> {
    let client = RpcClient::new(url, auth, options);
    check_node(&client.chain_info()?, network)?;
    Ok(client)
}

/// Checks what a node says about itself.
///
/// # Errors
/// [`ClientError`]: wrong network, too old, pruned or still syncing.
pub fn check_node(info: &ChainInfo, network: Network) -> Result<(), ClientError> {
    if info.network != network.core_name() {
        let expected = network.core_name().to_owned();
        return Err(ClientError::WrongNetwork {
            expected,
            found: info.network.clone(),
        });
    }
    if info.version < MIN_VERSION {
        return Err(ClientError::TooOld {
            found: info.version,
            needed: MIN_VERSION,
        });
    }
    if info.pruned {
        return Err(ClientError::Pruned);
    }
    // A regtest node calls itself syncing whenever its last block is a day old.
    if info.syncing && network != Network::Regtest {
        return Err(ClientError::Syncing {
            height: info.height,
            headers: info.headers,
        });
    }
    Ok(())
}

impl RpcClient {
    /// A client of the node at `url`; nothing is sent yet.
    #[must_use]
    pub fn new(url: &str, auth: Auth, options: RpcOptions) -> Self {
        Self {
            transport: Transport::new(url, auth),
            options,
        }
    }

    /// The address of the node.
    #[must_use]
    pub fn url(&self) -> &str {
        self.transport.url()
    }

    /// Any call that reads, repeated while it fails for a passing reason. `params` is an array.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn read<T: DeserializeOwned>(&self, method: &str, params: &Value) -> Result<T, ClientError> {
        let start = Instant::now();
        let mut pause = self.options.pause;
        let mut attempt = 1;
        loop {
            match self.call(method, params, self.options.timeout) {
                Err(error)
                    if error.is_transient()
                        && attempt < self.options.attempts
                        && start.elapsed() + pause < self.options.timeout =>
                {
                    tracing::debug!(method, attempt, %error, "bitcoind gives no answer, asking again");
                    thread::sleep(pause);
                    pause *= 2;
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }

    /// Any call that changes something, made once. `params` is an array.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn write<T: DeserializeOwned>(&self, method: &str, params: &Value) -> Result<T, ClientError> {
        self.call(method, params, self.options.timeout)
    }

    fn call<T: DeserializeOwned>(
        &self,
        method: &str,
        params: &Value,
        timeout: Duration,
    ) -> Result<T, ClientError> {
        let response = self.transport.request(method, params, timeout)?;
        let malformed = |error: serde_json::Error| ClientError::Malformed {
            method: method.to_owned(),
            detail: error.to_string(),
        };
        match (response.error, response.result) {
            (Some(error), _) if error.code == code::WARMUP => Err(ClientError::Starting(error.message)),
            (Some(error), _) => {
                let method = method.to_owned();
                Err(ClientError::Rpc {
                    method,
                    code: error.code,
                    message: error.message,
                })
            }
            (None, Some(result)) => serde_json::from_str(result.get()).map_err(malformed),
            (None, None) => serde_json::from_value(Value::Null).map_err(malformed),
        }
    }

    /// A read whose answer may be that the thing is not there.
    fn find<T: DeserializeOwned>(
        &self,
        method: &str,
        params: &Value,
        absent: i32,
    ) -> Result<Option<T>, ClientError> {
        match self.read(method, params) {
            Ok(found) => Ok(Some(found)),
            Err(ClientError::Rpc { code, .. }) if code == absent => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl BitcoinClient for RpcClient {
    fn chain_info(&self) -> Result<ChainInfo, ClientError> {
        let chain: answers::Blockchain = self.read("getblockchaininfo", &json!([]))?;
        let network: answers::Node = self.read("getnetworkinfo", &json!([]))?;
        Ok(ChainInfo {
            network: chain.chain,
            height: chain.blocks,
            best: chain.bestblockhash,
            headers: chain.headers,
            version: network.version,
            syncing: chain.initialblockdownload,
            pruned: chain.pruned,
        })
    }

    fn block_hash(&self, height: u32) -> Result<Option<BlockHash>, ClientError> {
        self.find("getblockhash", &json!([height]), code::INVALID_PARAMETER)
    }

    fn header(&self, hash: &BlockHash) -> Result<Option<HeaderInfo>, ClientError> {
        let header: Option<answers::Header> =
            self.find("getblockheader", &json!([hash, true]), code::NOT_FOUND)?;
        Ok(header.map(answers::Header::into_info))
    }

    fn block(&self, hash: &BlockHash) -> Result<BlockInput, ClientError> {
        let block: answers::Block = match self.read("getblock", &json!([hash, 3])) {
            Ok(block) => block,
            Err(ClientError::Rpc {
                code: code::NOT_FOUND,
                ..
            }) => {
                return Err(ClientError::UnknownBlock(*hash));
            }
            Err(ClientError::Rpc {
                code: code::MISC,
                message,
                ..
            }) if message.contains("pruned") => {
                return Err(ClientError::Pruned);
            }
            Err(error) => return Err(error),
        };
        block.into_input(hash)
    }

    fn send(&self, tx: &Transaction) -> Result<Broadcast, ClientError> {
        let txid = tx.compute_txid();
        match self.write::<Txid>("sendrawtransaction", &json!([serialize_hex(tx)])) {
            Ok(sent) if sent == txid => Ok(Broadcast::InMempool),
            Ok(other) => Err(ClientError::Malformed {
                method: "sendrawtransaction".to_owned(),
                detail: format!("transaction {txid} was sent, {other} came back"),
            }),
            Err(ClientError::Rpc {
                code: code::ALREADY_CONFIRMED,
                ..
            }) => Ok(Broadcast::AlreadyConfirmed),
            Err(ClientError::Rpc {
                code: code @ (code::DESERIALIZATION | code::VERIFY | code::VERIFY_REJECTED),
                message,
                ..
            }) => Err(ClientError::Rejected {
                txid,
                code,
                reason: message,
            }),
            Err(error) => Err(error),
        }
    }

    fn submit_package(&self, txs: &[Transaction]) -> Result<PackageOutcome, ClientError> {
        let hex: Vec<String> = txs.iter().map(serialize_hex).collect();
        let package: answers::Package = self.write("submitpackage", &json!([hex]))?;
        Ok(package.into_outcome())
    }

    fn test_accept(&self, tx: &Transaction) -> Result<Acceptance, ClientError> {
        let method = "testmempoolaccept";
        let verdicts: Vec<answers::Verdict> = self.read(method, &json!([[serialize_hex(tx)]]))?;
        let verdict = verdicts
            .into_iter()
            .next()
            .and_then(answers::Verdict::into_acceptance);
        verdict.ok_or_else(|| ClientError::Malformed {
            method: method.to_owned(),
            detail: "no verdict on the transaction".to_owned(),
        })
    }

    fn mempool_entry(&self, txid: &Txid) -> Result<Option<MempoolEntry>, ClientError> {
        let entry: Option<answers::Entry> = self.find("getmempoolentry", &json!([txid]), code::NOT_FOUND)?;
        Ok(entry.map(answers::Entry::into_entry))
    }

    fn mempool_spender(&self, outpoint: &OutPoint) -> Result<Option<Txid>, ClientError> {
        let asked = json!([[{ "txid": outpoint.txid, "vout": outpoint.vout }]]);
        let spenders: Vec<answers::Spender> = self.read("gettxspendingprevout", &asked)?;
        Ok(spenders
            .into_iter()
            .next()
            .and_then(|spender| spender.spendingtxid))
    }

    fn unspent(&self, outpoint: &OutPoint, with_mempool: bool) -> Result<Option<UnspentOutput>, ClientError> {
        let params = json!([outpoint.txid, outpoint.vout, with_mempool]);
        let unspent: Option<answers::Unspent> = self.read("gettxout", &params)?;
        Ok(unspent.map(answers::Unspent::into_output))
    }

    fn transaction(
        &self,
        txid: &Txid,
        block: Option<&BlockHash>,
    ) -> Result<Option<Transaction>, ClientError> {
        let method = "getrawtransaction";
        let params = match block {
            Some(hash) => json!([txid, 0, hash]),
            None => json!([txid, 0]),
        };
        let hex: Option<String> = self.find(method, &params, code::NOT_FOUND)?;
        hex.map(|hex| answers::transaction(method, &hex)).transpose()
    }

    fn scan(&self, scripts: &[ScriptBuf]) -> Result<Scan, ClientError> {
        let wanted: Vec<String> = scripts
            .iter()
            .map(|script| format!("raw({})", script.to_hex_string()))
            .collect();
        let params = json!(["start", wanted]);
        let start = Instant::now();
        loop {
            let found: Result<answers::ScanResult, _> =
                self.call("scantxoutset", &params, self.options.scan_timeout);
            match found {
                Ok(found) => return found.into_scan(),
                // The node runs one scan at a time, whoever asked for it.
                Err(ClientError::Rpc {
                    code: code::INVALID_PARAMETER,
                    message,
                    ..
                }) if message.contains("already in progress")
                    && start.elapsed() < self.options.scan_timeout =>
                {
                    thread::sleep(self.options.pause);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn estimate_rate(&self, blocks: u16) -> Result<Option<FeeRate>, ClientError> {
        let estimate: answers::Estimate = self.read("estimatesmartfee", &json!([blocks]))?;
        estimate.into_rate()
    }

    fn mempool_info(&self) -> Result<MempoolInfo, ClientError> {
        let mempool: answers::Mempool = self.read("getmempoolinfo", &json!([]))?;
        mempool.into_info()
    }
}

#[cfg(test)]
mod tests;
