//! Somebody with a wallet, and a way to hold a transfer back before it leaves.

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use bitcoin::{OutPoint, ScriptBuf, Transaction, Txid};
use rand::rngs::OsRng;
use tacit_bridge::keys::SigningKey;
use tacit_protocol::Amount;
use tacit_protocol::encryption::MemoText;
use tacit_protocol::transfer::{Transfer, TransferId};
use tacit_wallet::api::{
    ApiError, BatchDetails, BatchReserves, BatchSummary, BridgeStatus, CompactBatch, DepositStatus, Epochs,
    FeeEstimate, ForcedPage, ForcedQuery, ForcedRange, ForcedRequestStatus, FoundDeposit, NodeApi, Range,
    Receipt, RegisterDeposit, Status, SubtreeRoots, Supply, TransferStatus, WithdrawalQuery,
    WithdrawalStatus,
};
use tacit_wallet::send::SendError;
use tacit_wallet::{Forced, KdfParams, MemoRecord, Payment, Place, Seed, Sent, Session, Wallet, WalletError};

use crate::setting::{Ground, Setting};

/// Somebody with a wallet.
pub(crate) struct Person {
    pub(crate) wallet: Wallet,
}

impl Person {
    /// A wallet from fresh words.
    pub(crate) fn new(ground: &Ground, name: &str) -> anyhow::Result<Self> {
        Self::with_seed(ground, name, Seed::generate(&mut OsRng))
    }

    /// A wallet of its own file for a seed.
    pub(crate) fn with_seed(ground: &Ground, name: &str, seed: Seed) -> anyhow::Result<Self> {
        let path = ground.dir().join(format!("{name}.wallet"));
        // The least that the format allows: these wallets guard nothing.
        let kdf = KdfParams::new(8, 1, 1)?;
        let place = Place {
            path: &path,
            passphrase: b"test",
            kdf,
        };
        Ok(Self {
            wallet: Wallet::create(&place, ground.chain.params().clone(), seed, &mut OsRng)?,
        })
    }

    /// The same person on an empty disk, from the words alone.
    pub(crate) fn restored(&self, ground: &Ground, name: &str) -> anyhow::Result<Self> {
        Self::with_seed(ground, name, Seed::from_words(&self.wallet.words())?)
    }

    pub(crate) fn sync(&mut self, api: &dyn NodeApi) -> anyhow::Result<()> {
        self.wallet.sync(api, &mut |_| (), &mut OsRng)?;
        Ok(())
    }

    pub(crate) fn balance(&self) -> u64 {
        self.wallet.balance().total().to_sat()
    }

    /// Syncs and tells the balance.
    pub(crate) fn holds(&mut self, api: &dyn NodeApi) -> anyhow::Result<u64> {
        self.sync(api)?;
        Ok(self.balance())
    }

    /// Pays a deposit into the mempool.
    pub(crate) fn pay_deposit(&mut self, setting: &Setting, sats: u64) -> anyhow::Result<OutPoint> {
        let offer = self.wallet.new_deposit(&mut OsRng)?;
        let (script, amount) = (offer.address.script_pubkey(), bitcoin::Amount::from_sat(sats));
        Ok(setting.chain().faucet.pay(&script, amount)?)
    }

    /// The memos in the history, the unreadable ones included.
    pub(crate) fn memos(&self) -> Vec<MemoRecord> {
        self.wallet
            .history()
            .into_iter()
            .filter_map(|entry| entry.memo)
            .collect()
    }

    /// Looks for deposits and registers them.
    pub(crate) fn register(&mut self, setting: &Setting) -> anyhow::Result<()> {
        setting.settle()?;
        self.wallet.refresh_deposits(&setting.api, &mut OsRng)?;
        Ok(())
    }

    /// Deposits and waits for the note; returns what was credited.
    pub(crate) fn deposit(&mut self, setting: &Setting, sats: u64) -> anyhow::Result<u64> {
        let before = self.holds(&setting.api)?;
        let outpoint = self.pay_deposit(setting, sats)?;
        setting.mine(1)?;
        self.register(setting)?;
        let credited = setting.mine_until("a deposit's credit", || {
            let now = self.holds(&setting.api)?;
            Ok((now > before).then(|| now - before))
        })?;
        setting.work.borrow_mut().credited.insert(outpoint);
        Ok(credited)
    }

    /// A payment to a fresh address of somebody.
    pub(crate) fn payment_to(other: &mut Self, sats: u64) -> anyhow::Result<Payment> {
        Self::payment_with(other, sats, None)
    }

    /// The same with a memo.
    pub(crate) fn payment_with(
        other: &mut Self,
        sats: u64,
        memo: Option<MemoText>,
    ) -> anyhow::Result<Payment> {
        let (_, to) = other.wallet.new_address(&mut OsRng)?;
        Ok(Payment::Pay {
            to,
            amount: Amount::from_sat(sats)?,
            memo,
        })
    }

    /// Syncs with the full node, proves and hands in.
    pub(crate) fn send(&mut self, setting: &Setting, payment: &Payment) -> anyhow::Result<Sent> {
        self.sync(&setting.api)?;
        Ok(self.send_through(setting, &setting.api, payment)?)
    }

