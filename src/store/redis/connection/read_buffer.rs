//! What has come from the server and waits to be given out.

use std::collections::VecDeque;
use std::io;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::sync::oneshot;

use super::pipe::lock;
use super::stream::Socket;
use crate::protocol::{ProtocolError, Reply, Scanner, parse};

/// How much is read at once.
const READ_BYTES: usize = 64 * 1024;

/// A reply of which so much has come, and not all, is one for the I/O thread.
const LONG_REPLY_BYTES: usize = 32 * 1024;

/// An empty buffer that has grown beyond this is not kept.
const MAX_IDLE_BUFFER_BYTES: usize = 1024 * 1024;

/// For so long after a reply a connection is taken to be alive: to look costs a system call.
const QUIET_AFTER: Duration = Duration::from_millis(1);

/// What has come.
#[derive(Default)]
pub(crate) struct ReadBuffer {
    /// Begins with the first reply that nobody was given.
    buffer: BytesMut,
    scanner: Scanner,
    /// Whole replies at the beginning of the buffer.
    found: usize,
    /// Where a socket is read to.
    space: Vec<u8>,
    /// When something was last read inline.
    last: Option<Instant>,
}

/// Who waits for the next so many replies.
pub(crate) struct Waiting {
    pub replies: usize,
    pub whom: oneshot::Sender<Bytes>,
}

/// Those who wait, in the order of their commands.
pub(crate) type Waiters = Mutex<VecDeque<Waiting>>;

impl ReadBuffer {
    /// Whether nothing has come for a while.
    pub fn is_quiet(&self) -> bool {
        self.last.is_none_or(|time| time.elapsed() > QUIET_AFTER)
    }

    /// Where TLS is read to.
    pub fn room(&mut self) -> &mut BytesMut {
        if self.buffer.capacity() - self.buffer.len() < READ_BYTES / 8 {
            self.buffer.reserve(READ_BYTES);
        }
        &mut self.buffer
    }

    /// Reads once; 0 at the end.
    pub fn read(&mut self, socket: &Socket) -> io::Result<usize> {
        self.space.resize(READ_BYTES, 0);
        let read = socket.read(&mut self.space)?;
        self.buffer.extend_from_slice(&self.space[..read]);
        Ok(read)
    }

    /// The same on a thread that is not the runtime's, which sees the end of the connection only when it
    /// looks for it.
    pub fn read_inline(&mut self, socket: &Socket) -> io::Result<usize> {
        let read = self.read(socket)?;
        self.last = Some(Instant::now());
        Ok(read)
    }

    /// Whether a long reply has not come whole.
    pub fn is_long(&self) -> bool {
        self.buffer.len() >= LONG_REPLY_BYTES || self.scanner.is_skipping()
    }

    /// Gives whole replies to those who wait for them.
    pub fn deliver(&mut self, waiters: &Waiters) -> Result<(), ProtocolError> {
        while self.scanner.place() < self.buffer.len() && self.scanner.next(&mut self.buffer)? {
            self.found += 1;
            let mut waiting = lock(waiters);
            // A reply that nobody asked for would be taken for the next one's.
            let next = waiting.front().ok_or(ProtocolError)?;
            if self.found == next.replies
                && let Some(done) = waiting.pop_front()
            {
                drop(waiting);
                let replies = self.buffer.split_to(self.scanner.place()).freeze();
                self.scanner.restart();
                self.found = 0;
                // Who gave up waiting does not mind.
                let _unheard = done.whom.send(replies);
            }
        }
        let_go(&mut self.buffer);
        Ok(())
    }

    /// What nobody was given.
    pub fn unread(&self) -> &[u8] {
        &self.buffer
    }

    /// The error that a server may leave when it hangs up.
    pub fn last_words(&self) -> Option<String> {
        match parse(&mut &self.buffer[..]) {
            Ok(Reply::Error(words)) => Some(words.into_owned()),
            _ => None,
        }
    }
}

/// Gives back what one large record has made of a buffer.
pub(crate) fn let_go(buffer: &mut BytesMut) {
    if buffer.is_empty() && buffer.capacity() > MAX_IDLE_BUFFER_BYTES {
        *buffer = BytesMut::new();
    }
}
