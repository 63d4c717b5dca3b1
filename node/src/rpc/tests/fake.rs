//! A node that answers the same every time and remembers what it was asked.

use std::sync::Mutex;
use std::time::Duration;

use bitcoin::hashes::Hash;
use bitcoin::secp256k1::schnorr::Signature;
use bitcoin::{BlockHash, OutPoint, ScriptBuf, Transaction, Txid, absolute, transaction};
use tacit_protocol::batch::BatchShape;
use tacit_protocol::note::Commitment;
use tacit_protocol::peg::vault::VaultKeys;
use tacit_protocol::peg::{Announcement, Epoch, FeeRate, Release};
use tacit_protocol::state::State;
use tacit_protocol::testing::{keypair, nullifier, outpoint, params, quorum, transfer, x_only};
use tacit_protocol::transfer::{Transfer, TransferId};
use tacit_protocol::{Amount, F, Network};
use tacit_wallet::api::{
    AnchorActivity, Anchored, ApiError, BatchDetails, BatchReserves, BatchSummary, BridgeStatus,
    CompactBatch, CompactDeposit, CompactTransfer, DepositDetails, DepositStatus, EpochDetails, EpochStatus,
    Epochs, ExitDetails, FederationStatus, FeeEstimate, ForcedPage, ForcedPlace, ForcedQuery, ForcedRange,
    ForcedRequestStatus, ForcedState, ForcedSubject, FoundDeposit, NodeApi, OfficeStatus, PendingRaise,
    Promise, Queued, Range, Receipt, RegisterDeposit, Role, SignerHealth, Status, SubtreeRoots, Supply,
    SyncState, TransferDetails, TransferStatus, VaultActivity, WithdrawalQuery, WithdrawalState,
    WithdrawalStatus,
};

/// The fake node.
#[derive(Default)]
pub(crate) struct Fake {
    /// What it fails with instead of answering.
    pub(super) error: Mutex<Option<ApiError>>,
    /// What it was asked, as `method parameters`.
    pub(super) asked: Mutex<Vec<String>>,
    /// Time a call takes.
    pub(super) takes: Mutex<Duration>,
    /// Whether a call panics.
    pub(super) panics: Mutex<bool>,
}

impl Fake {
    fn give<T>(&self, asked: String, answer: T) -> Result<T, ApiError> {
        self.asked.lock().unwrap().push(asked);
        std::thread::sleep(*self.takes.lock().unwrap());
        let panics = *self.panics.lock().unwrap();
        assert!(!panics, "a bug in the node");
        match &*self.error.lock().unwrap() {
            Some(error) => Err(error.clone()),
            None => Ok(answer),
        }
    }
}

pub(super) fn sats(n: u64) -> Amount {
    Amount::from_sat(n).unwrap()
}

pub(super) fn id(n: u8) -> TransferId {
    TransferId([n; 32])
}

fn txid(n: u8) -> Txid {
    Txid::from_byte_array([n; 32])
}

fn anchored() -> Anchored {
    Anchored {
        height: 120,
        block: BlockHash::from_byte_array([4; 32]),
        time: 1_700_000_000,
    }
}

pub(crate) fn status() -> Status {
    Status {
        version: "0.1.0".into(),
        role: Role::Sequencer,
        network: Network::Regtest,
        chain_id: params().chain_id(),
        bitcoin_height: 130,
        bitcoin_hash: BlockHash::from_byte_array([5; 32]),
        sequencer: params().genesis().anchor_key,
        batch: 9,
        state: F::from(10u64),
        anchored_batch: 7,
        pending_batches: 2,
        mempool: 3,
        sync: SyncState::Halted {
            reason: "a deep reorganisation".into(),
        },
    }
}

pub(super) fn summary(number: u32) -> BatchSummary {
    BatchSummary {
        number,
        shape: Some(BatchShape::B4x4.code()),
        transfers: 3,
        deposits: 1,
        state: F::from(11u64),
        supply: sats(12),
        anchored: Some(anchored()),
        reveal: Some(txid(6)),
    }
}

pub(super) fn details() -> BatchDetails {
    BatchDetails {
        summary: summary(9),
        shape: BatchShape::B20x8,
        operator: F::from(13u64),
        anchors: vec![1, 2],
        transfers: vec![TransferDetails {
            txid: id(1),
            nf: [nullifier(1), nullifier(2)],
            cm: [
                Commitment::new(sats(1), &F::from(2u64)),
                Commitment::new(sats(3), &F::from(4u64)),
            ],
            anchor: 8,
            fee: sats(100),
            expiry: 64,
            exit: Some(ExitDetails {
                index: 5,
                amount: sats(50_000),
                script: ScriptBuf::from_bytes(vec![0, 20]),
                max_l1_fee: sats(700),
            }),
        }],
        deposits: vec![DepositDetails {
            sweep: 2,
            outpoint: outpoint(7),
            amount: sats(90_000),
            inner: F::from(14u64),
        }],
    }
}

