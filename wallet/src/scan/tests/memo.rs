//! Tests of memos in a wallet: who reads them, and that nothing in one touches money.

use tacit_protocol::encryption::{Memo, MemoText};
use tacit_protocol::transfer::Transfer;

use super::*;

fn text(text: &str) -> MemoText {
    MemoText::new(text).unwrap()
}

/// A payment of 20,000 sat to a fresh address of `to`.
fn payment(to: &mut User, words: &str) -> Payment {
    let (_, to) = to.wallet.new_address(&mut to.rng).unwrap();
    Payment::Pay {
        to,
        amount: sat(20_000),
        memo: Some(text(words)),
    }
}

/// The memo of the last entry.
fn last(user: &User) -> Option<MemoRecord> {
    user.wallet.history().pop().unwrap().memo
}

/// Alice pays Bob with a memo and hands it in; the transfer waits.
fn paid(words: &str) -> (MemoryNode, User, User) {
    let (node, mut alice, mut bob) = pair();
    alice.deposit(&node, 50_000);
    let payment = payment(&mut bob, words);
    alice.try_send(&node, &payment).unwrap();
    (node, alice, bob)
}

#[test]
fn a_memo_is_read_by_both_sides_and_by_their_restored_wallets() {
    let (node, mut alice, mut bob) = paid("rent for May");
    let sent = Some(MemoRecord::Text(text("rent for May")));
    assert_eq!(last(&alice), sent, "while it is on its way");
    let mut alice_on_disk = alice.reopen();
    assert_eq!(last(&alice_on_disk), sent);
    node.seal(&[]);
    alice_on_disk.sync(&node);
    bob.sync(&node);
    assert_eq!(last(&alice_on_disk), sent);
    assert_eq!(last(&bob), sent);
    assert_eq!(bob.wallet.history().len(), 1);
    alice = alice_on_disk.restored(&node, 8);
    bob = bob.restored(&node, 9);
    for user in [&mut alice, &mut bob] {
        user.sync(&node);
        assert_eq!(last(user), sent, "from the words alone");
        assert_eq!(
            user.wallet
                .history()
                .iter()
                .filter(|entry| entry.memo.is_some())
                .count(),
            1,
            "a deposit has none"
        );
    }
    let bob = bob.reopen();
    assert_eq!(last(&bob), sent, "after it was saved");
}

#[test]
fn a_memo_to_oneself_is_read_and_a_payment_without_one_says_nothing() {
    let (node, mut alice, mut bob) = pair();
    alice.deposit(&node, 50_000);
    let own = payment(&mut alice, "savings");
    alice.try_send(&node, &own).unwrap();
    node.seal(&[]);
    alice.sync(&node);
    let entry = alice.wallet.history().pop().unwrap();
    assert_eq!(
        (entry.what, entry.memo),
        (EventKind::Merged, Some(MemoRecord::Text(text("savings"))))
    );
    alice.pay(&node, &mut bob, 1_000);
    node.seal(&[]);
    bob.sync(&node);
    assert_eq!(last(&bob), None);
}

#[test]
fn a_garbled_memo_is_named_and_its_payment_credited() {
    for garbage in [[0; 128], [0x5a; 128]] {
        let (node, mut alice, mut bob) = paid("rent");
        // Nobody can do this on Bitcoin without the signature; a payer can, and so can a lying node.
        let garble = |transfer: &mut Transfer| transfer.body.memo = Some(Memo::new(garbage));
        node.inner.borrow_mut().mempool.iter_mut().for_each(garble);
        node.seal(&[]);
        for user in [&mut alice, &mut bob] {
            user.sync(&node);
            let history = user.wallet.history();
            let entry = history.iter().find(|entry| entry.batch == Some(2)).unwrap();
            let Some(MemoRecord::Unreadable(reason)) = &entry.memo else {
                panic!("{entry:?}")
            };
            assert_eq!(reason, "the memo was not encrypted for this transfer");
        }
        assert_eq!((alice.has(), bob.has()), (50_000 - 20_000 - FEE, 20_000));
        let mut carol = User::new(&node, 3);
        bob.pay(&node, &mut carol, 15_000);
        node.seal(&[]);
        carol.sync(&node);
        assert_eq!(
            carol.has(),
            15_000,
            "what came with garbage is spent as any money"
        );
    }
}

#[test]
fn a_memo_of_another_transfer_cannot_be_put_in_its_place() {
    let (node, mut alice, mut bob) = paid("first");
    let stolen = node.inner.borrow().mempool[0].body.memo;
    node.seal(&[]);
    alice.sync(&node);
    bob.sync(&node);
    let second = Payment::Pay {
        to: alice.wallet.address(0),
        amount: sat(5_000),
        memo: Some(text("second")),
    };
    bob.try_send(&node, &second).unwrap();
    node.inner.borrow_mut().mempool[0].body.memo = stolen;
    node.seal(&[]);
    alice.sync(&node);
    assert!(matches!(last(&alice), Some(MemoRecord::Unreadable(_))));
    assert_eq!(alice.has(), 50_000 - 20_000 - FEE + 5_000);
}

#[test]
fn a_rollback_forgets_the_memo_with_its_payment() {
    let (node, _, mut bob) = paid("gone");
    node.seal(&[]);
    bob.sync(&node);
    assert_eq!(bob.wallet.history().len(), 1);
    node.roll_back(1);
    node.seal(&[]);
    bob.sync(&node);
    assert!(bob.wallet.history().is_empty());
}

#[test]
fn a_compact_transfer_grows_by_the_memo_and_by_nothing_else() {
    let (node, _, _) = paid("x");
    let with = crate::api::CompactTransfer::new(node.inner.borrow().mempool[0].body.clone());
    let json = serde_json::to_string(&with).unwrap();
    assert_eq!(json.len(), 2 + 2 * (189 + 128));
    assert_eq!(
        serde_json::from_str::<crate::api::CompactTransfer>(&json).unwrap(),
        with
    );
    let mut body = with.body().clone();
    body.memo = None;
    let without = serde_json::to_string(&crate::api::CompactTransfer::new(body)).unwrap();
    assert_eq!(without.len(), 2 + 2 * 189);
    // A flag that does not say what follows is refused here as well.
    let flags = 1 + 2 * 188;
    assert_eq!(json[flags..flags + 2], *"02");
    for forged in ["00", "01", "03", "04", "82"] {
        let mut json = json.clone();
        json.replace_range(flags..flags + 2, forged);
        assert!(serde_json::from_str::<crate::api::CompactTransfer>(&json).is_err());
    }
}
