//! Deadlines without a timer each.
//!
//! A timer of tokio that is the next to fire costs a system call to set. Calls come and go far
//! faster than their deadlines, so one timer serves all, and is set again only after it has fired.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

/// How late a deadline may be noticed, so that many close to each other do not wake all who wait
/// once for each.
const MAX_LATENESS: Duration = Duration::from_millis(25);

/// Tells those who wait that their time is up.
#[derive(Default)]
pub(crate) struct Deadlines {
    /// When the timer fires, if it is set.
    next: Mutex<Option<Instant>>,
    set: Notify,
    fired: Notify,
}

impl Deadlines {
    /// Runs the timer. Somebody must, or no deadline ever comes.
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

    /// Awaits a future until a deadline. Nothing if that came first.
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
            // Listening before the timer is set, or it might fire in between.
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
