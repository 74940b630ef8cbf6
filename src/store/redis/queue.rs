//! Lets batches send in the order in which they came, also when they have to send again.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use tokio::sync::Notify;

/// The batches that wait to be sent, by their number.
#[derive(Default)]
pub(super) struct Queue {
    last: Cell<u64>,
    waiting: RefCell<BTreeMap<u64, Rc<Notify>>>,
}

impl Queue {
    /// Numbers a batch.
    pub fn number(&self) -> u64 {
        self.last.set(self.last.get() + 1);
        self.last.get()
    }

    /// Waits until every batch with a lower number is sent or settled. It is this one's turn until
    /// what is returned is dropped.
    pub async fn turn(&self, number: u64) -> Turn<'_> {
        let called = Rc::new(Notify::new());
        self.waiting.borrow_mut().insert(number, Rc::clone(&called));
        let turn = Turn { queue: self, number };
        while self.first() != Some(number) {
            called.notified().await;
        }
        turn
    }

    /// Whether no batch waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.borrow().is_empty()
    }

    fn first(&self) -> Option<u64> {
        self.waiting.borrow().first_key_value().map(|(number, _)| *number)
    }
}

/// A batch's place in the queue.
pub(super) struct Turn<'a> {
    queue: &'a Queue,
    number: u64,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut waiting = self.queue.waiting.borrow_mut();
        waiting.remove(&self.number);
        if let Some((_, next)) = waiting.first_key_value() {
            next.notify_one();
        }
    }
}
