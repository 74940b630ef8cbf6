//! One open connection: takes requests as bytes, and returns their replies in the same order.

use std::cell::Cell;
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use redis::Cmd;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::driver::Driver;
use super::read_buffer::{ReadBuffer, Waiters, Waiting};
use super::stream::{Socket, Stream};
use crate::protocol::{ProtocolError, Reply, parse};

/// Sends commands on a connection, from any thread. Clones share the connection.
#[derive(Clone)]
pub(crate) struct Pipe(Arc<Shared>);

/// The connection ended before all replies came. The commands may have been carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken;

/// A reply that comes at this rate or faster makes progress. A slower one is taken for a dead connection.
pub(crate) const PROGRESS_BYTES_PER_SECOND: u64 = 64 * 1024;

/// A request of at least this many bytes takes time to arrive: a microsecond per byte on a slow network.
pub(crate) const LONG_REQUESTS_BYTES: usize = 64 * 1024;

thread_local! {
    /// Whether this thread writes requests to the sockets itself. A task of the runtime leaves that to the driver, which
    /// writes the batches of several tasks at once: 5.2 × ioredis at 1000 in flight, against 4.2 ×.
    static WRITES_DIRECTLY: Cell<bool> = const { Cell::new(false) };
}

/// Calls `act`, and has what it sends written by this thread.
pub(crate) fn writing_directly<T>(act: impl FnOnce() -> T) -> T {
    /// Restores the value after a panic too.
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            WRITES_DIRECTLY.set(self.0);
        }
    }
    let _before = Before(WRITES_DIRECTLY.replace(true));
    act()
}

/// What the pipe and its driver share. A thread that takes several locks takes them in the order of the fields.
pub(crate) struct Shared {
    pub stream: Stream,
    /// Whether another thread reads replies, so that the driver need not.
    pub read_elsewhere: AtomicBool,
    /// Whether a long reply is arriving.
    is_busy: AtomicBool,
    /// How many bytes have arrived.
    received: AtomicU64,
    /// How many bytes of long replies have arrived, plus the bytes of long requests that the system has taken.
    moved_of_long: AtomicU64,
    /// When the long requests that were sent will have arrived, over a slow network.
    arrival: Mutex<Option<Instant>>,
    /// Whether one script may carry out several calls.
    shares_scripts: AtomicBool,
    /// Whether it has ended, and not by this side.
    pub broke: AtomicBool,
    incoming: Mutex<ReadBuffer>,
    outgoing: Mutex<Outgoing>,
    waiting: Waiters,
}

/// Requests that are not sent yet.
#[derive(Default)]
pub(crate) struct Outgoing {
    /// Bytes that the system did not take at once.
    pub unsent: BytesMut,
    /// Wakes the driver, to write the rest.
    pub driver: Option<Waker>,
    pub ended: bool,
}

impl Outgoing {
    fn wake_driver(&mut self) {
        self.driver.take().inspect(Waker::wake_by_ref);
    }
}

/// Whether there may be more to read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Read {
    Nothing,
    Something,
}

/// The replies to a pipeline, or to a single command.
pub(crate) struct Replies(Bytes);

impl Replies {
    /// The replies in order. They end at the first one that cannot be parsed.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Reply<'_>> {
        let mut rest = &self.0[..];
        let next = move || if rest.is_empty() { None } else { parse(&mut rest).ok() };
        std::iter::from_fn(next).fuse()
    }

    /// Keeps a part of the replies without copying it.
    pub(crate) fn keep(&self, part: &[u8]) -> Bytes {
        self.0.slice_ref(part)
    }
}

impl Pipe {
    /// Sends commands. Requests are sent in the order of these calls.
    pub fn send(
        &self,
        commands: &[u8],
        replies: usize,
    ) -> impl Future<Output = Result<Replies, Broken>> + use<> {
        let (whom, answer) = oneshot::channel();
        self.0.send(commands, Waiting { replies, whom });
        async move { answer.await.map(Replies).map_err(|_| Broken) }
    }

    /// Sets whether another thread reads replies, by [`Self::read`]. Returns the value before. Not for TLS.
    pub fn read_elsewhere(&self, elsewhere: bool) -> bool {
        let was = self.0.read_elsewhere.swap(elsewhere, Ordering::AcqRel);
        if was != elsewhere {
            self.0.outgoing().wake_driver();
        }
        was
    }

    /// Whether a long reply is arriving.
    pub fn is_busy(&self) -> bool {
        self.0.is_busy.load(Ordering::Relaxed)
    }

    /// How many bytes have arrived, on any thread.
    pub fn received(&self) -> u64 {
        self.0.received.load(Ordering::Relaxed)
    }

    /// How many bytes of long replies have arrived, plus the bytes of long requests that the system has taken.
    pub fn moved_of_long(&self) -> u64 {
        self.0.moved_of_long.load(Ordering::Relaxed)
    }

    /// When the long requests that were sent will have arrived, over a slow network.
    pub fn arrival(&self) -> Option<Instant> {
        *lock(&self.0.arrival)
    }

    /// Whether a caller waits for a reply.
    pub fn is_awaited(&self) -> bool {
        !self.0.waiting().is_empty()
    }

