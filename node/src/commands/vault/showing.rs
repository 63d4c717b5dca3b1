//! What people are told of a rescue: what it does, who has signed, who is missing.

use std::collections::BTreeMap;

use anyhow::anyhow;
use bitcoin::{Address, XOnlyPublicKey};
use serde::Serialize;
use tacit_bridge::rescue::{RescueError, Summary, leaf_name};
use tacit_protocol::Network;

use crate::config::Config;
use crate::federation::file::Federation;
use crate::printable::printable;

/// The members' names by their backup keys, as far as a federation file tells them.
#[derive(Clone, Debug, Default)]
pub(super) struct Names(BTreeMap<XOnlyPublicKey, String>);

impl Names {
    /// From the federation files that the configuration names; none without: a name is a courtesy.
    pub(super) fn of(config: &Config) -> Self {
        let signer = config.signer.iter().map(|own| &own.federation_file);
        let sequencer = config.sequencer.iter();
        let coordinated = sequencer.flat_map(|own| {
            let more = own.more_federations.iter().map(|files| &files.federation_file);
            own.federation_file.iter().chain(more)
        });
        let files = signer.chain(coordinated);
        let federations: Vec<_> = files.filter_map(|path| Federation::load(path).ok()).collect();
        let members = federations.iter().flat_map(|federation| federation.members());
        Self(
            members
                .map(|member| (member.backup_key, member.name.clone()))
                .collect(),
        )
    }

    /// A key, with the name of its owner where it is known.
    fn say(&self, key: &XOnlyPublicKey) -> String {
        match self.0.get(key) {
            Some(name) => format!("{} ({key})", printable(name)),
            None => key.to_string(),
        }
    }

    fn say_all(&self, keys: &[XOnlyPublicKey]) -> String {
        let all: Vec<String> = keys.iter().map(|key| self.say(key)).collect();
        all.join(", ")
    }

    /// An error, with the names of those whom it is about.
    pub(super) fn explain(&self, error: RescueError) -> anyhow::Error {
        if let RescueError::TooFew { missing, .. } = &error {
            let known = missing.iter().any(|key| self.0.contains_key(key));
            let names = self.say_all(missing);
            if known {
                return anyhow!(error).context(format!("not signed by {names}"));
            }
        }
        error.into()
    }
}

/// Somebody who signs.
#[derive(Serialize)]
struct Owner {
    key: String,
    name: Option<String>,
}

/// Somebody who is paid, or pays.
#[derive(Serialize)]
struct Part {
    what: String,
    sats: u64,
}

/// The epoch that the vault is handed over to.
#[derive(Serialize)]
struct To {
    epoch: u32,
    hash: String,
    key: String,
}

/// All of it, for machines.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    txid: String,
    epoch: u32,
    /// Whom the vault is handed over to; it stays where it is without.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<To>,
    leaf: &'static str,
    vault: String,
    before: u64,
    after: u64,
    fee: u64,
    rate_sat_per_kwu: u32,
    coins: Vec<Part>,
    change: Option<Part>,
    timelock: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    blocks_left: Option<u32>,
    needed: u16,
    signed: Vec<Owner>,
    missing: Vec<Owner>,
}

/// Prints what a rescue does; `left` is how many blocks its leaf stays closed, where that is known.
pub(super) fn print(
    summary: &Summary,
    left: Option<u32>,
    names: &Names,
    network: Network,
    json: bool,
) -> anyhow::Result<()> {
    let change = summary.change.as_ref().map(|(script, sats)| {
        let address = Address::from_script(script, network.bitcoin());
        let what = address.map_or_else(|_| script.to_hex_string(), |address| address.to_string());
        Part { what, sats: *sats }
    });
    if json {
        println!(
            "{}",
            serde_json::to_string_pretty(&answer(summary, left, names, change))?
        );
        return Ok(());
    }
    let Summary {
        epoch, leaf, vault, ..
    } = summary;
    let by = leaf_name(*leaf);
    match to(summary) {
        None => println!("moves      the vault {vault} of epoch {epoch} to itself, by its {by} leaf"),
        Some(to) => {
            println!("HANDS OVER the vault {vault} of epoch {epoch} by its {by} leaf,");
            println!("to         epoch {}, key {}", to.epoch, to.key);
            println!("           hash {}: compare it by telephone", to.hash);
        }
    }
    println!(
        "amount     {} sat before, {} sat after",
        summary.before.to_sat(),
        summary.after.to_sat()
    );
    println!(
        "fee        {} sat, {} sat/kWU, paid by {} coins",
        summary.fee,
        summary.rate.sat_per_kwu(),
        summary.coins.len()
    );
    for (coin, sats) in &summary.coins {
        println!("           {sats} sat of {coin}");
    }
    if let Some(change) = &change {
        println!("change     {} sat to {}", change.sats, change.what);
    }
    let open = match left {
        None => String::new(),
        Some(0) => "; it is open".to_owned(),
        Some(left) => format!("; {left} are left"),
    };
    println!(
        "timelock   {} blocks after the vault's last transaction{open}",
        summary.timelock
    );
    println!("signatures {} of {} needed", summary.signed.len(), summary.needed);
    for key in &summary.signed {
        println!("           signed   {}", names.say(key));
    }
    for key in &summary.missing {
        println!("           missing  {}", names.say(key));
    }
    Ok(())
}

fn to(summary: &Summary) -> Option<To> {
    let (epoch, hash) = (summary.next.as_ref()?, summary.next_hash?);
    Some(To {
        epoch: epoch.number,
        hash: hash.to_string(),
        key: epoch.keys.federation.to_string(),
    })
}

fn answer(summary: &Summary, left: Option<u32>, names: &Names, change: Option<Part>) -> Answer {
    let owners = |keys: &[XOnlyPublicKey]| {
        let owner = |key: &XOnlyPublicKey| Owner {
            key: key.to_string(),
            name: names.0.get(key).cloned(),
        };
        keys.iter().map(owner).collect()
    };
    let part = |(coin, sats): &(bitcoin::OutPoint, u64)| Part {
        what: coin.to_string(),
        sats: *sats,
    };
    Answer {
        txid: summary.txid.to_string(),
        epoch: summary.epoch,
        to: to(summary),
        leaf: leaf_name(summary.leaf),
        vault: summary.vault.to_string(),
        before: summary.before.to_sat(),
        after: summary.after.to_sat(),
        fee: summary.fee,
        rate_sat_per_kwu: summary.rate.sat_per_kwu(),
        coins: summary.coins.iter().map(part).collect(),
        change,
        timelock: summary.timelock,
        blocks_left: left,
        needed: summary.needed,
        signed: owners(&summary.signed),
        missing: owners(&summary.missing),
    }
}
