//! Tests of epochs and their announcements.

use bitcoin::Transaction;
use bitcoin::secp256k1::schnorr::Signature;

use super::*;
use crate::peg::fixture::{key, sign, sign_plain, txout};
use crate::peg::taproot::output_script;
use crate::testing::quorum;

/// Changes the epoch in office, or what is announced.
type Tamper<'a> = &'a dyn Fn(&mut Epoch, &mut Announcement);

const CHAIN: ChainId = ChainId::from_bytes([7; 32]);

/// The epoch `number` of the federation with key `federation`.
fn epoch(number: u32, federation: u8) -> Epoch {
    Epoch {
        number,
        keys: VaultKeys {
            federation: key(federation),
            backup: Some(quorum(2, &[61, 62, 63], 144)),
            recovery: Some(quorum(1, &[64, 65], 26_280)),
        },
    }
}

fn signature(signer: u8, keys: &VaultKeys, epoch: &Epoch, voice: Voice) -> Signature {
    sign(signer, keys.merkle_root(), &epoch.message(CHAIN, voice))
}

fn by_federation(signer: u8, keys: &VaultKeys, epoch: &Epoch, voice: Voice) -> Release {
    Release::Federation(signature(signer, keys, epoch, voice))
}

/// The signatures of these signers over `message`, under their places in the backup leaf of `keys`.
fn by_backup(signers: &[u8], keys: &VaultKeys, message: &Message) -> Release {
    let quorum = keys.backup.as_ref().unwrap();
    let place = |signer| quorum.keys().iter().position(|known| *known == key(signer));
    let signed = signers.iter().map(|&signer| {
        let place = place(signer).map_or(u8::MAX, |place| u8::try_from(place).unwrap());
        (place, sign_plain(signer, message))
    });
    Release::Backup(signed.collect())
}

/// Federation 1 hands over to federation 2.
fn announcement() -> (Epoch, Announcement) {
    let (current, next) = (epoch(4, 1), epoch(5, 2));
    let announcement = Announcement {
        release: by_federation(1, &current.keys, &next, Voice::Incumbent),
        successor: signature(2, &next.keys, &next, Voice::Successor),
        epoch: next,
    };
    (current, announcement)
}

#[test]
fn an_announcement_with_both_signatures_may_follow() {
    let (current, announcement) = announcement();
    assert_eq!(announcement.check(CHAIN, &current), Ok(()));
}

#[test]
fn each_rule_of_a_succession_refuses_what_breaks_it() {
    let refused = |tamper: Tamper<'_>| {
        let (mut current, mut announcement) = announcement();
        tamper(&mut current, &mut announcement);
        announcement.check(CHAIN, &current).unwrap_err()
    };
    for number in [3, 5, u32::MAX] {
        let error = refused(&|current, _| current.number = number);
        assert_eq!(
            error,
            SuccessionError::Number {
                stated: 5,
                current: number
            }
        );
    }
    assert_eq!(
        refused(&|current, a| current.keys = a.epoch.keys.clone()),
        SuccessionError::SameKeys
    );
    // Signed by another federation, for another chain, voice or epoch, or by the key without its tree.
    let plain = VaultKeys::without_leaves(key(1));
    let by_incumbent: [Tamper<'_>; 5] = [
        &|current, _| current.keys.federation = key(3),
        &|_, a| {
            let message = a.epoch.message(ChainId::from_bytes([8; 32]), Voice::Incumbent);
            a.release = Release::Federation(sign(1, None, &message));
        },
        &|c, a| a.release = by_federation(1, &c.keys, &a.epoch, Voice::Successor),
        &|c, a| a.release = by_federation(1, &c.keys, &epoch(5, 3), Voice::Incumbent),
        &|_, a| a.release = by_federation(1, &plain, &a.epoch, Voice::Incumbent),
    ];
    for tamper in by_incumbent {
        assert_eq!(refused(tamper), SuccessionError::Incumbent);
    }
    let by_successor: [Tamper<'_>; 3] = [
        &|c, a| a.successor = signature(1, &c.keys, &a.epoch, Voice::Successor),
        &|_, a| a.successor = signature(2, &a.epoch.keys, &a.epoch, Voice::Incumbent),
        &|_, a| a.successor = signature(2, &a.epoch.keys, &epoch(6, 2), Voice::Successor),
    ];
    for tamper in by_successor {
        assert_eq!(refused(tamper), SuccessionError::Successor);
    }
}

/// Federations 1, 2 and 3 in their order, from an epoch with this number.
fn lineage() -> Lineage {
    let mut lineage = Lineage::new(CHAIN, epoch(4, 1));
    for (number, from, to) in [(5, 1, 2), (6, 2, 3)] {
        lineage.follow(announced(number, from, to)).unwrap();
    }
    lineage
}

/// Federation `from` announces `to`.
fn announced(number: u32, from: u8, to: u8) -> Announcement {
    let next = epoch(number, to);
    Announcement {
        release: by_federation(from, &epoch(0, from).keys, &next, Voice::Incumbent),
        successor: signature(to, &next.keys, &next, Voice::Successor),
        epoch: next,
    }
}

