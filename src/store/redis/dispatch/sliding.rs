//! Which sliding sessions were used, and when each must be extended again. A `get` stays one `GET`: the extension is sent
//! behind its answer, and most uses need none.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use crate::token::SessionId;

/// How many sessions the table tells apart, in 4 MiB. If two sessions get the same place, the later one takes it, and
/// the other one is extended once more than necessary.
const PLACES: usize = 1 << 18;

/// When each sliding session that this process has used must be extended again.
pub(crate) struct SlidingTable {
    hasher: RandomState,
    began: Instant,
    /// Empty until the first sliding session is used.
    places: Mutex<Vec<Place>>,
}

#[derive(Clone, Copy, Default)]
struct Place {
    session: u64,
    /// Milliseconds since the table began.
    next_ms: u64,
}

impl Default for SlidingTable {
    fn default() -> Self {
        let (hasher, places) = (RandomState::new(), Mutex::default());
        Self { hasher, began: Instant::now(), places }
    }
}

impl SlidingTable {
    /// Whether a session that was used now must be extended. If so, it need not be again for a tenth of its duration.
    fn claim(&self, id: SessionId, duration_ms: u64) -> bool {
        self.with_place(id, |place, session, now_ms| {
            let is_due = place.session != session || place.next_ms <= now_ms;
            if is_due {
                *place = Place { session, next_ms: now_ms.saturating_add(duration_ms / 10) };
            }
            is_due
        })
    }

    /// Notes how long a session has left: it need not be extended before nine tenths of its duration are left, nor for
    /// more than a tenth of its duration, because another process may let it end sooner. If it was forgotten meanwhile,
    /// the next use extends it.
    pub fn note(&self, id: SessionId, duration_ms: u64, left_ms: u64) {
        let spare = left_ms.saturating_sub(duration_ms - duration_ms / 10).min(duration_ms / 10);
        if spare > 0 {
            self.with_place(id, |place, session, now_ms| {
                if place.session == session {
                    place.next_ms = now_ms.saturating_add(spare);
                }
            });
        }
    }

    /// Lets the next use of a session extend it.
    pub fn forget(&self, id: SessionId) {
        if self.is_used() {
            self.with_place(id, |place, session, _| {
                if place.session == session {
                    *place = Place::default();
                }
            });
        }
    }

    fn is_used(&self) -> bool {
        !self.places.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    fn with_place<T>(&self, id: SessionId, use_it: impl FnOnce(&mut Place, u64, u64) -> T) -> T {
        let session = self.hasher.hash_one(id) | 1; // 0 stands for none
        let now_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if places.is_empty() {
            places.resize(PLACES, Place::default());
        }
        let place = usize::try_from(session >> 1).unwrap_or_default() % PLACES;
        use_it(&mut places[place], session, now_ms)
    }
}

/// The sliding sessions that the calls of one batch have used and that must be extended.
pub(crate) struct Uses<'t> {
    table: &'t SlidingTable,
    due: Mutex<Vec<Use>>,
}

/// The use of a session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Use {
    /// The position of the call in the batch.
    pub place: usize,
    pub id: SessionId,
    pub duration_ms: u64,
}

impl<'t> Uses<'t> {
    pub fn new(table: &'t SlidingTable) -> Self {
        Self { table, due: Mutex::default() }
    }

    /// Notes a use.
    pub fn note(&self, place: usize, id: SessionId, duration_ms: u64) {
        if self.table.claim(id, duration_ms) {
            self.lock().push(Use { place, id, duration_ms });
        }
    }

    /// Lets the next use of a session extend it.
    pub fn forget(&self, id: SessionId) {
        self.table.forget(id);
    }

    /// Takes the uses after which a session must be extended.
    pub fn take(&self) -> Vec<Use> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Use>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: u64 = 3_600_000;

    fn id(text: &str) -> SessionId {
        SessionId::from_text(&text.repeat(22)).unwrap()
    }

    #[test]
    fn a_session_is_due_at_its_first_use_and_after_it_was_forgotten() {
        let table = SlidingTable::default();
        table.forget(id("a"));
        for _ in 0..2 {
            assert!(table.claim(id("a"), HOUR_MS));
            assert!(!table.claim(id("a"), HOUR_MS));
            assert!(table.claim(id("b"), HOUR_MS));
            table.forget(id("a"));
            table.forget(id("b"));
        }
    }

    #[test]
    fn what_is_noted_after_it_was_forgotten_does_not_count() {
        let table = SlidingTable::default();
        assert!(table.claim(id("a"), HOUR_MS));
        table.forget(id("a"));
        table.note(id("a"), HOUR_MS, HOUR_MS);
        assert!(table.claim(id("a"), HOUR_MS));
    }

    #[test]
    fn a_session_that_lives_long_is_due_again_after_a_tenth_of_its_duration() {
        let table = SlidingTable::default();
        assert!(table.claim(id("a"), 50));
        table.note(id("a"), 50, 1000 * HOUR_MS);
        let began = Instant::now();
        while !table.claim(id("a"), 50) {
            assert!(began.elapsed().as_secs() < 30, "it is not due again");
            std::thread::yield_now();
        }
    }
}
