//! A rescue moves the vault to itself, with `t` signatures, and is refused when it does anything else.

use bitcoin::absolute::LockTime;
use bitcoin::{OutPoint, Sequence};
use tacit_protocol::encoding::Encode;
use tacit_protocol::peg::Epoch;
use tacit_protocol::peg::anchor::ANCHOR_AMOUNT;
use tacit_protocol::peg::vault::{Handover, VaultMeta};

use super::*;
use crate::fixture::{World, chain, federation, key, operator, rate, vault_keys};

mod epochs;

/// The keys of the backup leaf, and of the recovery leaf.
const BACKUP: [u8; 5] = [71, 72, 73, 74, 75];
const RECOVERY: [u8; 3] = [81, 82, 83];

/// A chain whose first federation has these keys.
fn lineage_from(keys: VaultKeys) -> Lineage {
    Lineage::new(chain(), Epoch { number: 0, keys })
}

fn first() -> Lineage {
    lineage_from(vault_keys())
}

fn prepare_by(leaf: VaultLeaf) -> Rescue {
    let world = World::new();
    let coins = world.coins.spendable();
    let fee = FeeSource {
        coins: &coins,
        rate: rate(),
        change: world.coins.script(),
    };
    Rescue::prepare(&first(), world.vault_tip, (leaf, None), fee).unwrap()
}

fn prepare() -> Rescue {
    prepare_by(VaultLeaf::Backup)
}

/// A copy that these have signed, as it comes back from them.
fn signed(rescue: &Rescue, tags: &[u8]) -> Rescue {
    let mut copy = again(rescue).unwrap();
    for &tag in tags {
        copy.sign(&key(tag)).unwrap();
    }
    again(&copy).unwrap()
}

/// The same through its bytes.
fn again(rescue: &Rescue) -> Result<Rescue, RescueError> {
    Rescue::read(&rescue.to_bytes(), &first())
}

/// What becomes of a rescue whose PSBT is changed.
fn changed(change: impl FnOnce(&mut Psbt)) -> RescueError {
    let mut rescue = signed(&prepare(), &[71]);
    change(&mut rescue.psbt);
    again(&rescue).unwrap_err()
}

#[test]
fn t_members_move_the_vault_to_itself_by_a_leaf() {
    for (leaf, tags, needed) in [
        (VaultLeaf::Backup, &BACKUP[..], 3),
        (VaultLeaf::Recovery, &RECOVERY[..], 2),
    ] {
        let mut rescue = prepare_by(leaf);
        let weight = rescue.weight();
        // Everybody signs a copy of the same.
        for &tag in tags.iter().rev().take(needed) {
            rescue.combine(signed(&prepare_by(leaf), &[tag])).unwrap();
        }
        assert_eq!(rescue.sign_coins(&operator()), Ok(1));
        let summary = rescue.summary();
        assert_eq!((summary.leaf, usize::from(summary.needed)), (leaf, needed));
        assert_eq!(summary.before, summary.after, "it takes nothing from the vault");
        assert_eq!(summary.signed.len(), needed);
        let tx = rescue.finish().unwrap();
        assert_eq!(tx.compute_txid(), summary.txid);
        assert_eq!(tx.output[0].script_pubkey, vault_keys().script_pubkey());
        let exact = tx.weight().to_wu();
        assert_eq!(exact, weight, "signatures of 64 bytes, as many as the leaf takes");
        let wanted = rate().fee(u32::try_from(exact).unwrap());
        assert!(
            summary.fee >= wanted && summary.fee < wanted + wanted / 5,
            "{summary:?}"
        );
    }
}

#[test]
fn too_few_signatures_are_told_with_those_who_can_still_sign() {
    let mut rescue = signed(&prepare(), &[71, 73]);
    rescue.sign_coins(&operator()).unwrap();
    let RescueError::TooFew {
        leaf: "backup",
        given: 2,
        needed: 3,
        missing,
    } = rescue.finish().unwrap_err()
    else {
        panic!("two of three are too few")
    };
    let mut others = [72, 74, 75].map(|tag| key(tag).public_key());
    others.sort();
    assert_eq!(missing, others);
}

