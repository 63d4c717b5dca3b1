//! Requests nobody should send: each gets a typed error, and the server answers the next one.

use super::{Served, call, config, serve, serve_with};
use crate::config::RpcConfig;
use crate::rpc::connections::Timing;

const PARSE: i64 = -32700;
const INVALID_REQUEST: i64 = -32600;
const UNKNOWN_METHOD: i64 = -32601;
const INVALID_PARAMS: i64 = -32602;

fn assert_refused(served: &Served, body: &[u8], code: i64) {
    assert_eq!(
        served.error_code(body),
        code,
        "{}",
        String::from_utf8_lossy(&body[..body.len().min(200)])
    );
    served.assert_alive();
}

#[test]
fn malformed_json_is_refused() {
    let served = serve();
    for body in [
        &b"{"[..],
        b"nonsense",
        b"{\"jsonrpc\":",
        b"\xff\xfe{}",
        b"[1,2",
        b"\0",
    ] {
        assert_refused(&served, body, PARSE);
    }
    // Nothing at all is not even JSON.
    assert_eq!(served.post(b"").0, 400);
    served.assert_alive();
}

#[test]
fn json_that_is_no_request_is_refused() {
    let served = serve();
    for body in [
        &br#"{"jsonrpc":"1.0","id":1,"method":"tacit_status"}"#[..],
        br#"{"id":1}"#,
    ] {
        assert_refused(&served, body, INVALID_REQUEST);
    }
    // Without a number it is not even a request that went wrong.
    assert_refused(&served, b"{}", PARSE);
}

#[test]
fn an_unknown_method_is_refused() {
    let served = serve();
    for method in ["statusx", "", "Status", "submitTransfer2"] {
        assert_refused(&served, &call(method, "{}"), UNKNOWN_METHOD);
    }
    let bare = br#"{"jsonrpc":"2.0","id":1,"method":"status","params":{}}"#;
    assert_refused(&served, bare, UNKNOWN_METHOD);
}

