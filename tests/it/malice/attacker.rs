//! Somebody with every key of a deployment and no scruples: writes on Bitcoin whatever it likes.

use std::sync::Arc;

use anyhow::Context;
use bitcoin::absolute::LockTime;
use bitcoin::transaction::Version;
use bitcoin::{Amount, BlockHash, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness};
use rand::rngs::OsRng;
use tacit_bridge::client::BitcoinClient;
use tacit_bridge::coins::CoinBook;
use tacit_bridge::journal::MemoryJournal;
use tacit_bridge::keys::SigningKey;
use tacit_bridge::publisher::{Publisher, PublisherConfig};
use tacit_circuits::batch::BatchStatement;
use tacit_circuits::version::CircuitId;
use tacit_protocol::batch::{Batch, BatchShape, DepositClaim};
use tacit_protocol::kv::{KvRead, MemoryKv, Overlay};
use tacit_protocol::ledger;
use tacit_protocol::peg::anchor::ANCHOR_AMOUNT;
use tacit_protocol::peg::coins::Coin;
use tacit_protocol::peg::taproot::{key_path_sighash, key_path_witness};
use tacit_protocol::peg::vault::VAULT_TX_VERSION;
use tacit_protocol::peg::{AnchorStep, AnchorTip, FeeRate};
use tacit_protocol::transfer::{ProofBytes, Transfer};
use tacit_protocol::{F, Network};
use tacit_prover::{KeyStore, Prover, Silent, circuits};
use tacit_verifier::chain::{self, table};
use tacit_verifier::{Rules, batch};
use tacit_wallet::Keys;

use crate::setting::{Ground, keys_dir};

/// The fee of transactions that are made by hand.
const FEE: u64 = 2_000;

/// The keys, and a follower of one's own.
pub(crate) struct Attacker<'a> {
    ground: &'a Ground,
    rules: Rules,
    kv: MemoryKv,
    anchor_key: Arc<SigningKey>,
    federation_key: SigningKey,
    operator_key: Arc<SigningKey>,
}

impl<'a> Attacker<'a> {
    /// Takes the keys of a deployment and follows its chain.
    pub(crate) fn new(ground: &'a Ground) -> anyhow::Result<Self> {
        let key = |name| SigningKey::load(&ground.dir().join(name));
        let rules = Rules::load(ground.chain.params().clone())?;
        let mut kv = MemoryKv::default();
        let genesis = chain::genesis(&kv, rules.params())?;
        kv.commit(&genesis);
        let mut attacker = Self {
            ground,
            rules,
            kv,
            anchor_key: Arc::new(key("anchor.key")?),
            federation_key: key("federation.key")?,
            operator_key: Arc::new(key("operator.key")?),
        };
        attacker.follow()?;
        Ok(attacker)
    }

    fn follow(&mut self) -> anyhow::Result<()> {
        let client = self.ground.chain.client();
        loop {
            let cursor = table::cursor(&self.kv)?.context("the cursor")?;
            let Some(hash) = client.block_hash(cursor.height + 1)? else {
                return Ok(());
            };
            let delta = chain::connect(&self.kv, &self.rules, &client.block(&hash)?)?;
            self.kv.commit(&delta);
        }
    }

    /// The state as this follower has it.
    pub(crate) fn kv(&self) -> &MemoryKv {
        &self.kv
    }

    /// The last batch.
    pub(crate) fn batch(&self) -> anyhow::Result<u32> {
        Ok(ledger::tip(&self.kv)?.batch)
    }

    /// The anchor tip.
    pub(crate) fn tip(&self) -> anyhow::Result<AnchorTip> {
        let tip = table::anchor_tip(&self.kv)?.context("the anchor tip")?;
        Ok(AnchorTip {
            outpoint: tip.outpoint,
            txout: tip.txout,
        })
    }