#[test]
fn a_key_that_is_none_of_the_leafs_is_refused() {
    let mut rescue = prepare();
    for stranger in [key(9), federation(), key(RECOVERY[0])] {
        let refused = rescue.sign(&stranger).unwrap_err();
        let key = Box::new(stranger.public_key());
        let leaf = "backup";
        assert_eq!(refused, RescueError::WrongKey { key, leaf });
    }
    assert!(rescue.summary().signed.is_empty());
}

#[test]
fn a_rescue_that_takes_from_the_vault_or_breaks_another_rule_is_not_read() {
    let thief = |psbt: &mut Psbt| {
        let change = psbt.unsigned_tx.output.len() - 1;
        psbt.unsigned_tx.output[0].value -= bitcoin::Amount::from_sat(1);
        psbt.unsigned_tx.output[change].value += bitcoin::Amount::from_sat(1);
    };
    assert!(matches!(
        changed(thief),
        RescueError::Fault(VaultFault::VaultShort { .. })
    ));
    let elsewhere = |psbt: &mut Psbt| psbt.unsigned_tx.output[0].script_pubkey = key(9).output_script();
    assert_eq!(changed(elsewhere), RescueError::Fault(VaultFault::VaultScript));
    let pays = |psbt: &mut Psbt| {
        let meta = VaultMeta::new(0, rate(), vec![4]).unwrap();
        assert!(!meta.encode().is_empty());
        psbt.unsigned_tx.output[1].script_pubkey = meta.to_script();
    };
    assert_eq!(changed(pays), RescueError::Fault(VaultFault::UnknownIndex(4)));
    let sweeps = |psbt: &mut Psbt| {
        let meta = VaultMeta::new(1, rate(), Vec::new()).unwrap();
        psbt.unsigned_tx.output[1].script_pubkey = meta.to_script();
        let held = psbt.inputs[1].witness_utxo.as_ref().unwrap().value;
        psbt.unsigned_tx.output[0].value += held - bitcoin::Amount::from_sat(rate().deposit_share().to_sat());
        psbt.unsigned_tx.output.truncate(2);
    };
    let refused = changed(sweeps);
    assert!(
        matches!(refused, RescueError::Layout(why) if why.contains("deposits")),
        "{refused}"
    );
}

#[test]
fn a_rescue_says_what_it_spends_and_by_which_leaf_or_it_is_not_read() {
    let layout = |change: fn(&mut Psbt), words: &str| {
        let refused = changed(change);
        assert!(
            matches!(refused, RescueError::Layout(why) if why.contains(words)),
            "{refused}"
        );
    };
    layout(
        |psbt| psbt.inputs[1].witness_utxo = None,
        "what every input holds",
    );
    layout(|psbt| psbt.inputs[0].tap_scripts.clear(), "names no leaf");
    layout(
        |psbt| {
            let recovery = vault_keys().recovery.unwrap();
            let (control, script) = control_of(&vault_keys(), &recovery);
            let named = &mut psbt.inputs[0].tap_scripts;
            named.insert(control, (script, LeafVersion::TapScript));
        },
        "names no leaf",
    );
    layout(
        |psbt| psbt.unsigned_tx.input[0].sequence = Sequence::from_height(143),
        "timelock",
    );
    layout(
        |psbt| psbt.unsigned_tx.lock_time = LockTime::from_height(900_000).unwrap(),
        "lock time",
    );
    // What looks like a move and change could begin the anchor chain anew, or be a fault for good.
    layout(
        |psbt| {
            let handover = Handover::Anchor(key(9).public_key());
            let meta = VaultMeta::handing_over(handover, FeeRate::default());
            psbt.unsigned_tx.output[1].script_pubkey = meta.to_script();
            let anchor = TxOut {
                value: ANCHOR_AMOUNT,
                script_pubkey: ScriptBuf::new(),
            };
            psbt.unsigned_tx.output.insert(2, anchor);
            psbt.outputs.push(Default::default());
        },
        "hands the vault or the anchors over",
    );
    let other = |psbt: &mut Psbt| {
        psbt.inputs[0].witness_utxo.as_mut().unwrap().script_pubkey = key(9).output_script();
    };
    assert_eq!(changed(other), RescueError::OtherVault { epoch: 0 });
    let other_chain = VaultKeys {
        federation: key(9).public_key(),
        ..vault_keys()
    };
    let read = Rescue::read(&prepare().to_bytes(), &lineage_from(other_chain));
    assert_eq!(read.unwrap_err(), RescueError::OtherVault { epoch: 0 });
    for bytes in [&b""[..], b"cHNidP8BAH0=", &[0xff; 64]] {
        let read = Rescue::read(bytes, &first());
        assert!(matches!(read, Err(RescueError::Psbt(_))));
    }
}

