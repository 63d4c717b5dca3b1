//! `t` honest members are enough; everybody else is excluded and named.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use bitcoin::hashes::Hash;
use bitcoin::{OutPoint, ScriptBuf, TxOut};
use tacit_bridge::vault::{VaultRates, VaultSnapshot};
use tacit_federation::identity::IdentityKey;
use tacit_federation::share::KeyShare;
use tacit_federation::signer::{Ledger, Signer};
use tacit_protocol::peg::vault::{Selection, VaultKeys};
use tacit_protocol::peg::{Coin, Exit, ExitScript, FeeRate, VaultTip, WithdrawalView};
use tacit_protocol::{Amount, testing};

use super::*;
use crate::federation::listener::Answers;
use crate::federation::testing::{Local, federation, shares};

/// How a member behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Honest,
    Dead,
    Refusing,
    Lying,
    Garbage,
    Silent,
}

/// A member that signs whatever it is asked to, in its way.
struct Signs {
    signer: Mutex<Signer>,
    inputs: Vec<Input>,
    way: Way,
    asked: Arc<AtomicUsize>,
    _dir: tempfile::TempDir,
}

impl Answers for Signs {
    fn knows(&self, _: &IdentityKey) -> bool {
        self.way != Way::Dead
    }

    fn longest(&self, _: &IdentityKey) -> usize {
        Request::LONGEST
    }

    fn answer(&self, _: &IdentityKey, request: Request) -> Answer {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mut signer = self.signer.lock().unwrap();
        match (self.way, request) {
            (Way::Refusing, _) => Answer::refused(2, false, "paused by its operator: holidays"),
            (Way::Garbage, _) => Answer::Commitments(vec![vec![7; 3]; self.inputs.len()]),
            (Way::Silent, Request::Sign { .. }) => {
                std::thread::sleep(Duration::from_secs(30));
                Answer::NotYet
            }
            (Way::Lying, Request::Sign { packages, .. }) => {
                let lie = packages.iter().map(|_| [vec![0], vec![9; 31]].concat());
                Answer::Shares(lie.collect())
            }
            (_, Request::Commit { .. }) => {
                Answer::Commitments(signer.commit(&self.inputs, &mut rand::rngs::OsRng).unwrap())
            }
            (_, Request::Sign { packages, .. }) => signer
                .sign(&self.inputs, &packages)
                .map_or_else(|e| Answer::refused(18, false, &e.to_string()), Answer::Shares),
            (_, Request::Status | Request::Keygen { .. }) => Answer::NotYet,
        }
    }
}

/// A proposal with its transaction: one payout from a vault of this key.
fn proposal(key: XOnlyPublicKey) -> (Proposal, UnsignedVaultTx) {
    let sat = |sats| Amount::from_sat(sats).unwrap();
    let script = ExitScript::new(ScriptBuf::new_p2wsh(&bitcoin::WScriptHash::hash(&[1]))).unwrap();
    let exit = Exit::new(
        sat(50_000),
        script,
        sat(5_000),
        testing::keypair(3).x_only_public_key().0,
    )
    .unwrap();
    let withdrawal = WithdrawalView {
        amount: exit.amount(),
        script: exit.script().clone(),
        max_l1_fee: exit.max_l1_fee(),
        deep: true,
        paid: false,
    };
    let tip = VaultTip {
        outpoint: testing::outpoint(1),
        amount: sat(1_000_000),
    };
    let withdrawals = vec![(0, withdrawal)];
    let vault = VaultKeys::without_leaves(key);
    let snapshot = VaultSnapshot::new(9, tip, vault, Vec::new(), withdrawals.clone());
    let change = ScriptBuf::new_p2tr_tweaked(bitcoin::key::TweakedPublicKey::dangerous_assume_tweaked(
        testing::keypair(4).x_only_public_key().0,
    ));
    let coin = Coin {
        outpoint: OutPoint {
            vout: 9,
            ..tip.outpoint
        },
        txout: TxOut {
            value: bitcoin::Amount::from_sat(100_000),
            script_pubkey: change.clone(),
        },
    };
    let selection = Selection {
        withdrawals,
        ..Selection::default()
    };
    let rates = VaultRates::at(FeeRate::from_sat_per_kwu(1_000));
    Proposal::plan(&snapshot, &selection, &[coin], rates, &change, false).unwrap()
}

struct Setting {
    signer: FederationSigner,
    asked: Vec<Arc<AtomicUsize>>,
    proposal: Proposal,
    tx: UnsignedVaultTx,
}

