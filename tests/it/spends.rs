//! Double spends and replays: in one batch, across batches, after a restart, on another chain.

use rand::rngs::OsRng;
use tacit_protocol::Amount;
use tacit_protocol::encryption::{Memo, MemoText};
use tacit_protocol::field;
use tacit_protocol::note::{Note, Position};
use tacit_protocol::params::{ChainParams, Genesis};
use tacit_protocol::transfer::Transfer;
use tacit_protocol::tree::{MerklePath, NOTE_DEPTH, empty_root};
use tacit_wallet::api::{ApiError, NodeApi, Receipt, TransferStatus};
use tacit_wallet::builder::{Plan, build};
use tacit_wallet::select::expiry_after;
use tacit_wallet::{Payment, TransferProver};

use crate::people::Person;
use crate::setting::{Choices, Setting};

/// Long enough for two submissions to meet in the mempool on a busy machine.
const SEAL_AFTER_MS: u64 = 4_000;

fn is_about_proof(answer: &Result<Receipt, ApiError>) -> bool {
    matches!(answer, Err(ApiError::InvalidTransfer { rule }) if rule.contains("proof"))
}

#[test]
fn a_note_is_spent_once_whoever_tries_and_whenever() -> anyhow::Result<()> {
    let mut setting = Setting::new(Choices {
        seal_after_ms: SEAL_AFTER_MS,
        ..Choices::default()
    })?;
    let mut alice = Person::new(&setting.ground, "alice")?;
    let mut bob = Person::new(&setting.ground, "bob")?;
    let mut carol = Person::new(&setting.ground, "carol")?;
    alice.deposit(&setting, 500_000)?;
    let memo = Some(MemoText::new("the signed one")?);
    let first = alice.draft(&setting, &Person::payment_with(&mut bob, 100_000, memo)?)?;
    let rival = alice.draft(&setting, &Person::payment_to(&mut carol, 200_000)?)?;
    assert_eq!(first.body.nf[0], rival.body.nf[0], "both spend Alice's only note");
    a_proof_fits_nothing_else(&setting, &first, &rival);

    let receipt = setting.api.submit_transfer(&first)?;
    setting.promised(receipt.promise.txid);
    let again = setting.api.submit_transfer(&first)?;
    assert_eq!(
        receipt.promise, again.promise,
        "handing in again is no double spend"
    );
    let refused = setting.api.submit_transfer(&rival);
    let (nullifier, txid) = (first.body.nf[0], receipt.promise.txid);
    assert_eq!(
        refused,
        Err(ApiError::Conflict { nullifier, txid }),
        "in one batch"
    );

    setting.anchor(txid)?;
    setting.settle()?;
    let spent = Err(ApiError::Spent { nullifier });
    assert_eq!(setting.api.submit_transfer(&rival), spent, "across batches");
    setting.sequencer.kill();
    setting.restart_sequencer(None)?;
    assert_eq!(setting.api.submit_transfer(&rival), spent, "after a restart");
    let promised = setting.api.submit_transfer(&first)?;
    assert_eq!(promised.promise.txid, txid, "what was promised stays known");

    assert_eq!(bob.holds(&setting.api)?, 100_000);
    assert_eq!(carol.holds(&setting.api)?, 0);
    a_killed_mempool_still_remembers(&mut setting, &mut alice, &mut bob)?;
    a_transfer_of_another_chain_is_refused(&setting, &mut alice)?;
    setting.agree().map(drop)
}