    /// A next batch that lacks nothing but a proof of its own; it has the last batch's, or none that could be one.
    pub(crate) fn draft(
        &self,
        transfers: Vec<Transfer>,
        deposits: Vec<DepositClaim>,
    ) -> anyhow::Result<Batch> {
        self.draft_on(&self.kv, self.batch()?, transfers, deposits)
    }

    /// The batch after one that nobody has seen.
    pub(crate) fn draft_after(&self, unseen: &Batch) -> anyhow::Result<Batch> {
        let mut view = Overlay::new(&self.kv);
        let data = batch::resolve(&self.rules, &view, unseen, self.height()?)?;
        ledger::apply(&mut view, &data)?;
        if let Some(operator) = &unseen.operator {
            table::put_operator(&mut view, operator);
        }
        self.draft_on(&view, self.batch()?, Vec::new(), Vec::new())
    }

    fn draft_on(
        &self,
        view: &dyn KvRead,
        anchor: u32,
        transfers: Vec<Transfer>,
        deposits: Vec<DepositClaim>,
    ) -> anyhow::Result<Batch> {
        let shape = BatchShape::B4x4;
        let number = ledger::tip(view)?.batch;
        let anchors = Batch::pad_anchors(shape, &[anchor]).context("one anchor fits")?;
        let last = table::batch(&self.kv, number)?;
        let fee_key = || {
            let keys = Keys::derive(&self.ground.operator, Network::Regtest);
            keys.viewing().incoming().internal_pk_d()
        };
        let mut draft = Batch {
            shape,
            operator: (number == 0).then(fee_key),
            state: F::from(0_u64),
            proof: last.map_or(ProofBytes([0; 128]), |last| last.batch.proof),
            anchors,
            transfers,
            deposits,
        };
        let data = batch::resolve(&self.rules, view, &draft, self.height()?)?;
        draft.state = ledger::apply(&mut Overlay::new(view), &data)?.commitment();
        Ok(draft)
    }

    fn height(&self) -> anyhow::Result<u32> {
        Ok(table::cursor(&self.kv)?.context("the cursor")?.height)
    }

    /// Gives a draft an honest proof.
    pub(crate) fn prove(&self, draft: Batch) -> anyhow::Result<Batch> {
        let data = batch::resolve(&self.rules, &self.kv, &draft, self.height()?)?;
        let chain = self.rules.params().chain_id().to_field();
        let trace = ledger::apply_traced(&mut Overlay::new(&self.kv), &data, chain)?;
        let store = KeyStore::new(keys_dir(), Network::Regtest);
        let key = circuits::load_key(&store, CircuitId::Batch(draft.shape), &Silent)?;
        let statement = BatchStatement::from_trace(&trace);
        let proof = Prover::cpu().prove_statement(&key, &statement, &mut OsRng, &Silent)?;
        Ok(Batch {
            proof: ProofBytes(proof.to_bytes()),
            ..draft
        })
    }

    /// Anchors a payload, whatever it says; returns the reveal, which is mined.
    pub(crate) fn anchor(&mut self, payload: &[u8]) -> anyhow::Result<Txid> {
        let client = self.ground.chain.client();
        let publisher = Publisher::new(PublisherConfig {
            client: Arc::clone(&client) as Arc<dyn BitcoinClient>,
            journal: Arc::new(MemoryJournal::default()),
            anchor_key: Arc::clone(&self.anchor_key),
            operator_key: Arc::clone(&self.operator_key),
            depth: 1,
            bump_after: 3,
        });
        let mut coins = CoinBook::scan(&*client, self.operator_key.output_script())?;
        let (height, rate) = (coins.height(), FeeRate::from_sat_per_kwu(1_000));
        let keys = AnchorStep::within(self.rules.params().genesis().anchor_keys());
        let report = publisher.publish(&self.tip()?, &keys, payload, height, rate, &mut coins)?;
        self.mine_one()?;
        Ok(report.reveal)
    }

