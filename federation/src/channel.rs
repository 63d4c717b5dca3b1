//! An authenticated, encrypted connection between two identities.
//!
//! The handshake is `Noise_IK_25519_ChaChaPoly_BLAKE2s`: the side that connects knows whom it wants, the
//! side that accepts learns who asks before it answers, and says nothing to strangers. The hash of the
//! federation is part of the handshake: sides with different ones do not get through.
//!
//! **The first message of the handshake can be repeated** by whoever recorded it. It carries no payload,
//! [`Channel::accept`] does nothing but answer it, and the channel sends nothing until a message has come
//! in: whoever repeats a handshake cannot make one.
//!
//! A message is a frame with its length, then as many frames as it needs. Everything about a frame but its
//! own size is encrypted, and its size follows from what came before. After any error the channel is of no
//! use any more: nobody knows where the next message begins.
//!
//! The stream is the caller's: it opens it, sets timeouts and limits how many there are. One side asks, the
//! other answers; if both send long messages at once, both wait for ever or for their timeouts.
//! Specification: `docs/spec/federation.md`.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};

use snow::{Builder, HandshakeState, TransportState};
use thiserror::Error;

use crate::identity::{Identity, IdentityKey};

const PATTERN: &str = "Noise_IK_25519_ChaChaPoly_BLAKE2s";
/// Before the federation's hash, in what both sides must agree on.
const PROLOGUE: &[u8; 26] = b"tacit/federation/channel/1";
/// What encryption adds.
const TAG: usize = 16;
/// The initiator's ephemeral key, its encrypted identity, and a tag over no payload.
const FIRST: usize = 32 + (32 + TAG) + TAG;
/// The responder's ephemeral key, and a tag over no payload.
const SECOND: usize = 32 + TAG;
/// Most bytes of a message in a frame.
const CONTENT: usize = 65_535 - TAG;
/// The content of a message's first frame: its length.
const HEADER: usize = 4;

/// Why there is no connection, or no more.
#[derive(Debug, Error)]
pub enum ChannelError {
    /// The stream failed, or was silent for longer than its timeout.
    #[error("the connection failed: {0}; see whether the other side runs and can be reached")]
    Io(#[from] io::Error),
    /// Somebody that the caller does not know wants to connect. Nothing was answered.
    #[error(
        "{0} wants to connect and is unknown here; if it should be known, add its key to the configuration"
    )]
    UnknownPeer(IdentityKey),
    /// The other side of the handshake is somebody else.
    #[error(
        "the handshake failed: the other side has another key, is of another federation, or does not speak this protocol; compare keys and the federation's file on both sides"
    )]
    Handshake,
    /// The other side ended the connection where its answer to the handshake belongs.
    #[error(
        "the other side refused the handshake: it does not know this key, has another key than expected, or is of another federation; compare keys and the federation's file on both sides"
    )]
    Refused,
    /// A frame is not what the other side sent next.
    #[error(
        "bytes were changed, repeated or left out on the way; connect again, and look at the network if it happens again"
    )]
    Tampered,
    /// A message that nobody wants to read, or that has no encoding.
    #[error(
        "a message has {length} bytes where at most {limit} are taken; see whether both sides have the same version"
    )]
    TooLong {
        /// Bytes of the message.
        length: usize,
        /// Bytes that are taken.
        limit: usize,
    },
    /// The other side ended the connection, between messages.
    #[error("the other side ended the connection; connect again if something is left to say")]
    Closed,
    /// The connection ended within a message or a handshake.
    #[error("the connection was cut off within a message; connect again and repeat it")]
    CutOff,
    /// A frame of another size than the only one it can have here.
    #[error(
        "a frame of {found} bytes came where {expected} belong; see whether both sides have the same version"
    )]
    Malformed {
        /// Its size.
        found: usize,
        /// Its only size.
        expected: usize,
    },
    /// The other side has not shown yet that it takes part: its handshake may be a recorded one.
    #[error("the other side has to speak first; receive a message before sending one")]
    TooEarly,
    /// The channel ended or failed before.
    #[error("this connection ended or failed before; connect again")]
    Broken,
}

/// A connection to a known identity.
pub struct Channel<S> {
    stream: S,
    noise: TransportState,
    peer: IdentityKey,
    /// Whether the other side has shown that it has the keys of this very connection.
    confirmed: bool,
    broken: bool,
}

impl<S> fmt::Debug for Channel<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Channel({})", self.peer)
    }
}

