//! Raises of fee limits: which count, from which block on, and what a payout may take meanwhile.

use tacit_protocol::params::ChainId;
use tacit_protocol::peg::{FeeRaise, ForcedRequest, TxInput, VaultContext, WithdrawalView};
use tacit_protocol::testing;

use super::super::limits::Raise;
use super::super::records::{Verdict, Withdrawal};
use super::super::{VaultStateView, moved_money, table};
use super::world::{Chain, limited, sats, world};

const AMOUNT: u64 = 40_000;
/// Below the share of a payout at the rate of these tests, which is 31 sat.
const LIMIT: u64 = 30;
const ENOUGH: u64 = 31;
const ABOVE: &str = "shares: the share of withdrawal 0 is above its limit";

fn chain_id() -> ChainId {
    world().rules.params().chain_id()
}

/// A raise of withdrawal `index` by the key with number `key`.
fn signed(chain: ChainId, index: u64, max: u64, key: u8) -> FeeRaise {
    FeeRaise::sign(chain, index, sats(max), &testing::keypair(key), &[1; 32])
}

fn raise(max: u64) -> ForcedRequest {
    ForcedRequest::Raise(signed(chain_id(), 0, max, 6))
}

/// A chain with one withdrawal, number 0, whose batch is deep.
fn owing() -> Chain {
    let mut chain = Chain::funded();
    let transfer = chain.transfer(1, 1, |t| t.body.exit = Some(limited(AMOUNT, LIMIT)));
    let batch = chain.batch(vec![transfer], Vec::new());
    assert_eq!(
        chain.publish(vec![batch]),
        Verdict::Applied { first: 2, count: 1 }
    );
    chain.mine(Vec::new());
    chain
}

fn withdrawal(chain: &Chain) -> Withdrawal {
    table::withdrawal(&chain.kv, 0)
        .expect("memory")
        .expect("recorded")
}

/// The limit in force and the raise that is not, now.
fn limit(chain: &Chain) -> (u64, Option<(u64, u32)>) {
    let (genesis, height) = (world().rules.params().genesis(), chain.cursor().height);
    let limit = withdrawal(chain).limit;
    let pending = limit.pending(genesis, height);
    let pending = pending.map(|Raise { max, height }| (max.to_sat(), height));
    (limit.in_force(genesis, height).to_sat(), pending)
}

/// The withdrawal as a vault transaction on top of the last block may see it.
fn view(chain: &Chain) -> WithdrawalView {
    let height = chain.cursor().height;
    let view = VaultStateView::new(&chain.kv, world().rules.params(), height).expect("memory");
    view.withdrawal(0).expect("recorded")
}

/// A vault transaction that pays the withdrawal, whatever its limit.
fn payout(chain: &mut Chain) -> TxInput {
    let mut view = view(chain);
    view.max_l1_fee = sats(1_000);
    let unsigned = chain.vault(&[], &[(0, view)]);
    TxInput::new(unsigned.tx().clone(), unsigned.prevouts().to_vec()).expect("one output per input")
}

fn fault(chain: &Chain) -> Option<String> {
    table::fault(&chain.kv).expect("memory").map(|fault| fault.rule)
}

#[test]
fn a_payout_above_the_limit_is_a_fault_until_the_raise_is_k_deep() {
    let mut chain = owing();
    let raising = chain.post(&[raise(ENOUGH)]);
    let pays = payout(&mut chain);
    for together in [vec![pays.clone(), raising.clone()], vec![raising.clone(), pays]] {
        let mut chain = chain.clone();
        chain.mine(together);
        assert_eq!(fault(&chain).as_deref(), Some(ABOVE), "in one block");
        assert_eq!(withdrawal(&chain).paid, None);
    }
    chain.mine(vec![raising]);
    let posted = chain.cursor().height;
    assert_eq!(limit(&chain), (LIMIT, Some((ENOUGH, posted))));
    let pays = payout(&mut chain);
    chain.mine(vec![pays]);
    assert_eq!(fault(&chain), None);
    assert_eq!(withdrawal(&chain).paid.expect("paid").share, sats(ENOUGH));
    assert_eq!(limit(&chain), (ENOUGH, None));
}

#[test]
fn what_is_within_the_limit_when_it_is_signed_is_so_in_every_later_block() {
    let mut chain = owing();
    chain.force(&[raise(ENOUGH)]);
    chain.mine(Vec::new());
    // As planner and signers judge it: by the view of the last block, with its own limit.
    let view = view(&chain);
    assert_eq!(view.max_l1_fee, sats(ENOUGH));
    let unsigned = chain.vault(&[], &[(0, view)]);
    let signed = TxInput::new(unsigned.tx().clone(), unsigned.prevouts().to_vec()).expect("as many");
    chain.force(&[raise(500)]);
    for _ in 0..3 {
        let mut later = chain.clone();
        later.mine(vec![signed.clone()]);
        assert_eq!(fault(&later), None);
        assert!(withdrawal(&later).paid.is_some());
        chain.mine(Vec::new());
    }
}

