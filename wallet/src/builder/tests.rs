//! Tests of building and signing.

use super::*;
use crate::seed::Seed;
use crate::testing::{FEE, params, sat};
use rand::SeedableRng;
use rand::rngs::StdRng;
use sign::{SignError, SigningRequest, sign};
use tacit_circuits::r1cs::Statement;
use tacit_protocol::Network;
use tacit_protocol::tree::{subtree_path, subtree_root};

use crate::tree::RootTree;

fn keys(id: u8) -> Keys {
    Keys::derive(&Seed::from_entropy([id; 32]), Network::Regtest)
}

fn rng() -> StdRng {
    StdRng::seed_from_u64(3)
}

/// Notes of account 1 at leaves 0 and 1 of batch 1.
fn notes(values: &[u64]) -> Vec<(Note, Position)> {
    let keys = keys(1);
    let incoming = keys.viewing().incoming();
    let note = |i: u16, v: u64| Note {
        v: sat(v),
        d: incoming.internal_diversifier(),
        pk_d: incoming.internal_pk_d(),
        rcm: F::from(u64::from(i) + 5),
    };
    (0u16..)
        .zip(values)
        .map(|(i, v)| (note(i, *v), Position::new(1, i).unwrap()))
        .collect()
}

fn built(inputs: &[(Note, Position)], payment: &Payment) -> Result<SignedTransfer, BuildError> {
    let plan = Plan {
        inputs,
        payment,
        fee: 0,
        expiry: 64,
    };
    build(&keys(1), &params(0), &plan, &mut rng())
}

fn pay(amount: u64) -> Payment {
    Payment::Pay {
        to: keys(2).viewing().incoming().address(0),
        amount: sat(amount),
        memo: None,
    }
}

fn text(text: &str) -> MemoText {
    MemoText::new(text).unwrap()
}

fn with_memo(amount: u64) -> Payment {
    let Payment::Pay { to, amount, .. } = pay(amount) else {
        panic!("a payment")
    };
    let memo = Some(text("thanks"));
    Payment::Pay { to, amount, memo }
}

fn withdraw(amount: u64) -> Payment {
    let to = exit::parse_address("bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", Network::Regtest).unwrap();
    Payment::Withdraw {
        amount: sat(amount),
        to,
        max_l1_fee: sat(1_000),
    }
}

#[test]
fn every_kind_of_transfer_satisfies_its_statement() {
    for (values, payment) in [
        (&[5_000][..], pay(1_000)),
        (&[5_000][..], with_memo(1_000)),
        (&[5_000, 2_000][..], pay(6_000)),
        (&[5_000][..], withdraw(4_000)),
        (&[5_000, 2_000][..], Payment::Merge),
    ] {
        let inputs = notes(values);
        let signed = built(&inputs, &payment).unwrap();
        let leaves: Vec<F> = inputs
            .iter()
            .map(|(note, _)| note.commitment().to_field())
            .collect();
        let tree = RootTree::new(&[tacit_protocol::tree::empty_root(5), subtree_root(&leaves)]);
        let statement = signed.statement(tree.root(), |at| {
            subtree_path(&leaves, usize::from(at.leaf())).join(&tree.path(at.batch(), 1))
        });
        assert_eq!(statement.assignment().first_unsatisfied(), None, "{payment:?}");
        let public = signed.body().public(&params(0)).unwrap().inputs(tree.root());
        assert_eq!(statement.public_inputs(), public, "{payment:?}");
        let spent: u64 = values.iter().sum();
        assert_eq!(signed.change(), sat(spent - payment.amount().to_sat() - FEE));
        assert_eq!(signed.spent().count(), values.len());
    }
}

#[test]
fn a_memo_is_signed_and_opens_for_sender_and_recipient() {
    let signed = built(&notes(&[5_000]), &with_memo(1_000)).unwrap();
    let (body, bob) = (signed.body(), keys(2));
    let memo = body.memo.unwrap();
    let paid = bob.viewing().incoming().try_payment(&body.outputs, &body.cm);
    assert_eq!(paid.unwrap().memo_key.open(&memo), Ok(text("thanks")));
    let change = keys(1).viewing().try_change(&body.outputs, &body.nf[0], &body.cm);
    assert_eq!(change.unwrap().memo_key.open(&memo), Ok(text("thanks")));
    for other in [pay(1_000), withdraw(4_000), Payment::Merge] {
        assert_eq!(built(&notes(&[5_000]), &other).unwrap().body().memo, None);
    }
}

#[test]
fn a_withdrawal_carries_a_key_of_its_own() {
    let signed = built(&notes(&[5_000]), &withdraw(4_000)).unwrap();
    let exit = signed.body().exit.clone().unwrap();
    assert_eq!(exit.key(), exit::public_key(keys(1).root(), &signed.body().nf[0]));
}

#[test]
fn impossible_orders_are_refused() {
    let none: &[u64] = &[];
    let refused = |values: &[u64], payment: &Payment| built(&notes(values), payment).unwrap_err();
    assert_eq!(refused(none, &pay(1)), BuildError::Inputs(0));
    assert_eq!(refused(&[1, 2, 3], &pay(1)), BuildError::Inputs(3));
    assert_eq!(refused(&[5_000], &pay(0)), BuildError::Zero);
    assert_eq!(
        refused(&[5_000], &pay(4_901)),
        BuildError::Shortfall {
            have: sat(5_000),
            need: sat(5_001)
        }
    );
    assert_eq!(
        refused(&[5_000], &withdraw(1_545)),
        BuildError::Exit(ExitError::BelowDust)
    );
    let plan = Plan {
        inputs: &notes(&[5_000]),
        payment: &pay(1),
        fee: 9,
        expiry: 64,
    };
    let error = build(&keys(1), &params(0), &plan, &mut rng()).unwrap_err();
    assert_eq!(error, BuildError::Rule(TransferRule::UnknownFee(9)));
}

