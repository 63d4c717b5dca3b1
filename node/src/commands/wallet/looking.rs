//! What a wallet shows: `address`, `balance`, `history`, `sync`, `fee-key`, `withdrawal`.

use rand::rngs::OsRng;
use serde_json::{Value, json};
use tacit_protocol::field;
use tacit_wallet::api::{
    ApiError, ForcedQuery, ForcedRequestStatus, NodeApi, TransferStatus, WithdrawalQuery, WithdrawalState,
    WithdrawalStatus,
};
use tacit_wallet::{Entry, EntryState, EventKind, MemoRecord};

use super::shell::{Shell, say};
use super::{LookArgs, depositing};
use crate::commands::bridge::describe;
use crate::printable::printable;

/// `tacit wallet address`.
pub(super) fn address(shell: &Shell<'_>, index: Option<u64>) -> anyhow::Result<()> {
    let mut wallet = shell.open_any()?;
    let (index, address) = match index {
        Some(index) => (index, wallet.address(index)),
        None => wallet.new_address(&mut OsRng).map_err(say)?,
    };
    let text = wallet.address_text(&address);
    shell.answer(&json!({ "index": index, "address": text }), || println!("{text}"));
    Ok(())
}

/// `tacit wallet balance`.
pub(super) fn balance(shell: &Shell<'_>, look: LookArgs) -> anyhow::Result<()> {
    let mut wallet = shell.open_any()?;
    let synced = shell.sync_if_possible(&mut wallet, look.offline)?;
    let (balance, spendable) = (wallet.balance(), wallet.spendable_amount());
    let value = json!({
        "synced": synced,
        "batch": wallet.batch(),
        "total": balance.total(),
        "confirmed": balance.confirmed,
        "soft": balance.soft,
        "pendingChange": balance.pending_change,
        "pendingDeposits": balance.pending_deposits,
        "spendable": spendable,
    });
    shell.answer(&value, || {
        let line = |name: &str, v: tacit_protocol::Amount, what: &str| {
            println!(
                "{}",
                format!("{name:<16}{:>18} sat  {what}", v.to_sat()).trim_end()
            );
        };
        line("total", balance.total(), "");
        line("confirmed", balance.confirmed, "deep in Bitcoin");
        line("soft", balance.soft, "in batches that are pending or young");
        line(
            "pending change",
            balance.pending_change,
            "comes back with the next batch",
        );
        line(
            "pending deposits",
            balance.pending_deposits,
            "on Bitcoin, not credited yet, shares not deducted",
        );
        println!("as of batch {}", wallet.batch());
    });
    Ok(())
}

/// `tacit wallet history`.
pub(super) fn history(shell: &Shell<'_>, look: LookArgs) -> anyhow::Result<()> {
    let mut wallet = shell.open_any()?;
    let synced = shell.sync_if_possible(&mut wallet, look.offline)?;
    let entries = wallet.history();
    let value = json!({
        "synced": synced,
        "batch": wallet.batch(),
        "entries": entries.iter().map(entry_json).collect::<anyhow::Result<Vec<_>>>()?,
    });
    shell.answer(&value, || {
        if entries.is_empty() {
            println!("nothing happened yet");
        }
        entries.iter().for_each(print_entry);
    });
    Ok(())
}

fn entry_json(entry: &Entry) -> anyhow::Result<Value> {
    let mut value = serde_json::to_value(&entry.what)?;
    value["txid"] = json!(entry.txid.map(|txid| txid.to_string()));
    value["amount"] = json!(entry.amount);
    value["fee"] = json!(entry.fee);
    value["batch"] = json!(entry.batch);
    match &entry.memo {
        Some(MemoRecord::Text(text)) => value["memo"] = json!(text.as_str()),
        Some(MemoRecord::Unreadable(reason)) => value["memoError"] = json!(reason),
        None => {}
    }
    value["confirmation"] = match &entry.state {
        EntryState::Sent => json!({ "state": "sent" }),
        EntryState::Refused { until } => json!({ "state": "refused", "until": until }),
        EntryState::Pending => json!({ "state": "pending" }),
        EntryState::Anchored {
            block,
            depth,
            is_final,
        } => json!({
            "state": "anchored",
            "height": block.height,
            "block": block.block,
            "time": block.time,
            "depth": depth,
            "final": is_final,
        }),
    };
    Ok(value)
}

