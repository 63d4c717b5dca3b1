//! What goes in on one side comes out on the other: parameters, answers, errors.

use std::sync::Arc;

use tacit_protocol::F;
use tacit_protocol::testing::{nullifier, outpoint, params, transfer, x_only};
use tacit_wallet::api::{
    ApiError, ForcedQuery, ForcedQueue, ForcedRange, NodeApi, Range, RegisterDeposit, WithdrawalQuery,
};
use tokio::sync::broadcast;

use super::fake::{self, id, sats};
use super::{RpcServer, Served, config, serve, serve_with, transport};
use crate::config::RpcConfig;
use crate::rpc::client::RpcClient;
use crate::rpc::connections::Timing;

impl Served {
    fn last_asked(&self) -> String {
        self.fake
            .asked
            .lock()
            .unwrap()
            .last()
            .cloned()
            .expect("something was asked")
    }
}

#[test]
fn every_method_of_the_rollup_round_trips() {
    let (served, range) = (serve(), Range { from: 4, limit: 2 });
    let node = served.client();
    assert_eq!(node.status().unwrap(), fake::status());
    assert_eq!(node.chain_params().unwrap(), params().to_json());
    assert_eq!(node.fee_estimate().unwrap(), fake::fees());
    assert_eq!(node.bridge_status().unwrap(), fake::bridge());

    assert_eq!(node.submit_transfer(&transfer(5)).unwrap(), fake::receipt());
    assert_eq!(served.last_asked(), format!("submitTransfer {:?}", transfer(5)));
    assert_eq!(node.transfer_status(id(7)).unwrap(), fake::batched());
    assert_eq!(served.last_asked(), format!("transferStatus {}", id(7)));
    assert_eq!(node.batches(range).unwrap(), [fake::summary(4), fake::summary(5)]);
    assert_eq!(served.last_asked(), format!("batches {range:?}"));
    assert_eq!(node.batch(9).unwrap(), fake::details());
    assert_eq!(served.last_asked(), "batch 9");
    assert_eq!(node.compact(range).unwrap(), fake::compact());
    assert_eq!(served.last_asked(), format!("compact {range:?}"));
    assert_eq!(node.note_subtree_roots(range).unwrap(), fake::roots());
    assert_eq!(served.last_asked(), format!("noteSubtreeRoots {range:?}"));
}

#[test]
fn every_method_of_the_peg_round_trips() {
    let served = serve();
    let node = served.client();
    let deposit = RegisterDeposit {
        outpoint: outpoint(9),
        inner: F::from(3u64),
        refund: x_only(2),
    };
    assert_eq!(node.register_deposit(&deposit).unwrap(), fake::swept());
    assert_eq!(served.last_asked(), format!("registerDeposit {deposit:?}"));
    assert_eq!(node.deposit_status(outpoint(9)).unwrap(), fake::swept());
    assert_eq!(served.last_asked(), format!("depositStatus {}", outpoint(9)));
    for query in [WithdrawalQuery::Index(3), WithdrawalQuery::Txid(id(4))] {
        assert_eq!(node.withdrawal_status(query).unwrap(), fake::withdrawal());
        assert_eq!(served.last_asked(), format!("withdrawalStatus {query:?}"));
    }
    assert_eq!(node.supply().unwrap(), fake::supply());
    let range = Range { from: 0, limit: 2 };
    assert_eq!(node.reserves(range).unwrap(), fake::reserves());
    assert_eq!(served.last_asked(), format!("reserves {range:?}"));
    for queue in [ForcedQueue::Transfers, ForcedQueue::Deposits] {
        let place = fake::forced()[0].place;
        for after in [None, Some(place)] {
            let range = ForcedRange {
                queue,
                after,
                limit: 3,
            };
            assert_eq!(node.forced_requests(range).unwrap(), fake::forced_page());
            assert_eq!(served.last_asked(), format!("forcedRequests {range:?}"));
        }
    }
    for query in [ForcedQuery::Txid(id(4)), ForcedQuery::Outpoint(outpoint(9))] {
        assert_eq!(node.forced_status(query).unwrap(), fake::forced());
        assert_eq!(served.last_asked(), format!("forcedStatus {query:?}"));
    }
    assert_eq!(node.epochs().unwrap(), fake::epochs());
    let scripts = [fake::found()[0].script.clone()];
    assert_eq!(node.find_deposits(&scripts).unwrap(), fake::found());
    assert_eq!(served.last_asked(), format!("findDeposits {scripts:?}"));
    let transaction = fake::bitcoin_transaction();
    assert_eq!(node.broadcast(&transaction).unwrap(), transaction.compute_txid());
    assert_eq!(served.last_asked(), format!("broadcast {transaction:?}"));
}

