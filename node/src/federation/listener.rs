//! Answers other members and coordinators, with limits: known identities only, few connections, short
//! waits, messages of bounded length.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context;
use tacit_federation::channel::{Channel, ChannelError};
use tacit_federation::identity::{Identity, IdentityKey};
use tacit_federation::message::{Answer, Request};
use tacit_protocol::encoding::{Decode, Encode};

/// Connections at once.
const MOST_CONNECTIONS: usize = 64;
/// Longest wait for any part of a message.
const PATIENCE: Duration = Duration::from_secs(10);
/// Questions on one connection.
const MOST_QUESTIONS: usize = 64;

/// Answers questions; must not block for long.
pub trait Answers: Send + Sync {
    /// Whether this identity may ask at all.
    fn knows(&self, identity: &IdentityKey) -> bool;

    /// The answer to a question.
    fn answer(&self, from: &IdentityKey, request: Request) -> Answer;
}

/// A socket that is listened on until this is dropped.
pub struct Listener {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Listens on `address`, which names a host and a port.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    pub fn start(
        address: &str,
        identity: Arc<Identity>,
        context: [u8; 32],
        answers: Arc<dyn Answers>,
    ) -> anyhow::Result<Self> {
        let socket = TcpListener::bind(address).with_context(|| {
            format!(
                "cannot listen on {address} for the federation; is it this machine's, and free? `listen` \
                 overrides the address of the federation file"
            )
        })?;
        let address = socket.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new()
            .name("tacit-listen".into())
            .spawn(move || accept(&socket, &stopped, &identity, context, &answers))?;
        Ok(Self {
            address,
            stop,
            thread: Some(thread),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the thread up; if that fails it ends with the process.
        let woken = TcpStream::connect_timeout(&self.address, Duration::from_secs(1)).is_ok();
        if let (true, Some(thread)) = (woken, self.thread.take()) {
            // A panic was reported when it happened.
            let _ = thread.join();
        }
    }
}

/// Counts a connection for as long as it lives.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(count: &Arc<AtomicUsize>) -> Option<Self> {
        let place = Self(Arc::clone(count));
        (count.fetch_add(1, Ordering::Relaxed) < MOST_CONNECTIONS).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn accept(
    socket: &TcpListener,
    stop: &AtomicBool,
    identity: &Arc<Identity>,
    context: [u8; 32],
    answers: &Arc<dyn Answers>,
) {
    let count = Arc::new(AtomicUsize::new(0));
    for stream in socket.incoming() {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let stream = match stream {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                thread::sleep(Duration::from_millis(50));
                continue;
            }
        };
        let Some(place) = Place::take(&count) else {
            continue;
        };
        let (identity, answers) = (Arc::clone(identity), Arc::clone(answers));
        let serve = move || {
            let _place = place;
            if let Err(error) = serve(stream, &identity, &context, &*answers) {
                tracing::debug!(%error, "connection ended");
            }
        };
        let spawned = thread::Builder::new().name("tacit-answer".into()).spawn(serve);
        if let Err(error) = spawned {
            tracing::warn!(%error, "no thread for a connection");
        }
    }
}

fn serve(
    stream: TcpStream,
    identity: &Identity,
    context: &[u8; 32],
    answers: &dyn Answers,
) -> Result<(), ChannelError> {
    prepare(&stream)?;
    let mut channel = Channel::accept(stream, identity, |peer| answers.knows(peer), context)?;
    let from = *channel.peer();
    for _ in 0..MOST_QUESTIONS {
        let bytes = match channel.receive(Request::LONGEST) {
            Ok(bytes) => bytes,
            Err(ChannelError::Closed) => return Ok(()),
            Err(error) => return Err(error),
        };
        let answer = match Request::decode(&bytes) {
            Ok(request) => answers.answer(&from, request),
            Err(error) => Answer::refused(1, true, &format!("the request is malformed: {error}")),
        };
        channel.send(&answer.encode())?;
    }
    Ok(())
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))
}

#[cfg(test)]
mod tests;