    /// Reads what has arrived, on this thread. It reads only once, because more may keep arriving.
    pub fn read(&self) -> Result<(), Broken> {
        self.0.stream.socket().map_or(Ok(()), |socket| self.0.read(socket).map(drop))
    }

    /// Reads everything that has arrived, and takes reading back from another thread.
    pub fn catch_up(&self) {
        self.read_elsewhere(false);
        if let Some(socket) = self.0.stream.socket() {
            while let Ok(Read::Something) = self.0.read(socket) {}
        }
    }

    /// Whether the connection is known to have ended. It is checked if it was idle, because it may have ended while
    /// no thread was reading. A call that is not written to a dead connection is not in doubt.
    pub fn has_ended(&self) -> bool {
        let shared = &self.0;
        let is_idle = shared.waiting().is_empty();
        match shared.stream.socket() {
            Some(socket) if is_idle && shared.incoming().is_quiet() => shared.read(socket).is_err(),
            _ => shared.outgoing().ended,
        }
    }

    /// The file descriptor that another thread may watch.
    #[cfg(unix)]
    pub fn descriptor(&self) -> Option<std::os::fd::RawFd> {
        self.0.stream.socket().map(std::os::fd::AsRawFd::as_raw_fd)
    }

    /// Whether it has ended, and not by this side.
    pub fn broke(&self) -> bool {
        self.0.broke.load(Ordering::Relaxed)
    }

    /// Whether both are the same connection.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether one script may carry out several calls, whose keys are in several slots.
    pub fn shares_scripts(&self) -> bool {
        self.0.shares_scripts.load(Ordering::Relaxed)
    }

    pub fn set_shares_scripts(&self, shares_scripts: bool) {
        self.0.shares_scripts.store(shares_scripts, Ordering::Relaxed);
    }

    /// Sends one command.
    pub fn send_one(&self, command: &Cmd) -> impl Future<Output = Result<Replies, Broken>> + use<> {
        self.send(&command.get_packed_command(), 1)
    }
}

/// Makes a pipe from a stream.
pub(crate) fn pipe(stream: Stream) -> (Pipe, Driver) {
    let shared = Arc::new(Shared {
        stream,
        read_elsewhere: AtomicBool::new(false),
        is_busy: AtomicBool::new(false),
        received: AtomicU64::new(0),
        moved_of_long: AtomicU64::new(0),
        arrival: Mutex::default(),
        shares_scripts: AtomicBool::new(false),
        broke: AtomicBool::new(false),
        incoming: Mutex::default(),
        outgoing: Mutex::default(),
        waiting: Mutex::default(),
    });
    (Pipe(Arc::clone(&shared)), Driver::new(shared))
}

impl Shared {
    /// Records bytes of a long reply, or of a long request.
    pub fn moved(&self, bytes: usize) {
        self.moved_of_long.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// If the connection has ended, `waiting` is dropped, and its waiter gets `Broken`.
    fn send(&self, commands: &[u8], waiting: Waiting) {
        let mut outgoing = self.outgoing();
        if outgoing.ended {
            return;
        }
        // First, because the replies might arrive before the waiter is registered.
        self.waiting().push_back(waiting);
        if commands.len() >= LONG_REQUESTS_BYTES {
            let mut arrival = lock(&self.arrival);
            let now = Instant::now();
            let begin = arrival.map_or(now, |arrival| arrival.max(now));
            *arrival = Some(begin + Duration::from_micros(commands.len() as u64));
        }
        // Errors are left to the driver.
        let written = match self.stream.socket() {
            Some(socket) if outgoing.unsent.is_empty() && WRITES_DIRECTLY.get() => {
                socket.write(commands).unwrap_or(0)
            }
            _ => 0,
        };
        if written < commands.len() {
            outgoing.unsent.extend_from_slice(&commands[written..]);
            outgoing.wake_driver();
        }
    }

    /// Reads once, on this thread, and gives complete replies to their waiters.
    fn read(&self, socket: &Socket) -> Result<Read, Broken> {
        let mut incoming = self.incoming();
        match incoming.read_inline(socket) {
            Ok(n @ 1..) if self.deliver(&mut incoming, n).is_ok() => return Ok(Read::Something),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Read::Nothing),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Read::Something),
            _ => {}
        }
        drop(incoming);
        let mut outgoing = self.outgoing();
        outgoing.ended = true;
        outgoing.wake_driver();
        Err(Broken)
    }

    /// Gives complete replies to their waiters, after `came` bytes have arrived.
    pub fn deliver(&self, incoming: &mut ReadBuffer, came: usize) -> Result<(), ProtocolError> {
        // The reading thread holds the lock of `incoming`, so no other thread counts.
        let received = self.received.load(Ordering::Relaxed) + came as u64;
        self.received.store(received, Ordering::Relaxed);
        incoming.deliver(&self.waiting)?;
        let is_long = incoming.is_long();
        if is_long {
            self.moved(came);
        }
        self.is_busy.store(is_long, Ordering::Relaxed);
        Ok(())
    }

    pub fn incoming(&self) -> MutexGuard<'_, ReadBuffer> {
        lock(&self.incoming)
    }

    pub fn outgoing(&self) -> MutexGuard<'_, Outgoing> {
        lock(&self.outgoing)
    }

    pub fn waiting(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        lock(&self.waiting)
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