/// Three of as many members as there are ways.
fn setting(ways: &[Way]) -> Setting {
    let (federation, identities) = federation(3, ways.len());
    let shares: Vec<KeyShare> = shares(&federation, &identities);
    let group = shares[0].group().clone();
    let (proposal, tx) = proposal(group.internal_key());
    let inputs = inputs_of(&tx);
    assert_eq!(inputs.len(), 1, "the vault's; the operator signs its own");
    let mut ways: VecDeque<Way> = ways.iter().copied().collect();
    let (mut members, mut asked): (BTreeMap<MemberId, Arc<dyn Answers>>, _) = (BTreeMap::new(), Vec::new());
    for share in shares {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&dir.path().join("ledger")).unwrap();
        let count = Arc::new(AtomicUsize::new(0));
        asked.push(Arc::clone(&count));
        let id = share.member();
        let member = Signs {
            signer: Mutex::new(Signer::new(share, ledger)),
            inputs: inputs.clone(),
            way: ways.pop_front().unwrap(),
            asked: count,
            _dir: dir,
        };
        members.insert(id, Arc::new(member));
    }
    let ask = Local {
        from: identities.last().unwrap().public(),
        members,
    };
    let signer = FederationSigner::new(group, Arc::new(federation), Arc::new(ask), Duration::from_secs(2));
    Setting {
        signer,
        asked,
        proposal,
        tx,
    }
}

impl Setting {
    fn sign(&self) -> Result<Vec<Signature>, SignError> {
        self.signer.sign_vault(&self.proposal, &self.tx)
    }

    fn excluded(&self) -> Vec<(u16, String)> {
        let health = self.signer.health();
        let named = health
            .iter()
            .filter_map(|(id, health)| Some((id.number(), health.last_exclusion.clone()?)));
        named.collect()
    }
}

fn verify(setting: &Setting, signatures: &[Signature]) {
    let secp = bitcoin::secp256k1::Secp256k1::verification_only();
    let script = &setting.tx.prevouts()[0].script_pubkey;
    let key = XOnlyPublicKey::from_slice(&script.as_bytes()[2..]).unwrap();
    secp.verify_schnorr(&signatures[0], &setting.tx.sighash(0), &key)
        .unwrap();
}

#[test]
fn honest_members_sign_the_vaults_transaction() {
    let setting = setting(&[Way::Honest; 3]);
    verify(&setting, &setting.sign().unwrap());
    assert_eq!(setting.excluded(), []);
    assert_eq!(
        setting.signer.rounds(),
        Rounds {
            signed: 1,
            failed: 0,
            attempts: 1
        }
    );
}

#[test]
fn three_honest_members_of_five_are_enough_whatever_the_others_do() {
    use Way::{Dead, Garbage, Honest, Lying, Refusing, Silent};
    for (bad, words) in [
        ([Dead, Refusing], ["did not answer", "holidays"]),
        ([Lying, Garbage], ["not its own", "no answer"]),
        ([Lying, Dead], ["not its own", "did not answer"]),
        ([Silent, Refusing], ["did not answer", "holidays"]),
    ] {
        let setting = setting(&[bad[0], bad[1], Honest, Honest, Honest]);
        verify(&setting, &setting.sign().unwrap());
        for (number, reason) in setting.excluded() {
            assert!(
                reason.contains(words[usize::from(number) - 1]),
                "member {number}: {reason}"
            );
        }
    }
}

#[test]
fn a_liar_is_not_asked_again_unless_too_few_are_left() {
    let both = setting(&[Way::Lying, Way::Honest, Way::Honest, Way::Honest]);
    // Which three are first is chance; the liar is caught sooner or later.
    for _ in 0..40 {
        verify(&both, &both.sign().unwrap());
        if !both.excluded().is_empty() {
            break;
        }
    }
    let asked = both.asked[0].load(Ordering::Relaxed);
    verify(&both, &both.sign().unwrap());
    assert_eq!(both.asked[0].load(Ordering::Relaxed), asked, "it is banned");

    let few = setting(&[Way::Lying, Way::Honest, Way::Honest]);
    for round in 1..=2 {
        let Err(SignError::TooFew {
            needed: 3, missing, ..
        }) = few.sign()
        else {
            panic!("two honest members are too few")
        };
        assert_eq!(
            missing,
            [(
                "member 0".to_owned(),
                "sent a share that is not its own".to_owned()
            )]
        );
        let asked = few.asked[0].load(Ordering::Relaxed);
        assert_eq!(asked, 2 * round, "it may have been mended, so it is asked again");
    }
}

#[test]
fn with_too_few_members_the_reasons_of_all_are_told() {
    let setting = setting(&[Way::Dead, Way::Refusing, Way::Honest, Way::Honest, Way::Dead]);
    let error = setting.sign().unwrap_err();
    let text = error.to_string();
    for word in ["member 0 did not answer", "holidays", "member 4"] {
        assert!(text.contains(word), "{text}");
    }
    assert_eq!(setting.signer.rounds().failed, 1);
    let health = setting.signer.health();
    let unreachable = health.values().filter(|health| health.unreachable.is_some());
    assert_eq!(unreachable.count(), 2);
}
