//! Money that leaves: where to, how much, and how much of it miners may take.
//!
//! The fields are public, covered by the transfer's context and checked by every follower. The
//! per-exit key lets the owner raise `max_l1_fee` later by an [envelope](crate::peg::FeeRaise) on Bitcoin.
//! Specification: `docs/spec/bitcoin.md`.

use bitcoin::{Address, Script, ScriptBuf, XOnlyPublicKey};
use thiserror::Error;

use crate::amount::Amount;
use crate::encoding::{Decode, DecodeError, Encode, Reader, put_short_bytes};
use crate::network::Network;

/// What must remain of an exit after the highest fee its owner allows; above every dust limit.
pub const MIN_PAYOUT: u64 = 546;

/// Why an exit is refused.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ExitError {
    /// The script is not of one of the five kinds.
    #[error("an exit must pay to P2PKH, P2SH, P2WPKH, P2WSH or P2TR")]
    Script,
    /// Too little would be left after the highest fee.
    #[error("amount minus the highest fee is below {MIN_PAYOUT} sat")]
    BelowDust,
}

/// A script that money may be paid to: P2PKH, P2SH, P2WPKH, P2WSH or P2TR.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExitScript(ScriptBuf);

impl ExitScript {
    /// Checks the kind of `script`.
    ///
    /// # Errors
    /// [`ExitError::Script`].
    pub fn new(script: ScriptBuf) -> Result<Self, ExitError> {
        let known = script.is_p2pkh()
            || script.is_p2sh()
            || script.is_p2wpkh()
            || script.is_p2wsh()
            || script.is_p2tr();
        if known {
            Ok(Self(script))
        } else {
            Err(ExitError::Script)
        }
    }

    /// The script.
    #[must_use]
    pub fn as_script(&self) -> &Script {
        &self.0
    }

    /// The script, owned.
    #[must_use]
    pub fn to_script_buf(&self) -> ScriptBuf {
        self.0.clone()
    }

    /// The address of the script on `network`.
    ///
    /// # Panics
    /// Never: each of the five kinds has an address.
    #[must_use]
    pub fn address(&self, network: Network) -> Address {
        Address::from_script(&self.0, network.bitcoin()).expect("each of the five kinds has one")
    }
}

impl Encode for ExitScript {
    fn encode_to(&self, out: &mut Vec<u8>) {
        put_short_bytes(out, self.0.as_bytes());
    }
}

impl Decode for ExitScript {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let bytes = reader.short_bytes()?;
        Self::new(ScriptBuf::from_bytes(bytes.to_vec())).map_err(|_| DecodeError::Unknown("exit script"))
    }
}

/// An order to pay `amount` (less its fee share) to `script` on Bitcoin.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Exit {
    amount: Amount,
    script: ExitScript,
    max_l1_fee: Amount,
    key: XOnlyPublicKey,
}

impl Exit {
    /// Bytes of the longest exit: amount, length and 34 bytes of script, fee limit, key.
    pub const MAX_BYTES: usize = 8 + 1 + 34 + 8 + 32;

    /// Checks that enough remains after the highest fee.
    ///
    /// # Errors
    /// [`ExitError::BelowDust`].
    pub fn new(
        amount: Amount,
        script: ExitScript,
        max_l1_fee: Amount,
        key: XOnlyPublicKey,
    ) -> Result<Self, ExitError> {
        let exit = Self {
            amount,
            script,
            max_l1_fee,
            key,
        };
        if exit.bears(max_l1_fee) {
            Ok(exit)
        } else {
            Err(ExitError::BelowDust)
        }
    }

    /// Whether enough remains after a fee share of `fee`.
    #[must_use]
    pub fn bears(&self, fee: Amount) -> bool {
        let rest = self.amount.checked_sub(fee);
        rest.is_some_and(|rest| rest.to_sat() >= MIN_PAYOUT)
    }

    /// What leaves the shielded supply.
    #[must_use]
    pub fn amount(&self) -> Amount {
        self.amount
    }

    /// Where it goes.
    #[must_use]
    pub fn script(&self) -> &ExitScript {
        &self.script
    }

    /// The highest fee share the owner accepts; an envelope may raise it later.
    #[must_use]
    pub fn max_l1_fee(&self) -> Amount {
        self.max_l1_fee
    }

    /// The key that may raise it.
    #[must_use]
    pub fn key(&self) -> XOnlyPublicKey {
        self.key
    }
}

impl Encode for Exit {
    fn encode_to(&self, out: &mut Vec<u8>) {
        self.amount.encode_to(out);
        self.script.encode_to(out);
        self.max_l1_fee.encode_to(out);
        out.extend_from_slice(&self.key.serialize());
    }
}

impl Decode for Exit {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let amount = Amount::decode_from(reader)?;
        let script = ExitScript::decode_from(reader)?;
        let max_l1_fee = Amount::decode_from(reader)?;
        let key = read_x_only(reader)?;
        Self::new(amount, script, max_l1_fee, key)
            .map_err(|_| DecodeError::OutOfRange("fee limit of an exit"))
    }
}

/// Reads a canonical x-only public key.
///
/// # Errors
/// [`DecodeError::UnexpectedEnd`], [`DecodeError::BadPoint`].
pub fn read_x_only(reader: &mut Reader<'_>) -> Result<XOnlyPublicKey, DecodeError> {
    XOnlyPublicKey::from_slice(&reader.array::<32>()?).map_err(|_| DecodeError::BadPoint("x-only public key"))
}

#[cfg(test)]
mod tests;
