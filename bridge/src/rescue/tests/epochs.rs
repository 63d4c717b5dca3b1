//! The vault of a later epoch is rescued by that epoch's leaves, and only when the announcements lead to it.

use bitcoin::psbt::raw::ProprietaryKey;
use tacit_protocol::params::ChainId;
use tacit_protocol::peg::{Announcement, SuccessionError};
use tacit_protocol::testing::quorum;

use super::*;
use crate::fixture::{VAULT, announced, chain};

/// Keys of the next federations, and who can sign by their backup leaves.
const NEXT: u8 = 4;
const AFTER: u8 = 5;
const NEXT_BACKUP: [u8; 3] = [91, 92, 93];

fn keys_of(tag: u8) -> VaultKeys {
    VaultKeys {
        federation: key(tag).public_key(),
        backup: Some(quorum(2, &NEXT_BACKUP, 100 + u16::from(tag))),
        recovery: None,
    }
}

/// The first federation announces the next one, and that one the one after it.
fn two() -> [Announcement; 2] {
    [
        announced(1, (3, &vault_keys()), (NEXT, keys_of(NEXT))),
        announced(2, (NEXT, &keys_of(NEXT)), (AFTER, keys_of(AFTER))),
    ]
}

fn led_to(number: usize) -> Lineage {
    let mut lineage = first();
    for announcement in &two()[..number] {
        lineage.follow(announcement.clone()).unwrap();
    }
    lineage
}

/// A vault of this epoch on the chain, and a rescue of it.
fn of_epoch(number: usize) -> (World, Rescue) {
    towards(number, None)
}

/// The same, handed over to the next epoch.
fn towards(number: usize, next: Option<&Announcement>) -> (World, Rescue) {
    let mut world = World::new();
    let script = led_to(number).last().keys.script_pubkey();
    let outpoint = world.chain.pay(&script, bitcoin::Amount::from_sat(VAULT));
    world.chain.mine(1);
    world.vault_tip.outpoint = outpoint;
    let coins = world.coins.spendable();
    let fee = FeeSource {
        coins: &coins,
        rate: rate(),
        change: world.coins.script(),
    };
    let rescue = Rescue::prepare(&led_to(number), world.vault_tip, (VaultLeaf::Backup, next), fee).unwrap();
    (world, rescue)
}

/// What becomes of a rescue of epoch 2's vault whose PSBT is changed.
fn refused(change: impl FnOnce(&mut Psbt)) -> RescueError {
    let (_, mut rescue) = of_epoch(2);
    change(&mut rescue.psbt);
    again(&rescue).unwrap_err()
}

fn field(number: u32) -> ProprietaryKey {
    ProprietaryKey {
        prefix: b"tacit".to_vec(),
        subtype: 0,
        key: number.to_le_bytes().to_vec(),
    }
}

#[test]
fn the_vault_of_a_later_epoch_moves_to_itself_by_that_epochs_leaf() {
    for number in [1, 2] {
        let (world, rescue) = of_epoch(number);
        let keys = led_to(number).last().keys.clone();
        // Who signs knows the first epoch only.
        let mut all = again(&rescue).unwrap();
        assert_eq!(all.lineage.last(), led_to(number).last());
        for tag in [93, 91] {
            all.combine(signed(&rescue, &[tag])).unwrap();
        }
        all.sign_coins(&operator()).unwrap();
        let summary = all.summary();
        assert_eq!((summary.epoch as usize, summary.needed), (number, 2));
        assert_eq!(summary.before, summary.after);
        world.chain.mine(u32::from(summary.timelock) - 1);
        let tx = again(&all).unwrap().send(world.chain.as_ref()).unwrap();
        assert_eq!(tx.output[0].script_pubkey, keys.script_pubkey());
        assert_ne!(tx.output[0].script_pubkey, vault_keys().script_pubkey());
    }
}

#[test]
fn keys_of_another_epochs_leaf_do_not_sign() {
    let (_, mut rescue) = of_epoch(1);
    for stranger in [key(BACKUP[0]), key(RECOVERY[0]), key(NEXT), federation()] {
        let key = Box::new(stranger.public_key());
        let leaf = "backup";
        assert_eq!(rescue.sign(&stranger), Err(RescueError::WrongKey { key, leaf }));
    }
    let mut genesis = prepare();
    assert!(genesis.sign(&key(NEXT_BACKUP[0])).is_err());
}