/// A handshake at its beginning; with a peer, it is this side that connects.
fn begin(own: &Identity, peer: Option<&IdentityKey>, context: &[u8; 32]) -> HandshakeState {
    let prologue = [&PROLOGUE[..], context].concat();
    let pattern = PATTERN.parse().expect("a pattern that the library knows");
    let builder = Builder::new(pattern)
        .local_private_key(own.secret())
        .and_then(|builder| builder.prologue(&prologue));
    let state = match peer {
        Some(peer) => builder
            .and_then(|builder| builder.remote_public_key(peer.as_bytes()))
            .and_then(Builder::build_initiator),
        None => builder.and_then(Builder::build_responder),
    };
    state.expect("all that the pattern needs is set, once each")
}

/// This side's next message of the handshake, sent.
fn say<const N: usize>(handshake: &mut HandshakeState, stream: &mut impl Write) -> Result<(), ChannelError> {
    let mut message = [0; N];
    // Fails if the system has no randomness, and in no other way.
    let length = handshake
        .write_message(&[], &mut message)
        .map_err(io::Error::other)?;
    debug_assert_eq!(length, N, "messages of this handshake have one size");
    stream.write_all(&message)?;
    Ok(stream.flush()?)
}

/// The other side's next message of the handshake; `None` if the stream ended before it.
fn hear<const N: usize>(
    handshake: &mut HandshakeState,
    stream: &mut impl Read,
) -> Result<Option<()>, ChannelError> {
    let mut message = [0; N];
    let Some(first) = next_byte(stream)? else {
        return Ok(None);
    };
    message[0] = first;
    fill(stream, &mut message[1..])?;
    match handshake.read_message(&message, &mut []) {
        Ok(_) => Ok(Some(())),
        Err(_) => Err(ChannelError::Handshake),
    }
}

