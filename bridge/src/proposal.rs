//! A vault transaction as it is proposed to those who sign it: names, no bytes of it.
//!
//! A [`Proposal`] says which tip, deposits, withdrawals and coins go in, and at which rates. All
//! amounts and scripts are facts of the chain, so whoever follows it derives the same transaction
//! ([`Proposal::derive`]); the identifier in the proposal only tells whether both mean the same one.
//! Specification: `docs/spec/federation.md`.

use bitcoin::hashes::{Hash, sha256};
use bitcoin::{OutPoint, Script, ScriptBuf, TxOut, Txid, XOnlyPublicKey};
use tacit_protocol::Amount;
use tacit_protocol::encoding::{Decode, DecodeError, Encode, Reader};
use tacit_protocol::peg::coins::MAX_COINS;
use tacit_protocol::peg::exit::read_x_only;
use tacit_protocol::peg::vault::{Handover, PlanError, Selection, UnsignedVaultTx, VaultPlan, plan_vault_tx};
use tacit_protocol::peg::{Coin, EpochHash, FeeRate, VaultContext, WithdrawalView};
use thiserror::Error;

use crate::journal::{put_outpoint, read_outpoint};
use crate::vault::{VaultRates, VaultSnapshot};
use crate::watcher::Registration;

/// Version of the encoding.
const LAYOUT: u8 = 2;

/// Why a proposal gives no transaction here, or another one than it says.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DeriveError {
    /// It was judged at another block.
    #[error("it was judged at block {proposed}, here it is block {own}")]
    Height {
        /// In the proposal.
        proposed: u32,
        /// Here.
        own: u32,
    },
    /// The vault's tip is elsewhere.
    #[error("it spends vault tip {proposed}, the tip here is {own}")]
    Tip {
        /// In the proposal.
        proposed: OutPoint,
        /// Here.
        own: OutPoint,
    },
    /// A deposit that may not be swept.
    #[error("deposit {0} may not be swept here: not registered, not deep, or too near its refund")]
    Deposit(OutPoint),
    /// A deposit of other terms than the registered ones.
    #[error("deposit {0} has other terms than those registered here")]
    Terms(OutPoint),
    /// A withdrawal that is not waiting.
    #[error("withdrawal {0} is unknown or paid")]
    Withdrawal(u64),
    /// An operator coin that is no confirmed, unspent output of the change script.
    #[error("coin {0} is no confirmed unspent output of the operator")]
    Coin(OutPoint),
    /// The change does not go to a key of Taproot.
    #[error("the change goes to a script that is no Taproot key's")]
    Change,
    /// It cannot be built.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The names give another transaction than the proposal says.
    #[error("what it names gives transaction {derived}, not {proposed}: an output or amount was altered")]
    Altered {
        /// In the proposal.
        proposed: Txid,
        /// Here.
        derived: Txid,
    },
}

/// What a vault transaction is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    height: u32,
    tip: OutPoint,
    rates: VaultRates,
    deposits: Vec<Registration>,
    withdrawals: Vec<u64>,
    coins: Vec<OutPoint>,
    change: ScriptBuf,
    p2a: bool,
    handover: Option<Handover>,
    txid: Txid,
}

/// What a vault transaction is to do.
#[derive(Clone, Copy, Debug)]
pub struct Purpose<'a> {
    /// What it sweeps and pays.
    pub selection: &'a Selection,
    /// What it hands over; then it sweeps and pays nothing.
    pub handover: Option<Handover>,
}

impl<'a> From<&'a Selection> for Purpose<'a> {
    fn from(selection: &'a Selection) -> Self {
        Self {
            selection,
            handover: None,
        }
    }
}

