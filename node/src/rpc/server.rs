//! The server: limits first, then the methods. Limits of number and time of connections stand in
//! `connections`. Specification: `docs/spec/rpc.md`.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use jsonrpsee::server::middleware::rpc::RpcServiceBuilder;
use jsonrpsee::server::{
    BatchRequestConfig, PingConfig, RpcModule, Server, ServerConfig, ServerHandle,
    serve_with_graceful_shutdown, stop_channel,
};
use jsonrpsee::types::error::{INTERNAL_ERROR_CODE, INVALID_PARAMS_CODE};
use jsonrpsee::types::{ErrorObjectOwned, Params};
use jsonrpsee::{IntoResponse, SubscriptionMessage};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tacit_wallet::api::{
    ApiError, BatchQuery, BatchSummary, Broadcast, DepositQuery, FindDeposits, ForcedQuery, ForcedRange,
    NodeApi, Range, RegisterDeposit, SubmitTransfer, TransferQuery, WithdrawalQuery, method,
};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::broadcast;

use super::PREFIX;
use super::connections::{self, Counted, Limits, Timing};
use crate::config::RpcConfig;

/// Messages kept for a slow reader before it is dropped.
const MESSAGE_BUFFER: u32 = 64;
/// Calls that run at once; more wait.
const WORKERS: usize = 8;
/// Time that calls under way get when the server stops.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// What a server serves.
pub type Handler = Arc<dyn NodeApi + Send + Sync>;

/// A running server; it stops when dropped.
pub struct RpcServer {
    runtime: Option<Runtime>,
    handle: ServerHandle,
    address: SocketAddr,
}

impl RpcServer {
    /// Starts a server. `batches` feeds `subscribeBatches`.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    pub fn start(
        config: &RpcConfig,
        handler: Handler,
        batches: broadcast::Sender<BatchSummary>,
    ) -> anyhow::Result<Self> {
        Self::start_with(config, Timing::default(), handler, batches)
    }

    /// As [`RpcServer::start`], with the times that connections get.
    pub(super) fn start_with(
        config: &RpcConfig,
        timing: Timing,
        handler: Handler,
        batches: broadcast::Sender<BatchSummary>,
    ) -> anyhow::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .max_blocking_threads(WORKERS)
            .thread_name("tacit-rpc")
            .enable_all()
            .build()?;
        let module = methods(handler, batches)?;
        let (stop, handle) = stop_channel();
        let builder = Server::builder().set_config(limits(config)).to_service_builder();
        let stopping = stop.clone();
        let serve = move |io, calls: connections::Calls| {
            let count =
                RpcServiceBuilder::new().layer_fn(move |service| Counted::new(service, calls.clone()));
            let service = builder
                .clone()
                .set_rpc_middleware(count)
                .build(module.clone(), stopping.clone());
            let stopped = stopping.clone().shutdown();
            async move {
                if let Err(error) = serve_with_graceful_shutdown(io, service, stopped).await {
                    tracing::debug!(error, "a connection ended early");
                }
            }
        };
        let (listener, address) = runtime.block_on(async {
            let listener = TcpListener::bind(config.listen)
                .await
                .with_context(|| format!("cannot listen on {}; choose another rpc.listen", config.listen))?;
            let address = listener.local_addr()?;
            anyhow::Ok((listener, address))
        })?;
        let limits = Limits {
            all: usize::try_from(config.max_connections)?,
            each: usize::try_from(config.max_connections_per_address)?,
        };
        runtime.spawn(connections::accept(listener, (limits, timing), stop, serve));
        Ok(Self {
            runtime: Some(runtime),
            handle,
            address,
        })
    }

    /// The address it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for RpcServer {
    fn drop(&mut self) {
        // Already stopped is as good.
        let _ = self.handle.stop();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(STOP_LIMIT);
        }
    }
}

/// Limits of requests, answers and subscriptions.
fn limits(config: &RpcConfig) -> ServerConfig {
    ServerConfig::builder()
        .max_request_body_size(config.max_request_bytes)
        .max_response_body_size(config.max_response_bytes)
        .max_connections(config.max_connections)
        .max_subscriptions_per_connection(config.max_subscriptions)
        .set_batch_request_config(BatchRequestConfig::Limit(config.max_batch))
        .set_message_buffer_capacity(MESSAGE_BUFFER)
        .enable_ws_ping(
            PingConfig::new()
                .ping_interval(Duration::from_secs(30))
                .inactive_limit(Duration::from_secs(60))
                .max_failures(2),
        )
        .build()
}

/// An API error as it travels. Errors whose meaning is their text travel as that text, so that the
/// client, which dresses it again, does not say everything twice.
fn to_wire(error: &ApiError) -> ErrorObjectOwned {
    let code = error.code().unwrap_or(INTERNAL_ERROR_CODE);
    let message = if let ApiError::Internal(message) | ApiError::InvalidRequest { message, .. } = error {
        message.clone()
    } else {
        error.to_string()
    };
    ErrorObjectOwned::owned(code, message, error.data())
}

/// Runs a call. A bug that panics is answered like any other failure of the node: without that, the
/// answer would carry no request number and the caller would wait for ever.
fn answer<R>(call: impl FnOnce() -> Result<R, ApiError>) -> Result<R, ErrorObjectOwned> {
    let outcome = catch_unwind(AssertUnwindSafe(call));
    let outcome = outcome.unwrap_or_else(|_| Err(ApiError::Internal("a bug ended the call".into())));
    outcome.map_err(|error| to_wire(&error))
}

