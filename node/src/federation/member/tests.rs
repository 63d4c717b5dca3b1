//! A signer refuses whoever may not ask, and says why it does not sign now.

use bitcoin::{BlockHash, OutPoint, TxOut};
use tacit_bridge::proposal::Purpose;
use tacit_bridge::signer::judge::{SignerView, SigningPolicy};
use tacit_bridge::vault::{Handovers, VaultRates, VaultSnapshot, VaultView};
use tacit_bridge::watcher::{DepositError, Registration};
use tacit_federation::identity::Identity;
use tacit_federation::signer::Ledger;
use tacit_protocol::Amount;
use tacit_protocol::encoding::Encode;
use tacit_protocol::kv::Overlay;
use tacit_protocol::peg::vault::{Handover, Selection, VaultKeys};
use tacit_protocol::peg::{Coin, FeeRate, VaultContext};
use tacit_sequencer::store::MemoryStore;
use tacit_verifier::chain::handover::AnchorHead;
use tacit_verifier::chain::records::{Cursor, Tip};

use super::*;
use crate::federation::testing::{Paying, federation, paying, shares};

/// Where consents end.
pub(super) const UNTIL: u32 = 4_000;

/// A view of nothing: whoever gets as far as asking it learns that.
struct Blind;

impl VaultView for Blind {
    fn snapshot(&self) -> Result<VaultSnapshot, ViewError> {
        Err(ViewError("blind".into()))
    }
}

impl SignerView for Blind {
    fn admit(&self, _: Registration) -> Result<(), DepositError> {
        Ok(())
    }
    fn coin(&self, _: &OutPoint) -> Result<Option<TxOut>, ViewError> {
        Ok(None)
    }
    fn paid_out(&self, _: u32) -> Result<Amount, ViewError> {
        Ok(Amount::ZERO)
    }
}

/// A view of one state in which everything is registered.
pub(super) struct Sees {
    pub(super) snapshot: VaultSnapshot,
    pub(super) coin: Coin,
}

impl VaultView for Sees {
    fn snapshot(&self) -> Result<VaultSnapshot, ViewError> {
        Ok(self.snapshot.clone())
    }
}

impl SignerView for Sees {
    fn admit(&self, _: Registration) -> Result<(), DepositError> {
        Ok(())
    }
    fn coin(&self, outpoint: &OutPoint) -> Result<Option<TxOut>, ViewError> {
        Ok((*outpoint == self.coin.outpoint).then(|| self.coin.txout.clone()))
    }
    fn paid_out(&self, _: u32) -> Result<Amount, ViewError> {
        Ok(Amount::ZERO)
    }
}

pub(super) struct Setting {
    pub(super) desk: SignerDesk,
    pub(super) identities: Vec<Identity>,
    dir: tempfile::TempDir,
}

pub(super) fn judge(view: impl SignerView + 'static) -> Judge {
    let policy = SigningPolicy {
        ceiling: FeeRate::from_sat_per_kwu(5_000),
        outflow: None,
    };
    Judge::new(Arc::new(view), policy)
}

pub(super) fn setting() -> Setting {
    let dir = tempfile::tempdir().unwrap();
    let (federation, identities) = federation(2, 2);
    let share = shares(&federation, &identities).remove(0);
    let ledger = Ledger::open(&dir.path().join("ledger")).unwrap();
    let following = Following {
        target: 0,
        paused: None,
        halted: None,
    };
    let desk = SignerDesk {
        chain: ChainId::from_bytes([3; 32]),
        federation: Arc::new(federation),
        judge: judge(Blind),
        signer: Mutex::new(Signer::new(share, ledger)),
        following: Arc::new(RwLock::new(following)),
        store: Arc::new(MemoryStore::new()),
        pause: Pause::of(dir.path()),
        consents: Consents::of(dir.path(), [7; 32]),
        patience: Duration::ZERO,
        judging: Mutex::default(),
        pace: Mutex::new(Pace::new(Instant::now())),
        share: None,
        signed: AtomicU64::new(0),
        refused: AtomicU64::new(0),
    };
    Setting {
        desk,
        identities,
        dir,
    }
}

/// Has the desk see this many blocks.
fn at_height(desk: &mut SignerDesk, height: u32) {
    let mut overlay = Overlay::new(&*desk.store);
    let hash = BlockHash::from_byte_array([1; 32]);
    table::put_cursor(&mut overlay, &Cursor { height, hash });
    let delta = overlay.into_delta();
    desk.store.commit(&delta).unwrap();
    desk.following.write().unwrap().target = height;
}

