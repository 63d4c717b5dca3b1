//! Claiming a swept deposit that no sequencer credits.

use bitcoin::OutPoint;
use rand_core::CryptoRngCore;
use tacit_protocol::peg::{FeeRate, ForcedClaim, ForcedRequest};

use super::{ForceError, Order, Posted};
use crate::api::{DepositStatus, NodeApi};
use crate::db::Database;
use crate::deposit::DepositError;
use crate::wallet::{Wallet, WalletError};

impl Wallet {
    /// Posts the claim of a deposit whose sweep is deep: saves the two transactions, then sends them, unless
    /// `send` is false. Asked again it sends the same ones, or others if those can never be mined.
    ///
    /// # Errors
    /// [`WalletError::Deposit`], [`WalletError::Force`], or the node's.
    pub fn force_claim(
        &mut self,
        api: &dyn NodeApi,
        outpoint: OutPoint,
        (rate, send): (FeeRate, bool),
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Posted, WalletError> {
        let at = self.db.deposits.iter().position(|d| d.outpoint == outpoint);
        let at = at.ok_or(DepositError::Unknown(outpoint))?;
        let needed = self.params.genesis().finality_depth;
        match api.deposit_status(outpoint)? {
            DepositStatus::Swept { depth, .. } if depth >= u32::from(needed) => {}
            DepositStatus::Credited { .. } | DepositStatus::Refunded { .. } => {
                return Err(DepositError::Spent(outpoint).into());
            }
            DepositStatus::Swept { .. }
            | DepositStatus::Unknown
            | DepositStatus::Registered { .. }
            | DepositStatus::Held { .. } => return Err(ForceError::NotSwept { outpoint, needed }.into()),
        }
        let deposit = &self.db.deposits[at];
        let terms = self.terms_of(deposit);
        let claim = ForcedClaim {
            outpoint,
            inner: terms.inner,
            refund: terms.refund,
        };
        let order = Order {
            request: ForcedRequest::Claim(claim),
            before: deposit.posted.clone(),
            // What is left over stays at the posting address and pays for the next request.
            change_script: self.posting_script(),
            rate,
            send,
        };
        let keep = |db: &mut Database, posted| db.deposits[at].posted = posted;
        self.post_request(api, &order, keep, rng)
    }
}