fn errors() -> Vec<ApiError> {
    let reason = || "because".to_owned();
    let nullifier = nullifier(7);
    vec![
        ApiError::InvalidRequest {
            code: -32602,
            message: reason(),
        },
        ApiError::Internal(reason()),
        ApiError::NotSynced { height: 1, target: 2 },
        ApiError::InvalidTransfer { rule: reason() },
        ApiError::Spent { nullifier },
        ApiError::Conflict {
            nullifier,
            txid: id(9),
        },
        ApiError::Expired { expiry: 3, batch: 4 },
        ApiError::FeeTooLow { minimum: sats(5) },
        ApiError::UnknownAnchor { anchor: 6 },
        ApiError::MempoolFull { batch: 8 },
        ApiError::WrongRole,
        ApiError::NotFound { what: reason() },
        ApiError::InvalidDeposit { reason: reason() },
        ApiError::BitcoinRejected { reason: reason() },
        ApiError::BitcoinUnavailable { reason: reason() },
        ApiError::TooLarge { limit: 64 },
        ApiError::Halted { reason: reason() },
        ApiError::Busy,
    ]
}

#[test]
fn every_error_arrives_as_it_left() {
    let served = serve();
    let node = served.client();
    for error in errors() {
        *served.fake.error.lock().unwrap() = Some(error.clone());
        assert_eq!(node.supply().unwrap_err(), error);
    }
}

#[test]
fn the_transports_numbers_are_not_taken_for_the_nodes() {
    let served = serve_with(
        &RpcConfig {
            max_response_bytes: 400,
            ..config()
        },
        Timing::default(),
    );
    let error = served.client().batch(9).unwrap_err();
    // The number alone would say that the mempool is full.
    assert!(
        matches!(&error, ApiError::InvalidRequest { code: -32008, message } if message.contains("400")),
        "{error:?}"
    );
}

#[test]
fn an_error_between_the_node_and_another_one_arrives_as_the_nodes_own() {
    let served = serve();
    *served.fake.error.lock().unwrap() = Some(ApiError::Transport("refused".into()));
    let error = served.client().supply().unwrap_err();
    assert!(
        matches!(&error, ApiError::Internal(text) if text.contains("refused")),
        "{error:?}"
    );
}

#[test]
fn a_call_that_panics_is_answered_and_the_server_goes_on() {
    let served = serve();
    *served.fake.panics.lock().unwrap() = true;
    let error = served.client().supply().unwrap_err();
    assert!(matches!(error, ApiError::Internal(_)), "{error:?}");
    // A poisoned lock of the fake is not the server's business.
    served.fake.panics.clear_poison();
    *served.fake.panics.lock().unwrap() = false;
    served.assert_alive();
}

#[test]
fn a_server_may_pass_calls_on_to_another_one() {
    let served = serve();
    let front = RpcServer::start(&config(), Arc::new(served.client()), broadcast::channel(1).0).unwrap();
    let address = front.address();
    let callers: Vec<_> = (0..4)
        .map(|_| {
            std::thread::spawn(move || {
                let node = RpcClient::new(&format!("http://{address}")).unwrap();
                assert_eq!(node.status().unwrap(), fake::status());
                assert_eq!(node.batch(9).unwrap(), fake::details());
            })
        })
        .collect();
    callers.into_iter().for_each(|caller| caller.join().unwrap());
}

#[test]
fn a_node_that_is_away_is_named_with_the_cause() {
    let served = serve();
    let (node, url) = (served.client(), format!("http://{}", served.address()));
    drop(served);
    let error = node.status().unwrap_err();
    assert!(transport(&error), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(&url) && text.contains("refused"), "{text}");
}

#[test]
fn an_address_that_makes_no_sense_is_refused_by_the_client() {
    for url in ["127.0.0.1:1", "ftp://node", "http://", "nonsense"] {
        assert!(
            RpcClient::new(url).err().is_some_and(|error| transport(&error)),
            "{url}"
        );
    }
}
