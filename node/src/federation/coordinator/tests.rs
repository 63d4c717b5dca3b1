//! `t` honest members are enough; everybody else is excluded and named.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use tacit_federation::identity::IdentityKey;
use tacit_federation::share::KeyShare;
use tacit_federation::signer::{Ledger, Signer};
use tacit_protocol::testing;

use super::*;
use crate::federation::listener::Answers;
use crate::federation::testing::{Local, Paying, federation, paying, shares};

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

struct Setting {
    signer: FederationSigner,
    asked: Vec<Arc<AtomicUsize>>,
    proposal: Proposal,
    tx: UnsignedVaultTx,
}

/// Three of as many members as there are ways; they pay from a vault of their own.
fn setting(ways: &[Way]) -> Setting {
    let setting = setting_of(ways, |own| paying(own, &[]));
    let inputs = setting
        .signer
        .keys()
        .iter()
        .map(|key| inputs_of(&setting.tx, key).len())
        .sum::<usize>();
    assert_eq!(inputs, 1, "the vault's; the operator signs its own");
    setting
}

/// The same with what they are asked to sign, given their key.
fn setting_of(ways: &[Way], asked_for: impl Fn(XOnlyPublicKey) -> Paying) -> Setting {
    let (federation, identities) = federation(3, ways.len());
    let shares: Vec<KeyShare> = shares(&federation, &identities);
    let group = shares[0].group().clone();
    let Paying { proposal, tx, .. } = asked_for(group.internal_key());
    let inputs: Vec<Input> = inputs_of(&tx, &group.internal_key()).into_values().collect();
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
    let signer =
        FederationSigner::new(group, Arc::new(federation), Arc::new(ask), Duration::from_secs(2)).unwrap();
    Setting {
        signer,
        asked,
        proposal,
        tx,
    }
}

impl Setting {
    fn sign(&self) -> Result<Signatures, SignError> {
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

fn verify(setting: &Setting, signatures: &Signatures) {
    let secp = bitcoin::secp256k1::Secp256k1::verification_only();
    assert!(!signatures.is_empty());
    for (&input, signature) in signatures {
        let script = &setting.tx.prevouts()[input].script_pubkey;
        let key = XOnlyPublicKey::from_slice(&script.as_bytes()[2..]).unwrap();
        secp.verify_schnorr(signature, &setting.tx.sighash(input), &key)
            .unwrap();
    }
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
fn a_federation_signs_the_inputs_of_its_own_key_and_no_others() {
    let foreign = testing::keypair(9).x_only_public_key().0;
    // It hands over: the vault is another's already, one of two deposits is its own.
    let handing_over = setting_of(&[Way::Honest; 3], |own| paying(foreign, &[foreign, own]));
    let signatures = handing_over.sign().unwrap();
    let own = handing_over.signer.keys()[0];
    let roles = handing_over.tx.roles().iter();
    let owned: Vec<usize> = (0..)
        .zip(roles)
        .filter(|(_, role)| role.federation().is_some_and(|path| path.internal == own))
        .map(|(input, _)| input)
        .collect();
    assert_eq!(owned.len(), 1);
    assert_eq!(signatures.keys().copied().collect::<Vec<_>>(), owned);
    verify(&handing_over, &signatures);

    let gone = setting_of(&[Way::Honest; 3], |_| paying(foreign, &[foreign]));
    assert_eq!(gone.sign(), Ok(Signatures::new()));
    assert!(
        gone.asked.iter().all(|asked| asked.load(Ordering::Relaxed) == 0),
        "nobody is asked for nothing"
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
