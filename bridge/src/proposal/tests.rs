//! Names give one transaction, or none; bytes are read strictly.

use std::convert::Infallible;

use bitcoin::hashes::Hash;
use bitcoin::{OutPoint, TxOut, Txid};
use tacit_protocol::encoding::{Decode, DecodeError, Encode};
use tacit_protocol::peg::vault::{
    DepositCoin, Handover, HeldReason, PlanError, Selection, UnsignedVaultTx, VaultKeys,
};
use tacit_protocol::peg::{EpochHash, VaultTip, WithdrawalView};

use super::{DeriveError, Proposal, Purpose};
use crate::client::BitcoinClient;
use crate::fixture::{World, key, propose, rate, terms, vault_keys, withdrawal};
use crate::vault::{Handovers, VaultRates, VaultSnapshot};

struct Setting {
    world: World,
    deposits: Vec<DepositCoin>,
    withdrawals: Vec<(u64, WithdrawalView)>,
    proposal: Proposal,
    tx: UnsignedVaultTx,
}

impl Setting {
    fn new() -> Self {
        let mut world = World::new();
        let deposits = vec![world.deposit(21, 100_000), world.deposit(22, 200_000)];
        let withdrawals = vec![(4, withdrawal(31, 50_000)), (7, withdrawal(32, 60_000))];
        let (proposal, tx) = propose(&world, &deposits, &withdrawals, VaultRates::at(rate())).unwrap();
        Self {
            world,
            deposits,
            withdrawals,
            proposal,
            tx,
        }
    }

    fn snapshot(&self) -> VaultSnapshot {
        self.snapshot_at(self.world.vault_tip)
    }

    fn snapshot_at(&self, tip: VaultTip) -> VaultSnapshot {
        let (height, key) = (self.world.coins.height(), vault_keys());
        let (deposits, withdrawals) = (self.deposits.clone(), self.withdrawals.clone());
        VaultSnapshot::new(height, tip, key, deposits, withdrawals)
    }

    fn coin(&self, outpoint: &OutPoint) -> Option<TxOut> {
        let found = self.world.chain.unspent(outpoint, false).unwrap();
        found.map(|found| found.txout)
    }

    fn derive(&self) -> Result<UnsignedVaultTx, DeriveError> {
        self.derive_from(&self.snapshot())
    }

    fn derive_from(&self, snapshot: &VaultSnapshot) -> Result<UnsignedVaultTx, DeriveError> {
        let Ok(derived) = self
            .proposal
            .derive(snapshot, |coin| Ok::<_, Infallible>(self.coin(coin)));
        derived
    }
}

#[test]
fn whoever_follows_the_chain_derives_the_same_transaction() {
    let setting = Setting::new();
    assert!(!setting.proposal.coins().is_empty(), "the operator pays");
    assert_eq!(setting.derive().unwrap(), setting.tx);
    let read = Proposal::decode(&setting.proposal.encode()).unwrap();
    assert_eq!(read, setting.proposal);
    assert_eq!(read.digest(), setting.proposal.digest());
}