    /// The same through another node, as of the last sync.
    pub(crate) fn send_through(
        &mut self,
        setting: &Setting,
        api: &dyn NodeApi,
        payment: &Payment,
    ) -> Result<Sent, WalletError> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let mut session = Session {
            api,
            prover: &setting.prover,
            rng: &mut OsRng,
            now,
            max_fee: None,
        };
        let sent = self.wallet.send(&mut session, payment)?;
        setting.promised(sent.txid);
        Ok(sent)
    }

    pub(crate) fn pay(&mut self, setting: &Setting, to: &mut Self, sats: u64) -> anyhow::Result<Sent> {
        let payment = Self::payment_to(to, sats)?;
        self.send(setting, &payment)
    }

    /// Builds and proves a transfer that is to be posted on Bitcoin.
    pub(crate) fn force(&mut self, setting: &Setting, payment: &Payment) -> anyhow::Result<Forced> {
        let mut session = Session {
            api: &setting.api,
            prover: &setting.prover,
            rng: &mut OsRng,
            now: 0,
            max_fee: None,
        };
        Ok(self.wallet.force(&mut session, payment)?)
    }

    /// Builds and proves a payment that is not handed in; the wallet thinks that it was refused.
    pub(crate) fn draft(&mut self, setting: &Setting, payment: &Payment) -> anyhow::Result<Transfer> {
        self.sync(&setting.api)?;
        let catcher = Catcher {
            inner: &setting.api,
            caught: RefCell::default(),
        };
        match self.send_through(setting, &catcher, payment) {
            Err(WalletError::Send(SendError::Refused {
                error: ApiError::MempoolFull { .. },
                ..
            })) => {}
            other => bail!("the transfer was not caught: {other:?}"),
        }
        catcher.caught.into_inner().context("nothing was handed in")
    }

    /// Orders a withdrawal to a fresh key; returns the transfer and the script.
    pub(crate) fn withdraw(&mut self, setting: &Setting, sats: u64) -> anyhow::Result<(Sent, ScriptBuf)> {
        self.withdraw_within(setting, sats, None)
    }

    /// The same for this much to miners at most.
    pub(crate) fn withdraw_within(
        &mut self,
        setting: &Setting,
        sats: u64,
        limit: Option<u64>,
    ) -> anyhow::Result<(Sent, ScriptBuf)> {
        let script = SigningKey::generate(&mut OsRng).output_script();
        Ok((self.withdraw_to(setting, &script, sats, limit)?, script))
    }

    /// Orders a withdrawal to a script, for this much to miners at most.
    pub(crate) fn withdraw_to(
        &mut self,
        setting: &Setting,
        script: &ScriptBuf,
        sats: u64,
        limit: Option<u64>,
    ) -> anyhow::Result<Sent> {
        let address = bitcoin::Address::from_script(script, bitcoin::Network::Regtest)?.to_string();
        let (amount, limit) = (Amount::from_sat(sats)?, limit.map(Amount::from_sat).transpose()?);
        let payment = self.wallet.withdrawal(&setting.api, &address, amount, limit)?;
        self.send(setting, &payment)
    }
}

/// A node that takes no transfer and keeps the last one it was given.
struct Catcher<'a> {
    inner: &'a dyn NodeApi,
    caught: RefCell<Option<Transfer>>,
}

impl NodeApi for Catcher<'_> {
    fn submit_transfer(&self, transfer: &Transfer) -> Result<Receipt, ApiError> {
        *self.caught.borrow_mut() = Some(transfer.clone());
        Err(ApiError::MempoolFull { batch: 0 })
    }
    fn status(&self) -> Result<Status, ApiError> {
        self.inner.status()
    }
    fn chain_params(&self) -> Result<String, ApiError> {
        self.inner.chain_params()
    }
    fn transfer_status(&self, txid: TransferId) -> Result<TransferStatus, ApiError> {
        self.inner.transfer_status(txid)
    }
    fn batches(&self, range: Range) -> Result<Vec<BatchSummary>, ApiError> {
        self.inner.batches(range)
    }
    fn batch(&self, number: u32) -> Result<BatchDetails, ApiError> {
        self.inner.batch(number)
    }
    fn compact(&self, range: Range) -> Result<Vec<CompactBatch>, ApiError> {
        self.inner.compact(range)
    }
    fn note_subtree_roots(&self, range: Range) -> Result<SubtreeRoots, ApiError> {
        self.inner.note_subtree_roots(range)
    }
    fn fee_estimate(&self) -> Result<FeeEstimate, ApiError> {
        self.inner.fee_estimate()
    }

    fn bridge_status(&self) -> Result<BridgeStatus, ApiError> {
        self.inner.bridge_status()
    }
    fn register_deposit(&self, deposit: &RegisterDeposit) -> Result<DepositStatus, ApiError> {
        self.inner.register_deposit(deposit)
    }
    fn deposit_status(&self, outpoint: OutPoint) -> Result<DepositStatus, ApiError> {
        self.inner.deposit_status(outpoint)
    }
    fn withdrawal_status(&self, query: WithdrawalQuery) -> Result<WithdrawalStatus, ApiError> {
        self.inner.withdrawal_status(query)
    }
    fn supply(&self) -> Result<Supply, ApiError> {
        self.inner.supply()
    }
    fn reserves(&self, range: Range) -> Result<Vec<BatchReserves>, ApiError> {
        self.inner.reserves(range)
    }
    fn forced_requests(&self, range: ForcedRange) -> Result<ForcedPage, ApiError> {
        self.inner.forced_requests(range)
    }
    fn forced_status(&self, query: ForcedQuery) -> Result<Vec<ForcedRequestStatus>, ApiError> {
        self.inner.forced_status(query)
    }
    fn epochs(&self) -> Result<Epochs, ApiError> {
        self.inner.epochs()
    }
    fn find_deposits(&self, scripts: &[ScriptBuf]) -> Result<Vec<FoundDeposit>, ApiError> {
        self.inner.find_deposits(scripts)
    }
    fn broadcast(&self, transaction: &Transaction) -> Result<Txid, ApiError> {
        self.inner.broadcast(transaction)
    }
}
