//! Building a transfer: from notes and a payment to a signed body, and from there to a proof.
//!
//! Every transfer has two inputs and two outputs. A missing input is a dummy: a zero-value note with
//! fresh randomness. A transfer that pays nobody pays zero to the account itself. Outputs stand in
//! random order. The body is signed first ([`sign`]) and proven later, against any anchor that
//! contains the inputs: a [`SignedTransfer`] can be proven again when its anchor gets too old.
//! Specification: `docs/spec/wallet.md`.

use ark_ed_on_bn254::EdwardsAffine;
use rand_core::CryptoRngCore;
use tacit_circuits::transfer::{NewNote, SpentNote, TransferStatement, TransferWitness};
use tacit_protocol::address::Address;
use tacit_protocol::encryption::{MemoText, OutputOrder, OutputSecrets};
use tacit_protocol::note::{Note, Nullifier, Position};
use tacit_protocol::params::ChainParams;
use tacit_protocol::peg::{Exit, ExitError, ExitScript};
use tacit_protocol::signature::Signature;
use tacit_protocol::transfer::{ProofBytes, Transfer, TransferBody, TransferId, TransferRule};
use tacit_protocol::tree::{MerklePath, NOTE_DEPTH};
use tacit_protocol::{Amount, F, field};
use thiserror::Error;

use crate::seed::Keys;

pub mod exit;
pub mod sign;

use sign::{SignError, SigningRequest};

/// What a transfer is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payment {
    /// Pays somebody privately.
    Pay {
        /// The recipient.
        to: Address,
        /// The amount.
        amount: Amount,
        /// Words that the recipient alone can read, and this wallet again.
        memo: Option<MemoText>,
    },
    /// Withdraws to Bitcoin.
    Withdraw {
        /// The amount that leaves.
        amount: Amount,
        /// Where it goes.
        to: ExitScript,
        /// The highest share of the miner's fee that may be taken from it.
        max_l1_fee: Amount,
    },
    /// Merges notes.
    Merge,
}

impl Payment {
    /// What leaves the wallet, without the fee.
    #[must_use]
    pub fn amount(&self) -> Amount {
        match self {
            Self::Pay { amount, .. } | Self::Withdraw { amount, .. } => *amount,
            Self::Merge => Amount::ZERO,
        }
    }

    /// What is written to the recipient.
    #[must_use]
    pub fn memo(&self) -> Option<&MemoText> {
        match self {
            Self::Pay { memo, .. } => memo.as_ref(),
            Self::Withdraw { .. } | Self::Merge => None,
        }
    }
}

/// Everything that decides a transfer but randomness.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// One or two notes to spend, with their positions.
    pub inputs: &'a [(Note, Position)],
    /// What for.
    pub payment: &'a Payment,
    /// Index into the fee table.
    pub fee: u8,
    /// The last batch that may include it.
    pub expiry: u32,
}