pub(super) fn compact() -> Vec<CompactBatch> {
    let state = State {
        batch: 9,
        notes_root: F::from(1u64),
        nullifier_root: F::from(2u64),
        history_root: F::from(3u64),
        supply: sats(4),
    };
    vec![CompactBatch {
        number: 9,
        shape: BatchShape::B4x4,
        operator: F::from(15u64),
        transfers: vec![CompactTransfer::new(transfer(5).body)],
        deposits: vec![CompactDeposit {
            v: sats(6),
            inner: F::from(16u64),
        }],
        state,
        anchored: None,
    }]
}

pub(super) fn receipt() -> Receipt {
    let promise = Promise {
        chain_id: params().chain_id(),
        txid: id(2),
        nf: [nullifier(3), nullifier(4)],
        target_batch: 10,
        key_epoch: 0,
    };
    promise.sign(&keypair(4), &[7; 32])
}

pub(super) fn withdrawal() -> WithdrawalStatus {
    WithdrawalStatus {
        index: 5,
        txid: id(3),
        batch: 9,
        amount: sats(50_000),
        script: ScriptBuf::from_bytes(vec![0, 20]),
        max_l1_fee: sats(700),
        key: x_only(6),
        raise: Some(PendingRaise {
            max_l1_fee: sats(900),
            height: 120,
            counts_at: 126,
        }),
        status: WithdrawalState::Paid {
            txid: txid(8),
            vout: 2,
            amount: sats(49_500),
            height: Some(128),
        },
    }
}

pub(super) fn supply() -> Supply {
    Supply {
        batch: 9,
        supply: sats(1),
        vault: outpoint(3),
        vault_amount: sats(2),
        pending_deposits: sats(3),
        pending_deposit_count: 7,
        pending_withdrawals: sats(4),
        pending_withdrawal_count: 8,
        surplus: sats(5),
        gap: sats(6),
        fault: Some("tx: rule".into()),
    }
}

/// One request of every state.
pub(super) fn forced() -> Vec<ForcedRequestStatus> {
    let states = [
        ForcedState::Waiting { before: 3, due: true },
        ForcedState::Honoured { batch: 4 },
        ForcedState::Dropped {
            batch: 5,
            reason: "batch 2 did it before".into(),
        },
    ];
    let subjects = [
        ForcedSubject::Txid(id(2)),
        ForcedSubject::Txid(id(3)),
        ForcedSubject::Outpoint(outpoint(6)),
    ];
    let request = |(status, subject)| ForcedRequestStatus {
        place: ForcedPlace {
            height: 7,
            transaction: 8,
            input: 9,
        },
        posted_by: txid(5),
        subject,
        due_height: 151,
        status,
    };
    states.into_iter().zip(subjects).map(request).collect()
}

pub(super) fn forced_page() -> ForcedPage {
    ForcedPage {
        anchor_height: 120,
        waiting: 9,
        requests: forced(),
    }
}

pub(super) fn reserves() -> Vec<BatchReserves> {
    let at = |batch, anchored| BatchReserves {
        batch,
        anchored,
        supply: sats(1),
        vault: outpoint(3),
        vault_amount: sats(2),
        pending_deposits: sats(3),
        pending_deposit_count: 4,
        pending_withdrawals: sats(5),
        pending_withdrawal_count: 6,
        surplus: sats(7),
        gap: sats(8),
    };
    vec![at(0, None), at(1, Some(anchored()))]
}

pub(super) fn found() -> Vec<FoundDeposit> {
    vec![FoundDeposit {
        script: ScriptBuf::from_bytes(vec![0x51]),
        outpoint: outpoint(4),
        amount: sats(30_000),
        height: 110,
        spent_by: Some(txid(9)),
    }]
}

pub(super) fn fees() -> FeeEstimate {
    FeeEstimate {
        fee_code: 1,
        fee: sats(100),
        bitcoin_rate: FeeRate::from_sat_per_kwu(1_250),
    }
}

pub(super) fn bridge() -> BridgeStatus {
    BridgeStatus {
        anchor: AnchorActivity {
            state: "stuck".into(),
            reason: Some("refused for now: min relay fee not met".into()),
            txid: Some(txid(6)),
        },
        office: OfficeStatus {
            sequencer: Some("02".repeat(32)),
            in_office: true,
            takes_over: false,
            reset: None,
        },
        epoch: EpochStatus {
            number: 2,
            next: Some("0a".repeat(32)),
            state: "unsigned".into(),
            reason: Some("the present federation: 1 of 2 members are ready to sign".into()),
        },
        vault: VaultActivity {
            state: "unsigned".into(),
            reason: Some("2 of 3 members are ready to sign".into()),
            txid: Some(txid(4)),
            last_sent: None,
        },
        queue: vec![Queued {
            index: 3,
            amount: sats(5_000),
            reason: "the vault transaction is full".into(),
        }],
        fee_rate: FeeRate::from_sat_per_kwu(1_250),
        fee_origin: "estimate".into(),
        fee_ceiling_reached: false,
        federation: Some(FederationStatus {
            threshold: 3,
            rounds_signed: 7,
            rounds_failed: 1,
            attempts: 9,
            signers: vec![SignerHealth {
                member: 2,
                name: "bob".into(),
                state: "paused".into(),
                reason: Some("maintenance".into()),
                height: Some(120),
                signed: Some(5),
                refused: None,
                excluded: 2,
                last_exclusion: Some("did not answer in time".into()),
            }],
        }),
    }
}

