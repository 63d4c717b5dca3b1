//! Every way in which a node can fail to answer has its own error, and says what to do.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bitcoin::BlockHash;
use bitcoin::hashes::Hash;
use tacit_protocol::Network;

use super::{Auth, RpcClient, RpcOptions, check_node, connect_checked};
use crate::client::{BitcoinClient, ChainInfo, ClientError};

fn options() -> RpcOptions {
    RpcOptions {
        timeout: Duration::from_millis(500),
        scan_timeout: Duration::from_millis(500),
        attempts: 3,
        pause: Duration::from_millis(1),
    }
}

fn auth() -> Auth {
    Auth::UserPassword {
        user: "u".to_owned(),
        password: "secret".to_owned(),
    }
}

/// A server that gives one answer per connection, in order, then ends.
fn serve(answers: Vec<(&'static str, String)>) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        for (status, body) in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut buffer = [0u8; 4096];
            while !request.windows(2).any(|pair| pair == b"\"}" || pair == b"]}") {
                let n = stream.read(&mut buffer).unwrap();
                if n == 0 || request.ends_with(b"}") {
                    break;
                }
                request.extend_from_slice(&buffer[..n]);
                if request.ends_with(b"}") {
                    break;
                }
            }
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(body.as_bytes()).unwrap();
        }
    });
    (url, server)
}

/// What a client says to one answer, given as often as it asks.
fn outcome(status: &'static str, body: &str, times: usize) -> ClientError {
    let (url, server) = serve(vec![(status, body.to_owned()); times]);
    let error = RpcClient::new(&url, auth(), options())
        .mempool_info()
        .unwrap_err();
    server.join().unwrap();
    error
}

fn usable() -> ChainInfo {
    ChainInfo {
        network: "regtest".to_owned(),
        height: 5,
        best: BlockHash::all_zeros(),
        headers: 5,
        version: 280_000,
        syncing: false,
        pruned: false,
    }
}

#[test]
fn a_dead_node_is_unreachable() {
    // Bound and closed again: nobody listens there.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let url = format!("http://127.0.0.1:{port}");
    let error = connect_checked(&url, auth(), Network::Regtest, options()).unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains(&url) && error.to_string().contains("start it"));
}

#[test]
fn a_silent_node_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let error = RpcClient::new(&url, auth(), options())
        .mempool_info()
        .unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error}");
}

#[test]
fn wrong_credentials_and_foreign_addresses_are_told_apart() {
    assert!(matches!(
        outcome("401 Unauthorized", "", 1),
        ClientError::Unauthorised { .. }
    ));
    assert!(matches!(
        outcome("403 Forbidden", "", 1),
        ClientError::Forbidden { .. }
    ));
}

#[test]
fn a_busy_node_is_asked_again() {
    let error = outcome("503 Service Unavailable", "Work queue depth exceeded", 3);
    assert!(matches!(error, ClientError::Http { status: 503, .. }), "{error}");
    let ready = r#"{"jsonrpc":"2.0","id":2,"result":
        {"size":0,"mempoolminfee":0.00001000,"minrelaytxfee":0.00001000}}"#;
    let (url, server) = serve(vec![
        ("503 Service Unavailable", String::new()),
        ("200 OK", ready.to_owned()),
    ]);
    assert_eq!(
        RpcClient::new(&url, auth(), options())
            .mempool_info()
            .unwrap()
            .count,
        0
    );
    server.join().unwrap();
}

#[test]
fn a_starting_node_says_so() {
    let (url, server) = serve(
        (1..=3)
            .map(|id| {
                let error = r#"{"code":-28,"message":"Loading block index…"}"#;
                (
                    "500 Internal Server Error",
                    format!(r#"{{"id":{id},"error":{error}}}"#),
                )
            })
            .collect(),
    );
    let error = RpcClient::new(&url, auth(), options())
        .mempool_info()
        .unwrap_err();
    assert_eq!(error, ClientError::Starting("Loading block index…".to_owned()));
    server.join().unwrap();
}

#[test]
fn garbage_is_malformed() {
    for body in [
        "",
        "<html>",
        "{}",
        "[]",
        r#"{"jsonrpc":"2.0","id":7,"result":{}}"#,
    ] {
        let error = outcome("200 OK", body, 1);
        assert!(matches!(error, ClientError::Malformed { .. }), "{body}: {error}");
    }
    let float = r#"{"jsonrpc":"2.0","id":1,"result":{"size":1,"mempoolminfee":1e-5}}"#;
    assert!(matches!(
        outcome("200 OK", float, 1),
        ClientError::Malformed { .. }
    ));
}

#[test]
fn an_address_that_is_no_url_is_named() {
    let error = RpcClient::new("no url", auth(), options())
        .mempool_info()
        .unwrap_err();
    assert!(matches!(error, ClientError::BadUrl { .. }), "{error}");
}

#[test]
fn a_missing_cookie_is_named() {
    let path = std::path::PathBuf::from("/nonexistent/.cookie");
    let client = RpcClient::new("http://127.0.0.1:1", Auth::Cookie(path.clone()), options());
    let error = client.mempool_info().unwrap_err();
    assert!(matches!(error, ClientError::Cookie { path: named, .. } if named == path));
}

#[test]
fn passwords_are_never_shown() {
    assert!(!format!("{:?}", RpcClient::new("x", auth(), options())).contains("secret"));
}

#[test]
fn unsuitable_nodes_are_refused_with_the_reason() {
    assert_eq!(check_node(&usable(), Network::Regtest), Ok(()));
    let wrong = check_node(&usable(), Network::Mainnet).unwrap_err();
    assert!(matches!(wrong, ClientError::WrongNetwork { .. }));
    assert!(wrong.to_string().contains("regtest") && wrong.to_string().contains("main"));
    let old = ChainInfo {
        version: 270_200,
        ..usable()
    };
    assert!(matches!(
        check_node(&old, Network::Regtest),
        Err(ClientError::TooOld { .. })
    ));
    let pruned = ChainInfo {
        pruned: true,
        ..usable()
    };
    assert_eq!(check_node(&pruned, Network::Regtest), Err(ClientError::Pruned));
    let syncing = ChainInfo {
        network: "main".to_owned(),
        syncing: true,
        headers: 9,
        ..usable()
    };
    let error = check_node(&syncing, Network::Mainnet).unwrap_err();
    assert_eq!(
        error,
        ClientError::Syncing {
            height: 5,
            headers: 9
        }
    );
}
