//! Money comes in: `deposit`, and its `status`, `register`, `refund`.

use bitcoin::OutPoint;
use rand::rngs::OsRng;
use serde_json::json;
use tacit_protocol::peg::FeeRate;
use tacit_protocol::peg::fees::MIN_DEPOSIT;
use tacit_wallet::api::{ApiError, ForcedQuery, ForcedRequestStatus, NodeApi};
use tacit_wallet::builder::exit::parse_address;
use tacit_wallet::{DepositOutput, DepositProgress, Wallet, WalletError};

use super::LookArgs;
use super::looking::print_forced;
use super::shell::{Shell, say};
use crate::printable::printable;
use crate::progress::bar;

/// `tacit wallet deposit`.
pub(super) fn address(shell: &Shell<'_>) -> anyhow::Result<()> {
    let mut wallet = shell.open_any()?;
    learn_epochs(shell, &mut wallet)?;
    let offer = wallet.new_deposit(&mut OsRng).map_err(say)?;
    let timelock = wallet.params().genesis().refund_timelock;
    let value = json!({
        "index": offer.index,
        "epoch": offer.epoch,
        "address": offer.address.to_string(),
        "minimum": MIN_DEPOSIT,
        "refundTimelock": timelock,
    });
    shell.answer(&value, || {
        println!("{}", offer.address);
        eprintln!(
            "Pay {MIN_DEPOSIT} sat or more to it, then run `tacit wallet sync`. A share of the miner's fee comes\n\
             off. What is not credited can be taken back after {timelock} blocks."
        );
    });
    Ok(())
}

/// Asks whom deposits are paid to now. Without a node the wallet goes by what it knows.
fn learn_epochs(shell: &Shell<'_>, wallet: &mut Wallet) -> anyhow::Result<()> {
    let learnt = wallet.learn_epochs(&shell.client()?, &mut OsRng);
    match learnt {
        Ok(_) => Ok(()),
        Err(WalletError::Api(error @ ApiError::Transport(_))) => {
            eprintln!(
                "warning: {error}. The address is for epoch {} of the federation, the last one known here; a\n\
                 deposit to one that handed the vault over is not credited and has to be taken back.",
                wallet.epoch().number
            );
            Ok(())
        }
        Err(error) => Err(say(error)),
    }
}

/// `tacit wallet deposit status`.
pub(super) fn status(shell: &Shell<'_>, look: LookArgs) -> anyhow::Result<()> {
    if !look.offline {
        return register(shell);
    }
    list(shell, &shell.open_any()?, &[]);
    Ok(())
}

/// `tacit wallet deposit register`.
pub(super) fn register(shell: &Shell<'_>) -> anyhow::Result<()> {
    let mut wallet = shell.open_any()?;
    let node = shell.client()?;
    // Whether a deposit is credited stands in the batches.
    shell.sync(&mut wallet, &node).map_err(say)?;
    refresh(&mut wallet, &node).map_err(say)?;
    let forced = forced(&wallet, &node)?;
    list(shell, &wallet, &forced);
    Ok(())
}

/// Looks for deposits and registers them, with a bar: bitcoind may scan all its coins for it.
pub(super) fn refresh(wallet: &mut Wallet, node: &dyn NodeApi) -> Result<(), WalletError> {
    let bar = bar("looking for deposits", 1);
    let outcome = wallet.refresh_deposits(node, &mut OsRng).map(|_| ());
    bar.finish_and_clear();
    outcome
}

/// The claims that were posted on Bitcoin of deposits that are swept and not credited.
fn forced(wallet: &Wallet, node: &dyn NodeApi) -> anyhow::Result<Vec<ForcedRequestStatus>> {
    let mut found = Vec::new();
    for deposit in wallet.deposits() {
        if matches!(deposit.progress, DepositProgress::Swept { .. }) {
            let query = ForcedQuery::Outpoint(deposit.outpoint);
            found.extend(node.forced_status(query).map_err(say)?);
        }
    }
    Ok(found)
}

fn list(shell: &Shell<'_>, wallet: &Wallet, forced: &[ForcedRequestStatus]) {
    let deposits = wallet.deposits();
    shell.answer(&json!({ "deposits": deposits, "forced": forced }), || {
        if deposits.is_empty() {
            println!("no deposits; `tacit wallet deposit` shows an address to pay to");
        }
        print(deposits);
        print_forced(forced);
    });
}

/// One line for every deposit, in the order of their addresses.
pub(super) fn print(deposits: &[DepositOutput]) {
    let mut sorted: Vec<&DepositOutput> = deposits.iter().collect();
    sorted.sort_by_key(|deposit| (deposit.index, deposit.height));
    for deposit in sorted {
        let state = match &deposit.progress {
            DepositProgress::Found => "found, not registered".to_owned(),
            DepositProgress::Registered { note } => format!("registered: {}", printable(note)),
            DepositProgress::TooLate { opens } => format!(
                "too late: its federation had handed the vault over; take it back from block {opens} on \
                 (`tacit wallet deposit refund`)"
            ),
            DepositProgress::Swept { txid } => format!("swept by {txid}, waits to be credited"),
            DepositProgress::Credited { batch } => format!("credited in batch {batch}"),
            DepositProgress::Refunding { txid } => {
                format!("being taken back by {txid}, which is in no block yet")
            }
            DepositProgress::Refunded { txid } => format!("taken back by {txid}"),
        };
        let DepositOutput {
            index,
            outpoint,
            amount,
            height,
            ..
        } = deposit;
        println!("deposit {index} {amount} block {height} {outpoint}: {state}");
    }
}

/// `tacit wallet deposit refund`.
pub(super) fn refund(
    shell: &Shell<'_>,
    outpoint: OutPoint,
    address: &str,
    fee_rate: Option<u32>,
) -> anyhow::Result<()> {
    let params = shell.chain()?;
    parse_address(address, params.genesis().network).map_err(say)?;
    let rate = match fee_rate {
        Some(rate) => Some(
            FeeRate::from_sat_per_vb(rate)
                .filter(|rate| *rate > FeeRate::default())
                .ok_or_else(|| say(format!("a fee rate of {rate} sat/vB is impossible; try 5")))?,
        ),
        None => None,
    };
    let mut wallet = shell.open(params)?;
    let node = shell.client()?;
    let rate = match rate {
        Some(rate) => rate,
        None => {
            node.fee_estimate()
                .map_err(|error| say(format!("{error}; or pass --fee-rate")))?
                .bitcoin_rate
        }
    };
    if !wallet
        .deposits()
        .iter()
        .any(|deposit| deposit.outpoint == outpoint)
    {
        refresh(&mut wallet, &node).map_err(say)?;
    }
    let txid = wallet
        .refund_deposit(&node, outpoint, (address, rate), &mut OsRng)
        .map_err(say)?;
    shell.answer(&json!({ "txid": txid }), || {
        println!("sent {txid}; the deposit is taken back once that is in a block");
    });
    Ok(())
}
