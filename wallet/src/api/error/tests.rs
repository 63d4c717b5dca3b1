//! Tests of the error table.

use super::*;

fn all() -> Vec<ApiError> {
    let nullifier = Nullifier::new([7; 20]);
    let reason = || "because".to_owned();
    vec![
        ApiError::InvalidRequest {
            code: -32602,
            message: "m".into(),
        },
        ApiError::Internal("m".into()),
        ApiError::NotSynced { height: 1, target: 2 },
        ApiError::InvalidTransfer { rule: reason() },
        ApiError::Spent { nullifier },
        ApiError::Conflict {
            nullifier,
            txid: TransferId([9; 32]),
        },
        ApiError::Expired { expiry: 3, batch: 4 },
        ApiError::FeeTooLow {
            minimum: Amount::from_sat(5).unwrap(),
        },
        ApiError::UnknownAnchor { anchor: 6 },
        ApiError::MempoolFull { batch: 8 },
        ApiError::WrongRole,
        ApiError::NotFound {
            what: "batch 7".into(),
        },
        ApiError::InvalidDeposit { reason: reason() },
        ApiError::BitcoinRejected { reason: reason() },
        ApiError::BitcoinUnavailable { reason: reason() },
        ApiError::TooLarge { limit: 8 },
        ApiError::Halted { reason: reason() },
        ApiError::Busy,
        ApiError::SequencerUnavailable { reason: reason() },
        ApiError::DiskFull,
    ]
}

#[test]
fn every_error_survives_the_wire() {
    for error in all() {
        let code = error.code().unwrap();
        assert_eq!(ApiError::from_wire(code, "m", error.data().as_ref()), error);
    }
}

#[test]
fn codes_are_distinct() {
    let mut codes: Vec<_> = all().iter().map(|e| e.code().unwrap()).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), all().len());
}

#[test]
fn an_error_without_its_data_is_a_bad_answer() {
    assert!(matches!(
        ApiError::from_wire(-32003, "m", None),
        ApiError::BadAnswer(_)
    ));
    assert!(matches!(
        ApiError::from_wire(-1, "m", None),
        ApiError::BadAnswer(_)
    ));
}