/// Why a transfer cannot be built.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum BuildError {
    /// No input, or more than two.
    #[error("a transfer spends one or two notes, not {0}")]
    Inputs(usize),
    /// The inputs do not pay for amount and fee.
    #[error("the chosen notes hold {have}, amount and fee are {need}")]
    Shortfall {
        /// Sum of the inputs.
        have: Amount,
        /// Amount and fee.
        need: Amount,
    },
    /// Amounts add up to no amount.
    #[error("the amount is larger than all bitcoin there can be")]
    TooLarge,
    /// A payment of nothing.
    #[error("an amount of zero cannot be paid")]
    Zero,
    /// The exit breaks a rule.
    #[error(transparent)]
    Exit(#[from] ExitError),
    /// The transfer breaks a rule.
    #[error(transparent)]
    Rule(#[from] TransferRule),
    /// The signer refused.
    #[error("the signer refused: {0}")]
    Sign(#[from] SignError),
}

/// A signed transfer that still lacks its proof.
#[derive(Clone, Debug)]
pub struct SignedTransfer {
    body: TransferBody,
    txid: TransferId,
    inputs: [(Note, Position); 2],
    outputs: [NewNote; 2],
    change: Amount,
    fee: Amount,
    ctx: F,
    ak: EdwardsAffine,
    nk: F,
    signature: Signature,
}

/// Builds and signs.
///
/// # Errors
/// [`BuildError`].
pub fn build(
    keys: &Keys,
    params: &ChainParams,
    plan: &Plan<'_>,
    rng: &mut dyn CryptoRngCore,
) -> Result<SignedTransfer, BuildError> {
    let inputs = complete(keys, plan.inputs, rng)?;
    let nf = inputs
        .each_ref()
        .map(|(note, at)| note.nullifier(&keys.viewing().nk(), *at));
    let fee = params.fee(plan.fee).ok_or(TransferRule::UnknownFee(plan.fee))?;
    let change = change_of(&inputs, plan.payment.amount(), fee)?;
    let (recipient, amount, exit) = outcome(keys, plan.payment, &nf[0])?;

    let mut salt = [0; 8];
    rng.fill_bytes(&mut salt);
    let order = OutputOrder::from_bit(rng.next_u32() & 1 == 1);
    let secrets = OutputSecrets::derive(keys.viewing(), &nf[0], salt, (amount, &recipient), change);
    let sealed = secrets.seal(order);
    let body = TransferBody {
        nf,
        cm: sealed.cm,
        outputs: sealed.outputs,
        fee: plan.fee,
        expiry: plan.expiry,
        exit,
        memo: plan.payment.memo().map(|text| sealed.memo_key.seal(text)),
    };

    let request = SigningRequest {
        body: &body,
        inputs: &inputs,
        recipient,
        amount,
        change,
        salt,
        order,
        memo: plan.payment.memo(),
    };
    let signature = sign::sign(keys, params, &request, rng)?;
    Ok(SignedTransfer {
        txid: body.id(params)?,
        ctx: body.ctx(params)?,
        outputs: sealed.notes.each_ref().map(|note| NewNote {
            v: note.v,
            inner: note.inner(),
        }),
        body,
        inputs,
        change,
        fee,
        ak: keys.viewing().ak(),
        nk: keys.viewing().nk(),
        signature,
    })
}

/// Who is paid how much inside the rollup, and what leaves it. A transfer that pays nobody pays zero
/// to the account itself.
fn outcome(
    keys: &Keys,
    payment: &Payment,
    nf0: &Nullifier,
) -> Result<(Address, Amount, Option<Exit>), BuildError> {
    let own = || keys.viewing().incoming().internal_address();
    match payment {
        Payment::Pay { amount, .. } | Payment::Withdraw { amount, .. } if *amount == Amount::ZERO => {
            Err(BuildError::Zero)
        }
        Payment::Pay { to, amount, .. } => Ok((*to, *amount, None)),
        Payment::Withdraw {
            amount,
            to,
            max_l1_fee,
        } => {
            let key = exit::public_key(keys.root(), nf0);
            let exit = Exit::new(*amount, to.clone(), *max_l1_fee, key)?;
            Ok((own(), Amount::ZERO, Some(exit)))
        }
        Payment::Merge => Ok((own(), Amount::ZERO, None)),
    }
}

/// Adds a dummy to a single input.
fn complete(
    keys: &Keys,
    inputs: &[(Note, Position)],
    rng: &mut dyn CryptoRngCore,
) -> Result<[(Note, Position); 2], BuildError> {
    match inputs {
        [one] => {
            let mut uniform = [0; 64];
            rng.fill_bytes(&mut uniform);
            let incoming = keys.viewing().incoming();
            let dummy = Note {
                v: Amount::ZERO,
                d: incoming.internal_diversifier(),
                pk_d: incoming.internal_pk_d(),
                rcm: field::from_uniform(&uniform),
            };
            Ok([one.clone(), (dummy, one.1)])
        }
        [first, second] => Ok([first.clone(), second.clone()]),
        other => Err(BuildError::Inputs(other.len())),
    }
}

fn change_of(inputs: &[(Note, Position); 2], amount: Amount, fee: Amount) -> Result<Amount, BuildError> {
    let have = inputs[0]
        .0
        .v
        .checked_add(inputs[1].0.v)
        .ok_or(BuildError::TooLarge)?;
    let need = amount.checked_add(fee).ok_or(BuildError::TooLarge)?;
    have.checked_sub(need).ok_or(BuildError::Shortfall { have, need })
}

impl SignedTransfer {
    /// What was signed.
    #[must_use]
    pub fn body(&self) -> &TransferBody {
        &self.body
    }

    /// The identifier; it depends on neither anchor nor proof.
    #[must_use]
    pub fn txid(&self) -> TransferId {
        self.txid
    }

    /// What comes back.
    #[must_use]
    pub fn change(&self) -> Amount {
        self.change
    }

    /// The fee.
    #[must_use]
    pub fn fee(&self) -> Amount {
        self.fee
    }

    /// Positions of the inputs that are worth something.
    pub fn spent(&self) -> impl Iterator<Item = Position> {
        self.inputs
            .iter()
            .filter(|(note, _)| note.v > Amount::ZERO)
            .map(|(_, at)| *at)
    }

    /// The statement against the notes root `anchor`; `path` gives the path from a position to it.
    pub fn statement(&self, anchor: F, mut path: impl FnMut(Position) -> MerklePath) -> TransferStatement {
        let inputs = self.inputs.each_ref().map(|(note, position)| {
            let path = if note.v > Amount::ZERO {
                path(*position)
            } else {
                MerklePath::zero(NOTE_DEPTH)
            };
            SpentNote {
                note: note.clone(),
                position: *position,
                path,
            }
        });
        TransferStatement::new(&TransferWitness {
            ak: self.ak,
            nk: self.nk,
            inputs,
            outputs: self.outputs,
            fee: self.fee,
            exit: self.body.exit_amount(),
            anchor,
            ctx: self.ctx,
            signature: self.signature,
        })
    }

    /// The whole transfer.
    #[must_use]
    pub fn with_proof(&self, anchor: u32, proof: ProofBytes) -> Transfer {
        Transfer {
            body: self.body.clone(),
            anchor,
            proof,
        }
    }
}

#[cfg(test)]
mod tests;
