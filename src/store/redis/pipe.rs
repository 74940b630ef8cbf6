//! One open connection: commands go in as bytes, and their replies come out, in the same order.

use std::collections::VecDeque;
use std::future::Future;

use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use redis::Cmd;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::sync::{mpsc, oneshot};

use super::wire::{Garbage, Reply, Scanner, parse};

/// How much is read at once.
const READ: usize = 64 * 1024;

/// Where commands go in. Clones share the connection, which closes when the last is dropped.
#[derive(Clone)]
pub(super) struct Pipe(mpsc::UnboundedSender<Sent>);

/// The connection ended before all replies came: the commands may have been carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

/// Commands on their way.
struct Sent {
    commands: Vec<u8>,
    waiting: Waiting,
}

/// Who waits for the next so many replies.
struct Waiting {
    replies: usize,
    whom: oneshot::Sender<Bytes>,
}

/// The replies to a pipeline, or to a single command.
pub(super) struct Replies(Bytes);

impl Replies {
    /// The replies in their order. What cannot be read ends them.
    pub fn iter(&self) -> impl Iterator<Item = Reply<'_>> {
        let mut rest = &self.0[..];
        std::iter::from_fn(move || if rest.is_empty() { None } else { parse(&mut rest).ok() })
    }
}

impl Pipe {
    /// Sends commands. They are on their way, in the order of these calls, when this returns.
    pub fn send(
        &self,
        commands: Vec<u8>,
        replies: usize,
    ) -> impl Future<Output = Result<Replies, Broken>> + use<> {
        let (whom, answer) = oneshot::channel();
        let sent = self.0.send(Sent { commands, waiting: Waiting { replies, whom } });
        async move {
            sent.map_err(|_| Broken)?;
            answer.await.map(Replies).map_err(|_| Broken)
        }
    }

    /// Sends one command.
    pub fn send_one(&self, command: &Cmd) -> impl Future<Output = Result<Replies, Broken>> + use<> {
        self.send(command.get_packed_command(), 1)
    }
}

/// Moves bytes between a stream and the pipe's users. It must be polled for anything to happen, and
/// ends when the connection does, with the server's last words if there were any.
pub(super) struct Driver<S> {
    stream: S,
    inbox: mpsc::UnboundedReceiver<Sent>,
    unsent: BytesMut,
    waiting: VecDeque<Waiting>,
    /// Begins with the first reply that nobody was given.
    read: BytesMut,
    scanner: Scanner,
    /// Whole replies at the beginning of `read`.
    found: usize,
}

/// Makes a pipe of a stream.
pub(super) fn pipe<S>(stream: S) -> (Pipe, Driver<S>) {
    let (sender, inbox) = mpsc::unbounded_channel();
    let driver = Driver {
        stream,
        inbox,
        unsent: BytesMut::new(),
        waiting: VecDeque::new(),
        read: BytesMut::new(),
        scanner: Scanner::default(),
        found: 0,
    };
    (Pipe(sender), driver)
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Driver<S> {
    type Output = Option<String>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<String>> {
        let driver = self.get_mut();
        // Both directions at each poll: if both sides only wrote, neither would get on.
        let ended = driver.poll_write(cx).is_ready() | driver.poll_read(cx).is_ready();
        if ended { Poll::Ready(driver.last_words()) } else { Poll::Pending }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Driver<S> {
    /// Ready when nothing can be written any more.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Poll::Ready(sent) = self.inbox.poll_recv(cx) {
            let Some(Sent { commands, waiting }) = sent else { return Poll::Ready(()) };
            // Nobody waits any more, and not a byte has left: it need not be carried out.
            if waiting.whom.is_closed() {
                continue;
            }
            self.unsent.extend_from_slice(&commands);
            self.waiting.push_back(waiting);
        }
        while !self.unsent.is_empty() {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, &self.unsent)) {
                Ok(written @ 1..) => self.unsent.advance(written),
                Ok(0) | Err(_) => return Poll::Ready(()),
            }
        }
        match ready!(Pin::new(&mut self.stream).poll_flush(cx)) {
            Ok(()) => Poll::Pending,
            Err(_) => Poll::Ready(()),
        }
    }

    /// Ready when nothing can be read any more.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.read.capacity() - self.read.len() < READ / 8 {
                self.read.reserve(READ);
            }
            let read = pin!(self.stream.read_buf(&mut self.read)).poll(cx);
            match ready!(read) {
                Ok(1..) if self.deliver().is_ok() => {}
                Ok(_) | Err(_) => return Poll::Ready(()),
            }
        }
    }

    /// Gives whole replies to those who wait for them.
    fn deliver(&mut self) -> Result<(), Garbage> {
        while !self.read.is_empty() && self.scanner.place() < self.read.len() {
            if !self.scanner.next(&self.read)? {
                return Ok(());
            }
            self.found += 1;
            // A reply that nobody asked for would be taken for the next one's.
            let next = self.waiting.front().ok_or(Garbage)?;
            if self.found == next.replies {
                let replies = self.read.split_to(self.scanner.place()).freeze();
                self.scanner.restart();
                self.found = 0;
                if let Some(waiting) = self.waiting.pop_front() {
                    // Who gave up waiting does not mind.
                    let _unheard = waiting.whom.send(replies);
                }
            }
        }
        Ok(())
    }

    /// The error that a server may leave when it hangs up.
    fn last_words(&self) -> Option<String> {
        match parse(&mut &self.read[..]) {
            Ok(Reply::Error(words)) => Some(words.to_owned()),
            _ => None,
        }
    }
}