/// One byte, or `None` at the end of the stream.
fn next_byte(stream: &mut impl Read) -> io::Result<Option<u8>> {
    let mut byte = [0];
    loop {
        match stream.read(&mut byte) {
            Ok(0) => return Ok(None),
            Ok(_) => return Ok(Some(byte[0])),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Bytes that have to come.
fn fill(stream: &mut impl Read, bytes: &mut [u8]) -> Result<(), ChannelError> {
    stream.read_exact(bytes).map_err(|error| {
        if error.kind() == ErrorKind::UnexpectedEof {
            ChannelError::CutOff
        } else {
            ChannelError::Io(error)
        }
    })
}

/// Makes room for `next` bytes of a message of `length`, twice as much as before but never more than the
/// message needs: who announces much and sends little takes little.
fn make_room(message: &mut Vec<u8>, next: usize, length: usize) {
    if message.capacity() - message.len() < next {
        let more = message.capacity().max(next).min(length - message.len());
        message.reserve_exact(more);
    }
}

impl<S: Read + Write> Channel<S> {
    /// Connects to `peer` over `stream`. `context` is the federation's hash.
    ///
    /// When this returns, the other side is who it should be.
    ///
    /// # Errors
    /// [`ChannelError`].
    pub fn connect(
        mut stream: S,
        own: &Identity,
        peer: &IdentityKey,
        context: &[u8; 32],
    ) -> Result<Self, ChannelError> {
        let mut handshake = begin(own, Some(peer), context);
        say::<FIRST>(&mut handshake, &mut stream)?;
        hear::<SECOND>(&mut handshake, &mut stream)?.ok_or(ChannelError::Refused)?;
        Ok(Self::new(stream, handshake, *peer, true))
    }

    /// Accepts a connection over `stream` from whomever `known` says yes to. `context` is the federation's
    /// hash. Others get no answer.
    ///
    /// When this returns, the other side may still be somebody who repeats a handshake of that peer. Do
    /// nothing for it before the first message came in; sending is refused until then.
    ///
    /// # Errors
    /// [`ChannelError`].
    pub fn accept(
        mut stream: S,
        own: &Identity,
        known: impl FnOnce(&IdentityKey) -> bool,
        context: &[u8; 32],
    ) -> Result<Self, ChannelError> {
        let mut handshake = begin(own, None, context);
        hear::<FIRST>(&mut handshake, &mut stream)?.ok_or(ChannelError::Closed)?;
        let peer = handshake.get_remote_static().and_then(|key| key.try_into().ok());
        // With a key of low order anybody gets this far.
        let peer = peer.and_then(|key| IdentityKey::from_bytes(key).ok());
        let peer = peer.ok_or(ChannelError::Handshake)?;
        if !known(&peer) {
            return Err(ChannelError::UnknownPeer(peer));
        }
        say::<SECOND>(&mut handshake, &mut stream)?;
        Ok(Self::new(stream, handshake, peer, false))
    }

    fn new(stream: S, handshake: HandshakeState, peer: IdentityKey, confirmed: bool) -> Self {
        let noise = handshake.into_transport_mode();
        Self {
            stream,
            noise: noise.expect("both messages of the handshake are through"),
            peer,
            confirmed,
            broken: false,
        }
    }

    /// Who is at the other side.
    #[must_use]
    pub fn peer(&self) -> &IdentityKey {
        &self.peer
    }

    /// The stream, for its timeouts. Reading or writing there breaks the channel.
    #[must_use]
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// Sends a message. What was sent need not have arrived.
    ///
    /// # Errors
    /// [`ChannelError::Io`], [`ChannelError::TooLong`] beyond what a u32 counts, [`ChannelError::TooEarly`]
    /// at a side that accepted and has not received, [`ChannelError::Broken`].
    pub fn send(&mut self, message: &[u8]) -> Result<(), ChannelError> {
        if self.broken {
            return Err(ChannelError::Broken);
        }
        if !self.confirmed {
            return Err(ChannelError::TooEarly);
        }
        let length = u32::try_from(message.len()).map_err(|_| ChannelError::TooLong {
            length: message.len(),
            limit: u32::MAX as usize,
        })?;
        self.broken = true; // until all of it is out
        let mut frames = Vec::new();
        self.seal(&length.to_le_bytes(), &mut frames);
        for content in message.chunks(CONTENT) {
            self.seal(content, &mut frames);
            self.stream.write_all(&frames)?;
            frames.clear();
        }
        self.stream.write_all(&frames)?;
        self.stream.flush()?;
        self.broken = false;
        Ok(())
    }

    /// Appends a frame.
    fn seal(&mut self, content: &[u8], frames: &mut Vec<u8>) {
        let size = u16::try_from(content.len() + TAG).expect("content is cut to fit a frame");
        frames.extend_from_slice(&size.to_le_bytes());
        let begin = frames.len();
        frames.resize(begin + usize::from(size), 0);
        self.noise
            .write_message(content, &mut frames[begin..])
            .expect("there is room, and nobody sends 2^64 frames");
    }

    /// Waits for a message of at most `limit` bytes. Memory grows with what arrives, one frame ahead.
    ///
    /// A stream with a timeout may give [`ChannelError::Io`] of kind `WouldBlock` or `TimedOut`. If no byte
    /// of the message had come by then, the channel is as good as before. After every other error it is
    /// not: drop it.
    ///
    /// # Errors
    /// [`ChannelError`].
    pub fn receive(&mut self, limit: usize) -> Result<Vec<u8>, ChannelError> {
        if self.broken {
            return Err(ChannelError::Broken);
        }
        self.broken = true; // until all of it is here
        let first = match next_byte(&mut self.stream) {
            Ok(first) => first.ok_or(ChannelError::Closed)?,
            Err(error) => {
                self.broken = !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
                return Err(ChannelError::Io(error));
            }
        };
        let message = self.message(first, limit)?;
        self.broken = false;
        Ok(message)
    }

    /// The rest of a message of which one byte is there.
    fn message(&mut self, first: u8, limit: usize) -> Result<Vec<u8>, ChannelError> {
        let mut size = [first, 0];
        fill(&mut self.stream, &mut size[1..])?;
        let mut header = [0; HEADER];
        self.open(size, &mut header)?;
        self.confirmed = true;
        let length = usize::try_from(u32::from_le_bytes(header)).unwrap_or(usize::MAX);
        if length > limit {
            return Err(ChannelError::TooLong { length, limit });
        }
        let mut message = Vec::new();
        while message.len() < length {
            fill(&mut self.stream, &mut size)?;
            let begin = message.len();
            let next = (length - begin).min(CONTENT);
            make_room(&mut message, next, length);
            message.resize(begin + next, 0);
            self.open(size, &mut message[begin..])?;
        }
        Ok(message)
    }

    /// Reads and decrypts a frame with exactly this much content; its size is there already.
    fn open(&mut self, size: [u8; 2], content: &mut [u8]) -> Result<(), ChannelError> {
        let (found, expected) = (usize::from(u16::from_le_bytes(size)), content.len() + TAG);
        if found != expected {
            return Err(ChannelError::Malformed { found, expected });
        }
        let mut frame = vec![0; expected];
        fill(&mut self.stream, &mut frame)?;
        match self.noise.read_message(&frame, content) {
            Ok(_) => Ok(()),
            Err(_) => Err(ChannelError::Tampered),
        }
    }
}

#[cfg(test)]
mod tests;
