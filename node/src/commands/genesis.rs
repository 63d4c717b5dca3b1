//! `tacit genesis`: a new chain. Pays the two genesis outputs, waits for them, writes `chain.json`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use bitcoin::consensus::encode::{deserialize_hex, serialize_hex};
use bitcoin::{OutPoint, Script, Transaction, TxOut, XOnlyPublicKey};
use clap::{Args, ValueEnum};
use rand::rngs::OsRng;
use tacit_bridge::client::{BitcoinClient, RpcClient, RpcOptions, connect_checked};
use tacit_bridge::keys::SigningKey;
use tacit_bridge::regtest::{Faucet, RegtestError};
use tacit_protocol::encoding::Encode;
use tacit_protocol::params::{
    ChainParams, CircuitKey, FORCED_WINDOW, FeeTable, Genesis, REFUND_TIMELOCK, RULES_VERSION,
    TAKEOVER_TIMELOCK,
};
use tacit_protocol::peg::anchor::{ANCHOR_AMOUNT, AnchorKeys};
use tacit_protocol::peg::vault::VaultKeys;
use tacit_protocol::{Amount, Network};
use tacit_prover::{KeyStore, circuits};

use crate::cli::Global;
use crate::commands::keys;
use crate::config::{Config, SequencerConfig};
use crate::federation::file::Federation;
use crate::federation::secrets;
use crate::progress::{Bars, bar};

/// What the vault holds at first, in satoshi: enough never to be dust.
pub const VAULT_AMOUNT: u64 = 10_000;

/// The fees a transfer may pay, in satoshi: fine steps where they matter.
pub const FEES: [u64; 16] = [
    0, 50, 100, 200, 300, 500, 750, 1_000, 1_500, 2_000, 3_000, 5_000, 10_000, 20_000, 50_000, 100_000,
];

/// Networks a chain can be made on; the main network needs keys from a real ceremony.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TestNetwork {
    /// The fourth test network.
    Testnet4,
    /// The default signet.
    Signet,
    /// A local regression-test network.
    Regtest,
}

impl From<TestNetwork> for Network {
    fn from(network: TestNetwork) -> Self {
        match network {
            TestNetwork::Testnet4 => Self::Testnet4,
            TestNetwork::Signet => Self::Signet,
            TestNetwork::Regtest => Self::Regtest,
        }
    }
}

