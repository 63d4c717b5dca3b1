//! Fee storms: rates rise a thousandfold, the mempool fills up, an old version is mined after all.
//!
//! Whatever happens, the state says why money waits, users' limits hold, and everybody is paid once.

use bitcoin::opcodes::OP_TRUE;
use bitcoin::opcodes::all::OP_DROP;
use bitcoin::script::{Builder, PushBytes};
use bitcoin::secp256k1::Secp256k1;
use bitcoin::taproot::{LeafVersion, TaprootBuilder, TaprootSpendInfo};
use bitcoin::{Amount, ScriptBuf, TxOut, Txid, Witness};
use serde_json::{Value, json};
use tacit_bridge::client::BitcoinClient;
use tacit_bridge::fees::{FeePolicy, FeeSource, NodeFees, RateOrigin};
use tacit_bridge::vault::{VaultOperator, VaultRates, VaultReport, VaultState};
use tacit_protocol::peg::coins::CoinError;
use tacit_protocol::peg::vault::HeldReason;

use super::operated::{DEPTH, Operated, per_vb};
use super::setting::{Setting, key};
use super::spend::{Spent, spend_all};

fn sent(report: &VaultReport) -> Txid {
    let VaultState::Sent { txid, .. } = report.state else {
        panic!("expected a sent transaction: {report:?}")
    };
    txid
}

/// Replaces `old`, which is gone from the mempool then.
fn bumped(chain: &Operated, old: Txid, report: &VaultReport) -> Txid {
    let VaultState::Bumped { txid, replaced } = report.state else {
        panic!("expected a replacement: {report:?}")
    };
    assert_eq!(replaced, old);
    let client = chain.client();
    assert!(client.mempool_entry(&old).unwrap().is_none());
    assert!(client.mempool_entry(&txid).unwrap().is_some());
    assert_eq!(client.mempool_info().unwrap().count, 1);
    txid
}

/// The withdrawals that wait because their share is above their limit.
fn held(report: &VaultReport) -> Vec<u64> {
    let above = |reason| matches!(reason, HeldReason::FeeAboveLimit { .. });
    let held = report.held.iter().filter(|held| above(held.reason));
    held.map(|held| held.index).collect()
}

#[test]
fn a_storm_of_fees_is_ridden_out_and_nobody_is_lost_or_charged_above_their_limit() {
    // A payout to this kind of script weighs 43 virtual bytes.
    let mut chain = Operated::new(Setting::with(&[60_000, 50_000, 50_000, 50_000], &[]));
    let modest = chain.owe(31, 80_000, 5_000);
    let urgent = chain.owe(32, 500_000, 100_000);
    let mut txid = sent(&chain.tend(per_vb(1)));
    for rate in [5, 25, 110] {
        let early = chain.tend(per_vb(rate));
        assert_eq!(early.state, VaultState::InMempool(txid), "it waits first");
        chain.let_wait();
        let report = chain.tend(per_vb(rate));
        assert!(held(&report).is_empty(), "both can afford it");
        txid = bumped(&chain, txid, &report);
    }
    chain.let_wait();
    let report = chain.tend(per_vb(400));
    assert_eq!(held(&report), [modest], "17,200 is above 5,000");
    txid = bumped(&chain, txid, &report);
    assert_eq!(
        chain.pending().unwrap().output[2].script_pubkey,
        key(32).output_script()
    );

    // The coins do not last to the peak: that is said, and what is in the mempool stays there.
    chain.let_wait();
    let report = chain.tend(per_vb(1_000));
    let VaultState::OutOfCoins(CoinError::Insufficient {
        available: 210_000, ..
    }) = report.state
    else {
        panic!("expected too few coins: {report:?}")
    };
    assert_eq!(chain.pending().unwrap().compute_txid(), txid);
    chain.mine();
    let report = chain.tend(per_vb(1_000));
    assert_eq!((&report.state, held(&report)), (&VaultState::Idle, vec![modest]));

    // Rates fall, and the modest one is paid.
    sent(&chain.tend(per_vb(2)));
    chain.mine();
    assert_eq!(chain.tend(per_vb(2)).state, VaultState::Idle);
    assert_eq!(chain.audit().payouts, 2);
    assert_eq!((modest, urgent), (0, 1));
    (0..DEPTH).for_each(|_| chain.mine());
    chain.tend(per_vb(2));
    chain.assert_all_coins_free();
}

#[test]
fn the_oldest_of_three_versions_may_be_mined_and_pays_once() {
    let mut chain = Operated::new(Setting::new());
    chain.owe(31, 80_000, 5_000);
    let oldest = sent(&chain.tend(per_vb(1)));
    let raw = chain.pending().unwrap();
    let mut latest = oldest;
    for rate in [4, 16] {
        chain.let_wait();
        let report = chain.tend(per_vb(rate));
        latest = bumped(&chain, latest, &report);
    }
    // A miner that never saw the newer ones. The state is a block behind at first.
    let behind = chain.follower.snapshot();
    chain.mine_raw(&[raw]);
    assert!(
        chain.client().mempool_entry(&latest).unwrap().is_none(),
        "it lost"
    );
    let vault = VaultOperator::new(chain.config(chain.setting.journal.clone(), chain.signer()));
    let report = vault.tend(&behind, VaultRates::at(per_vb(16)), &mut chain.setting.coins);
    assert_eq!(report.unwrap().state, VaultState::Confirmed(oldest));
    assert_eq!(
        chain.tend(per_vb(16)).state,
        VaultState::Idle,
        "nothing is owed any more"
    );
    assert_eq!(chain.follower.tip().outpoint.txid, oldest);
    (0..DEPTH).for_each(|_| chain.mine());
    assert_eq!(chain.tend(per_vb(16)).state, VaultState::Idle);
    chain.assert_all_coins_free();
    assert_eq!(chain.audit().vault_txs, 1);
}

