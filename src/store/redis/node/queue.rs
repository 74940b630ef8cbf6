//! Lets pipelines send to a server in the order of their batches, even if they have to send again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The position of a pipeline among all others: by batch in the order of arrival, then within its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub batch: u64,
    pub pipeline: u64,
}

/// The pipelines that wait to be sent, in order.
#[derive(Default)]
pub(crate) struct Queue {
    waiting: Mutex<BTreeMap<Place, Arc<Notify>>>,
}

impl Queue {
    /// Waits until every earlier pipeline is sent or answered. This pipeline has its turn until the result is
    /// dropped, or until an earlier pipeline comes back: see [`Turn::stands`].
    pub async fn turn(&self, place: Place) -> Turn<'_> {
        let called = Arc::new(Notify::new());
        self.lock().insert(place, Arc::clone(&called));
        let turn = Turn { queue: self, place, called };
        turn.come().await;
        turn
    }

    /// Whether no pipeline waits.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Place, Arc<Notify>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn first(&self) -> Option<Place> {
        self.lock().first_key_value().map(|(place, _)| *place)
    }
}

/// A pipeline's turn to send.
pub(crate) struct Turn<'a> {
    queue: &'a Queue,
    place: Place,
    called: Arc<Notify>,
}

impl Turn<'_> {
    /// Whether it is still this pipeline's turn. An earlier pipeline may have come back from a connection that broke.
    pub fn stands(&self) -> bool {
        self.queue.first() == Some(self.place)
    }

    /// Waits until it is this pipeline's turn.
    pub async fn come(&self) {
        while !self.stands() {
            self.called.notified().await;
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut waiting = self.queue.lock();
        waiting.remove(&self.place);
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

    /// The output of a future, if it is ready when polled once.
    async fn once<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        let mut future = future;
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    fn place(batch: u64) -> Place {
        Place { batch, pipeline: 0 }
    }

    #[tokio::test]
    async fn an_earlier_batch_that_comes_back_has_its_turn_first() {
        let queue = Queue::default();
        let (first, second) = (place(0), place(1));
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
        let (first, second, third) = (place(0), place(1), place(2));
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
