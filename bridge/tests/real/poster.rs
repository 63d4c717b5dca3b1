//! The fee of an announcement is raised on a real node: it replaces commit and reveal at once, and a miner who kept
//! an older version changes nothing.

use std::sync::Arc;

use bitcoin::{OutPoint, Transaction, Txid};
use tacit_bridge::fees::{FeeQuote, RateOrigin};
use tacit_bridge::poster::{PostReport, Poster};
use tacit_protocol::envelope::{Envelope, EnvelopeKind};
use tacit_protocol::peg::FeeRate;

use super::setting::{Setting, operator};

const ID: [u8; 32] = [7; 32];

fn at(sat_per_kwu: u32) -> FeeQuote {
    FeeQuote {
        rate: FeeRate::from_sat_per_kwu(sat_per_kwu),
        origin: RateOrigin::Estimate,
    }
}

/// As after a restart each time.
fn tend(setting: &mut Setting, sat_per_kwu: u32) -> PostReport {
    let poster = Poster::new(setting.client(), setting.journal.clone(), Arc::clone(&operator()));
    poster.resume(&mut setting.coins).unwrap();
    let envelope = |key| Ok(Envelope::new(key, EnvelopeKind::Epoch, vec![5; 400])?);
    let report = poster.post(&ID, envelope, &at(sat_per_kwu), &mut setting.coins);
    let report = report.unwrap();
    assert_eq!(report.stuck, None);
    report
}

/// The reveal in the mempool with its commit, which are all that is there.
fn waiting(setting: &Setting, reveal: Txid) -> [Transaction; 2] {
    let client = setting.client();
    assert_eq!(client.mempool_info().unwrap().count, 2);
    let reveal = client.transaction(&reveal, None).unwrap().unwrap();
    let commit = reveal.input[0].previous_output.txid;
    [client.transaction(&commit, None).unwrap().unwrap(), reveal]
}

/// What commit and reveal pay together, in satoshi per 1,000 weight units.
fn paid(setting: &Setting, [commit, _]: &[Transaction; 2]) -> u64 {
    let entry = setting.client().mempool_entry(&commit.compute_txid());
    let entry = entry.unwrap().unwrap();
    entry.family_fee.to_sat() * 1_000 / (entry.family_vsize * 4)
}

fn spent(tx: &Transaction) -> Vec<OutPoint> {
    tx.input.iter().map(|input| input.previous_output).collect()
}

#[test]
fn an_announcements_fee_is_raised_on_a_real_node_before_and_after_its_commit_is_mined() {
    let mut setting = Setting::with(&[900_000, 500_000, 500_000], &[]);
    let mut before = tend(&mut setting, 500).reveal;
    let first = waiting(&setting, before);
    for rate in [875, 1_250, 5_000, 6_250, 60_000] {
        let reveal = tend(&mut setting, rate).reveal;
        assert_ne!(reveal, before);
        let pair = waiting(&setting, reveal);
        assert!(spent(&pair[0]).starts_with(&spent(&first[0])));
        let together = paid(&setting, &pair);
        assert!(
            (u64::from(rate) * 94 / 100..u64::from(rate) * 102 / 100).contains(&together),
            "{together}"
        );
        before = reveal;
    }

    // The commit is mined alone: another reveal replaces the one that waits.
    let [commit, _] = waiting(&setting, before);
    setting.faucet.mine_only(&[commit.compute_txid()]).unwrap();
    setting.follow();
    let reveal = tend(&mut setting, 90_000).reveal;
    assert_ne!(reveal, before);
    let client = setting.client();
    assert!(client.mempool_entry(&before).unwrap().is_none());
    let raised = client.transaction(&reveal, None).unwrap().unwrap();
    assert_eq!(raised.input[0].previous_output.txid, commit.compute_txid());
    setting.mine(1);
    assert_eq!(tend(&mut setting, 90_000).reveal, reveal, "posted once");
    assert_eq!(client.mempool_info().unwrap().count, 0);
}

#[test]
fn a_miner_who_kept_the_first_version_of_an_announcement_posts_it_and_nothing_is_posted_twice() {
    let mut setting = Setting::new();
    let first = tend(&mut setting, 500).reveal;
    let [commit, _] = waiting(&setting, first);
    let second = tend(&mut setting, 2_000).reveal;
    assert_ne!(second, first);
    let script = setting.faucet.script_pubkey();
    setting.faucet.mine_raw(&script, &[commit]).unwrap();
    setting.follow();
    let client = setting.client();
    assert_eq!(
        client.mempool_info().unwrap().count,
        0,
        "the second version is dead"
    );
    assert_eq!(tend(&mut setting, 500).reveal, first);
    let raised = tend(&mut setting, 2_000).reveal;
    assert!(raised != first && raised != second);
    setting.mine(1);
    assert_eq!(tend(&mut setting, 2_000).reveal, raised);
    assert_eq!(client.mempool_info().unwrap().count, 0);
}
