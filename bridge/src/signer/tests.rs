//! A signer signs what it derives itself, and says why it refuses anything else.

use std::sync::Arc;

use bitcoin::secp256k1::Secp256k1;
use tacit_protocol::Network;
use tacit_protocol::peg::vault::{DepositCoin, UnsignedVaultTx, VaultKeys};
use tacit_protocol::peg::{FeeRate, VaultContext, VaultFault, WithdrawalView};

use super::{LocalSigner, LocalSignerOnMainnet, SignError, VaultSigner};
use crate::fixture::{World, federation, key, propose, propose_from, rate, terms, vault_keys, withdrawal};
use crate::keys::SigningKey;
use crate::proposal::Proposal;
use crate::vault::{Handovers, VaultRates, VaultSnapshot, VaultView, ViewError};

struct View(Result<VaultSnapshot, ViewError>);

impl VaultView for View {
    fn snapshot(&self) -> Result<VaultSnapshot, ViewError> {
        self.0.clone()
    }
}

fn signer(snapshot: VaultSnapshot) -> LocalSigner {
    signer_on(Network::Regtest, snapshot).unwrap()
}

fn signer_on(network: Network, snapshot: VaultSnapshot) -> Result<LocalSigner, LocalSignerOnMainnet> {
    let ceiling = FeeRate::from_sat_per_kwu(5_000);
    LocalSigner::new(network, federation(), Arc::new(View(Ok(snapshot))), ceiling)
}

fn signer_with(key: SigningKey, view: Result<VaultSnapshot, ViewError>) -> LocalSigner {
    LocalSigner::new(Network::Regtest, key, Arc::new(View(view)), rate()).unwrap()
}

/// What an operator proposes that knows these deposits and withdrawals.
fn plan(
    world: &World,
    deposits: &[DepositCoin],
    withdrawals: &[(u64, WithdrawalView)],
    q: FeeRate,
) -> (Proposal, UnsignedVaultTx) {
    propose(world, deposits, withdrawals, VaultRates::at(q)).unwrap()
}

/// A world with two deposits and two withdrawals, and the snapshot that shows them.
fn setting() -> (World, Vec<DepositCoin>, Vec<(u64, WithdrawalView)>, VaultSnapshot) {
    let mut world = World::new();
    let deposits = vec![world.deposit(21, 100_000), world.deposit(22, 200_000)];
    let withdrawals = vec![(4, withdrawal(31, 50_000)), (7, withdrawal(32, 60_000))];
    let snapshot = VaultSnapshot::new(
        world.coins.height(),
        world.vault_tip,
        vault_keys(),
        deposits.clone(),
        withdrawals.clone(),
    );
    (world, deposits, withdrawals, snapshot)
}

#[test]
fn a_single_local_signer_is_refused_on_the_main_network() {
    let make = |network| signer_on(network, setting().3).map(drop);
    assert_eq!(make(Network::Mainnet), Err(LocalSignerOnMainnet));
    for network in [Network::Testnet4, Network::Signet, Network::Regtest] {
        assert_eq!(make(network), Ok(()));
    }
}

#[test]
fn an_honest_proposal_is_signed_for_vault_and_deposits() {
    let (world, deposits, withdrawals, snapshot) = setting();
    let tx = plan(&world, &deposits, &withdrawals, rate());
    let signatures = signer(snapshot.clone()).sign_vault(&tx.0, &tx.1).unwrap();
    assert_eq!(
        signatures.len(),
        3,
        "vault and two deposits; the operator signs its own coins"
    );
    let secp = Secp256k1::verification_only();
    let output = bitcoin::XOnlyPublicKey::from_slice(&snapshot.vault_script().as_bytes()[2..]);
    secp.verify_schnorr(&signatures[&0], &tx.1.sighash(0), &output.unwrap())
        .unwrap();
}

#[test]
fn another_tip_is_refused() {
    let (mut world, deposits, withdrawals, snapshot) = setting();
    world.vault_tip.outpoint = deposits[0].outpoint;
    let tx = plan(&world, &deposits[1..], &withdrawals, rate());
    let refused = signer(snapshot).sign_vault(&tx.0, &tx.1);
    assert_eq!(refused, Err(SignError::Fault(VaultFault::TipNotFirst)));
}

#[test]
fn a_deposit_of_unknown_terms_is_refused() {
    let (mut world, deposits, withdrawals, snapshot) = setting();
    let stranger = world.deposit(23, 100_000);
    let tx = plan(
        &world,
        &[deposits[0].clone(), stranger.clone()],
        &withdrawals,
        rate(),
    );
    let refused = signer(snapshot.clone()).sign_vault(&tx.0, &tx.1);
    assert_eq!(refused, Err(SignError::Deposit(stranger.outpoint)));
    // The right outpoint with another note in the terms would sweep money that nobody is owed.
    let forged = DepositCoin {
        terms: terms(99),
        ..deposits[0].clone()
    };
    let tx = plan(&world, &[forged], &withdrawals, rate());
    let refused = signer(snapshot).sign_vault(&tx.0, &tx.1);
    assert_eq!(refused, Err(SignError::Deposit(deposits[0].outpoint)));
}

