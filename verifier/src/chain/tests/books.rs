//! The books: running totals and indices against a walk over all rows, and the reserves after each batch.

use bitcoin::OutPoint;
use proptest::prelude::*;
use tacit_protocol::encoding::{Decode, Encode};
use tacit_protocol::kv::{Delta, KvError, KvRead, Pair};
use tacit_protocol::peg::{TxInput, VaultContext, WithdrawalView};
use tacit_protocol::{Amount, ledger};

use super::super::records::Verdict;
use super::super::{
    Books, BooksError, Owed, Reserves, VaultStateView, audit_books, reserves, table, walk_owed,
};
use super::underpaid;
use super::world::{Chain, DEPOSIT, SHARE, claim, exit, world};

const CREDIT: u64 = DEPOSIT - SHARE;

fn now(chain: &Chain) -> Reserves {
    reserves(&chain.kv).expect("memory")
}

fn audited(chain: &Chain) -> Result<Reserves, BooksError> {
    audit_books(&chain.kv)
}

/// The withdrawals that a vault transaction could pay now.
fn payable(chain: &Chain) -> Vec<(u64, WithdrawalView)> {
    let view = VaultStateView::new(&chain.kv, world().rules.params(), chain.cursor().height).expect("memory");
    let rows = table::unpaid(&chain.kv, 0, usize::MAX).expect("memory");
    let found = rows
        .iter()
        .map(|(index, _)| (*index, view.withdrawal(*index).expect("recorded")));
    found.filter(|(_, withdrawal)| withdrawal.deep).collect()
}

fn pay(chain: &mut Chain, withdrawals: &[(u64, WithdrawalView)]) {
    let unsigned = chain.vault(&[], withdrawals);
    let payout = TxInput::new(unsigned.tx().clone(), unsigned.prevouts().to_vec());
    chain.mine(vec![payout.expect("one output per input")]);
}

/// A batch with an exit per number of a transfer.
fn leave(chain: &mut Chain, numbers: &[u64]) -> Verdict {
    let make = |n: &u64| chain.transfer(*n, 0, |t| t.body.exit = Some(exit(40_000)));
    let transfers = numbers.iter().map(make).collect();
    let batch = chain.batch(transfers, Vec::new());
    chain.publish(vec![batch])
}

/// Credits up to four of the deposits that are open.
fn credit(chain: &mut Chain) -> Verdict {
    let open = table::uncredited(&chain.kv, 0, 4).expect("memory");
    let claims = open
        .iter()
        .map(|(index, _)| claim(u32::try_from(*index).expect("few"), 1));
    let batch = chain.batch(Vec::new(), claims.collect());
    chain.publish(vec![batch])
}

#[derive(Clone, Debug)]
enum Step {
    Sweep(usize),
    Credit,
    Leave(usize),
    Pay(usize),
    Mine,
    Fault,
    TakeBack(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1usize..4).prop_map(Step::Sweep),
        4 => Just(Step::Credit),
        4 => (1usize..4).prop_map(Step::Leave),
        3 => (1usize..4).prop_map(Step::Pay),
        3 => Just(Step::Mine),
        1 => Just(Step::Fault),
        3 => (1usize..6).prop_map(Step::TakeBack),
    ]
}

