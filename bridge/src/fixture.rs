//! A small world for unit tests: a chain in memory with an anchor, a vault and operator coins.

use std::sync::Arc;

use bitcoin::{Amount, OutPoint, ScriptBuf, TxOut, WScriptHash, hashes::Hash};
use tacit_protocol::params::ChainId;
use tacit_protocol::peg::epoch::{Release, Voice};
use tacit_protocol::peg::vault::{DepositCoin, PlanError, Selection, UnsignedVaultTx, VaultKeys};
use tacit_protocol::peg::{
    AnchorKeys, AnchorTip, Announcement, DepositTerms, Epoch, Exit, ExitScript, FeeRate, VaultTip,
    WithdrawalView,
};
use tacit_protocol::{F, peg::anchor::ANCHOR_AMOUNT, testing::quorum};

use crate::client::memory::MemoryBitcoin;
use crate::coins::CoinBook;
use crate::journal::MemoryJournal;
use crate::keys::SigningKey;
use crate::proposal::Proposal;
use crate::vault::{VaultRates, VaultSnapshot};

/// What the vault starts with.
pub(crate) const VAULT: u64 = 5_000_000;

/// What each of the operator's coins holds.
pub(crate) const COIN: u64 = 1_000_000;

/// A rate that every test can pay.
pub(crate) fn rate() -> FeeRate {
    FeeRate::from_sat_per_kwu(1_000)
}

/// A key by its tag.
pub(crate) fn key(tag: u8) -> SigningKey {
    SigningKey::from_bytes(&[tag; 32]).unwrap()
}

pub(crate) struct World {
    pub(crate) chain: Arc<MemoryBitcoin>,
    pub(crate) journal: Arc<MemoryJournal>,
    pub(crate) coins: CoinBook,
    pub(crate) anchor_tip: AnchorTip,
    pub(crate) vault_tip: VaultTip,
}

impl World {
    /// Anchor, vault and three operator coins, confirmed in block 1.
    pub(crate) fn new() -> Self {
        let chain = Arc::new(MemoryBitcoin::new());
        let anchor = TxOut {
            value: ANCHOR_AMOUNT,
            script_pubkey: anchor_keys().script_pubkey(),
        };
        let anchor_outpoint = chain.pay(&anchor.script_pubkey, anchor.value);
        let vault = chain.pay(&vault_keys().script_pubkey(), Amount::from_sat(VAULT));
        for _ in 0..3 {
            chain.pay(&operator().output_script(), Amount::from_sat(COIN));
        }
        chain.mine(1);
        let coins = CoinBook::scan(chain.as_ref(), operator().output_script()).unwrap();
        let amount = tacit_protocol::Amount::from_sat(VAULT).unwrap();
        Self {
            chain,
            journal: Arc::new(MemoryJournal::default()),
            coins,
            anchor_tip: AnchorTip {
                outpoint: anchor_outpoint,
                txout: anchor,
            },
            vault_tip: VaultTip {
                outpoint: vault,
                amount,
            },
        }
    }

    /// A confirmed deposit of `sats`.
    pub(crate) fn deposit(&mut self, tag: u8, sats: u64) -> DepositCoin {
        let terms = terms(tag);
        let outpoint = self.chain.pay(&terms.script_pubkey(), Amount::from_sat(sats));
        self.chain.mine(1);
        self.follow();
        DepositCoin {
            outpoint,
            amount: tacit_protocol::Amount::from_sat(sats).unwrap(),
            terms,
        }
    }

    /// Lets the coins follow the chain.
    pub(crate) fn follow(&mut self) {
        self.coins.follow(self.chain.as_ref()).unwrap();
    }
}

pub(crate) fn operator() -> SigningKey {
    key(1)
}

pub(crate) fn anchor_key() -> SigningKey {
    key(2)
}

pub(crate) fn federation() -> SigningKey {
    key(3)
}

pub(crate) fn anchor_keys() -> AnchorKeys {
    AnchorKeys {
        anchor: anchor_key().public_key(),
        federation: federation().public_key(),
        takeover_timelock: 1_008,
    }
}

/// The chain of all of this.
pub(crate) fn chain() -> ChainId {
    ChainId::from_bytes([7; 32])
}

/// What the federation with key `from` announces: epoch `number`, of these keys, whose federation is `to`.
pub(crate) fn announced(number: u32, from: (u8, &VaultKeys), to: (u8, VaultKeys)) -> Announcement {
    let (signer, incumbent) = (key(from.0), from.1.merkle_root());
    let epoch = Epoch { number, keys: to.1 };
    let successor = epoch.keys.merkle_root();
    let message = |voice| epoch.message(chain(), voice);
    Announcement {
        release: Release::Federation(signer.sign_key_path(&message(Voice::Incumbent), incumbent)),
        successor: key(to.0).sign_key_path(&message(Voice::Successor), successor),
        epoch,
    }
}

/// The vault's keys: three of five members, two of three recovery keys.
pub(crate) fn vault_keys() -> VaultKeys {
    VaultKeys {
        federation: federation().public_key(),
        backup: Some(quorum(3, &[71, 72, 73, 74, 75], 144)),
        recovery: Some(quorum(2, &[81, 82, 83], 26_280)),
    }
}

pub(crate) fn terms(tag: u8) -> DepositTerms {
    DepositTerms {
        federation: federation().public_key(),
        inner: F::from(u64::from(tag)),
        refund: key(tag).public_key(),
        timelock: 1_008,
    }
}

/// A script to withdraw to.
pub(crate) fn payee(tag: u8) -> ScriptBuf {
    ScriptBuf::new_p2wsh(&WScriptHash::hash(&[tag]))
}

/// A deep, unpaid withdrawal of `sats`.
pub(crate) fn withdrawal(tag: u8, sats: u64) -> WithdrawalView {
    let amount = |sats| tacit_protocol::Amount::from_sat(sats).unwrap();
    let script = ExitScript::new(payee(tag)).unwrap();
    let exit = Exit::new(amount(sats), script, amount(5_000), key(tag).public_key()).unwrap();
    WithdrawalView {
        amount: exit.amount(),
        script: exit.script().clone(),
        max_l1_fee: exit.max_l1_fee(),
        deep: true,
        paid: false,
    }
}

/// What an operator proposes whose state has exactly these deposits and withdrawals; all are taken.
pub(crate) fn propose(
    world: &World,
    deposits: &[DepositCoin],
    withdrawals: &[(u64, WithdrawalView)],
    rates: VaultRates,
) -> Result<(Proposal, UnsignedVaultTx), PlanError> {
    propose_from(vault_keys(), world, (deposits, withdrawals), rates)
}

/// The same of a vault with these keys.
pub(crate) fn propose_from(
    vault: VaultKeys,
    world: &World,
    (deposits, withdrawals): (&[DepositCoin], &[(u64, WithdrawalView)]),
    rates: VaultRates,
) -> Result<(Proposal, UnsignedVaultTx), PlanError> {
    let (height, tip) = (world.coins.height(), world.vault_tip);
    let snapshot = VaultSnapshot::new(height, tip, vault, deposits.to_vec(), withdrawals.to_vec());
    let selection = Selection {
        deposits: deposits.to_vec(),
        withdrawals: withdrawals.to_vec(),
        held: Vec::new(),
    };
    let coins = world.coins.spendable();
    Proposal::plan(&snapshot, &selection, &coins, rates, world.coins.script(), false)
}

/// Output 0 of a transaction.
pub(crate) fn first_output(txid: bitcoin::Txid) -> OutPoint {
    OutPoint { txid, vout: 0 }
}
