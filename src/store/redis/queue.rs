//! Lets batches send in the order in which they came, also when they have to send again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The batches that wait to be sent, by their number.
#[derive(Default)]
pub(super) struct Queue {
    last: AtomicU64,
    waiting: Mutex<BTreeMap<u64, Arc<Notify>>>,
}

impl Queue {
    /// Numbers a batch.
    pub fn number(&self) -> u64 {
        self.last.fetch_add(1, Ordering::Relaxed)
    }

    /// Waits until every batch with a lower number is sent or settled. It is this one's turn until
    /// what is returned is dropped.
    pub async fn turn(&self, number: u64) -> Turn<'_> {
        let called = Arc::new(Notify::new());
        self.lock().insert(number, Arc::clone(&called));
        let turn = Turn { queue: self, number };
        while self.first() != Some(number) {
            called.notified().await;
        }
        turn
    }

    /// Whether no batch waits.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Notify>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn first(&self) -> Option<u64> {
        self.lock().first_key_value().map(|(number, _)| *number)
    }
}

/// A batch's place in the queue.
pub(super) struct Turn<'a> {
    queue: &'a Queue,
    number: u64,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut waiting = self.queue.lock();
        waiting.remove(&self.number);
        if let Some((_, next)) = waiting.first_key_value() {
            next.notify_one();
        }
    }
}
