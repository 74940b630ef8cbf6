//! The read buffer: bytes that have arrived from the server, until their replies are given to the waiters.

use std::collections::VecDeque;
use std::io;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::sync::oneshot;

use super::pipe::lock;
use super::stream::Socket;
use crate::protocol::{ProtocolError, Reply, Scanner, parse};

/// How many bytes are read at once.
const READ_BYTES: usize = 64 * 1024;

/// If this many bytes of an incomplete reply have arrived, the I/O thread reads the rest.
const LONG_REPLY_BYTES: usize = 32 * 1024;

/// An empty buffer that has grown beyond this is not kept.
const MAX_IDLE_BUFFER_BYTES: usize = 1024 * 1024;

/// For this long after a reply, a connection is assumed to be alive. Checking it costs a system call.
const QUIET_AFTER: Duration = Duration::from_millis(1);

/// Bytes that have arrived.
#[derive(Default)]
pub(crate) struct ReadBuffer {
    /// Begins with the first reply that was not given to a waiter.
    buffer: BytesMut,
    scanner: Scanner,
    /// How many complete replies are at the beginning of the buffer.
    found: usize,
    /// The buffer that a socket is read into.
    space: Vec<u8>,
    /// When something was last read inline.
    last: Option<Instant>,
}

/// A caller that waits for the next `replies` replies.
pub(crate) struct Waiting {
    pub replies: usize,
    pub whom: oneshot::Sender<Bytes>,
}

/// The waiters, in the order of their commands.
pub(crate) type Waiters = Mutex<VecDeque<Waiting>>;

impl ReadBuffer {
    /// Whether nothing was read inline for a while.
    pub fn is_quiet(&self) -> bool {
        self.last.is_none_or(|time| time.elapsed() > QUIET_AFTER)
    }

    /// The buffer that TLS is read into.
    pub fn room(&mut self) -> &mut BytesMut {
        if self.buffer.capacity() - self.buffer.len() < READ_BYTES / 8 {
            self.buffer.reserve(READ_BYTES);
        }
        &mut self.buffer
    }

    /// Reads once. Returns 0 at the end.
    pub fn read(&mut self, mut source: impl io::Read) -> io::Result<usize> {
        self.space.resize(READ_BYTES, 0);
        let read = source.read(&mut self.space)?;
        self.buffer.extend_from_slice(&self.space[..read]);
        Ok(read)
    }

    /// Reads once on a thread that does not belong to the runtime. Such a thread notices the end of the connection
    /// only when it checks.
    pub fn read_inline(&mut self, socket: &Socket) -> io::Result<usize> {
        let read = self.read(socket)?;
        self.last = Some(Instant::now());
        Ok(read)
    }

    /// Whether a long reply has arrived in part.
    pub fn is_long(&self) -> bool {
        self.buffer.len() >= LONG_REPLY_BYTES || self.scanner.is_skipping()
    }

    /// Gives complete replies to their waiters.
    pub fn deliver(&mut self, waiters: &Waiters) -> Result<(), ProtocolError> {
        while self.scanner.place() < self.buffer.len() && self.scanner.next(&mut self.buffer)? {
            self.found += 1;
            let mut waiting = lock(waiters);
            // A reply without a request would be taken for the reply to the next request.
            let next = waiting.front().ok_or(ProtocolError)?;
            if self.found == next.replies
                && let Some(done) = waiting.pop_front()
            {
                drop(waiting);
                let replies = self.buffer.split_to(self.scanner.place()).freeze();
                self.scanner.restart();
                self.found = 0;
                // A caller that has given up does not need the replies.
                let _unheard = done.whom.send(replies);
            }
        }
        let_go(&mut self.buffer);
        Ok(())
    }

    /// The bytes that were not given to a waiter.
    pub fn unread(&self) -> &[u8] {
        &self.buffer
    }

    /// The error that a server may send before it hangs up.
    pub fn last_words(&self) -> Option<String> {
        match parse(&mut &self.buffer[..]) {
            Ok(Reply::Error(words)) => Some(words.into_owned()),
            _ => None,
        }
    }
}

/// Frees a buffer that one large record has grown.
pub(crate) fn let_go(buffer: &mut BytesMut) {
    if buffer.is_empty() && buffer.capacity() > MAX_IDLE_BUFFER_BYTES {
        *buffer = BytesMut::new();
    }
}
