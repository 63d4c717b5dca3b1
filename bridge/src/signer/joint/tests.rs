//! Each federation signs what its key owns, and nothing is left unsigned or asked for in vain.

use std::sync::Mutex;

use bitcoin::secp256k1::Secp256k1;
use tacit_protocol::peg::deposit::DepositTerms;
use tacit_protocol::peg::vault::DepositCoin;

use super::*;
use crate::fixture::{World, federation, key, propose, rate, terms};
use crate::keys::SigningKey;
use crate::signer::own_inputs;
use crate::vault::VaultRates;

/// Signs whatever its key owns, or refuses; counts how often it was asked.
struct Holds {
    key: SigningKey,
    refuses: bool,
    asked: Mutex<u32>,
}

impl Holds {
    fn new(key: SigningKey, refuses: bool) -> Arc<Self> {
        let asked = Mutex::default();
        Arc::new(Self { key, refuses, asked })
    }

    fn asked(&self) -> u32 {
        *self.asked.lock().unwrap()
    }
}

impl VaultSigner for Holds {
    fn keys(&self) -> Vec<XOnlyPublicKey> {
        vec![self.key.public_key()]
    }

    fn sign_vault(&self, _: &Proposal, tx: &UnsignedVaultTx) -> Result<Signatures, SignError> {
        *self.asked.lock().unwrap() += 1;
        if self.refuses {
            return Err(SignError::Halted("not today".to_owned()));
        }
        Ok(own_inputs(tx.roles(), &self.key.public_key())
            .map(|(input, root)| (input, self.key.sign_key_path(&tx.sighash(input), root)))
            .collect())
    }
}

/// The key of the federation before.
fn old() -> SigningKey {
    key(9)
}

/// A sweep of one deposit under the old key and one under the new, into a vault under the new key.
fn sweep() -> (Proposal, UnsignedVaultTx) {
    let mut world = World::new();
    let under_old = DepositTerms {
        federation: old().public_key(),
        ..terms(22)
    };
    let deposits: Vec<DepositCoin> = [world.deposit(21, 100_000), world.deposit(22, 200_000)]
        .into_iter()
        .zip([terms(21), under_old])
        .map(|(deposit, terms)| DepositCoin { terms, ..deposit })
        .collect();
    propose(&world, &deposits, &[], VaultRates::at(rate())).unwrap()
}

#[test]
fn each_federation_signs_the_inputs_of_its_own_key() {
    let (proposal, tx) = sweep();
    let new = Holds::new(federation(), false);
    let old = Holds::new(old(), false);
    let joint = JointSigner::new(vec![new.clone(), old.clone()]);
    assert_eq!(joint.keys(), [new.key.public_key(), old.key.public_key()]);
    let signatures = joint.sign_vault(&proposal, &tx).unwrap();
    assert_eq!(signatures.keys().copied().collect::<Vec<_>>(), [0, 1, 2]);
    let secp = Secp256k1::verification_only();
    for (&input, signature) in &signatures {
        let script = &tx.prevouts()[input].script_pubkey;
        let key = XOnlyPublicKey::from_slice(&script.as_bytes()[2..]).unwrap();
        secp.verify_schnorr(signature, &tx.sighash(input), &key).unwrap();
    }
    assert_eq!(
        [&new, &old].map(|signer| signer.sign_vault(&proposal, &tx).unwrap().len()),
        [2, 1],
        "neither signs for the other"
    );
}

#[test]
fn an_input_of_a_key_that_nobody_holds_is_named_before_anybody_is_asked() {
    let (proposal, tx) = sweep();
    let new = Holds::new(federation(), false);
    let joint = JointSigner::new(vec![new.clone()]);
    let refused = joint.sign_vault(&proposal, &tx).unwrap_err();
    let input = tx
        .roles()
        .iter()
        .position(|role| {
            role.federation()
                .is_some_and(|path| path.internal == old().public_key())
        })
        .unwrap();
    let key = Box::new(old().public_key());
    assert_eq!(refused, SignError::NoSigner { input, key });
    assert_eq!(new.asked(), 0);
}

#[test]
fn who_owns_nothing_is_not_asked_and_a_refusal_costs_the_others_nothing() {
    let (proposal, tx) = sweep();
    let (new, stranger) = (Holds::new(federation(), true), Holds::new(key(8), false));
    let old = Holds::new(old(), false);
    let joint = JointSigner::new(vec![stranger.clone(), new.clone(), old.clone()]);
    let refused = joint.sign_vault(&proposal, &tx);
    assert_eq!(refused, Err(SignError::Halted("not today".to_owned())));
    assert_eq!([stranger, new, old].map(|signer| signer.asked()), [0, 1, 0]);
}
