//! Withdrawals: Bitcoin addresses, the per-exit key, and a sensible limit for the miner's fee.

use std::str::FromStr;

use bitcoin::XOnlyPublicKey;
use bitcoin::address::{Address, NetworkUnchecked};
use bitcoin::key::Keypair;
use bitcoin::secp256k1::Secp256k1;
use tacit_protocol::keys::AccountRoot;
use tacit_protocol::note::Nullifier;
use tacit_protocol::peg::exit::MIN_PAYOUT;
use tacit_protocol::peg::{ExitScript, FeeRate};
use tacit_protocol::{Amount, Network};
use thiserror::Error;

/// How much the fee rate may rise before a withdrawal with the default limit waits.
const MARGIN: u64 = 4;
/// The default limit is at least this.
const LEAST_LIMIT: u64 = 1_000;

/// Why a withdrawal cannot be made as asked.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ExitOrderError {
    /// Not a Bitcoin address.
    #[error("{text:?} is not a Bitcoin address: {reason}")]
    Unreadable {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An address of another network.
    #[error("{text} is not an address on {expected:?}; ask the recipient for one")]
    WrongNetwork {
        /// What was given.
        text: String,
        /// The network of this chain.
        expected: Network,
    },
    /// An address of a kind that cannot be paid.
    #[error("{0} is not of a kind that can be paid (P2PKH, P2SH, P2WPKH, P2WSH or P2TR)")]
    Kind(String),
    /// Too little would arrive.
    #[error(
        "{amount} is too little to withdraw: after up to {fee} for miners less than {MIN_PAYOUT} sat arrive; withdraw {minimum} or more"
    )]
    Dust {
        /// What was asked for.
        amount: Amount,
        /// The fee it would have to bear.
        fee: Amount,
        /// The least that works.
        minimum: Amount,
    },
}

/// Reads a Bitcoin address of `network`.
///
/// # Errors
/// [`ExitOrderError`].
pub fn parse_address(text: &str, network: Network) -> Result<ExitScript, ExitOrderError> {
    let text = text.trim();
    let address =
        Address::<NetworkUnchecked>::from_str(text).map_err(|error| ExitOrderError::Unreadable {
            text: text.to_owned(),
            reason: error.to_string(),
        })?;
    let address = address
        .require_network(network.bitcoin())
        .map_err(|_| ExitOrderError::WrongNetwork {
            text: text.to_owned(),
            expected: network,
        })?;
    ExitScript::new(address.script_pubkey()).map_err(|_| ExitOrderError::Kind(text.to_owned()))
}

/// A limit for the miner's fee that leaves room for rates to rise, or the one asked for.
///
/// # Errors
/// [`ExitOrderError::Dust`] if too little would arrive.
///
/// # Panics
/// Never: the limit is below the amount.
pub fn fee_limit(
    amount: Amount,
    to: &ExitScript,
    rate: FeeRate,
    asked: Option<Amount>,
) -> Result<Amount, ExitOrderError> {
    let share = rate.payout_share(to);
    let dust = |fee: Amount| {
        let minimum = Amount::from_sat(fee.to_sat().saturating_add(MIN_PAYOUT)).unwrap_or(Amount::MAX);
        ExitOrderError::Dust { amount, fee, minimum }
    };
    let room = amount.to_sat().checked_sub(MIN_PAYOUT);
    if let Some(asked) = asked {
        return if room.is_some_and(|room| asked.to_sat() <= room) {
            Ok(asked)
        } else {
            Err(dust(asked))
        };
    }
    let room = room
        .filter(|room| share.to_sat() <= *room)
        .ok_or_else(|| dust(share))?;
    let limit = share.to_sat().saturating_mul(MARGIN).max(LEAST_LIMIT).min(room);
    Ok(Amount::from_sat(limit).expect("the limit is below the amount"))
}

/// The key pair that raises the fee limit of the withdrawal whose transfer has this first nullifier.
///
/// # Panics
/// Never: the derivation gives valid secrets.
#[must_use]
pub fn keypair(root: &AccountRoot, nf0: &Nullifier) -> Keypair {
    Keypair::from_seckey_slice(&Secp256k1::signing_only(), &root.exit_key_secret(nf0))
        .expect("the derivation gives valid secrets")
}

/// The public half of [`keypair`].
#[must_use]
pub fn public_key(root: &AccountRoot, nf0: &Nullifier) -> XOnlyPublicKey {
    keypair(root, nf0).x_only_public_key().0
}

#[cfg(test)]
mod tests;
