//! Money that is not worth its fees: withdrawals of dust or to odd scripts are refused before they are owed, and
//! hundreds of tiny deposits cost nobody anything. Ten thousand of them, at the vault's operator alone, are in
//! `bridge/tests/real/dust.rs`.

use anyhow::{Context, bail, ensure};
use bitcoin::{Address, Amount as Bitcoins, OutPoint, ScriptBuf, TxOut, Txid};
use rand::rngs::OsRng;
use serde_json::json;
use tacit_bridge::client::BitcoinClient;
use tacit_bridge::keys::SigningKey;
use tacit_protocol::Amount;
use tacit_protocol::encoding::Encode;
use tacit_protocol::peg::FeeRate;
use tacit_protocol::peg::fees::MIN_DEPOSIT;
use tacit_wallet::WalletError;
use tacit_wallet::api::{ApiError, DepositStatus, NodeApi, RegisterDeposit};
use tacit_wallet::builder::exit::ExitOrderError;

use crate::people::Person;
use crate::rpc::{INVALID_PARAMS, call, refused};
use crate::setting::{Choices, Setting};

/// Tiny deposits, and what each holds: above Bitcoin's dust, below what is swept at any rate.
const TINY: u32 = 200;
const TINY_SATS: u64 = 5_000;
/// Deposits that are just large enough, and not at this rate.
const SMALL: u32 = 20;
const RATE: u32 = 40;
const HONEST: u64 = 300_000;

/// The address of a script, which has one.
fn address(script: &ScriptBuf) -> anyhow::Result<String> {
    Ok(Address::from_script(script, bitcoin::Network::Regtest)?.to_string())
}

/// What the wallet refuses an order of `sats` to an address with.
fn order(setting: &Setting, person: &Person, to: &str, sats: u64) -> anyhow::Result<ExitOrderError> {
    let amount = Amount::from_sat(sats)?;
    match person.wallet.withdrawal(&setting.api, to, amount, None) {
        Err(WalletError::Exit(error)) => Ok(error),
        other => bail!("{sats} sat to {to}: {other:?}"),
    }
}

#[test]
fn withdrawals_of_dust_and_to_odd_scripts_are_refused_by_name_and_an_honest_one_is_paid() -> anyhow::Result<()>
{
    let setting = Setting::new(Choices::default())?;
    let mut alice = Person::new(&setting.ground, "alice")?;
    alice.deposit(&setting, HONEST)?;
    let script = SigningKey::generate(&mut OsRng).output_script();
    let own = address(&script)?;

    // The wallet refuses what has an address.
    let later = ScriptBuf::from_hex(&format!("5220{}", "07".repeat(32)))?;
    for odd in [ScriptBuf::new_p2a(), later.clone()] {
        let error = order(&setting, &alice, &address(&odd)?, 100_000)?;
        ensure!(matches!(error, ExitOrderError::Kind(_)), "{odd}: {error:?}");
    }
    let error = order(&setting, &alice, "OP_RETURN", 100_000)?;
    ensure!(matches!(error, ExitOrderError::Unreadable { .. }), "{error:?}");
    let error = order(&setting, &alice, &own, 546)?;
    let ExitOrderError::Dust { minimum, .. } = error else {
        bail!("dust: {error:?}")
    };
    alice.wallet.withdrawal(&setting.api, &own, minimum, None)?;

    // Both nodes refuse what a wallet of somebody else makes, whoever is asked.
    let payment = alice
        .wallet
        .withdrawal(&setting.api, &own, Amount::from_sat(100_000)?, None)?;
    let honest = alice.draft(&setting, &payment)?;
    let exit = honest.body.exit.as_ref().context("it leaves")?;
    let (bytes, scripts) = (honest.encode(), exit.script().encode());
    let mut limits = exit.script().encode();
    limits.extend(exit.max_l1_fee().encode());
    let replaced = |old: &[u8], new: &[u8]| -> anyhow::Result<String> {
        let at = bytes.windows(old.len()).position(|window| window == old);
        let (at, mut bytes) = (at.context("it stands there")?, bytes.clone());
        bytes.splice(at..at + old.len(), new.iter().copied());
        Ok(hex::encode(bytes))
    };
    let script_of = |script: &ScriptBuf| {
        let bytes = script.as_bytes();
        [&[u8::try_from(bytes.len()).unwrap_or(u8::MAX)], bytes].concat()
    };
    let all = [scripts.as_slice(), &exit.amount().encode()].concat();
    for (what, words, transfer) in [
        (
            "a later version",
            "exit script",
            replaced(&scripts, &script_of(&later))?,
        ),
        (
            "pay to anchor",
            "exit script",
            replaced(&scripts, &script_of(&ScriptBuf::new_p2a()))?,
        ),
        (
            "data",
            "exit script",
            replaced(&scripts, &script_of(&ScriptBuf::new_op_return([7; 20])))?,
        ),
        ("no script", "exit script", replaced(&scripts, &[0])?),
        (
            "a fee that leaves dust",
            "fee limit of an exit",
            replaced(&limits, &all)?,
        ),
    ] {
        let request = call("submitTransfer", &json!({ "transfer": transfer }));
        for url in [setting.node.url(), setting.sequencer.url()] {
            let (code, said) = refused(url, &request)?;
            ensure!(
                code == INVALID_PARAMS && said.contains(words),
                "{what}: {code}, {said}"
            );
        }
    }

    // As it was made it is fine.
    let promise = setting.api.submit_transfer(&honest)?.promise;
    setting.promised(promise.txid);
    setting.anchor(promise.txid)?;
    setting.mine_until("the payout", || setting.payout(promise.txid))?;
    let (_, counted) = setting.count()?;
    assert_eq!((counted.ordered, counted.paid), (1, 1));
    assert_eq!(setting.chain().client().scan(&[script])?.outputs.len(), 1);
    Ok(())
}

