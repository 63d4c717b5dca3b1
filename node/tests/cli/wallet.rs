//! `tacit wallet` without a node: making, opening, looking, and refusing what cannot be.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tacit_protocol::Network;
use tacit_protocol::address::Address;
use tacit_protocol::params::{ChainParams, Genesis};
use tacit_protocol::testing;

use super::{Ended, Home, NOWHERE};
#[test]
fn a_new_wallet_shows_24_words_and_works_offline() {
    let home = Home::new();
    let made = home.create();
    assert_eq!(made["words"].as_str().unwrap().split(' ').count(), 24);
    assert_eq!(
        made["chainId"].as_str().unwrap(),
        testing::params().chain_id().to_string()
    );
    assert_eq!(made["network"], "regtest");
    assert_eq!(home.wallet(&["words", "--yes"]).json()["words"], made["words"]);

    let first = home.wallet(&["address"]).json();
    assert_eq!(first["index"], 0);
    assert!(first["address"].as_str().unwrap().starts_with("tacitrt1"));
    let second = home.wallet(&["address"]).json();
    assert_eq!(second["index"], 1);
    assert_ne!(first["address"], second["address"]);
    assert_eq!(
        home.wallet(&["address", "--index", "0"]).json()["address"],
        first["address"]
    );

    let deposits: Vec<Value> = (0..2).map(|_| home.wallet(&["deposit"]).json()).collect();
    assert!(deposits[0]["address"].as_str().unwrap().starts_with("bcrt1p"));
    assert_ne!(deposits[0]["address"], deposits[1]["address"]);

    let balance = home.wallet(&["balance", "--offline"]).json();
    assert_eq!(
        (&balance["total"], &balance["synced"]),
        (&Value::from(0), &Value::from(false))
    );
    assert_eq!(
        home.wallet(&["history", "--offline"]).json()["entries"],
        Value::Array(Vec::new())
    );
    assert_eq!(
        home.wallet(&["fee-key"]).json()["feeKey"].as_str().unwrap().len(),
        64
    );
    assert_eq!(
        home.wallet(&["deposit", "status", "--offline"]).json()["deposits"],
        Value::Array(Vec::new())
    );
}

#[test]
fn a_balance_without_a_node_is_old_and_says_so() {
    let home = Home::new();
    home.create();
    let ended = home.wallet(&["balance"]);
    assert!(
        ended.err().contains("cannot reach the node") && ended.err().contains("last sync"),
        "{}",
        ended.err()
    );
    assert_eq!(ended.json()["synced"], false);
}

#[test]
fn without_a_node_whatever_needs_one_names_it_and_the_cause() {
    let home = Home::new();
    home.create();
    let to = home.address();
    for args in [
        &["sync"][..],
        &["send", &to, "1000"],
        &["deposit", "register"],
        &["withdrawal", &"ab".repeat(32)],
        &["withdrawal", "7"],
        &["raise-fee", "7", "2000"],
        &[
            "force-exit",
            "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080",
            "50000",
        ],
        &["deposit", "force", &format!("{}:0", "ab".repeat(32))],
    ] {
        home.wallet(args)
            .failed(&["cannot reach the node", NOWHERE, "refused", "check its address"]);
    }
    let other = home.path("other");
    home.wallet(&["create", "--file", other.to_str().unwrap()])
        .failed(&["cannot reach the node", "--chain"]);
    assert!(!other.exists());
}

#[test]
fn a_restored_wallet_has_the_same_addresses() {
    let home = Home::new();
    let made = home.create();
    let address = home.address();
    home.keep_private(
        "words",
        &format!("  {}\n", made["words"].as_str().unwrap().to_uppercase()),
    );
    let file = home.path("again/deep/wallet");
    let file = file.to_str().unwrap();
    home.wallet(&[
        "restore",
        "--words-file",
        "words",
        "--chain",
        "chain.json",
        "--file",
        file,
    ])
    .succeeded();
    assert_eq!(
        home.wallet(&["address", "--file", file]).json()["address"]
            .as_str()
            .unwrap(),
        address
    );
}

