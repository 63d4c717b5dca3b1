//! `tacit wallet`: a private wallet on the command line.
//!
//! This file has the options and hands over; `shell` finds file, chain, passphrase and node;
//! `making`, `looking`, `paying`, `forcing` and `depositing` have the subcommands. All work is done by
//! the wallet library (`tacit_wallet`); nothing here touches a key. Specification:
//! `docs/spec/wallet.md`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use tacit_protocol::Amount;
use tacit_protocol::encryption::MemoText;
use tacit_wallet::api::WithdrawalQuery;

use crate::cli::Global;

mod amount;
mod depositing;
mod forcing;
mod looking;
mod making;
mod paying;
pub(crate) mod secrets;
mod shell;

use shell::Shell;

/// Arguments of `tacit wallet`.
#[derive(Debug, Args)]
pub struct WalletArgs {
    /// The wallet file [default: ~/.tacit/wallet]
    #[arg(long, global = true, value_name = "FILE", env = "TACIT_WALLET")]
    pub file: Option<PathBuf>,
    /// The node to ask, as http://host:port
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "TACIT_NODE",
        default_value = "http://127.0.0.1:8645"
    )]
    pub node: String,
    /// The chain's parameters, chain.json [default: the copy beside the wallet, or the node's]
    #[arg(long, global = true, value_name = "FILE")]
    pub chain: Option<PathBuf>,
    /// File with the passphrase [default: the variable TACIT_PASSPHRASE, or a prompt]
    #[arg(long, global = true, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Folder with the proving key of transfers [default: `keys_dir` of the configuration]
    #[arg(long, global = true, value_name = "DIR")]
    pub keys_dir: Option<PathBuf>,
    /// Answer in JSON, for machines
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do
    #[command(subcommand)]
    pub action: WalletAction,
}

