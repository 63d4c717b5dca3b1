//! Looking up a member's host name, with a deadline. The operating system's own resolver has none and cannot
//! be stopped: it is asked on a thread of its own, which is left behind when it takes too long. Only so many
//! of these may hang at once; addresses in digits need none.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Lookups that run at the same time.
pub(super) struct Lookups {
    most: usize,
    running: AtomicUsize,
}

/// One of them, until it ends, however late that is.
struct Place(&'static AtomicUsize);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Lookups {
    /// At most so many at once.
    pub(super) const fn new(most: usize) -> Self {
        let running = AtomicUsize::new(0);
        Self { most, running }
    }

    /// The addresses of `address`, a host and a port, within `limit`.
    ///
    /// # Errors
    /// What the resolver says; or that it takes too long, or that too many lookups hang already.
    pub(super) fn resolve(&'static self, address: &str, limit: Duration) -> io::Result<Vec<SocketAddr>> {
        match address.parse() {
            Ok(address) => Ok(vec![address]),
            Err(_) => self.look_up(address, limit, |address| {
                address.to_socket_addrs().map(Iterator::collect)
            }),
        }
    }

    /// The same of a name, by this resolver.
    fn look_up(
        &'static self,
        address: &str,
        limit: Duration,
        resolver: impl FnOnce(&str) -> io::Result<Vec<SocketAddr>> + Send + 'static,
    ) -> io::Result<Vec<SocketAddr>> {
        let before = self.running.fetch_add(1, Ordering::Relaxed);
        let place = Place(&self.running);
        if before >= self.most {
            return Err(io::Error::other(format!(
                "{before} lookups of names hang; mend the name service, or give addresses in digits"
            )));
        }
        let (answer, answered) = mpsc::channel();
        let name = address.to_owned();
        thread::Builder::new()
            .name("tacit-lookup".into())
            .spawn(move || {
                let _place = place;
                // Nobody listens any more after the deadline.
                let _ = answer.send(resolver(&name));
            })?;
        answered.recv_timeout(limit).map_err(|_| {
            let text = "the name service does not answer; mend it, or give the address in digits";
            io::Error::new(io::ErrorKind::TimedOut, text)
        })?
    }
}

#[cfg(test)]
mod tests;