#[test]
fn words_that_are_no_wallet_are_refused_by_the_word() {
    let home = Home::new();
    let words = home.create()["words"].as_str().unwrap().to_owned();
    let mut misspelt: Vec<&str> = words.split(' ').collect();
    misspelt[6] = "tacitt";
    for (text, part) in [
        ("abandon ability".to_owned(), "24"),
        (misspelt.join(" "), "word 7"),
        (["abandon"; 24].join(" "), "checksum"),
        (String::new(), "24"),
    ] {
        home.keep_private("words", &text);
        let args = [
            "restore",
            "--words-file",
            "words",
            "--chain",
            "chain.json",
            "--file",
            "new",
        ];
        home.wallet(&args).failed(&[part]);
        assert!(!home.path("new").exists());
    }
    home.wallet(&[
        "restore",
        "--words-file",
        "none",
        "--chain",
        "chain.json",
        "--file",
        "new",
    ])
    .failed(&["none"]);
}

#[test]
fn words_are_shown_only_after_a_yes() {
    let home = Home::new();
    let words = home.create()["words"].as_str().unwrap().to_owned();
    // Standard input is empty here.
    let ended = home.wallet(&["words"]);
    assert!(!ended.out().contains(&words) && !ended.err().contains(&words));
    ended.failed(&["not confirmed", "--yes"]);
}

#[test]
fn a_wrong_passphrase_is_told_from_damage() {
    let home = Home::new();
    home.create();
    home.wallet_with("incorrect", &["address"])
        .failed(&["wrong passphrase", "24 words"]);
    home.wallet_with("", &["address"]).failed(&["wrong passphrase"]);
    let mut bytes = fs::read(home.wallet_file()).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(home.wallet_file(), bytes).unwrap();
    home.wallet(&["address"]).failed(&["damaged", "24 words"]);
    fs::write(home.wallet_file(), "something else").unwrap();
    home.wallet(&["address"]).failed(&["is not a Tacit wallet"]);
}

#[test]
fn the_passphrase_may_come_from_a_file_and_must_not_be_empty() {
    let home = Home::new();
    home.create();
    home.keep_private("pass", "correct\n");
    home.wallet_with("incorrect", &["address", "--passphrase-file", "pass"])
        .succeeded();
    home.wallet(&["address", "--passphrase-file", "none"])
        .failed(&["passphrase", "none"]);
    home.wallet_with("", &["create", "--chain", "chain.json", "--file", "new"])
        .failed(&["empty passphrase"]);
    assert!(!home.path("new").exists());
}

#[cfg(unix)]
#[test]
fn files_with_secrets_that_others_can_read_are_refused_with_the_remedy() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    let words = home.create()["words"].as_str().unwrap().to_owned();
    home.keep_private("pass", "correct\n");
    home.keep_private("words", &words);
    let restore = [
        "restore",
        "--words-file",
        "words",
        "--chain",
        "chain.json",
        "--file",
        "new",
    ];
    for mode in [0o640, 0o604, 0o620, 0o644] {
        for name in ["pass", "words"] {
            fs::set_permissions(home.path(name), fs::Permissions::from_mode(mode)).unwrap();
        }
        home.wallet(&["address", "--passphrase-file", "pass"])
            .failed(&["pass", "chmod 600"]);
        home.wallet(&restore).failed(&["words", "chmod 600"]);
        assert!(!home.path("new").exists());
    }
    for name in ["pass", "words"] {
        fs::set_permissions(home.path(name), fs::Permissions::from_mode(0o400)).unwrap();
    }
    home.wallet_with("incorrect", &["address", "--passphrase-file", "pass"])
        .succeeded();
    home.wallet(&restore).succeeded();
}

#[test]
fn an_existing_file_is_never_overwritten() {
    let home = Home::new();
    home.create();
    let before = fs::read(home.wallet_file()).unwrap();
    home.wallet(&["create", "--chain", "chain.json"])
        .failed(&["exists already"]);
    let words = ["restore", "--chain", "chain.json", "--words-file", "words"];
    home.wallet(&words).failed(&["exists already"]);
    assert_eq!(fs::read(home.wallet_file()).unwrap(), before);
}

