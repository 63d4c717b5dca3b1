//! A bitcoind with moods: a proxy in front of a real one, which fails the way networks and machines do.
//!
//! Requests are read whole and passed on with the credentials of whatever node stands behind at the time, so
//! that node may be exchanged. Every call is written down, for tests of what is asked in which order.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context;
use bitcoin::consensus::encode::deserialize_hex;
use bitcoin::{Transaction, Txid};
use serde_json::{Value, json};
use tacit_bridge::regtest::Bitcoind;

/// How the proxy answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// As the node does.
    Honest,
    /// As the node does, after this long.
    Slow(Duration),
    /// It hangs up.
    Dead,
    /// With status 500 and a page of text.
    Error,
    /// With status 200 and bytes that mean nothing.
    Garbage,
}

/// One call that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The method.
    pub method: String,
    /// The transaction that it is about, if it is about one.
    pub txid: Option<Txid>,
}

struct State {
    upstream: (String, std::path::PathBuf),
    mood: Mood,
    /// The answer to the next call of this method is lost.
    lost: Option<&'static str>,
    /// What `estimatesmartfee` is answered with, in satoshi per virtual byte.
    rate: Option<u32>,
    calls: Vec<Call>,
}

/// The proxy; it ends when dropped.
pub struct Proxy {
    url: String,
    state: Arc<Mutex<State>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

fn upstream(node: &Bitcoind) -> (String, std::path::PathBuf) {
    let address = node.url().trim_start_matches("http://").to_owned();
    (address, node.cookie_file())
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Proxy {
    /// Stands in front of a node.
    ///
    /// # Errors
    /// If no port is free.
    pub fn start(node: &Bitcoind) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}", listener.local_addr()?);
        let state = Arc::new(Mutex::new(State {
            upstream: upstream(node),
            mood: Mood::Honest,
            lost: None,
            rate: None,
            calls: Vec::new(),
        }));
        let stop = Arc::new(AtomicBool::new(false));
        let (shared, stopping) = (Arc::clone(&state), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopping.load(Ordering::Relaxed) {
                    return;
                }
                let state = Arc::clone(&shared);
                // A caller that hangs up is no failure of the proxy's.
                thread::spawn(move || drop(serve(&state, stream)));
            }
        });
        Ok(Self {
            url,
            state,
            stop,
            thread: Some(thread),
        })
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Stands in front of another node, or of the same one after a restart.
    pub fn stand_before(&self, node: &Bitcoind) {
        lock(&self.state).upstream = upstream(node);
    }

    /// Answers like this from now on.
    pub fn set_mood(&self, mood: Mood) {
        lock(&self.state).mood = mood;
    }

    /// Passes the next call of this method on and loses the answer.
    pub fn lose_answer(&self, method: &'static str) {
        lock(&self.state).lost = Some(method);
    }

    /// Whether the answer was lost that was to be.
    #[must_use]
    pub fn has_lost(&self) -> bool {
        lock(&self.state).lost.is_none()
    }

    /// What estimates say from now on, in satoshi per virtual byte.
    pub fn set_rate(&self, sats: u32) {
        lock(&self.state).rate = Some(sats);
    }

    /// All calls so far.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.state).calls.clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the listener up; if nobody listens it has ended.
        let _woken = TcpStream::connect(self.url.trim_start_matches("http://"));
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

/// Reads one request and answers it.
fn serve(state: &Mutex<State>, mut stream: TcpStream) -> anyhow::Result<()> {
    let request: Value = serde_json::from_slice(&read_body(&mut stream)?)?;
    let call = understand(&request);
    let (mood, rate, upstream, lost) = {
        let mut state = lock(state);
        let lost = state.lost.is_some_and(|method| method == call.method) && state.mood == Mood::Honest;
        state.calls.push(call.clone());
        (state.mood, state.rate, state.upstream.clone(), lost)
    };
    let answer = match mood {
        Mood::Dead => return Ok(stream.shutdown(Shutdown::Both)?),
        Mood::Error => reply("500 Internal Server Error", b"<html>out of order</html>"),
        Mood::Garbage => reply("200 OK", &[0xfe; 64]),
        Mood::Slow(pause) => {
            thread::sleep(pause);
            pass_on(&upstream, &request)?
        }
        Mood::Honest => pass_on(&upstream, &request)?,
    };
    if lost {
        lock(state).lost = None;
        return Ok(stream.shutdown(Shutdown::Both)?);
    }
    let honest = matches!(mood, Mood::Honest | Mood::Slow(_));
    let answer = match rate.filter(|_| honest && call.method == "estimatesmartfee") {
        Some(sats) => {
            let feerate = f64::from(sats) / 100_000.0;
            let result = json!({ "feerate": feerate, "blocks": 2 });
            let body = json!({ "result": result, "error": null, "id": request["id"] });
            reply("200 OK", body.to_string().as_bytes())
        }
        None => answer,
    };
    Ok(stream.write_all(&answer)?)
}

/// The body of a request, as long as its header says.
fn read_body(stream: &mut TcpStream) -> anyhow::Result<Vec<u8>> {
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head)?.to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .context("a request has a length")?;
    let mut body = vec![0; length.trim().parse()?];
    stream.read_exact(&mut body)?;
    Ok(body)
}

fn understand(request: &Value) -> Call {
    let method = request["method"].as_str().unwrap_or_default().to_owned();
    let first = request["params"][0].as_str().unwrap_or_default();
    let txid = match method.as_str() {
        "sendrawtransaction" => deserialize_hex::<Transaction>(first)
            .map(|tx| tx.compute_txid())
            .ok(),
        "getmempoolentry" | "gettxout" => first.parse().ok(),
        _ => None,
    };
    Call { method, txid }
}

/// Asks the node; its answer as it is, header and all.
fn pass_on((address, cookie): &(String, std::path::PathBuf), request: &Value) -> anyhow::Result<Vec<u8>> {
    let cookie = std::fs::read_to_string(cookie)?;
    let (body, credentials) = (request.to_string(), base64(cookie.trim_end().as_bytes()));
    let mut stream = TcpStream::connect(address)?;
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: {address}\r\nAuthorization: Basic {credentials}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

fn reply(status: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk
            .iter()
            .fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte))
            << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            let known = digit <= chunk.len();
            let at = group >> (18 - 6 * digit) & 63;
            text.push(if known { char::from(DIGITS[at]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests;
