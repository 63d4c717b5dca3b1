//! Answers about epochs of the federation: what a wallet follows from `chain.json` to the one in office.

use serde::{Deserialize, Serialize};
use tacit_protocol::peg::Announcement;

use super::codec;

/// An epoch after the first, as the federation before it announced it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EpochDetails {
    /// Its number.
    pub number: u32,
    /// Height of the rotation that began it; while it waits, of the block that holds the announcement.
    pub height: u32,
    /// The announcement's canonical bytes.
    #[serde(with = "codec")]
    pub announcement: Announcement,
}

/// Answer of `epochs`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Epochs {
    /// Those after the first that have begun, in order; the last one is in office.
    pub begun: Vec<EpochDetails>,
    /// Those that are announced and may begin next: at most one of them does.
    pub waiting: Vec<EpochDetails>,
}
