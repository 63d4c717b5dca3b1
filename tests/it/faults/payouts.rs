//! Payouts that miners and payees play with: the oldest of three versions is mined, or a payee hangs a fat child on
//! one. The vault's operator alone is tested so in `bridge/tests/real/storm.rs` and `pinning.rs`.

use anyhow::{Context, ensure};
use bitcoin::absolute::LockTime;
use bitcoin::hashes::Hash;
use bitcoin::transaction::Version;
use bitcoin::{Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, WPubkeyHash, Witness};
use rand::rngs::OsRng;
use tacit_bridge::client::BitcoinClient;
use tacit_bridge::keys::SigningKey;
use tacit_protocol::peg::taproot::{key_path_sighash, key_path_witness};
use tacit_wallet::Sent;
use tacit_wallet::api::NodeApi;

use crate::people::Person;
use crate::setting::{Choices, Setting};

const DEPOSIT: u64 = 500_000;
const WITHDRAWAL: u64 = 100_000;
/// The most that the payout may cost its owner: above its share at every rate here.
const LIMIT: u64 = 10_000;
/// Rates in satoshi per virtual byte.
const LOW: u32 = 2;
const HIGHER: [u32; 2] = [8, 32];

/// A deployment at the low rate with a payout in the mempool, whose key somebody has.
struct Paying {
    setting: Setting,
    sent: Sent,
    payee: SigningKey,
    first: Transaction,
}

impl Paying {
    fn new() -> anyhow::Result<Self> {
        let setting = Setting::new(Choices {
            proxied: true,
            ..Choices::default()
        })?;
        setting.set_rate(LOW)?;
        let mut alice = Person::new(&setting.ground, "alice")?;
        alice.deposit(&setting, DEPOSIT)?;
        let payee = SigningKey::generate(&mut OsRng);
        let sent = alice.withdraw_to(&setting, &payee.output_script(), WITHDRAWAL, Some(LIMIT))?;
        setting.anchor(sent.txid)?;
        let first = setting.mine_empty_until("a payout in the mempool", || setting.vault_tx())?;
        Ok(Self {
            setting,
            sent,
            payee,
            first,
        })
    }

    /// Lets rates rise until another version has taken the place of `old`.
    fn bumped(&self, old: &Transaction, rate: u32) -> anyhow::Result<Transaction> {
        self.setting.set_rate(rate)?;
        let old = old.compute_txid();
        let new = self.setting.mine_empty_until("a version that pays more", || {
            let found = self.setting.vault_tx()?;
            Ok(found.filter(|tx| tx.compute_txid() != old))
        })?;
        ensure!(!self.in_mempool(&old)?, "one version at a time");
        Ok(new)
    }

    fn in_mempool(&self, txid: &bitcoin::Txid) -> anyhow::Result<bool> {
        Ok(self.setting.chain().client().mempool_entry(txid)?.is_some())
    }

    /// The payout in a transaction.
    fn payout(&self, tx: &Transaction) -> anyhow::Result<(OutPoint, TxOut)> {
        let script = self.payee.output_script();
        let vout = tx.output.iter().position(|output| output.script_pubkey == script);
        let vout = vout.context("it pays the payee")?;
        let txid = tx.compute_txid();
        let vout = u32::try_from(vout)?;
        Ok((OutPoint { txid, vout }, tx.output[vout as usize].clone()))
    }

    /// This version was mined, and it alone: the five checks, and everything counted.
    fn paid_by(&self, tx: &Transaction) -> anyhow::Result<()> {
        let (place, output) = self.payout(tx)?;
        let setting = &self.setting;
        setting.settle()?;
        assert_eq!(
            setting.payout(self.sent.txid)?,
            Some((place, output.value.to_sat()))
        );
        let vault = OutPoint { vout: 0, ..place };
        assert_eq!(setting.api.supply()?.vault, vault, "both nodes see that version");
        setting.mine(4)?;
        let (_, counted) = setting.count()?;
        assert_eq!((counted.ordered, counted.paid, counted.vault_txs), (1, 1, 2));
        assert_eq!(setting.api.supply()?.vault, vault, "nothing came after it");
        let client = setting.chain().client();
        let found = client.scan(&[self.payee.output_script()])?.outputs;
        assert_eq!(found.len(), 1);
        assert_eq!(client.mempool_info()?.count, 0, "no version is left");
        Ok(())
    }
}

#[test]
fn a_payout_bumped_twice_and_mined_in_its_oldest_version_is_paid_once_and_everybody_agrees()
-> anyhow::Result<()> {
    let paying = Paying::new()?;
    let mut latest = paying.first.clone();
    for rate in HIGHER {
        latest = paying.bumped(&latest, rate)?;
    }
    let (oldest, newest) = (paying.payout(&paying.first)?.1, paying.payout(&latest)?.1);
    ensure!(
        oldest.value > newest.value,
        "the versions differ in what they pay"
    );
    // A miner that never saw the newer ones.
    let faucet = &paying.setting.chain().faucet;
    faucet.mine_raw(&faucet.script_pubkey(), std::slice::from_ref(&paying.first))?;
    ensure!(!paying.in_mempool(&latest.compute_txid())?, "it lost");
    paying.paid_by(&paying.first)
}

/// A transaction of nearly the largest size that may hang on a payout, for this fee.
fn fat_child(paying: &Paying, fee: u64) -> anyhow::Result<Transaction> {
    let (previous_output, spent) = paying.payout(&paying.first)?;
    let padding = TxOut {
        value: Amount::from_sat(600),
        script_pubkey: ScriptBuf::new_p2wpkh(&WPubkeyHash::hash(b"padding")),
    };
    let mut output = vec![padding; 28];
    let given: Amount = output.iter().map(|output| output.value).sum();
    output.push(TxOut {
        value: spent.value - given - Amount::from_sat(fee),
        script_pubkey: SigningKey::generate(&mut OsRng).output_script(),
    });
    let mut tx = Transaction {
        version: Version(3),
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output,
            script_sig: ScriptBuf::new(),
            sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
            witness: Witness::new(),
        }],
        output,
    };
    let message = key_path_sighash(&tx, 0, &[spent]);
    tx.input[0].witness = key_path_witness(&paying.payee.sign_key_path(&message, None));
    ensure!((900..=1_000).contains(&tx.vsize()), "{} vB", tx.vsize());
    Ok(tx)
}

#[test]
fn a_payout_that_its_payee_pins_with_a_fat_child_confirms_when_rates_rise_and_is_paid_once()
-> anyhow::Result<()> {
    let paying = Paying::new()?;
    // Together they stay below the next rate, so nobody mines them; alone the payout would pay too little as well.
    let child = fat_child(&paying, 6_000)?;
    let client = paying.setting.chain().client();
    client.send(&child)?;
    let new = paying.bumped(&paying.first, HIGHER[1])?;
    ensure!(!paying.in_mempool(&child.compute_txid())?, "its parent is gone");
    let fee = client
        .mempool_entry(&new.compute_txid())?
        .context("it waits")?
        .fee;
    ensure!(
        fee.to_sat() > 6_000,
        "what the child paid had to be outbid: {fee}"
    );
    paying.setting.mine(1)?;
    paying.paid_by(&new)
}