fn print_entry(entry: &Entry) {
    let state = match &entry.state {
        EntryState::Sent => "sent".to_owned(),
        EntryState::Refused { until } => format!("refused, void after batch {until}"),
        EntryState::Pending => "in a batch".to_owned(),
        EntryState::Anchored {
            block,
            is_final: true,
            ..
        } => format!("final, block {}", block.height),
        EntryState::Anchored {
            block,
            depth,
            is_final: false,
        } => {
            format!("block {}, {depth} deep", block.height)
        }
    };
    let batch = entry
        .batch
        .map_or_else(|| "-".to_owned(), |batch| batch.to_string());
    let (sign, what) = match &entry.what {
        EventKind::Received { address } => ('+', format!("received at address {address}")),
        EventKind::Sent {
            recipient: Some(recipient),
        } => ('-', format!("sent to {recipient}")),
        EventKind::Sent { recipient: None } => ('-', "sent".to_owned()),
        EventKind::Merged => (' ', "paid to itself".to_owned()),
        EventKind::Deposited { index } => ('+', format!("deposit {index} credited")),
        EventKind::Withdrew { address, .. } => ('-', format!("withdrew to {address}")),
        EventKind::Fees => ('+', "fees of a batch".to_owned()),
    };
    let (amount, fee) = (entry.amount.to_sat(), entry.fee.to_sat());
    println!("batch {batch:>7}  {sign}{amount:>15} sat  fee {fee:>6}  {state:<20}  {what}");
    if let Some(txid) = entry.txid {
        println!("               {txid}");
    }
    if let Some(line) = entry.memo.as_ref().map(memo_line) {
        println!("               {line}");
    }
}

/// A memo for people. Strangers write memos: what could steer a terminal is escaped.
fn memo_line(memo: &MemoRecord) -> String {
    match memo {
        MemoRecord::Text(text) => format!("memo {text}"),
        MemoRecord::Unreadable(reason) => format!("with a memo that cannot be read: {reason}"),
    }
}

/// `tacit wallet sync`.
pub(super) fn sync(shell: &Shell<'_>) -> anyhow::Result<()> {
    let mut wallet = shell.open_any()?;
    let node = shell.client()?;
    let report = shell.sync(&mut wallet, &node).map_err(say)?;
    // A node that takes no deposits can still be followed.
    let deposits_error = match depositing::refresh(&mut wallet, &node) {
        Ok(()) => None,
        Err(tacit_wallet::WalletError::Api(error)) => Some(error.to_string()),
        Err(other) => return Err(say(other)),
    };
    let dropped: Vec<Value> = report
        .dropped
        .iter()
        .map(|dropped| json!({ "txid": dropped.txid.to_string(), "reason": dropped.reason }))
        .collect();
    let takeover = report.takeover.as_ref().map(|takeover| {
        let void: Vec<String> = takeover.void.iter().map(ToString::to_string).collect();
        json!({ "sequencer": takeover.sequencer.to_string(), "void": void })
    });
    let value = json!({
        "batch": report.batch,
        "scanned": report.scanned,
        "rolledBackTo": report.rolled_back_to,
        "dropped": dropped,
        "takeover": takeover,
        "nodeBehind": report.node_behind,
        "deposits": wallet.deposits(),
        "depositsError": deposits_error,
        "total": wallet.balance().total(),
    });
    shell.answer(&value, || {
        if let Some(batch) = report.rolled_back_to {
            println!("the chain changed after batch {batch}; what came after it was read anew");
        }
        if let Some(takeover) = &report.takeover {
            println!(
                "another sequencer is in office: {}. What the one before promised is void; {} of your transfers \
                 not on Bitcoin had its receipt and are handed in again",
                takeover.sequencer,
                takeover.void.len()
            );
        }
        for dropped in &report.dropped {
            println!(
                "transfer {} counts as not sent: {}; the next payment spends its notes, so that \
                 at most one of them is included",
                dropped.txid,
                printable(&dropped.reason)
            );
        }
        println!(
            "at batch {}, {} read, {} in all",
            report.batch,
            report.scanned,
            wallet.balance().total()
        );
        depositing::print(wallet.deposits());
    });
    if report.node_behind {
        eprintln!(
            "warning: {} is still behind Bitcoin; sync again when it is done",
            shell.node()
        );
    }
    if let Some(error) = deposits_error {
        eprintln!("warning: deposits were not looked after: {}", printable(&error));
    }
    Ok(())
}

