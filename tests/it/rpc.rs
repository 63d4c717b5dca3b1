//! Requests that no wallet would make: each gets a typed answer, and the node goes on.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};
use tacit_wallet::api::NodeApi;

use crate::setting::{Choices, Ground};

const PARSE_ERROR: i64 = -32_700;
const INVALID_REQUEST: i64 = -32_600;
const UNKNOWN_METHOD: i64 = -32_601;
pub(crate) const INVALID_PARAMS: i64 = -32_602;
const NOT_FOUND: i64 = -32_010;

/// Posts bytes as they are; returns the HTTP status and the body.
fn post(url: &str, body: &[u8]) -> anyhow::Result<(u16, String)> {
    let host = url.strip_prefix("http://").context("a plain URL")?;
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let head = format!(
        "POST / HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    // The server may answer and close before it has read everything.
    let sent = stream.write_all(body);
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.with_context(|| format!("no answer: {sent:?}, {read:?}"))?;
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok((status, body.to_owned()))
}

/// The code of the error that a request gets, and all of it.
pub(crate) fn refused(url: &str, request: &str) -> anyhow::Result<(i64, String)> {
    let (_, body) = post(url, request.as_bytes())?;
    let answer: Value = serde_json::from_str(&body).with_context(|| format!("no JSON: {body:?}"))?;
    let error = &answer["error"];
    let code = error["code"].as_i64();
    let code = code.with_context(|| format!("no error: {answer}"))?;
    Ok((code, error.to_string()))
}

/// The code alone.
fn refusal(url: &str, request: &str) -> anyhow::Result<i64> {
    Ok(refused(url, request)?.0)
}

pub(crate) fn call(method: &str, params: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": 1, "method": format!("tacit_{method}"), "params": params}).to_string()
}

#[test]
fn malformed_requests_get_typed_errors_and_do_no_harm() -> anyhow::Result<()> {
    let ground = Ground::new(Choices::default())?;
    let config = ground.chain.config("sequencer", None)?;
    let sequencer = ground.chain.start("sequencer", &config)?;
    let url = sequencer.url();
    let submit = |transfer: &str| call("submitTransfer", &json!({ "transfer": transfer }));
    // The size of a real transfer, and a point at infinity in it.
    let zeros = "00".repeat(320);
    let cases = [
        ("no JSON", "{\"jsonrpc\": \"2.0\", ".to_owned(), PARSE_ERROR),
        (
            "no request",
            r#"{"jsonrpc": "2.0", "id": 1}"#.to_owned(),
            INVALID_REQUEST,
        ),
        (
            "an unknown method",
            call("stealEverything", &json!({})),
            UNKNOWN_METHOD,
        ),
        (
            "a missing field",
            call("submitTransfer", &json!({})),
            INVALID_PARAMS,
        ),
        (
            "a wrong type",
            call("batch", &json!({"number": "one"})),
            INVALID_PARAMS,
        ),
        (
            "a number out of range",
            call("batch", &json!({"number": -1})),
            INVALID_PARAMS,
        ),
        (
            "an unknown field",
            call("batch", &json!({"number": 0, "verbose": true})),
            INVALID_PARAMS,
        ),
        (
            "parameters by position",
            call("batch", &json!([0])),
            INVALID_PARAMS,
        ),
        (
            "parameters of a method that has none",
            call("status", &json!({"all": true})),
            INVALID_PARAMS,
        ),
        ("digits that are not hexadecimal", submit("zz"), INVALID_PARAMS),
        ("half a byte", submit("0"), INVALID_PARAMS),
        ("an empty transfer", submit(""), INVALID_PARAMS),
        ("a transfer cut short", submit(&zeros[..100]), INVALID_PARAMS),
        ("a transfer of zeros", submit(&zeros), INVALID_PARAMS),
        (
            "a transfer with a tail",
            submit(&"00".repeat(4_000)),
            INVALID_PARAMS,
        ),
        (
            "a broken transaction",
            call("broadcast", &json!({"transaction": "00"})),
            INVALID_PARAMS,
        ),
        (
            "a batch that is not there",
            call("batch", &json!({"number": 77})),
            NOT_FOUND,
        ),
    ];
    for (what, request, code) in cases {
        assert_eq!(refusal(url, &request)?, code, "{what}");
    }

    let large = submit(&"00".repeat(config.rpc.max_request_bytes as usize));
    let (status, body) = post(url, large.as_bytes())?;
    assert_eq!(status, 413, "an oversized request: {body}");
    let many = vec![call("status", &json!({})); config.rpc.max_batch as usize + 1].join(",");
    assert!(refusal(url, &format!("[{many}]"))? < 0, "too many calls at once");

    let status = sequencer.client()?.status()?;
    assert_eq!(status.batch, 0, "nothing came of all that");
    Ok(())
}