    /// Spends the anchor tip to the next anchor without saying anything.
    pub(crate) fn spend_tip(&mut self) -> anyhow::Result<Txid> {
        let (tip, keys) = (self.tip()?, self.rules.params().genesis().anchor_keys());
        let coin = self.coin()?;
        let change = coin.txout.value - Amount::from_sat(FEE);
        let outputs = vec![
            TxOut {
                value: ANCHOR_AMOUNT,
                script_pubkey: keys.script_pubkey(),
            },
            TxOut {
                value: change,
                script_pubkey: self.operator_key.output_script(),
            },
        ];
        // The operator's coin pays by key path as well, so input 1 carries no envelope.
        let inputs = [(tip.outpoint, tip.txout), (coin.outpoint, coin.txout)];
        let mut tx = unsigned(Version::TWO, &inputs, outputs);
        let prevouts = inputs.map(|(_, output)| output);
        let first = self
            .anchor_key
            .sign_key_path(&key_path_sighash(&tx, 0, &prevouts), Some(keys.merkle_root()));
        let second = self
            .operator_key
            .sign_key_path(&key_path_sighash(&tx, 1, &prevouts), None);
        tx.input[0].witness = key_path_witness(&first);
        tx.input[1].witness = key_path_witness(&second);
        self.ground.chain.client().send(&tx)?;
        self.mine_one()?;
        Ok(tx.compute_txid())
    }

    /// Spends the genesis vault with the federation's key, the fee paid by a coin that gives no
    /// change; returns the transaction and its block.
    pub(crate) fn spend_vault(&self, outputs: &[TxOut], fee: u64) -> anyhow::Result<(Txid, BlockHash)> {
        let (genesis, client) = (self.rules.params().genesis(), self.ground.chain.client());
        let (faucet, own) = (&self.ground.chain.faucet, self.operator_key.output_script());
        let coin = faucet.pay(&own, Amount::from_sat(fee))?;
        faucet.mine_only(&[coin.txid])?;
        let paying = TxOut {
            value: Amount::from_sat(fee),
            script_pubkey: own,
        };
        let script_pubkey = self.federation_key.output_script();
        let held = TxOut {
            value: Amount::from_sat(genesis.vault_amount.to_sat()),
            script_pubkey,
        };
        let inputs = [(genesis.vault, held), (coin, paying)];
        let mut tx = unsigned(VAULT_TX_VERSION, &inputs, outputs.to_vec());
        let prevouts = inputs.map(|(_, output)| output);
        let first = self
            .federation_key
            .sign_key_path(&key_path_sighash(&tx, 0, &prevouts), None);
        let second = self
            .operator_key
            .sign_key_path(&key_path_sighash(&tx, 1, &prevouts), None);
        tx.input[0].witness = key_path_witness(&first);
        tx.input[1].witness = key_path_witness(&second);
        client.send(&tx)?;
        let txid = tx.compute_txid();
        Ok((txid, faucet.mine_only(&[txid])?))
    }

    fn coin(&self) -> anyhow::Result<Coin> {
        let coins = CoinBook::scan(&*self.ground.chain.client(), self.operator_key.output_script())?;
        coins
            .spendable()
            .into_iter()
            .next()
            .context("the operator has a coin")
    }

    fn mine_one(&mut self) -> anyhow::Result<()> {
        self.ground.chain.faucet.mine(1)?;
        self.follow()
    }
}

fn unsigned(version: Version, inputs: &[(OutPoint, TxOut)], output: Vec<TxOut>) -> Transaction {
    let input = |(previous_output, _): &(OutPoint, TxOut)| TxIn {
        previous_output: *previous_output,
        script_sig: ScriptBuf::new(),
        sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
        witness: Witness::new(),
    };
    let input = inputs.iter().map(input).collect();
    Transaction {
        version,
        lock_time: LockTime::ZERO,
        input,
        output,
    }
}