/// `tacit wallet fee-key`.
pub(super) fn fee_key(shell: &Shell<'_>) -> anyhow::Result<()> {
    let wallet = shell.open_any()?;
    let address = wallet.keys().viewing().incoming().internal_address();
    let key = hex::encode(field::to_bytes(&address.pk_d()));
    shell.answer(&json!({ "feeKey": key }), || println!("{key}"));
    Ok(())
}

/// Reads which withdrawal is meant: its number, or the transfer that ordered it.
pub(super) fn query(text: &str) -> Result<WithdrawalQuery, String> {
    let number = text.parse().map(WithdrawalQuery::Index);
    number.or_else(|_| text.parse().map(WithdrawalQuery::Txid)).map_err(|_| {
        format!("{text:?} is neither a withdrawal's number nor the identifier of a transfer; `history` lists them")
    })
}

/// `tacit wallet withdrawal`.
pub(super) fn withdrawal(shell: &Shell<'_>, query: WithdrawalQuery) -> anyhow::Result<()> {
    let node = shell.client()?;
    let found = node.withdrawal_status(query);
    let transfer = match (&found, query) {
        (Ok(found), _) => Some(found.txid),
        (Err(_), WithdrawalQuery::Txid(id)) => Some(id),
        (Err(_), WithdrawalQuery::Index(_)) => None,
    };
    let forced = match transfer {
        Some(id) => node.forced_status(ForcedQuery::Txid(id)).map_err(say)?,
        None => Vec::new(),
    };
    // It gets its number with its batch; before that only the transfer is known.
    let unordered = transfer.filter(|_| matches!(found, Err(ApiError::NotFound { .. })));
    if let Some(id) = unordered
        && node.transfer_status(id).map_err(say)? == TransferStatus::Pending
    {
        shell.answer(
            &json!({ "txid": id.to_string(), "status": { "state": "pending" }, "forced": forced }),
            || {
                println!("its transfer waits for a batch");
                print_forced(&forced);
            },
        );
        return Ok(());
    }
    if let Some(id) = unordered.filter(|_| !forced.is_empty()) {
        shell.answer(
            &json!({ "txid": id.to_string(), "status": { "state": "forced" }, "forced": forced }),
            || {
                println!("its transfer is in no batch");
                print_forced(&forced);
            },
        );
        return Ok(());
    }
    let found = found.map_err(say)?;
    let mut value = serde_json::to_value(&found)?;
    value["forced"] = json!(forced);
    shell.answer(&value, || {
        print_withdrawal(&found);
        print_forced(&forced);
    });
    Ok(())
}

/// A line for each request that was posted on Bitcoin.
pub(super) fn print_forced(requests: &[ForcedRequestStatus]) {
    for request in requests {
        println!("forced: {}", describe(request));
    }
}

fn print_withdrawal(found: &WithdrawalStatus) {
    let WithdrawalStatus {
        index, amount, batch, ..
    } = found;
    println!("withdrawal {index} of {amount}, ordered in batch {batch}");
    match &found.status {
        WithdrawalState::Burying { depth, needed } => {
            println!("its batch is {} of {needed} blocks deep", depth.min(needed));
        }
        WithdrawalState::Eligible => println!("it is paid with the next vault transaction"),
        WithdrawalState::Held { share } => println!(
            "it waits: its share of the miner's fee would be {share}, its limit is {}; `tacit wallet raise-fee` raises \
             the limit",
            found.max_l1_fee
        ),
        WithdrawalState::Paid {
            txid,
            vout,
            amount,
            height,
        } => {
            let place = height.map_or("no block yet".to_owned(), |height| format!("block {height}"));
            println!("{amount} are paid by {txid}:{vout}, in {place}");
        }
    }
    if let Some(raise) = &found.raise {
        println!(
            "a raise of its limit from {} to {} stands in block {} and is in force from block {} on",
            found.max_l1_fee, raise.max_l1_fee, raise.height, raise.counts_at
        );
    }
}

#[cfg(test)]
mod tests;
