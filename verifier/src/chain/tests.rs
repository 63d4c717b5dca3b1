//! Tests of the fold over blocks: anchors, the vault, undoing.

use bitcoin::ScriptBuf;
use tacit_protocol::batch::{Batch, BatchShape, Payload};
use tacit_protocol::encoding::Encode;
use tacit_protocol::peg::{TxInput, VaultContext};
use tacit_protocol::state::State;
use tacit_protocol::{F, ledger};

use self::world::{Chain, DEPOSIT, SHARE, claim, exit, world};
use super::records::Verdict;
use super::{ChainError, Reserves, VaultStateView, block_at, connect, disconnect, reserves, table};

mod books;
mod forced;
mod handover;
mod raises;
mod rules;
mod world;

fn tip(chain: &Chain) -> State {
    ledger::tip(&chain.kv).expect("memory")
}

/// A vault transaction against the rules: it pays the vault to somebody else.
fn theft(chain: &mut Chain) -> TxInput {
    let unsigned = chain.vault(&[9], &[]);
    let mut tx = unsigned.tx().clone();
    tx.output[0].script_pubkey = ScriptBuf::new_p2a();
    TxInput::new(tx, unsigned.prevouts().to_vec()).expect("one output per input")
}

/// A vault transaction against the rules that pays to the vault all the same, but too little.
fn underpaid(chain: &mut Chain) -> TxInput {
    let unsigned = chain.vault(&[9], &[]);
    let mut tx = unsigned.tx().clone();
    let stolen = bitcoin::Amount::from_sat(1_000);
    tx.output[0].value = tx.output[0].value.checked_sub(stolen).expect("a funded vault");
    TxInput::new(tx, unsigned.prevouts().to_vec()).expect("one output per input")
}

#[test]
fn an_anchor_applies_its_batches_and_records_what_they_do() {
    let mut chain = Chain::funded();
    let exits = chain.transfer(1, 1, |t| t.body.exit = Some(exit(40_000)));
    let pays = chain.transfer(2, 0, |_| ());
    let ids: Vec<_> = [&exits, &pays]
        .map(|t| t.body.id(world().rules.params()).expect("a known fee"))
        .to_vec();
    let batch = chain.batch(vec![exits, pays], Vec::new());
    assert_eq!(
        chain.publish(vec![batch.clone()]),
        Verdict::Applied { first: 2, count: 1 }
    );

    assert_eq!(tip(&chain).commitment(), batch.state);
    assert_eq!(tip(&chain).supply.to_sat(), DEPOSIT - SHARE - 40_000);
    let record = table::batch(&chain.kv, 2).expect("memory").expect("applied");
    assert_eq!((record.batch, record.operator), (batch, F::from(77u64)));
    for (slot, id) in (0u8..).zip(&ids) {
        let place = table::transfer(&chain.kv, id).expect("memory").expect("applied");
        assert_eq!((place.batch, place.slot), (2, slot));
    }
    assert_eq!(table::withdrawal_of(&chain.kv, &ids[0]).expect("memory"), Some(0));
    assert_eq!(table::withdrawal_of(&chain.kv, &ids[1]).expect("memory"), None);
    let credited = table::swept(&chain.kv, 0)
        .expect("memory")
        .expect("swept")
        .credited;
    assert_eq!(credited, Some(1));
}

#[test]
fn one_invalid_batch_voids_its_whole_payload() {
    let mut chain = Chain::funded();
    let before = tip(&chain);
    let good = chain.batch(vec![chain.transfer(1, 1, |_| ())], Vec::new());
    let verdict = chain.publish(vec![good.clone(), good.clone()]);
    let Verdict::Invalid(rule) = verdict else {
        panic!("{verdict:?}")
    };
    assert!(rule.starts_with("batch 3: nullifier"), "{rule}");
    assert_eq!(tip(&chain), before);
    assert_eq!(table::batch(&chain.kv, 2).expect("memory"), None);
    // Alone it is as good as ever.
    assert_eq!(chain.publish(vec![good]), Verdict::Applied { first: 2, count: 1 });
}

#[test]
fn an_empty_anchor_moves_the_tip_and_nothing_else() {
    let mut chain = Chain::funded();
    let before = tip(&chain);
    let anchor = chain.empty_anchor();
    let moved = anchor.txid();
    chain.mine(vec![anchor]);
    assert_eq!(
        chain.last_anchor().verdict,
        Verdict::Empty("there is no commit input".to_owned())
    );
    assert_eq!(chain.head().tip.outpoint.txid, moved);
    assert_eq!(tip(&chain), before);
}

