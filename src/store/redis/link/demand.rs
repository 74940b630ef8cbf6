//! The demand of calls: how many of them wait for a connection, or for a node, that a background task is to find.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Counts waiting calls, and wakes the task that works for them.
#[derive(Default)]
pub(crate) struct Demand {
    waiting: AtomicUsize,
    wanted: Notify,
}

impl Demand {
    /// Counts a call and wakes the task. The call waits until the result is dropped.
    pub fn wait(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.wake();
        Waiting(self)
    }

    /// Wakes the task, although no call waits.
    pub fn wake(&self) {
        self.wanted.notify_one();
    }

    /// Whether a call waits.
    pub fn is_there(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Waits until the task is woken.
    pub async fn woken(&self) {
        self.wanted.notified().await;
    }
}

/// A waiting call.
pub(crate) struct Waiting<'a>(&'a Demand);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
