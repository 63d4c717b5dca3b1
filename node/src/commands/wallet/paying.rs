//! Money leaves: `send` and `withdraw`.
//!
//! Addresses are checked before anything else, so that a slip costs no passphrase and no sync. The
//! wallet proves its own transfers; the proving key has to be the chain's own, which is checked
//! before a proof is made that nobody would take.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::bail;
use rand::rngs::OsRng;
use rand_core::CryptoRngCore;
use serde_json::json;
use tacit_circuits::transfer::TransferStatement;
use tacit_circuits::version::CircuitId;
use tacit_protocol::Amount;
use tacit_protocol::address::Address;
use tacit_protocol::encryption::MemoText;
use tacit_protocol::params::ChainParams;
use tacit_protocol::transfer::ProofBytes;
use tacit_prover::{KeyError, KeyStore, ProveError, Prover, ProvingKey, circuits};
use tacit_wallet::builder::exit::parse_address;
use tacit_wallet::send::SendError;
use tacit_wallet::{Payment, Sent, Session, TransferProver, Wallet, WalletError};

use super::PayOptions;
use super::shell::{Shell, say};
use crate::progress::{Bars, bar};
use crate::rpc::client::RpcClient;

/// How long merges may take before the command gives up; they go on without it.
const MERGE_LIMIT: Duration = Duration::from_secs(30 * 60);
/// Time between two looks at merges on their way.
const MERGE_POLL: Duration = Duration::from_secs(2);

/// `tacit wallet send`.
pub(super) fn send(
    shell: &Shell<'_>,
    address: &str,
    (amount, memo): (Amount, Option<MemoText>),
    options: PayOptions,
) -> anyhow::Result<()> {
    let params = shell.chain()?;
    let to = Address::parse(address.trim(), params.genesis().network).map_err(|error| {
        say(format!(
            "{error}; check the address, or ask the recipient for a new one"
        ))
    })?;
    let mut wallet = shell.open(params)?;
    let node = shell.client()?;
    shell.sync(&mut wallet, &node).map_err(say)?;
    let payment = Payment::Pay { to, amount, memo };
    let delivered = Till::new(shell, &wallet, &node, options)?.deliver(shell, &mut wallet, &payment)?;
    report(shell, &delivered, &payment);
    Ok(())
}

/// `tacit wallet withdraw`.
pub(super) fn withdraw(
    shell: &Shell<'_>,
    address: &str,
    (amount, max_l1_fee): (Amount, Option<Amount>),
    options: PayOptions,
) -> anyhow::Result<()> {
    let params = shell.chain()?;
    parse_address(address, params.genesis().network).map_err(say)?;
    let mut wallet = shell.open(params)?;
    let node = shell.client()?;
    shell.sync(&mut wallet, &node).map_err(say)?;
    let payment = wallet
        .withdrawal(&node, address, amount, max_l1_fee)
        .map_err(say)?;
    let delivered = Till::new(shell, &wallet, &node, options)?.deliver(shell, &mut wallet, &payment)?;
    report(shell, &delivered, &payment);
    Ok(())
}

/// A payment on its way, and the merges before it.
struct Delivered {
    sent: Sent,
    merges: Vec<Sent>,
}

/// What a payment needs besides the wallet.
pub(super) struct Till<'a> {
    node: &'a RpcClient,
    prover: ShownProver,
    options: PayOptions,
}

impl<'a> Till<'a> {
    pub(super) fn new(
        shell: &Shell<'_>,
        wallet: &Wallet,
        node: &'a RpcClient,
        options: PayOptions,
    ) -> anyhow::Result<Self> {
        let key = proving_key(shell, wallet.params())?;
        Ok(Self {
            node,
            prover: ShownProver {
                prover: shell.backend()?.prover()?,
                key,
            },
            options,
        })
    }

