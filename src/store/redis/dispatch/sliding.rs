//! Which sliding sessions were used, and when each must be extended again. A `get` stays one `GET`: the extension is sent
//! behind its answer, and most uses need none.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use crate::address::SessionId;

/// How many entries there are at first. There are twice as many as soon as sessions compete for one: a small table stays in
/// the processor's caches, which makes a `get` of one of 1000 sliding sessions 3% faster.
const FIRST_ENTRIES: usize = 1 << 10;

/// How many entries there are at most, in 4 MiB. So many sessions the table tells apart.
const MAX_ENTRIES: usize = 1 << 18;

/// How many entries a session may take. If other sessions have all of them, it takes the entry of the one that must be
/// extended next, and that one is extended once more than necessary. With only one entry for each session, that would
/// happen to a third of 100,000 sessions, again and again.
const WAYS: usize = 4;

/// How long a session is not extended after an extension has failed, unless a tenth of its duration is shorter.
const PAUSE_AFTER_FAILURE_MS: u64 = 1000;

/// When each sliding session that this process has used must be extended again.
pub(crate) struct SlidingTable {
    hasher: RandomState,
    began: Instant,
    entries: Mutex<Entries>,
}

impl Default for SlidingTable {
    fn default() -> Self {
        let (hasher, entries) = (RandomState::new(), Mutex::default());
        Self { hasher, began: Instant::now(), entries }
    }
}

impl SlidingTable {
    /// Whether a session that was used now must be extended. If so, it need not be again for a tenth of its duration.
    pub fn claim(&self, id: SessionId, duration_ms: u64) -> bool {
        let (session, now_ms) = (self.hash(id), self.now_ms());
        let mut entries = self.lock();
        let entry = entries.take(session, now_ms);
        let is_due = entry.session != session || entry.next_ms <= now_ms;
        if is_due {
            *entry = Entry { session, next_ms: now_ms.saturating_add(duration_ms / 10) };
        }
        is_due
    }

    /// Notes how long a session had left at a point in time: it need not be extended before nine tenths of its duration
    /// are left, nor for more than a tenth of its duration, because another process may let it end sooner.
    pub fn note(&self, id: SessionId, duration_ms: u64, (left_ms, at): (u64, Instant)) {
        let tenth = duration_ms / 10;
        // If less is left, it is gone, or no extension gives it more.
        let Some(spare) = left_ms.checked_sub(duration_ms - tenth) else { return };
        // It was forgotten meanwhile, if it has no entry.
        if let Some(entry) = self.lock().find(self.hash(id)) {
            entry.next_ms = self.since_it_began(at).saturating_add(spare.min(tenth));
        }
    }

    /// Lets a session be extended again, but not at once: the server may refuse every extension.
    pub fn failed(&self, id: SessionId, duration_ms: u64) {
        if let Some(entry) = self.lock().find(self.hash(id)) {
            let pause = (duration_ms / 10).min(PAUSE_AFTER_FAILURE_MS);
            entry.next_ms = self.now_ms().saturating_add(pause);
        }
    }

    /// Lets the next use of a session extend it.
    pub fn forget(&self, id: SessionId) {
        if let Some(entry) = self.lock().find(self.hash(id)) {
            *entry = Entry::default();
        }
    }

    fn now_ms(&self) -> u64 {
        self.since_it_began(Instant::now())
    }

    fn since_it_began(&self, at: Instant) -> u64 {
        let passed = at.saturating_duration_since(self.began);
        u64::try_from(passed.as_millis()).unwrap_or(u64::MAX)
    }

    /// What the table knows of a session. 0 stands for none.
    fn hash(&self, id: SessionId) -> u64 {
        self.hasher.hash_one(id) | 1
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone, Copy, Default)]
struct Entry {
    session: u64,
    /// Milliseconds since the table began.
    next_ms: u64,
}

/// The entries in groups. A session takes one of its group. Empty until the first sliding session is used.
#[derive(Default)]
struct Entries(Vec<[Entry; WAYS]>);

