//! A separate connection for calls that were in flight when connections broke twice.
//!
//! One of these calls may be the reason: the request may be too long for the server or for a proxy, or its reply may
//! be. They are sent in groups. When the connection breaks, the next group is half as large, until one call is in
//! flight alone. All other calls stay on the node's own connection, and are not held up.

use std::collections::VecDeque;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hash};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::Node;
use super::queue::Queue;
use crate::address::SessionId;
use crate::store::redis::connection::pipe::{Pipe, lock};
use crate::store::redis::link::endpoint::Endpoint;
use crate::store::redis::link::{Link, Timeouts};

/// How often it is checked whether the connection is still needed.
const IDLE_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// How long a call that a server could not take is sent in quarantine when it is made again. After that, the server
/// may have been reconfigured.
const CULPRIT_TTL: Duration = Duration::from_secs(60);

/// How many such calls are remembered.
const MAX_CULPRITS: usize = 64;

/// If a request has at least this many bytes of data, its length is taken for the cause.
const LONG_REQUEST_BYTES: usize = 64 * 1024;

/// A connection to a node, beside its own one, while calls are suspected.
pub(crate) struct Quarantine {
    pub link: Link,
    pub queue: Queue,
    gate: Mutex<Gate>,
    room: Notify,
}

struct Gate {
    /// How many calls may be in flight at once.
    most: usize,
    under_way: usize,
    /// The connection that broke last, and how many calls were in flight on it.
    broken: Option<(Pipe, usize)>,
}

impl Quarantine {
    /// Begins to connect.
    pub fn new(end: Arc<Endpoint>, timeouts: Timeouts) -> Self {
        Self {
            link: Link::of_quarantine(end, timeouts),
            queue: Queue::default(),
            gate: Mutex::new(Gate { most: usize::MAX, under_way: 0, broken: None }),
            room: Notify::new(),
        }
    }

    /// Waits until there is room for this many calls, or admits some of them if no other call is in flight. The
    /// caller must have its turn.
    pub async fn pass(&self, calls: usize) -> Pass<'_> {
        loop {
            {
                let mut gate = self.gate();
                let room = gate.most.saturating_sub(gate.under_way);
                let admitted = if gate.under_way == 0 { calls.min(room) } else { calls };
                if admitted <= room {
                    gate.under_way += admitted;
                    return Pass { quarantine: self, calls: admitted };
                }
            }
            self.room.notified().await;
        }
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        lock(&self.gate)
    }
}

/// Admits calls, which count as in flight until it is dropped.
pub(crate) struct Pass<'q> {
    quarantine: &'q Quarantine,
    pub calls: usize,
}

impl Pass<'_> {
    /// Whether no other call is in flight.
    pub fn is_for_one_alone(&self) -> bool {
        self.calls == 1 && self.quarantine.gate().under_way == 1
    }

    /// Records that the calls were answered. More calls may be in flight at once.
    pub fn answered(&self) {
        let mut gate = self.quarantine.gate();
        gate.most = gate.most.saturating_add(self.calls);
    }

    /// Records that the connection broke. Half as many calls may be in flight at once. Returns how many were.
    pub fn broken(&self, pipe: &Pipe) -> usize {
        let mut gate = self.quarantine.gate();
        if let Some((_, calls)) = gate.broken.as_ref().filter(|(last, _)| last.is(pipe)) {
            return *calls;
        }
        let calls = gate.under_way;
        gate.most = (calls / 2).max(1);
        gate.broken = Some((pipe.clone(), calls));
        calls
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.quarantine.gate().under_way -= self.calls;
        self.quarantine.room.notify_one();
    }
}

/// Closes a node's quarantine once no pipeline uses it.
pub(crate) async fn close_when_idle(node: Weak<Node>) {
    loop {
        sleep(IDLE_CHECK_INTERVAL).await;
        let Some(node) = node.upgrade() else { return };
        let mut quarantine = lock(&node.quarantine);
        if quarantine.as_ref().is_none_or(|used| Arc::strong_count(used) == 1) {
            *quarantine = None;
            return;
        }
    }
}

/// The calls that servers could not take. They are remembered, so that the same call does not break another
/// connection.
#[derive(Default)]
pub(crate) struct Culprits {
    hasher: RandomState,
    count: AtomicUsize,
    known: Mutex<VecDeque<(Instant, Culprit)>>,
}

enum Culprit {
    /// Every call with at least this many bytes of data.
    Length(usize),
    /// An operation on one session, by its hash.
    Call(u64),
}

impl Culprits {
    /// Remembers a call that a server could not take, by the bytes of its data and by its operation and session.
    pub fn note(&self, data_bytes: usize, what: impl Hash) {
        self.remember(match data_bytes {
            length @ LONG_REQUEST_BYTES.. => Culprit::Length(length),
            _ => Culprit::Call(self.hasher.hash_one(what)),
        });
    }

    /// Remembers that a connection broke while a record was folded.
    pub fn note_fold(&self, id: SessionId) {
        self.remember(Culprit::Call(self.hash_of_fold(id)));
    }

    /// Whether a connection broke while this record was folded.
    pub fn has_fold(&self, id: SessionId) -> bool {
        self.count.load(Ordering::Relaxed) > 0 && self.knows(0, self.hash_of_fold(id))
    }

    fn hash_of_fold(&self, id: SessionId) -> u64 {
        self.hasher.hash_one(("fold", id.as_bytes()))
    }

    fn remember(&self, culprit: Culprit) {
        let mut known = lock(&self.known);
        known.truncate(MAX_CULPRITS - 1);
        known.push_front((Instant::now() + CULPRIT_TTL, culprit));
        self.count.store(known.len(), Ordering::Relaxed);
    }

    /// Whether a call is like one that a server could not take: the bytes of its data, and what it does to which
    /// session. They are asked for only while such calls are known, because every call passes here.
    pub fn has<W: Hash>(&self, call: impl FnOnce() -> (usize, W)) -> bool {
        self.count.load(Ordering::Relaxed) > 0 && {
            let (data_bytes, what) = call();
            self.knows(data_bytes, self.hasher.hash_one(what))
        }
    }

    fn knows(&self, bytes: usize, what: u64) -> bool {
        let mut known = lock(&self.known);
        let now = Instant::now();
        known.retain(|(until, _)| *until > now);
        self.count.store(known.len(), Ordering::Relaxed);
        known.iter().any(|(_, culprit)| match culprit {
            Culprit::Length(length) => bytes >= *length,
            Culprit::Call(known) => what == *known,
        })
    }
}
