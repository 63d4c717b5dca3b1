//! A miner that keeps its rewards and pays from them, with one key and no wallet.
//!
//! It remembers nothing: the coins are found by a scan of the unspent outputs and the mempool says
//! which of them are taken, so any number of faucets with one key work side by side in turn.

use std::sync::Arc;

use bitcoin::absolute::LockTime;
use bitcoin::consensus::encode::serialize_hex;
use bitcoin::hashes::Hash;
use bitcoin::secp256k1::rand::thread_rng;
use bitcoin::transaction::Version;
use bitcoin::{
    Address, Amount, BlockHash, Network, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid,
    WScriptHash, Witness,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tacit_protocol::peg::FeeRate;
use tacit_protocol::peg::coins::{Coin, Need, fund};
use tacit_protocol::peg::taproot::{key_path_sighash, key_path_witness};

use super::RegtestError;
use crate::client::{BitcoinClient, ClientError, RpcClient};
use crate::keys::SigningKey;

/// Blocks on top of a reward before it can be spent, the one that spends it included.
const MATURITY: u32 = 100;

/// The rate of the faucet's payments.
const RATE: FeeRate = FeeRate::from_sat_per_kwu(2_500);

/// Weight units of a transaction without inputs and outputs, its counts three bytes long.
const FRAME: u32 = 4 * (4 + 3 + 3 + 4) + 2;

/// What `generateblock` answers.
#[derive(Deserialize)]
struct Generated {
    hash: BlockHash,
}

/// A miner that pays.
#[derive(Debug)]
pub struct Faucet {
    client: Arc<RpcClient>,
    key: SigningKey,
}

impl Faucet {
    /// A faucet with a fresh key and no money yet.
    #[must_use]
    pub fn new(client: Arc<RpcClient>) -> Self {
        Self::with_key(client, SigningKey::generate(&mut thread_rng()))
    }

    /// A faucet with a key of one's own.
    #[must_use]
    pub fn with_key(client: Arc<RpcClient>, key: SigningKey) -> Self {
        Self { client, key }
    }

    /// A faucet with a fresh key and `rewards` rewards to spend, which takes `100 + rewards` blocks.
    ///
    /// # Errors
    /// [`RegtestError`].
    pub fn funded(client: Arc<RpcClient>, rewards: u32) -> Result<Self, RegtestError> {
        let faucet = Self::new(client);
        faucet.mine(rewards)?;
        // Only the first ones are meant to mature, so the rest goes to nobody.
        faucet.mine_to(&ScriptBuf::new_p2wsh(&ScriptBuf::new().wscript_hash()), MATURITY)?;
        Ok(faucet)
    }

    /// Talks to the node through another client, for a node that was restarted.
    pub fn set_client(&mut self, client: Arc<RpcClient>) {
        self.client = client;
    }

    /// The script that rewards and change go to.
    #[must_use]
    pub fn script_pubkey(&self) -> ScriptBuf {
        self.key.output_script()
    }

    /// Mines `count` blocks with whatever the mempool holds.
    ///
    /// # Errors
    /// [`RegtestError`].
    pub fn mine(&self, count: u32) -> Result<Vec<BlockHash>, RegtestError> {
        self.mine_to(&self.script_pubkey(), count)
    }

    /// Mines `count` blocks whose rewards go elsewhere.
    ///
    /// # Errors
    /// [`RegtestError`].
    pub fn mine_to(&self, script: &ScriptBuf, count: u32) -> Result<Vec<BlockHash>, RegtestError> {
        Ok(self
            .client
            .write("generatetoaddress", &json!([count, address_of(script)]))?)
    }

    /// Mines one block with these transactions of the mempool and no others.
    ///
    /// # Errors
    /// [`RegtestError`].
    pub fn mine_only(&self, txids: &[Txid]) -> Result<BlockHash, RegtestError> {
        self.mine_only_to(&self.script_pubkey(), txids)
    }

    fn mine_only_to(&self, script: &ScriptBuf, txids: &[Txid]) -> Result<BlockHash, RegtestError> {
        self.generate(script, &json!(txids))
    }

    /// Mines one block with these very transactions, whatever the mempool thinks of them; its reward
    /// goes elsewhere.
    ///
    /// # Errors
    /// [`RegtestError`].
    pub fn mine_raw(&self, script: &ScriptBuf, txs: &[Transaction]) -> Result<BlockHash, RegtestError> {
        let raw: Vec<String> = txs.iter().map(serialize_hex).collect();
        self.generate(script, &json!(raw))
    }

    fn generate(&self, script: &ScriptBuf, txs: &Value) -> Result<BlockHash, RegtestError> {
        let params = json!([address_of(script), txs]);
        Ok(self.client.write::<Generated>("generateblock", &params)?.hash)
    }

    /// Replaces the last `depth` blocks by `depth + 1` blocks without transactions. What the old
    /// ones held is back in the mempool, as far as it still fits there. Returns the old blocks'
    /// lowest hash.
    ///
    /// # Errors
    /// [`RegtestError`].
    pub fn reorganise(&self, depth: u32) -> Result<BlockHash, RegtestError> {
        let height = self.client.chain_info()?.height;
        let fork = height.saturating_sub(depth) + 1;
        let hash = self
            .client
            .block_hash(fork)?
            .ok_or_else(|| ClientError::Malformed {
                method: "getblockhash".to_owned(),
                detail: format!("no block at height {fork}"),
            })?;
        self.client.write::<()>("invalidateblock", &json!([hash]))?;
        // Paid to the same script in the same second, the first block could be the old one again.
        let elsewhere = ScriptBuf::new_p2wsh(&WScriptHash::hash(hash.as_byte_array()));
        for _ in 0..=depth {
            self.mine_only_to(&elsewhere, &[])?;
        }
        Ok(hash)
    }

    /// Confirmed, mature coins that the mempool does not spend.
    ///
    /// # Errors
    /// [`RegtestError`].
    pub fn coins(&self) -> Result<Vec<Coin>, RegtestError> {
        let scan = self.client.scan(&[self.script_pubkey()])?;
        let mut coins = Vec::new();
        for found in scan.outputs {
            let mature = !found.coinbase || scan.height + 1 >= found.height + MATURITY;
            if mature && self.client.mempool_spender(&found.outpoint)?.is_none() {
                coins.push(Coin {
                    outpoint: found.outpoint,
                    txout: found.txout,
                });
            }
        }
        Ok(coins)
    }

    /// Pays `amount` to a script: into the mempool, not into a block.
    ///
    /// # Errors
    /// [`RegtestError`].
    pub fn pay(&self, script: &ScriptBuf, amount: Amount) -> Result<OutPoint, RegtestError> {
        let txid = self.send(vec![TxOut {
            value: amount,
            script_pubkey: script.clone(),
        }])?;
        Ok(OutPoint { txid, vout: 0 })
    }

    /// Pays to several scripts by one transaction, whose first outputs are `outputs` in order.
    ///
    /// # Errors
    /// [`RegtestError`].
    pub fn send(&self, outputs: Vec<TxOut>) -> Result<Txid, RegtestError> {
        let tx = self.build(outputs)?;
        self.client.send(&tx)?;
        Ok(tx.compute_txid())
    }

    /// Builds and signs a payment without sending it.
    ///
    /// # Errors
    /// [`RegtestError`].
    pub fn build(&self, outputs: Vec<TxOut>) -> Result<Transaction, RegtestError> {
        let change_script = self.script_pubkey();
        let weight: u64 = outputs.iter().map(|output| output.weight().to_wu()).sum();
        let need = Need {
            outputs: outputs.iter().map(|output| output.value.to_sat()).sum(),
            contributed: 0,
            fee_floor: 0,
            weight: u32::try_from(weight).map_or(u32::MAX, |weight| weight.saturating_add(FRAME)),
            rate: RATE,
            change_script: &change_script,
        };
        let funding = fund(&self.coins()?, &need)?;
        let mut tx = Transaction {
            version: Version::TWO,
            lock_time: LockTime::ZERO,
            input: Vec::new(),
            output: outputs,
        };
        if let Some(change) = funding.change {
            let value = Amount::from_sat(change);
            tx.output.push(TxOut {
                value,
                script_pubkey: change_script.clone(),
            });
        }
        let mut prevouts = Vec::new();
        for coin in funding.coins {
            tx.input.push(TxIn {
                previous_output: coin.outpoint,
                script_sig: ScriptBuf::new(),
                sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
                witness: Witness::new(),
            });
            prevouts.push(coin.txout);
        }
        for input in 0..tx.input.len() {
            let message = key_path_sighash(&tx, input, &prevouts);
            tx.input[input].witness = key_path_witness(&self.key.sign_key_path(&message, None));
        }
        Ok(tx)
    }
}

/// The regtest address of a script.
fn address_of(script: &ScriptBuf) -> String {
    Address::from_script(script, Network::Regtest)
        .expect("rewards go to Taproot or script-hash outputs")
        .to_string()
}