    pub(super) fn session<'b>(&'b self, rng: &'b mut OsRng) -> Session<'b> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        Session {
            api: self.node,
            prover: &self.prover,
            rng,
            now,
            max_fee: self.options.max_fee,
        }
    }

    /// Sends `payment`, merging notes before it if that is needed and wanted.
    fn deliver(
        &self,
        shell: &Shell<'_>,
        wallet: &mut Wallet,
        payment: &Payment,
    ) -> anyhow::Result<Delivered> {
        let started = Instant::now();
        let mut merges = Vec::new();
        loop {
            match wallet.send(&mut self.session(&mut OsRng), payment) {
                Ok(sent) => return Ok(Delivered { sent, merges }),
                Err(WalletError::Send(SendError::NeedsMerge { .. })) if self.options.merge => {}
                Err(WalletError::Send(error @ SendError::NeedsMerge { .. })) => {
                    bail!("{error}; with --merge this command does both")
                }
                Err(error) => return Err(say(error)),
            }
            merges.extend(
                wallet
                    .merge_for(&mut self.session(&mut OsRng), payment)
                    .map_err(say)?,
            );
            self.wait_for_merges(shell, wallet, started)?;
        }
    }

    fn wait_for_merges(
        &self,
        shell: &Shell<'_>,
        wallet: &mut Wallet,
        started: Instant,
    ) -> anyhow::Result<()> {
        let spinner = bar("merging notes", 1);
        while wallet.balance().pending_change > Amount::ZERO {
            if started.elapsed() > MERGE_LIMIT {
                bail!("the notes are still being merged; nothing was paid, run the command again later");
            }
            thread::sleep(MERGE_POLL);
            shell.sync(wallet, self.node).map_err(say)?;
        }
        spinner.finish_and_clear();
        Ok(())
    }
}

/// The chain's proving key for transfers. Off the main network a missing one is made: development
/// keys are the same everywhere.
fn proving_key(shell: &Shell<'_>, params: &ChainParams) -> anyhow::Result<Arc<ProvingKey>> {
    let (id, dir) = (CircuitId::Transfer, shell.keys_dir()?);
    let wanted = params.circuit(id.name())?;
    let store = KeyStore::new(&dir, params.genesis().network);
    let key = circuits::load_key(&store, id, &Bars::new("proving key")).map_err(|error| {
        let missing = matches!(error, KeyError::NotFound { .. });
        let remedy = "; copy the chain's file of that name there, or name its folder with --keys-dir";
        say(format!("{error}{}", if missing { remedy } else { "" }))
    })?;
    if key.verifier().hash() != &wanted.key_hash {
        bail!(
            "the proving key in {} is not the chain's: its hash is {}, the chain wants {}; \
             name the folder with the chain's key by --keys-dir",
            dir.display(),
            hex::encode(key.verifier().hash()),
            hex::encode(wanted.key_hash)
        );
    }
    Ok(key)
}

/// Proves on this machine, with bars.
struct ShownProver {
    prover: Prover,
    key: Arc<ProvingKey>,
}

impl TransferProver for ShownProver {
    fn prove_transfer(
        &self,
        statement: &TransferStatement,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<ProofBytes, ProveError> {
        let bars = Bars::new("transfer");
        let proof = self.prover.prove_statement(&self.key, statement, rng, &bars)?;
        Ok(ProofBytes(proof.to_bytes()))
    }
}

fn report(shell: &Shell<'_>, delivered: &Delivered, payment: &Payment) {
    let Delivered { sent, merges } = delivered;
    let max_l1_fee = match payment {
        Payment::Withdraw { max_l1_fee, .. } => Some(*max_l1_fee),
        Payment::Pay { .. } | Payment::Merge => None,
    };
    let value = json!({
        "txid": sent.txid.to_string(),
        "amount": sent.amount,
        "fee": sent.fee,
        "change": sent.change,
        "anchor": sent.anchor,
        "maxL1Fee": max_l1_fee,
        "memo": payment.memo().map(MemoText::as_str),
        "receipt": sent.receipt,
        "replaces": sent.replaces.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "merges": merges.iter().map(|merge| merge.txid.to_string()).collect::<Vec<_>>(),
    });
    shell.answer(&value, || {
        for merge in merges {
            println!("merged notes by {} for a fee of {}", merge.txid, merge.fee);
        }
        println!("sent {} for a fee of {}", sent.amount, sent.fee);
        if let Some(memo) = payment.memo() {
            println!("memo {memo}");
        }
        println!("transfer {}", sent.txid);
        for refused in &sent.replaces {
            println!("it shares a note with {refused}, which was refused: only one of them can count");
        }
        println!(
            "the sequencer signed that batch {} will hold it",
            sent.receipt.promise.target_batch
        );
        if let Some(limit) = max_l1_fee {
            println!("at most {limit} of it go to miners; `tacit wallet withdrawal` says how far it is");
        }
    });
}
