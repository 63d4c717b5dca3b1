//! Tests of fee limits: which one holds at which height, and their bytes.

use bitcoin::ScriptBuf;
use tacit_protocol::peg::ExitScript;
use tacit_protocol::testing;
use tacit_protocol::transfer::TransferId;

use super::*;

const AMOUNT: u64 = 10_000;
const LIMIT: u64 = 100;

fn sats(sats: u64) -> Amount {
    Amount::from_sat(sats).expect("an amount")
}

fn exit() -> Exit {
    let script = ScriptBuf::from_bytes([&[0, 20][..], &[8; 20]].concat());
    let script = ExitScript::new(script).expect("P2WPKH");
    Exit::new(sats(AMOUNT), script, sats(LIMIT), testing::x_only(6)).expect("above dust")
}

fn genesis() -> Genesis {
    Genesis {
        finality_depth: 3,
        ..testing::genesis()
    }
}

fn raise(max: u64, height: u32) -> Raise {
    Raise {
        max: sats(max),
        height,
    }
}

/// Limits after no raise, one and two.
fn limits() -> [FeeLimit; 3] {
    let none = FeeLimit::new(&exit());
    let mut one = none.clone();
    one.raise(&genesis(), raise(200, 50));
    let mut two = one.clone();
    two.raise(&genesis(), raise(300, 60));
    [none, one, two]
}

#[test]
fn a_raise_is_in_force_once_it_is_k_deep_and_pending_before() {
    let [none, one, two] = limits();
    let genesis = genesis();
    for height in [0, 49, 50, 52, 53, 60, 62, 63, u32::MAX] {
        assert_eq!(none.in_force(&genesis, height), sats(LIMIT));
        assert_eq!(none.pending(&genesis, height), None);
        let first = if height < 53 { LIMIT } else { 200 };
        assert_eq!(one.in_force(&genesis, height), sats(first), "at {height}");
        assert_eq!(
            one.pending(&genesis, height),
            (height < 53).then(|| raise(200, 50))
        );
        if height >= 60 {
            let second = if height < 63 { 200 } else { 300 };
            assert_eq!(two.in_force(&genesis, height), sats(second), "at {height}");
            assert_eq!(
                two.pending(&genesis, height),
                (height < 63).then(|| raise(300, 60))
            );
        }
    }
    assert_eq!(raise(200, 50).counts_at(&genesis), 53);
}

#[test]
fn a_limit_never_falls_while_the_chain_grows() {
    let genesis = genesis();
    let at = |height| {
        let [none, one, two] = limits();
        let known = [(none, 0), (one, 50), (two, 60)];
        let last = known.into_iter().rfind(|(_, since)| *since <= height);
        last.expect("the first is always known")
            .0
            .in_force(&genesis, height)
    };
    assert!((0..100).map(at).is_sorted());
}

#[test]
fn withdrawals_with_their_limits_survive_their_encoding() {
    for limit in limits() {
        let withdrawal = Withdrawal {
            exit: exit(),
            batch: 4,
            height: 40,
            id: TransferId([3; 32]),
            limit,
            paid: None,
        };
        let bytes = withdrawal.encode();
        assert_eq!(Withdrawal::decode(&bytes), Ok(withdrawal));
        assert!(Withdrawal::decode(&bytes[..bytes.len() - 1]).is_err());
    }
}

#[test]
fn a_limit_that_no_raise_leads_to_is_no_record() {
    let read = |before: u64, raise: Option<Raise>| {
        let limit = FeeLimit {
            before: sats(before),
            raise,
        };
        FeeLimit::read(&mut Reader::new(&limit.encode()), &exit())
    };
    let most = AMOUNT - 546;
    assert!(read(LIMIT, None).is_ok());
    assert!(read(LIMIT, Some(raise(most, 1))).is_ok());
    assert!(read(200, Some(raise(300, 1))).is_ok());
    for (before, raise) in [
        (LIMIT - 1, None),
        (LIMIT + 1, None),
        (LIMIT - 1, Some(raise(200, 1))),
        (LIMIT, Some(raise(LIMIT, 1))),
        (LIMIT, Some(raise(most + 1, 1))),
    ] {
        assert_eq!(
            read(before, raise),
            Err(DecodeError::OutOfRange("fee limit of a withdrawal")),
            "{before} {raise:?}"
        );
    }
}
