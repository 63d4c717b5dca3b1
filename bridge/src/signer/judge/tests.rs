//! A member signs what it derives itself, and says why it refuses anything else.

use std::sync::{Arc, Mutex};

use bitcoin::{OutPoint, TxOut};
use tacit_protocol::Amount;
use tacit_protocol::encoding::{Decode, Encode};
use tacit_protocol::peg::vault::{DepositCoin, Handover, Selection, UnsignedVaultTx, VaultKeys};
use tacit_protocol::peg::{EpochHash, FeeRate, WithdrawalView};

use super::{CapAmount, Judge, MOST_REMEMBERED, OutflowCap, Refusal, SignerView, SigningPolicy};
use crate::fixture::{World, federation, key, propose, rate, terms, vault_keys, withdrawal};
use crate::proposal::{Proposal, Purpose};
use crate::vault::{Handovers, VaultRates, VaultSnapshot, VaultView, ViewError};
use crate::watcher::{DepositError, Registration};

/// A member's own state.
struct Own {
    snapshot: Mutex<VaultSnapshot>,
    coins: Vec<(OutPoint, TxOut)>,
    deposits: Vec<DepositCoin>,
    paid: Amount,
}

impl VaultView for Own {
    fn snapshot(&self) -> Result<VaultSnapshot, ViewError> {
        Ok(self.snapshot.lock().unwrap().clone())
    }
}

impl SignerView for Own {
    fn admit(&self, registration: Registration) -> Result<(), DepositError> {
        let outpoint = registration.outpoint;
        let known = self.deposits.iter().find(|deposit| deposit.outpoint == outpoint);
        let known = known.ok_or(DepositError::NotFound(outpoint))?;
        let same = (known.terms.inner, known.terms.refund) == (registration.inner, registration.refund);
        same.then_some(()).ok_or(DepositError::Terms(outpoint))
    }

    fn coin(&self, outpoint: &OutPoint) -> Result<Option<TxOut>, ViewError> {
        let found = self.coins.iter().find(|(own, _)| own == outpoint);
        Ok(found.map(|(_, txout)| txout.clone()))
    }

    fn paid_out(&self, _: u32) -> Result<Amount, ViewError> {
        Ok(self.paid)
    }
}

fn sat(sats: u64) -> Amount {
    Amount::from_sat(sats).unwrap()
}

struct Setting {
    world: World,
    deposits: Vec<DepositCoin>,
    withdrawals: Vec<(u64, WithdrawalView)>,
    policy: SigningPolicy,
    paid: Amount,
}

impl Setting {
    fn new() -> Self {
        let mut world = World::new();
        let deposits = vec![world.deposit(21, 100_000), world.deposit(22, 200_000)];
        let policy = SigningPolicy {
            ceiling: FeeRate::from_sat_per_kwu(5_000),
            outflow: None,
        };
        Self {
            world,
            deposits,
            withdrawals: vec![(4, withdrawal(31, 50_000)), (7, withdrawal(32, 60_000))],
            policy,
            paid: Amount::ZERO,
        }
    }

    fn snapshot(&self) -> VaultSnapshot {
        VaultSnapshot::new(
            self.world.coins.height(),
            self.world.vault_tip,
            vault_keys(),
            self.deposits.clone(),
            self.withdrawals.clone(),
        )
    }

    /// A member with this state, to be changed while its judge remembers.
    fn member(&self, snapshot: VaultSnapshot) -> (Arc<Own>, Judge) {
        let coins = self.world.coins.spendable().into_iter();
        let own = Arc::new(Own {
            snapshot: Mutex::new(snapshot),
            coins: coins.map(|coin| (coin.outpoint, coin.txout)).collect(),
            deposits: self.deposits.clone(),
            paid: self.paid,
        });
        (Arc::clone(&own), Judge::new(own, self.policy))
    }

    fn judge_with(&self, snapshot: VaultSnapshot, proposal: &Proposal) -> Result<UnsignedVaultTx, Refusal> {
        self.member(snapshot).1.judge(proposal)
    }

    fn judge(&self, proposal: &Proposal) -> Result<UnsignedVaultTx, Refusal> {
        self.judge_with(self.snapshot(), proposal)
    }

    fn propose(&self, deposits: &[DepositCoin], withdrawals: &[(u64, WithdrawalView)]) -> Proposal {
        let rates = VaultRates::at(rate());
        propose(&self.world, deposits, withdrawals, rates).unwrap().0
    }

