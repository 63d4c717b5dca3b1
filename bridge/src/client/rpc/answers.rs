//! Bitcoin Core's answers in JSON, and their way into our types.
//!
//! Amounts are written in bitcoin with eight decimals. They are never read as floating-point
//! numbers: [`Btc`] takes the digits themselves.

use std::collections::BTreeMap;

use bitcoin::consensus::encode::deserialize_hex;
use bitcoin::hashes::Hash;
use bitcoin::{Amount, BlockHash, Denomination, OutPoint, ScriptBuf, Transaction, TxOut, Txid};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use tacit_protocol::peg::{BlockInput, FeeRate, TxInput};

use crate::client::{
    Acceptance, ClientError, HeaderInfo, MempoolEntry, MempoolInfo, PackageOutcome, Scan, ScannedOutput,
    UnspentOutput,
};

/// An amount in bitcoin, read digit by digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Btc(pub(super) Amount);

impl<'de> Deserialize<'de> for Btc {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Amount::from_str_in(raw.get(), Denomination::Bitcoin)
            .map(Self)
            .map_err(|error| D::Error::custom(format!("amount {}: {error}", raw.get())))
    }
}

/// A script in hexadecimal.
#[derive(Debug, Deserialize)]
pub(super) struct ScriptHex {
    hex: ScriptBuf,
}

/// The part of `getblockchaininfo` that matters.
#[derive(Debug, Deserialize)]
pub(super) struct Blockchain {
    pub(super) chain: String,
    pub(super) blocks: u32,
    pub(super) headers: u32,
    pub(super) bestblockhash: BlockHash,
    pub(super) initialblockdownload: bool,
    pub(super) pruned: bool,
}

/// The part of `getnetworkinfo` that matters.
#[derive(Debug, Deserialize)]
pub(super) struct Node {
    pub(super) version: u32,
}

/// `getblockheader`.
#[derive(Debug, Deserialize)]
pub(super) struct Header {
    height: u32,
    confirmations: i64,
    previousblockhash: Option<BlockHash>,
}

impl Header {
    pub(super) fn into_info(self) -> HeaderInfo {
        let Self {
            height,
            confirmations,
            previousblockhash: prev,
        } = self;
        HeaderInfo {
            height,
            prev,
            confirmations,
        }
    }
}

/// `getblock` with verbosity 3.
#[derive(Debug, Deserialize)]
pub(super) struct Block {
    hash: BlockHash,
    height: u32,
    previousblockhash: Option<BlockHash>,
    time: u32,
    tx: Vec<BlockTx>,
}

#[derive(Debug, Deserialize)]
struct BlockTx {
    hex: String,
    vin: Vec<BlockTxIn>,
}

#[derive(Debug, Deserialize)]
struct BlockTxIn {
    prevout: Option<Prevout>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Prevout {
    value: Btc,
    script_pub_key: ScriptHex,
}

impl Block {
    /// The block as the fold over the chain takes it.
    pub(super) fn into_input(self, asked: &BlockHash) -> Result<BlockInput, ClientError> {
        let method = "getblock";
        let malformed = |detail: String| ClientError::Malformed {
            method: method.to_owned(),
            detail,
        };
        if self.hash != *asked {
            return Err(malformed(format!("block {} came for {asked}", self.hash)));
        }
        let mut txs = Vec::with_capacity(self.tx.len());
        for entry in self.tx {
            let tx = transaction(method, &entry.hex)?;
            let prevouts = entry.vin.into_iter().filter_map(|input| input.prevout);
            let prevouts = prevouts.map(|p| txout(p.value, p.script_pub_key)).collect();
            // A node without undo data leaves the spent outputs out.
            txs.push(TxInput::new(tx, prevouts).map_err(|error| malformed(error.to_string()))?);
        }
        let (height, hash, time) = (self.height, self.hash, self.time);
        // The very first block points to a hash of zeros.
        let prev = self.previousblockhash.unwrap_or_else(BlockHash::all_zeros);
        Ok(BlockInput {
            height,
            hash,
            prev,
            time,
            txs,
        })
    }
}

/// Reads a transaction.
pub(super) fn transaction(method: &str, hex: &str) -> Result<Transaction, ClientError> {
    deserialize_hex(hex).map_err(|error| ClientError::Malformed {
        method: method.to_owned(),
        detail: format!("transaction: {error}"),
    })
}

fn txout(value: Btc, script: ScriptHex) -> TxOut {
    TxOut {
        value: value.0,
        script_pubkey: script.hex,
    }
}

/// `gettxout`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Unspent {
    confirmations: u32,
    value: Btc,
    script_pub_key: ScriptHex,
    coinbase: bool,
}

impl Unspent {
    pub(super) fn into_output(self) -> UnspentOutput {
        let Self {
            confirmations,
            value,
            script_pub_key,
            coinbase,
        } = self;
        UnspentOutput {
            txout: txout(value, script_pub_key),
            confirmations,
            coinbase,
        }
    }
}

