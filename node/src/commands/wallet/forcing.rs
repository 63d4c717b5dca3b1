//! Without the sequencer: `force-exit`, `deposit force` and `raise-fee`.
//!
//! The node that is asked may be any full node: it says what the chain holds, finds the coins that pay for
//! posting, and sends two transactions to Bitcoin. No sequencer has a say. Asking again goes on where the
//! last attempt stopped and posts the same request.

use anyhow::anyhow;
use bitcoin::consensus::encode::serialize_hex;
use bitcoin::{OutPoint, Transaction};
use rand::rngs::OsRng;
use serde_json::{Value, json};
use tacit_protocol::Amount;
use tacit_protocol::peg::FeeRate;
use tacit_wallet::api::{NodeApi, WithdrawalQuery};
use tacit_wallet::builder::exit::{fee_limit, parse_address};
use tacit_wallet::{Forced, Payment, Posted, Raised};

use super::paying::Till;
use super::shell::{Shell, say};
use super::{ForceOptions, PayOptions, PostOptions};

/// `tacit wallet force-exit`.
pub(super) fn exit(
    shell: &Shell<'_>,
    address: &str,
    amount: Amount,
    options: &ForceOptions,
) -> anyhow::Result<()> {
    let params = shell.chain()?;
    let window = params.genesis().forced_window;
    let to = parse_address(address, params.genesis().network).map_err(say)?;
    let given = given_rate(options.post.fee_rate)?;
    let mut wallet = shell.open(params)?;
    let node = shell.client()?;
    shell.sync(&mut wallet, &node).map_err(say)?;
    let rate = rate(&node, given)?;
    let max_l1_fee = fee_limit(amount, &to, rate, options.max_l1_fee).map_err(say)?;
    let payment = Payment::Withdraw {
        amount,
        to,
        max_l1_fee,
    };
    let pay = PayOptions {
        max_fee: None,
        merge: false,
    };
    let till = Till::new(shell, &wallet, &node, pay)?;
    let forced = wallet
        .force(&mut till.session(&mut OsRng), &payment)
        .map_err(say)?;
    let posted = wallet
        .post(&node, forced.txid, (rate, !options.post.print), &mut OsRng)
        .map_err(say)?;
    report(shell, &forced, &posted, (options.post.print, window));
    Ok(())
}

/// `tacit wallet deposit force`.
pub(super) fn claim(
    shell: &Shell<'_>,
    outpoint: OutPoint,
    PostOptions { fee_rate, print }: PostOptions,
) -> anyhow::Result<()> {
    let params = shell.chain()?;
    let window = params.genesis().forced_window;
    let given = given_rate(fee_rate)?;
    let mut wallet = shell.open(params)?;
    let node = shell.client()?;
    shell.sync(&mut wallet, &node).map_err(say)?;
    let rate = rate(&node, given)?;
    if !wallet
        .deposits()
        .iter()
        .any(|deposit| deposit.outpoint == outpoint)
    {
        wallet.refresh_deposits(&node, &mut OsRng).map_err(say)?;
    }
    let posted = wallet
        .force_claim(&node, outpoint, (rate, !print), &mut OsRng)
        .map_err(say)?;
    let [commit, reveal] = [&posted.commit, &posted.reveal].map(transaction);
    let value =
        json!({ "outpoint": outpoint, "commit": commit, "reveal": reveal, "sent": !print, "window": window });
    shell.answer(&value, || {
        println!("claim of deposit {outpoint}");
        list(&posted, print);
        say_due(window);
    });
    Ok(())
}

/// `tacit wallet raise-fee`.
pub(super) fn raise(
    shell: &Shell<'_>,
    query: WithdrawalQuery,
    max: Amount,
    PostOptions { fee_rate, print }: PostOptions,
) -> anyhow::Result<()> {
    let params = shell.chain()?;
    let depth = params.genesis().finality_depth;
    let given = given_rate(fee_rate)?;
    let mut wallet = shell.open(params)?;
    let node = shell.client()?;
    shell.sync(&mut wallet, &node).map_err(say)?;
    let rate = rate(&node, given)?;
    let raised = wallet
        .raise_fee(&node, query, max, (rate, !print), &mut OsRng)
        .map_err(say)?;
    let Raised {
        withdrawal, posted, ..
    } = &raised;
    let [commit, reveal] = [&posted.commit, &posted.reveal].map(transaction);
    let value = json!({
        "index": withdrawal.index,
        "txid": withdrawal.txid.to_string(),
        "before": withdrawal.max_l1_fee,
        "maxL1Fee": raised.max,
        "commit": commit,
        "reveal": reveal,
        "sent": !print,
        "depth": depth,
    });
    shell.answer(&value, || {
        let (index, before) = (withdrawal.index, withdrawal.max_l1_fee);
        println!("of withdrawal {index} miners may take {} instead of {before}", raised.max);
        list(posted, print);
        println!("it is in force when the reveal's block is {depth} deep; `tacit wallet withdrawal` says how far it is");
    });
    Ok(())
}

fn given_rate(rate: Option<u32>) -> anyhow::Result<Option<FeeRate>> {
    let read = |rate| {
        FeeRate::from_sat_per_vb(rate)
            .filter(|rate| *rate > FeeRate::default())
            .ok_or_else(|| anyhow!("a fee rate of {rate} sat/vB is impossible; try 5"))
    };
    rate.map(read).transpose()
}

/// The rate that was given, or the node's estimate.
fn rate(node: &dyn NodeApi, given: Option<FeeRate>) -> anyhow::Result<FeeRate> {
    match given {
        Some(rate) => Ok(rate),
        None => Ok(node
            .fee_estimate()
            .map_err(|error| say(format!("{error}; or pass --fee-rate")))?
            .bitcoin_rate),
    }
}

fn transaction(tx: &Transaction) -> Value {
    json!({ "txid": tx.compute_txid(), "hex": serialize_hex(tx) })
}

/// The transactions for people.
fn list(posted: &Posted, print: bool) {
    for (name, tx) in [("commit", &posted.commit), ("reveal", &posted.reveal)] {
        if print {
            println!("{name}, to be sent in this order:\n{}", serialize_hex(tx));
        } else {
            println!("{name} {} sent to Bitcoin", tx.compute_txid());
        }
    }
}

/// When a batch has to honour a request.
fn say_due(window: u16) {
    println!(
        "it is due {window} blocks after the reveal's block: no batch on an anchor from then on is valid without it"
    );
}

fn report(shell: &Shell<'_>, forced: &Forced, posted: &Posted, (print, window): (bool, u16)) {
    let value = json!({
        "txid": forced.txid.to_string(),
        "amount": forced.amount,
        "fee": forced.fee,
        "change": forced.change,
        "anchor": forced.anchor,
        "commit": transaction(&posted.commit),
        "reveal": transaction(&posted.reveal),
        "sent": !print,
        "window": window,
    });
    shell.answer(&value, || {
        println!(
            "{} leave by transfer {} for a fee of {}",
            forced.amount, forced.txid, forced.fee
        );
        list(posted, print);
        say_due(window);
        println!("`tacit wallet withdrawal` says how far it is");
    });
}