#[test]
fn unknown_and_missing_parameters_are_refused() {
    let served = serve();
    for (method, params) in [
        ("batches", r#"{"from":1,"limit":2,"extra":3}"#),
        ("batches", r#"{"from":1}"#),
        ("batches", r#"{"from":1,"from":1,"limit":2}"#),
        ("batch", "{}"),
        ("batch", "null"),
        ("withdrawalStatus", "{}"),
        ("withdrawalStatus", r#"{"index":1,"txid":"00"}"#),
        ("submitTransfer", r#"{"transfer":"00","proof":"00"}"#),
        ("status", r#"{"verbose":true}"#),
        ("supply", "[1]"),
    ] {
        assert_refused(&served, &call(method, params), INVALID_PARAMS);
    }
    assert_eq!(served.post(&call("status", "{}")).0, 200);
}

#[test]
fn parameters_by_position_are_refused() {
    let served = serve();
    assert_refused(&served, &call("batches", "[1,2]"), INVALID_PARAMS);
    assert_refused(&served, &call("batch", "[1]"), INVALID_PARAMS);
}

#[test]
fn parameters_of_a_wrong_type_are_refused() {
    let served = serve();
    let short = "ab".repeat(31);
    for (method, params) in [
        ("batch", r#"{"number":"1"}"#.to_owned()),
        ("batch", r#"{"number":-1}"#.to_owned()),
        ("batch", r#"{"number":1.5}"#.to_owned()),
        ("batch", r#"{"number":4294967296}"#.to_owned()),
        ("batch", r#"{"number":99999999999999999999999999}"#.to_owned()),
        ("batches", r#"{"from":[],"limit":{}}"#.to_owned()),
        ("transferStatus", r#"{"txid":7}"#.to_owned()),
        ("transferStatus", format!(r#"{{"txid":"{short}"}}"#)),
        ("transferStatus", format!(r#"{{"txid":"{}"}}"#, "zz".repeat(32))),
        ("submitTransfer", r#"{"transfer":""}"#.to_owned()),
        (
            "submitTransfer",
            format!(r#"{{"transfer":"{}"}}"#, "ff".repeat(318)),
        ),
        ("depositStatus", r#"{"outpoint":"no"}"#.to_owned()),
        ("findDeposits", r#"{"scripts":["xy"]}"#.to_owned()),
        ("broadcast", r#"{"transaction":"00"}"#.to_owned()),
    ] {
        assert_refused(&served, &call(method, &params), INVALID_PARAMS);
    }
    assert!(
        served
            .fake
            .asked
            .lock()
            .unwrap()
            .iter()
            .all(|asked| asked == "status"),
        "nothing of it reached the node"
    );
}

#[test]
fn json_nested_ten_thousand_levels_deep_is_refused() {
    let served = serve();
    let lists = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let objects = format!("{}1{}", r#"{"a":"#.repeat(10_000), "}".repeat(10_000));
    for deep in [&lists, &objects] {
        assert_refused(
            &served,
            &call("batch", &format!(r#"{{"number":{deep}}}"#)),
            INVALID_PARAMS,
        );
        assert_refused(&served, &call("batch", deep), INVALID_PARAMS);
    }
    let (status, text) = served.post(lists.as_bytes());
    assert!(status == 200 && text.contains("\"error\""), "{status} {text}");
    let (status, text) = served.post(objects.as_bytes());
    assert!(status == 200 && text.contains("\"error\""), "{status} {text}");
    served.assert_alive();
}

#[test]
fn a_request_larger_than_the_limit_is_refused() {
    let served = serve_with(
        &RpcConfig {
            max_request_bytes: 1_000,
            ..config()
        },
        Timing::default(),
    );
    let padded = call("status", &format!("{{}}{}", " ".repeat(2_000)));
    let (status, text) = served.post(&padded);
    assert_eq!((status, text.contains("-32007")), (413, true), "{text}");
    served.assert_alive();
    // Without a length in front, the bytes are counted as they come.
    let mut chunked =
        b"POST / HTTP/1.1\r\nhost: n\r\ncontent-type: application/json\r\nconnection: close\r\n\
        transfer-encoding: chunked\r\n\r\n"
            .to_vec();
    chunked.extend_from_slice(format!("{:x}\r\n", padded.len()).as_bytes());
    chunked.extend_from_slice(&padded);
    chunked.extend_from_slice(b"\r\n0\r\n\r\n");
    let mut stream = served.connect();
    std::io::Write::write_all(&mut stream, &chunked).unwrap();
    let (status, _) = super::read_answer(&mut stream);
    assert_eq!(status, 500, "the transport calls it an error of the stream");
    served.assert_alive();
}

#[test]
fn an_answer_larger_than_the_limit_is_replaced_by_an_error() {
    let served = serve_with(
        &RpcConfig {
            max_response_bytes: 400,
            ..config()
        },
        Timing::default(),
    );
    let code = served.error_code(&call("batch", r#"{"number":9}"#));
    assert_eq!(code, -32008);
}

#[test]
fn a_batch_longer_than_the_limit_is_refused_whole() {
    let served = serve_with(
        &RpcConfig {
            max_batch: 3,
            ..config()
        },
        Timing::default(),
    );
    let of = |n: usize| {
        let one = String::from_utf8(call("supply", "{}")).unwrap();
        format!("[{}]", vec![one; n].join(",")).into_bytes()
    };
    let (_, text) = served.post(&of(3));
    assert_eq!(text.matches("\"result\"").count(), 3, "{text}");
    served.fake.asked.lock().unwrap().clear();
    assert_eq!(served.error_code(&of(4)), -32010);
    assert_eq!(served.error_code(b"[]"), INVALID_REQUEST);
    assert!(served.fake.asked.lock().unwrap().is_empty());
    served.assert_alive();
}

#[test]
fn only_json_by_post_is_taken() {
    let served = serve();
    for (request, expected) in [
        ("GET / HTTP/1.1\r\nhost: n\r\nconnection: close\r\n\r\n".to_owned(), 405),
        ("OPTIONS / HTTP/1.1\r\nhost: n\r\norigin: http://evil\r\nconnection: close\r\n\r\n".to_owned(), 405),
        // What a web page can send without asking first.
        (
            "POST / HTTP/1.1\r\nhost: n\r\ncontent-type: text/plain\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}"
                .to_owned(),
            415,
        ),
        ("nonsense\r\n\r\n".to_owned(), 400),
        (format!("POST / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(1_000_000)), 431),
    ] {
        let mut stream = served.connect();
        // A server that refuses a header may close before it is all sent.
        let _ = std::io::Write::write_all(&mut stream, request.as_bytes());
        let (status, _) = super::read_answer(&mut stream);
        assert!(status == expected || (expected == 431 && status == 0), "{status} instead of {expected}");
        served.assert_alive();
    }
}
