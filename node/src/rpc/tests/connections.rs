//! Connections that only cost: too many, too slow, never finished.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use tacit_wallet::api::NodeApi;

use super::{Served, call, config, fake, head, read_answer, serve_with};
use crate::config::RpcConfig;
use crate::rpc::connections::Timing;

const FIRST: Duration = Duration::from_millis(600);
const NEXT: Duration = Duration::from_millis(900);

fn impatient() -> Served {
    serve_with(
        &config(),
        Timing {
            first: FIRST,
            next: NEXT,
        },
    )
}

/// Waits until the server closes and says how long that took.
fn until_closed(mut stream: TcpStream) -> Duration {
    let (started, mut bytes) = (Instant::now(), Vec::new());
    match stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}"),
    }
    started.elapsed()
}

fn keep_alive(body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: n\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

#[test]
fn a_connection_that_sends_nothing_is_closed() {
    let served = impatient();
    let took = until_closed(served.connect());
    assert!(took < Duration::from_secs(3), "{took:?}");
    served.assert_alive();
}

#[test]
fn a_connection_that_never_finishes_its_header_is_closed() {
    let served = impatient();
    let mut stream = served.connect();
    stream
        .write_all(b"POST / HTTP/1.1\r\nhost: node\r\nx-a: ")
        .unwrap();
    assert!(until_closed(stream) < Duration::from_secs(3));
    served.assert_alive();
}

#[test]
fn a_request_that_trickles_in_is_cut_off() {
    let served = impatient();
    let mut stream = served.connect();
    let started = Instant::now();
    stream.write_all(&head(1_000)).unwrap();
    while stream.write_all(b" ").is_ok() {
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "the trickle is still taken"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    served.assert_alive();
}

#[test]
fn a_connection_that_idles_after_an_answer_is_closed() {
    let served = impatient();
    let mut stream = served.connect();
    stream.write_all(&keep_alive(&call("supply", "{}"))).unwrap();
    let mut first = [0; 1];
    stream.read_exact(&mut first).unwrap();
    let took = until_closed(stream);
    assert!(took > NEXT / 2 && took < Duration::from_secs(4), "{took:?}");
}

#[test]
fn a_client_that_paused_longer_than_the_server_waits_is_served_again() {
    let served = impatient();
    let node = served.client();
    assert_eq!(node.supply().unwrap(), fake::supply());
    std::thread::sleep(NEXT * 2);
    assert_eq!(node.supply().unwrap(), fake::supply());
}

#[test]
fn a_call_that_takes_long_is_not_cut_off() {
    let served = impatient();
    *served.fake.takes.lock().unwrap() = NEXT * 2;
    assert_eq!(served.client().supply().unwrap(), fake::supply());
}

#[test]
fn connections_past_the_limit_are_refused_and_places_are_given_again() {
    let served = serve_with(
        &RpcConfig {
            max_connections: 3,
            ..config()
        },
        Timing::default(),
    );
    let held: Vec<TcpStream> = (0..3).map(|_| served.connect()).collect();
    // The places are taken when the server has accepted, a moment after the connection stands.
    std::thread::sleep(Duration::from_millis(200));
    for _ in 0..20 {
        let (status, _) = served.post(&call("supply", "{}"));
        assert!([503, 0].contains(&status), "{status}");
    }
    assert!(served.client().supply().is_err());
    let mut one = held.into_iter().next().unwrap();
    one.write_all(&[head(call("supply", "{}").len()), call("supply", "{}")].concat())
        .unwrap();
    assert_eq!(read_answer(&mut one).0, 200, "who has a place is served");
    drop(one);
    std::thread::sleep(Duration::from_millis(200));
    served.assert_alive();
}

#[test]
fn connections_of_one_address_past_its_limit_are_refused() {
    let served = serve_with(
        &RpcConfig {
            max_connections: 100,
            max_connections_per_address: 3,
            ..config()
        },
        Timing::default(),
    );
    let held: Vec<TcpStream> = (0..3).map(|_| served.connect()).collect();
    std::thread::sleep(Duration::from_millis(200));
    let (status, _) = served.post(&call("supply", "{}"));
    assert!([503, 0].contains(&status), "{status}");
    drop(held);
    std::thread::sleep(Duration::from_millis(200));
    served.assert_alive();
}

#[test]
fn a_server_that_is_dropped_frees_its_address() {
    let served = impatient();
    let address = served.address();
    let _idle = served.connect();
    let started = Instant::now();
    drop(served);
    assert!(started.elapsed() < Duration::from_secs(7));
    assert!(TcpStream::connect(address).is_err());
}
