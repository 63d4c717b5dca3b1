//! Blocks that are hard to read, and a bitcoind that nobody should follow: followers go on, or say why not.

use anyhow::{Context, ensure};
use bitcoin::opcodes::OP_TRUE;
use bitcoin::opcodes::all::{OP_CHECKSIG, OP_CHECKSIGADD, OP_DROP, OP_NUMEQUAL};
use bitcoin::script::{Builder, PushBytesBuf};
use bitcoin::secp256k1::{Keypair, Message, Secp256k1, SecretKey};
use bitcoin::sighash::{Prevouts, SighashCache};
use bitcoin::taproot::{LeafVersion, TapLeafHash, TaprootBuilder, TaprootSpendInfo};
use bitcoin::transaction::Version;
use bitcoin::{
    Amount, OutPoint, ScriptBuf, Sequence, TapSighashType, Transaction, TxIn, TxOut, Weight, Witness,
    absolute::LockTime,
};
use tacit_bridge::client::BitcoinClient;
use tacit_bridge::keys::SigningKey;
use tacit_bridge::regtest::{Bitcoind, BitcoindOptions};
use tacit_node::config::Config;
use tacit_protocol::params::{ChainParams, Genesis};
use tacit_tests::Work;
use tacit_wallet::api::NodeApi;

use crate::setting::{Choices, Ground};

/// Keys of the largest quorum that a leaf can have, and how many of them sign.
const KEYS: usize = 999;
const SIGN: usize = 998;
/// What a block holds besides the fat transaction.
const HEADROOM: Weight = Weight::from_wu(4_000);

/// A leaf alone in its tree, and what pays to it.
struct Leaf {
    script: ScriptBuf,
    tree: TaprootSpendInfo,
}

impl Leaf {
    fn new(script: ScriptBuf) -> anyhow::Result<Self> {
        let internal = SigningKey::from_bytes(&[61; 32]).context("a key")?.public_key();
        let tree = TaprootBuilder::new().add_leaf(0, script.clone())?;
        let tree = tree.finalize(&Secp256k1::verification_only(), internal);
        let tree = tree.ok().context("one leaf is a tree")?;
        Ok(Self { script, tree })
    }

    fn output(&self) -> TxOut {
        TxOut {
            value: Amount::ONE_BTC,
            script_pubkey: ScriptBuf::new_p2tr_tweaked(self.tree.output_key()),
        }
    }

    fn witness(&self, stack: &[Vec<u8>]) -> anyhow::Result<Witness> {
        let leaf = (self.script.clone(), LeafVersion::TapScript);
        let control = self
            .tree
            .control_block(&leaf)
            .context("the leaf is in the tree")?;
        let mut witness = Witness::from_slice(stack);
        witness.push(&self.script);
        witness.push(control.serialize());
        Ok(witness)
    }

    /// A transaction that spends an output of this leaf to `to`.
    fn spend(&self, outpoint: OutPoint, to: ScriptBuf) -> Transaction {
        Transaction {
            version: Version::TWO,
            lock_time: LockTime::ZERO,
            input: vec![TxIn {
                previous_output: outpoint,
                sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
                ..TxIn::default()
            }],
            output: vec![TxOut {
                value: Amount::from_sat(90_000_000),
                script_pubkey: to,
            }],
        }
    }
}

/// A leaf of this many bytes that anybody may spend by.
fn fat(bytes: usize) -> anyhow::Result<Leaf> {
    let push = PushBytesBuf::try_from(vec![7; 500])?;
    let mut script = Builder::new();
    for _ in 0..bytes / (3 + 500 + 1) {
        script = script.push_slice(&push).push_opcode(OP_DROP);
    }
    Leaf::new(script.push_opcode(OP_TRUE).into_script())
}

fn keys() -> anyhow::Result<Vec<Keypair>> {
    let secp = Secp256k1::new();
    let key = |number: usize| {
        let mut secret = [3; 32];
        secret[..8].copy_from_slice(&(number as u64).to_le_bytes());
        Ok(SecretKey::from_slice(&secret)?.keypair(&secp))
    };
    (0..KEYS).map(key).collect()
}

fn quorum(keys: &[Keypair]) -> anyhow::Result<Leaf> {
    let mut script = Builder::new();
    for (number, key) in keys.iter().enumerate() {
        let add = if number == 0 { OP_CHECKSIG } else { OP_CHECKSIGADD };
        script = script
            .push_x_only_key(&key.x_only_public_key().0)
            .push_opcode(add);
    }
    Leaf::new(
        script
            .push_int(SIGN as i64)
            .push_opcode(OP_NUMEQUAL)
            .into_script(),
    )
}

