//! Federations in one process, for tests: members that answer without a network.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bitcoin::hashes::Hash;
use bitcoin::key::TweakedPublicKey;
use bitcoin::{OutPoint, ScriptBuf, TxOut, XOnlyPublicKey};
use rand::rngs::OsRng;
use tacit_bridge::keys::SigningKey;
use tacit_bridge::proposal::Proposal;
use tacit_bridge::vault::{Handovers, VaultRates, VaultSnapshot};
use tacit_federation::identity::{Identity, IdentityKey};
use tacit_federation::message::{Answer, Request};
use tacit_federation::roster::MemberId;
use tacit_federation::share::KeyShare;
use tacit_protocol::peg::vault::{DepositCoin, Selection, UnsignedVaultTx, VaultKeys};
use tacit_protocol::peg::{Coin, DepositTerms, Exit, ExitScript, FeeRate, VaultTip, WithdrawalView};
use tacit_protocol::{Amount, F, testing};

use super::coordinator::Ask;
use super::file::{Card, Federation, FileText, Member};
use super::keygen::{Hall, Join, Watch};
use super::listener::Answers;
use super::peer::CallError;

/// A federation file for `size` members, with their identities; its coordinator is the last of these.
pub(crate) fn federation(threshold: u16, size: usize) -> (Federation, Vec<Identity>) {
    let (text, identities) = file(threshold, size);
    (Federation::new(text).unwrap(), identities)
}

pub(crate) fn file(threshold: u16, size: usize) -> (FileText, Vec<Identity>) {
    let identities: Vec<Identity> = (0..=size).map(|_| Identity::generate(&mut OsRng)).collect();
    let members = identities[..size].iter().enumerate().map(|(i, identity)| Card {
        name: format!("member {i}"),
        address: format!("127.0.0.1:{}", 10_000 + i),
        identity: identity.public().to_string(),
        backup_key: SigningKey::generate(&mut OsRng).public_key().to_string(),
    });
    let text = FileText {
        threshold,
        backup_timelock: 144,
        coordinators: vec![identities[size].public().to_string()],
        recovery: None,
        members: members.collect(),
    };
    (text, identities)
}

/// Reaches members in this process: whoever is missing cannot be reached.
pub(crate) struct Local {
    pub(crate) from: IdentityKey,
    pub(crate) members: BTreeMap<MemberId, Arc<dyn Answers>>,
}

impl Ask for Local {
    fn ask(&self, member: &Member, request: &Request) -> Result<Answer, CallError> {
        match self.members.get(&member.id) {
            Some(answers) if answers.knows(&self.from) => Ok(answers.answer(&self.from, request.clone())),
            Some(_) | None => Err(CallError::Unreachable {
                address: member.address.clone(),
                source: std::io::ErrorKind::ConnectionRefused.into(),
            }),
        }
    }
}

/// What a coordinator proposes, with the state and the coin that it follows from.
pub(crate) struct Paying {
    pub(crate) snapshot: VaultSnapshot,
    pub(crate) coin: Coin,
    pub(crate) proposal: Proposal,
    pub(crate) tx: UnsignedVaultTx,
}

/// One payout from a vault of this key, and sweeps of deposits under these.
pub(crate) fn paying(vault: XOnlyPublicKey, deposits: &[XOnlyPublicKey]) -> Paying {
    let sat = |sats| Amount::from_sat(sats).unwrap();
    let key = |tag| testing::keypair(tag).x_only_public_key().0;
    let script = ExitScript::new(ScriptBuf::new_p2wsh(&bitcoin::WScriptHash::hash(&[1]))).unwrap();
    let exit = Exit::new(sat(50_000), script, sat(5_000), key(3)).unwrap();
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
    let deposit = |(i, &federation): (u32, &XOnlyPublicKey)| DepositCoin {
        outpoint: OutPoint {
            vout: 20 + i,
            ..tip.outpoint
        },
        amount: sat(100_000),
        terms: DepositTerms {
            federation,
            inner: F::from(u64::from(i)),
            refund: key(5),
            timelock: 1_008,
        },
    };
    let selection = Selection {
        deposits: (0..).zip(deposits).map(deposit).collect(),
        withdrawals: vec![(0, withdrawal)],
        held: Vec::new(),
    };
    let (vault, former) = (VaultKeys::without_leaves(vault), deposits.to_vec());
    let (deposits, withdrawals) = (selection.deposits.clone(), selection.withdrawals.clone());
    let handovers = Handovers {
        former,
        ..Handovers::default()
    };
    let snapshot = VaultSnapshot::new(9, tip, vault, deposits, withdrawals).with_handovers(handovers);
    let change = ScriptBuf::new_p2tr_tweaked(TweakedPublicKey::dangerous_assume_tweaked(key(4)));
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
    let rates = VaultRates::at(FeeRate::from_sat_per_kwu(1_000));
    let pool = std::slice::from_ref(&coin);
    let (proposal, tx) = Proposal::plan(&snapshot, &selection, pool, rates, &change, false).unwrap();
    Paying {
        snapshot,
        coin,
        proposal,
        tx,
    }
}

/// Nobody watches.
pub(crate) struct Unwatched;

impl Watch for Unwatched {
    fn round(&self, _: u32, _: &str) {}
    fn missing(&self, _: &[String]) {}
}

/// Every member's hall.
pub(crate) fn halls(federation: &Federation) -> BTreeMap<MemberId, Arc<Hall>> {
    let ids = federation.roster().members();
    ids.map(|id| (id, Arc::new(Hall::new(federation.clone(), id))))
        .collect()
}

/// The way of a member to these halls.
pub(crate) fn way(from: &Identity, halls: &BTreeMap<MemberId, Arc<Hall>>) -> Local {
    let members = halls
        .iter()
        .map(|(id, hall)| (*id, Arc::clone(hall) as Arc<dyn Answers>));
    Local {
        from: from.public(),
        members: members.collect(),
    }
}

/// All members generate a key together.
pub(crate) fn shares(federation: &Federation, identities: &[Identity]) -> Vec<KeyShare> {
    let halls = halls(federation);
    std::thread::scope(|scope| {
        let joining: Vec<_> = halls
            .values()
            .zip(identities)
            .map(|(hall, identity)| {
                let way = way(identity, &halls);
                scope.spawn(move || {
                    let join = Join {
                        hall,
                        ask: &way,
                        watch: &Unwatched,
                        deadline: Instant::now() + Duration::from_secs(60),
                    };
                    let agreement = join.generate(|_| Ok(())).unwrap();
                    join.agree(agreement).unwrap()
                })
            })
            .collect();
        joining.into_iter().map(|join| join.join().unwrap()).collect()
    })
}
