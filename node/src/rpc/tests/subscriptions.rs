//! New batches over WebSocket.

use std::time::{Duration, Instant};

use jsonrpsee::core::client::{Subscription, SubscriptionClientT};
use jsonrpsee::rpc_params;
use jsonrpsee::ws_client::{WsClient, WsClientBuilder};
use tacit_wallet::api::{BatchSummary, NodeApi};
use tokio::runtime::{Builder, Runtime};

use super::{Served, config, fake, serve, serve_with};
use crate::config::RpcConfig;
use crate::rpc::connections::Timing;

const LIMIT: Duration = Duration::from_secs(10);

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

async fn connect(served: &Served) -> WsClient {
    WsClientBuilder::default()
        .build(format!("ws://{}", served.address()))
        .await
        .unwrap()
}

async fn subscribe(client: &WsClient) -> Result<Subscription<BatchSummary>, jsonrpsee::core::ClientError> {
    client
        .subscribe(
            "tacit_subscribeBatches",
            rpc_params![],
            "tacit_unsubscribeBatches",
        )
        .await
}

/// Waits until the server has no subscribers.
async fn assert_nobody(served: &Served) {
    let started = Instant::now();
    while served.batches.receiver_count() > 0 {
        assert!(
            started.elapsed() < LIMIT,
            "{} subscribers",
            served.batches.receiver_count()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn a_subscriber_hears_of_every_batch_in_order() {
    let (served, runtime) = (serve(), runtime());
    runtime.block_on(async {
        let client = connect(&served).await;
        let mut heard = subscribe(&client).await.unwrap();
        for number in 1..=5 {
            served.batches.send(fake::summary(number)).unwrap();
            let batch = tokio::time::timeout(LIMIT, heard.next())
                .await
                .unwrap()
                .unwrap()
                .unwrap();
            assert_eq!(batch, fake::summary(number));
        }
    });
}

#[test]
fn a_subscriber_that_leaves_is_forgotten() {
    let (served, runtime) = (serve(), runtime());
    runtime.block_on(async {
        let client = connect(&served).await;
        let _one = subscribe(&client).await.unwrap();
        let _two = subscribe(&client).await.unwrap();
        assert_eq!(served.batches.receiver_count(), 2);
    });
    // With the runtime the connection goes, without a word.
    drop(runtime);
    self::runtime().block_on(assert_nobody(&served));
}

#[test]
fn a_subscriber_that_unsubscribes_is_forgotten_and_keeps_its_connection() {
    let (served, runtime) = (serve(), runtime());
    runtime.block_on(async {
        let client = connect(&served).await;
        let mut heard = subscribe(&client).await.unwrap();
        // jsonrpsee answers a moment before it remembers a subscriber; who leaves within that moment
        // stays until the connection ends.
        served.batches.send(fake::summary(1)).unwrap();
        heard.next().await.unwrap().unwrap();
        heard.unsubscribe().await.unwrap();
        assert_nobody(&served).await;
        assert!(subscribe(&client).await.is_ok());
    });
}

#[test]
fn a_subscriber_that_does_not_read_is_dropped_and_costs_no_memory() {
    let (served, runtime) = (serve(), runtime());
    let (client, heard) = runtime.block_on(async {
        let client = connect(&served).await;
        let heard = subscribe(&client).await.unwrap();
        (client, heard)
    });
    // From here on nobody drives the client: it reads nothing.
    let started = Instant::now();
    while served.batches.send(fake::summary(1)).is_ok() {
        assert!(started.elapsed() < LIMIT, "it is still served");
    }
    served.assert_alive();
    runtime.block_on(async move { drop((heard, client)) });
}

#[test]
fn subscriptions_past_the_limit_of_a_connection_are_refused() {
    let (served, runtime) = (
        serve_with(
            &RpcConfig {
                max_subscriptions: 2,
                ..config()
            },
            Timing::default(),
        ),
        runtime(),
    );
    runtime.block_on(async {
        let client = connect(&served).await;
        let _held = (
            subscribe(&client).await.unwrap(),
            subscribe(&client).await.unwrap(),
        );
        assert!(subscribe(&client).await.is_err());
        let other = connect(&served).await;
        assert!(subscribe(&other).await.is_ok());
    });
}

#[test]
fn a_subscription_outlives_the_time_for_requests() {
    let timing = Timing {
        first: Duration::from_millis(300),
        next: Duration::from_secs(60),
    };
    let (served, runtime) = (serve_with(&config(), timing), runtime());
    runtime.block_on(async {
        let client = connect(&served).await;
        let mut heard = subscribe(&client).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        served.batches.send(fake::summary(3)).unwrap();
        assert_eq!(heard.next().await.unwrap().unwrap().number, 3);
    });
    assert_eq!(served.client().status().unwrap(), fake::status());
}