    fn honest(&self) -> Proposal {
        self.propose(&self.deposits, &self.withdrawals)
    }
}

#[test]
fn an_honest_proposal_is_derived_from_the_members_own_state() {
    let setting = Setting::new();
    let proposal = setting.honest();
    let tx = setting.judge(&proposal).unwrap();
    assert_eq!(tx.tx().compute_txid(), proposal.txid());
    assert_eq!(
        tx.tx().output[2].value.to_sat(),
        50_000 - rate().payout_share(&setting.withdrawals[0].1.script).to_sat()
    );
}

#[test]
fn every_lie_of_a_coordinator_has_its_refusal() {
    let mut setting = Setting::new();
    let honest = setting.honest();

    let forged = DepositCoin {
        terms: terms(99),
        ..setting.deposits[0].clone()
    };
    let outpoint = forged.outpoint;
    let bound_elsewhere = setting.propose(&[forged], &setting.withdrawals);
    assert_eq!(
        setting.judge(&bound_elsewhere),
        Err(Refusal::DepositTerms(outpoint))
    );

    let stranger = DepositCoin {
        outpoint: OutPoint { vout: 77, ..outpoint },
        ..setting.deposits[0].clone()
    };
    let unknown = setting.propose(&[stranger], &setting.withdrawals);
    assert!(matches!(setting.judge(&unknown), Err(Refusal::Deposit { .. })));

    let altered = [(4, withdrawal(31, 50_000)), (7, withdrawal(66, 60_000))];
    let altered = setting.propose(&[], &altered);
    assert_eq!(setting.judge(&altered), Err(Refusal::Altered(altered.txid())));

    let skipping = setting.propose(&[], &setting.withdrawals[1..]);
    assert_eq!(setting.judge(&skipping), Err(Refusal::Skipped(4)));

    let dear = VaultRates {
        shares: rate(),
        whole: FeeRate::from_sat_per_kwu(6_000),
    };
    let dear = propose(&setting.world, &[], &setting.withdrawals, dear)
        .unwrap()
        .0;
    assert_eq!(
        setting.judge(&dear),
        Err(Refusal::Rate {
            rate: 6_000,
            ceiling: 5_000
        })
    );

    setting.world.vault_tip.outpoint = OutPoint { vout: 5, ..outpoint };
    let elsewhere = setting.propose(&[], &setting.withdrawals);
    let own = honest.tip();
    setting.world.vault_tip.outpoint = own;
    let proposed = elsewhere.tip();
    assert_eq!(setting.judge(&elsewhere), Err(Refusal::Tip { proposed, own }));

    let paid = setting.propose(&[], &setting.withdrawals);
    let owed = setting.withdrawals.clone();
    setting.withdrawals[0].1.paid = true;
    assert!(matches!(
        setting.judge(&paid),
        Err(Refusal::Withdrawal { index: 4, .. })
    ));
    setting.withdrawals = owed.clone();
    setting.withdrawals[1].1.deep = false;
    assert!(matches!(
        setting.judge(&paid),
        Err(Refusal::Withdrawal { index: 7, .. })
    ));
    setting.withdrawals = owed;

    let halted = setting.snapshot().halt("a vault fault");
    assert_eq!(
        setting.judge_with(halted, &honest),
        Err(Refusal::Halted("a vault fault".into()))
    );
    assert!(
        setting.judge(&honest).is_ok(),
        "none of it keeps the honest one from being signed"
    );
}

#[test]
fn a_coin_that_is_not_the_operators_is_refused() {
    let setting = Setting::new();
    let mut bytes = setting.honest().encode();
    // The change script, which every coin must pay to, ends 34 bytes before the end.
    let at = bytes.len() - 35;
    bytes[at] ^= 1;
    let proposal = Proposal::decode(&bytes).unwrap();
    assert_eq!(setting.judge(&proposal), Err(Refusal::Coin(proposal.coins()[0])));
}