#[test]
fn a_signature_for_something_else_is_refused_wherever_it_comes_in() {
    let (one, hash) = (signed(&prepare(), &[71]), prepare().hash);
    let forged = |psbt: &mut Psbt| {
        let signature = plain(key(72).sign_plain(&Message::from_digest([1; 32])));
        let signatures = &mut psbt.inputs[0].tap_script_sigs;
        signatures.insert((key(72).public_key(), hash), signature);
    };
    let refused = Box::new(key(72).public_key());
    assert_eq!(changed(forged), RescueError::BadSignature(refused.clone()));
    let stranger = |psbt: &mut Psbt| {
        let signature = plain(key(9).sign_plain(&one.message()));
        let signatures = &mut psbt.inputs[0].tap_script_sigs;
        signatures.insert((key(9).public_key(), hash), signature);
    };
    let foreign = Box::new(key(9).public_key());
    assert_eq!(changed(stranger), RescueError::BadSignature(foreign));
    let narrower = |psbt: &mut Psbt| {
        let signatures = psbt.inputs[0].tap_script_sigs.values_mut();
        signatures.for_each(|signature| signature.sighash_type = TapSighashType::None);
    };
    let own = Box::new(key(71).public_key());
    assert_eq!(changed(narrower), RescueError::BadSignature(own));
    // Another fee coin's value is another message.
    let dearer = |psbt: &mut Psbt| {
        let held = psbt.inputs[1].witness_utxo.as_mut().unwrap();
        held.value += bitcoin::Amount::from_sat(1);
    };
    assert!(matches!(changed(dearer), RescueError::BadSignature(_)));
}

#[test]
fn only_copies_of_one_transaction_are_combined() {
    let mut rescue = prepare();
    let world = World::new();
    let coins = world.coins.spendable();
    let fee = FeeSource {
        coins: &coins,
        rate: FeeRate::from_sat_per_kwu(2_000),
        change: world.coins.script(),
    };
    let other = Rescue::prepare(&first(), world.vault_tip, (VaultLeaf::Backup, None), fee).unwrap();
    assert_eq!(rescue.combine(other), Err(RescueError::Different));
    assert_eq!(
        rescue.combine(prepare_by(VaultLeaf::Recovery)),
        Err(RescueError::Different)
    );
    assert_eq!(rescue.combine(signed(&prepare(), &[72])), Ok(()));
    assert_eq!(rescue.summary().signed, [key(72).public_key()]);
}