fn run(chain: &mut Chain, step: &Step, fresh: &mut u64) {
    match step {
        Step::Sweep(count) => {
            let sweep = chain.sweep(&vec![1; *count]);
            chain.mine(vec![sweep]);
        }
        Step::Credit => {
            credit(chain);
        }
        Step::Leave(count) => {
            let numbers: Vec<u64> = (0..*count as u64).map(|n| *fresh + n).collect();
            *fresh += *count as u64;
            leave(chain, &numbers);
        }
        Step::Pay(count) => {
            let mut found = payable(chain);
            // Any choice is within the rules; the order of the queue is the signers' policy.
            found.reverse();
            found.truncate(*count);
            pay(chain, &found);
        }
        Step::Mine => chain.mine(Vec::new()),
        Step::Fault => {
            let fault = underpaid(chain);
            chain.mine(vec![fault]);
        }
        Step::TakeBack(count) => {
            for _ in 0..(*count).min(chain.blocks.len()) {
                chain.disconnect();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn totals_and_indices_equal_what_a_walk_adds_up_over_random_histories(
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        let mut chain = Chain::funded();
        let mut fresh = 1;
        for step in &steps {
            run(&mut chain, step, &mut fresh);
            prop_assert_eq!(audited(&chain), Ok(now(&chain)), "{:?}", step);
        }
        let kept = table::owed(&chain.kv).expect("memory");
        prop_assert_eq!(kept, walk_owed(&chain.kv).expect("memory"));
        prop_assert_eq!(Chain::everything(&chain.kv), Chain::everything(&chain.replay()));
    }
}

/// A chain with one deposit open, one exit open and one paid.
fn busy() -> Chain {
    let mut chain = Chain::funded();
    let sweep = chain.sweep(&[1, 1]);
    chain.mine(vec![sweep]);
    chain.mine(Vec::new());
    assert_eq!(
        leave(&mut chain, &[1, 2]),
        Verdict::Applied { first: 2, count: 1 }
    );
    chain.mine(Vec::new());
    let first = payable(&chain)[..1].to_vec();
    pay(&mut chain, &first);
    let batch = chain.batch(Vec::new(), vec![claim(1, 1)]);
    chain.publish(vec![batch]);
    chain
}

#[test]
fn what_is_open_is_listed_and_what_is_settled_is_not() {
    let chain = busy();
    let unpaid = table::unpaid(&chain.kv, 0, usize::MAX).expect("memory");
    assert_eq!(unpaid.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [1]);
    assert_eq!(table::unpaid(&chain.kv, 2, usize::MAX), Ok(vec![]));
    let open = table::uncredited(&chain.kv, 0, usize::MAX).expect("memory");
    assert_eq!(open.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [2]);
    assert_eq!(table::uncredited(&chain.kv, 3, usize::MAX), Ok(vec![]));
    let expected = Owed {
        uncredited: CREDIT,
        uncredited_count: 1,
        unpaid: 40_000,
        unpaid_count: 1,
    };
    assert_eq!(table::owed(&chain.kv), Ok(expected));
    // Paid two blocks before the last one.
    let height = chain.cursor().height;
    let paid = |above| {
        let rows = table::paid_above(&chain.kv, above).expect("memory");
        rows.into_iter().map(|(index, _)| index).collect::<Vec<_>>()
    };
    assert_eq!(paid(0), [0]);
    assert_eq!(paid(height - 2), [0]);
    assert_eq!(paid(height - 1), [] as [u64; 0]);
    assert_eq!(paid(u32::MAX), [] as [u64; 0]);
}

#[test]
fn sweeps_are_found_by_their_script() {
    let mut chain = Chain::funded();
    let sweep = chain.sweep(&[2, 1]);
    chain.mine(vec![sweep]);
    let rows = table::sweeps(&chain.kv, 0, usize::MAX).expect("memory");
    let mut found = 0;
    for (_, swept) in &rows {
        let same: Vec<_> = rows
            .iter()
            .filter(|(_, other)| other.script == swept.script)
            .map(|(_, other)| other.clone())
            .collect();
        assert_eq!(table::sweeps_to(&chain.kv, &swept.script), Ok(same.clone()));
        found += same.len();
    }
    assert_eq!(found, 5, "two to one script, one to another");
    let prefix = bitcoin::ScriptBuf::from_bytes(rows[0].1.script.as_bytes()[..20].to_vec());
    assert_eq!(table::sweeps_to(&chain.kv, &prefix), Ok(vec![]));
}

#[test]
fn the_books_after_a_batch_stay_as_they_were_and_leave_with_it() {
    let mut chain = Chain::new();
    let books = |chain: &Chain, number| table::books(&chain.kv, number).expect("memory");
    let vault = |chain: &Chain| {
        table::vault_tip(&chain.kv)
            .expect("memory")
            .expect("a tip")
            .outpoint
    };
    let genesis = books(&chain, 0).expect("genesis has books");
    assert_eq!((genesis.vault, genesis.reserves), (vault(&chain), now(&chain)));
    let sweep = chain.sweep(&[1, 1]);
    chain.mine(vec![sweep]);
    chain.mine(Vec::new());
    let held = vault(&chain);
    let batch = chain.batch(Vec::new(), vec![claim(0, 1)]);
    chain.publish(vec![batch]);
    let expected = Books {
        vault: held,
        reserves: Reserves {
            vault: 10_000 + 2 * CREDIT,
            supply: CREDIT,
            uncredited: CREDIT,
            uncredited_count: 1,
            unpaid: 0,
            unpaid_count: 0,
        },
    };
    assert_eq!(books(&chain, 1), Some(expected));
    assert_eq!(
        (expected.reserves.gap(), expected.reserves.surplus()),
        (0, 10_000)
    );
    assert_eq!(books(&chain, 2), None);
    let sweep = chain.sweep(&[1]);
    chain.mine(vec![sweep]);
    leave(&mut chain, &[1]);
    assert_eq!(books(&chain, 1), Some(expected), "whatever comes later");
    let second = books(&chain, 2).expect("applied");
    assert_eq!((second.vault, second.reserves), (vault(&chain), now(&chain)));
    assert_ne!(second.vault, held);
    chain.disconnect();
    assert_eq!(books(&chain, 2), None);
    assert_eq!(books(&chain, 0), Some(genesis));
}

#[test]
fn the_batches_of_one_anchor_have_books_of_their_own() {
    let mut chain = Chain::new();
    let sweep = chain.sweep(&[1, 1]);
    chain.mine(vec![sweep]);
    chain.mine(Vec::new());
    let first = chain.batch(Vec::new(), vec![claim(0, 1)]);
    let mut ahead = chain.clone();
    ahead.publish(vec![first.clone()]);
    let second = ahead.batch(Vec::new(), vec![claim(1, 1)]);
    assert_eq!(
        chain.publish(vec![first, second]),
        Verdict::Applied { first: 1, count: 2 }
    );
    let open = |number| {
        let books = table::books(&chain.kv, number).expect("memory").expect("applied");
        (books.reserves.supply, books.reserves.uncredited)
    };
    assert_eq!(open(0), (0, 0));
    assert_eq!(open(1), (CREDIT, CREDIT));
    assert_eq!(open(2), (2 * CREDIT, 0));
}

#[test]
fn an_invalid_anchor_leaves_the_books_alone() {
    let mut chain = busy();
    let before = (table::owed(&chain.kv), now(&chain));
    let mut batch = chain.batch(Vec::new(), vec![claim(2, 1)]);
    batch.state += tacit_protocol::F::from(1u64);
    assert!(matches!(chain.publish(vec![batch]), Verdict::Invalid(_)));
    assert_eq!((table::owed(&chain.kv), now(&chain)), before);
    assert_eq!(audited(&chain), Ok(before.1));
}

/// The chain after somebody wrote into its database.
fn tampered(key: Vec<u8>, value: Option<Vec<u8>>) -> Result<Reserves, BooksError> {
    let mut chain = busy();
    assert!(audited(&chain).is_ok());
    let mut delta = Delta::default();
    delta.insert(key, value);
    chain.kv.commit(&delta);
    audited(&chain)
}

fn row(table: &[u8; 2], number: u64) -> Vec<u8> {
    [&table[..], &number.to_be_bytes()].concat()
}

#[test]
fn an_audit_names_whatever_does_not_add_up() {
    let walked = table::owed(&busy().kv).expect("memory");
    let kept = Owed {
        unpaid: walked.unpaid - 1,
        ..walked
    };
    let totals = tampered(b"LO".to_vec(), Some(kept.encode()));
    assert_eq!(totals, Err(BooksError::Totals { kept, walked }));
    let index = |what, number| Err(BooksError::Index { what, number });
    let empty = Some(Vec::new());
    assert_eq!(tampered(row(b"LW", 1), None), index("exits to pay", 1));
    assert_eq!(tampered(row(b"LW", 0), empty.clone()), index("exits to pay", 0));
    assert_eq!(tampered(row(b"LD", 2), None), index("deposits to credit", 2));
    assert_eq!(tampered(row(b"LD", 1), empty), index("deposits to credit", 1));
    assert_eq!(tampered(row(b"LB", 1), None), Err(BooksError::Batch(1)));
    let books = table::books(&busy().kv, 1).expect("memory").expect("applied");
    let other = Books {
        reserves: Reserves {
            supply: books.reserves.supply + 1,
            ..books.reserves
        },
        ..books
    };
    assert_eq!(
        tampered(row(b"LB", 1), Some(other.encode())),
        Err(BooksError::Batch(1))
    );
    let missing = tampered(b"LO".to_vec(), None).expect_err("no totals");
    assert!(
        missing.to_string().contains("running totals are missing"),
        "{missing}"
    );
}

#[test]
fn totals_that_would_turn_negative_are_damage() {
    let mut chain = busy();
    let mut delta = Delta::default();
    delta.insert(b"LO".to_vec(), Some(Owed::default().encode()));
    chain.kv.commit(&delta);
    let unsigned = chain.vault(&[], &payable(&chain));
    let payout = TxInput::new(unsigned.tx().clone(), unsigned.prevouts().to_vec());
    let block = chain.block(vec![payout.expect("one output per input")]);
    let refused = super::connect(&chain.kv, &world().rules, &block).expect_err("nothing is owed");
    assert!(refused.to_string().contains("out of range"), "{refused}");
}

#[test]
fn books_survive_their_encoding() {
    let owed = Owed {
        uncredited: 1,
        uncredited_count: 2,
        unpaid: 3,
        unpaid_count: u64::MAX,
    };
    assert_eq!(Owed::decode(&owed.encode()), Ok(owed));
    let books = Books {
        vault: OutPoint::new(super::world::outpoint(5).txid, 7),
        reserves: Reserves {
            vault: 1,
            supply: 2,
            uncredited: 3,
            uncredited_count: 4,
            unpaid: 5,
            unpaid_count: 6,
        },
    };
    assert_eq!(Books::decode(&books.encode()), Ok(books));
    for bytes in [owed.encode(), books.encode()] {
        let short = &bytes[..bytes.len() - 1];
        let long = [&bytes[..], &[0]].concat();
        for wrong in [short, &long] {
            assert!(Owed::decode(wrong).is_err() && Books::decode(wrong).is_err());
        }
    }
}

/// Counts the rows that are asked for.
struct Counting<'a>(&'a dyn KvRead, std::cell::Cell<usize>);

impl KvRead for Counting<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        self.1.set(self.1.get() + 1);
        self.0.get(key)
    }

    fn range(&self, start: &[u8], end: &[u8], limit: usize) -> Result<Vec<Pair>, KvError> {
        let found = self.0.range(start, end, limit)?;
        self.1.set(self.1.get() + 1 + found.len());
        Ok(found)
    }

    fn last_in(&self, start: &[u8], last: &[u8]) -> Result<Option<Pair>, KvError> {
        self.1.set(self.1.get() + 1);
        self.0.last_in(start, last)
    }
}

#[test]
fn reserves_read_few_rows_whatever_came_before() {
    let reads = |chain: &Chain| {
        let counting = Counting(&chain.kv, std::cell::Cell::new(0));
        reserves(&counting).expect("memory");
        counting.1.get()
    };
    let mut chain = Chain::funded();
    let before = reads(&chain);
    for _ in 0..10 {
        let sweep = chain.sweep(&[1, 1, 1]);
        chain.mine(vec![sweep]);
    }
    assert_eq!(now(&chain).uncredited_count, 30);
    assert_eq!(reads(&chain), before);
    assert_eq!(
        ledger::tip(&chain.kv).expect("memory").supply,
        Amount::from_sat(CREDIT).expect("an amount")
    );
}
