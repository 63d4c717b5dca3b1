//! Checks that the genesis outputs are on Bitcoin as `chain.json` says.
//!
//! The fold starts from these two outputs without seeing them: a file that names others would show
//! reserves that nobody holds.

use anyhow::{Context, ensure};
use bitcoin::{OutPoint, TxOut};
use tacit_bridge::client::BitcoinClient;
use tacit_protocol::params::ChainParams;
use tacit_protocol::peg::anchor::ANCHOR_AMOUNT;

/// Looks both outputs up in the block that the chain starts after.
///
/// # Errors
/// If an output is absent or pays to another script or amount, or bitcoind fails.
pub(crate) fn check(client: &dyn BitcoinClient, params: &ChainParams) -> anyhow::Result<()> {
    let genesis = params.genesis();
    let anchor = TxOut {
        value: ANCHOR_AMOUNT,
        script_pubkey: genesis.anchor_keys().script_pubkey(),
    };
    let vault = TxOut {
        value: bitcoin::Amount::from_sat(genesis.vault_amount.to_sat()),
        script_pubkey: genesis.vault_keys().script_pubkey(),
    };
    check_output(client, params, "anchor", genesis.anchor, &anchor)?;
    check_output(client, params, "vault", genesis.vault, &vault)
}

fn check_output(
    client: &dyn BitcoinClient,
    params: &ChainParams,
    name: &str,
    outpoint: OutPoint,
    expected: &TxOut,
) -> anyhow::Result<()> {
    let block = &params.genesis().start_hash;
    let tx = client
        .transaction(&outpoint.txid, Some(block))
        .with_context(|| format!("cannot look up the genesis {name} in block {block}"))?;
    let found = tx.as_ref().and_then(|tx| tx.output.get(outpoint.vout as usize));
    ensure!(
        found == Some(expected),
        "the genesis {name} {outpoint} is not in block {block} as chain.json says; \
         is this the chain.json of your chain, and bitcoind on its network?"
    );
    Ok(())
}

#[cfg(test)]
mod tests;