#[test]
fn announcements_that_do_not_hold_are_named_and_nothing_is_read() {
    let broken = |number, rule| RescueError::Announcement { number, rule };
    let swapped = |number: u32, other: Announcement| {
        refused(|psbt| {
            psbt.proprietary.insert(field(number), other.encode());
        })
    };
    // A thief's own federation, announced by itself; one that the federation before the last announced.
    let thief = announced(1, (9, &vault_keys()), (9, keys_of(9)));
    assert_eq!(swapped(1, thief), broken(1, SuccessionError::Incumbent));
    let early = announced(2, (3, &vault_keys()), (AFTER, keys_of(AFTER)));
    assert_eq!(swapped(2, early), broken(2, SuccessionError::Incumbent));
    let mut mute = two()[1].clone();
    mute.successor = key(AFTER).sign_plain(&mute.epoch.backup_message(chain()));
    assert_eq!(swapped(2, mute), broken(2, SuccessionError::Successor));
    // A gap.
    let gap = refused(|psbt| {
        psbt.proprietary.remove(&field(1));
    });
    let rule = SuccessionError::Number {
        stated: 2,
        current: 0,
    };
    assert_eq!(gap, broken(2, rule));
    // The same bytes under another chain's id.
    let (_, rescue) = of_epoch(2);
    let keys = vault_keys();
    let elsewhere = Lineage::new(ChainId::from_bytes([8; 32]), Epoch { number: 0, keys });
    let read = Rescue::read(&rescue.to_bytes(), &elsewhere).unwrap_err();
    assert_eq!(read, broken(1, SuccessionError::Incumbent));
}

#[test]
fn fields_that_are_no_announcements_are_refused() {
    let changes: [fn(&mut Psbt); 4] = [
        |psbt| {
            psbt.proprietary.insert(field(2), vec![1, 2, 3]);
        },
        |psbt| {
            let longer = [&two()[1].encode()[..], &[0]].concat();
            psbt.proprietary.insert(field(2), longer);
        },
        |psbt| {
            let mut other = field(3);
            other.key.push(0);
            psbt.proprietary.insert(other, two()[1].encode());
        },
        |psbt| {
            let mut newer = field(2);
            newer.subtype = 2;
            psbt.proprietary.insert(newer, two()[1].encode());
        },
    ];
    for change in changes {
        let error = refused(change);
        assert!(
            matches!(error, RescueError::Layout(why) if why.contains("that is none")),
            "{error}"
        );
    }
    let renumbered = refused(|psbt| {
        psbt.proprietary.insert(field(3), two()[1].encode());
    });
    assert!(
        matches!(renumbered, RescueError::Layout(why) if why.contains("another number")),
        "{renumbered}"
    );
}

#[test]
fn a_vault_of_another_epoch_than_the_announced_one_is_refused() {
    // The last announcement is gone, or one too many is there.
    let cut = refused(|psbt| {
        psbt.proprietary.remove(&field(2));
    });
    assert_eq!(cut, RescueError::OtherVault { epoch: 1 });
    let (_, mut rescue) = of_epoch(1);
    rescue.psbt.proprietary.insert(field(2), two()[1].encode());
    assert_eq!(again(&rescue).unwrap_err(), RescueError::OtherVault { epoch: 2 });
    let mut genesis = prepare();
    genesis.psbt.proprietary.insert(field(1), two()[0].encode());
    assert_eq!(again(&genesis).unwrap_err(), RescueError::OtherVault { epoch: 1 });
}

#[test]
fn a_copy_whose_announcements_a_tool_dropped_is_read_beside_a_whole_one() {
    let (_, rescue) = of_epoch(2);
    let mut copy = signed(&rescue, &[92]);
    copy.psbt.proprietary.clear();
    let bytes = copy.to_bytes();
    let alone = Rescue::read(&bytes, &first()).unwrap_err();
    assert_eq!(alone, RescueError::OtherVault { epoch: 0 });
    let mut all = again(&rescue).unwrap();
    let read = all.read_copy(&bytes).unwrap();
    assert_eq!(read.summary().epoch, 2, "and it has them again");
    assert_eq!(again(&read).unwrap().lineage.last(), led_to(2).last());
    all.combine(read).unwrap();
    assert_eq!(all.summary().signed, [key(92).public_key()]);
    // A tool's own fields are none of ours.
    let mut foreign = field(7);
    foreign.prefix = b"other".to_vec();
    all.psbt.proprietary.insert(foreign.clone(), vec![1]);
    assert!(again(&all).unwrap().psbt.proprietary.contains_key(&foreign));
}

