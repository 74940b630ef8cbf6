//! Deadlines without a timer each.
//!
//! Setting the tokio timer that fires next costs a system call. Calls come and go far faster than their deadlines, so
//! one timer serves all of them. It is set again only after it has fired, or for an earlier deadline.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

/// How late a deadline may be noticed. Deadlines that are close together then wake the waiting tasks only once.
const MAX_LATENESS: Duration = Duration::from_millis(25);

/// Wakes the waiting tasks when their deadline has passed.
#[derive(Default)]
pub(crate) struct Deadlines {
    /// When the timer fires, if it is set.
    next: Mutex<Option<Instant>>,
    set: Notify,
    fired: Notify,
}

impl Deadlines {
    /// Runs the timer. One task must run it, or no deadline ever passes.
    pub async fn keep(&self) {
        loop {
            let next = *self.lock();
            tokio::select! {
                () = self.set.notified() => {}
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {
                    *self.lock() = None;
                    self.fired.notify_waiters();
                    sleep(MAX_LATENESS).await;
                }
            }
        }
    }

    /// Awaits a future until a deadline. `None` if the deadline came first.
    pub async fn limit<F: Future>(&self, deadline: Instant, future: F) -> Option<F::Output> {
        tokio::select! {
            biased;
            output = future => Some(output),
            () = self.pass(deadline) => None,
        }
    }

    async fn pass(&self, deadline: Instant) {
        loop {
            let mut fired = std::pin::pin!(self.fired.notified());
            // Listens before the timer is set. Otherwise it might fire in between.
            fired.as_mut().enable();
            if Instant::now() >= deadline {
                return;
            }
            self.wake_by(deadline);
            fired.await;
        }
    }

    fn wake_by(&self, deadline: Instant) {
        let mut next = self.lock();
        if next.is_none_or(|next| deadline < next) {
            *next = Some(deadline);
            self.set.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