impl Proposal {
    /// Proposes this, paid for from `pool`; returns the transaction too.
    ///
    /// # Errors
    /// [`PlanError`].
    pub fn plan<'a>(
        snapshot: &VaultSnapshot,
        purpose: impl Into<Purpose<'a>>,
        pool: &[Coin],
        rates: VaultRates,
        change: &Script,
        p2a: bool,
    ) -> Result<(Self, UnsignedVaultTx), PlanError> {
        Self::plan_at(
            snapshot.height(),
            snapshot,
            purpose.into(),
            pool,
            rates,
            (change, p2a),
        )
    }

    /// The same, as judged by the state at another height.
    fn plan_at(
        height: u32,
        snapshot: &VaultSnapshot,
        purpose: Purpose<'_>,
        pool: &[Coin],
        rates: VaultRates,
        (change, p2a): (&Script, bool),
    ) -> Result<(Self, UnsignedVaultTx), PlanError> {
        let Purpose { selection, handover } = purpose;
        let destination = match handover {
            Some(handover) => Some(snapshot.handover_plan(handover).ok_or(PlanError::NoDestination)?),
            None => None,
        };
        let unsigned = plan_vault_tx(&VaultPlan {
            height,
            tip: snapshot.tip(),
            vault: snapshot.vault(),
            deposits: &selection.deposits,
            withdrawals: &selection.withdrawals,
            coins: pool,
            q: rates.shares,
            rate: rates.whole,
            change_script: change,
            top_up: Amount::ZERO,
            p2a,
            handover: destination.as_ref(),
        })?;
        let mut deposits: Vec<Registration> = selection
            .deposits
            .iter()
            .map(|deposit| Registration {
                outpoint: deposit.outpoint,
                inner: deposit.terms.inner,
                refund: deposit.terms.refund,
            })
            .collect();
        deposits.sort_by_key(|deposit| deposit.outpoint);
        let mut withdrawals: Vec<u64> = selection.withdrawals.iter().map(|(index, _)| *index).collect();
        withdrawals.sort_unstable();
        let coins = unsigned.tx().input[1 + deposits.len()..]
            .iter()
            .map(|input| input.previous_output)
            .collect();
        let proposal = Self {
            height,
            tip: snapshot.tip().outpoint,
            rates,
            deposits,
            withdrawals,
            coins,
            change: change.into(),
            p2a,
            handover,
            txid: unsigned.tx().compute_txid(),
        };
        Ok((proposal, unsigned))
    }

    /// Builds the transaction from what is known here; `coin` looks up a confirmed unspent output.
    ///
    /// # Errors
    /// `E` from `coin`; within, [`DeriveError`].
    pub fn derive<E>(
        &self,
        snapshot: &VaultSnapshot,
        mut coin: impl FnMut(&OutPoint) -> Result<Option<TxOut>, E>,
    ) -> Result<Result<UnsignedVaultTx, DeriveError>, E> {
        if let Err(error) = self.check_names(snapshot) {
            return Ok(Err(error));
        }
        let mut pool = Vec::with_capacity(self.coins.len());
        for &outpoint in &self.coins {
            match coin(&outpoint)? {
                Some(txout) if txout.script_pubkey == self.change => pool.push(Coin { outpoint, txout }),
                Some(_) | None => return Ok(Err(DeriveError::Coin(outpoint))),
            }
        }
        Ok(self.derive_with(snapshot, &pool))
    }

    /// What can be said before anything is looked up.
    fn check_names(&self, snapshot: &VaultSnapshot) -> Result<(), DeriveError> {
        // What is deep here is deep one block later, and not always one block sooner.
        let (proposed, own) = (self.height, snapshot.height());
        if proposed < own || proposed > own.saturating_add(1) {
            return Err(DeriveError::Height { proposed, own });
        }
        let (proposed, own) = (self.tip, snapshot.tip().outpoint);
        if proposed != own {
            return Err(DeriveError::Tip { proposed, own });
        }
        if !self.change.is_p2tr() {
            return Err(DeriveError::Change);
        }
        let is_named = |coin: &OutPoint| {
            *coin == self.tip || self.deposits.iter().any(|deposit| deposit.outpoint == *coin)
        };
        match self
            .coins
            .iter()
            .enumerate()
            .find(|(i, coin)| *i >= MAX_COINS || is_named(coin))
        {
            Some((_, coin)) => Err(DeriveError::Coin(*coin)),
            None => Ok(()),
        }
    }

    fn derive_with(&self, snapshot: &VaultSnapshot, pool: &[Coin]) -> Result<UnsignedVaultTx, DeriveError> {
        let mut selection = Selection::default();
        for named in &self.deposits {
            let known = snapshot
                .deposits()
                .iter()
                .find(|deposit| deposit.outpoint == named.outpoint)
                .ok_or(DeriveError::Deposit(named.outpoint))?;
            if (known.terms.inner, known.terms.refund) != (named.inner, named.refund) {
                return Err(DeriveError::Terms(named.outpoint));
            }
            selection.deposits.push(known.clone());
        }
        for &index in &self.withdrawals {
            let unpaid = |view: &WithdrawalView| !view.paid;
            let view = snapshot
                .withdrawal(index)
                .filter(unpaid)
                .ok_or(DeriveError::Withdrawal(index))?;
            selection.withdrawals.push((index, view));
        }
        let purpose = Purpose {
            selection: &selection,
            handover: self.handover,
        };
        let outputs = (self.change.as_script(), self.p2a);
        let (again, unsigned) = Self::plan_at(self.height, snapshot, purpose, pool, self.rates, outputs)?;
        // Coins that are not needed, or named twice, are not taken the second time.
        if again != *self {
            let (proposed, derived) = (self.txid, again.txid);
            return Err(DeriveError::Altered { proposed, derived });
        }
        Ok(unsigned)
    }

    /// Height of the block by whose state it is judged; it can be mined above it only.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The vault tip that it spends.
    #[must_use]
    pub fn tip(&self) -> OutPoint {
        self.tip
    }

    /// Its rates.
    #[must_use]
    pub fn rates(&self) -> VaultRates {
        self.rates
    }

    /// Deposits swept, ascending by outpoint.
    #[must_use]
    pub fn deposits(&self) -> &[Registration] {
        &self.deposits
    }

    /// Indices of the withdrawals paid, ascending.
    #[must_use]
    pub fn withdrawals(&self) -> &[u64] {
        &self.withdrawals
    }

    /// The operator's coins, in the order of their inputs.
    #[must_use]
    pub fn coins(&self) -> &[OutPoint] {
        &self.coins
    }

    /// What it hands over, if anything.
    #[must_use]
    pub fn handover(&self) -> Option<Handover> {
        self.handover
    }

    /// The identifier of the transaction.
    #[must_use]
    pub fn txid(&self) -> Txid {
        self.txid
    }

    /// A short name for all of it: a hash of the encoding.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        sha256::Hash::hash(&self.encode()).to_byte_array()
    }
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    let count = u16::try_from(count).expect("a vault transaction has few inputs and outputs");
    out.extend_from_slice(&count.to_le_bytes());
}