#[test]
fn outputs_stand_in_both_orders_and_no_two_transfers_are_alike() {
    let inputs = notes(&[5_000]);
    let mut rng = rng();
    let plan = Plan {
        inputs: &inputs,
        payment: &pay(1_000),
        fee: 0,
        expiry: 64,
    };
    let bob = keys(2);
    let mut first = [false; 2];
    let mut seen = Vec::new();
    for _ in 0..16 {
        let signed = build(&keys(1), &params(0), &plan, &mut rng).unwrap();
        let body = signed.body();
        let paid = bob
            .viewing()
            .incoming()
            .try_payment(&body.outputs, &body.cm)
            .unwrap();
        assert_eq!(paid.note.v, sat(1_000));
        first[usize::from(paid.index)] = true;
        assert!(!seen.contains(&body.nf[1]), "the dummy's nullifier is fresh");
        seen.push(body.nf[1]);
    }
    assert_eq!(first, [true; 2]);
}

#[test]
fn a_signer_refuses_what_it_was_not_told() {
    type Tamper = fn(&mut Parts);
    let table: [(&str, Tamper, SignError); 11] = [
        ("another amount", |p| p.amount = sat(2_000), SignError::Commitment),
        (
            "another recipient",
            |p| p.recipient = keys(3).viewing().incoming().address(0),
            SignError::Commitment,
        ),
        ("less change", |p| p.change = sat(1), SignError::Commitment),
        ("another salt", |p| p.salt[0] ^= 1, SignError::Commitment),
        ("another order", |p| p.body.cm.swap(0, 1), SignError::Commitment),
        (
            "a note of somebody else",
            |p| p.inputs[0].0.pk_d += F::from(1u64),
            SignError::Owner,
        ),
        (
            "another note",
            |p| p.inputs[0].0.v = sat(6_000),
            SignError::Nullifier,
        ),
        ("another fee", |p| p.body.fee = 1, SignError::Balance),
        ("another memo", |p| p.memo = Some(text("no")), SignError::Memo),
        ("a memo nobody wrote", |p| p.memo = None, SignError::Memo),
        ("a memo left out", |p| p.body.memo = None, SignError::Memo),
    ];
    let good = Parts::new();
    assert!(good.sign().is_ok());
    for (name, tamper, expected) in table {
        let mut parts = Parts::new();
        tamper(&mut parts);
        assert_eq!(parts.sign().unwrap_err(), expected, "{name}");
    }
}

#[test]
fn a_signer_refuses_foreign_ciphertexts_and_exit_keys() {
    use tacit_protocol::encryption::EncryptedOutputs;
    let mut parts = Parts::new();
    let outputs = parts.body.outputs;
    let mut ct = *outputs.ct_change();
    ct[0] ^= 1;
    parts.body.outputs = EncryptedOutputs::new(*outputs.epk(), *outputs.ct_pay(), ct).unwrap();
    assert_eq!(parts.sign().unwrap_err(), SignError::Ciphertext);

    let mut parts = Parts::new();
    let Payment::Withdraw { to, .. } = withdraw(1_000) else {
        panic!("a withdrawal")
    };
    let foreign = exit::public_key(keys(2).root(), &parts.body.nf[0]);
    parts.body.exit = Some(Exit::new(sat(1_000), to.clone(), sat(0), foreign).unwrap());
    assert_eq!(parts.sign().unwrap_err(), SignError::ExitKey);
    let own = exit::public_key(keys(1).root(), &parts.body.nf[0]);
    parts.body.exit = Some(Exit::new(sat(1_000), to, sat(0), own).unwrap());
    assert_eq!(parts.sign().unwrap_err(), SignError::Balance);
}

/// What a signing request borrows.
struct Parts {
    body: TransferBody,
    inputs: [(Note, Position); 2],
    recipient: Address,
    amount: Amount,
    change: Amount,
    salt: [u8; 8],
    order: OutputOrder,
    memo: Option<MemoText>,
}

impl Parts {
    fn new() -> Self {
        let inputs: [(Note, Position); 2] = notes(&[5_000, 2_000]).try_into().unwrap();
        let keys = keys(1);
        let nf = inputs
            .each_ref()
            .map(|(note, at)| note.nullifier(&keys.viewing().nk(), *at));
        let recipient = crate::builder::tests::keys(2).viewing().incoming().address(0);
        let (amount, change, salt) = (sat(1_000), sat(6_000 - FEE), [4; 8]);
        let order = OutputOrder::PaymentFirst;
        let sealed =
            OutputSecrets::derive(keys.viewing(), &nf[0], salt, (amount, &recipient), change).seal(order);
        let body = TransferBody {
            nf,
            cm: sealed.cm,
            outputs: sealed.outputs,
            fee: 0,
            expiry: 64,
            exit: None,
            memo: Some(sealed.memo_key.seal(&text("thanks"))),
        };
        Self {
            body,
            inputs,
            recipient,
            amount,
            change,
            salt,
            order,
            memo: Some(text("thanks")),
        }
    }

    fn sign(&self) -> Result<Signature, SignError> {
        let request = SigningRequest {
            body: &self.body,
            inputs: &self.inputs,
            recipient: self.recipient,
            amount: self.amount,
            change: self.change,
            salt: self.salt,
            order: self.order,
            memo: self.memo.as_ref(),
        };
        sign(&keys(1), &params(0), &request, &mut rng())
    }
}
