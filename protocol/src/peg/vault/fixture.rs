//! A valid vault transaction and the state it is judged against, for tests to tamper with.

use std::collections::BTreeMap;

use bitcoin::{Script, ScriptBuf, Transaction, TxOut, Witness, XOnlyPublicKey};

use crate::field::F;
use crate::peg::anchor::AnchorKeys;
use crate::peg::coins::Coin;
use crate::peg::deposit::DepositTerms;
use crate::peg::epoch::EpochHash;
use crate::peg::fees::FeeRate;
use crate::peg::fixture::{coin, exit_script, key, key_script, outpoint, sats};
use crate::peg::vault::{
    DepositCoin, Handover, HandoverPlan, UnsignedVaultTx, VaultContext, VaultKeys, VaultPlan, VaultTip,
    WithdrawalView, plan_vault_tx,
};
use crate::testing::quorum;

/// Height of the block that plans are judged by.
pub(crate) const HEIGHT: u32 = 777;

/// Number of the federation's key.
pub(crate) const FEDERATION: u8 = 1;

/// Number of the operator's key.
pub(crate) const OPERATOR: u8 = 9;

/// Number of the next sequencer's key.
pub(crate) const SEQUENCER: u8 = 8;

/// The epoch that was announced.
pub(crate) const NEXT_EPOCH: EpochHash = EpochHash([0xe1; 32]);

/// The keys of the epoch that was announced.
pub(crate) fn next_keys() -> VaultKeys {
    VaultKeys {
        federation: key(11),
        ..vault_keys()
    }
}

/// The keys of anchors of this sequencer.
pub(crate) fn anchor_keys(anchor: XOnlyPublicKey) -> AnchorKeys {
    AnchorKeys {
        anchor,
        federation: key(FEDERATION),
        takeover_timelock: 1_008,
    }
}

/// A state in memory.
#[derive(Clone, Debug)]
pub(crate) struct TestContext {
    pub(crate) tip: VaultTip,
    pub(crate) script: ScriptBuf,
    pub(crate) withdrawals: BTreeMap<u64, WithdrawalView>,
}

impl VaultContext for TestContext {
    fn tip(&self) -> VaultTip {
        self.tip
    }

    fn vault_script(&self) -> &Script {
        &self.script
    }

    fn successor_script(&self, epoch: &EpochHash) -> Option<ScriptBuf> {
        (*epoch == NEXT_EPOCH).then(|| next_keys().script_pubkey())
    }

    fn anchor_script(&self, sequencer: &XOnlyPublicKey) -> ScriptBuf {
        anchor_keys(*sequencer).script_pubkey()
    }

    fn withdrawal(&self, index: u64) -> Option<WithdrawalView> {
        self.withdrawals.get(&index).cloned()
    }
}

/// A vault with both leaves: three of five members, two of three recovery keys.
pub(crate) fn vault_keys() -> VaultKeys {
    VaultKeys {
        federation: key(FEDERATION),
        backup: Some(quorum(3, &[41, 42, 43, 44, 45], 144)),
        recovery: Some(quorum(2, &[51, 52, 53], 26_280)),
    }
}

/// A vault with a million satoshi.
pub(crate) fn tip() -> VaultTip {
    VaultTip {
        outpoint: outpoint(250),
        amount: sats(1_000_000),
    }
}

/// A deposit at outpoint `n`.
pub(crate) fn deposit(n: u8, amount: u64) -> DepositCoin {
    let terms = DepositTerms {
        federation: key(FEDERATION),
        inner: F::from(n),
        refund: key(2),
        timelock: 1_008,
    };
    DepositCoin {
        outpoint: outpoint(n),
        amount: sats(amount),
        terms,
    }
}

/// A withdrawal that can be paid.
pub(crate) fn withdrawal(n: u8, amount: u64, max_l1_fee: u64) -> WithdrawalView {
    WithdrawalView {
        amount: sats(amount),
        script: exit_script(n),
        max_l1_fee: sats(max_l1_fee),
        deep: true,
        paid: false,
    }
}

/// A transaction with what it spends and the state before it.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    pub(crate) tx: Transaction,
    pub(crate) prevouts: Vec<TxOut>,
    pub(crate) ctx: TestContext,
}

/// Owned parts of a plan.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) vault: VaultKeys,
    pub(crate) deposits: Vec<DepositCoin>,
    pub(crate) withdrawals: Vec<(u64, WithdrawalView)>,
    pub(crate) coins: Vec<Coin>,
    pub(crate) q: FeeRate,
    pub(crate) rate: FeeRate,
    pub(crate) change: ScriptBuf,
    pub(crate) top_up: u64,
    pub(crate) p2a: bool,
    pub(crate) handover: Option<HandoverPlan>,
}

impl Parts {
    /// Two deposits, two withdrawals, a coin, a pay-to-anchor output, change and a top-up.
    pub(crate) fn valid() -> Self {
        Self {
            vault: vault_keys(),
            deposits: vec![deposit(20, 50_000), deposit(10, 80_000)],
            withdrawals: vec![
                (5, withdrawal(5, 60_000, 2_000)),
                (3, withdrawal(3, 40_000, 2_000)),
            ],
            coins: vec![coin(30, OPERATOR, 100_000)],
            q: FeeRate::from_sat_per_kwu(1_000),
            rate: FeeRate::from_sat_per_kwu(1_100),
            change: key_script(OPERATOR),
            top_up: 500,
            p2a: true,
            handover: None,
        }
    }

    /// A rotation to [`next_keys`], with a coin, a pay-to-anchor output and change.
    pub(crate) fn rotation() -> Self {
        Self {
            deposits: Vec::new(),
            withdrawals: Vec::new(),
            handover: Some(HandoverPlan {
                handover: Handover::Vault(NEXT_EPOCH),
                script_pubkey: next_keys().script_pubkey(),
            }),
            ..Self::valid()
        }
    }

    /// A reset of the anchor chain to the sequencer with key [`SEQUENCER`].
    pub(crate) fn reset() -> Self {
        Self {
            handover: Some(HandoverPlan {
                handover: Handover::Anchor(key(SEQUENCER)),
                script_pubkey: anchor_keys(key(SEQUENCER)).script_pubkey(),
            }),
            ..Self::rotation()
        }
    }

    pub(crate) fn plan(&self) -> VaultPlan<'_> {
        VaultPlan {
            height: HEIGHT,
            tip: tip(),
            vault: &self.vault,
            deposits: &self.deposits,
            withdrawals: &self.withdrawals,
            coins: &self.coins,
            q: self.q,
            rate: self.rate,
            change_script: &self.change,
            top_up: sats(self.top_up),
            p2a: self.p2a,
            handover: self.handover.as_ref(),
        }
    }

    pub(crate) fn context(&self) -> TestContext {
        TestContext {
            tip: tip(),
            script: self.vault.script_pubkey(),
            withdrawals: self.withdrawals.iter().cloned().collect(),
        }
    }

    /// The transaction with stand-in signatures.
    pub(crate) fn judged(&self, unsigned: &UnsignedVaultTx) -> Judged {
        let mut tx = unsigned.tx().clone();
        for input in &mut tx.input {
            input.witness = Witness::from_slice(&[[7u8; 64]]);
        }
        Judged {
            tx,
            prevouts: unsigned.prevouts().to_vec(),
            ctx: self.context(),
        }
    }
}

/// The valid transaction of [`Parts::valid`].
pub(crate) fn valid() -> Judged {
    let parts = Parts::valid();
    parts.judged(&plan_vault_tx(&parts.plan()).unwrap())
}
