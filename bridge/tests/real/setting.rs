//! What the tests share: a node with money, keys, an anchor and a vault on the chain.

use std::sync::Arc;

use bitcoin::{Amount, OutPoint, ScriptBuf, TxOut};
use tacit_bridge::client::BitcoinClient;
use tacit_bridge::coins::CoinBook;
use tacit_bridge::journal::MemoryJournal;
use tacit_bridge::keys::SigningKey;
use tacit_bridge::regtest::{Bitcoind, BitcoindOptions, Faucet};
use tacit_protocol::peg::anchor::ANCHOR_AMOUNT;
use tacit_protocol::peg::vault::{DepositCoin, VaultKeys};
use tacit_protocol::peg::{AnchorKeys, AnchorTip, DepositTerms, FeeRate, TxInput, VaultTip};
use tacit_protocol::{F, testing::quorum};

/// 8 satoshi per virtual byte.
pub(crate) fn rate() -> FeeRate {
    FeeRate::from_sat_per_kwu(2_000)
}

pub(crate) fn key(tag: u8) -> SigningKey {
    SigningKey::from_bytes(&[tag; 32]).unwrap()
}

pub(crate) fn operator() -> Arc<SigningKey> {
    Arc::new(key(1))
}

pub(crate) fn federation() -> SigningKey {
    key(3)
}

pub(crate) fn anchor_keys() -> AnchorKeys {
    AnchorKeys {
        anchor: key(2).public_key(),
        federation: federation().public_key(),
        takeover_timelock: 1_008,
    }
}

pub(crate) fn terms(tag: u8, timelock: u16) -> DepositTerms {
    DepositTerms {
        federation: federation().public_key(),
        inner: F::from(u64::from(tag)),
        refund: key(tag).public_key(),
        timelock,
    }
}

/// The members whose own keys are in the backup leaf, and the recovery keys.
pub(crate) const MEMBERS: [u8; 5] = [71, 72, 73, 74, 75];
pub(crate) const RECOVERY: [u8; 3] = [81, 82, 83];

/// The vault's keys: three of five members after 5 blocks, two of three recovery keys after 10.
pub(crate) fn vault_keys() -> VaultKeys {
    VaultKeys {
        federation: federation().public_key(),
        backup: Some(quorum(3, &MEMBERS, 5)),
        recovery: Some(quorum(2, &RECOVERY, 10)),
    }
}

pub(crate) struct Setting {
    pub(crate) node: Bitcoind,
    pub(crate) faucet: Faucet,
    pub(crate) journal: Arc<MemoryJournal>,
    pub(crate) coins: CoinBook,
    pub(crate) anchor: AnchorTip,
    pub(crate) vault: VaultTip,
}

impl Setting {
    /// A node that forgets its mempool when it restarts, an anchor, a vault of one bitcoin, and an
    /// operator with two coins of 0.1 bitcoin, all confirmed.
    pub(crate) fn new() -> Self {
        Self::with(&[10_000_000, 10_000_000], &[])
    }

    /// The same with other coins of the operator's, and more arguments for the node.
    pub(crate) fn with(coins: &[u64], args: &[&str]) -> Self {
        let args = ["-persistmempool=0"].iter().chain(args);
        let node = Bitcoind::start_with(BitcoindOptions {
            args: args.map(|arg| (*arg).to_owned()).collect(),
            ..Default::default()
        })
        .unwrap();
        let faucet = Faucet::funded(node.client(), 10).unwrap();
        let anchor = TxOut {
            value: ANCHOR_AMOUNT,
            script_pubkey: anchor_keys().script_pubkey(),
        };
        let vault = TxOut {
            value: Amount::ONE_BTC,
            script_pubkey: vault_keys().script_pubkey(),
        };
        let script = operator().output_script();
        let coin = |sats: &u64| TxOut {
            value: Amount::from_sat(*sats),
            script_pubkey: script.clone(),
        };
        let mut outputs = vec![anchor.clone(), vault.clone()];
        outputs.extend(coins.iter().map(coin));
        let txid = faucet.send(outputs).unwrap();
        faucet.mine(1).unwrap();
        let amount = tacit_protocol::Amount::from_sat(vault.value.to_sat()).unwrap();
        Self {
            coins: CoinBook::scan(node.client().as_ref(), script).unwrap(),
            journal: Arc::new(MemoryJournal::default()),
            anchor: AnchorTip {
                outpoint: OutPoint { txid, vout: 0 },
                txout: anchor,
            },
            vault: VaultTip {
                outpoint: OutPoint { txid, vout: 1 },
                amount,
            },
            node,
            faucet,
        }
    }

    pub(crate) fn client(&self) -> Arc<dyn BitcoinClient> {
        self.node.client()
    }

    /// Mines blocks and lets the operator's coins follow.
    pub(crate) fn mine(&mut self, count: u32) {
        self.faucet.mine(count).unwrap();
        self.follow();
    }

    pub(crate) fn follow(&mut self) {
        self.coins.follow(self.client().as_ref()).unwrap();
    }

    /// Loses the mempool, as a node does that is restarted or short of room.
    pub(crate) fn lose_mempool(&mut self) {
        self.node.restart().unwrap();
        self.faucet.set_client(self.node.client());
        assert_eq!(self.client().mempool_info().unwrap().count, 0);
    }

    /// Pays a deposit and buries it `depth` deep.
    pub(crate) fn deposit(&mut self, tag: u8, sats: u64, depth: u32) -> DepositCoin {
        let terms = terms(tag, 1_008);
        let outpoint = self
            .faucet
            .pay(&terms.script_pubkey(), Amount::from_sat(sats))
            .unwrap();
        self.mine(1 + depth);
        DepositCoin {
            outpoint,
            amount: tacit_protocol::Amount::from_sat(sats).unwrap(),
            terms,
        }
    }

    /// The transaction in the best block that spends an output.
    pub(crate) fn spender_in_tip(&self, outpoint: OutPoint) -> Option<TxInput> {
        let client = self.client();
        let block = client.block(&client.chain_info().unwrap().best).unwrap();
        let spends = |tx: &TxInput| tx.tx().input.iter().any(|i| i.previous_output == outpoint);
        block.txs.into_iter().find(spends)
    }
}

/// A script of the taproot kind to pay to.
pub(crate) fn payee(tag: u8) -> ScriptBuf {
    key(tag).output_script()
}
