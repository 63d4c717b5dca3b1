//! Moves the vault: builds, writes down, sends, re-sends and bumps vault transactions.
//!
//! There is at most one vault transaction per vault tip, and only on a confirmed tip. Every version
//! of it spends the tip, so a payout can never happen twice, however often it is planned: a version
//! that the node refuses for good (a deposit was taken back, a coin vanished) or that pays too little
//! for the times is replaced by a new plan. Each version is written down before anybody is asked to
//! sign it, and again before it is sent. What goes in is decided by
//! `protocol::peg::vault::select_vault`; who signs, by the [`VaultSigner`].
//! Specification: `docs/spec/bitcoin.md`.

use std::sync::Arc;

use bitcoin::secp256k1::Secp256k1;
use bitcoin::secp256k1::schnorr::Signature;
use bitcoin::{OutPoint, Transaction, Txid, XOnlyPublicKey};
use tacit_protocol::peg::vault::{Handover, InputRole, PlanError, Selection, UnsignedVaultTx, select_vault};
use tacit_protocol::peg::{FeeRate, VaultContext, check_vault_tx};

use crate::client::{BitcoinClient, ClientError, MempoolEntry};
use crate::coins::CoinBook;
use crate::journal::{Journal, outpoint_key};
use crate::keys::SigningKey;
use crate::proposal::{Proposal, Purpose};
use crate::signer::{SignError, VaultSigner};

mod child;
mod entry;
mod replace;
mod report;
mod snapshot;

use entry::{Entry, Signed};
pub use report::{VaultError, VaultReport, VaultState};
pub use snapshot::{Handovers, VaultSnapshot, VaultView, ViewError};

/// What journal keys of vault transactions start with.
const PREFIX: &[u8] = b"vault/";

/// What a new version takes the place of.
#[derive(Clone, Copy)]
struct Old<'a> {
    entry: &'a Entry,
    /// What the mempool has of it.
    rival: Option<&'a MempoolEntry>,
    /// Whether the node refuses the version that is signed.
    refused: bool,
}

/// Where the node has a transaction.
enum Whereabouts {
    /// In a block.
    Block(Txid),
    /// In the mempool, paying this.
    Mempool(Txid, MempoolEntry),
    /// Nowhere.
    Nowhere,
}

/// The rates of a vault transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VaultRates {
    /// What users are charged by.
    pub shares: FeeRate,
    /// What the whole transaction pays; the operator pays the difference.
    pub whole: FeeRate,
}

impl VaultRates {
    /// Users and operator at the same rate.
    #[must_use]
    pub fn at(rate: FeeRate) -> Self {
        Self {
            shares: rate,
            whole: rate,
        }
    }
}

/// What the vault is operated with.
#[derive(Clone)]
pub struct VaultConfig {
    /// The way to Bitcoin.
    pub client: Arc<dyn BitcoinClient>,
    /// Where transactions are written down.
    pub journal: Arc<dyn Journal>,
    /// Who signs for the federation.
    pub signer: Arc<dyn VaultSigner>,
    /// The secret of the operator's coins.
    pub operator_key: Arc<SigningKey>,
    /// Blocks after which a vault transaction is buried: the chain's finality depth.
    pub depth: u32,
    /// Blocks after which a transaction in the mempool may be replaced by one that pays more.
    pub bump_after: u32,
    /// Whether vault transactions get a pay-to-anchor output. With it the operator alone can raise the
    /// fee by a child when the signers refuse a replacement; it costs 240 sat and 13 virtual bytes.
    pub p2a: bool,
}

/// A step of a vault transaction, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VaultStep {
    /// It is in the journal; nobody was asked to sign it.
    Planned,
    /// It is in the journal with its signatures; nothing was sent.
    Signed,
    /// A child that pays for it is in the journal; nothing of it was sent.
    ChildSigned,
    /// The node has it.
    Sent,
}

/// Called after each step; lets a test stop the process there.
pub type VaultObserver = Box<dyn Fn(VaultStep) + Send + Sync>;

/// Operates the vault.
pub struct VaultOperator {
    config: VaultConfig,
    observer: Option<VaultObserver>,
}

