//! The runtime's part of a connection.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use bytes::Buf as _;

use super::incoming::let_go;
use super::pipe::Shared;
use super::watch::Watch;

/// Reads replies, unless that is done elsewhere, and writes what could not be written at once. It
/// must be polled for anything to happen, and ends when the connection does, with the server's last
/// words if there were any.
pub(super) struct Driver {
    shared: Arc<Shared>,
    watch: Watch,
}

impl Driver {
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared, watch: Watch::default() }
    }
}

impl Future for Driver {
    type Output = Option<String>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<String>> {
        let driver = self.get_mut();
        // Both directions at each poll: if both sides only wrote, neither would get on.
        let mut ended = driver.poll_write(cx).is_ready();
        // After its waker is known, or it would not hear of a change.
        if driver.shared.read_elsewhere.load(Ordering::Acquire) {
            if driver.shared.outgoing().unsent.is_empty() {
                driver.watch = Watch::default();
            }
        } else {
            ended |= driver.poll_read(cx).is_ready();
        }
        if ended { Poll::Ready(driver.shared.incoming().last_words()) } else { Poll::Pending }
    }
}

impl Drop for Driver {
    /// Tells those who wait that nothing comes any more.
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
                Ok(written @ 1..) => outgoing.unsent.advance(written),
                Ok(0) | Err(_) => return Poll::Ready(()),
            }
        }
        let_go(&mut outgoing.unsent);
        match ready!(stream.poll_flush(cx)) {
            Ok(()) => Poll::Pending,
            Err(_) => Poll::Ready(()),
        }
    }

    /// Ready when nothing can be read any more.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut incoming = self.shared.incoming();
        loop {
            let stream = &self.shared.stream;
            match ready!(stream.poll_read(&mut self.watch, cx, &mut incoming)) {
                Ok(1..) if self.shared.deliver(&mut incoming).is_ok() => {}
                Ok(_) | Err(_) => return Poll::Ready(()),
            }
        }
    }
}
