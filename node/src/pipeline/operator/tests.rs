//! Whose batches halt a sequencer: those of another writer while it is in office, and only then.

use bitcoin::hashes::Hash;
use bitcoin::{BlockHash, Txid, XOnlyPublicKey};
use rand::rngs::OsRng;
use tacit_bridge::client::memory::MemoryBitcoin;
use tacit_protocol::batch::{Batch, BatchData, BatchShape};
use tacit_protocol::encoding::Encode;
use tacit_protocol::kv::Overlay;
use tacit_protocol::ledger;
use tacit_protocol::params::{ChainParams, CircuitKey, Genesis};
use tacit_protocol::testing;
use tacit_protocol::transfer::ProofBytes;
use tacit_sequencer::store::schema;
use tacit_sequencer::{Halt, MemoryStore};
use tacit_verifier::chain::records::{BatchRecord, Cursor, Place};
use tacit_verifier::groth16::testing::TrapdoorKey;
use tacit_verifier::{chain, keys};
use tempfile::TempDir;

use super::*;

/// A sequencer that may take over, on a chain whose first sequencer is another one.
struct Setting {
    operator: Operator,
    first: XOnlyPublicKey,
    height: u32,
    _dir: TempDir,
}

/// A key of a circuit that nothing is proven with.
fn circuit(name: &str, public_inputs: usize) -> CircuitKey {
    let key = TrapdoorKey::new(1, public_inputs).verifying_key();
    CircuitKey {
        name: name.to_owned(),
        circuit_digest: keys::circuit_digest(name).unwrap(),
        verifying_key: key.encode(),
        key_hash: key.hash(),
        insecure: true,
    }
}

impl Setting {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let file = |name: &str| dir.path().join(name);
        let key = |name: &str| SigningKey::load_or_create(&file(name), &mut OsRng).unwrap();
        key("anchor.key");
        key("operator.key");
        let genesis = Genesis {
            federation_key: key("federation.key").public_key(),
            ..testing::genesis()
        };
        let circuits = vec![circuit("transfer-v1", 7), circuit("batch-4-4-v1", 3)];
        let (first, height) = (genesis.anchor_key, genesis.start_height);
        let params = ChainParams::new(genesis, circuits).unwrap();
        let store = Arc::new(MemoryStore::new());
        let state = chain::genesis(&*store, &params).unwrap();
        schema::initialise(&*store, params.chain_id(), &state).unwrap();
        let config = Config {
            keys_dir: dir.path().to_owned(),
            sequencer: Some(SequencerConfig {
                anchor_key_file: file("anchor.key"),
                federation_key_file: Some(file("federation.key")),
                federation_file: None,
                group_file: None,
                identity_file: None,
                operator_key_file: file("operator.key"),
                fee_key: hex::encode(field::to_bytes(&F::from(5u64))),
                seal_after_ms: 1,
                mempool_transfers: 10,
                fee_floor: 0,
                take_over: true,
                crash_at: None,
                more_federations: Vec::new(),
            }),
            ..Config::default()
        };
        let (client, rules) = (Arc::new(MemoryBitcoin::new()), Rules::load(params).unwrap());
        let operator = Operator::open(&config, client, store, Arc::new(rules), false).unwrap();
        Self {
            operator,
            first,
            height,
            _dir: dir,
        }
    }

    fn own(&self) -> XOnlyPublicKey {
        self.operator.anchor_key.public_key()
    }

    /// A block that changes the state like this, connected or taken back.
    fn block(&mut self, change: impl FnOnce(&mut Overlay<'_>, Place)) {
        self.height += 1;
        let hash = BlockHash::from_byte_array([u8::try_from(self.height).unwrap(); 32]);
        let (height, block) = (self.height, hash);
        let place = Place {
            height,
            block,
            time: 0,
            txid: Txid::all_zeros(),
        };
        let mut overlay = Overlay::new(&*self.operator.store);
        change(&mut overlay, place);
        table::put_cursor(&mut overlay, &Cursor { height, hash });
        let delta = overlay.into_delta();
        self.operator.commit(&delta).unwrap();
    }

    /// A block after which this sequencer is in office.
    fn hand_over_to(&mut self, sequencer: XOnlyPublicKey) {
        self.block(|kv, _| {
            let mut head = table::anchor_head(kv).unwrap().unwrap();
            head.sequencer = sequencer;
            table::put_anchor_head(kv, &head);
        });
    }

    /// A block with a batch that was not sealed here.
    fn foreign_batch(&mut self) {
        self.block(|kv, place| {
            let (shape, anchors) = (BatchShape::B4x4, vec![0; 2]);
            let data = BatchData {
                shape,
                number: 1,
                operator: F::from(6u64),
                anchors: anchors.clone(),
                slots: Vec::new(),
                credits: Vec::new(),
            };
            let state = ledger::apply(kv, &data).unwrap().commitment();
            let batch = Batch {
                shape,
                operator: Some(data.operator),
                state,
                proof: ProofBytes([0; 128]),
                anchors,
                transfers: Vec::new(),
                deposits: Vec::new(),
            };
            let operator = data.operator;
            let record = BatchRecord {
                place,
                operator,
                batch,
            };
            table::put_batch(kv, 1, &record);
        });
    }
}

#[test]
fn a_reorganisation_across_its_own_reset_does_not_halt_the_new_sequencer() {
    let mut setting = Setting::new();
    let (own, first) = (setting.own(), setting.first);
    setting.hand_over_to(own);
    setting.operator.after_step(true, true).unwrap();
    assert!(setting.operator.sequencer().is_synced(), "in office, at the tip");
    // One step takes the reset back and applies a batch of the one who was in office before.
    setting.hand_over_to(first);
    setting.foreign_batch();
    assert_eq!(setting.operator.sequencer().halt(), None);
    setting.hand_over_to(own);
    setting.operator.after_step(true, true).unwrap();
    let sequencer = setting.operator.sequencer();
    assert_eq!((sequencer.halt(), sequencer.is_synced()), (None, true));
    assert_eq!(sequencer.anchored_batch(), 1, "it goes on from there");
}

#[test]
fn a_batch_of_another_writer_halts_the_sequencer_in_office() {
    let mut setting = Setting::new();
    let own = setting.own();
    setting.hand_over_to(own);
    setting.operator.after_step(true, true).unwrap();
    setting.foreign_batch();
    let halt = setting.operator.sequencer().halt();
    assert_eq!(halt, Some(Halt::AnotherWriter { number: 1 }));
}