/// Arguments of `tacit genesis`.
#[derive(Debug, Args)]
pub struct GenesisArgs {
    /// The Bitcoin network
    #[arg(long, value_enum)]
    pub network: TestNetwork,
    /// Depth at which a block counts as final
    #[arg(long, default_value_t = 6)]
    pub finality_depth: u16,
    /// Circuits of the chain [default: transfer-v1 batch-4-4-v1 batch-20-8-v1]
    #[arg(long, value_delimiter = ',')]
    pub circuits: Vec<String>,
    /// Where to write the parameters [default: `chain` of the configuration]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// The public keys of a new chain.
#[derive(Clone, Debug)]
pub struct GenesisKeys {
    /// The sequencer's key.
    pub anchor: XOnlyPublicKey,
    /// The federation's key and the leaves of the vault.
    pub vault: VaultKeys,
}

/// Runs the command.
///
/// # Errors
/// Missing keys or coins, an existing `chain.json`, a failing bitcoind.
pub fn run(args: &GenesisArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let config = Config::load(global.config.as_deref())?;
    let out = args.out.clone().unwrap_or_else(|| config.chain.clone());
    if out.exists() {
        bail!(
            "{} exists; a new chain needs a new file: pass --out FILE",
            out.display()
        );
    }
    let network = Network::from(args.network);
    let options = RpcOptions::default();
    let client = connect_checked(&config.bitcoind.url, config.bitcoind.auth()?, network, options)?;
    let client = Arc::new(client);
    let own = config.sequencer()?;
    let anchor = SigningKey::load_or_create(&own.anchor_key_file, &mut OsRng)?;
    let vault = vault_keys(own)?;
    let operator = SigningKey::load_or_create(&own.operator_key_file, &mut OsRng)?;
    let store = KeyStore::new(&config.keys_dir, network);
    let circuits = circuit_keys(&store, &args.circuits)?;
    let keys = GenesisKeys {
        anchor: anchor.public_key(),
        vault,
    };

    let draft = out.with_extension("genesis-tx");
    let tx = genesis_tx(&draft, &client, operator, &keys)?;
    client.send(&tx)?;
    eprintln!("sent {}; waiting for its block", tx.compute_txid());
    let params = wait_and_assemble(&client, &tx, &keys, network, args.finality_depth, circuits)?;
    std::fs::write(&out, params.to_json()).with_context(|| format!("cannot write {}", out.display()))?;
    std::fs::remove_file(&draft).ok();
    println!("{}", params.chain_id());
    Ok(ExitCode::SUCCESS)
}

/// The keys of the vault: a federation's, or one local key, which is made if it is missing.
fn vault_keys(own: &SequencerConfig) -> anyhow::Result<VaultKeys> {
    match (&own.federation_key_file, &own.federation_file, &own.group_file) {
        (None, Some(file), Some(group)) => {
            let (federation, group) = (Federation::load(file)?, secrets::load_group(group)?);
            Ok(federation.vault_keys(&group)?)
        }
        (Some(file), None, _) => {
            let key = SigningKey::load_or_create(file, &mut OsRng)?;
            Ok(VaultKeys::without_leaves(key.public_key()))
        }
        _ => bail!(
            "set sequencer.federation_file and sequencer.group_file in the configuration, or else \
             federation_key_file alone: one local key, for test networks"
        ),
    }
}

/// The keys of the circuits as `chain.json` carries them, made where they are missing.
///
/// # Errors
/// An unknown circuit or an unusable key.
pub fn circuit_keys(store: &KeyStore, names: &[String]) -> anyhow::Result<Vec<CircuitKey>> {
    keys::select(names)?
        .into_iter()
        .map(|id| {
            let key = circuits::load_key(store, id, &Bars::new(id.name()))?;
            Ok(CircuitKey {
                name: id.name().to_owned(),
                circuit_digest: *key.circuit().digest(),
                verifying_key: key.verifying_key().encode(),
                key_hash: *key.verifier().hash(),
                insecure: key.is_insecure(),
            })
        })
        .collect()
}

/// The two genesis outputs: anchor, vault.
#[must_use]
pub fn genesis_outputs(keys: &GenesisKeys) -> Vec<TxOut> {
    let anchor = AnchorKeys {
        anchor: keys.anchor,
        federation: keys.vault.federation,
        takeover_timelock: TAKEOVER_TIMELOCK,
    };
    vec![
        TxOut {
            value: ANCHOR_AMOUNT,
            script_pubkey: anchor.script_pubkey(),
        },
        TxOut {
            value: bitcoin::Amount::from_sat(VAULT_AMOUNT),
            script_pubkey: keys.vault.script_pubkey(),
        },
    ]
}

/// The genesis transaction: the one a run before this one wrote down, or a new one, written down
/// before it is sent.
fn genesis_tx(
    draft: &Path,
    client: &Arc<RpcClient>,
    operator: SigningKey,
    keys: &GenesisKeys,
) -> anyhow::Result<Transaction> {
    if let Ok(text) = std::fs::read_to_string(draft) {
        return deserialize_hex(text.trim())
            .with_context(|| format!("{} is damaged; remove it to start anew", draft.display()));
    }
    let script = operator.output_script();
    let faucet = Faucet::with_key(Arc::clone(client), operator);
    let tx = faucet
        .build(genesis_outputs(keys))
        .map_err(|error| unfunded(error, &script))?;
    std::fs::write(draft, serialize_hex(&tx)).with_context(|| format!("cannot write {}", draft.display()))?;
    Ok(tx)
}

/// Too few coins, said once and with the script to pay to.
fn unfunded(error: RegtestError, script: &Script) -> anyhow::Error {
    if let RegtestError::Coins(missing) = &error {
        return anyhow!(
            "the operator's key has too few confirmed coins ({missing}); pay to script {script:x}, \
             wait for a block and run this again"
        );
    }
    error.into()
}

fn wait_and_assemble(
    client: &RpcClient,
    tx: &Transaction,
    keys: &GenesisKeys,
    network: Network,
    finality_depth: u16,
    circuits: Vec<CircuitKey>,
) -> anyhow::Result<ChainParams> {
    let outpoint = OutPoint {
        txid: tx.compute_txid(),
        vout: 0,
    };
    let spinner = bar("waiting for a block", 1);
    loop {
        if let Some(found) = client.unspent(&outpoint, false)?.filter(|o| o.confirmations > 0) {
            spinner.finish_and_clear();
            let height = client.chain_info()?.height + 1 - found.confirmations;
            return assemble(client, tx, keys, network, finality_depth, circuits, height);
        }
        thread::sleep(Duration::from_millis(500));
    }
}

/// The parameters of a chain whose genesis transaction is in block `height`.
///
/// # Errors
/// If bitcoind fails or the parameters break a rule.
pub fn assemble(
    client: &dyn BitcoinClient,
    tx: &Transaction,
    keys: &GenesisKeys,
    network: Network,
    finality_depth: u16,
    circuits: Vec<CircuitKey>,
    height: u32,
) -> anyhow::Result<ChainParams> {
    let txid = tx.compute_txid();
    let genesis = Genesis {
        rules_version: RULES_VERSION,
        network,
        start_height: height,
        start_hash: client
            .block_hash(height)?
            .context("the block of the genesis transaction is gone")?,
        anchor: OutPoint { txid, vout: 0 },
        vault: OutPoint { txid, vout: 1 },
        vault_amount: Amount::from_sat(VAULT_AMOUNT)?,
        federation_key: keys.vault.federation,
        anchor_key: keys.anchor,
        finality_depth,
        refund_timelock: REFUND_TIMELOCK,
        takeover_timelock: TAKEOVER_TIMELOCK,
        forced_window: FORCED_WINDOW,
        fee_table: FeeTable::new(&FEES)?,
        vault_backup: keys.vault.backup.clone(),
        vault_recovery: keys.vault.recovery.clone(),
    };
    Ok(ChainParams::new(genesis, circuits)?)
}

#[cfg(test)]
mod tests;
