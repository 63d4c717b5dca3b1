//! The signer: recomputes everything it is asked to authorise, then signs. It never signs blindly.
//!
//! A request carries what the outputs are made of, not only their commitments. The signer derives
//! both notes, both ciphertexts, the memo and the ephemeral key again, the nullifiers of the inputs, the key
//! of an exit and the balance, and compares. What it signs is then what its owner agreed to, even if
//! the program that built the transfer is not to be trusted.

use rand_core::CryptoRngCore;
use tacit_protocol::Amount;
use tacit_protocol::address::Address;
use tacit_protocol::encryption::{MemoText, OutputOrder, OutputSecrets, Salt};
use tacit_protocol::note::{Note, Position};
use tacit_protocol::params::ChainParams;
use tacit_protocol::signature::{self, Signature, SpendMessage};
use tacit_protocol::transfer::{TransferBody, TransferRule};
use thiserror::Error;

use super::exit;
use crate::seed::Keys;

/// A body to sign, and what it is made of.
#[derive(Clone, Copy, Debug)]
pub struct SigningRequest<'a> {
    /// The body.
    pub body: &'a TransferBody,
    /// The inputs.
    pub inputs: &'a [(Note, Position); 2],
    /// Who is paid; the account itself if nobody is.
    pub recipient: Address,
    /// How much.
    pub amount: Amount,
    /// What comes back.
    pub change: Amount,
    /// Randomness of the outputs.
    pub salt: Salt,
    /// Order of the outputs.
    pub order: OutputOrder,
    /// What is written to the recipient.
    pub memo: Option<&'a MemoText>,
}

/// Why a signer refuses.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SignError {
    /// A nullifier is not that of the input.
    #[error("a nullifier is not that of the note to be spent")]
    Nullifier,
    /// An input belongs to somebody else.
    #[error("a note to be spent does not belong to this account")]
    Owner,
    /// A commitment is not that of the output.
    #[error("a commitment is not that of the payment or the change")]
    Commitment,
    /// A ciphertext or the ephemeral key is not that of the outputs.
    #[error("the ciphertexts are not those of the payment and the change")]
    Ciphertext,
    /// A memo that is not the one shown, or one where none was shown.
    #[error("the memo is not the one that was to be sent")]
    Memo,
    /// The owner could not raise the fee limit of the withdrawal.
    #[error("the withdrawal carries a key of somebody else")]
    ExitKey,
    /// Inputs and outputs differ.
    #[error("inputs and outputs do not balance")]
    Balance,
    /// The body breaks a rule.
    #[error(transparent)]
    Rule(#[from] TransferRule),
}

/// Checks a request and signs its body.
///
/// # Errors
/// [`SignError`]; nothing is signed.
pub fn sign(
    keys: &Keys,
    params: &ChainParams,
    request: &SigningRequest<'_>,
    mut rng: &mut dyn CryptoRngCore,
) -> Result<Signature, SignError> {
    check(keys, params, request)?;
    let public = request.body.public(params)?;
    let message = SpendMessage {
        ok: keys.viewing().ok(),
        nf: public.nf,
        cm: public.cm,
        out: public.out,
        ctx: public.ctx,
    };
    Ok(signature::sign(keys.spend(), &message, &mut rng))
}

fn check(keys: &Keys, params: &ChainParams, request: &SigningRequest<'_>) -> Result<(), SignError> {
    let SigningRequest {
        body,
        inputs,
        recipient,
        amount,
        change,
        salt,
        order,
        memo,
    } = request;
    let viewing = keys.viewing();
    body.check(params)?;
    for ((note, position), nf) in inputs.iter().zip(&body.nf) {
        if note.pk_d != viewing.incoming().pk_d(&note.d) {
            return Err(SignError::Owner);
        }
        if note.nullifier(&viewing.nk(), *position) != *nf {
            return Err(SignError::Nullifier);
        }
    }
    let sealed =
        OutputSecrets::derive(viewing, &body.nf[0], *salt, (*amount, recipient), *change).seal(*order);
    if sealed.cm != body.cm {
        return Err(SignError::Commitment);
    }
    if sealed.outputs != body.outputs {
        return Err(SignError::Ciphertext);
    }
    if memo.map(|text| sealed.memo_key.seal(text)) != body.memo {
        return Err(SignError::Memo);
    }
    if body
        .exit
        .as_ref()
        .is_some_and(|e| e.key() != exit::public_key(keys.root(), &body.nf[0]))
    {
        return Err(SignError::ExitKey);
    }
    let came = inputs[0].0.v.checked_add(inputs[1].0.v);
    let goes = [*amount, *change, body.exit_amount(), body.fee_amount(params)?]
        .into_iter()
        .try_fold(Amount::ZERO, Amount::checked_add);
    if came.is_none() || came != goes {
        Err(SignError::Balance)
    } else {
        Ok(())
    }
}