impl Entries {
    /// The entry of a session, if it has one.
    fn find(&mut self, session: u64) -> Option<&mut Entry> {
        let group = self.group_of(session);
        self.0.get_mut(group)?.iter_mut().find(|entry| entry.session == session)
    }

    /// The entry of a session, or that which it takes.
    fn take(&mut self, session: u64, now_ms: u64) -> &mut Entry {
        if self.0.is_empty() {
            self.0.resize(FIRST_ENTRIES / WAYS, Default::default());
        }
        loop {
            let group = self.group_of(session);
            let entries = &self.0[group];
            let own = entries.iter().position(|entry| entry.session == session);
            let soonest = || (0..WAYS).min_by_key(|entry| entries[*entry].next_ms);
            let entry = own.or_else(soonest).unwrap_or_default();
            let is_free = own.is_some() || entries[entry].next_ms <= now_ms;
            if is_free || self.0.len() * WAYS == MAX_ENTRIES {
                return &mut self.0[group][entry];
            }
            self.grow();
        }
    }

    /// Makes twice as many entries. The sessions of a group are in two groups then, so each finds an entry.
    fn grow(&mut self) {
        let twice = vec![Default::default(); 2 * self.0.len()];
        let old = std::mem::replace(&mut self.0, twice);
        for entry in old.into_iter().flatten().filter(|entry| entry.session != 0) {
            let group = self.group_of(entry.session);
            if let Some(free) = self.0[group].iter_mut().find(|free| free.session == 0) {
                *free = entry;
            }
        }
    }