#[test]
fn a_batch_stays_valid_however_late_it_is_mined() {
    let mut chain = Chain::new();
    let sweep = chain.sweep(&[1]);
    chain.mine(vec![sweep]);
    let batch = chain.batch(Vec::new(), vec![claim(0, 1)]);
    let mut late = chain.clone();
    (0..500).for_each(|_| late.mine(Vec::new()));
    for chain in [&mut chain, &mut late] {
        assert_eq!(
            chain.publish(vec![batch.clone()]),
            Verdict::Applied { first: 1, count: 1 }
        );
    }
    assert_eq!(tip(&chain), tip(&late));
}

#[test]
fn reserves_balance_through_sweep_credit_exit_and_payout() {
    let mut chain = Chain::new();
    let sheet = |chain: &Chain| {
        let Reserves {
            vault,
            supply,
            uncredited,
            unpaid,
            ..
        } = reserves(&chain.kv).expect("memory");
        (vault, supply, uncredited, unpaid)
    };
    let credit = DEPOSIT - SHARE;
    assert_eq!(sheet(&chain), (10_000, 0, 0, 0));
    let sweep = chain.sweep(&[1]);
    chain.mine(vec![sweep]);
    assert_eq!(sheet(&chain), (10_000 + credit, 0, credit, 0));
    chain.mine(Vec::new());
    let batch = chain.batch(Vec::new(), vec![claim(0, 1)]);
    chain.publish(vec![batch]);
    assert_eq!(sheet(&chain), (10_000 + credit, credit, 0, 0));
    let transfer = chain.transfer(1, 1, |t| t.body.exit = Some(exit(40_000)));
    let batch = chain.batch(vec![transfer], Vec::new());
    chain.publish(vec![batch]);
    assert_eq!(sheet(&chain), (10_000 + credit, credit - 40_000, 0, 40_000));
    chain.mine(Vec::new());

    let height = chain.cursor().height;
    let view = VaultStateView::new(&chain.kv, world().rules.params(), height).expect("memory");
    let withdrawal = view.withdrawal(0).expect("recorded");
    assert!(withdrawal.deep && !withdrawal.paid);
    let unsigned = chain.vault(&[], &[(0, withdrawal)]);
    let payout = TxInput::new(unsigned.tx().clone(), unsigned.prevouts().to_vec());
    chain.mine(vec![payout.expect("one output per input")]);
    assert_eq!(sheet(&chain), (10_000 + credit - 40_000, credit - 40_000, 0, 0));
    let paid = table::withdrawal(&chain.kv, 0)
        .expect("memory")
        .expect("recorded")
        .paid;
    assert_eq!(paid.expect("paid").outpoint.txid, unsigned.tx().compute_txid());
    assert_eq!(reserves(&chain.kv).expect("memory").gap(), 0);
    assert_eq!(table::fault(&chain.kv).expect("memory"), None);
}

#[test]
fn a_payout_that_was_made_before_is_a_fault() {
    let mut chain = Chain::funded();
    let transfer = chain.transfer(1, 1, |t| t.body.exit = Some(exit(40_000)));
    let batch = chain.batch(vec![transfer], Vec::new());
    chain.publish(vec![batch]);
    chain.mine(Vec::new());
    for expected in [None, Some("index: withdrawal 0 was paid before")] {
        let height = chain.cursor().height;
        let view = VaultStateView::new(&chain.kv, world().rules.params(), height).expect("memory");
        let mut withdrawal = view.withdrawal(0).expect("recorded");
        withdrawal.paid = false;
        let unsigned = chain.vault(&[], &[(0, withdrawal)]);
        let payout = TxInput::new(unsigned.tx().clone(), unsigned.prevouts().to_vec());
        chain.mine(vec![payout.expect("one output per input")]);
        let fault = table::fault(&chain.kv).expect("memory").map(|fault| fault.rule);
        assert_eq!(fault.as_deref(), expected);
    }
}

#[test]
fn the_first_fault_stays_on_record_and_transfers_go_on() {
    let mut chain = Chain::funded();
    let first = theft(&mut chain);
    let culprit = first.txid();
    chain.mine(vec![first]);
    let fault = table::fault(&chain.kv).expect("memory").expect("a fault");
    assert_eq!(fault.place.txid, culprit);
    assert_eq!(fault.rule, "layout: output 0 does not pay to the vault script");
    let tip_now = table::vault_tip(&chain.kv).expect("memory").expect("a tip");
    assert_eq!(tip_now.outpoint.txid, culprit, "the tip follows the money");

    let second = theft(&mut chain);
    chain.mine(vec![second]);
    assert_eq!(table::fault(&chain.kv).expect("memory"), Some(fault));
    let batch = chain.batch(vec![chain.transfer(1, 1, |_| ())], Vec::new());
    assert_eq!(
        chain.publish(vec![batch]),
        Verdict::Applied { first: 2, count: 1 }
    );
}