#[cfg(unix)]
#[test]
fn a_full_disk_is_named_and_the_wallet_stays_as_it_was() {
    let home = Home::new();
    home.create();
    let first = home.address();
    let before = fs::read(home.wallet_file()).unwrap();
    // No file may grow at all, which a process is told as it is told of a full disk.
    let mut shell = home.command(&[]);
    let tacit = shell.get_program().to_owned();
    shell = std::process::Command::new("/bin/sh");
    shell
        .args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$@\"", "sh"])
        .arg(tacit)
        .args(["wallet", "--json", "--node", NOWHERE, "address"])
        .current_dir(home.path(""))
        .env_clear()
        .env("HOME", home.path(""))
        .env("TACIT_PASSPHRASE", "correct");
    Ended(shell.output().unwrap()).failed(&["disk", "is full", "free some space", ".tacit/wallet"]);
    assert_eq!(fs::read(home.wallet_file()).unwrap(), before);
    let names = fs::read_dir(home.path(".tacit")).unwrap();
    let litter = names.filter(|name| {
        let name = name.as_ref().unwrap().file_name();
        !["wallet", "wallet.chain.json", "wallet.lock"].contains(&name.to_str().unwrap())
    });
    assert_eq!(litter.count(), 0, "nothing is left beside it");
    // No address was handed out, so the next one is the next one.
    let second = home.address();
    assert_ne!(second, first);
    let index = home.wallet(&["address"]).json()["index"].as_u64();
    assert_eq!(index, Some(2));
}

#[cfg(unix)]
#[test]
fn a_wallet_file_is_private_and_refused_when_others_can_read_it() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let home = Home::new();
    home.create();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&home.wallet_file()), 0o600);
    assert_eq!(mode(&home.path(".tacit")), 0o700);
    symlink(home.wallet_file(), home.path("link")).unwrap();
    home.wallet(&["address", "--chain", "chain.json", "--file", "link"])
        .failed(&["link"]);
    fs::set_permissions(home.wallet_file(), fs::Permissions::from_mode(0o644)).unwrap();
    home.wallet(&["address"]).failed(&["644", "chmod 600"]);
}

#[test]
fn a_missing_wallet_is_named_before_anything_is_asked() {
    Home::new()
        .wallet(&["balance"])
        .failed(&["there is no wallet at", ".tacit/wallet", "create or restore"]);
}

#[test]
fn a_wallet_opens_with_no_other_chain() {
    let home = Home::new();
    home.create();
    let genesis = Genesis {
        finality_depth: 2,
        ..testing::genesis()
    };
    let other = ChainParams::new(genesis.clone(), Vec::new()).unwrap();
    fs::write(home.path("other.json"), other.to_json()).unwrap();
    let id = testing::params().chain_id().to_string();
    home.wallet(&["address", "--chain", "other.json"])
        .failed(&[&id, &other.chain_id().to_string()]);
    let signet = ChainParams::new(
        Genesis {
            network: Network::Signet,
            ..genesis
        },
        Vec::new(),
    )
    .unwrap();
    fs::write(home.path("signet.json"), signet.to_json()).unwrap();
    home.wallet(&["address", "--chain", "signet.json"])
        .failed(&["Regtest", "Signet"]);
    // The copy beside the wallet is no way around it.
    fs::copy(home.path("other.json"), home.path(".tacit/wallet.chain.json")).unwrap();
    home.wallet(&["address"]).failed(&[&id]);
    fs::write(home.path(".tacit/wallet.chain.json"), "{").unwrap();
    home.wallet(&["address"])
        .failed(&["wallet.chain.json", "--chain"]);
}

#[test]
fn an_address_that_cannot_be_paid_is_refused_before_the_passphrase_matters() {
    let home = Home::new();
    home.create();
    let good = home.address();
    let signet = Address::parse(&good, Network::Regtest)
        .unwrap()
        .to_string_for(Network::Signet);
    let last = if good.ends_with('q') { "p" } else { "q" };
    let typo = format!("{}{last}", &good[..good.len() - 1]);
    let stranger = good.replacen("tacitrt", "tacitx", 1);
    for (address, part) in [
        (signet.as_str(), "tacitt"),
        (&typo, "checksum"),
        (&stranger, "unknown prefix"),
        (&good[..40], "checksum"),
        ("bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", "unknown prefix"),
        ("nonsense", "check the address"),
        ("", "check the address"),
    ] {
        home.wallet_with("incorrect", &["send", address, "1000"])
            .failed(&[part, "check the address"]);
    }
}

