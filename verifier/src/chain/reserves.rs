//! Proof of reserves: what the vault holds against what it owes.
//!
//! Everything the vault owes is on record: the shielded supply, deposits swept and not credited
//! yet, exits applied and not paid yet. What it holds is the vault UTXO. The difference is what the
//! operator put in (the genesis amount, top-ups); it is never negative while the rules hold.
//!
//! The fold keeps running totals ([`Owed`]), so that [`reserves`] reads a few rows whatever came before, and
//! writes down the [`Books`] after each batch. [`walk_owed`] adds the rows up one by one, and [`audit_books`]
//! compares everything that is kept with it. Specification: `docs/spec/bitcoin.md`.

use bitcoin::OutPoint;
use tacit_protocol::batch::BatchData;
use tacit_protocol::encoding::{Decode, DecodeError, Encode, Reader};
use tacit_protocol::kv::{KvError, KvRead, Overlay};
use tacit_protocol::ledger;
use tacit_protocol::peg::vault::VaultEffects;
use thiserror::Error;

use super::records::{outpoint, put_outpoint};
use super::{handover, require_tip, table};

/// Rows read at a time.
const PAGE: usize = 1_024;

/// What the vault owes besides the supply, in satoshi.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owed {
    /// Deposits swept and not credited.
    pub uncredited: u64,
    /// How many of them.
    pub uncredited_count: u64,
    /// Exits applied and not paid.
    pub unpaid: u64,
    /// How many of them.
    pub unpaid_count: u64,
}

impl std::fmt::Display for Owed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            uncredited,
            uncredited_count,
            unpaid,
            unpaid_count,
        } = self;
        write!(
            f,
            "{uncredited} sat in {uncredited_count} deposits to credit, {unpaid} sat in {unpaid_count} exits to pay"
        )
    }
}

/// The vault against its liabilities, in satoshi.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserves {
    /// What the vault UTXO holds.
    pub vault: u64,
    /// The shielded supply.
    pub supply: u64,
    /// Deposits swept and not credited.
    pub uncredited: u64,
    /// How many of them.
    pub uncredited_count: u64,
    /// Exits applied and not paid.
    pub unpaid: u64,
    /// How many of them.
    pub unpaid_count: u64,
}

impl Reserves {
    /// Everything the vault owes.
    #[must_use]
    pub fn liabilities(&self) -> u64 {
        self.supply
            .saturating_add(self.uncredited)
            .saturating_add(self.unpaid)
    }

    /// What is missing; zero while the vault covers everything.
    #[must_use]
    pub fn gap(&self) -> u64 {
        self.liabilities().saturating_sub(self.vault)
    }

    /// What the vault holds beyond all that it owes.
    #[must_use]
    pub fn surplus(&self) -> u64 {
        self.vault.saturating_sub(self.liabilities())
    }
}

/// The reserves at one place of the chain, with the vault that held them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Books {
    /// The vault UTXO.
    pub vault: OutPoint,
    /// What it held and owed.
    pub reserves: Reserves,
}

/// Why what is kept about the reserves cannot be relied on: no money may move.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum BooksError {
    /// The view failed.
    #[error(transparent)]
    Kv(#[from] KvError),
    /// The running totals are not what the rows add up to.
    #[error(
        "the books do not add up: kept are {kept}, the rows say {walked}; \
         delete the database and follow Bitcoin again"
    )]
    Totals {
        /// The running totals.
        kept: Owed,
        /// What the rows add up to.
        walked: Owed,
    },
    /// An index of what is open lists something else than what the rows say.
    #[error(
        "the books do not add up: the index of {what} and the rows disagree about number {number}; \
         delete the database and follow Bitcoin again"
    )]
    Index {
        /// What it is an index of.
        what: &'static str,
        /// The first number they disagree about.
        number: u64,
    },
    /// The books after a batch are missing or show another supply than its state.
    #[error(
        "the books after batch {0} are missing or show another supply than its state; \
         delete the database and follow Bitcoin again"
    )]
    Batch(u32),
}

