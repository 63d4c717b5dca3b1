//! One question to one member: connect, prove who we are, ask, hear the answer, hang up.

use std::io;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use tacit_federation::channel::{Channel, ChannelError};
use tacit_federation::identity::{Identity, IdentityKey};
use tacit_federation::message::{Answer, Request};
use tacit_protocol::encoding::{Decode, DecodeError, Encode};
use thiserror::Error;

use super::lookup::Lookups;
use super::stream::Timed;

/// Longest time to wait for a connection.
const CONNECT: Duration = Duration::from_secs(3);

/// Names of members that are being looked up in this process.
static LOOKUPS: Lookups = Lookups::new(64);

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum CallError {
    /// Nobody listens there.
    #[error("cannot be reached at {address}: {source}")]
    Unreachable {
        /// Where it should listen.
        address: String,
        /// From the operating system.
        source: io::Error,
    },
    /// The connection failed, or it is somebody else.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// The bytes are no answer.
    #[error("sent bytes that are no answer: {0}")]
    Malformed(#[from] DecodeError),
}

/// Asks `peer` at `address`; all of it takes no longer than `patience`.
///
/// # Errors
/// [`CallError`].
pub fn ask(
    address: &str,
    peer: &IdentityKey,
    own: &Identity,
    context: &[u8; 32],
    request: &Request,
    patience: Duration,
) -> Result<Answer, CallError> {
    let unreachable = |source| CallError::Unreachable {
        address: address.to_owned(),
        source,
    };
    let started = Instant::now();
    let stream = connect(address, patience).map_err(unreachable)?;
    let left = patience.saturating_sub(started.elapsed());
    let stream = Timed::new(stream, left).map_err(unreachable)?;
    let mut channel = Channel::connect(stream, own, peer, context)?;
    channel.send(&request.encode())?;
    let answer = channel.receive(Answer::LONGEST)?;
    Ok(Answer::decode(&answer)?)
}

/// Connects to the first address of a name that answers; all of it, the looking up too, within `patience`.
fn connect(address: &str, patience: Duration) -> io::Result<TcpStream> {
    let deadline = Instant::now() + patience;
    let left = || deadline.saturating_duration_since(Instant::now());
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the address has no host");
    for address in LOOKUPS.resolve(address, CONNECT.min(patience))? {
        // No time at all is an error of its own.
        let limit = CONNECT.min(left()).max(Duration::from_millis(1));
        match TcpStream::connect_timeout(&address, limit) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}
