//! A hostile sequencer that floods the anchor chain: nothing moves, everybody goes on, and the first honest
//! batch behind it counts.

use rand::rngs::OsRng;
use tacit_bridge::keys::SigningKey;
use tacit_protocol::batch::{Batch, Payload};
use tacit_protocol::encoding::Encode;
use tacit_protocol::{F, field};
use tacit_tests::Work;
use tacit_wallet::api::{NodeApi, SyncState};

use crate::malice::attacker::Attacker;
use crate::setting::{Choices, Ground};

/// Anchors without data in a row.
const EMPTY: usize = 12;
/// Rounds of nonsense.
const ROUNDS: usize = 3;

/// Payloads that must not count, each with the words by which it is named.
fn nonsense(honest: &Batch, after: &Batch) -> anyhow::Result<Vec<(Vec<u8>, &'static str)>> {
    let one = |batch: Batch| anyhow::Ok(Payload::new(vec![batch])?.encode());
    let whole = one(honest.clone())?;
    let mut proof = honest.proof;
    proof.0[..32].reverse();
    let other_proof = Batch {
        proof,
        ..honest.clone()
    };
    let other_root = Batch {
        state: honest.state + field::pow2(3),
        ..honest.clone()
    };
    let twice = Payload::new(vec![honest.clone(), honest.clone()])?.encode();
    Ok(vec![
        (Vec::new(), "payload"),
        (vec![0xAB; 3_000], "payload magic"),
        (whole[..whole.len() / 2].to_vec(), "payload:"),
        (whole[..whole.len() - 1].to_vec(), "payload:"),
        (one(other_proof)?, "the batch proof"),
        (one(other_root)?, "the state commitment is wrong"),
        (one(after.clone())?, "batch 1: "),
        (twice, "batch 2"),
    ])
}

#[test]
fn junk_anchors_in_a_row_move_nothing_and_an_honest_batch_behind_them_counts() -> anyhow::Result<()> {
    let ground = Ground::new(Choices::default())?;
    let mut config = ground.chain.config("node", Some("http://127.0.0.1:1"))?;
    config.rpc.sequencer_url = None;
    let node = ground.chain.start("node", &config)?;
    let api = node.client()?;
    let state = || -> anyhow::Result<F> {
        let best = ground.chain.bitcoind.client();
        let best = tacit_bridge::client::BitcoinClient::chain_info(&*best)?.best;
        loop {
            let status = api.status()?;
            anyhow::ensure!(!matches!(status.sync, SyncState::Halted { .. }), "{status:?}");
            if status.bitcoin_hash == best {
                return Ok(status.state);
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    };
    let genesis = state()?;
    let mut attacker = Attacker::new(&ground)?;
    // It can be anchored at any time: nothing it stands on changes.
    let honest = attacker.prove(attacker.draft(Vec::new(), Vec::new())?)?;
    let after = attacker.draft_after(&honest)?;

    let mut named = Vec::new();
    for _ in 0..EMPTY {
        named.push((attacker.spend_tip()?, "empty", "input 1 does not spend"));
    }
    for _ in 0..ROUNDS {
        for (payload, rule) in nonsense(&honest, &after)? {
            named.push((attacker.anchor(&payload)?, "invalid", rule));
        }
    }
    assert_eq!(state()?, genesis, "the state moved");
    let report = ground.audit()?;
    assert_eq!((report.batch, report.ignored.len()), (0, named.len()));
    for ((txid, kind, rule), ignored) in named.iter().zip(&report.ignored) {
        assert_eq!(
            (&ignored.txid, ignored.kind),
            (&txid.to_string(), *kind),
            "{}",
            ignored.rule
        );
        assert!(
            ignored.rule.contains(rule),
            "{:?} should say {rule:?}",
            ignored.rule
        );
    }

    attacker.anchor(&Payload::new(vec![honest.clone()])?.encode())?;
    let now = state()?;
    assert_eq!(
        now,
        honest.state,
        "an honest batch counts after {} junk anchors",
        named.len()
    );
    let report = ground.audit()?;
    assert_eq!(report.batch, 1);
    let counted = ground.check(&report, &[("the full node", now)], &Work::default())?;
    assert_eq!((counted.vault_txs, counted.owed), (0, 0), "no junk moved money");

    // The checks themselves: another state is noticed, and so is money that is gone.
    let other = ground.check(&report, &[("a liar", genesis)], &Work::default());
    assert!(format!("{:#}", other.unwrap_err()).contains("5. a liar"));
    let loot = bitcoin::TxOut {
        value: bitcoin::Amount::from_sat(1_000),
        script_pubkey: SigningKey::generate(&mut OsRng).output_script(),
    };
    attacker.spend_vault(&[loot], 3_000)?;
    let stolen = ground.check(&ground.audit()?, &[], &Work::default());
    assert!(stolen.is_err(), "{stolen:?}");
    Ok(())
}
