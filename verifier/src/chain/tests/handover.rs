//! Handovers: what an announcement, a rotation and a reset of the anchor chain change, and what not.

use bitcoin::secp256k1::Secp256k1;
use tacit_protocol::batch::Batch;
use tacit_protocol::peg::epoch::{Release, Voice};
use tacit_protocol::peg::taproot::tweaked_keypair;
use tacit_protocol::peg::vault::{Handover, HandoverPlan, VaultKeys};
use tacit_protocol::peg::{Announcement, Epoch, EpochHash, TxInput};
use tacit_protocol::testing::{keypair, quorum, x_only};

use super::super::forced::Position;
use super::super::handover::{
    EpochRecord, ResetReason, anchor_keys, announcements_after, epoch_record, reset_reason,
};
use super::super::records::{Handed, Verdict};
use super::super::{due_until, reserves, table};
use super::world::{Chain, claim, takeover, world};

mod resets;

/// The federation of the genesis.
const FIRST: u8 = 3;
/// The federation that comes next, and the one after it.
const SECOND: u8 = 31;
const THIRD: u8 = 32;

fn next(chain: &Chain, federation: u8) -> Epoch {
    Epoch {
        number: chain.epoch().number + 1,
        keys: VaultKeys {
            federation: x_only(federation),
            backup: Some(quorum(1, &[33, 34], 144)),
            recovery: None,
        },
    }
}

fn hash(epoch: &Epoch) -> EpochHash {
    epoch.hash(world().rules.params().chain_id())
}

/// The announcement of `epoch`, signed by the federations with these keys.
fn announcement(chain: &Chain, epoch: Epoch, incumbent: u8, successor: u8) -> Announcement {
    let secp = Secp256k1::new();
    let sign = |signer, keys: &VaultKeys, voice| {
        let message = epoch.message(world().rules.params().chain_id(), voice);
        let keys = tweaked_keypair(&secp, &keypair(signer), keys.merkle_root());
        secp.sign_schnorr_no_aux_rand(&message, &keys)
    };
    Announcement {
        release: Release::Federation(sign(incumbent, &chain.epoch().keys, Voice::Incumbent)),
        successor: sign(successor, &epoch.keys, Voice::Successor),
        epoch,
    }
}

fn publish(chain: &mut Chain, announcement: &Announcement) -> TxInput {
    chain.envelopes(&[announcement.envelope(x_only(9)).expect("short")])
}

fn rotation(chain: &mut Chain, epoch: &Epoch) -> TxInput {
    chain.hand_over(&HandoverPlan {
        handover: Handover::Vault(hash(epoch)),
        script_pubkey: epoch.keys.script_pubkey(),
    })
}

/// Announces and begins the epoch of `to`; `from` is in office.
fn rotate(chain: &mut Chain, from: u8, to: u8) -> Epoch {
    let epoch = next(chain, to);
    let announced = announcement(chain, epoch.clone(), from, to);
    let tx = publish(chain, &announced);
    chain.mine(vec![tx]);
    let tx = rotation(chain, &epoch);
    chain.mine(vec![tx]);
    assert_eq!(chain.epoch(), epoch);
    epoch
}

fn fault(chain: &Chain) -> Option<String> {
    table::fault(&chain.kv).expect("memory").map(|fault| fault.rule)
}

fn last_handover(chain: &Chain) -> Handed {
    let record = table::last_vault(&chain.kv).expect("memory").expect("a spend");
    record.handover
}

fn same_as_replayed(chain: &Chain) {
    assert_eq!(Chain::everything(&chain.kv), Chain::everything(&chain.replay()));
}

#[test]
fn an_announcement_that_both_federations_signed_is_recorded_and_nothing_else() {
    let mut chain = Chain::funded();
    let epoch = next(&chain, SECOND);
    let mut skipping = epoch.clone();
    skipping.number += 1;
    let same = Epoch {
        number: epoch.number,
        keys: chain.epoch().keys,
    };
    let refused = [
        announcement(&chain, epoch.clone(), SECOND, SECOND),
        announcement(&chain, epoch.clone(), FIRST, FIRST),
        announcement(&chain, skipping, FIRST, SECOND),
        announcement(&chain, same, FIRST, FIRST),
    ];
    let found = |chain: &Chain, epoch| table::announced(&chain.kv, &hash(epoch)).expect("memory");
    for announcement in &refused {
        let before = Chain::everything(&chain.kv).len();
        let tx = publish(&mut chain, announcement);
        chain.mine(vec![tx]);
        assert_eq!(found(&chain, &announcement.epoch), None);
        assert_eq!(Chain::everything(&chain.kv).len(), before + 1, "undo data only");
    }
    let good = announcement(&chain, epoch.clone(), FIRST, SECOND);
    let tx = publish(&mut chain, &good);
    let (txid, again) = (tx.txid(), publish(&mut chain, &good));
    chain.mine(vec![tx]);
    chain.mine(vec![again]);
    let seen = super::super::moved_money(&chain.kv, chain.cursor().height - 1);
    assert_eq!(
        seen,
        Ok(true),
        "a deep reorganisation that takes it back is judged"
    );
    let announced = found(&chain, &epoch).expect("recorded");
    let following = announcements_after(&chain.kv, &chain.epoch()).expect("memory");
    assert_eq!(following, [(hash(&epoch), announced.clone())]);
    assert_eq!(announcements_after(&chain.kv, &epoch), Ok(Vec::new()));
    assert_eq!(announced.announcement, good);
    assert_eq!(
        (announced.txid, announced.height),
        (txid, chain.cursor().height - 1),
        "the first one counts"
    );
    assert_eq!(chain.epoch().number, 0, "an announcement moves nothing");
    chain.disconnect();
    chain.disconnect();
    assert_eq!(found(&chain, &epoch), None, "a reorganisation takes it back");
}