#[test]
fn a_lineage_takes_what_its_last_epoch_announced_and_nothing_else() {
    let whole = lineage();
    assert_eq!(whole.last(), &epoch(6, 3));
    assert_eq!(whole.announcements(), [announced(5, 1, 2), announced(6, 2, 3)]);
    assert_eq!(whole.origin(), Lineage::new(CHAIN, epoch(4, 1)));
    for (next, rule) in [
        (announced(7, 2, 4), SuccessionError::Incumbent),
        (announced(7, 3, 3), SuccessionError::SameKeys),
        (
            announced(6, 3, 4),
            SuccessionError::Number {
                stated: 6,
                current: 6,
            },
        ),
    ] {
        let mut lineage = whole.clone();
        assert_eq!(lineage.follow(next), Err(rule));
        assert_eq!(lineage, whole);
    }
    let mut elsewhere = Lineage::new(ChainId::from_bytes([8; 32]), epoch(4, 1));
    let refused = elsewhere.follow(announced(5, 1, 2));
    assert_eq!(refused, Err(SuccessionError::Incumbent));
}

#[test]
fn a_lineage_ends_with_the_last_epoch_that_has_a_script() {
    let mut whole = lineage();
    for (number, federation) in [(6, 3), (5, 2), (4, 1)] {
        let script = epoch(0, federation).keys.script_pubkey();
        let part = whole.clone().up_to(&script).unwrap();
        assert_eq!(part.last(), &epoch(number, federation));
    }
    assert_eq!(whole.clone().up_to(&epoch(0, 9).keys.script_pubkey()), None);
    // No script comes back, so that it says whose vault it is; not even by other leaves that make the same one.
    let before = whole.clone();
    assert_eq!(whole.follow(announced(7, 3, 1)), Err(SuccessionError::SameKeys));
    assert_eq!(whole, before);
    let only = |backup, recovery| Epoch {
        number: 5,
        keys: VaultKeys {
            federation: key(1),
            backup,
            recovery,
        },
    };
    let leaf = quorum(2, &[61, 62, 63], 144);
    let (first, mut twin) = (only(Some(leaf.clone()), None), only(None, Some(leaf)));
    twin.number = 6;
    let twin = Announcement {
        release: by_federation(1, &first.keys, &twin, Voice::Incumbent),
        successor: signature(1, &twin.keys, &twin, Voice::Successor),
        epoch: twin,
    };
    let refused = Lineage::new(CHAIN, first).follow(twin);
    assert_eq!(refused, Err(SuccessionError::SameKeys));
}

#[test]
fn the_keys_of_the_backup_leaf_let_the_vault_go_when_the_federations_key_is_lost() {
    let (current, mut announcement) = announcement();
    let message = announcement.epoch.backup_message(CHAIN);
    for signers in [[61, 62], [61, 63], [63, 62]] {
        announcement.release = by_backup(&signers, &current.keys, &message);
        assert_eq!(announcement.check(CHAIN, &current), Ok(()), "{signers:?}");
    }
    let refused = |release: Release, current: &Epoch| {
        let mut announcement = announcement.clone();
        announcement.release = release;
        announcement.check(CHAIN, current).unwrap_err()
    };
    let few = SuccessionError::BackupKeys { threshold: 2 };
    for signers in [&[][..], &[61], &[61, 62, 63], &[61, 70]] {
        let release = by_backup(signers, &current.keys, &message);
        assert_eq!(refused(release, &current), few, "{signers:?}");
    }
    // Another key's signature in a key's place; another message: of a federation's voice, another epoch or chain.
    let Release::Backup(mut stolen) = by_backup(&[61, 62], &current.keys, &message) else {
        unreachable!()
    };
    for signature in stolen.values_mut() {
        *signature = sign_plain(61, &message);
    }
    assert!(matches!(
        refused(Release::Backup(stolen), &current),
        SuccessionError::Backup(_)
    ));
    for other in [
        announcement.epoch.message(CHAIN, Voice::Incumbent),
        announcement.epoch.message(CHAIN, Voice::Successor),
        epoch(5, 3).backup_message(CHAIN),
        announcement.epoch.backup_message(ChainId::from_bytes([8; 32])),
    ] {
        let release = by_backup(&[61, 62], &current.keys, &other);
        assert!(matches!(refused(release, &current), SuccessionError::Backup(_)));
    }
    // The recovery leaf's keys are others, who have no say while the federation's members have keys.
    let recovery = by_backup(&[64, 65], &current.keys, &message);
    assert_eq!(refused(recovery, &current), few);
    let mut bare = current.clone();
    bare.keys.backup = None;
    let release = by_backup(&[61, 62], &current.keys, &message);
    assert_eq!(refused(release.clone(), &bare), SuccessionError::NoBackup);
    // The successor has to sign as ever.
    announcement.successor = signature(1, &current.keys, &announcement.epoch, Voice::Successor);
    announcement.release = release;
    assert_eq!(
        announcement.check(CHAIN, &current),
        Err(SuccessionError::Successor)
    );
}