impl VaultOperator {
    /// An operator; [`Self::resume`] comes next.
    #[must_use]
    pub fn new(config: VaultConfig) -> Self {
        Self {
            config,
            observer: None,
        }
    }

    /// Calls `observer` after each step.
    #[must_use]
    pub fn with_observer(mut self, observer: VaultObserver) -> Self {
        self.observer = Some(observer);
        self
    }

    fn step(&self, step: VaultStep) {
        if let Some(observer) = &self.observer {
            observer(step);
        }
    }

    /// Reserves the coins of everything in flight; called once at start.
    ///
    /// # Errors
    /// [`VaultError::Journal`].
    pub fn resume(&self, coins: &mut CoinBook) -> Result<(), VaultError> {
        for (key, value) in self.config.journal.list(PREFIX)? {
            coins.reserve(&key, Entry::decode(&key, &value)?.operator_inputs());
        }
        Ok(())
    }

    /// Does what there is to do after a block: settles old transactions, re-sends or bumps the one in
    /// flight, or makes one.
    ///
    /// # Errors
    /// [`VaultError`]; the next call takes up where this one ended.
    pub fn tend(
        &self,
        snapshot: &VaultSnapshot,
        rates: VaultRates,
        coins: &mut CoinBook,
    ) -> Result<VaultReport, VaultError> {
        self.settle(snapshot, coins)?;
        let report = |state| {
            Ok(VaultReport {
                state,
                held: Vec::new(),
            })
        };
        let key = outpoint_key(PREFIX, &snapshot.tip().outpoint);
        let in_flight = match self.config.journal.get(&key)? {
            Some(bytes) => Some(Entry::decode(&key, &bytes)?),
            None => None,
        };
        let Some(entry) = in_flight else {
            return match snapshot.halted() {
                Some(reason) => report(VaultState::Halted(reason.to_owned())),
                None => self.make(&key, None, snapshot, rates, coins),
            };
        };
        match self.whereabouts(&entry)? {
            Whereabouts::Block(txid) => return report(VaultState::Confirmed(txid)),
            Whereabouts::Mempool(txid, paid) => {
                let late = snapshot.height().saturating_sub(entry.since) >= self.config.bump_after;
                if !late || !replace::pays_too_little(&paid, rates.whole) || snapshot.halted().is_some() {
                    return report(VaultState::InMempool(txid));
                }
                let old = Old {
                    entry: &entry,
                    rival: Some(&paid),
                    refused: false,
                };
                let bumped = self.make_or_lift(&key, old, snapshot, rates, coins)?;
                return Ok(bumped.replacing(txid));
            }
            Whereabouts::Nowhere => {}
        }
        if let Some(reason) = snapshot.halted() {
            return report(VaultState::Halted(reason.to_owned()));
        }
        let mut refused = false;
        if let Some(signed) = &entry.signed {
            let txid = signed.txid();
            match self.send_again(signed)? {
                None => {
                    self.step(VaultStep::Sent);
                    return report(VaultState::Resent(txid));
                }
                // Whatever the reason: this version is not in the mempool, and another one shares
                // its first input.
                Some(reason) => tracing::warn!(%txid, reason, "vault transaction refused, planning anew"),
            }
            refused = true;
        }
        let old = Old {
            entry: &entry,
            rival: None,
            refused,
        };
        self.make_or_lift(&key, old, snapshot, rates, coins)
    }

    /// Where a transaction in flight is, if the node has it.
    fn whereabouts(&self, entry: &Entry) -> Result<Whereabouts, VaultError> {
        for txid in entry.versions() {
            if let Some(paid) = self.config.client.mempool_entry(&txid)? {
                return Ok(Whereabouts::Mempool(txid, paid));
            }
            if self
                .config
                .client
                .unspent(&OutPoint { txid, vout: 0 }, false)?
                .is_some()
            {
                return Ok(Whereabouts::Block(txid));
            }
        }
        Ok(Whereabouts::Nowhere)
    }