#[test]
fn what_can_never_become_right_is_remembered_and_everything_else_is_judged_anew() {
    let mut setting = Setting::new();
    let (own, judge) = setting.member(setting.snapshot());
    let altered = setting.propose(&[], &[(4, withdrawal(31, 50_000)), (7, withdrawal(66, 60_000))]);
    assert_eq!(judge.judge(&altered), Err(Refusal::Altered(altered.txid())));
    let again = judge.judge(&altered).unwrap_err();
    assert!(
        matches!(&again, Refusal::Before(reason) if reason.contains("altered")),
        "{again:?}"
    );
    assert!(again.is_permanent());

    let honest = setting.honest();
    setting.withdrawals[0].1.deep = false;
    *own.snapshot.lock().unwrap() = setting.snapshot();
    let early = judge.judge(&honest).unwrap_err();
    assert!(!early.is_permanent(), "{early}");
    setting.withdrawals[0].1.deep = true;
    *own.snapshot.lock().unwrap() = setting.snapshot();
    assert!(
        judge.judge(&honest).is_ok(),
        "a refusal of the moment does not last"
    );
}

#[test]
fn lies_do_not_fill_a_members_memory() {
    let setting = Setting::new();
    let (_, judge) = setting.member(setting.snapshot());
    let mut bytes = setting.honest().encode();
    let at = bytes.len() - 32;
    for lie in 0..MOST_REMEMBERED + 10 {
        bytes[at..at + 8].copy_from_slice(&(lie as u64).to_le_bytes());
        let lie = Proposal::decode(&bytes).unwrap();
        assert!(matches!(judge.judge(&lie), Err(Refusal::Altered(_))));
    }
    assert_eq!(judge.refused().len(), MOST_REMEMBERED);
    assert!(
        judge.judge(&setting.honest()).is_ok(),
        "nor keep the truth from being signed"
    );
}

#[test]
fn too_much_in_too_few_blocks_waits_and_is_never_refused_for_good() {
    let mut setting = Setting::new();
    let honest = setting.honest();
    let tx = setting.judge(&honest).unwrap();
    let leaving: u64 = tx.tx().output[2..4]
        .iter()
        .map(|output| output.value.to_sat())
        .sum();
    setting.paid = sat(1_000_000);
    setting.policy.outflow = Some(OutflowCap {
        amount: CapAmount::Fixed(sat(1_000_000 + leaving)),
        blocks: 144,
    });
    assert!(setting.judge(&honest).is_ok(), "the cap itself may leave");
    setting.paid = sat(1_000_001);
    let delayed = setting.judge(&honest).unwrap_err();
    assert!(matches!(delayed, Refusal::Outflow { blocks: 144, .. }) && !delayed.is_permanent());
    let sweep = setting.propose(&setting.deposits, &[]);
    assert!(setting.judge(&sweep).is_ok(), "money may come in whatever left");
    setting.paid = Amount::ZERO;
    assert!(setting.judge(&honest).is_ok(), "later it is paid");

    setting.policy.outflow = Some(OutflowCap {
        amount: CapAmount::Fixed(sat(1)),
        blocks: 144,
    });
    let one = setting.propose(&[], &setting.withdrawals[..1]);
    assert!(setting.judge(&one).is_ok(), "one alone has no other way");
    assert!(
        matches!(setting.judge(&honest), Err(Refusal::Outflow { .. })),
        "two are not alone"
    );
    setting.paid = sat(1);
    assert!(
        matches!(setting.judge(&one), Err(Refusal::Outflow { .. })),
        "not while others left"
    );
}

#[test]
fn without_a_cap_of_its_own_a_quarter_of_the_vault_may_leave_and_little_always_may() {
    let cap = |held| CapAmount::Share.of(sat(held)).unwrap().to_sat();
    let least = CapAmount::LEAST_SHARE;
    for (held, most) in [
        (0, least),
        (4 * least, least),
        (4 * least + 4, least + 1),
        (400_000_000, 100_000_000),
    ] {
        assert_eq!(cap(held), most);
    }
    let mut setting = Setting::new();
    setting.policy.outflow = Some(OutflowCap {
        amount: CapAmount::Share,
        blocks: 144,
    });
    let honest = setting.honest();
    let tx = setting.judge(&honest).unwrap();
    let leaving: u64 = tx.tx().output[2..4]
        .iter()
        .map(|output| output.value.to_sat())
        .sum();
    setting.paid = sat(least - leaving);
    assert!(setting.judge(&honest).is_ok(), "little may leave a small vault");
    setting.paid = sat(least - leaving + 1);
    assert!(matches!(setting.judge(&honest), Err(Refusal::Outflow { .. })));
}

