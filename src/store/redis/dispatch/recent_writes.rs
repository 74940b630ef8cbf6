//! Which owners' sessions this process has changed recently. It does not read them from a replica, which may not have
//! the change yet.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::address::Route;

/// How many changed owners of one generation are told apart, in about 20 MiB. If there are more, every session is
/// read from the primary.
const MAX_CHANGES: usize = 1 << 20;

/// Owners, by the hash of their sessions' route. Two owners may have the same hash; then more sessions than necessary
/// are read from the primary.
pub(crate) struct RecentWrites {
    memory: Duration,
    hasher: RandomState,
    generations: Mutex<Generations>,
}

/// Owners changed since `since`, and those changed in the generation before.
struct Generations {
    since: Instant,
    young: HashSet<u64>,
    old: HashSet<u64>,
}

impl RecentWrites {
    /// Remembers each change for at least this long, and at most twice as long.
    pub fn new(memory: Duration) -> Self {
        let generations = Generations {
            since: Instant::now(),
            young: HashSet::default(),
            old: HashSet::default(),
        };
        Self { memory, hasher: RandomState::new(), generations: Mutex::new(generations) }
    }

    /// Remembers a change.
    pub fn note(&self, now: Instant, route: Route, app: &[u8]) {
        let owner = self.hasher.hash_one((route, app));
        self.with(now, |generations| {
            if generations.young.len() < MAX_CHANGES {
                generations.young.insert(owner);
            }
        });
    }

    /// Whether there was a change recently.
    pub fn has(&self, now: Instant, route: Route, app: &[u8]) -> bool {
        let owner = self.hasher.hash_one((route, app));
        self.with(now, |generations| {
            let all = [&generations.young, &generations.old];
            all.iter().any(|owners| owners.len() == MAX_CHANGES || owners.contains(&owner))
        })
    }

    fn with<T>(&self, now: Instant, use_them: impl FnOnce(&mut Generations) -> T) -> T {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        let age = now.duration_since(generations.since);
        if age >= self.memory {
            let young = std::mem::take(&mut generations.young);
            generations.old = if age < self.memory * 2 { young } else { HashSet::default() };
            generations.since = now;
        }
        use_them(&mut generations)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::OwnerHash;

    #[test]
    fn more_changes_than_are_told_apart_count_for_everybody() {
        let recent = RecentWrites::new(Duration::from_secs(10));
        let now = Instant::now();
        let route = |n: usize| OwnerHash::of(b"app", n.to_string().as_bytes()).route();
        recent.note(now, route(0), b"app");
        assert!(!recent.has(now, route(1), b"app"));
        recent.with(now, |generations| generations.young.extend(0..MAX_CHANGES as u64 - 1));
        recent.note(now, route(2), b"app");
        recent.note(now, route(3), b"app");
        assert!(recent.has(now, route(4), b"app"));
        assert_eq!(recent.with(now, |generations| generations.young.len()), MAX_CHANGES);
        assert!(!recent.has(now + Duration::from_secs(20), route(4), b"app"));
    }

    #[test]
    fn a_change_is_remembered_for_its_time_and_then_forgotten() {
        let recent = RecentWrites::new(Duration::from_secs(10));
        let route = OwnerHash::of(b"app", b"owner").route();
        let mut now = Instant::now();
        for pause in [0, 3, 9, 15, 25] {
            now += Duration::from_secs(pause);
            assert!(!recent.has(now, route, b"app"));
            recent.note(now, route, b"app");
            assert!(recent.has(now, route, b"app") && !recent.has(now, route, b"other"));
            now += Duration::from_millis(9_999);
            assert!(recent.has(now, route, b"app"), "after a pause of {pause} s");
            now += Duration::from_secs(11);
        }
    }
}