/// Pays this much to many deposit addresses at once; returns what registers each.
fn deposits(
    setting: &Setting,
    person: &Person,
    numbers: std::ops::Range<u32>,
    sats: u64,
) -> anyhow::Result<Vec<RegisterDeposit>> {
    let offers: Vec<_> = numbers
        .map(|number| person.wallet.deposit_offer(number))
        .collect();
    let outputs = offers.iter().map(|offer| TxOut {
        value: Bitcoins::from_sat(sats),
        script_pubkey: offer.address.script_pubkey(),
    });
    let txid: Txid = setting.chain().faucet.send(outputs.collect())?;
    Ok((0..)
        .zip(offers)
        .map(|(vout, offer)| RegisterDeposit {
            outpoint: OutPoint { txid, vout },
            inner: offer.inner,
            refund: offer.refund,
        })
        .collect())
}

#[test]
fn hundreds_of_tiny_deposits_are_refused_or_held_while_an_honest_one_is_credited_at_its_own_cost()
-> anyhow::Result<()> {
    let setting = Setting::new(Choices {
        proxied: true,
        ..Choices::default()
    })?;
    setting.set_rate(RATE)?;
    let mallory = Person::new(&setting.ground, "mallory")?;
    let mut alice = Person::new(&setting.ground, "alice")?;
    let tiny = deposits(&setting, &mallory, 0..TINY, TINY_SATS)?;
    let small = deposits(&setting, &mallory, TINY..TINY + SMALL, MIN_DEPOSIT)?;
    let honest = alice.pay_deposit(&setting, HONEST)?;
    setting.mine(1)?;
    setting.settle()?;
    for deposit in &tiny {
        let refused = setting.api.register_deposit(deposit);
        let Err(ApiError::InvalidDeposit { reason }) = &refused else {
            bail!("{TINY_SATS} sat: {refused:?}")
        };
        ensure!(reason.contains("at least 20000 sat"), "{reason}");
    }
    for deposit in &small {
        setting.api.register_deposit(deposit)?;
    }
    alice.register(&setting)?;
    setting.mine(1)?;
    // Nothing is mined while the sequencer looks every one of them up.
    setting.until("the honest one's sweep", || setting.vault_tx())?;
    setting.mine_until("the honest one's credit", || {
        Ok((alice.holds(&setting.api)? > 0).then_some(()))
    })?;
    setting.work.borrow_mut().credited.insert(honest);
    setting.mine(4)?;
    setting.settle()?;
    for deposit in &small {
        let status = setting.api.deposit_status(deposit.outpoint)?;
        ensure!(
            matches!(&status, DepositStatus::Held { reason } if reason.contains("a twentieth")),
            "{status:?}"
        );
    }
    for deposit in &tiny {
        assert_eq!(
            setting.api.deposit_status(deposit.outpoint)?,
            DepositStatus::Unknown
        );
    }
    let rate = FeeRate::from_sat_per_vb(RATE).context("a rate")?;
    let share = rate.deposit_share().to_sat();
    assert_eq!(alice.holds(&setting.api)?, HONEST - share, "its own share");

    // One transaction swept it and nothing else; the operator added what frame and coins cost.
    let vault = setting.api.supply()?.vault;
    let client = setting.chain().client();
    let sweep = setting.sweep_of(honest)?;
    assert_eq!(sweep.txid(), vault.txid, "there was no other one");
    let spent: Bitcoins = sweep.prevouts().iter().map(|output| output.value).sum();
    let made: Bitcoins = sweep.tx().output.iter().map(|output| output.value).sum();
    let fee = (spent - made).to_sat();
    ensure!(fee < share + u64::from(RATE) * 400, "{fee} for one deposit");
    let (_, counted) = setting.count()?;
    assert_eq!((counted.vault_txs, counted.swept, counted.credited), (1, 1, 1));
    for deposit in tiny.iter().chain(&small) {
        ensure!(
            client.unspent(&deposit.outpoint, false)?.is_some(),
            "whoever made it can take it back"
        );
    }
    Ok(())
}