#[test]
fn a_rescue_hands_the_vault_over_to_the_announced_epoch_and_to_no_other() {
    for number in [0, 1] {
        let next = &two()[number];
        let (world, rescue) = towards(number, Some(next));
        let to = &next.epoch.keys;
        let mut all = again(&rescue).unwrap();
        let signers: &[u8] = if number == 0 {
            &BACKUP[..3]
        } else {
            &NEXT_BACKUP[..2]
        };
        all.combine(signed(&rescue, signers)).unwrap();
        all.sign_coins(&operator()).unwrap();
        let summary = all.summary();
        assert_eq!(summary.epoch as usize, number);
        assert_eq!(summary.next, Some(next.epoch.clone()));
        assert_eq!(summary.next_hash, Some(next.epoch.hash(chain())));
        assert_eq!(summary.before, summary.after);
        world.chain.mine(u32::from(summary.timelock) - 1);
        let tx = again(&all).unwrap().send(world.chain.as_ref()).unwrap();
        assert_eq!(tx.output[0].script_pubkey, to.script_pubkey());
    }
    let changed = |number: usize, change: &dyn Fn(&mut Psbt)| {
        let (_, mut rescue) = towards(number, Some(&two()[number]));
        change(&mut rescue.psbt);
        again(&rescue).unwrap_err()
    };
    let mut place = field(2);
    place.subtype = 1;
    // Who reads it is not told whom it goes to, or is told another one.
    let hidden = changed(1, &|psbt| {
        psbt.proprietary.remove(&place);
    });
    assert!(matches!(hidden, RescueError::Fault(_)), "{hidden}");
    let other = announced(2, (NEXT, &keys_of(NEXT)), (9, keys_of(9)));
    let swapped = changed(1, &|psbt| {
        psbt.proprietary.insert(place.clone(), other.encode());
    });
    assert!(matches!(swapped, RescueError::Fault(_)), "{swapped}");
    // Nobody in office let it go.
    let thief = announced(2, (9, &keys_of(NEXT)), (9, keys_of(9)));
    let stolen = changed(1, &|psbt| {
        psbt.proprietary.insert(place.clone(), thief.encode());
    });
    let rule = SuccessionError::Incumbent;
    assert_eq!(stolen, RescueError::Announcement { number: 2, rule });
    // Two at once; and one that it does not go to.
    let both = changed(1, &|psbt| {
        let mut first = field(1);
        first.subtype = 1;
        psbt.proprietary.insert(first, two()[0].encode());
    });
    assert!(
        matches!(both, RescueError::Layout(why) if why.contains("more than one")),
        "{both}"
    );
    let (_, mut still) = of_epoch(1);
    still.psbt.proprietary.insert(place, two()[1].encode());
    let error = again(&still).unwrap_err();
    assert!(
        matches!(error, RescueError::Layout(why) if why.contains("than it says")),
        "{error}"
    );
}

#[test]
fn a_copy_of_a_handover_without_its_announcements_is_read_beside_a_whole_one() {
    let (_, rescue) = towards(0, Some(&two()[0]));
    let mut copy = signed(&rescue, &[BACKUP[1]]);
    copy.psbt.proprietary.clear();
    let bytes = copy.to_bytes();
    assert!(matches!(
        Rescue::read(&bytes, &first()),
        Err(RescueError::Fault(_))
    ));
    let mut all = again(&rescue).unwrap();
    let read = all.read_copy(&bytes).unwrap();
    assert_eq!(
        read.next.as_ref().map(|next| next.epoch.clone()),
        Some(two()[0].epoch.clone())
    );
    all.combine(read).unwrap();
    assert_eq!(all.summary().signed, [key(BACKUP[1]).public_key()]);
}

#[test]
fn whose_vault_it_is_follows_from_the_output_itself() {
    let (world, rescue) = of_epoch(1);
    let vault = rescue.tip().outpoint;
    let client = world.chain.as_ref();
    // Epoch 2 is announced and has not begun.
    let lineage = lineage_of(led_to(2), vault, client).unwrap();
    assert_eq!(lineage.last(), led_to(1).last());
    assert_eq!(
        lineage_of(first(), vault, client),
        Err(RescueError::NoEpoch(vault))
    );
    let gone = OutPoint::null();
    assert_eq!(lineage_of(led_to(2), gone, client), Err(RescueError::Moved(gone)));
}