    fn group_of(&self, session: u64) -> usize {
        usize::try_from(session >> 1).unwrap_or_default() % self.0.len().max(1)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MINUTE_MS: u64 = 60_000;
    const DURATION_MS: u64 = 10 * MINUTE_MS;

    fn id(name: &str) -> SessionId {
        SessionId::from_text(&format!("{name:_>22}")).unwrap()
    }

    /// One session more than a group has entries. All of them are in the same group, however many groups there are.
    fn rivals(table: &SlidingTable) -> Vec<SessionId> {
        let last_bits = |id| (table.hash(id) >> 1) % (MAX_ENTRIES / WAYS) as u64;
        let first = last_bits(id("first"));
        let others = (0..).map(|n: u64| id(&n.to_string()));
        others.filter(|other| last_bits(*other) == first).take(WAYS + 1).collect()
    }

    /// As if this time had passed.
    fn pass(table: &mut SlidingTable, ms: u64) {
        table.began -= Duration::from_millis(ms);
    }

    #[test]
    fn a_session_is_due_once_in_a_tenth_of_its_duration() {
        let mut table = SlidingTable::default();
        let session = id("session");
        for _ in 0..3 {
            assert!(table.claim(session, DURATION_MS));
            assert!(!table.claim(session, DURATION_MS));
            pass(&mut table, MINUTE_MS - 10_000);
            assert!(!table.claim(session, DURATION_MS));
            pass(&mut table, 10_000);
        }
    }

    #[test]
    fn a_session_is_due_when_nine_tenths_are_left() {
        for (left_ms, due_ms) in [
            (10 * MINUTE_MS, MINUTE_MS),
            (9 * MINUTE_MS + 20_000, 20_000),
            // Another process may shorten its life.
            (60 * MINUTE_MS, MINUTE_MS),
            // What it has left says nothing. It is due a tenth after it was claimed.
            (9 * MINUTE_MS - 1, MINUTE_MS),
            (MINUTE_MS, MINUTE_MS),
            (0, MINUTE_MS),
        ] {
            let mut table = SlidingTable::default();
            let session = id("session");
            assert!(table.claim(session, DURATION_MS));
            table.note(session, DURATION_MS, (left_ms, Instant::now()));
            pass(&mut table, due_ms - 10_000);
            assert!(!table.claim(session, DURATION_MS), "{left_ms} ms left, too early");
            pass(&mut table, 10_000);
            assert!(table.claim(session, DURATION_MS), "{left_ms} ms left");
        }
    }

    #[test]
    fn a_late_answer_does_not_put_the_next_extension_off() {
        for left_ms in [DURATION_MS, 10 * DURATION_MS] {
            let mut table = SlidingTable::default();
            let session = id("session");
            assert!(table.claim(session, DURATION_MS));
            let answered = Instant::now();
            pass(&mut table, MINUTE_MS - 10_000);
            // The end of its batch came later.
            let answered = answered - Duration::from_millis(MINUTE_MS - 10_000);
            table.note(session, DURATION_MS, (left_ms, answered));
            assert!(!table.claim(session, DURATION_MS), "{left_ms} ms left, too early");
            pass(&mut table, 10_000);
            assert!(table.claim(session, DURATION_MS), "{left_ms} ms left");
        }
    }

    #[test]
    fn a_session_that_has_just_nine_tenths_left_is_due_at_once() {
        let table = SlidingTable::default();
        assert!(table.claim(id("session"), DURATION_MS));
        table.note(id("session"), DURATION_MS, (9 * MINUTE_MS, Instant::now()));
        assert!(table.claim(id("session"), DURATION_MS));
    }

    #[test]
    fn after_a_failure_a_session_is_due_within_a_second() {
        let mut table = SlidingTable::default();
        assert!(table.claim(id("session"), DURATION_MS));
        table.failed(id("session"), DURATION_MS);
        assert!(!table.claim(id("session"), DURATION_MS));
        pass(&mut table, PAUSE_AFTER_FAILURE_MS);
        assert!(table.claim(id("session"), DURATION_MS));
    }

    #[test]
    fn a_session_that_was_forgotten_is_due_at_once() {
        let table = SlidingTable::default();
        let session = id("session");
        assert!(table.claim(session, DURATION_MS));
        table.forget(session);
        // The answer to an extension that was sent before does not count.
        table.note(session, DURATION_MS, (10 * DURATION_MS, Instant::now()));
        assert!(table.claim(session, DURATION_MS));
        assert!(!table.claim(session, DURATION_MS));
    }

    #[test]
    fn sessions_share_entries_and_the_last_takes_that_of_the_one_that_is_due_next() {
        let mut table = SlidingTable::default();
        let rivals = rivals(&table);
        for session in &rivals[..WAYS] {
            assert!(table.claim(*session, DURATION_MS));
            pass(&mut table, 1000);
        }
        for session in &rivals[..WAYS] {
            assert!(!table.claim(*session, DURATION_MS));
        }
        assert!(table.claim(rivals[WAYS], DURATION_MS));
        // The first has no entry any more.
        table.note(rivals[0], DURATION_MS, (10 * DURATION_MS, Instant::now()));
        table.forget(rivals[0]);
        for session in &rivals[1..] {
            assert!(!table.claim(*session, DURATION_MS));
        }
        assert!(table.claim(rivals[0], DURATION_MS));
    }

    #[test]
    fn the_shortest_and_the_longest_duration_have_no_overflow() {
        for duration_ms in [1, 9, 10, u64::MAX] {
            let table = SlidingTable::default();
            assert!(table.claim(id("session"), duration_ms));
            table.note(id("session"), duration_ms, (u64::MAX, Instant::now()));
        }
    }

    #[test]
    fn the_table_grows_until_every_session_has_an_entry() {
        let table = SlidingTable::default();
        let sessions: Vec<_> = (0..FIRST_ENTRIES * 2).map(|n| id(&n.to_string())).collect();
        for session in &sessions {
            assert!(table.claim(*session, DURATION_MS));
        }
        for session in &sessions {
            assert!(!table.claim(*session, DURATION_MS));
        }
    }

    #[test]
    fn the_table_takes_sixteen_kibibytes_from_the_first_use_on_and_never_more_than_four_mebibytes()
    {
        let bytes = |table: &SlidingTable| table.lock().0.capacity() * size_of::<[Entry; WAYS]>();
        let table = SlidingTable::default();
        table.forget(id("session"));
        assert_eq!(bytes(&table), 0, "nothing slides yet");
        table.claim(id("session"), DURATION_MS);
        assert_eq!(bytes(&table), 16 << 10);
        for session in rivals(&table) {
            table.claim(session, DURATION_MS);
        }
        assert_eq!(bytes(&table), 4 << 20);
    }
}