#[test]
fn signatures_of_a_backup_leaf_ascend_and_are_not_too_many() {
    let (current, announcement) = announcement();
    let message = announcement.epoch.backup_message(CHAIN);
    let release = by_backup(&[61, 62], &current.keys, &message);
    let bytes = release.encode();
    assert_eq!(Release::decode(&bytes), Ok(release));
    let (first, second) = (bytes[2..67].to_vec(), bytes[67..].to_vec());
    for (signatures, count) in [
        ([&second[..], &first].concat(), 2),
        ([&first[..], &first].concat(), 2),
        (first.repeat(101), 101),
    ] {
        let bytes = [&[1, count][..], &signatures].concat();
        assert!(matches!(Release::decode(&bytes), Err(DecodeError::OutOfRange(_))));
    }
    assert_eq!(
        Release::decode(&[&[2][..], &bytes[1..]].concat()),
        Err(DecodeError::Unknown("release of a vault"))
    );
}

#[test]
fn every_part_of_an_epoch_and_the_chain_change_its_hash() {
    let base = epoch(5, 2);
    let mut others = vec![epoch(6, 2), epoch(5, 3)];
    for tamper in [
        |keys: &mut VaultKeys| keys.backup = None,
        |keys: &mut VaultKeys| keys.recovery = None,
        |keys: &mut VaultKeys| keys.backup = Some(quorum(2, &[61, 62, 63], 145)),
        |keys: &mut VaultKeys| keys.backup = keys.recovery.take(),
    ] {
        let mut other = base.clone();
        tamper(&mut other.keys);
        others.push(other);
    }
    let mut hashes: Vec<EpochHash> = others.iter().map(|other| other.hash(CHAIN)).collect();
    hashes.push(base.hash(ChainId::from_bytes([8; 32])));
    hashes.push(base.hash(CHAIN));
    let text = base.hash(CHAIN).to_string();
    assert_eq!(text.parse(), Ok(base.hash(CHAIN)));
    let count = hashes.len();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), count);
}

#[test]
fn an_announcement_has_one_encoding_and_its_limit_is_exact() {
    let (_, short) = announcement();
    let most = u8::try_from(MAX_QUORUM_KEYS).unwrap();
    let numbers: Vec<u8> = (1..=most).collect();
    let mut long = short.clone();
    long.epoch.keys.backup = Some(quorum(1, &numbers, 144));
    long.epoch.keys.recovery = Some(quorum(1, &numbers, 145));
    let message = long.epoch.backup_message(CHAIN);
    long.release = Release::Backup(numbers.iter().map(|&n| (n, sign_plain(n, &message))).collect());
    assert_eq!(long.encode().len(), MAX_ANNOUNCEMENT);
    for announcement in [short, long] {
        let bytes = announcement.encode();
        assert_eq!(Announcement::decode(&bytes), Ok(announcement));
        for end in 0..bytes.len() {
            assert!(Announcement::decode(&bytes[..end]).is_err());
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(Announcement::decode(&longer), Err(DecodeError::TrailingBytes(1)));
    }
}

#[test]
fn leaves_out_of_order_are_no_epoch() {
    let mut wrong = epoch(5, 2);
    std::mem::swap(&mut wrong.keys.backup, &mut wrong.keys.recovery);
    assert_eq!(
        Epoch::decode(&wrong.encode()),
        Err(DecodeError::OutOfRange("timelocks of the vault's leaves"))
    );
}

/// A transaction that runs these tapscripts, each from a Taproot output.
fn publishing(scripts: &[bitcoin::ScriptBuf]) -> TxInput {
    let mut tx = Transaction {
        version: bitcoin::transaction::Version::TWO,
        lock_time: bitcoin::absolute::LockTime::ZERO,
        input: Vec::new(),
        output: vec![txout(1_000, output_script(key(9), None))],
    };
    for script in scripts {
        let mut input = bitcoin::TxIn::default();
        let mut control = vec![0xc0];
        control.extend_from_slice(&key(9).serialize());
        input.witness = bitcoin::Witness::from_slice(&[vec![0; 64], script.to_bytes(), control]);
        tx.input.push(input);
    }
    let prevouts = vec![txout(2_000, output_script(key(9), None)); scripts.len()];
    TxInput::new(tx, prevouts).unwrap()
}

#[test]
fn announcements_are_found_in_any_input_and_other_bytes_are_passed_over() {
    let (_, announcement) = announcement();
    let script = |kind, body| Envelope::new(key(9), kind, body).unwrap().to_script();
    let good = announcement.envelope(key(9)).unwrap().to_script();
    let longer = [&announcement.encode()[..], &[0]].concat();
    let tx = publishing(&[
        script(EnvelopeKind::ForcedTransfer, announcement.encode()),
        good.clone(),
        script(EnvelopeKind::Epoch, longer),
        script(EnvelopeKind::Epoch, vec![0; MAX_ANNOUNCEMENT + 1]),
        script(EnvelopeKind::Epoch, Vec::new()),
        good,
    ]);
    let found: Vec<Announcement> = announcements(&tx).collect();
    assert_eq!(found, [announcement.clone(), announcement]);
}
