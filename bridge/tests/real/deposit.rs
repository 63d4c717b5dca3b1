//! Deposits on a real chain: registered, and taken back after the timelock.

use std::sync::Arc;

use bitcoin::hashes::Hash;
use bitcoin::{Amount, BlockHash, OutPoint, TxOut};
use tacit_bridge::client::ClientError;
use tacit_bridge::vault::ViewError;
use tacit_bridge::watcher::{DepositError, DepositStatus, DepositView, Registration, SweptView, Watcher};
use tacit_protocol::params::{FeeTable, Genesis, RULES_VERSION};

use super::setting::{Setting, federation, key, payee, rate, terms};

/// A state in which nothing was ever swept.
struct Nothing;

impl DepositView for Nothing {
    fn swept(&self, _: &OutPoint) -> Result<Option<SweptView>, ViewError> {
        Ok(None)
    }
}

fn watcher(setting: &Setting, refund_timelock: u16) -> Watcher {
    let genesis = Genesis {
        rules_version: RULES_VERSION,
        network: tacit_protocol::Network::Regtest,
        start_height: 1,
        start_hash: BlockHash::all_zeros(),
        anchor: setting.anchor.outpoint,
        vault: setting.vault.outpoint,
        vault_amount: setting.vault.amount,
        federation_key: federation().public_key(),
        anchor_key: key(2).public_key(),
        finality_depth: 2,
        refund_timelock,
        takeover_timelock: 1_008,
        forced_window: 144,
        fee_table: FeeTable::new(&[100]).unwrap(),
        vault_backup: None,
        vault_recovery: None,
    };
    let federation = Arc::new(federation().public_key());
    Watcher::new(setting.client(), setting.journal.clone(), federation, &genesis)
}

#[test]
fn a_deposit_is_registered_once_confirmed_and_ready_once_deep() {
    let mut setting = Setting::new();
    let watcher = watcher(&setting, 1_008);
    let terms = terms(21, 1_008);
    let outpoint = setting
        .faucet
        .pay(&terms.script_pubkey(), Amount::from_sat(50_000))
        .unwrap();
    let registration = Registration {
        outpoint,
        inner: terms.inner,
        refund: terms.refund,
    };
    assert_eq!(
        watcher.register(registration),
        Err(DepositError::Unconfirmed(outpoint))
    );
    setting.mine(1);
    watcher.register(registration).unwrap();
    let confirming = DepositStatus::Confirming { depth: 0, needed: 2 };
    assert_eq!(watcher.status(&outpoint, &Nothing).unwrap().status, confirming);
    setting.mine(2);
    assert_eq!(
        watcher.status(&outpoint, &Nothing).unwrap().status,
        DepositStatus::Ready
    );
    assert_eq!(watcher.sweepable(&Nothing).unwrap()[0].terms, terms);

    setting.faucet.reorganise(3).unwrap();
    assert_eq!(
        watcher.status(&outpoint, &Nothing).unwrap().status,
        DepositStatus::Vanished
    );
    setting.mine(3);
    assert_eq!(
        watcher.status(&outpoint, &Nothing).unwrap().status,
        DepositStatus::Ready
    );
}

#[test]
fn a_block_reward_paid_to_a_deposit_address_waits_until_it_may_be_spent() {
    let setting = Setting::new();
    let watcher = watcher(&setting, 1_008);
    let terms = terms(21, 1_008);
    let hash = setting.faucet.mine_to(&terms.script_pubkey(), 1).unwrap()[0];
    let reward = setting.client().block(&hash).unwrap().txs[0].txid();
    let outpoint = OutPoint {
        txid: reward,
        vout: 0,
    };
    watcher
        .register(Registration {
            outpoint,
            inner: terms.inner,
            refund: terms.refund,
        })
        .unwrap();
    setting.faucet.mine(99).unwrap();
    let waiting = DepositStatus::Confirming {
        depth: 99,
        needed: 100,
    };
    assert_eq!(watcher.status(&outpoint, &Nothing).unwrap().status, waiting);
    assert!(watcher.sweepable(&Nothing).unwrap().is_empty());
    setting.faucet.mine(1).unwrap();
    assert_eq!(watcher.sweepable(&Nothing).unwrap().len(), 1);
}

#[test]
fn a_depositor_takes_the_money_back_after_the_timelock_and_not_before() {
    let mut setting = Setting::new();
    let watcher = watcher(&setting, 10);
    let (terms, refund_key) = (terms(21, 10), Arc::new(key(21)));
    let outpoint = setting
        .faucet
        .pay(&terms.script_pubkey(), Amount::from_sat(50_000))
        .unwrap();
    setting.mine(1);
    let registration = Registration {
        outpoint,
        inner: terms.inner,
        refund: terms.refund,
    };
    watcher.register(registration).unwrap();
    let deposit = TxOut {
        value: Amount::from_sat(50_000),
        script_pubkey: terms.script_pubkey(),
    };
    let refund = terms.refund(outpoint, deposit, payee(40), rate()).unwrap();
    let signature = refund_key.sign_plain(&refund.sighash());
    let tx = refund.finalise(&signature);

    let early = setting.client().send(&tx).unwrap_err();
    assert!(
        matches!(&early, ClientError::Rejected { reason, .. } if reason.contains("BIP68")),
        "{early}"
    );
    setting.mine(9);
    let near = watcher.status(&outpoint, &Nothing).unwrap().status;
    assert!(matches!(near, DepositStatus::NearRefund { .. }));
    setting.client().send(&tx).unwrap();
    setting.mine(1);
    assert_eq!(
        watcher.status(&outpoint, &Nothing).unwrap().status,
        DepositStatus::Refunded
    );
}