impl Encode for Proposal {
    fn encode_to(&self, out: &mut Vec<u8>) {
        out.push(LAYOUT);
        out.extend_from_slice(&self.height.to_le_bytes());
        put_outpoint(out, &self.tip);
        for rate in [self.rates.shares, self.rates.whole] {
            out.extend_from_slice(&rate.sat_per_kwu().to_le_bytes());
        }
        put_count(out, self.deposits.len());
        for deposit in &self.deposits {
            put_outpoint(out, &deposit.outpoint);
            out.extend_from_slice(&tacit_protocol::field::to_bytes(&deposit.inner));
            out.extend_from_slice(&deposit.refund.serialize());
        }
        put_count(out, self.withdrawals.len());
        for index in &self.withdrawals {
            out.extend_from_slice(&index.to_le_bytes());
        }
        put_count(out, self.coins.len());
        for coin in &self.coins {
            put_outpoint(out, coin);
        }
        let script = u8::try_from(self.change.len()).expect("output scripts are short");
        out.push(script);
        out.extend_from_slice(self.change.as_bytes());
        out.push(u8::from(self.p2a));
        match &self.handover {
            None => out.push(0),
            Some(Handover::Vault(epoch)) => {
                out.push(1);
                out.extend_from_slice(&epoch.0);
            }
            Some(Handover::Anchor(sequencer)) => {
                out.push(2);
                out.extend_from_slice(&sequencer.serialize());
            }
        }
        out.extend_from_slice(self.txid.as_byte_array());
    }
}

impl Decode for Proposal {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if reader.u8()? != LAYOUT {
            return Err(DecodeError::Unknown("layout of a proposal"));
        }
        let height = reader.u32()?;
        let tip = read_outpoint(reader)?;
        let shares = FeeRate::from_sat_per_kwu(reader.u32()?);
        let whole = FeeRate::from_sat_per_kwu(reader.u32()?);
        let deposits: Vec<Registration> = (0..reader.u16()?)
            .map(|_| {
                Ok(Registration {
                    outpoint: read_outpoint(reader)?,
                    inner: reader.field()?,
                    refund: XOnlyPublicKey::from_slice(&reader.array::<32>()?)
                        .map_err(|_| DecodeError::BadPoint("refund key"))?,
                })
            })
            .collect::<Result<_, DecodeError>>()?;
        let withdrawals: Vec<u64> = (0..reader.u16()?)
            .map(|_| reader.u64())
            .collect::<Result<_, _>>()?;
        let coins = (0..reader.u16()?)
            .map(|_| read_outpoint(reader))
            .collect::<Result<_, _>>()?;
        let change = ScriptBuf::from_bytes(reader.short_bytes()?.to_vec());
        let p2a = match reader.u8()? {
            0 => false,
            1 => true,
            _ => return Err(DecodeError::Unknown("flag")),
        };
        let handover = match reader.u8()? {
            0 => None,
            1 => Some(Handover::Vault(EpochHash(reader.array()?))),
            2 => Some(Handover::Anchor(read_x_only(reader)?)),
            _ => return Err(DecodeError::Unknown("handover")),
        };
        if !deposits.is_sorted_by(|a, b| a.outpoint < b.outpoint) {
            return Err(DecodeError::OutOfRange("order of the deposits"));
        }
        if !withdrawals.is_sorted_by(|a, b| a < b) {
            return Err(DecodeError::OutOfRange("order of the withdrawals"));
        }
        Ok(Self {
            height,
            tip,
            rates: VaultRates { shares, whole },
            deposits,
            withdrawals,
            coins,
            change,
            p2a,
            handover,
            txid: Txid::from_byte_array(reader.array()?),
        })
    }
}

#[cfg(test)]
mod tests;