#[test]
fn a_bitcoin_address_that_cannot_be_paid_is_refused() {
    let home = Home::new();
    home.create();
    for (address, part) in [
        ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "Regtest"),
        ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "Regtest"),
        (
            "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt081",
            "not a Bitcoin address",
        ),
        ("nonsense", "not a Bitcoin address"),
    ] {
        for command in ["withdraw", "force-exit"] {
            home.wallet(&[command, address, "50000"]).failed(&[part]);
        }
        let outpoint = format!("{}:0", "ab".repeat(32));
        home.wallet(&["deposit", "refund", &outpoint, address])
            .failed(&[part]);
    }
}

#[test]
fn an_amount_that_is_none_is_a_usage_error_with_the_form_to_use() {
    let home = Home::new();
    home.create();
    let to = home.address();
    for amount in ["-5", "1.5", "ten", "0.000000001btc", "21000001btc", "1e3"] {
        let ended = home.wallet(&["send", &to, "--", amount]);
        assert_eq!(ended.0.status.code(), Some(2), "{amount}: {}", ended.err());
    }
    let ended = home.wallet(&["send", &to, "ten"]);
    assert!(ended.err().contains("0.00025btc"), "{}", ended.err());
}

#[test]
fn a_withdrawal_that_is_none_is_a_usage_error_with_the_forms_to_use() {
    let home = Home::new();
    home.create();
    for name in ["first", "-1", "18446744073709551616", "abab"] {
        for args in [
            &["withdrawal", "--", name][..],
            &["raise-fee", "--", name, "2000"],
        ] {
            let ended = home.wallet(args);
            assert_eq!(ended.0.status.code(), Some(2), "{name}: {}", ended.err());
            assert!(ended.err().contains("a withdrawal's number"), "{}", ended.err());
        }
    }
    let ended = home.wallet(&["raise-fee", "7", "much"]);
    assert_eq!(ended.0.status.code(), Some(2), "{}", ended.err());
}

#[test]
fn a_memo_that_does_not_fit_is_a_usage_error_with_limit_and_length() {
    let home = Home::new();
    home.create();
    let to = home.address();
    for (memo, part) in [
        ("é".repeat(56), "the memo has 112 bytes, at most 111 fit"),
        (String::new(), "the memo is empty"),
    ] {
        let ended = home.wallet(&["send", &to, "1000", "--memo", &memo]);
        assert_eq!(ended.0.status.code(), Some(2), "{}", ended.err());
        assert!(ended.err().contains(part), "{}", ended.err());
    }
    // The longest one gets as far as the node.
    home.wallet(&["send", &to, "1000", "--memo", &"x".repeat(111)])
        .failed(&["cannot reach the node"]);
}

#[test]
fn two_programs_do_not_work_on_one_wallet() {
    let home = Home::new();
    home.create();
    let lock = fs::File::options()
        .write(true)
        .open(home.path(".tacit/wallet.lock"))
        .unwrap();
    lock.lock().unwrap();
    home.wallet(&["address"]).failed(&["in use"]);
    drop(lock);
    home.wallet(&["address"]).succeeded();
}

#[test]
fn no_secret_is_printed_where_it_was_not_asked_for() {
    let home = Home::new();
    let words = home.create()["words"].as_str().unwrap().to_owned();
    let args = ["--log", "trace", "wallet", "address"];
    let ended = Ended(
        home.command(&args)
            .env("TACIT_PASSPHRASE", "correct")
            .output()
            .unwrap(),
    )
    .succeeded();
    let printed = format!("{}{}", ended.out(), ended.err());
    assert!(
        !printed.contains(&words) && !printed.contains("correct"),
        "{printed}"
    );
}