fn invalid(message: &str) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(INVALID_PARAMS_CODE, message, None::<()>)
}

/// Parameters travel by name only; the order of fields is no part of the interface.
fn parse<T: DeserializeOwned>(params: &Params<'_>) -> Result<T, ErrorObjectOwned> {
    if params.is_object() {
        params.parse::<T>()
    } else {
        Err(invalid("parameters have to be given by name"))
    }
}

/// Refuses parameters where there are none: a misspelt method would otherwise look as if it worked.
fn parse_none(params: &Params<'_>) -> Result<(), ErrorObjectOwned> {
    let text: String = params.as_str().unwrap_or_default().split_whitespace().collect();
    if ["", "{}", "[]", "null"].contains(&text.as_str()) {
        Ok(())
    } else {
        Err(invalid("this method has no parameters"))
    }
}

/// Registers a method with parameters.
fn with<P: DeserializeOwned, R: Serialize + Clone + Send + 'static>(
    module: &mut RpcModule<Handler>,
    name: &str,
    call: impl Fn(&dyn NodeApi, P) -> Result<R, ApiError> + Send + Sync + Clone + 'static,
) -> anyhow::Result<()>
where
    Result<R, ErrorObjectOwned>: IntoResponse,
{
    let name: &'static str = format!("{PREFIX}{name}").leak();
    module.register_blocking_method(name, move |params, api, _| {
        let params = parse(&params)?;
        answer(|| call(&**api, params))
    })?;
    Ok(())
}

/// Registers a method without parameters.
fn without<R: Serialize + Clone + Send + 'static>(
    module: &mut RpcModule<Handler>,
    name: &str,
    call: impl Fn(&dyn NodeApi) -> Result<R, ApiError> + Send + Sync + Clone + 'static,
) -> anyhow::Result<()>
where
    Result<R, ErrorObjectOwned>: IntoResponse,
{
    let name: &'static str = format!("{PREFIX}{name}").leak();
    module.register_blocking_method(name, move |params, api, _| {
        parse_none(&params)?;
        answer(|| call(&**api))
    })?;
    Ok(())
}

fn methods(handler: Handler, batches: broadcast::Sender<BatchSummary>) -> anyhow::Result<RpcModule<Handler>> {
    let mut module = RpcModule::new(handler);
    let m = &mut module;
    without(m, method::STATUS, |api| api.status())?;
    without(m, method::CHAIN_PARAMS, |api| api.chain_params())?;
    without(m, method::FEE_ESTIMATE, |api| api.fee_estimate())?;
    without(m, method::BRIDGE_STATUS, |api| api.bridge_status())?;
    without(m, method::SUPPLY, |api| api.supply())?;
    without(m, method::EPOCHS, |api| api.epochs())?;
    with(m, method::SUBMIT_TRANSFER, |api, p: SubmitTransfer| {
        api.submit_transfer(&p.transfer)
    })?;
    with(m, method::TRANSFER_STATUS, |api, p: TransferQuery| {
        api.transfer_status(p.txid)
    })?;
    with(m, method::BATCHES, |api, p: Range| api.batches(p))?;
    with(m, method::BATCH, |api, p: BatchQuery| api.batch(p.number))?;
    with(m, method::COMPACT, |api, p: Range| api.compact(p))?;
    with(m, method::NOTE_SUBTREE_ROOTS, |api, p: Range| {
        api.note_subtree_roots(p)
    })?;
    with(m, method::FORCED_REQUESTS, |api, p: ForcedRange| {
        api.forced_requests(p)
    })?;
    with(m, method::FORCED_STATUS, |api, p: ForcedQuery| {
        api.forced_status(p)
    })?;
    with(m, method::RESERVES, |api, p: Range| api.reserves(p))?;
    with(m, method::REGISTER_DEPOSIT, |api, p: RegisterDeposit| {
        api.register_deposit(&p)
    })?;
    with(m, method::DEPOSIT_STATUS, |api, p: DepositQuery| {
        api.deposit_status(p.outpoint)
    })?;
    with(m, method::WITHDRAWAL_STATUS, |api, p: WithdrawalQuery| {
        api.withdrawal_status(p)
    })?;
    with(m, method::FIND_DEPOSITS, |api, p: FindDeposits| {
        api.find_deposits(&p.scripts)
    })?;
    with(m, method::BROADCAST, |api, p: Broadcast| {
        api.broadcast(&p.transaction)
    })?;
    subscribe(m, batches)?;
    Ok(module)
}

fn subscribe(
    module: &mut RpcModule<Handler>,
    batches: broadcast::Sender<BatchSummary>,
) -> anyhow::Result<()> {
    let name = |n: &str| -> &'static str { format!("{PREFIX}{n}").leak() };
    module.register_subscription(
        name(method::SUBSCRIBE_BATCHES),
        name(method::BATCH_NOTIFICATION),
        name(method::UNSUBSCRIBE_BATCHES),
        move |_, pending, _, _| {
            let mut feed = batches.subscribe();
            async move {
                let mut sink = pending.accept().await?;
                loop {
                    tokio::select! {
                        () = sink.closed() => return Ok(()),
                        next = feed.recv() => {
                            // Whoever reads too slowly misses batches, is told so and asks again.
                            let batch = next.map_err(|_| "the subscription ended: batches were missed")?;
                            let text = serde_json::value::to_raw_value(&batch)?;
                            sink.try_send(SubscriptionMessage::from(text))?;
                        }
                    }
                }
            }
        },
    )?;
    Ok(())
}