pub(super) fn swept() -> DepositStatus {
    DepositStatus::Swept {
        txid: txid(1),
        amount: sats(29_000),
        depth: 1,
        needed: 6,
    }
}

pub(super) fn batched() -> TransferStatus {
    TransferStatus::Batched {
        batch: 9,
        slot: 2,
        anchored: Some(anchored()),
        depth: 3,
    }
}

pub(super) fn roots() -> SubtreeRoots {
    SubtreeRoots {
        from: 4,
        roots: vec![F::from(17u64), F::from(18u64)],
    }
}

pub(super) fn epochs() -> Epochs {
    let announced = |number: u32, federation: u8| EpochDetails {
        number,
        height: 120 + number,
        announcement: Announcement {
            epoch: Epoch {
                number,
                keys: VaultKeys {
                    federation: x_only(federation),
                    backup: Some(quorum(2, &[61, 62, 63], 144)),
                    recovery: None,
                },
            },
            release: Release::Federation(Signature::from_slice(&[1; 64]).unwrap()),
            successor: Signature::from_slice(&[2; 64]).unwrap(),
        },
    };
    Epochs {
        begun: vec![announced(1, 21), announced(2, 22)],
        waiting: vec![announced(3, 23)],
    }
}

pub(super) fn bitcoin_transaction() -> Transaction {
    Transaction {
        version: transaction::Version(3),
        lock_time: absolute::LockTime::ZERO,
        input: vec![bitcoin::TxIn::default()],
        output: vec![bitcoin::TxOut::NULL],
    }
}

impl NodeApi for Fake {
    fn status(&self) -> Result<Status, ApiError> {
        self.give("status".into(), status())
    }

    fn chain_params(&self) -> Result<String, ApiError> {
        self.give("chainParams".into(), params().to_json())
    }

    fn submit_transfer(&self, given: &Transfer) -> Result<Receipt, ApiError> {
        self.give(format!("submitTransfer {given:?}"), receipt())
    }

    fn transfer_status(&self, given: TransferId) -> Result<TransferStatus, ApiError> {
        self.give(format!("transferStatus {given}"), batched())
    }

    fn batches(&self, given: Range) -> Result<Vec<BatchSummary>, ApiError> {
        self.give(format!("batches {given:?}"), vec![summary(4), summary(5)])
    }

    fn batch(&self, given: u32) -> Result<BatchDetails, ApiError> {
        self.give(format!("batch {given}"), details())
    }

    fn compact(&self, given: Range) -> Result<Vec<CompactBatch>, ApiError> {
        self.give(format!("compact {given:?}"), compact())
    }

    fn note_subtree_roots(&self, given: Range) -> Result<SubtreeRoots, ApiError> {
        self.give(format!("noteSubtreeRoots {given:?}"), roots())
    }

    fn bridge_status(&self) -> Result<BridgeStatus, ApiError> {
        Ok(bridge())
    }

    fn fee_estimate(&self) -> Result<FeeEstimate, ApiError> {
        self.give("feeEstimate".into(), fees())
    }

    fn register_deposit(&self, given: &RegisterDeposit) -> Result<DepositStatus, ApiError> {
        self.give(format!("registerDeposit {given:?}"), swept())
    }

    fn deposit_status(&self, given: OutPoint) -> Result<DepositStatus, ApiError> {
        self.give(format!("depositStatus {given}"), swept())
    }

    fn withdrawal_status(&self, given: WithdrawalQuery) -> Result<WithdrawalStatus, ApiError> {
        self.give(format!("withdrawalStatus {given:?}"), withdrawal())
    }

    fn supply(&self) -> Result<Supply, ApiError> {
        self.give("supply".into(), supply())
    }

    fn reserves(&self, given: Range) -> Result<Vec<BatchReserves>, ApiError> {
        self.give(format!("reserves {given:?}"), reserves())
    }

    fn forced_requests(&self, given: ForcedRange) -> Result<ForcedPage, ApiError> {
        self.give(format!("forcedRequests {given:?}"), forced_page())
    }

    fn forced_status(&self, given: ForcedQuery) -> Result<Vec<ForcedRequestStatus>, ApiError> {
        self.give(format!("forcedStatus {given:?}"), forced())
    }

    fn epochs(&self) -> Result<Epochs, ApiError> {
        self.give("epochs".into(), epochs())
    }

    fn find_deposits(&self, given: &[ScriptBuf]) -> Result<Vec<FoundDeposit>, ApiError> {
        self.give(format!("findDeposits {given:?}"), found())
    }

    fn broadcast(&self, given: &Transaction) -> Result<Txid, ApiError> {
        self.give(format!("broadcast {given:?}"), given.compute_txid())
    }
}