/// The vault against what it owes now, from the running totals.
///
/// # Errors
/// [`KvError`] if the view fails or is damaged.
pub fn reserves(kv: &dyn KvRead) -> Result<Reserves, KvError> {
    let tip = require_tip(table::vault_tip(kv))?.txout;
    // After a fault the tip may be anybody's; only money under the vault's script counts.
    let ours = tip.script_pubkey == handover::epoch(kv)?.keys.script_pubkey();
    let owed = table::owed(kv)?;
    Ok(Reserves {
        vault: if ours { tip.value.to_sat() } else { 0 },
        supply: ledger::tip(kv)?.supply.to_sat(),
        uncredited: owed.uncredited,
        uncredited_count: owed.uncredited_count,
        unpaid: owed.unpaid,
        unpaid_count: owed.unpaid_count,
    })
}

/// The books as they stand now.
pub(super) fn books(kv: &dyn KvRead) -> Result<Books, KvError> {
    Ok(Books {
        vault: require_tip(table::vault_tip(kv))?.outpoint,
        reserves: reserves(kv)?,
    })
}

/// What the rows say: the sums, and the numbers of what is open.
#[derive(Debug, Default, PartialEq, Eq)]
struct Walked {
    owed: Owed,
    uncredited: Vec<u64>,
    unpaid: Vec<u64>,
}

fn walk(kv: &dyn KvRead) -> Result<Walked, KvError> {
    let mut walked = Walked::default();
    let owed = &mut walked.owed;
    each(
        |from| table::sweeps(kv, from, PAGE),
        |number, swept| {
            if swept.is_owed() {
                owed.uncredited = owed.uncredited.saturating_add(swept.credit.to_sat());
                owed.uncredited_count += 1;
                walked.uncredited.push(number);
            }
        },
    )?;
    each(
        |from| table::withdrawals(kv, from, PAGE),
        |number, withdrawal| {
            if withdrawal.paid.is_none() {
                owed.unpaid = owed.unpaid.saturating_add(withdrawal.exit.amount().to_sat());
                owed.unpaid_count += 1;
                walked.unpaid.push(number);
            }
        },
    )?;
    Ok(walked)
}

/// Adds up what is owed row by row: every sweep and every withdrawal there ever was.
///
/// # Errors
/// [`KvError`] if the view fails or is damaged.
pub fn walk_owed(kv: &dyn KvRead) -> Result<Owed, KvError> {
    Ok(walk(kv)?.owed)
}

/// Calls `look` for every row of a numbered table.
fn each<T>(
    fetch: impl Fn(u64) -> Result<Vec<(u64, T)>, KvError>,
    mut look: impl FnMut(u64, T),
) -> Result<(), KvError> {
    let mut from = 0;
    loop {
        let rows = fetch(from)?;
        let full = rows.len() == PAGE;
        for (number, row) in rows {
            from = number + 1;
            look(number, row);
        }
        if !full {
            return Ok(());
        }
    }
}

/// Compares everything that is kept about the reserves with the rows it was made from, and says what they
/// are. It reads the whole history: auditors call it, and whoever moves money, when it starts.
///
/// # Errors
/// [`BooksError`]: the first thing that disagrees.
pub fn audit_books(kv: &dyn KvRead) -> Result<Reserves, BooksError> {
    let (kept, walked) = (table::owed(kv)?, walk(kv)?);
    if kept != walked.owed {
        let walked = walked.owed;
        return Err(BooksError::Totals { kept, walked });
    }
    let mut listed = Vec::new();
    each(
        |from| table::uncredited(kv, from, PAGE),
        |number, _| listed.push(number),
    )?;
    same("deposits to credit", &walked.uncredited, &listed)?;
    listed.clear();
    each(
        |from| table::unpaid(kv, from, PAGE),
        |number, _| listed.push(number),
    )?;
    same("exits to pay", &walked.unpaid, &listed)?;
    for number in 0..=ledger::tip(kv)?.batch {
        let supply = ledger::state(kv, number)?.map(|state| state.supply.to_sat());
        if table::books(kv, number)?.map(|books| books.reserves.supply) != supply {
            return Err(BooksError::Batch(number));
        }
    }
    Ok(reserves(kv)?)
}

