//! What is told of a rescue: what it does, and why it does not come about.
//! Specification: `docs/spec/bitcoin.md`.

use bitcoin::{OutPoint, Script, ScriptBuf, Txid, XOnlyPublicKey};
use tacit_protocol::Amount;
use tacit_protocol::peg::vault::{PlanError, VaultLeaf};
use tacit_protocol::peg::{Coin, Epoch, EpochHash, FeeRate, SuccessionError, VaultFault};
use thiserror::Error;

use crate::client::ClientError;

/// Why the vault is not moved by a leaf.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RescueError {
    /// The tree has no such leaf.
    #[error("the vault of this epoch has no {0} leaf; only the federation's key moves it")]
    NoLeaf(&'static str),
    /// It cannot be built or paid for.
    #[error("it cannot be built: {0}; name more or larger fee coins, or a lower rate")]
    Plan(#[from] PlanError),
    /// Bytes that are no PSBT.
    #[error("this is no PSBT: {0}; give the file that `prepare`, `sign` or `combine` wrote, in binary")]
    Psbt(String),
    /// The vault of another chain or epoch, or nothing like a vault.
    #[error(
        "input 0 is not an output of the vault of epoch {epoch}, to which the PSBT's announcements lead; is `chain` \
         the right chain.json? If another tool dropped the announcements, take the PSBT that `prepare` wrote, and \
         name it first to `combine`"
    )]
    OtherVault {
        /// The last one that is announced.
        epoch: u32,
    },
    /// An announcement breaks a rule.
    #[error(
        "the PSBT says that the vault is or shall be that of a later epoch, and the announcement of epoch {number} does \
         not hold: {rule}; is `chain` the right chain.json? If it is, do not sign, and ask who prepared it"
    )]
    Announcement {
        /// Its number.
        number: u32,
        /// The rule.
        rule: SuccessionError,
    },
    /// An output that is no vault of an epoch that is known.
    #[error(
        "output {0} is the vault of none of the chain's epochs that are known; let the node catch up, and ask a node \
         of your own"
    )]
    NoEpoch(OutPoint),
    /// It leaves out what it needs, or says something else than it should.
    #[error("the PSBT {0}; take the one that `prepare` wrote")]
    Layout(&'static str),
    /// It breaks a rule of the vault.
    #[error("it breaks a rule of the vault: {0}; do not sign it")]
    Fault(#[from] VaultFault),
    /// The key is none of the leaf's.
    #[error("the key {key} is none of the {leaf} leaf's; use the file of one of those")]
    WrongKey {
        /// The key.
        key: Box<XOnlyPublicKey>,
        /// The leaf.
        leaf: &'static str,
    },
    /// The key holds none of the fee coins.
    #[error("the key {0} holds none of the fee coins that are spent; use the key file that does")]
    NoCoin(Box<XOnlyPublicKey>),
    /// A signature that is not what it should be.
    #[error("the signature of {0} is not valid for this transaction; have it signed anew")]
    BadSignature(Box<XOnlyPublicKey>),
    /// Parts of different transactions.
    #[error("these are different transactions; combine copies of one that `prepare` wrote")]
    Different,
    /// Too few have signed.
    #[error("the {leaf} leaf takes {needed} signatures and has {given}; {} can still sign", keys(.missing))]
    TooFew {
        /// The leaf.
        leaf: &'static str,
        /// Signatures there are.
        given: usize,
        /// Signatures it takes.
        needed: u16,
        /// Keys that have not signed.
        missing: Vec<XOnlyPublicKey>,
    },
    /// A fee coin that nobody signed for.
    #[error("fee coin {0} is not signed; let its owner sign, or `sign --fee-key-file`")]
    CoinUnsigned(OutPoint),
    /// The vault has not rested for long enough.
    #[error(
        "the {leaf} leaf opens {timelock} blocks after the vault's last transaction: {left} are left; send it then"
    )]
    Locked {
        /// The leaf.
        leaf: &'static str,
        /// Its timelock.
        timelock: u16,
        /// Blocks to wait.
        left: u32,
    },
    /// The vault's output is spent, or bitcoind does not know it.
    #[error(
        "bitcoind has no unspent vault output {0}: the vault moved, or bitcoind or the state is behind; let both \
         catch up, then prepare anew"
    )]
    Moved(OutPoint),
    /// bitcoind refuses the transaction.
    #[error("bitcoind refuses the transaction: {0}; nothing was sent")]
    Refused(String),
    /// bitcoind gave no answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A fee coin with a signature of another key.
    #[error("fee coin {0} is signed by another key than its own; let its owner sign")]
    CoinSignature(OutPoint),
}

fn keys(keys: &[XOnlyPublicKey]) -> String {
    keys.iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// A word for a leaf.
#[must_use]
pub fn leaf_name(leaf: VaultLeaf) -> &'static str {
    match leaf {
        VaultLeaf::Backup => "backup",
        VaultLeaf::Recovery => "recovery",
    }
}

/// Who pays the miners.
#[derive(Clone, Copy, Debug)]
pub struct FeeSource<'a> {
    /// Confirmed outputs, each of a Taproot key.
    pub coins: &'a [Coin],
    /// The rate to pay.
    pub rate: FeeRate,
    /// Where change goes.
    pub change: &'a Script,
}

/// What a rescue does, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Whose vault it is: the number of the federation's epoch.
    pub epoch: u32,
    /// The epoch that it is handed over to; without one it stays where it is.
    pub next: Option<Epoch>,
    /// The hash of that epoch.
    pub next_hash: Option<EpochHash>,
    /// By which leaf.
    pub leaf: VaultLeaf,
    /// The transaction.
    pub txid: Txid,
    /// The vault's output that it spends.
    pub vault: OutPoint,
    /// What that holds.
    pub before: Amount,
    /// What the vault holds afterwards.
    pub after: Amount,
    /// What miners get.
    pub fee: u64,
    /// The rate that this makes.
    pub rate: FeeRate,
    /// Fee coins spent, each with what it holds.
    pub coins: Vec<(OutPoint, u64)>,
    /// Where change goes, and how much.
    pub change: Option<(ScriptBuf, u64)>,
    /// Blocks that the vault must have rested.
    pub timelock: u16,
    /// Signatures it takes.
    pub needed: u16,
    /// Who has signed.
    pub signed: Vec<XOnlyPublicKey>,
    /// Who has not.
    pub missing: Vec<XOnlyPublicKey>,
}
