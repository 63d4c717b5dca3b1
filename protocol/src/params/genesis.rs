//! The genesis part: everything about a chain that never changes, in its canonical encoding.

use bitcoin::hashes::Hash;
use bitcoin::{BlockHash, OutPoint, Txid, XOnlyPublicKey};
use serde::{Deserialize, Serialize};

use crate::amount::Amount;
use crate::encoding::{Decode, DecodeError, Encode, Reader};
use crate::field::F;
use crate::network::Network;
use crate::params::{FeeTable, ParamsError, RULES_VERSION};
use crate::peg::anchor::AnchorKeys;
use crate::peg::deposit::DepositTerms;
use crate::peg::epoch::Epoch;
use crate::peg::exit::read_x_only;
use crate::peg::vault::{Quorum, VaultKeys};

/// The part of the parameters that never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// Version of the rules; [`RULES_VERSION`].
    pub rules_version: u16,
    /// The Bitcoin network.
    pub network: Network,
    /// Height of the block to start after: nothing of this chain is in it or below it, except the
    /// genesis outputs.
    pub start_height: u32,
    /// Hash of that block.
    pub start_hash: BlockHash,
    /// The first anchor.
    pub anchor: OutPoint,
    /// The first vault output.
    pub vault: OutPoint,
    /// What the first vault output holds; it belongs to nobody's notes.
    pub vault_amount: Amount,
    /// The key of the first federation.
    pub federation_key: XOnlyPublicKey,
    /// The key of the first sequencer: spends anchors and signs receipts.
    pub anchor_key: XOnlyPublicKey,
    /// Depth `k`: a block is deep when the tip is at least this much higher.
    pub finality_depth: u16,
    /// Blocks after which deposits can be taken back.
    pub refund_timelock: u16,
    /// Blocks of silence after which the federation can take the anchor chain over.
    pub takeover_timelock: u16,
    /// Blocks after which a forced request must be honoured.
    pub forced_window: u16,
    /// The fees a transfer may pay.
    pub fee_table: FeeTable,
    /// Who can move the vault when the federation's key is lost; nobody if absent.
    pub vault_backup: Option<Quorum>,
    /// Who can move the vault when the federation is lost; nobody if absent.
    pub vault_recovery: Option<Quorum>,
}

impl Genesis {
    /// Checks the rules that single fields cannot express.
    ///
    /// # Errors
    /// The first rule broken.
    pub fn check(&self) -> Result<(), ParamsError> {
        if self.rules_version != RULES_VERSION {
            return Err(ParamsError::RulesVersion(self.rules_version));
        }
        if self.anchor.is_null() || self.vault.is_null() || self.start_height == u32::MAX {
            return Err(ParamsError::Impossible);
        }
        if self.anchor == self.vault {
            return Err(ParamsError::SameOutpoint);
        }
        if self.finality_depth == 0 {
            return Err(ParamsError::Depth);
        }
        if [self.refund_timelock, self.takeover_timelock, self.forced_window].contains(&0) {
            return Err(ParamsError::Timelock);
        }
        let life = 2 * (u32::from(self.forced_window) + u32::from(self.finality_depth));
        if self.network != Network::Regtest && u32::from(self.takeover_timelock) < life {
            return Err(ParamsError::Takeover(self.takeover_timelock));
        }
        if !self.vault_keys().leaves_in_order() {
            return Err(ParamsError::RecoveryBeforeBackup);
        }
        Ok(())
    }

    /// The first epoch of the federation.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        Epoch {
            number: 0,
            keys: self.vault_keys(),
        }
    }

    /// The keys of the first anchor.
    #[must_use]
    pub fn anchor_keys(&self) -> AnchorKeys {
        AnchorKeys {
            anchor: self.anchor_key,
            federation: self.federation_key,
            takeover_timelock: self.takeover_timelock,
        }
    }

    /// The keys of the first vault output.
    #[must_use]
    pub fn vault_keys(&self) -> VaultKeys {
        VaultKeys {
            federation: self.federation_key,
            backup: self.vault_backup.clone(),
            recovery: self.vault_recovery.clone(),
        }
    }

    /// The terms of a deposit to `federation`, of the note `inner`, refundable to `refund`.
    #[must_use]
    pub fn deposit_terms(
        &self,
        federation: XOnlyPublicKey,
        inner: F,
        refund: XOnlyPublicKey,
    ) -> DepositTerms {
        DepositTerms {
            federation,
            inner,
            refund,
            timelock: self.refund_timelock,
        }
    }

    /// Whether a block at `height` is deep enough when the tip is at `tip`.
    #[must_use]
    pub fn is_deep(&self, height: u32, tip: u32) -> bool {
        tip.checked_sub(height)
            .is_some_and(|depth| depth >= u32::from(self.finality_depth))
    }
}

/// Appends an outpoint: transaction hash in internal byte order, output number.
fn put_outpoint(out: &mut Vec<u8>, outpoint: &OutPoint) {
    out.extend_from_slice(outpoint.txid.as_byte_array());
    out.extend_from_slice(&outpoint.vout.to_le_bytes());
}

/// Reads an outpoint.
fn read_outpoint(reader: &mut Reader<'_>) -> Result<OutPoint, DecodeError> {
    Ok(OutPoint {
        txid: Txid::from_byte_array(reader.array()?),
        vout: reader.u32()?,
    })
}

impl Encode for Genesis {
    fn encode_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.rules_version.to_le_bytes());
        self.network.encode_to(out);
        out.extend_from_slice(&self.start_height.to_le_bytes());
        out.extend_from_slice(self.start_hash.as_byte_array());
        put_outpoint(out, &self.anchor);
        put_outpoint(out, &self.vault);
        self.vault_amount.encode_to(out);
        out.extend_from_slice(&self.federation_key.serialize());
        out.extend_from_slice(&self.anchor_key.serialize());
        let numbers = [
            self.finality_depth,
            self.refund_timelock,
            self.takeover_timelock,
            self.forced_window,
        ];
        for number in numbers {
            out.extend_from_slice(&number.to_le_bytes());
        }
        self.fee_table.encode_to(out);
        Quorum::put_option(self.vault_backup.as_ref(), out);
        Quorum::put_option(self.vault_recovery.as_ref(), out);
    }
}

impl Decode for Genesis {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let genesis = Self {
            rules_version: reader.u16()?,
            network: Network::decode_from(reader)?,
            start_height: reader.u32()?,
            start_hash: BlockHash::from_byte_array(reader.array()?),
            anchor: read_outpoint(reader)?,
            vault: read_outpoint(reader)?,
            vault_amount: Amount::decode_from(reader)?,
            federation_key: read_x_only(reader)?,
            anchor_key: read_x_only(reader)?,
            finality_depth: reader.u16()?,
            refund_timelock: reader.u16()?,
            takeover_timelock: reader.u16()?,
            forced_window: reader.u16()?,
            fee_table: FeeTable::decode_from(reader)?,
            vault_backup: Quorum::read_option(reader)?,
            vault_recovery: Quorum::read_option(reader)?,
        };
        genesis
            .check()
            .map_err(|_| DecodeError::OutOfRange("genesis parameter"))?;
        Ok(genesis)
    }
}
