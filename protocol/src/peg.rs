//! The peg to Bitcoin, pure: scripts, transaction layouts, fee shares and the rules that judge them.
//!
//! * [`deposit`]: the Taproot address that binds a note and lets the depositor take money back.
//! * [`exit`]: what a transfer says about money that leaves, and which scripts it may go to.
//! * [`vault`]: the one UTXO that holds all the money and the transactions that move it.
//! * [`epoch`]: the keys of one federation, and how it hands the vault over to the next.
//! * [`anchor`]: the chain of UTXOs that orders writers and carries the data.
//! * [`forced`]: requests that anybody posts on Bitcoin and that batches must honour.
//! * [`fees`], [`coins`], [`taproot`]: shares of the miner's fee, operator coins, signatures hashes.
//! * [`block`]: one Bitcoin block as the fold over the chain takes it.
//!
//! Nothing here signs, sends or asks: `tacit-bridge` and `tacit-wallet` do, with what is defined
//! here. Specification: `docs/spec/bitcoin.md`.

pub mod anchor;
pub mod block;
pub mod coins;
pub mod deposit;
pub mod epoch;
pub mod exit;
pub mod fees;
pub mod forced;
pub mod taproot;
pub mod vault;

#[cfg(test)]
pub(crate) mod fixture;

pub use anchor::{AnchorKeys, AnchorOutcome, AnchorStep, AnchorTip, EmptyReason, classify_anchor_spend};
pub use block::{BlockInput, TxInput};
pub use coins::Coin;
pub use deposit::DepositTerms;
pub use epoch::{Announcement, Epoch, EpochHash, Lineage, Release, SuccessionError};
pub use exit::{Exit, ExitError, ExitScript};
pub use fees::FeeRate;
pub use forced::{FeeRaise, ForcedClaim, ForcedRequest};
pub use vault::{VaultContext, VaultEffects, VaultFault, VaultTip, WithdrawalView, check_vault_tx, eligible};
