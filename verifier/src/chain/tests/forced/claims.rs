//! Forced claims of deposits: which enter their queue, and what a batch must credit.

use tacit_protocol::peg::{ForcedClaim, ForcedRequest};

use super::super::super::forced::{Fate, Position, Void};
use super::super::super::records::Verdict;
use super::super::super::table;
use super::super::underpaid;
use super::super::world::{Chain, claim};
use super::{APPLIED, at, left_out, window};

pub(super) fn waiting_claims(chain: &Chain) -> Vec<Position> {
    let rows = table::forced_claims(&chain.kv, None, u32::MAX, usize::MAX).expect("memory");
    rows.into_iter().map(|(position, _)| position).collect()
}

fn claim_fate(chain: &Chain, position: Position) -> (u32, Fate) {
    let settled = table::settled_claim(&chain.kv, position).expect("memory");
    let settled = settled.expect("a batch dealt with it");
    (settled.batch, settled.fate)
}

/// A chain with `count` deep sweeps that nobody credited, tagged from 2 on.
pub(super) fn swept(count: u8) -> Chain {
    let mut chain = Chain::funded();
    let tags: Vec<u8> = (2..2 + count).collect();
    let sweep = chain.sweep(&tags);
    chain.mine(vec![sweep]);
    chain.mine(Vec::new());
    chain
}

pub(super) fn forced_claim(chain: &Chain, sweep: u32, tag: u8) -> ForcedRequest {
    let swept = table::swept(&chain.kv, sweep).expect("memory").expect("swept");
    let claim = claim(sweep, tag);
    ForcedRequest::Claim(ForcedClaim {
        outpoint: swept.outpoint,
        inner: claim.inner,
        refund: claim.refund,
    })
}

#[test]
fn a_due_claim_has_to_be_credited() {
    let mut chain = swept(1);
    let request = forced_claim(&chain, 1, 2);
    let posted = chain.force(&[request]);
    assert_eq!(waiting_claims(&chain), [at(posted, 0, 0)]);
    chain.anchor_at(posted + window());
    let without = chain.batch(vec![chain.transfer(1, 1, |_| ())], Vec::new());
    assert_eq!(
        chain.clone().publish(vec![without]),
        left_out(2, "deposit 0", at(posted, 0, 0))
    );
    let with = chain.batch(Vec::new(), vec![claim(1, 2)]);
    assert_eq!(chain.publish(vec![with]), APPLIED);
    assert_eq!(waiting_claims(&chain), []);
    assert_eq!(claim_fate(&chain, at(posted, 0, 0)), (2, Fate::Honoured));
}

#[test]
fn claims_take_all_deposits_of_a_batch_and_go_on_in_the_next() {
    let mut chain = swept(6);
    let mut requests: Vec<_> = (1u8..=5).map(|n| forced_claim(&chain, n.into(), n + 1)).collect();
    requests.insert(1, requests[0].clone());
    let posted = chain.force(&requests);
    chain.anchor_at(posted + window());
    let claims = |sweeps: &[u8]| -> Vec<_> { sweeps.iter().map(|n| claim((*n).into(), n + 1)).collect() };
    let short = chain.batch(Vec::new(), claims(&[1, 2, 3, 6]));
    assert_eq!(
        chain.clone().publish(vec![short]),
        left_out(2, "deposit 3", at(posted, 0, 4))
    );
    let full = chain.batch(Vec::new(), claims(&[1, 2, 3, 4]));
    assert_eq!(chain.publish(vec![full]), APPLIED);
    assert_eq!(waiting_claims(&chain), [at(posted, 0, 5)]);
    let late = chain.batch(Vec::new(), claims(&[6, 5]));
    assert_eq!(
        chain.clone().publish(vec![late]),
        left_out(3, "deposit 0", at(posted, 0, 5))
    );
    let next = chain.batch(Vec::new(), claims(&[5, 6]));
    assert_eq!(chain.publish(vec![next]), Verdict::Applied { first: 3, count: 1 });
}

#[test]
fn a_claim_credited_meanwhile_is_dropped() {
    let mut chain = swept(1);
    let posted = chain.force(&[forced_claim(&chain, 1, 2)]);
    let batch = chain.batch(Vec::new(), vec![claim(1, 2)]);
    assert_eq!(chain.publish(vec![batch]), APPLIED);
    chain.anchor_at(posted + window());
    let batch = chain.batch(vec![chain.transfer(1, 1, |_| ())], Vec::new());
    assert_eq!(
        chain.publish(vec![batch]),
        Verdict::Applied { first: 3, count: 1 }
    );
    assert_eq!(
        claim_fate(&chain, at(posted, 0, 0)),
        (3, Fate::Void(Void::Done(2)))
    );
}

#[test]
fn a_claim_enters_only_with_a_deep_sweep_of_its_terms() {
    let enters = |mut chain: Chain, request: ForcedRequest| {
        chain.force(&[request]);
        !waiting_claims(&chain).is_empty()
    };
    let mut fresh = Chain::funded();
    let sweep = fresh.sweep(&[2]);
    fresh.mine(vec![sweep]);
    let chain = swept(1);
    let good = forced_claim(&chain, 1, 2);
    assert!(enters(chain.clone(), good.clone()));
    // The block of the request is the first in which the sweep is deep.
    assert!(enters(fresh.clone(), forced_claim(&fresh, 1, 2)));
    let mut shallow = Chain::funded();
    let sweep = shallow.sweep(&[2]);
    let outpoint = sweep.tx().input[1].previous_output;
    let ForcedRequest::Claim(mut early) = good.clone() else {
        panic!("a claim")
    };
    early.outpoint = outpoint;
    let post = shallow.post(&[ForcedRequest::Claim(early)]);
    shallow.mine(vec![sweep, post]);
    assert_eq!(waiting_claims(&shallow), [], "posted in the block of the sweep");

    assert!(!enters(chain.clone(), forced_claim(&chain, 1, 3)), "other terms");
    assert!(!enters(chain.clone(), forced_claim(&chain, 0, 1)), "credited");
    let ForcedRequest::Claim(mut unknown) = good else {
        panic!("a claim")
    };
    unknown.outpoint.vout += 1;
    assert!(!enters(chain, ForcedRequest::Claim(unknown)), "never swept");
    let mut faulty = Chain::funded();
    let fault = underpaid(&mut faulty);
    faulty.mine(vec![fault]);
    let sweep = faulty.sweep(&[2]);
    faulty.mine(vec![sweep]);
    faulty.mine(Vec::new());
    let request = forced_claim(&faulty, 1, 2);
    assert!(!enters(faulty, request), "swept after a fault");
}