/// More fat transactions than a mempool of 5 MB holds.
const FAT: u32 = 20;

/// A script of 380,000 bytes that anybody may spend by, and its output.
fn fat_leaf() -> (ScriptBuf, TaprootSpendInfo) {
    let data: &PushBytes = (&[7; 500][..]).try_into().unwrap();
    let mut leaf = Builder::new();
    for _ in 0..380_000 / (3 + 500 + 1) {
        leaf = leaf.push_slice(data).push_opcode(OP_DROP);
    }
    let leaf = leaf.push_opcode(OP_TRUE).into_script();
    let tree = TaprootBuilder::new().add_leaf(0, leaf.clone()).unwrap();
    let tree = tree.finalize(&Secp256k1::verification_only(), key(60).public_key());
    (leaf, tree.unwrap())
}

/// Fills the mempool with fat transactions that pay 3 to 60 sat/vB, until it has thrown some out.
pub(crate) fn fill_mempool(chain: &mut Operated) {
    let (leaf, tree) = fat_leaf();
    let coin = TxOut {
        value: Amount::from_sat(10_000_000),
        script_pubkey: ScriptBuf::new_p2tr_tweaked(tree.output_key()),
    };
    let proof = tree
        .control_block(&(leaf.clone(), LeafVersion::TapScript))
        .unwrap();
    let funding = chain.setting.faucet.build(vec![coin; FAT as usize]).unwrap();
    chain.mine_raw(std::slice::from_ref(&funding));
    let before = chain.client().mempool_info().unwrap().min_rate;
    for vout in 0..FAT {
        let (rate, spent) = (3 * (1 + u64::from(vout)), Spent::of(&funding, vout, None));
        let mut tx = spend_all(2, &[spent], key(60).output_script(), rate * 96_000);
        tx.input[0].witness = Witness::from_slice(&[leaf.to_bytes(), proof.serialize()]);
        chain.client().send(&tx).unwrap();
    }
    let after = chain.client().mempool_info().unwrap();
    assert!(after.count < u64::from(FAT), "some were thrown out: {after:?}");
    assert!(after.min_rate > before);
}

/// Empties the mempool, and lets the node forget within two days of its time what it once asked for.
fn calm_down(chain: &mut Operated) {
    let client = chain.setting.node.client();
    while client.mempool_info().unwrap().count > 0 {
        chain.mine();
    }
    let header: Value = client
        .read("getblockheader", &json!([client.chain_info().unwrap().best]))
        .unwrap();
    let mut time = header["time"].as_u64().unwrap();
    for _ in 0..4 {
        time += 43_200;
        client.write::<Value>("setmocktime", &json!([time])).unwrap();
        client.mempool_info().unwrap();
    }
}

#[test]
fn what_a_full_mempool_refuses_is_reported_planned_anew_and_held_back_by_the_ceiling() {
    let mut chain = Operated::new(Setting::with(&[10_000_000], &["-maxmempool=5"]));
    chain.owe(31, 80_000, 5_000);
    fill_mempool(&mut chain);
    let refused = |report: VaultReport| {
        let VaultState::Stuck { txid, reason } = report.state else {
            panic!("the mempool is full: {report:?}")
        };
        assert!(reason.contains("mempool min fee not met"), "{reason}");
        txid
    };
    // Far too little: refused, and it stays so until somebody names another rate.
    let cheap = refused(chain.tend(per_vb(1)));
    assert_eq!(refused(chain.tend(per_vb(1))), cheap, "the same bytes");
    // What the node asks for is above a low ceiling: said as such, and refused still.
    let policy = FeePolicy {
        ceiling: per_vb(2),
        fallback: per_vb(1),
        ..FeePolicy::default()
    };
    let quote = |policy| NodeFees::new(chain.setting.client(), policy).quote().unwrap();
    let low = quote(policy);
    assert_eq!(low.rate, per_vb(2));
    assert!(matches!(low.origin, RateOrigin::Ceiling { wanted } if wanted > per_vb(2)));
    let high = quote(FeePolicy {
        ceiling: per_vb(200),
        ..policy
    });
    assert_eq!(high.origin, RateOrigin::MempoolMinimum);
    let at_ceiling = refused(chain.tend(low.rate));
    assert_ne!(at_ceiling, cheap);
    // Below a ceiling that is high enough it is planned anew and gets in.
    let in_time = sent(&chain.tend(high.rate));
    assert!(![cheap, at_ceiling].contains(&in_time));
    chain.mine();
    chain.tend(high.rate);
    assert_eq!(chain.follower.tip().outpoint.txid, in_time);

    // The next one is held back by the ceiling, and sent when the mempool has room again.
    chain.owe(32, 80_000, 5_000);
    let waiting = refused(chain.tend(per_vb(1)));
    calm_down(&mut chain);
    assert_eq!(chain.tend(per_vb(1)).state, VaultState::Resent(waiting));
    chain.mine();
    chain.tend(per_vb(1));
    assert_eq!(chain.audit().payouts, 2);
}