/// What to do with a wallet.
#[derive(Debug, Subcommand)]
pub enum WalletAction {
    /// Make a new wallet and show its 24 words
    Create,
    /// Make a wallet from the 24 words of one that existed before
    Restore {
        /// File with the words, `-` for standard input [default: a hidden prompt]
        #[arg(long, value_name = "FILE")]
        words_file: Option<PathBuf>,
    },
    /// Show a fresh address to be paid at; all of them belong to the wallet for ever
    Address {
        /// Show the address with this number again
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..u64::MAX))]
        index: Option<u64>,
    },
    /// Show what the wallet holds
    Balance(LookArgs),
    /// Move bitcoin into the rollup: a fresh Bitcoin address, its state, the way back
    Deposit {
        /// What to do [default: show a fresh deposit address]
        #[command(subcommand)]
        action: Option<DepositAction>,
    },
    /// Pay somebody privately
    Send {
        /// The recipient's address
        address: String,
        /// Satoshi, or bitcoin as in `0.001btc`
        #[arg(value_parser = amount::parse)]
        amount: Amount,
        /// Words that only the recipient can read, up to 111 bytes; that there are some shows to all
        #[arg(long, value_name = "TEXT")]
        memo: Option<MemoText>,
        /// How to pay
        #[command(flatten)]
        options: PayOptions,
    },
    /// Withdraw to a Bitcoin address
    Withdraw {
        /// The Bitcoin address
        address: String,
        /// Satoshi that leave, or bitcoin as in `0.001btc`; the share of the miner's fee comes off it
        #[arg(value_parser = amount::parse)]
        amount: Amount,
        /// The highest share of the miner's fee to accept [default: room for rates to rise]
        #[arg(long, value_name = "AMOUNT", value_parser = amount::parse)]
        max_l1_fee: Option<Amount>,
        /// How to pay
        #[command(flatten)]
        options: PayOptions,
    },
    /// Withdraw though the sequencer refuses: posts the withdrawal on Bitcoin, where batches must take it
    ForceExit {
        /// The Bitcoin address
        address: String,
        /// Satoshi that leave, or bitcoin as in `0.001btc`; the share of the miner's fee comes off it
        #[arg(value_parser = amount::parse)]
        amount: Amount,
        /// How to post it
        #[command(flatten)]
        options: ForceOptions,
    },
    /// Show how far a withdrawal is, and what of it miners may take
    Withdrawal {
        /// The transfer that ordered it, as `withdraw` said, or its number
        #[arg(value_name = "WITHDRAWAL", value_parser = looking::query)]
        query: WithdrawalQuery,
    },
    /// Accept a higher share of the miner's fee for a withdrawal that waits: posts a raise on Bitcoin
    RaiseFee {
        /// The transfer that ordered it, as `withdraw` said, or its number
        #[arg(value_name = "WITHDRAWAL", value_parser = looking::query)]
        query: WithdrawalQuery,
        /// The new highest share, satoshi, or bitcoin as in `0.001btc`; it can never be lowered again
        #[arg(value_parser = amount::parse)]
        amount: Amount,
        /// How to post it
        #[command(flatten)]
        options: PostOptions,
    },
    /// Show what happened
    History(LookArgs),
    /// Catch up with the node, register new deposits, hand in again what was lost
    Sync,
    /// Print the public key that a sequencer pays its fees to (`sequencer.fee_key`)
    FeeKey,
    /// Show the 24 words
    Words {
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// Options of subcommands that look.
#[derive(Clone, Copy, Debug, Args)]
pub struct LookArgs {
    /// Do not ask the node: show what the last sync found
    #[arg(long)]
    pub offline: bool,
}

/// Options of subcommands that pay.
#[derive(Clone, Copy, Debug, Args)]
pub struct PayOptions {
    /// The highest fee to accept
    #[arg(long, value_name = "AMOUNT", value_parser = amount::parse)]
    pub max_fee: Option<Amount>,
    /// If the amount stands in more than two notes, merge them first and wait for the batches
    #[arg(long)]
    pub merge: bool,
}

/// Options of `force-exit`.
#[derive(Clone, Copy, Debug, Args)]
pub struct ForceOptions {
    /// The highest share of the miner's fee to accept [default: room for rates to rise]
    #[arg(long, value_name = "AMOUNT", value_parser = amount::parse)]
    pub max_l1_fee: Option<Amount>,
    /// How to post it
    #[command(flatten)]
    pub post: PostOptions,
}

/// Options of whatever posts a request on Bitcoin.
#[derive(Clone, Copy, Debug, Args)]
pub struct PostOptions {
    /// Satoshi per virtual byte [default: the node's estimate]
    #[arg(long, value_name = "RATE")]
    pub fee_rate: Option<u32>,
    /// Print the two transactions instead of sending them through the node
    #[arg(long)]
    pub print: bool,
}

/// What to do with deposits.
#[derive(Debug, Subcommand)]
pub enum DepositAction {
    /// Show how far deposits are
    Status(LookArgs),
    /// Look for deposits on Bitcoin and register them; `sync` does it too
    Register,
    /// Claim a swept deposit that the sequencer does not credit: posts the claim on Bitcoin
    Force {
        /// The deposit's output, `txid:vout`
        outpoint: bitcoin::OutPoint,
        /// How to post it
        #[command(flatten)]
        options: PostOptions,
    },
    /// Take a deposit back that was not swept, once its timelock has run out
    Refund {
        /// The deposit's output, `txid:vout`
        outpoint: bitcoin::OutPoint,
        /// The Bitcoin address to take it back to
        address: String,
        /// Satoshi per virtual byte [default: the node's estimate]
        #[arg(long, value_name = "RATE")]
        fee_rate: Option<u32>,
    },
}

/// Runs the command.
///
/// # Errors
/// Whatever keeps a wallet from doing what was asked, with cause and remedy.
pub fn run(args: &WalletArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let shell = Shell::new(args, global);
    match &args.action {
        WalletAction::Create => making::create(&shell)?,
        WalletAction::Restore { words_file } => making::restore(&shell, words_file.as_deref())?,
        WalletAction::Words { yes } => making::words(&shell, *yes)?,
        WalletAction::Address { index } => looking::address(&shell, *index)?,
        WalletAction::Balance(look) => looking::balance(&shell, *look)?,
        WalletAction::History(look) => looking::history(&shell, *look)?,
        WalletAction::Sync => looking::sync(&shell)?,
        WalletAction::FeeKey => looking::fee_key(&shell)?,
        WalletAction::Withdrawal { query } => looking::withdrawal(&shell, *query)?,
        WalletAction::RaiseFee {
            query,
            amount,
            options,
        } => forcing::raise(&shell, *query, *amount, *options)?,
        WalletAction::Send {
            address,
            amount,
            memo,
            options,
        } => paying::send(&shell, address, (*amount, memo.clone()), *options)?,
        WalletAction::Withdraw {
            address,
            amount,
            max_l1_fee,
            options,
        } => {
            paying::withdraw(&shell, address, (*amount, *max_l1_fee), *options)?;
        }
        WalletAction::ForceExit {
            address,
            amount,
            options,
        } => forcing::exit(&shell, address, *amount, options)?,
        WalletAction::Deposit { action: None } => depositing::address(&shell)?,
        WalletAction::Deposit { action: Some(action) } => match action {
            DepositAction::Status(look) => depositing::status(&shell, *look)?,
            DepositAction::Register => depositing::register(&shell)?,
            DepositAction::Force { outpoint, options } => forcing::claim(&shell, *outpoint, *options)?,
            DepositAction::Refund {
                outpoint,
                address,
                fee_rate,
            } => {
                depositing::refund(&shell, *outpoint, address, *fee_rate)?;
            }
        },
    }
    Ok(ExitCode::SUCCESS)
}
