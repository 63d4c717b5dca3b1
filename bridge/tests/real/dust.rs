//! Ten thousand deposits that are worth nothing, and payouts that are: what they cost has a bound.

use bitcoin::{Amount, ScriptBuf, TxOut, Weight};
use tacit_bridge::vault::VaultState;
use tacit_protocol::peg::{Exit, ExitScript};

use super::operated::{DEPTH, Operated, per_vb};
use super::setting::{Setting, key};

/// Tiny deposits, and what each holds: above dust, below what is swept.
const TINY: usize = 10_000;
const TINY_SATS: u64 = 5_000;
/// Deposits that are just worth sweeping.
const SMALL: usize = 300;
const SMALL_SATS: u64 = 20_000;
/// Outputs of one transaction.
const AT_ONCE: usize = 1_000;
/// What a vault transaction weighs at most.
const MOST_WEIGHT: Weight = Weight::from_wu(40_000);

/// Pays deposits to fresh addresses and mines them.
fn deposit(chain: &mut Operated, count: usize, sats: u64) {
    let mut left = count;
    while left > 0 {
        let now = left.min(AT_ONCE);
        let output = |chain: &mut Operated| TxOut {
            value: Amount::from_sat(sats),
            script_pubkey: chain.register(),
        };
        let outputs = (0..now).map(|_| output(chain)).collect();
        chain.setting.faucet.send(outputs).unwrap();
        chain.mine();
        left -= now;
    }
}

#[test]
fn ten_thousand_tiny_deposits_cost_nothing_and_small_ones_cost_what_they_bring() {
    let mut chain = Operated::new(Setting::new());
    let before = chain.follower.tip();
    deposit(&mut chain, TINY, TINY_SATS);
    (0..=DEPTH).for_each(|_| chain.mine());
    for rate in [1, 8] {
        assert_eq!(
            chain.tend(per_vb(rate)).state,
            VaultState::Idle,
            "nothing is worth sweeping"
        );
    }
    chain.owe(31, 80_000, 5_000);

    deposit(&mut chain, SMALL, SMALL_SATS);
    (0..=DEPTH).for_each(|_| chain.mine());
    let (mut swept, mut txs) = (0, 0);
    let coins = chain.setting.coins.balance().to_sat();
    loop {
        chain.follow();
        let VaultState::Sent { deposits, fee, .. } = chain.tend(per_vb(4)).state else {
            break;
        };
        let tx = chain.pending().unwrap();
        assert!(tx.weight() <= MOST_WEIGHT, "{}", tx.weight());
        // Whoever deposits pays for it: the operator adds what the frame and its own coins cost.
        let shares = deposits as u64 * per_vb(4).deposit_share().to_sat();
        assert!(fee < shares + 4 * 400, "{fee} for {deposits} deposits");
        (swept, txs) = (swept + deposits, txs + 1);
        chain.mine();
    }
    assert_eq!(swept, SMALL);
    assert!((2..=SMALL / 100 + 1).contains(&txs), "{txs} transactions");
    let spent = coins - chain.setting.coins.balance().to_sat();
    assert!(spent <= txs as u64 * 4 * 400, "the operator spent {spent}");
    let found = chain.audit();
    assert_eq!((found.sweeps as usize, found.payouts), (SMALL, 1));
    assert_ne!(chain.follower.tip(), before);
}

#[test]
fn dust_payouts_and_odd_scripts_are_refused_before_they_are_owed() {
    let chain = Operated::new(Setting::new());
    let sats = |sats| tacit_protocol::Amount::from_sat(sats).unwrap();
    let odd = [
        ScriptBuf::new(),
        ScriptBuf::new_op_return([7; 20]),
        ScriptBuf::from_hex("51024e73").unwrap(),
        ScriptBuf::from_hex(&format!("5220{}", "07".repeat(32))).unwrap(),
        ScriptBuf::from_hex(&format!("21{}ac", "02".repeat(33))).unwrap(),
        ScriptBuf::from_bytes(vec![0x6a; 10_001]),
    ];
    for script in odd {
        assert!(ExitScript::new(script.clone()).is_err(), "{script}");
    }
    let script = ExitScript::new(key(31).output_script()).unwrap();
    let exit = |amount, most| Exit::new(sats(amount), script.clone(), sats(most), key(31).public_key());
    assert!(exit(5_329, 5_000).is_err(), "less than dust may be left");
    // The least that is taken is an output that Bitcoin Core relays, at the highest share of all.
    let least = (330..2_000)
        .find(|left| exit(5_000 + left, 5_000).is_ok())
        .unwrap();
    let mut chain = chain;
    chain.owe(31, 5_000 + least, 5_000);
    let most = (1..200)
        .rev()
        .find(|rate| per_vb(*rate).payout_share(&script).to_sat() <= 5_000)
        .unwrap();
    let report = chain.tend(per_vb(most));
    assert!(
        matches!(report.state, VaultState::Sent { withdrawals: 1, .. }),
        "{report:?}"
    );
    chain.mine();
    assert_eq!(chain.tend(per_vb(most)).state, VaultState::Idle);
    assert_eq!(chain.audit().payouts, 1);
}
