//! Several federations sign one transaction.
//!
//! While a federation hands over to another, one vault transaction has inputs of both: the vault and new
//! deposits under the new key, old deposits under the old one. Each signs what its key owns by itself; a
//! [`JointSigner`] asks those that own something and joins what they give.
//! Specification: `docs/spec/federation.md`.

use std::sync::Arc;

use bitcoin::XOnlyPublicKey;
use tacit_protocol::peg::vault::UnsignedVaultTx;

use super::{SignError, Signatures, VaultSigner};
use crate::proposal::Proposal;

/// Signers of different keys behind one.
pub struct JointSigner {
    signers: Vec<Arc<dyn VaultSigner>>,
}

impl JointSigner {
    /// Asks these, in this order.
    #[must_use]
    pub fn new(signers: Vec<Arc<dyn VaultSigner>>) -> Self {
        Self { signers }
    }
}

impl VaultSigner for JointSigner {
    fn keys(&self) -> Vec<XOnlyPublicKey> {
        self.signers.iter().flat_map(|signer| signer.keys()).collect()
    }

    fn sign_vault(&self, proposal: &Proposal, tx: &UnsignedVaultTx) -> Result<Signatures, SignError> {
        let wanted: Vec<XOnlyPublicKey> = tx
            .roles()
            .iter()
            .filter_map(|role| Some(role.federation()?.internal))
            .collect();
        let known = self.keys();
        for (input, role) in tx.roles().iter().enumerate() {
            if let Some(path) = role.federation()
                && !known.contains(&path.internal)
            {
                let key = Box::new(path.internal);
                return Err(SignError::NoSigner { input, key });
            }
        }
        let mut signatures = Signatures::new();
        // One after the other: if one refuses, the others have spent no nonces on it.
        for signer in &self.signers {
            let keys = signer.keys();
            if wanted.iter().any(|key| keys.contains(key)) {
                signatures.extend(signer.sign_vault(proposal, tx)?);
            }
        }
        Ok(signatures)
    }
}

#[cfg(test)]
mod tests;