    /// Plans, writes down, has it signed, writes that down, and sends.
    fn make(
        &self,
        key: &[u8],
        old: Option<Old<'_>>,
        snapshot: &VaultSnapshot,
        rates: VaultRates,
        coins: &mut CoinBook,
    ) -> Result<VaultReport, VaultError> {
        let Some(handover) = handover_of(snapshot, old) else {
            return self.pay(key, old, snapshot, rates, coins);
        };
        let nothing = Selection::default();
        let made = self.make_of(key, old, (&nothing, Some(handover)), snapshot, rates, coins);
        let Err(VaultError::Sign(refused)) = made else {
            return made;
        };
        let stored = self.config.journal.get(key)?;
        let stored = stored.map(|bytes| Entry::decode(key, &bytes)).transpose()?;
        let Some(entry) = stored.filter(|entry| old.is_some_and(|old| old.refused) || entry.signed.is_none())
        else {
            return Err(refused.into());
        };
        // Nobody signs it: consents are missing, or have ended. Payments need not wait for them.
        tracing::warn!(%refused, "the handover is not signed; whoever waits is paid meanwhile");
        let old = Old {
            entry: &entry,
            rival: None,
            refused: true,
        };
        let paid = self.pay(key, Some(old), snapshot, rates, coins)?;
        if paid.state == VaultState::Idle {
            return Err(refused.into());
        }
        Ok(paid)
    }

    /// The same of deposits and withdrawals.
    fn pay(
        &self,
        key: &[u8],
        old: Option<Old<'_>>,
        snapshot: &VaultSnapshot,
        rates: VaultRates,
        coins: &mut CoinBook,
    ) -> Result<VaultReport, VaultError> {
        let mut selection = select_vault(
            snapshot.deposits(),
            snapshot.withdrawals().iter().cloned(),
            rates.shares,
        );
        loop {
            let payouts = selection.withdrawals.len();
            match self.make_of(key, old, (&selection, None), snapshot, rates, coins) {
                // Signers delay what leaves too fast: the first half may pass, or the sweeps alone.
                Err(VaultError::Sign(SignError::Outflow(reason)))
                    if payouts > 1 || (payouts == 1 && !selection.deposits.is_empty()) =>
                {
                    tracing::warn!(payouts, reason, "payouts are delayed; proposing fewer");
                    selection.keep_first(payouts / 2);
                }
                made => return made,
            }
        }
    }

    /// The same of a selection, or of a handover.
    fn make_of(
        &self,
        key: &[u8],
        old: Option<Old<'_>>,
        (selection, handover): (&Selection, Option<Handover>),
        snapshot: &VaultSnapshot,
        rates: VaultRates,
        coins: &mut CoinBook,
    ) -> Result<VaultReport, VaultError> {
        if selection.is_empty() && handover.is_none() && !snapshot.refresh_due() {
            return Ok(VaultReport {
                state: VaultState::Idle,
                held: selection.held.clone(),
            });
        }
        // Older versions share an input with this one, so this one may spend their coins.
        let (pool, change, p2a) = (coins.spendable_by(key), coins.script(), self.config.p2a);
        let purpose = Purpose { selection, handover };
        let plan = |rates| Proposal::plan(snapshot, purpose, &pool, rates, change, p2a);
        let rival = old.and_then(|old| old.rival);
        let planned = plan(rates).and_then(|first| match replace::outbid(&first.1, rival) {
            Some(whole) => plan(VaultRates { whole, ..rates }),
            None => Ok(first),
        });
        let (proposal, unsigned) = match planned {
            Ok(planned) => planned,
            Err(PlanError::Coins(error)) => {
                return Ok(VaultReport {
                    state: VaultState::OutOfCoins(error),
                    held: selection.held.clone(),
                });
            }
            Err(error) => return Err(error.into()),
        };
        let height = snapshot.height();
        let mut entry = match old {
            Some(old) => old.entry.clone().replan(proposal, height),
            None => Entry::planned(proposal, height),
        };
        self.store(key, &entry, coins)?;
        self.step(VaultStep::Planned);
        let fee = unsigned.fee();
        let tx = match entry.latest_signed() {
            Some(signed) => signed.tx.clone(),
            None => {
                let prevouts = unsigned.prevouts().to_vec();
                let tx = self.sign(&entry.proposal, unsigned)?;
                check_vault_tx(&tx, &prevouts, snapshot)?;
                entry.signed = Some(Signed {
                    tx: tx.clone(),
                    fee,
                    child: None,
                });
                self.store(key, &entry, coins)?;
                self.step(VaultStep::Signed);
                tx
            }
        };
        let txid = entry.proposal.txid();
        let state = match self.config.client.send(&tx) {
            Ok(_) => {
                self.step(VaultStep::Sent);
                VaultState::Sent {
                    txid,
                    deposits: selection.deposits.len(),
                    withdrawals: selection.withdrawals.len(),
                    fee,
                }
            }
            Err(ClientError::Rejected { reason, .. }) => VaultState::Stuck { txid, reason },
            Err(error) => return Err(error.into()),
        };
        Ok(VaultReport {
            state,
            held: selection.held.clone(),
        })
    }

