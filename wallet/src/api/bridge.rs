//! What the bridge does and why anything waits: for operators.

use bitcoin::Txid;
use serde::{Deserialize, Serialize};
use tacit_protocol::Amount;
use tacit_protocol::peg::FeeRate;

/// Answer of `bridgeStatus`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BridgeStatus {
    /// What becomes of the anchors.
    pub anchor: AnchorActivity,
    /// What the vault does.
    pub vault: VaultActivity,
    /// Withdrawals that wait, ascending, with the reason.
    pub queue: Vec<Queued>,
    /// What miners are paid now.
    pub fee_rate: FeeRate,
    /// Where that rate comes from; says so when the ceiling holds it down.
    pub fee_origin: String,
    /// Whether the ceiling holds the rate down; transactions may wait then.
    pub fee_ceiling_reached: bool,
    /// Whose anchors the chain takes.
    pub office: OfficeStatus,
    /// Whose vault it is, and which federation comes next.
    pub epoch: EpochStatus,
    /// The federation's signing rounds; none while one local key signs.
    pub federation: Option<FederationStatus>,
}

/// Whose anchors the chain takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OfficeStatus {
    /// The anchor key of the sequencer in office.
    pub sequencer: Option<String>,
    /// Whether that is this one, and it can go on.
    pub in_office: bool,
    /// Whether this one is to take over when the anchor chain has failed.
    pub takes_over: bool,
    /// Why the anchor chain could be begun anew, if it could.
    pub reset: Option<String>,
}

/// Whose vault it is, and which federation comes next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EpochStatus {
    /// The number of the epoch in office.
    pub number: u32,
    /// Hash of the epoch that is to come, 64 hexadecimal digits, if a federation is to come.
    pub next: Option<String>,
    /// How far that is in one word, one of [`Self::STATES`].
    pub state: String,
    /// Why it waits, or where it is.
    pub reason: Option<String>,
}

impl EpochStatus {
    /// All words that [`Self::state`] can be.
    pub const STATES: [&str; 8] = [
        "starting",
        "inOffice",
        "unsigned",
        "outOfCoins",
        "posted",
        "stuck",
        "announced",
        "handingOver",
    ];

    /// Of a node that has not looked yet.
    #[must_use]
    pub fn starting(number: u32, reason: Option<String>) -> Self {
        Self {
            number,
            next: None,
            state: "starting".into(),
            reason,
        }
    }
}

/// What becomes of the anchors at the moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnchorActivity {
    /// In one word, one of [`Self::STATES`].
    pub state: String,
    /// Where it stands, or why it waits.
    pub reason: Option<String>,
    /// The transaction in question, which reveals the batches.
    pub txid: Option<Txid>,
}

impl AnchorActivity {
    /// All words that [`Self::state`] can be.
    pub const STATES: [&str; 14] = [
        "starting",
        "outOfOffice",
        "idle",
        "proving",
        "sent",
        "inMempool",
        "bumped",
        "replanned",
        "confirmed",
        "contested",
        "beaten",
        "stuck",
        "outOfCoins",
        "failing",
    ];
}

/// What the vault does at the moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VaultActivity {
    /// In one word, one of [`Self::STATES`].
    pub state: String,
    /// Why, if it waits for something.
    pub reason: Option<String>,
    /// The transaction in question.
    pub txid: Option<Txid>,
    /// The last vault transaction that this sequencer sent.
    pub last_sent: Option<Txid>,
}

impl VaultActivity {
    /// All words that [`Self::state`] can be.
    pub const STATES: [&str; 13] = [
        "starting",
        "idle",
        "sent",
        "inMempool",
        "bumped",
        "lifted",
        "resent",
        "confirmed",
        "stuck",
        "outOfCoins",
        "halted",
        "unsigned",
        "failing",
    ];
}

/// A withdrawal that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Queued {
    /// Its index.
    pub index: u64,
    /// What left the shielded supply.
    pub amount: Amount,
    /// Why it waits.
    pub reason: String,
}

/// The federation, as its coordinator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FederationStatus {
    /// Members that it takes to sign.
    pub threshold: u16,
    /// Rounds that ended with signatures.
    pub rounds_signed: u64,
    /// Rounds that failed.
    pub rounds_failed: u64,
    /// Attempts in all of them together.
    pub attempts: u64,
    /// The members.
    pub signers: Vec<SignerHealth>,
}

/// A member of the federation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignerHealth {
    /// Its number.
    pub member: u16,
    /// Its name.
    pub name: String,
    /// One of [`Self::STATES`].
    pub state: String,
    /// Why, if it is not ready.
    pub reason: Option<String>,
    /// Height of the last block that it has verified.
    pub height: Option<u32>,
    /// Requests that it signed since it was started.
    pub signed: Option<u64>,
    /// Requests that it refused since it was started.
    pub refused: Option<u64>,
    /// Rounds that it was excluded from.
    pub excluded: u64,
    /// Why it was excluded the last time.
    pub last_exclusion: Option<String>,
}

impl SignerHealth {
    /// All words that [`Self::state`] can be.
    pub const STATES: [&str; 6] = ["ready", "behind", "paused", "halted", "unreachable", "unknown"];
}