#[test]
fn every_refusal_has_a_code_of_its_own() {
    let outpoint = OutPoint::null();
    let text = String::new;
    let all = [
        Refusal::Malformed(tacit_protocol::encoding::DecodeError::TrailingBytes(1)),
        Refusal::Paused(text()),
        Refusal::Behind { height: 1, target: 2 },
        Refusal::Halted(text()),
        Refusal::View(ViewError(text())),
        Refusal::Journal(crate::journal::JournalError::Storage(text())),
        Refusal::Tip {
            proposed: outpoint,
            own: outpoint,
        },
        Refusal::DepositTerms(outpoint),
        Refusal::Deposit {
            outpoint,
            reason: text(),
        },
        Refusal::Withdrawal {
            index: 0,
            reason: text(),
        },
        Refusal::Skipped(0),
        Refusal::Rate { rate: 1, ceiling: 0 },
        Refusal::Coin(outpoint),
        Refusal::Altered(outpoint.txid),
        Refusal::Rule(text()),
        Refusal::Outflow {
            leaving: sat(1),
            cap: sat(0),
            blocks: 1,
        },
        Refusal::Before(text()),
        Refusal::Round(text()),
        Refusal::NotOurs(Box::new(federation().public_key())),
    ];
    let codes: Vec<u16> = all.iter().map(Refusal::code).collect();
    assert_eq!(codes, (1..=19).collect::<Vec<_>>(), "stable and distinct");
}

#[test]
fn the_vault_is_moved_to_itself_only_when_it_has_rested_for_long() {
    let setting = Setting::new();
    let idle = setting.propose(&[], &[]);
    let refused = setting.judge_with(quiet_snapshot(&setting), &idle);
    assert!(
        matches!(&refused, Err(Refusal::Rule(reason)) if reason.contains("refreshed")),
        "{refused:?}"
    );
    let due = quiet_snapshot(&setting).due_for_refresh();
    let tx = setting.judge_with(due, &idle).unwrap();
    assert_eq!(
        tx.tx().output[0].value.to_sat(),
        setting.world.vault_tip.amount.to_sat()
    );
}

/// The state of a setting with nothing to sweep or pay.
fn quiet_snapshot(setting: &Setting) -> VaultSnapshot {
    let (height, tip) = (setting.world.coins.height(), setting.world.vault_tip);
    VaultSnapshot::new(height, tip, vault_keys(), Vec::new(), Vec::new())
}

#[test]
fn a_handover_is_signed_only_while_the_chain_allows_it() {
    let setting = Setting::new();
    let epoch = EpochHash([7; 32]);
    let script = VaultKeys::without_leaves(key(8).public_key()).script_pubkey();
    let allowed = Handovers {
        announced: vec![(epoch, script)],
        reset: Some("no batch since block 1".to_owned()),
        takeover_timelock: 1_008,
        former: Vec::new(),
    };
    let snapshot = setting.snapshot().with_handovers(allowed.clone());
    let pool = setting.world.coins.spendable();
    for handover in [Handover::Vault(epoch), Handover::Anchor(key(9).public_key())] {
        let purpose = Purpose {
            selection: &Selection::default(),
            handover: Some(handover),
        };
        let (change, rates) = (setting.world.coins.script(), VaultRates::at(rate()));
        let (proposal, tx) = Proposal::plan(&snapshot, purpose, &pool, rates, change, true).unwrap();
        // The one member is asked three times: what changes with the chain is judged anew.
        let (own, judge) = setting.member(snapshot.clone());
        assert_eq!(judge.judge(&proposal), Ok(tx.clone()));
        *own.snapshot.lock().unwrap() = setting.snapshot().with_handovers(Handovers {
            takeover_timelock: 1_008,
            ..Handovers::default()
        });
        let refused = judge.judge(&proposal).unwrap_err();
        assert!(matches!(refused, Refusal::Handover(_)), "{refused}");
        assert!(refused.may_pass() && !refused.is_permanent());
        *own.snapshot.lock().unwrap() = snapshot.clone().halt("the vault lacks 1 sat");
        assert!(matches!(judge.judge(&proposal), Err(Refusal::Halted(_))));
        *own.snapshot.lock().unwrap() = snapshot.clone();
        assert_eq!(judge.judge(&proposal), Ok(tx));
    }
}