/// Signs with all keys but the first one.
fn signed(mut tx: Transaction, leaf: &Leaf, keys: &[Keypair]) -> anyhow::Result<Transaction> {
    let (secp, spent) = (Secp256k1::new(), [leaf.output()]);
    let hash = TapLeafHash::from_script(&leaf.script, LeafVersion::TapScript);
    let sighash = SighashCache::new(&tx).taproot_script_spend_signature_hash(
        0,
        &Prevouts::All(&spent),
        hash,
        TapSighashType::Default,
    )?;
    let message = Message::from(sighash);
    let sign = |(number, key): (usize, &Keypair)| match number {
        0 => Vec::new(),
        _ => secp.sign_schnorr_no_aux_rand(&message, key).as_ref().to_vec(),
    };
    let mut stack: Vec<Vec<u8>> = keys.iter().enumerate().map(sign).collect();
    stack.reverse();
    tx.input[0].witness = leaf.witness(&stack)?;
    Ok(tx)
}

#[test]
fn followers_go_on_through_a_block_full_of_witness_and_a_script_of_999_keys() -> anyhow::Result<()> {
    let ground = Ground::new(Choices::default())?;
    let mut config = ground.chain.config("node", Some("http://127.0.0.1:1"))?;
    config.rpc.sequencer_url = None;
    let node = ground.chain.start("node", &config)?;
    let api = node.client()?;
    let (client, faucet) = (ground.chain.client(), &ground.chain.faucet);
    let (keys, elsewhere) = (
        keys()?,
        SigningKey::from_bytes(&[62; 32])
            .context("a key")?
            .output_script(),
    );
    let (fat, quorum) = (fat(3_980_000)?, quorum(&keys)?);
    let funding = faucet.send(vec![fat.output(), quorum.output()])?;
    faucet.mine(1)?;
    let outpoint = |vout| OutPoint { txid: funding, vout };

    let mut largest = fat.spend(outpoint(0), elsewhere.clone());
    largest.input[0].witness = fat.witness(&[])?;
    let room = Weight::MAX_BLOCK - largest.weight();
    ensure!(room < HEADROOM * 5, "the block is all but full: {room} are left");
    let many = signed(quorum.spend(outpoint(1), elsewhere), &quorum, &keys)?;
    assert_eq!(many.input[0].witness.len(), KEYS + 2);
    for tx in [largest, many] {
        let txid = tx.compute_txid();
        faucet.mine_raw(&faucet.script_pubkey(), &[tx])?;
        let output = OutPoint { txid, vout: 0 };
        ensure!(client.unspent(&output, false)?.is_some(), "Bitcoin takes it");
    }
    faucet.mine(1)?;

    let report = ground.audit()?;
    let best = client.chain_info()?;
    assert_eq!(report.height, best.height, "the auditor reads them");
    let started = std::time::Instant::now();
    let status = loop {
        let status = api.status()?;
        if status.bitcoin_hash == best.best {
            break status;
        }
        ensure!(started.elapsed().as_secs() < 120, "the node is stuck: {status:?}");
        std::thread::sleep(std::time::Duration::from_millis(100));
    };
    ground.check(&report, &[("the full node", status.state)], &Work::default())?;
    Ok(())
}

/// What a node says that does not start with this configuration.
fn refusal(ground: &Ground, name: &str, config: &Config) -> anyhow::Result<String> {
    match ground.chain.start(name, config) {
        Ok(_) => anyhow::bail!("{name} starts"),
        Err(error) => Ok(format!("{error:#}")),
    }
}

#[test]
fn a_wrong_network_another_genesis_and_a_pruned_bitcoind_are_refused_at_the_start() -> anyhow::Result<()> {
    let ground = Ground::new(Choices::default())?;
    let usual = ground.chain.config("sequencer", None)?;
    let (genesis, circuits) = (ground.chain.params().genesis(), ground.chain.params().circuits());
    let start_hash = ground.chain.client().block_hash(1)?.context("block 1")?;
    let others = [
        (
            "another-network",
            Genesis {
                network: tacit_protocol::Network::Signet,
                ..genesis.clone()
            },
            "regtest",
        ),
        (
            "another-genesis",
            Genesis {
                start_height: 1,
                start_hash,
                ..genesis.clone()
            },
            "genesis anchor",
        ),
    ];
    for (name, genesis, words) in others {
        let path = ground.dir().join(format!("{name}.json"));
        let params = ChainParams::new(genesis, circuits.to_vec())?;
        std::fs::write(&path, params.to_json())?;
        let config = Config {
            chain: path,
            ..usual.clone()
        };
        let said = refusal(&ground, name, &config)?;
        assert!(said.contains(words), "{name}: {said}");
    }
    let pruned = Bitcoind::start_with(BitcoindOptions {
        args: vec!["-prune=550".to_owned()],
        ..BitcoindOptions::default()
    })?;
    let mut config = usual.clone();
    config.bitcoind.url = pruned.url();
    config.bitcoind.cookie_file = Some(pruned.cookie_file());
    let said = refusal(&ground, "pruned", &config)?;
    assert!(said.contains("prune"), "{said}");
    // The same configuration on the right chain starts, and owes nothing to anybody.
    let node = ground.chain.start("sequencer", &usual)?;
    let state = node.client()?.status()?.state;
    let report = ground.audit()?;
    ground.check(&report, &[("the sequencer", state)], &Work::default())?;
    Ok(())
}
