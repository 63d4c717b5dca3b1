//! The RPC over real sockets: a fake node served by the real server and called by the real client,
//! or by raw bytes where the client would not send what an attacker sends.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tacit_wallet::api::{ApiError, BatchSummary, NodeApi};
use tokio::sync::broadcast;

use super::client::RpcClient;
use super::connections::Timing;
use super::server::RpcServer;
use crate::config::RpcConfig;

mod abuse;
mod connections;
pub(crate) mod fake;
mod round_trips;
mod subscriptions;

use fake::Fake;

/// A server with what it serves.
struct Served {
    server: RpcServer,
    fake: Arc<Fake>,
    batches: broadcast::Sender<BatchSummary>,
}

fn config() -> RpcConfig {
    RpcConfig {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        ..RpcConfig::default()
    }
}

fn serve() -> Served {
    serve_with(&config(), Timing::default())
}

fn serve_with(config: &RpcConfig, timing: Timing) -> Served {
    let (fake, batches) = (Arc::new(Fake::default()), broadcast::channel(16).0);
    let handler: Arc<dyn NodeApi + Send + Sync> = Arc::clone(&fake) as _;
    let server = RpcServer::start_with(config, timing, handler, batches.clone()).unwrap();
    Served {
        server,
        fake,
        batches,
    }
}

impl Served {
    fn address(&self) -> SocketAddr {
        self.server.address()
    }

    fn client(&self) -> RpcClient {
        RpcClient::new(&format!("http://{}", self.address())).unwrap()
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    }

    /// Posts a body and gives the HTTP status and what was answered.
    fn post(&self, body: &[u8]) -> (u16, String) {
        let mut stream = self.connect();
        stream.write_all(&head(body.len())).unwrap();
        // A server that refuses a body may close before it is all sent.
        let _ = stream.write_all(body);
        read_answer(&mut stream)
    }

    /// Posts a body and gives the number of the JSON-RPC error in the answer.
    fn error_code(&self, body: &[u8]) -> i64 {
        let (_, text) = self.post(body);
        let answer: Value = serde_json::from_str(&text).expect(&text);
        answer["error"]["code"].as_i64().expect(&text)
    }

    fn assert_alive(&self) {
        assert_eq!(self.client().status().unwrap(), fake::status());
    }
}

/// The head of a request with a body of this length.
fn head(length: usize) -> Vec<u8> {
    format!(
        "POST / HTTP/1.1\r\nhost: node\r\ncontent-type: application/json\r\nconnection: close\r\n\
         content-length: {length}\r\n\r\n"
    )
    .into_bytes()
}

/// Reads an answer to its end: status and body.
fn read_answer(stream: &mut TcpStream) -> (u16, String) {
    let mut bytes = Vec::new();
    // An abrupt end after the answer is no news.
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8(bytes).unwrap();
    let status = text
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .unwrap_or(0);
    (
        status,
        text.split_once("\r\n\r\n")
            .map(|(_, body)| body.to_owned())
            .unwrap_or_default(),
    )
}

/// A call with parameters in JSON.
fn call(method: &str, params: &str) -> Vec<u8> {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tacit_{method}","params":{params}}}"#).into_bytes()
}

fn transport(error: &ApiError) -> bool {
    matches!(error, ApiError::Transport(_))
}