#[test]
fn names_that_mean_something_else_here_are_refused_one_by_one() {
    let mut setting = Setting::new();
    let elsewhere = OutPoint::new(Txid::all_zeros(), 3);
    let tip = VaultTip {
        outpoint: elsewhere,
        ..setting.world.vault_tip
    };
    let proposed = setting.proposal.tip;
    assert_eq!(
        setting.derive_from(&setting.snapshot_at(tip)),
        Err(DeriveError::Tip {
            proposed,
            own: elsewhere
        })
    );

    let first = setting.proposal.deposits[0].outpoint;
    let all = setting.deposits.clone();
    setting.deposits.retain(|deposit| deposit.outpoint != first);
    assert_eq!(setting.derive(), Err(DeriveError::Deposit(first)));
    setting.deposits = all.clone();
    let at = all.iter().position(|deposit| deposit.outpoint == first).unwrap();
    setting.deposits[at].terms = terms(99);
    assert_eq!(setting.derive(), Err(DeriveError::Terms(first)));
    setting.deposits = all;

    let owed = setting.withdrawals.clone();
    setting.withdrawals.remove(1);
    assert_eq!(setting.derive(), Err(DeriveError::Withdrawal(7)));
    setting.withdrawals = owed.clone();
    setting.withdrawals[0].1.paid = true;
    assert_eq!(setting.derive(), Err(DeriveError::Withdrawal(4)));
    setting.withdrawals = owed.clone();
    setting.withdrawals[0].1.deep = false;
    let held = tacit_protocol::peg::vault::PlanError::Held {
        index: 4,
        reason: HeldReason::NotDeep,
    };
    assert_eq!(setting.derive(), Err(DeriveError::Plan(held)));
    setting.withdrawals = owed;

    setting.proposal.coins[0] = elsewhere;
    assert_eq!(setting.derive(), Err(DeriveError::Coin(elsewhere)));
    setting.proposal.coins[0] = first;
    assert_eq!(
        setting.derive(),
        Err(DeriveError::Coin(first)),
        "a deposit is no coin"
    );
}

#[test]
fn coins_that_are_not_needed_named_twice_or_other_inputs_are_refused() {
    let mut setting = Setting::new();
    let honest = setting.proposal.clone();
    let spare = setting.world.coins.spendable();
    let spare = spare.iter().find(|coin| !honest.coins.contains(&coin.outpoint));
    setting.proposal.coins.push(spare.unwrap().outpoint);
    assert!(
        matches!(setting.derive(), Err(DeriveError::Altered { .. })),
        "one more"
    );
    setting.proposal = honest.clone();
    setting.proposal.coins.push(honest.coins[0]);
    assert!(
        matches!(setting.derive(), Err(DeriveError::Altered { .. })),
        "one twice"
    );
    for taken in [honest.tip, honest.deposits[0].outpoint] {
        setting.proposal = honest.clone();
        setting.proposal.coins.push(taken);
        assert_eq!(
            setting.derive(),
            Err(DeriveError::Coin(taken)),
            "an input that is there already"
        );
    }
    setting.proposal = honest.clone();
    setting.proposal.coins = (0..201)
        .map(|vout| OutPoint {
            vout,
            ..honest.coins[0]
        })
        .collect();
    assert!(
        matches!(setting.derive(), Err(DeriveError::Coin(_))),
        "more than any transaction takes"
    );
    setting.proposal = honest.clone();
    setting.proposal.change = bitcoin::ScriptBuf::new_op_return([]);
    assert_eq!(setting.derive(), Err(DeriveError::Change));
    setting.proposal = honest;
    assert!(setting.derive().is_ok());
}

#[test]
fn an_altered_payee_amount_or_rate_gives_another_transaction() {
    let mut setting = Setting::new();
    let (proposed, owed) = (setting.proposal.txid, setting.withdrawals.clone());
    let altered = |setting: &Setting| match setting.derive() {
        Err(DeriveError::Altered {
            proposed: said,
            derived,
        }) => said == proposed && derived != said,
        Ok(_) | Err(_) => false,
    };
    setting.withdrawals[1].1 = withdrawal(66, 60_000);
    assert!(altered(&setting), "another script");
    setting.withdrawals[1].1 = withdrawal(32, 60_001);
    assert!(altered(&setting), "another amount");
    setting.withdrawals = owed;
    setting.proposal.p2a = true;
    assert!(altered(&setting), "another output");
    setting.proposal.p2a = false;
    setting.proposal.rates = VaultRates::at(tacit_protocol::peg::FeeRate::from_sat_per_kwu(1_100));
    assert!(altered(&setting), "other shares");
    setting.proposal.rates = VaultRates::at(rate());
    assert!(setting.derive().is_ok(), "all is as it was");
}

