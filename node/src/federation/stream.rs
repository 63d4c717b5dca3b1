//! A TCP stream with a deadline for all of what is done on it, not for each byte: who sends one byte at a
//! time gains nothing.

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// A stream whose reads and writes end at a deadline.
pub(super) struct Timed {
    stream: TcpStream,
    deadline: Cell<Instant>,
}

impl Timed {
    /// A stream to be done with within `limit` from now.
    pub(super) fn new(stream: TcpStream, limit: Duration) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            deadline: Cell::new(Instant::now() + limit),
        })
    }

    /// Begins a new limit.
    pub(super) fn within(&self, limit: Duration) {
        self.deadline.set(Instant::now() + limit);
    }

    fn left(&self) -> io::Result<Duration> {
        let left = self.deadline.get().saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(left)
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.left()?))?;
        self.stream.read(buffer)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.left()?))?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

#[cfg(test)]
mod tests;
