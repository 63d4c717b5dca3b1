//! The fee limit of a withdrawal: what its owner accepts, and what a raise posted on Bitcoin makes of it.
//!
//! A raise counts from the block in which it is `k` deep, as a batch does: no reorganisation that is not
//! deeper takes back what signers signed by. A limit never falls, so what was within it at one height is so
//! at every greater one. [`FeeLimit::in_force`] is the one place that says which limit holds; followers,
//! planner, signers and the RPC all ask it, by [`Withdrawal::view`]. Specification: `docs/spec/bitcoin.md`.

use tacit_protocol::Amount;
use tacit_protocol::encoding::{Decode, DecodeError, Encode, Reader};
use tacit_protocol::kv::{KvError, Overlay};
use tacit_protocol::params::{ChainParams, Genesis};
use tacit_protocol::peg::{Exit, FeeRaise, WithdrawalView};

use super::records::{Withdrawal, option};
use super::table;

/// A raise that stands in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raise {
    /// The limit that it asks for.
    pub max: Amount,
    /// Height of its block.
    pub height: u32,
}

impl Raise {
    /// The height of the chain from which on it counts.
    #[must_use]
    pub fn counts_at(&self, genesis: &Genesis) -> u32 {
        self.height.saturating_add(u32::from(genesis.finality_depth))
    }
}

/// The highest fee share that a withdrawal bears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeeLimit {
    /// The exit's own, or that of the last raise but one.
    before: Amount,
    /// The last raise.
    raise: Option<Raise>,
}

impl FeeLimit {
    /// The limit that a transfer ordered.
    #[must_use]
    pub fn new(exit: &Exit) -> Self {
        Self {
            before: exit.max_l1_fee(),
            raise: None,
        }
    }

    /// The limit in force when the chain has this height.
    #[must_use]
    pub fn in_force(&self, genesis: &Genesis, height: u32) -> Amount {
        let counts = |raise: &Raise| genesis.is_deep(raise.height, height);
        self.raise.filter(counts).map_or(self.before, |raise| raise.max)
    }

    /// The raise that is not in force yet at this height.
    #[must_use]
    pub fn pending(&self, genesis: &Genesis, height: u32) -> Option<Raise> {
        self.raise.filter(|raise| !genesis.is_deep(raise.height, height))
    }

    /// Takes a raise that counts, in the place of one that is not in force yet.
    fn raise(&mut self, genesis: &Genesis, raise: Raise) {
        self.before = self.in_force(genesis, raise.height);
        self.raise = Some(raise);
    }

    /// Reads the limit of `exit`.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are no limit that the exit can have.
    pub(super) fn read(reader: &mut Reader<'_>, exit: &Exit) -> Result<Self, DecodeError> {
        let before = Amount::decode_from(reader)?;
        let raise = option(reader, |r| {
            Ok(Raise {
                max: Amount::decode_from(r)?,
                height: r.u32()?,
            })
        })?;
        let rises = raise.is_none_or(|raise| raise.max > before && exit.bears(raise.max));
        let starts = before == exit.max_l1_fee() || (raise.is_some() && before > exit.max_l1_fee());
        if rises && starts {
            Ok(Self { before, raise })
        } else {
            Err(DecodeError::OutOfRange("fee limit of a withdrawal"))
        }
    }
}

impl Encode for FeeLimit {
    fn encode_to(&self, out: &mut Vec<u8>) {
        self.before.encode_to(out);
        out.push(u8::from(self.raise.is_some()));
        if let Some(raise) = &self.raise {
            raise.max.encode_to(out);
            out.extend_from_slice(&raise.height.to_le_bytes());
        }
    }
}

impl Withdrawal {
    /// The withdrawal as the rules of the vault see it when the chain has this height.
    #[must_use]
    pub fn view(&self, genesis: &Genesis, height: u32) -> WithdrawalView {
        WithdrawalView {
            amount: self.exit.amount(),
            script: self.exit.script().clone(),
            max_l1_fee: self.limit.in_force(genesis, height),
            deep: genesis.is_deep(self.height, height),
            paid: self.paid.is_some(),
        }
    }
}

/// Applies a raise in the block at `height`. One that does not count leaves no trace.
pub(super) fn connect(
    kv: &mut Overlay<'_>,
    params: &ChainParams,
    raise: &FeeRaise,
    height: u32,
) -> Result<(), KvError> {
    let Some(mut withdrawal) = table::withdrawal(kv, raise.index)? else {
        return Ok(());
    };
    let Withdrawal {
        exit, limit, paid, ..
    } = &mut withdrawal;
    let genesis = params.genesis();
    // The signature is the dear one and comes last.
    let counts = paid.is_none()
        && raise.max > limit.in_force(genesis, height)
        && limit
            .pending(genesis, height)
            .is_none_or(|pending| raise.max > pending.max)
        && exit.bears(raise.max)
        && raise.verify(params.chain_id(), &exit.key());
    if counts {
        let max = raise.max;
        limit.raise(genesis, Raise { max, height });
        table::put_withdrawal(kv, raise.index, &withdrawal);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