/// One answer of `gettxspendingprevout`.
#[derive(Debug, Deserialize)]
pub(super) struct Spender {
    pub(super) spendingtxid: Option<Txid>,
}

/// Fees of a transaction.
#[derive(Debug, Deserialize)]
struct Fees {
    base: Btc,
}

/// Fees of a transaction of the mempool.
#[derive(Debug, Deserialize)]
struct EntryFees {
    base: Btc,
    descendant: Btc,
}

/// `getmempoolentry`.
#[derive(Debug, Deserialize)]
pub(super) struct Entry {
    vsize: u64,
    descendantsize: u64,
    ancestorcount: u32,
    fees: EntryFees,
}

impl Entry {
    pub(super) fn into_entry(self) -> MempoolEntry {
        MempoolEntry {
            vsize: self.vsize,
            fee: self.fees.base.0,
            family_vsize: self.descendantsize,
            family_fee: self.fees.descendant.0,
            ancestors: self.ancestorcount,
        }
    }
}

/// One answer of `testmempoolaccept`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Verdict {
    allowed: bool,
    vsize: Option<u64>,
    fees: Option<Fees>,
    reject_reason: Option<String>,
}

impl Verdict {
    pub(super) fn into_acceptance(self) -> Option<Acceptance> {
        match (self.allowed, self.vsize, self.fees) {
            (true, Some(vsize), Some(fees)) => Some(Acceptance::Allowed {
                vsize,
                fee: fees.base.0,
            }),
            (true, _, _) => None,
            (false, _, _) => Some(Acceptance::Refused(
                self.reject_reason.unwrap_or_else(|| "no reason".to_owned()),
            )),
        }
    }
}

/// `submitpackage`.
#[derive(Debug, Deserialize)]
pub(super) struct Package {
    package_msg: String,
    #[serde(rename = "tx-results")]
    results: BTreeMap<String, PackageTx>,
}

#[derive(Debug, Deserialize)]
struct PackageTx {
    txid: Txid,
    error: Option<String>,
}

impl Package {
    pub(super) fn into_outcome(self) -> PackageOutcome {
        let refused: Vec<_> = self
            .results
            .into_values()
            .filter_map(|result| result.error.map(|error| (result.txid, error)))
            .collect();
        let accepted = self.package_msg == "success" && refused.is_empty();
        PackageOutcome {
            accepted,
            message: self.package_msg,
            refused,
        }
    }
}

/// `scantxoutset`.
#[derive(Debug, Deserialize)]
pub(super) struct ScanResult {
    success: bool,
    height: u32,
    bestblock: BlockHash,
    unspents: Vec<ScanOutput>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ScanOutput {
    txid: Txid,
    vout: u32,
    script_pub_key: ScriptBuf,
    amount: Btc,
    coinbase: bool,
    height: u32,
}

impl ScanResult {
    pub(super) fn into_scan(self) -> Result<Scan, ClientError> {
        if !self.success {
            return Err(ClientError::Malformed {
                method: "scantxoutset".to_owned(),
                detail: "the scan was aborted".to_owned(),
            });
        }
        let outputs = self.unspents.into_iter().map(|found| ScannedOutput {
            outpoint: OutPoint {
                txid: found.txid,
                vout: found.vout,
            },
            txout: TxOut {
                value: found.amount.0,
                script_pubkey: found.script_pub_key,
            },
            height: found.height,
            coinbase: found.coinbase,
        });
        Ok(Scan {
            height: self.height,
            best: self.bestblock,
            outputs: outputs.collect(),
        })
    }
}

/// `estimatesmartfee`.
#[derive(Debug, Deserialize)]
pub(super) struct Estimate {
    feerate: Option<Btc>,
}

impl Estimate {
    pub(super) fn into_rate(self) -> Result<Option<FeeRate>, ClientError> {
        self.feerate
            .map(|rate| to_rate("estimatesmartfee", rate))
            .transpose()
    }
}

/// `getmempoolinfo`.
#[derive(Debug, Deserialize)]
pub(super) struct Mempool {
    size: u64,
    mempoolminfee: Btc,
    minrelaytxfee: Btc,
}

impl Mempool {
    pub(super) fn into_info(self) -> Result<MempoolInfo, ClientError> {
        let lowest = self.mempoolminfee.0.max(self.minrelaytxfee.0);
        let min_rate = to_rate("getmempoolinfo", Btc(lowest))?;
        Ok(MempoolInfo {
            min_rate,
            count: self.size,
        })
    }
}

/// A rate in bitcoin per 1,000 virtual bytes, rounded up to our unit.
fn to_rate(method: &str, rate: Btc) -> Result<FeeRate, ClientError> {
    let sats = rate.0.to_sat().div_ceil(4);
    u32::try_from(sats)
        .map(FeeRate::from_sat_per_kwu)
        .map_err(|_| ClientError::Malformed {
            method: method.to_owned(),
            detail: format!("a rate of {} per 1,000 bytes", rate.0),
        })
}

#[cfg(test)]
mod tests;