#[test]
fn bytes_that_are_not_canonical_are_no_proposal() {
    let setting = Setting::new();
    let bytes = setting.proposal.encode();
    for end in 0..bytes.len() {
        assert!(Proposal::decode(&bytes[..end]).is_err(), "cut off at {end}");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(Proposal::decode(&longer), Err(DecodeError::TrailingBytes(1)));
    let mut other = bytes.clone();
    other[0] = 9;
    assert!(Proposal::decode(&other).is_err(), "another layout");
    let mut reversed = setting.proposal.clone();
    reversed.deposits.reverse();
    assert!(
        Proposal::decode(&reversed.encode()).is_err(),
        "deposits out of order"
    );
    let mut twice = setting.proposal.clone();
    twice.withdrawals = vec![4, 4];
    assert!(Proposal::decode(&twice.encode()).is_err(), "a withdrawal twice");
    let mut flag = bytes;
    let at = flag.len() - 33;
    flag[at] = 2;
    assert!(Proposal::decode(&flag).is_err(), "a flag that is none");
}

#[test]
fn a_handover_survives_its_bytes_and_goes_where_the_members_own_state_says() {
    let setting = Setting::new();
    let script = |tag: u8| VaultKeys::without_leaves(key(tag).public_key()).script_pubkey();
    let state = |announced| {
        let handovers = Handovers {
            announced,
            reset: None,
            takeover_timelock: 1_008,
            former: Vec::new(),
        };
        setting.snapshot().with_handovers(handovers)
    };
    let epoch = EpochHash([7; 32]);
    let pool = setting.world.coins.spendable();
    let plan = |handover| {
        let purpose = Purpose {
            selection: &Selection::default(),
            handover: Some(handover),
        };
        let change = setting.world.coins.script();
        let announced = state(vec![(epoch, script(8))]);
        Proposal::plan(&announced, purpose, &pool, VaultRates::at(rate()), change, true)
    };
    let derive = |proposal: &Proposal, state: &VaultSnapshot| {
        let Ok(derived) = proposal.derive(state, |coin| Ok::<_, Infallible>(setting.coin(coin)));
        derived
    };
    let mut seen = vec![setting.proposal.encode()];
    for handover in [Handover::Vault(epoch), Handover::Anchor(key(9).public_key())] {
        let (proposal, tx) = plan(handover).unwrap();
        let read = Proposal::decode(&proposal.encode()).unwrap();
        assert_eq!((&read, read.handover()), (&proposal, Some(handover)));
        let known = state(vec![(epoch, script(8))]);
        assert_eq!(derive(&read, &known), Ok(tx));
        seen.push(read.encode());
    }
    let (rotation, _) = plan(Handover::Vault(epoch)).unwrap();
    let unknown = derive(&rotation, &state(Vec::new()));
    assert_eq!(unknown, Err(DeriveError::Plan(PlanError::NoDestination)));
    let elsewhere = derive(&rotation, &state(vec![(epoch, script(10))]));
    assert!(
        matches!(elsewhere, Err(DeriveError::Altered { .. })),
        "{elsewhere:?}"
    );
    // The byte that says what is handed over stands before the identifier and what follows it.
    let mut bytes = setting.proposal.encode();
    let at = bytes.len() - 33;
    bytes[at] = 3;
    assert_eq!(Proposal::decode(&bytes), Err(DecodeError::Unknown("handover")));
}

#[test]
fn a_proposal_counts_at_the_block_it_was_judged_by_and_one_block_before() {
    let setting = Setting::new();
    let height = setting.proposal.height();
    assert_eq!(height, setting.world.coins.height());
    assert_eq!(
        setting.tx.tx().lock_time.to_consensus_u32(),
        height,
        "mined above it only"
    );
    let at = |own| {
        let Setting {
            deposits,
            withdrawals,
            ..
        } = &setting;
        let tip = setting.world.vault_tip;
        VaultSnapshot::new(own, tip, vault_keys(), deposits.clone(), withdrawals.clone())
    };
    for (own, counts) in [
        (height - 2, false),
        (height - 1, true),
        (height, true),
        (height + 1, false),
    ] {
        let proposed = height;
        let expected = if counts {
            Ok(setting.tx.clone())
        } else {
            Err(DeriveError::Height { proposed, own })
        };
        assert_eq!(setting.derive_from(&at(own)), expected);
    }
}