/// Has the desk see the anchor chain of this sequencer.
fn in_office(desk: &mut SignerDesk, sequencer: XOnlyPublicKey) {
    let tip = Tip {
        outpoint: tacit_protocol::testing::outpoint(1),
        txout: TxOut::NULL,
    };
    let head = AnchorHead {
        tip,
        sequencer,
        own: sequencer,
        next: sequencer,
        lost: false,
    };
    let mut overlay = Overlay::new(&*desk.store);
    table::put_anchor_head(&mut overlay, &head);
    let delta = overlay.into_delta();
    desk.store.commit(&delta).unwrap();
}

impl Setting {
    pub(super) fn coordinator(&self) -> IdentityKey {
        self.identities[2].public()
    }

    /// Code and words of the refusal.
    pub(super) fn refusal(&self, from: &IdentityKey, request: Request) -> (u16, String) {
        let answer = self.desk.answer(from, request);
        let Answer::Refused { code, reason, .. } = answer else {
            panic!("refused, not {answer:?}")
        };
        (code, reason)
    }

    fn commit(&self) -> (u16, String) {
        // An encoded proposal without deposits, withdrawals and coins.
        let proposal = [&[2][..], &[0; 4 + 36 + 8 + 6 + 1 + 1 + 1 + 32]].concat();
        self.refusal(&self.coordinator(), Request::Commit { proposal })
    }
}

#[test]
fn only_coordinators_get_signatures_and_only_the_federation_gets_an_answer() {
    let setting = setting();
    let member = setting.identities[1].public();
    assert!(setting.desk.knows(&member) && setting.desk.knows(&setting.coordinator()));
    assert!(!setting.desk.knows(&Identity::generate(&mut OsRng).public()));
    for request in [
        Request::Commit { proposal: Vec::new() },
        Request::Sign {
            proposal: Vec::new(),
            packages: Vec::new(),
        },
    ] {
        let (code, reason) = setting.refusal(&member, request);
        assert!(code == 18 && reason.contains("coordinator"), "{code} {reason}");
    }
    assert!(matches!(
        setting.desk.answer(&member, Request::Status),
        Answer::Status(_)
    ));
}

#[test]
fn a_member_hands_over_only_what_its_operator_consented_to() {
    let mut setting = setting();
    let Paying { snapshot, coin, .. } = paying(setting.desk.key(), &[]);
    let snapshot = snapshot.with_handovers(Handovers {
        reset: Some("no batch since block 1".into()),
        takeover_timelock: 1_008,
        ..Handovers::default()
    });
    let key = |tag| tacit_protocol::testing::keypair(tag).x_only_public_key().0;
    let purpose = Purpose {
        selection: &Selection::default(),
        handover: Some(Handover::Anchor(key(8))),
    };
    let (pool, rates) = ([coin.clone()], VaultRates::at(FeeRate::from_sat_per_kwu(1_000)));
    let change = coin.txout.script_pubkey.clone();
    let (proposal, _) = Proposal::plan(&snapshot, purpose, &pool, rates, &change, false).unwrap();
    setting.desk.judge = judge(Sees { snapshot, coin });
    let ask = |setting: &Setting| {
        let proposal = proposal.encode();
        setting
            .desk
            .answer(&setting.coordinator(), Request::Commit { proposal })
    };
    let refused = |setting: &Setting, words: &str| {
        let Answer::Refused {
            code,
            permanent,
            reason,
        } = ask(setting)
        else {
            panic!("signed without consent")
        };
        assert!(
            code == 20 && !permanent && reason.contains(words),
            "{code} {reason}"
        );
    };
    refused(&setting, "did not consent to sequencer");
    let (consents, meant) = (&setting.desk.consents, Consent::Sequencer(key(8)));
    consents.give(&Consent::Sequencer(key(9)), UNTIL).unwrap();
    consents.give(&Consent::Epoch(key(8).serialize()), UNTIL).unwrap();
    refused(&setting, &key(8).to_string());
    consents.give(&meant, UNTIL).unwrap();
    assert!(matches!(ask(&setting), Answer::Commitments(parts) if parts.len() == 1));
    at_height(&mut setting.desk, 900);
    let consents = &setting.desk.consents;
    for (until, words) in [
        (900, None),
        (899, Some("beyond block 899")),
        (900 + 4_032, None),
        (900 + 4_033, Some("is more than 4032 ahead")),
    ] {
        consents.give(&meant, until).unwrap();
        match words {
            None => assert!(matches!(ask(&setting), Answer::Commitments(_)), "{until}"),
            Some(words) => refused(&setting, words),
        }
    }
    consents.withdraw(&meant).unwrap();
    refused(&setting, "did not consent");
    std::fs::create_dir_all(setting.dir.path().join("consents")).unwrap();
    let damaged = setting
        .dir
        .path()
        .join("consents")
        .join(format!("sequencer-{}", key(8)));
    std::fs::write(&damaged, b"yes").unwrap();
    refused(&setting, "consents");
}