#[test]
fn a_rotation_begins_the_epoch_that_was_announced() {
    let mut chain = Chain::funded();
    let before = reserves(&chain.kv).expect("memory");
    let epoch = rotate(&mut chain, FIRST, SECOND);
    let EpochRecord {
        height, announcement, ..
    } = epoch_record(&chain.kv).expect("memory");
    assert_eq!(height, chain.cursor().height);
    assert_eq!(announcement.map(|found| found.epoch), Some(epoch.clone()));
    let tip = table::vault_tip(&chain.kv).expect("memory").expect("a tip");
    assert_eq!(tip.txout.script_pubkey, epoch.keys.script_pubkey());
    assert_eq!(last_handover(&chain), Handed::Vault(1));
    assert_eq!(
        reserves(&chain.kv).expect("memory"),
        before,
        "all the money moved"
    );
    assert_eq!(fault(&chain), None);
    // Money goes in and out as before, and the next epoch can come.
    let sweep = chain.sweep(&[2]);
    chain.mine(vec![sweep]);
    chain.mine(Vec::new());
    let batch = chain.batch(Vec::new(), vec![claim(1, 2)]);
    assert_eq!(
        chain.publish(vec![batch]),
        Verdict::Applied { first: 2, count: 1 }
    );
    rotate(&mut chain, SECOND, THIRD);
    assert_eq!(fault(&chain), None);
    same_as_replayed(&chain);
    let last = chain.cursor().height;
    (0..2).for_each(|_| chain.disconnect());
    assert_eq!(chain.epoch(), epoch, "a reorganisation takes the epoch back");
    assert_eq!(chain.cursor().height, last - 2);
}

#[test]
fn a_vault_script_that_had_office_is_never_announced_again() {
    let mut chain = Chain::funded();
    let first = chain.epoch().keys;
    rotate(&mut chain, FIRST, SECOND);
    let back = Epoch {
        number: 2,
        keys: first,
    };
    let announcement = announcement(&chain, back.clone(), SECOND, FIRST);
    let chain_id = world().rules.params().chain_id();
    assert_eq!(
        announcement.check(chain_id, &chain.epoch()),
        Ok(()),
        "but for that"
    );
    let tx = publish(&mut chain, &announcement);
    chain.mine(vec![tx]);
    assert_eq!(table::announced(&chain.kv, &hash(&back)), Ok(None));
}

#[test]
fn backup_keys_announce_an_epoch_that_begins_by_a_rotation() {
    let mut chain = Chain::funded();
    rotate(&mut chain, FIRST, SECOND);
    let epoch = next(&chain, THIRD);
    let signed = |signers: &[u8]| {
        let quorum = chain.epoch().keys.backup.expect("a backup leaf");
        let message = epoch.backup_message(world().rules.params().chain_id());
        let sign = |signer: &u8| {
            let place = quorum.keys().iter().position(|key| *key == x_only(*signer));
            let place = u8::try_from(place.unwrap_or(2)).expect("a small leaf");
            (
                place,
                Secp256k1::new().sign_schnorr_no_aux_rand(&message, &keypair(*signer)),
            )
        };
        Announcement {
            release: Release::Backup(signers.iter().map(sign).collect()),
            ..announcement(&chain, epoch.clone(), SECOND, THIRD)
        }
    };
    let (strange, many, good) = (signed(&[SECOND]), signed(&[33, 34]), signed(&[34]));
    for announcement in [strange, many] {
        let tx = publish(&mut chain, &announcement);
        chain.mine(vec![tx]);
        assert_eq!(table::announced(&chain.kv, &hash(&epoch)), Ok(None));
    }
    let tx = publish(&mut chain, &good);
    chain.mine(vec![tx]);
    let tx = rotation(&mut chain, &epoch);
    chain.mine(vec![tx]);
    assert_eq!(chain.epoch(), epoch);
    let begun = epoch_record(&chain.kv).expect("memory").announcement;
    assert_eq!(begun, Some(good), "wallets check it themselves");
    assert_eq!(fault(&chain), None);
    same_as_replayed(&chain);
}

