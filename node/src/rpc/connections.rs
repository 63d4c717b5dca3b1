//! TCP connections under limits of number and time.
//!
//! jsonrpsee bounds requests, hyper parses them; neither bounds how many connections are merely held
//! open, nor how long a request may take to arrive. Each of them would cost the node a file handle
//! that its database and its bitcoind need. So every connection takes one of a fixed number of
//! places, of which one address gets a part only, and its bytes pass through [`Watched`], which gives up
//!
//! * when the first request is not there in time,
//! * when a later one is not there in time after the last answer (WebSockets are kept alive by pings),
//! * when an answer is not taken.
//!
//! A call under way stops the clock, however long it takes. Specification: `docs/spec/rpc.md`.

use std::collections::HashMap;
use std::future::Future;
use std::io::{self, ErrorKind, IoSlice};
use std::net::{IpAddr, Ipv6Addr};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use jsonrpsee::core::middleware::{Batch, Notification, RpcServiceT};
use jsonrpsee::server::StopHandle;
use jsonrpsee::types::Request;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};

/// What somebody gets for whom there is no place.
const NO_PLACE: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
/// Pause after the system refused to accept, which it does without file handles.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Times a connection gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Timing {
    /// For its first request.
    pub(super) first: Duration,
    /// From an answer to the end of the next request, and to take an answer.
    pub(super) next: Duration,
}

impl Default for Timing {
    /// 10 seconds, then 60; twice the time between two pings of a WebSocket.
    fn default() -> Self {
        Self {
            first: Duration::from_secs(10),
            next: Duration::from_secs(60),
        }
    }
}

/// How many connections there may be at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// In all.
    pub(super) all: usize,
    /// From one address; an IPv6 network of 64 bits counts as one.
    pub(super) each: usize,
}

/// Accepts connections until the server stops, within `limits`, and has each served.
pub(super) async fn accept<F>(
    listener: TcpListener,
    (limits, timing): (Limits, Timing),
    stop: StopHandle,
    serve: impl Fn(Watched, Calls) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let places = Places::new(limits);
    let stopped = stop.shutdown();
    tokio::pin!(stopped);
    loop {
        let accepted = tokio::select! {
            () = &mut stopped => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, from) = match accepted {
            Ok((stream, from)) => (stream, from.ip()),
            Err(error) => {
                tracing::debug!(%error, "no connection accepted");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        match places.take(from) {
            Some(place) => {
                let calls = Calls::default();
                tokio::spawn(serve(Watched::new(stream, calls.clone(), timing, place), calls));
            }
            // A courtesy: if it does not fit into the socket's buffer, closing says it too.
            None => drop(stream.try_write(NO_PLACE)),
        }
    }
}

/// The places there are, and who has them.
struct Places {
    free: Arc<Semaphore>,
    each: usize,
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Places {
    fn new(limits: Limits) -> Self {
        Self {
            free: Arc::new(Semaphore::new(limits.all)),
            each: limits.each,
            taken: Arc::default(),
        }
    }

    /// A place for somebody, if there is one and they have not had their part.
    fn take(&self, from: IpAddr) -> Option<Place> {
        let from = network_of(from);
        let permit = Arc::clone(&self.free).try_acquire_owned().ok()?;
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(from).or_default();
        if *count >= self.each {
            return None;
        }
        *count += 1;
        Some(Place {
            from,
            taken: Arc::clone(&self.taken),
            _permit: permit,
        })
    }
}

/// What counts as one address: whoever has one IPv6 address mostly has the 2^64 beside it.
fn network_of(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
    }
}

/// A place, until it is dropped.
struct Place {
    from: IpAddr,
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.from) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.from);
            }
        }
    }
}

/// Calls of one connection that are under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Calls(Arc<AtomicUsize>);

impl Calls {
    fn begin(&self) -> UnderWay {
        self.0.fetch_add(1, Ordering::Relaxed);
        UnderWay(self.clone())
    }

    fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

/// One call, until it is dropped.
struct UnderWay(Calls);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An RPC service that counts its calls.
#[derive(Clone, Debug)]
pub(super) struct Counted<S> {
    service: S,
    calls: Calls,
}

impl<S> Counted<S> {
    /// Counts the calls of `service` in `calls`.
    pub(super) fn new(service: S, calls: Calls) -> Self {
        Self { service, calls }
    }
}

impl<S: RpcServiceT + Send + Sync + 'static> RpcServiceT for Counted<S> {
    type MethodResponse = S::MethodResponse;
    type NotificationResponse = S::NotificationResponse;
    type BatchResponse = S::BatchResponse;

    fn call<'a>(&self, request: Request<'a>) -> impl Future<Output = Self::MethodResponse> + Send + 'a {
        let (answer, under_way) = (self.service.call(request), self.calls.begin());
        finish(answer, under_way)
    }

    fn batch<'a>(&self, requests: Batch<'a>) -> impl Future<Output = Self::BatchResponse> + Send + 'a {
        let (answer, under_way) = (self.service.batch(requests), self.calls.begin());
        finish(answer, under_way)
    }

    fn notification<'a>(
        &self,
        notification: Notification<'a>,
    ) -> impl Future<Output = Self::NotificationResponse> + Send + 'a {
        let (answer, under_way) = (self.service.notification(notification), self.calls.begin());
        finish(answer, under_way)
    }
}

async fn finish<T>(answer: impl Future<Output = T>, under_way: UnderWay) -> T {
    let answer = answer.await;
    drop(under_way);
    answer
}

/// The bytes of a connection, with a clock.
pub(super) struct Watched {
    stream: TcpStream,
    calls: Calls,
    next: Duration,
    /// When the request that is awaited has to be there.
    request: Pin<Box<Sleep>>,
    /// When an answer that is stuck has to go on.
    answer: Option<Pin<Box<Sleep>>>,
    _place: Place,
}

impl Watched {
    fn new(stream: TcpStream, calls: Calls, timing: Timing, place: Place) -> Self {
        let request = Box::pin(sleep(timing.first));
        Self {
            stream,
            calls,
            next: timing.next,
            request,
            answer: None,
            _place: place,
        }
    }

    fn allow_next(&mut self) {
        self.request.as_mut().reset(Instant::now() + self.next);
    }

    /// Looks at the clock after an attempt to write.
    fn wrote(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if outcome.is_ready() {
            self.answer = None;
            self.allow_next();
            return outcome;
        }
        let next = self.next;
        let clock = self.answer.get_or_insert_with(|| Box::pin(sleep(next)));
        clock.as_mut().poll(cx).map(|()| Err(ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Watched {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // Bytes do not wind the clock: a request has to be complete in time, however it trickles in.
        if let Poll::Ready(outcome) = Pin::new(&mut this.stream).poll_read(cx, buf) {
            return Poll::Ready(outcome);
        }
        while this.request.as_mut().poll(cx).is_ready() {
            if !this.calls.any() {
                return Poll::Ready(Err(ErrorKind::TimedOut.into()));
            }
            this.allow_next();
        }
        Poll::Pending
    }
}

impl AsyncWrite for Watched {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.wrote(cx, outcome)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.wrote(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
