//! Answers other members and coordinators, with limits: known identities only, few connections, deadlines
//! for whole messages, messages of bounded length.
//!
//! Whoever has not shown its identity yet may be anybody: such connections have three seconds, few places
//! for each address, and when all places are taken the oldest one is hung up on. Those that have shown it
//! have places of their own, a few for each identity, so no stranger and no member keeps others out.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context;
use tacit_federation::channel::{Channel, ChannelError};
use tacit_federation::identity::{Identity, IdentityKey};
use tacit_federation::message::{Answer, LONGEST_KEYGEN, Request};
use tacit_protocol::encoding::{Decode, Encode};

use super::stream::Timed;

/// Connections at once that have not shown an identity.
const MOST_STRANGERS: usize = 64;
/// The same of one address.
const MOST_STRANGERS_OF_ADDRESS: usize = 16;
/// Connections at once of one identity.
const MOST_OF_IDENTITY: usize = 4;
/// Time for a handshake.
const HANDSHAKE: Duration = Duration::from_secs(3);
/// Time for a question to come, and for its answer to be taken.
const MESSAGE: Duration = Duration::from_secs(10);
/// Questions on one connection.
const MOST_QUESTIONS: usize = 64;

/// The longest question that a member asks: a message of a key generation, and what is around it.
pub const LONGEST_OF_MEMBER: usize = LONGEST_KEYGEN + 1_024;

/// Answers questions; must not block for long.
pub trait Answers: Send + Sync {
    /// Whether this identity may ask at all.
    fn knows(&self, identity: &IdentityKey) -> bool;

    /// The longest question that this identity may ask, in bytes.
    fn longest(&self, identity: &IdentityKey) -> usize;

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
        let door = Arc::new(Door {
            identity,
            context,
            answers,
            places: Mutex::default(),
        });
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new()
            .name("tacit-listen".into())
            .spawn(move || door.open(&socket, &stopped))?;
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

/// A connection that has not shown an identity.
struct Stranger {
    number: u64,
    address: IpAddr,
    stream: TcpStream,
}

/// Who is connected.
#[derive(Default)]
struct Places {
    next: u64,
    /// The oldest first.
    strangers: VecDeque<Stranger>,
    known: BTreeMap<IdentityKey, usize>,
}

impl Places {
    /// Lets a stranger in, if need be in place of the oldest one; `None` if its address has enough.
    fn enter(&mut self, address: IpAddr, stream: TcpStream) -> Option<u64> {
        let same = self
            .strangers
            .iter()
            .filter(|stranger| stranger.address == address);
        if same.count() >= MOST_STRANGERS_OF_ADDRESS {
            return None;
        }
        if self.strangers.len() >= MOST_STRANGERS
            && let Some(oldest) = self.strangers.pop_front()
        {
            // Its thread notices, and leaves.
            let _ = oldest.stream.shutdown(Shutdown::Both);
        }
        let number = self.next;
        self.next += 1;
        self.strangers.push_back(Stranger {
            number,
            address,
            stream,
        });
        Some(number)
    }

    fn leave(&mut self, number: u64) {
        self.strangers.retain(|stranger| stranger.number != number);
    }
}

/// What every connection is served with.
struct Door {
    identity: Arc<Identity>,
    context: [u8; 32],
    answers: Arc<dyn Answers>,
    places: Mutex<Places>,
}

impl Door {
    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(self: Arc<Self>, socket: &TcpListener, stop: &AtomicBool) {
        loop {
            let accepted = socket.accept();
            if stop.load(Ordering::Relaxed) {
                return;
            }
            let (stream, from) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    thread::sleep(Duration::from_millis(50));
                    continue;
                }
            };
            let number = stream
                .try_clone()
                .ok()
                .and_then(|handle| self.places().enter(from.ip(), handle));
            let Some(number) = number else { continue };
            let door = Arc::clone(&self);
            let serve = move || {
                if let Err(error) = door.serve(stream, number) {
                    tracing::debug!(%error, "connection ended");
                }
                door.places().leave(number);
            };
            let spawned = thread::Builder::new().name("tacit-answer".into()).spawn(serve);
            if let Err(error) = spawned {
                tracing::warn!(%error, "no thread for a connection");
                self.places().leave(number);
            }
        }
    }

    fn serve(&self, stream: TcpStream, number: u64) -> Result<(), ChannelError> {
        let stream = Timed::new(stream, HANDSHAKE)?;
        let answers = &*self.answers;
        let channel = Channel::accept(stream, &self.identity, |peer| answers.knows(peer), &self.context)?;
        self.converse(channel, number)
    }

    fn converse(&self, mut channel: Channel<Timed>, number: u64) -> Result<(), ChannelError> {
        let from = *channel.peer();
        let longest = self.answers.longest(&from);
        let mut place = None;
        for _ in 0..MOST_QUESTIONS {
            channel.stream().within(MESSAGE);
            let bytes = match channel.receive(longest) {
                Ok(bytes) => bytes,
                Err(ChannelError::Closed) => return Ok(()),
                Err(error) => return Err(error),
            };
            // Only now is it sure that the handshake was no recorded one.
            if place.is_none() {
                place = Place::take(self, from, number);
                if place.is_none() {
                    tracing::debug!(identity = %from, "too many connections of one identity");
                    return Ok(());
                }
            }
            let answer = match Request::decode(&bytes) {
                Ok(request) => self.answers.answer(&from, request),
                Err(error) => Answer::refused(1, true, &format!("the request is malformed: {error}")),
            };
            channel.stream().within(MESSAGE);
            channel.send(&answer.encode())?;
        }
        Ok(())
    }
}

/// The place of a connection that has shown its identity, for as long as it lives.
struct Place<'a> {
    door: &'a Door,
    identity: IdentityKey,
}

impl<'a> Place<'a> {
    /// A place for a connection that was a stranger; `None` if its identity has enough.
    fn take(door: &'a Door, identity: IdentityKey, number: u64) -> Option<Self> {
        let mut places = door.places();
        places.leave(number);
        let count = places.known.entry(identity).or_default();
        if *count >= MOST_OF_IDENTITY {
            return None;
        }
        *count += 1;
        Some(Self { door, identity })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(count) = self.door.places().known.get_mut(&self.identity) {
            *count -= 1;
        }
    }
}

#[cfg(test)]
mod tests;
