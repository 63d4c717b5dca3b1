//! The node's JSON-RPC over HTTP and WebSocket: [`server`] serves a [`tacit_wallet::api::NodeApi`],
//! [`client`] is one.
//!
//! Methods, data types and error numbers are the wallet's (`tacit_wallet::api`); here they only get
//! a transport with limits. Every method carries the prefix `tacit_`. Specification:
//! `docs/spec/rpc.md`.

pub mod client;
mod connections;
pub mod server;

#[cfg(test)]
pub(crate) mod tests;

/// Prefix of every method.
pub const PREFIX: &str = "tacit_";
