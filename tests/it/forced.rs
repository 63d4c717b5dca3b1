//! A sequencer that refuses somebody, and is made to pay him out.

use anyhow::{Context, bail};
use bitcoin::Amount as Bitcoins;
use rand::rngs::OsRng;
use tacit_bridge::client::BitcoinClient;
use tacit_bridge::keys::SigningKey;
use tacit_protocol::peg::forced::requests;
use tacit_protocol::peg::{FeeRate, ForcedRequest, TxInput};
use tacit_wallet::api::{ForcedQuery, ForcedState, NodeApi, TransferStatus};
use tacit_wallet::{ForceError, Posted, WalletError};

use crate::people::Person;
use crate::setting::{Choices, Setting};

const DEPOSIT: u64 = 2_000_000;
const WITHDRAWAL: u64 = 300_000;
const RATE: FeeRate = FeeRate::from_sat_per_kwu(1_000);

#[test]
fn a_sequencer_that_refuses_is_made_to_pay_out() -> anyhow::Result<()> {
    let setting = Setting::new(Choices {
        fee_floor: 2,
        ..Choices::default()
    })?;
    let mut alice = Person::new(&setting.ground, "alice")?;
    let credited = alice.deposit(&setting, DEPOSIT)?;

    let script = SigningKey::generate(&mut OsRng).output_script();
    let address = bitcoin::Address::from_script(&script, bitcoin::Network::Regtest)?.to_string();
    let amount = tacit_protocol::Amount::from_sat(WITHDRAWAL)?;
    let payment = alice.wallet.withdrawal(&setting.api, &address, amount, None)?;
    setting.mine(2)?;
    setting.settle()?;
    alice.sync(&setting.api)?;
    let forced = alice.force(&setting, &payment)?;

    let posting = alice.wallet.posting_address();
    match alice
        .wallet
        .post(&setting.api, forced.txid, (RATE, true), &mut OsRng)
    {
        Err(WalletError::Force(ForceError::Unfunded { address, .. })) => assert_eq!(address, posting),
        other => bail!("nothing pays for posting, yet: {other:?}"),
    }
    setting
        .chain()
        .faucet
        .pay(&posting.script_pubkey(), Bitcoins::from_sat(20_000))?;
    setting.mine(1)?;
    setting.settle()?;
    let posted = alice
        .wallet
        .post(&setting.api, forced.txid, (RATE, true), &mut OsRng)?;
    assert!(refused(&setting, &posted)?, "the sequencer does not want it");
    setting.mine(1)?;
    setting.settle()?;
    let state = setting.desk.transfer_status(forced.txid)?;
    assert!(matches!(state, TransferStatus::Unknown), "not yet: {state:?}");
    let queued = setting.api.forced_status(ForcedQuery::Txid(forced.txid))?;
    let waits = ForcedState::Waiting {
        before: 0,
        due: false,
    };
    assert_eq!(queued.len(), 1);
    assert_eq!(
        (&queued[0].status, queued[0].posted_by),
        (&waits, posted.reveal.compute_txid())
    );

    // It is taken at half of the window, before it is due.
    let window = u32::from(setting.chain().params().genesis().forced_window);
    setting.mine(window.div_ceil(2))?;
    setting.settle()?;
    setting.until("the batch", || {
        let state = setting.desk.transfer_status(forced.txid)?;
        Ok(matches!(state, TransferStatus::Batched { .. }).then_some(()))
    })?;
    let (outpoint, promised) = setting.mine_until("the payout", || setting.payout(forced.txid))?;
    let output = setting
        .chain()
        .client()
        .unspent(&outpoint, false)?
        .context("the payout is on Bitcoin")?;
    assert_eq!(output.txout.script_pubkey, script, "it pays whom Alice named");
    assert_eq!(output.txout.value.to_sat(), promised);
    let left = credited - WITHDRAWAL - forced.fee.to_sat();
    assert_eq!(alice.holds(&setting.api)?, left);

    // Long after the window nothing is due: it was done before.
    setting.mine(window)?;
    setting.settle()?;
    // Posting gave its change, and what the reveal is left with, to the payee.
    setting.work.borrow_mut().aside.insert(script, 2);
    let report = setting.agree()?;
    assert!(!report.has_invalid_anchor(), "no batch left a request out");
    Ok(())
}

/// Whether the sequencer refuses the transfer that was posted.
fn refused(setting: &Setting, posted: &Posted) -> anyhow::Result<bool> {
    let reveal = TxInput::new(posted.reveal.clone(), posted.commit.output[..1].to_vec())?;
    let found: Vec<_> = requests(&reveal).collect();
    let [(0, ForcedRequest::Transfer(transfer))] = &found[..] else {
        bail!("the reveal holds no transfer: {found:?}")
    };
    Ok(setting.desk.submit_transfer(transfer).is_err())
}