#[test]
fn a_raise_that_breaks_a_rule_leaves_no_trace() {
    let most = AMOUNT - 546;
    let good = signed(chain_id(), 0, ENOUGH, 6);
    let other_chain = ChainId::from_bytes([9; 32]);
    let cases = [
        ("an unknown withdrawal", signed(chain_id(), 1, ENOUGH, 6)),
        ("the same limit", signed(chain_id(), 0, LIMIT, 6)),
        ("a lower limit", signed(chain_id(), 0, LIMIT - 1, 6)),
        ("too little is left", signed(chain_id(), 0, most + 1, 6)),
        ("more than there is", signed(chain_id(), 0, AMOUNT + 1, 6)),
        ("another key", signed(chain_id(), 0, ENOUGH, 7)),
        ("another chain", signed(other_chain, 0, ENOUGH, 6)),
        (
            "signed for another withdrawal",
            FeeRaise {
                index: 0,
                ..signed(chain_id(), 1, ENOUGH, 6)
            },
        ),
        (
            "signed for another limit",
            FeeRaise {
                max: sats(ENOUGH + 1),
                ..good
            },
        ),
    ];
    let before = owing();
    for (what, bad) in cases {
        let mut chain = before.clone();
        chain.force(&[ForcedRequest::Raise(bad)]);
        assert_eq!(withdrawal(&chain), withdrawal(&before), "{what}");
        assert!(!moved_money(&chain.kv, chain.cursor().height).expect("memory"));
    }
    for max in [LIMIT + 1, most] {
        let mut chain = before.clone();
        let posted = chain.force(&[raise(max)]);
        assert_eq!(
            limit(&chain),
            (LIMIT, Some((max, posted))),
            "the bounds themselves"
        );
    }
}

#[test]
fn a_raise_of_a_paid_withdrawal_leaves_no_trace() {
    let mut chain = owing();
    chain.force(&[raise(ENOUGH)]);
    let pays = payout(&mut chain);
    let again = chain.post(&[raise(500)]);
    chain.mine(vec![pays, again.clone()]);
    let paid = withdrawal(&chain);
    assert!(paid.paid.is_some());
    assert_eq!(limit(&chain), (ENOUGH, None), "the payout stands before it");
    chain.mine(vec![again]);
    assert_eq!(withdrawal(&chain), paid);
}

#[test]
fn an_old_raise_that_is_posted_again_leaves_no_trace() {
    let mut chain = owing();
    let (old, new) = (raise(ENOUGH), raise(500));
    chain.force(std::slice::from_ref(&old));
    chain.mine(Vec::new());
    chain.force(std::slice::from_ref(&new));
    chain.mine(Vec::new());
    assert_eq!(limit(&chain), (500, None));
    let before = withdrawal(&chain);
    chain.force(&[old, new]);
    assert_eq!(withdrawal(&chain), before);
}

#[test]
fn the_highest_raise_waits_and_the_next_one_goes_on_from_it() {
    let mut chain = owing();
    // Whoever repeats an old raise cannot keep a higher one out, nor lower it.
    let posted = chain.force(&[raise(40), raise(50), raise(45)]);
    assert_eq!(limit(&chain), (LIMIT, Some((50, posted))));
    let next = chain.force(&[raise(60)]);
    assert_eq!(
        limit(&chain),
        (50, Some((60, next))),
        "the first holds while it waits"
    );
    chain.mine(Vec::new());
    assert_eq!(limit(&chain), (60, None));
}

#[test]
fn a_raise_counts_behind_its_batch_in_the_same_block_and_not_before_it() {
    let mut funded = Chain::funded();
    let transfer = funded.transfer(1, 1, |t| t.body.exit = Some(limited(AMOUNT, LIMIT)));
    let batch = funded.batch(vec![transfer], Vec::new());
    let payload = tacit_protocol::batch::Payload::new(vec![batch]).expect("one batch");
    let anchor = funded.anchor(tacit_protocol::encoding::Encode::encode(&payload));
    let raising = funded.post(&[raise(ENOUGH)]);
    for (txs, counts) in [
        (vec![raising.clone(), anchor.clone()], false),
        (vec![anchor, raising], true),
    ] {
        let mut chain = funded.clone();
        chain.mine(txs);
        let height = chain.cursor().height;
        assert_eq!(limit(&chain), (LIMIT, counts.then_some((ENOUGH, height))));
    }
}

#[test]
fn taking_a_raise_back_leaves_no_trace_and_the_old_limit_in_force() {
    let mut chain = owing();
    let before = Chain::everything(&chain.kv);
    chain.force(&[raise(ENOUGH)]);
    chain.mine(Vec::new());
    chain.force(&[raise(500)]);
    let pays = payout(&mut chain);
    chain.mine(vec![pays.clone()]);
    assert_eq!(fault(&chain), None);
    for _ in 0..4 {
        chain.disconnect();
    }
    assert_eq!(Chain::everything(&chain.kv), before);
    assert_eq!(limit(&chain), (LIMIT, None));
    // What was signed by the raise breaks a rule on a fork without it: hence the depth.
    chain.mine(vec![pays]);
    assert_eq!(fault(&chain).as_deref(), Some(ABOVE));
    assert_eq!(Chain::everything(&chain.kv), Chain::everything(&chain.replay()));
}

#[test]
fn a_raise_counts_as_money_when_a_reorganisation_is_judged() {
    let mut chain = owing();
    let moved = |chain: &Chain| moved_money(&chain.kv, chain.cursor().height).expect("memory");
    assert!(!moved(&chain));
    chain.force(&[raise(ENOUGH)]);
    assert!(moved(&chain));
}
