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
    /// what is returned is dropped, or an earlier batch comes back: see [`Turn::stands`].
    pub async fn turn(&self, number: u64) -> Turn<'_> {
        let called = Arc::new(Notify::new());
        self.lock().insert(number, Arc::clone(&called));
        let turn = Turn { queue: self, number, called };
        turn.come().await;
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
    called: Arc<Notify>,
}

impl Turn<'_> {
    /// Whether no earlier batch has come back since, from a connection that broke.
    pub fn stands(&self) -> bool {
        self.queue.first() == Some(self.number)
    }

    /// Waits until it stands.
    pub async fn come(&self) {
        while !self.stands() {
            self.called.notified().await;
        }
    }
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

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    use super::*;

    /// What a future has come to by now, polled once.
    async fn once<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        let mut future = future;
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    #[tokio::test]
    async fn an_earlier_batch_that_comes_back_has_its_turn_first() {
        let queue = Queue::default();
        let (first, second) = (queue.number(), queue.number());
        let later = queue.turn(second).await;
        assert!(later.stands());
        let earlier = queue.turn(first).await;
        assert!(earlier.stands() && !later.stands());
        {
            let mut come = pin!(later.come());
            assert_eq!(once(come.as_mut()).await, None);
            drop(earlier);
            assert_eq!(once(come.as_mut()).await, Some(()));
        }
        drop(later);
        assert!(queue.is_empty());
    }

    #[tokio::test]
    async fn who_stops_waiting_holds_up_nobody() {
        let queue = Queue::default();
        let (first, second, third) = (queue.number(), queue.number(), queue.number());
        let turn = queue.turn(first).await;
        let mut next = pin!(queue.turn(third));
        {
            let mut gone = pin!(queue.turn(second));
            assert!(once(gone.as_mut()).await.is_none());
            assert!(once(next.as_mut()).await.is_none());
        }
        drop(turn);
        assert!(once(next.as_mut()).await.is_some());
    }
}