#[test]
fn what_its_operator_wants_handed_over_comes_before_anything_else() {
    let mut setting = setting();
    let Paying {
        snapshot,
        coin,
        proposal,
        ..
    } = paying(setting.desk.key(), &[setting.desk.key()]);
    let failed = Handovers {
        reset: Some("no batch since block 1".into()),
        takeover_timelock: 1_008,
        ..Handovers::default()
    };
    let possible = snapshot.clone().with_handovers(failed);
    let key = |tag| tacit_protocol::testing::keypair(tag).x_only_public_key().0;
    let meant = Consent::Sequencer(key(8));
    let sees = |setting: &mut Setting, snapshot: &VaultSnapshot| {
        let (snapshot, coin) = (snapshot.clone(), coin.clone());
        setting.desk.judge = judge(Sees { snapshot, coin });
    };
    let ask = |setting: &Setting| {
        let proposal = proposal.encode();
        setting
            .desk
            .answer(&setting.coordinator(), Request::Commit { proposal })
    };
    let signs = |setting: &Setting| matches!(ask(setting), Answer::Commitments(_));
    sees(&mut setting, &possible);
    assert!(signs(&setting), "nothing is wanted");
    setting.desk.consents.give(&meant, UNTIL).unwrap();
    let Answer::Refused { code, reason, .. } = ask(&setting) else {
        panic!("the handover comes first")
    };
    assert!(
        code == 24 && reason.contains(&meant.to_string()) && reason.contains("withdraw"),
        "{code} {reason}"
    );
    sees(&mut setting, &snapshot);
    assert!(signs(&setting), "it is not possible yet");
    sees(&mut setting, &possible);
    at_height(&mut setting.desk, UNTIL + 1);
    assert!(signs(&setting), "the consent has ended");
    at_height(&mut setting.desk, UNTIL);
    assert!(!signs(&setting));
    in_office(&mut setting.desk, key(8));
    assert!(signs(&setting), "it was handed over");
    in_office(&mut setting.desk, key(9));
    assert!(!signs(&setting));
    setting.desk.consents.withdraw(&meant).unwrap();
    assert!(signs(&setting));
}

#[test]
fn an_epoch_comes_first_as_well_and_a_refresh_outruns_nobody() {
    let mut setting = setting();
    let own = setting.desk.key();
    let paying = paying(own, &[]);
    let next = tacit_protocol::peg::EpochHash([7; 32]);
    let keys = VaultKeys::without_leaves(tacit_protocol::testing::x_only(8));
    let announced = Handovers {
        announced: vec![(next, keys.script_pubkey())],
        ..Handovers::default()
    };
    let commit = |setting: &Setting, proposal: &Proposal| {
        let proposal = proposal.encode();
        setting
            .desk
            .answer(&setting.coordinator(), Request::Commit { proposal })
    };
    let consents = &setting.desk.consents;
    consents.give(&Consent::Epoch(next.0), UNTIL).unwrap();
    let damaged = setting.dir.path().join("consents/epoch-damaged");
    std::fs::write(damaged, b"yes").unwrap();
    setting.desk.judge = judge(Sees {
        snapshot: paying.snapshot.clone().with_handovers(announced.clone()),
        coin: paying.coin.clone(),
    });
    let Answer::Refused { code: 24, .. } = commit(&setting, &paying.proposal) else {
        panic!("the handover comes first, whatever else lies there")
    };

    let (tip, keys) = (paying.snapshot.tip(), VaultKeys::without_leaves(own));
    let quiet = VaultSnapshot::new(9, tip, keys, Vec::new(), Vec::new()).with_handovers(announced);
    let quiet = quiet.due_for_refresh();
    let purpose = Purpose {
        selection: &Selection::default(),
        handover: None,
    };
    let (pool, rates) = (
        [paying.coin.clone()],
        VaultRates::at(FeeRate::from_sat_per_kwu(1_000)),
    );
    let change = paying.coin.txout.script_pubkey.clone();
    let (refresh, _) = Proposal::plan(&quiet, purpose, &pool, rates, &change, false).unwrap();
    setting.desk.judge = judge(Sees {
        snapshot: quiet,
        coin: paying.coin,
    });
    let answer = commit(&setting, &refresh);
    assert!(matches!(answer, Answer::Commitments(_)), "{answer:?}");
}

