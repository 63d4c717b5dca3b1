//! A setting with a follower and an operator: withdrawals are owed and deposits awaited, blocks mined
//! with or without the mempool, the money counted in the end.

use std::sync::Arc;

use bitcoin::hashes::Hash;
use bitcoin::{Amount, ScriptBuf, Transaction, WScriptHash, XOnlyPublicKey};
use tacit_bridge::client::BitcoinClient;
use tacit_bridge::journal::Journal;
use tacit_bridge::proposal::Proposal;
use tacit_bridge::signer::{LocalSigner, SignError, Signatures, VaultSigner};
use tacit_bridge::vault::{VaultConfig, VaultError, VaultOperator, VaultRates, VaultReport};
use tacit_protocol::peg::vault::UnsignedVaultTx;
use tacit_protocol::peg::{DepositTerms, Exit, ExitScript, FeeRate, VaultTip, WithdrawalView};
use tacit_protocol::{F, Network};

use super::audit::{Found, audit};
use super::follower::Follower;
use super::setting::{Setting, federation, key, operator, payee};
use super::vault::View;

/// Blocks after which a vault transaction is buried and a deposit may be swept.
pub(crate) const DEPTH: u32 = 2;

/// Blocks after which a vault transaction may be replaced by one that pays more.
pub(crate) const BUMP_AFTER: u32 = 2;

/// A rate in satoshi per virtual byte.
pub(crate) fn per_vb(sats: u32) -> FeeRate {
    FeeRate::from_sat_per_vb(sats).unwrap()
}

pub(crate) struct Operated {
    pub(crate) setting: Setting,
    pub(crate) follower: Follower,
    /// Whether vault transactions get a pay-to-anchor output.
    pub(crate) p2a: bool,
    start: (u32, VaultTip),
    blocks: u64,
}

impl Operated {
    pub(crate) fn new(setting: Setting) -> Self {
        let follower = Follower::new(setting.client().as_ref(), setting.vault, DEPTH);
        Self {
            start: (follower.height(), follower.tip()),
            follower,
            p2a: false,
            blocks: 0,
            setting,
        }
    }

    pub(crate) fn client(&self) -> Arc<dyn BitcoinClient> {
        self.setting.client()
    }

    /// A script that nobody holds the key of, another one for each block: two blocks of the same second
    /// that pay the same script would be one.
    fn nobody(&mut self) -> ScriptBuf {
        self.blocks += 1;
        ScriptBuf::new_p2wsh(&WScriptHash::hash(&self.blocks.to_le_bytes()))
    }

    /// Mines a block with the whole mempool.
    pub(crate) fn mine(&mut self) {
        let script = self.nobody();
        self.setting.faucet.mine_to(&script, 1).unwrap();
    }

    /// Mines a block with these transactions and nothing of the mempool.
    pub(crate) fn mine_raw(&mut self, txs: &[Transaction]) {
        let script = self.nobody();
        self.setting.faucet.mine_raw(&script, txs).unwrap();
    }

    /// Mines as many empty blocks as a vault transaction waits before it is replaced.
    pub(crate) fn let_wait(&mut self) {
        (0..BUMP_AFTER).for_each(|_| self.mine_raw(&[]));
    }

    /// A withdrawal of `sats` becomes owed, to a script that no other one has.
    pub(crate) fn owe_to(&mut self, script: ScriptBuf, sats: u64, max_l1_fee: u64) -> u64 {
        let amount = |sats| tacit_protocol::Amount::from_sat(sats).unwrap();
        let script = ExitScript::new(script).unwrap();
        let exit = Exit::new(amount(sats), script, amount(max_l1_fee), key(31).public_key()).unwrap();
        let view = WithdrawalView {
            amount: exit.amount(),
            script: exit.script().clone(),
            max_l1_fee: exit.max_l1_fee(),
            deep: true,
            paid: false,
        };
        let index = self.follower.owed.len() as u64;
        self.follower.owed.insert(index, view);
        index
    }

    /// A withdrawal to the key of this tag.
    pub(crate) fn owe(&mut self, tag: u8, sats: u64, max_l1_fee: u64) -> u64 {
        self.owe_to(payee(tag), sats, max_l1_fee)
    }

    /// Registers new terms; a payment to the script returned is a deposit.
    pub(crate) fn register(&mut self) -> ScriptBuf {
        let terms = DepositTerms {
            federation: federation().public_key(),
            inner: F::from(self.follower.terms.len() as u64),
            refund: key(21).public_key(),
            timelock: 1_008,
        };
        let script = terms.script_pubkey();
        self.follower.terms.insert(script.clone(), terms);
        script
    }

    /// Goes to the node's best block.
    pub(crate) fn follow(&mut self) {
        let client = self.client();
        self.setting.follow();
        self.follower.follow(&client);
    }

    /// The federation's key in one hand, with the state as it is now.
    pub(crate) fn signer(&self) -> Arc<dyn VaultSigner> {
        let view = Arc::new(View(self.follower.snapshot()));
        let ceiling = per_vb(2_000);
        Arc::new(LocalSigner::new(Network::Regtest, federation(), view, ceiling).unwrap())
    }

    pub(crate) fn config(&self, journal: Arc<dyn Journal>, signer: Arc<dyn VaultSigner>) -> VaultConfig {
        VaultConfig {
            client: self.client(),
            journal,
            signer,
            operator_key: operator(),
            depth: DEPTH,
            bump_after: BUMP_AFTER,
            p2a: self.p2a,
        }
    }

    /// Follows, and lets the operator do what there is to do at this rate, with this signer.
    pub(crate) fn tend_with(
        &mut self,
        signer: Option<Arc<dyn VaultSigner>>,
        rate: FeeRate,
    ) -> Result<VaultReport, VaultError> {
        self.follow();
        let signer = signer.unwrap_or_else(|| self.signer());
        let vault = VaultOperator::new(self.config(self.setting.journal.clone(), signer));
        let (snapshot, rates) = (self.follower.snapshot(), VaultRates::at(rate));
        vault.tend(&snapshot, rates, &mut self.setting.coins)
    }

    /// The same with everybody willing to sign.
    pub(crate) fn tend(&mut self, rate: FeeRate) -> VaultReport {
        self.tend_with(None, rate).unwrap()
    }

    /// The transaction in the mempool that spends the vault's tip.
    pub(crate) fn pending(&self) -> Option<Transaction> {
        let (client, tip) = (self.client(), self.follower.tip().outpoint);
        let txid = client.mempool_spender(&tip).unwrap()?;
        client.transaction(&txid, None).unwrap()
    }

    /// No coin is reserved: what is free is what the chain holds.
    pub(crate) fn assert_all_coins_free(&self) {
        let coins = &self.setting.coins;
        let free: Amount = coins.spendable().iter().map(|coin| coin.txout.value).sum();
        assert_eq!(free, coins.balance(), "no coin is left reserved");
    }

    /// Counts the money; everybody was paid exactly once.
    pub(crate) fn audit(&self) -> Found {
        let Follower { owed, terms, .. } = &self.follower;
        let found = audit(self.client().as_ref(), self.start, owed, terms);
        assert_eq!((found.doubles, found.lost), (0, 0), "{found:?}");
        assert_eq!(found.payouts as usize, owed.len());
        found
    }
}

/// Signers that are away.
pub(crate) struct Away;

impl VaultSigner for Away {
    fn keys(&self) -> Vec<XOnlyPublicKey> {
        vec![federation().public_key()]
    }

    fn sign_vault(&self, _: &Proposal, _: &UnsignedVaultTx) -> Result<Signatures, SignError> {
        Err(SignError::Halted("away".to_owned()))
    }
}
