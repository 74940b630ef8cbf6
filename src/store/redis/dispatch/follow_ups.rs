//! What must be done behind the answers of a batch. No caller waits for it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::sliding::SlidingTable;
use crate::address::SessionId;
use crate::operation::Pointer;

/// What must be done behind the answers of one batch: the sliding sessions that the calls have used and that must be
/// extended, and the pointers that must be dropped.
pub(crate) struct FollowUps<'t> {
    table: &'t SlidingTable,
    due: Mutex<Vec<Use>>,
    /// Each with the position of its call in the batch.
    dropped: Mutex<Vec<(usize, Pointer)>>,
}

/// The use of a session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Use {
    /// The position of the call in the batch.
    pub position: usize,
    pub id: SessionId,
    pub duration_ms: u64,
}

impl<'t> FollowUps<'t> {
    pub fn new(table: &'t SlidingTable) -> Self {
        Self { table, due: Mutex::default(), dropped: Mutex::default() }
    }

    /// Notes a pointer that must be dropped.
    pub fn drop_pointer(&self, position: usize, pointer: Pointer) {
        self.lock_dropped().push((position, pointer));
    }

    /// Takes the pointers that must be dropped.
    pub fn take_dropped(&self) -> Vec<(usize, Pointer)> {
        std::mem::take(&mut *self.lock_dropped())
    }

    fn lock_dropped(&self) -> MutexGuard<'_, Vec<(usize, Pointer)>> {
        self.dropped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a use.
    pub fn note_use(&self, position: usize, id: SessionId, duration_ms: u64) {
        if self.table.claim(id, duration_ms) {
            self.lock_due().push(Use { position, id, duration_ms });
        }
    }

    /// Notes that a session may end sooner than the table knows.
    pub fn forget_use(&self, id: SessionId) {
        self.table.forget(id);
    }

    /// Takes the uses after which a session must be extended.
    pub fn take_due(&self) -> Vec<Use> {
        std::mem::take(&mut *self.lock_due())
    }

    fn lock_due(&self) -> MutexGuard<'_, Vec<Use>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
