//! Epochs are signed by whom they concern, and by nobody else.

use std::sync::Arc;

use tacit_federation::message::{Answer, Request};
use tacit_protocol::encoding::Encode;
use tacit_protocol::kv::Overlay;
use tacit_protocol::peg::vault::VaultKeys;
use tacit_protocol::testing;
use tacit_sequencer::{MemoryStore, Store};
use tacit_verifier::chain::handover::EpochRecord;
use tacit_verifier::chain::table;

use super::*;
use crate::federation::listener::Answers;
use crate::federation::member::tests::{Sees, Setting, UNTIL, judge, setting};
use crate::federation::testing::{Paying, paying};

/// A state in which epoch 4 with these keys is in office.
fn in_office(setting: &mut Setting, keys: &VaultKeys) {
    let store = Arc::new(MemoryStore::new());
    let mut overlay = Overlay::new(&*store);
    for (number, tag) in (0..=4).zip(90..) {
        let keys = match number {
            4 => keys.clone(),
            _ => VaultKeys::without_leaves(testing::x_only(tag)),
        };
        let record = EpochRecord {
            epoch: Epoch { number, keys },
            height: number,
            txid: testing::outpoint(1).txid,
            announcement: None,
        };
        table::put_epoch(&mut overlay, &record);
    }
    let delta = overlay.into_delta();
    store.commit(&delta).unwrap();
    setting.desk.store = store;
    sees(setting, None);
}

fn sees(setting: &mut Setting, halted: Option<&str>) {
    let Paying { snapshot, coin, .. } = paying(setting.desk.key(), &[]);
    let snapshot = match halted {
        Some(reason) => snapshot.halt(reason),
        None => snapshot,
    };
    setting.desk.judge = judge(Sees { snapshot, coin });
}

fn own_keys(setting: &Setting) -> VaultKeys {
    let signer = setting.desk.signer.lock().unwrap();
    let group = signer.share().group();
    setting.desk.federation.vault_keys(group).unwrap()
}

fn other_keys() -> VaultKeys {
    VaultKeys::without_leaves(testing::x_only(50))
}

fn request(voice: Voice, number: u32, keys: VaultKeys) -> Request {
    let epoch = Epoch { number, keys };
    let proposal = Succession { voice, epoch }.encode();
    Request::Commit { proposal }
}

fn signs(setting: &Setting, request: Request) -> bool {
    let answer = setting.desk.answer(&setting.coordinator(), request);
    matches!(answer, Answer::Commitments(parts) if parts.len() == 1)
}

fn refused(setting: &Setting, request: Request, code: u16, words: &str) {
    let (found, reason) = setting.refusal(&setting.coordinator(), request);
    assert!(found == code && reason.contains(words), "{found} {reason}");
}

#[test]
fn the_incumbent_signs_the_next_epoch_its_operator_consented_to_and_no_other() {
    let mut setting = setting();
    let own = own_keys(&setting);
    in_office(&mut setting, &own);
    let ask = |number| request(Voice::Incumbent, number, other_keys());
    refused(&setting, ask(5), 20, "did not consent to epoch");
    let hash = |number| {
        let keys = other_keys();
        Epoch { number, keys }.hash(setting.desk.chain).0
    };
    let consents = &setting.desk.consents;
    for number in [4, 5, 6] {
        consents.give(&Consent::Epoch(hash(number)), UNTIL).unwrap();
    }
    assert!(signs(&setting, ask(5)));
    let epoch = Epoch {
        number: 5,
        keys: other_keys(),
    };
    let voice = Voice::Incumbent;
    let bytes = Succession {
        voice,
        epoch: epoch.clone(),
    }
    .encode();
    let message = epoch.message(setting.desk.chain, voice);
    let meant = Input::key_path(*message.as_ref(), own.merkle_root());
    assert_eq!(
        setting.desk.succession(&bytes),
        Ok(meant),
        "under the key of its own output"
    );
    for number in [4, 6] {
        refused(&setting, ask(number), 23, "does not follow epoch 4");
    }
    refused(&setting, request(voice, 5, own.clone()), 23, "does not follow");
    consents.withdraw(&Consent::Epoch(hash(5))).unwrap();
    refused(&setting, ask(5), 20, "did not consent");
    consents.give(&Consent::Epoch(hash(5)), UNTIL).unwrap();
    in_office(&mut setting, &VaultKeys::without_leaves(testing::x_only(60)));
    refused(&setting, ask(5), 23, "is not in office");
}

#[test]
fn the_successor_signs_its_own_epoch_and_no_other() {
    let mut setting = setting();
    in_office(&mut setting, &other_keys());
    let own = own_keys(&setting);
    assert!(
        signs(&setting, request(Voice::Successor, 5, own.clone())),
        "no consent is asked for"
    );
    refused(
        &setting,
        request(Voice::Successor, 6, own.clone()),
        23,
        "does not follow",
    );
    let foreign = VaultKeys::without_leaves(testing::x_only(51));
    refused(
        &setting,
        request(Voice::Successor, 5, foreign),
        23,
        "not those of this member's federation",
    );
    // The same key with other leaves would let others take the vault.
    let bare = VaultKeys::without_leaves(own.federation);
    refused(
        &setting,
        request(Voice::Successor, 5, bare),
        23,
        "the leaves of its own",
    );
    in_office(&mut setting, &own);
    refused(&setting, request(Voice::Successor, 5, own), 23, "does not follow");
}

#[test]
fn nobody_signs_an_epoch_while_paused_halted_or_behind() {
    let mut setting = setting();
    in_office(&mut setting, &other_keys());
    let request = request(Voice::Successor, 5, own_keys(&setting));
    assert!(signs(&setting, request.clone()));
    setting.desk.pause.set("moving house").unwrap();
    refused(&setting, request.clone(), 2, "moving house");
    assert!(setting.desk.pause.clear().unwrap());
    setting.desk.following.write().unwrap().target = 9;
    refused(&setting, request.clone(), 3, "its bitcoind is at 9");
    setting.desk.following.write().unwrap().target = 0;
    setting.desk.following.write().unwrap().halted = Some("a deep reorganisation".into());
    refused(&setting, request.clone(), 4, "a deep reorganisation");
    setting.desk.following.write().unwrap().halted = None;
    sees(&mut setting, Some("the vault lacks 3 sat"));
    refused(&setting, request.clone(), 4, "the vault lacks 3 sat");
    sees(&mut setting, None);
    assert!(signs(&setting, request));
    let member = setting.identities[1].public();
    let epoch = Request::Commit { proposal: vec![100] };
    assert_eq!(
        setting.refusal(&member, epoch.clone()).0,
        18,
        "only coordinators may ask"
    );
    refused(&setting, epoch, 1, "no proposal");
}