#[test]
fn taking_blocks_back_leaves_no_trace() {
    let mut chain = Chain::new();
    let mut states = vec![Chain::everything(&chain.kv)];
    let sweep = chain.sweep(&[1, 2]);
    chain.mine(vec![sweep]);
    states.push(Chain::everything(&chain.kv));
    chain.mine(Vec::new());
    states.push(Chain::everything(&chain.kv));
    let batch = chain.batch(Vec::new(), vec![claim(1, 2)]);
    chain.publish(vec![batch]);
    states.push(Chain::everything(&chain.kv));
    let batch = chain.batch(
        vec![chain.transfer(1, 1, |t| t.body.exit = Some(exit(40_000)))],
        vec![claim(0, 1)],
    );
    chain.publish(vec![batch]);
    states.push(Chain::everything(&chain.kv));
    let fault = theft(&mut chain);
    chain.mine(vec![fault]);
    for state in states.iter().rev() {
        chain.disconnect();
        assert_eq!(&Chain::everything(&chain.kv), state);
    }
    assert!(matches!(disconnect(&chain.kv), Err(ChainError::NoUndo(_))));
}

#[test]
fn a_reorganisation_ends_where_a_follower_is_who_never_saw_the_fork() {
    let mut chain = Chain::funded();
    let gone = chain.batch(vec![chain.transfer(1, 1, |_| ())], Vec::new());
    chain.publish(vec![gone]);
    chain.disconnect();
    let kept = chain.batch(vec![chain.transfer(2, 0, |_| ())], Vec::new());
    assert_eq!(chain.publish(vec![kept]), Verdict::Applied { first: 2, count: 1 });
    assert_eq!(Chain::everything(&chain.kv), Chain::everything(&chain.replay()));
}

#[test]
fn a_block_that_does_not_follow_is_refused() {
    let mut chain = Chain::new();
    let good = chain.block(Vec::new());
    let mut higher = good.clone();
    higher.height += 1;
    let mut other = good.clone();
    other.prev = other.hash;
    for bad in [higher, other] {
        let refused = connect(&chain.kv, &world().rules, &bad);
        assert!(matches!(refused, Err(ChainError::NotNext { .. })), "{refused:?}");
    }
    chain.connect(good);
}

#[test]
fn undo_data_is_kept_for_as_long_as_it_says() {
    let mut chain = Chain::new();
    let start = chain.cursor().height;
    for _ in 0..super::UNDO_DEPTH + 2 {
        chain.mine(Vec::new());
    }
    let kept = |height| table::undo(&chain.kv, height).expect("memory").is_some();
    assert!(!kept(start + 1) && !kept(start + 2) && kept(start + 3));
    assert!(kept(chain.cursor().height));
}

#[test]
fn an_anchor_of_a_circuit_outside_the_chain_is_invalid_for_everybody() {
    let mut chain = Chain::funded();
    let batch = chain.batch(vec![chain.transfer(1, 1, |_| ())], Vec::new());
    let shaped = Batch {
        shape: BatchShape::B20x8,
        anchors: vec![batch.anchors[0]; 4],
        ..batch
    };
    let payload = Payload::new(vec![shaped]).expect("one batch").encode();
    let before = tip(&chain);
    let anchor = chain.anchor(payload);
    chain.mine(vec![anchor]);
    let verdict = chain.last_anchor().verdict;
    assert!(
        matches!(&verdict, Verdict::Invalid(rule) if rule.contains("batch-20-8-v1")),
        "{verdict:?}"
    );
    assert_eq!(tip(&chain), before);
}

#[test]
fn blocks_applied_are_known_by_height_as_far_as_undo_data_reaches() {
    let mut chain = Chain::new();
    let start = chain.cursor();
    let mut blocks = vec![start.clone()];
    for _ in 0..3 {
        chain.mine(Vec::new());
        blocks.push(chain.cursor());
    }
    for block in &blocks {
        assert_eq!(block_at(&chain.kv, block.height), Ok(Some(block.clone())));
    }
    assert_eq!(block_at(&chain.kv, start.height + 4), Ok(None));
    assert_eq!(block_at(&chain.kv, start.height - 1), Ok(None));
}