/// Compares what is open with what an index lists.
fn same(what: &'static str, open: &[u64], listed: &[u64]) -> Result<(), BooksError> {
    let differs = open.iter().zip(listed).find(|(open, listed)| open != listed);
    let first = differs.map(|(open, listed)| *open.min(listed));
    let common = open.len().min(listed.len());
    let longer = open.get(common).or(listed.get(common)).copied();
    match first.or(longer) {
        Some(number) => Err(BooksError::Index { what, number }),
        None => Ok(()),
    }
}

/// A sum or difference of the running totals, which is in range while the rows are whole.
fn total(sum: Option<u64>) -> Result<u64, KvError> {
    sum.ok_or_else(|| KvError::corrupt(b"LO", "the running totals are out of range"))
}

/// Brings the totals up to date with a vault transaction that was applied; after a fault nothing is owed for
/// what is swept.
pub(super) fn after_vault(
    kv: &mut Overlay<'_>,
    effects: &VaultEffects,
    after_fault: bool,
) -> Result<(), KvError> {
    let mut owed = table::owed(kv)?;
    for deposit in effects.swept.iter().filter(|_| !after_fault) {
        owed.uncredited = total(owed.uncredited.checked_add(deposit.credit.to_sat()))?;
        owed.uncredited_count = total(owed.uncredited_count.checked_add(1))?;
    }
    for paid in &effects.paid {
        let withdrawal = table::withdrawal(kv, paid.index)?
            .ok_or_else(|| KvError::corrupt(b"W", "a paid withdrawal is missing"))?;
        owed.unpaid = total(owed.unpaid.checked_sub(withdrawal.exit.amount().to_sat()))?;
        owed.unpaid_count = total(owed.unpaid_count.checked_sub(1))?;
    }
    table::put_owed(kv, &owed);
    Ok(())
}

/// Brings the totals up to date with a batch that was applied, and writes down the books after it.
pub(crate) fn after_batch(kv: &mut Overlay<'_>, data: &BatchData) -> Result<(), KvError> {
    let mut owed = table::owed(kv)?;
    for credit in &data.credits {
        owed.uncredited = total(owed.uncredited.checked_sub(credit.v.to_sat()))?;
        owed.uncredited_count = total(owed.uncredited_count.checked_sub(1))?;
    }
    // An exit is above dust: what is zero is none.
    for exit in data
        .slots
        .iter()
        .map(|slot| slot.exit.to_sat())
        .filter(|exit| *exit > 0)
    {
        owed.unpaid = total(owed.unpaid.checked_add(exit))?;
        owed.unpaid_count = total(owed.unpaid_count.checked_add(1))?;
    }
    table::put_owed(kv, &owed);
    let books = books(kv)?;
    table::put_books(kv, data.number, &books);
    Ok(())
}

fn put_numbers(out: &mut Vec<u8>, numbers: &[u64]) {
    for number in numbers {
        out.extend_from_slice(&number.to_le_bytes());
    }
}

impl Encode for Owed {
    fn encode_to(&self, out: &mut Vec<u8>) {
        let sums = [
            self.uncredited,
            self.uncredited_count,
            self.unpaid,
            self.unpaid_count,
        ];
        put_numbers(out, &sums);
    }
}

impl Decode for Owed {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            uncredited: reader.u64()?,
            uncredited_count: reader.u64()?,
            unpaid: reader.u64()?,
            unpaid_count: reader.u64()?,
        })
    }
}

impl Encode for Books {
    fn encode_to(&self, out: &mut Vec<u8>) {
        put_outpoint(out, &self.vault);
        let reserves = &self.reserves;
        put_numbers(out, &[reserves.vault, reserves.supply]);
        let sums = [
            reserves.uncredited,
            reserves.uncredited_count,
            reserves.unpaid,
            reserves.unpaid_count,
        ];
        put_numbers(out, &sums);
    }
}

impl Decode for Books {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let vault = outpoint(reader)?;
        let reserves = Reserves {
            vault: reader.u64()?,
            supply: reader.u64()?,
            uncredited: reader.u64()?,
            uncredited_count: reader.u64()?,
            unpaid: reader.u64()?,
            unpaid_count: reader.u64()?,
        };
        Ok(Self { vault, reserves })
    }
}