#[test]
fn a_rotation_that_was_not_announced_before_it_is_a_fault() {
    let chain = Chain::funded();
    let epoch = next(&chain, SECOND);
    let unknown = Some(format!(
        "layout: epoch {} was not announced as the next one",
        hash(&epoch)
    ));
    // Not at all; later in the block; earlier in the block.
    let mut never = chain.clone();
    let tx = rotation(&mut never, &epoch);
    never.mine(vec![tx]);
    assert_eq!(fault(&never), unknown);
    assert_eq!(never.epoch().number, 0);
    for announced_first in [false, true] {
        let mut chain = chain.clone();
        let announced = announcement(&chain, epoch.clone(), FIRST, SECOND);
        let mut txs = vec![rotation(&mut chain, &epoch), publish(&mut chain, &announced)];
        if announced_first {
            txs.reverse();
        }
        chain.mine(txs);
        let expected = if announced_first { None } else { unknown.clone() };
        assert_eq!(fault(&chain), expected);
        assert_eq!(chain.epoch().number, u32::from(announced_first));
    }
}

#[test]
fn an_epoch_that_lost_its_turn_never_begins() {
    let mut chain = Chain::funded();
    let passed_over = next(&chain, THIRD);
    let announced = announcement(&chain, passed_over.clone(), FIRST, THIRD);
    let tx = publish(&mut chain, &announced);
    chain.mine(vec![tx]);
    rotate(&mut chain, FIRST, SECOND);
    let tx = rotation(&mut chain, &passed_over);
    chain.mine(vec![tx]);
    assert_eq!(
        fault(&chain),
        Some(format!(
            "layout: epoch {} was not announced as the next one",
            hash(&passed_over)
        ))
    );
    assert_eq!(chain.epoch().keys.federation, x_only(SECOND));
}

#[test]
fn a_batch_built_before_a_rotation_stays_valid_and_the_next_anchor_is_the_new_federations() {
    let mut chain = Chain::funded();
    let script = |federation| {
        let sequencer = chain_sequencer();
        anchor_keys(sequencer, x_only(federation), takeover()).script_pubkey()
    };
    let built = chain.batch(vec![chain.transfer(1, 1, |_| ())], Vec::new());
    rotate(&mut chain, FIRST, SECOND);
    assert_eq!(
        chain.publish(vec![built]),
        Verdict::Applied { first: 2, count: 1 }
    );
    let tip = chain.head().tip;
    assert_eq!(tip.txout.script_pubkey, script(FIRST), "as it was built");
    let later = chain.batch(vec![chain.transfer(2, 1, |_| ())], Vec::new());
    assert_eq!(
        chain.publish(vec![later]),
        Verdict::Applied { first: 3, count: 1 }
    );
    assert_eq!(chain.head().tip.txout.script_pubkey, script(SECOND));
    assert!(!chain.head().lost);
}

fn chain_sequencer() -> bitcoin::XOnlyPublicKey {
    world().rules.params().genesis().anchor_key
}

/// Sweeps a deposit to this federation and claims it: whether a batch may credit it.
fn credited(chain: &mut Chain, federation: u8) -> Verdict {
    let sweep = u32::try_from(table::sweep_count(&chain.kv).expect("memory")).expect("few");
    let unsigned = chain.vault_of(x_only(federation), &[7], &[], None);
    let tx = TxInput::new(unsigned.tx().clone(), unsigned.prevouts().to_vec());
    chain.mine(vec![tx.expect("one output per input")]);
    chain.mine(Vec::new());
    let batch: Batch = chain.batch(Vec::new(), vec![claim(sweep, 7)]);
    chain.publish(vec![batch])
}

#[test]
fn deposits_to_the_federation_in_office_and_to_the_one_before_are_credited() {
    let mut chain = Chain::funded();
    let refused = |verdict: Verdict| {
        let Verdict::Invalid(rule) = &verdict else {
            panic!("{verdict:?}")
        };
        assert!(rule.contains("deposit"), "{rule}");
    };
    refused(credited(&mut chain, SECOND));
    rotate(&mut chain, FIRST, SECOND);
    for federation in [FIRST, SECOND] {
        let verdict = credited(&mut chain, federation);
        assert!(matches!(verdict, Verdict::Applied { .. }), "{verdict:?}");
    }
    rotate(&mut chain, SECOND, THIRD);
    refused(credited(&mut chain, FIRST));
    for federation in [SECOND, THIRD] {
        let verdict = credited(&mut chain, federation);
        assert!(matches!(verdict, Verdict::Applied { .. }), "{verdict:?}");
    }
    assert_eq!(fault(&chain), None);
}