#[test]
fn fee_coins_are_signed_by_their_owner_before_it_ends() {
    let mut rescue = signed(&prepare(), &[71, 72, 73]);
    let coin = rescue.psbt.unsigned_tx.input[1].previous_output;
    let refused = rescue.clone().finish();
    assert_eq!(refused, Err(RescueError::CoinUnsigned(coin)));
    let stranger = Box::new(key(9).public_key());
    assert_eq!(rescue.sign_coins(&key(9)), Err(RescueError::NoCoin(stranger)));
    let wrong = plain(key(9).sign_plain(&rescue.message()));
    rescue.psbt.inputs[1].tap_key_sig = Some(wrong);
    assert_eq!(rescue.clone().finish(), Err(RescueError::CoinSignature(coin)));
    assert_eq!(rescue.sign_coins(&operator()), Ok(1));
    assert!(rescue.clone().finish().is_ok());
    // A wallet that finalised its own input has said all there is to say.
    let witness = rescue.coin_witness(1).unwrap();
    let coin = &mut rescue.psbt.inputs[1];
    (coin.tap_key_sig, coin.final_script_witness) = (None, Some(witness.clone()));
    let tx = again(&rescue).unwrap().finish().unwrap();
    assert_eq!(tx.input[1].witness, witness);
}

#[test]
fn a_vault_without_the_leaf_and_a_fee_without_coins_are_refused() {
    let world = World::new();
    let coins = world.coins.spendable();
    let fee = FeeSource {
        coins: &coins,
        rate: rate(),
        change: world.coins.script(),
    };
    let bare = VaultKeys::without_leaves(federation().public_key());
    for (leaf, name) in [(VaultLeaf::Backup, "backup"), (VaultLeaf::Recovery, "recovery")] {
        let refused = Rescue::prepare(&lineage_from(bare.clone()), world.vault_tip, (leaf, None), fee);
        assert_eq!(refused.unwrap_err(), RescueError::NoLeaf(name));
    }
    let poor = FeeSource { coins: &[], ..fee };
    let refused = Rescue::prepare(&first(), world.vault_tip, (VaultLeaf::Backup, None), poor);
    assert!(matches!(refused, Err(RescueError::Plan(PlanError::Coins(_)))));
}

#[test]
fn it_is_sent_once_the_vault_has_rested_for_long_enough_and_is_still_there() {
    let world = World::new();
    let mut rescue = prepare();
    assert_eq!(rescue.tip(), world.vault_tip);
    for tag in [71, 74, 75] {
        rescue.sign(&key(tag)).unwrap();
    }
    rescue.sign_coins(&operator()).unwrap();
    let confirmations = |world: &World| {
        let found = world.chain.unspent(&world.vault_tip.outpoint, false);
        found.unwrap().unwrap().confirmations
    };
    world.chain.mine(143 - confirmations(&world));
    let locked = RescueError::Locked {
        leaf: "backup",
        timelock: 144,
        left: 1,
    };
    assert_eq!(rescue.clone().send(world.chain.as_ref()), Err(locked));
    assert_eq!(world.chain.mempool_info().unwrap().count, 0);
    world.chain.mine(1);
    let few = prepare().send(world.chain.as_ref());
    assert!(matches!(few, Err(RescueError::TooFew { .. })), "{few:?}");
    let tx = rescue.clone().send(world.chain.as_ref()).unwrap();
    world.chain.mine(1);
    let moved = Err(RescueError::Moved(world.vault_tip.outpoint));
    assert_eq!(rescue.check_open(world.chain.as_ref()), moved);
    let vault = OutPoint {
        txid: tx.compute_txid(),
        vout: 0,
    };
    let found = world.chain.unspent(&vault, false).unwrap().unwrap();
    assert_eq!(found.txout.value.to_sat(), world.vault_tip.amount.to_sat());
}

#[test]
fn the_leaf_opens_when_the_next_block_may_hold_it() {
    let rescue = prepare();
    for (confirmations, left) in [(0, 144), (1, 143), (143, 1), (144, 0), (9_000, 0)] {
        assert_eq!(rescue.blocks_left(confirmations), left);
    }
    let tip = World::new().vault_tip;
    assert_eq!(rescue.tip(), tip);
    assert_ne!(tip.outpoint, OutPoint::null());
}