/// What is changed, and how.
type Tamper = (&'static str, fn(&mut Transfer));

/// Neither another anchor nor another body can borrow a proof.
fn a_proof_fits_nothing_else(setting: &Setting, first: &Transfer, rival: &Transfer) {
    let tamper: [Tamper; 6] = [
        ("another anchor", |transfer| transfer.anchor = 0),
        ("another fee", |transfer| transfer.body.fee += 1),
        ("other commitments", |transfer| transfer.body.cm.swap(0, 1)),
        ("another memo", |transfer| {
            transfer.body.memo = Some(Memo::new([7; Memo::BYTES]));
        }),
        ("no memo", |transfer| transfer.body.memo = None),
        ("another nullifier", |transfer| transfer.body.nf.swap(0, 1)),
    ];
    for (what, change) in tamper {
        let mut forged = first.clone();
        change(&mut forged);
        let answer = setting.api.submit_transfer(&forged);
        assert!(
            is_about_proof(&answer),
            "a proof replayed with {what}: {answer:?}"
        );
    }
    let stolen = Transfer {
        proof: first.proof,
        ..rival.clone()
    };
    let answer = setting.api.submit_transfer(&stolen);
    assert!(is_about_proof(&answer), "another transfer's proof: {answer:?}");
}

/// A transfer that was acknowledged and is in no batch yet survives `kill -9`.
fn a_killed_mempool_still_remembers(
    setting: &mut Setting,
    alice: &mut Person,
    bob: &mut Person,
) -> anyhow::Result<()> {
    let first = alice.draft(setting, &Person::payment_to(bob, 30_000)?)?;
    let rival = alice.draft(setting, &Person::payment_to(bob, 40_000)?)?;
    let receipt = setting.api.submit_transfer(&first)?;
    setting.promised(receipt.promise.txid);
    setting.sequencer.kill();
    setting.restart_sequencer(None)?;
    let status = setting.api.transfer_status(receipt.promise.txid)?;
    assert!(
        matches!(status, TransferStatus::Pending | TransferStatus::Batched { .. }),
        "{status:?}"
    );
    let refused = setting.api.submit_transfer(&rival);
    assert!(
        matches!(refused, Err(ApiError::Conflict { .. } | ApiError::Spent { .. })),
        "{refused:?}"
    );
    setting.anchor(receipt.promise.txid)?;
    Ok(())
}

/// The same transfer made for two chains that differ in their genesis alone. It spends a note of no
/// value, so that nothing but the chain's identifier can be in the way.
fn a_transfer_of_another_chain_is_refused(setting: &Setting, alice: &mut Person) -> anyhow::Result<()> {
    let own = setting.chain().params();
    let forced_window = own.genesis().forced_window + 1;
    let genesis = Genesis {
        forced_window,
        ..own.genesis().clone()
    };
    let other = ChainParams::new(genesis, own.circuits().to_vec())?;
    assert_ne!(other.chain_id(), own.chain_id());
    alice.sync(&setting.api)?;
    let (foreign, native) = (
        worthless(setting, alice, &other)?,
        worthless(setting, alice, own)?,
    );
    let answer = setting.api.submit_transfer(&foreign);
    assert!(
        is_about_proof(&answer),
        "a transfer for another chain: {answer:?}"
    );
    let receipt = setting.api.submit_transfer(&native)?;
    setting.promised(receipt.promise.txid);
    assert_eq!(receipt.promise.chain_id, own.chain_id());
    setting.anchor(receipt.promise.txid)?;
    Ok(())
}

/// A transfer of nothing, signed and proven for the chain of `params`.
fn worthless(setting: &Setting, alice: &Person, params: &ChainParams) -> anyhow::Result<Transfer> {
    let keys = alice.wallet.keys();
    let incoming = keys.viewing().incoming();
    let mut random = [0; 64];
    rand::RngCore::fill_bytes(&mut OsRng, &mut random);
    let note = Note {
        v: Amount::ZERO,
        d: incoming.internal_diversifier(),
        pk_d: incoming.internal_pk_d(),
        rcm: field::from_uniform(&random),
    };
    let inputs = [(note, Position::from_u64(0)?)];
    let expiry = expiry_after(alice.wallet.batch());
    let plan = Plan {
        inputs: &inputs,
        payment: &Payment::Merge,
        fee: 0,
        expiry,
    };
    let signed = build(keys, params, &plan, &mut OsRng)?;
    let statement = signed.statement(empty_root(NOTE_DEPTH), |_| MerklePath::zero(NOTE_DEPTH));
    let proof = setting.prover.prove_transfer(&statement, &mut OsRng)?;
    Ok(signed.with_proof(0, proof))
}