#[test]
fn a_member_signs_what_its_own_state_says_belongs_to_its_key_and_nothing_else() {
    let mut setting = setting();
    let own = setting.desk.key();
    let foreign = tacit_protocol::testing::keypair(9).x_only_public_key().0;
    let mut ask = |paying: Paying| {
        let Paying {
            snapshot,
            coin,
            proposal,
            ..
        } = paying;
        setting.desk.judge = judge(Sees { snapshot, coin });
        let proposal = proposal.encode();
        setting
            .desk
            .answer(&setting.coordinator(), Request::Commit { proposal })
    };
    for (paying, inputs) in [
        (paying(own, &[own]), 2),
        (paying(own, &[foreign]), 1),
        (paying(foreign, &[foreign, own]), 1),
    ] {
        let answer = ask(paying);
        let Answer::Commitments(parts) = answer else {
            panic!("willing, not {answer:?}")
        };
        assert_eq!(parts.len(), inputs);
    }
    let Answer::Refused { code, reason, .. } = ask(paying(foreign, &[foreign])) else {
        panic!("nothing in it is its own")
    };
    assert!(code == 19 && reason.contains(&own.to_string()), "{code} {reason}");
}

#[test]
fn every_reason_not_to_sign_now_has_its_code_and_goes_away() {
    let setting = setting();
    assert_eq!(
        setting.commit(),
        (5, "the rollup's state cannot be read: blind".into()),
        "it would judge"
    );

    setting.desk.pause.set("moving house\n").unwrap();
    assert_eq!(
        setting.commit(),
        (2, "paused by its operator: moving house".into())
    );
    let Answer::Status(status) = setting.desk.answer(&setting.coordinator(), Request::Status) else {
        panic!("a status")
    };
    assert_eq!(status.paused.as_deref(), Some("moving house"));
    assert!(setting.desk.pause.clear().unwrap());
    assert!(!setting.desk.pause.clear().unwrap(), "it was not paused any more");

    setting.desk.following.write().unwrap().target = 9;
    let (code, reason) = setting.commit();
    assert!(
        code == 3 && reason.contains("at block 0, its bitcoind is at 9"),
        "{reason}"
    );
    setting.desk.following.write().unwrap().target = 0;

    setting.desk.following.write().unwrap().halted = Some("a deep reorganisation".into());
    assert_eq!(
        setting.commit(),
        (4, "signing is halted: a deep reorganisation".into())
    );
    setting.desk.following.write().unwrap().halted = None;
    assert_eq!(setting.commit().0, 5, "as before");
    assert_eq!(setting.desk.refused.load(Ordering::Relaxed), 5);

    let garbage = Request::Commit { proposal: vec![1, 2] };
    assert_eq!(setting.refusal(&setting.coordinator(), garbage).0, 1);
}

#[test]
fn a_block_that_is_about_to_come_is_waited_for() {
    let mut setting = setting();
    setting.desk.patience = Duration::from_secs(60);
    setting.desk.following.write().unwrap().target = 9;
    let following = Arc::clone(&setting.desk.following);
    let caught_up = thread::spawn(move || {
        thread::sleep(Duration::from_millis(300));
        following.write().unwrap().target = 0;
    });
    assert_eq!(setting.commit().0, 5, "it judged once it had caught up");
    caught_up.join().unwrap();
}

#[test]
fn a_ledger_cannot_be_filled_in_no_time() {
    let start = Instant::now();
    let mut pace = Pace::new(start);
    let granted = |pace: &mut Pace, now| (0..10_000).filter(|_| pace.step(now).is_ok()).count();
    assert_eq!(granted(&mut pace, start), 256);
    assert_eq!(granted(&mut pace, start + Duration::from_secs(4)), 0);
    assert_eq!(granted(&mut pace, start + Duration::from_secs(11)), 2);
    assert_eq!(
        granted(&mut pace, start + Duration::from_secs(1_000_000)),
        256,
        "no more than a burst"
    );
}

#[test]
fn a_pause_file_that_cannot_be_read_pauses_too() {
    let setting = setting();
    std::fs::create_dir(setting.dir.path().join("paused")).unwrap();
    let (code, reason) = setting.commit();
    assert!(code == 2 && reason.contains("cannot be read"), "{reason}");
}

#[test]
fn a_key_generation_is_over_for_a_signer() {
    let setting = setting();
    let request = Request::Keygen {
        round: tacit_federation::message::KeygenRound::Share,
        session: [0; 32],
        bytes: zeroize::Zeroizing::new(vec![1]),
    };
    let (code, reason) = setting.refusal(&setting.identities[1].public(), request);
    assert!(code == 18 && reason.contains("is over"), "{reason}");
}
