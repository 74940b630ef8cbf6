//! The runtime's part of a connection: a future that reads replies and writes requests.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use bytes::Buf as _;

use super::pipe::{LONG_REQUESTS_BYTES, Shared};
use super::read_buffer::let_go;
use super::tls::explain;
use super::watch::Watch;
use crate::protocol::is_strange;

/// How a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The peer closed it, or it broke. `answered`: after the beginning of a reply.
    Closed { answered: bool },
    /// The peer sent this error, and closed it.
    Said(String),
    /// The peer sent bytes that are not a reply. These are the first of them.
    Strange(Vec<u8>),
    /// TLS failed. The text is our explanation.
    Failed(String),
}

/// How many bytes are kept of what is not a reply.
const MAX_STRANGE_BYTES: usize = 16;

/// Reads replies, unless another thread does, and writes requests that could not be written at once. It must be
/// polled for that, and is ready when the connection has ended.
pub(crate) struct Driver {
    shared: Arc<Shared>,
    watch: Watch,
}

impl Driver {
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared, watch: Watch::default() }
    }
}

impl Future for Driver {
    type Output = Ending;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ending> {
        let driver = self.get_mut();
        // Both directions at each poll: if both peers only wrote, neither would make progress.
        let mut ended = driver.poll_write(cx).is_ready();
        let mut failure = None;
        // After the waker is registered. Otherwise a change of the flag would not wake the driver.
        if driver.shared.read_elsewhere.load(Ordering::Acquire) {
            if driver.shared.outgoing().unsent.is_empty() {
                driver.watch = Watch::default();
            }
        } else if let Poll::Ready(error) = driver.poll_read(cx) {
            ended = true;
            failure = error.and_then(|error| explain(&error));
        }
        if !ended {
            return Poll::Pending;
        }
        driver.shared.broke.store(true, Ordering::Relaxed);
        Poll::Ready(driver.ending(failure))
    }
}

impl Drop for Driver {
    /// Tells the waiters that no more replies come.
    fn drop(&mut self) {
        self.shared.outgoing().ended = true;
        let mut waiting = self.shared.waiting();
        let has_unanswered = !waiting.is_empty();
        waiting.clear();
        drop(waiting);
        self.shared.stream.end(has_unanswered);
    }
}

impl Driver {
    /// Ready when nothing can be written any more.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut outgoing = self.shared.outgoing();
        if outgoing.ended {
            return Poll::Ready(());
        }
        if outgoing.driver.as_ref().is_none_or(|driver| !driver.will_wake(cx.waker())) {
            outgoing.driver = Some(cx.waker().clone());
        }
        let stream = &self.shared.stream;
        while !outgoing.unsent.is_empty() {
            match ready!(stream.poll_write(&mut self.watch, cx, &outgoing.unsent)) {
                Ok(written @ 1..) => {
                    if outgoing.unsent.len() >= LONG_REQUESTS_BYTES {
                        self.shared.moved(written);
                    }
                    outgoing.unsent.advance(written);
                }
                Ok(0) | Err(_) => return Poll::Ready(()),
            }
        }
        let_go(&mut outgoing.unsent);
        match ready!(stream.poll_flush(cx)) {
            Ok(()) => Poll::Pending,
            Err(_) => Poll::Ready(()),
        }
    }

    /// How the connection ended, judging by the unread bytes.
    fn ending(&self, failure: Option<String>) -> Ending {
        let incoming = self.shared.incoming();
        match (failure, incoming.last_words(), incoming.unread()) {
            (Some(words), ..) => Ending::Failed(words),
            (_, Some(words), _) => Ending::Said(words),
            (.., unread) if is_strange(unread) => {
                Ending::Strange(unread[..unread.len().min(MAX_STRANGE_BYTES)].to_vec())
            }
            (.., unread) => Ending::Closed { answered: !unread.is_empty() },
        }
    }

    /// Ready when nothing can be read any more.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Error>> {
        let mut incoming = self.shared.incoming();
        loop {
            let stream = &self.shared.stream;
            match ready!(stream.poll_read(&mut self.watch, cx, &mut incoming)) {
                Ok(came @ 1..) if self.shared.deliver(&mut incoming, came).is_ok() => {}
                Ok(_) => return Poll::Ready(None),
                Err(error) => return Poll::Ready(Some(error)),
            }
        }
    }
}