    fn store(&self, key: &[u8], entry: &Entry, coins: &mut CoinBook) -> Result<(), VaultError> {
        self.config.journal.put(key, &entry.encode())?;
        coins.reserve(key, entry.operator_inputs());
        Ok(())
    }

    /// Joins the federations' signatures and the operator's, and verifies every one.
    fn sign(&self, proposal: &Proposal, unsigned: UnsignedVaultTx) -> Result<Transaction, VaultError> {
        let federations = self.config.signer.sign_vault(proposal, &unsigned)?;
        let mut signatures: Vec<Signature> = Vec::with_capacity(unsigned.roles().len());
        let secp = Secp256k1::verification_only();
        for (input, role) in unsigned.roles().iter().enumerate() {
            let message = unsigned.sighash(input);
            let signature = match role {
                InputRole::Operator => self.config.operator_key.sign_key_path(&message, None),
                InputRole::Vault(_) | InputRole::Deposit(_) => {
                    *federations.get(&input).ok_or(VaultError::NoSignature(input))?
                }
            };
            let key = output_key(&unsigned, input).ok_or(VaultError::BadSignature(input))?;
            secp.verify_schnorr(&signature, &message, &key)
                .map_err(|_| VaultError::BadSignature(input))?;
            signatures.push(signature);
        }
        Ok(unsigned.finalise(&signatures))
    }

    /// Follows the fate of older transactions and forgets those that are buried.
    fn settle(&self, snapshot: &VaultSnapshot, coins: &mut CoinBook) -> Result<(), VaultError> {
        let tip = snapshot.tip().outpoint;
        for (key, value) in self.config.journal.list(PREFIX)? {
            let mut entry = Entry::decode(&key, &value)?;
            let fate = entry
                .fate
                .next(entry.spends(), &entry.versions(), tip, snapshot.height());
            if fate.is_buried(snapshot.height(), self.config.depth) {
                self.config.journal.delete(&key)?;
                coins.release(&key);
            } else if fate != entry.fate {
                entry.fate = fate;
                self.config.journal.put(&key, &entry.encode())?;
            }
        }
        Ok(())
    }
}

/// What to hand over now: what the operator wants, unless a signed version that does something else is on its
/// way. One that the node refuses is not.
fn handover_of(snapshot: &VaultSnapshot, old: Option<Old<'_>>) -> Option<Handover> {
    let wanted = snapshot.wanted()?;
    let free = old.is_none_or(|Old { entry, refused, .. }| {
        refused || entry.signed.is_none() || entry.proposal.handover() == Some(wanted)
    });
    free.then_some(wanted)
}

/// The key that the output spent by an input pays to.
fn output_key(unsigned: &UnsignedVaultTx, input: usize) -> Option<XOnlyPublicKey> {
    let script = &unsigned.prevouts().get(input)?.script_pubkey;
    let key = script.is_p2tr().then(|| script.as_bytes().get(2..))??;
    XOnlyPublicKey::from_slice(key).ok()
}

#[cfg(test)]
mod tests;