#[test]
fn unknown_or_altered_withdrawals_are_refused() {
    let (world, _, mut withdrawals, snapshot) = setting();
    withdrawals.push((9, withdrawal(33, 70_000)));
    let tx = plan(&world, &[], &withdrawals, rate());
    let refused = signer(snapshot.clone()).sign_vault(&tx.0, &tx.1);
    assert_eq!(refused, Err(SignError::Fault(VaultFault::UnknownIndex(9))));
    let altered = [(4, withdrawal(31, 50_000)), (7, withdrawal(34, 60_000))];
    let tx = plan(&world, &[], &altered, rate());
    let refused = signer(snapshot).sign_vault(&tx.0, &tx.1);
    assert_eq!(refused, Err(SignError::Fault(VaultFault::WrongScript(7))));
}

#[test]
fn skipping_an_eligible_withdrawal_is_refused() {
    let (world, _, withdrawals, snapshot) = setting();
    let tx = plan(&world, &[], &withdrawals[1..], rate());
    assert_eq!(
        signer(snapshot).sign_vault(&tx.0, &tx.1),
        Err(SignError::Skipped(4))
    );
}

#[test]
fn a_rate_above_the_ceiling_is_refused() {
    let (world, deposits, _, snapshot) = setting();
    let tx = plan(&world, &deposits, &[], FeeRate::from_sat_per_kwu(6_000));
    let refused = signer(snapshot).sign_vault(&tx.0, &tx.1);
    assert_eq!(
        refused,
        Err(SignError::RateCeiling {
            q: 6_000,
            ceiling: 5_000
        })
    );
}

#[test]
fn a_halted_a_blind_and_a_foreign_signer_refuse() {
    let (world, deposits, withdrawals, snapshot) = setting();
    let tx = plan(&world, &deposits, &withdrawals, rate());
    let halted = signer(snapshot.clone().halt("a vault fault")).sign_vault(&tx.0, &tx.1);
    assert_eq!(halted, Err(SignError::Halted("a vault fault".to_owned())));
    let error = ViewError("database closed".to_owned());
    let blind = signer_with(federation(), Err(error.clone()));
    assert_eq!(blind.sign_vault(&tx.0, &tx.1), Err(SignError::View(error)));
    let foreign = signer_with(key(9), Ok(snapshot));
    assert!(matches!(
        foreign.sign_vault(&tx.0, &tx.1),
        Err(SignError::Key { .. })
    ));
}

#[test]
fn a_vault_of_other_leaves_is_refused() {
    let (world, deposits, withdrawals, snapshot) = setting();
    let honest = snapshot.vault().clone();
    let others = [
        VaultKeys::without_leaves(honest.federation),
        VaultKeys {
            backup: None,
            ..honest.clone()
        },
        VaultKeys {
            recovery: honest.backup.clone(),
            ..honest
        },
    ];
    for vault in others {
        let tx = propose_from(vault, &world, (&deposits, &withdrawals), VaultRates::at(rate())).unwrap();
        let refused = signer(snapshot.clone()).sign_vault(&tx.0, &tx.1);
        assert_eq!(refused, Err(SignError::Fault(VaultFault::TipContents)));
    }
}

#[test]
fn a_deposit_under_another_key_is_swept_only_while_its_federation_hands_over() {
    let (world, mut deposits, withdrawals, _) = setting();
    let former = key(9);
    deposits[1].terms.federation = former.public_key();
    let snapshot = VaultSnapshot::new(
        world.coins.height(),
        world.vault_tip,
        vault_keys(),
        deposits.clone(),
        withdrawals.clone(),
    );
    let (proposal, tx) = plan(&world, &deposits, &withdrawals, rate());
    let outpoint = deposits[1].outpoint;
    let refused = signer(snapshot.clone()).sign_vault(&proposal, &tx);
    assert_eq!(refused, Err(SignError::Deposit(outpoint)));

    let snapshot = snapshot.with_handovers(Handovers {
        former: vec![former.public_key()],
        ..Handovers::default()
    });
    let inputs = |key| {
        let signatures = signer_with(key, Ok(snapshot.clone())).sign_vault(&proposal, &tx);
        signatures.map(|signatures| signatures.into_keys().collect::<Vec<_>>())
    };
    let at = tx
        .tx()
        .input
        .iter()
        .position(|input| input.previous_output == outpoint);
    let (old, new) = (inputs(former).unwrap(), inputs(federation()).unwrap());
    assert_eq!(old, [at.unwrap()]);
    assert_eq!(new.len(), 2);
    assert!(!new.contains(&old[0]));
}

#[test]
fn what_could_be_mined_in_a_block_that_nobody_judged_it_by_is_refused() {
    let (world, deposits, withdrawals, snapshot) = setting();
    let (proposal, tx) = plan(&world, &deposits, &withdrawals, rate());
    let lock = snapshot.height();
    let later = VaultSnapshot::new(lock + 1, world.vault_tip, vault_keys(), deposits, withdrawals);
    assert!(signer(snapshot).sign_vault(&proposal, &tx).is_ok());
    let height = lock + 1;
    assert_eq!(
        signer(later).sign_vault(&proposal, &tx),
        Err(SignError::LockTime { lock, height })
    );
}
