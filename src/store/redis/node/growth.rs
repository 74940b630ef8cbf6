//! How fast the records of sessions grow. Updates append patches to a record, and it is folded into its data now and
//! then. A burst of updates of one session could append patches faster than they are folded, so later updates wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::Node;
use crate::address::SessionId;

/// At most this many bytes of patches may be in flight to one record, or be appended while it is folded. A single
/// pipeline may exceed this if no other has patches for that record.
const MAX_PATCH_BYTES_IN_FLIGHT: usize = 8 * 1024;

/// The records of one node that grow.
#[derive(Default)]
pub(crate) struct Growth {
    records: Mutex<HashMap<SessionId, Growing>>,
    has_room: Notify,
}

/// A record that grows. It is forgotten once no patch is in flight and no task folds it.
#[derive(Default)]
struct Growing {
    /// Bytes of patches that are in flight, or were appended since a task began to fold the record.
    bytes: usize,
    /// The part of these bytes that was appended.
    appended: usize,
    is_folded: bool,
}

/// How many bytes of patches a pipeline has for each session.
pub(crate) struct Patches(Vec<(SessionId, usize)>);

/// Patches in flight, until this is dropped.
pub(crate) struct PatchesInFlight {
    node: Arc<Node>,
    patches: Patches,
}

impl PatchesInFlight {
    /// Holds patches that have entered, and lets them leave when it is dropped.
    pub fn new(node: &Arc<Node>, patches: Patches) -> Self {
        Self { node: Arc::clone(node), patches }
    }
}

impl Drop for PatchesInFlight {
    fn drop(&mut self) {
        self.node.growth.leave(&self.patches);
    }
}

impl Patches {
    /// Sums the lengths of patches by session.
    pub fn of(patches: impl Iterator<Item = (SessionId, usize)>) -> Self {
        let mut bytes_by_session: Vec<(SessionId, usize)> = Vec::new();
        for (id, length) in patches {
            match bytes_by_session.iter_mut().find(|(known, _)| *known == id) {
                Some((_, bytes)) => *bytes += length,
                None => bytes_by_session.push((id, length)),
            }
        }
        Self(bytes_by_session)
    }
}

impl Growth {
    /// Records that patches are sent, unless they have to wait. Returns whether they may be sent.
    pub fn enter(&self, patches: &Patches) -> bool {
        if patches.0.is_empty() {
            return true;
        }
        let mut records = self.lock();
        let has_room = |(id, bytes): &(SessionId, usize)| {
            records.get(id).is_none_or(|record| record.bytes + bytes <= MAX_PATCH_BYTES_IN_FLIGHT)
        };
        if !patches.0.iter().all(has_room) {
            return false;
        }
        for (id, bytes) in &patches.0 {
            records.entry(*id).or_default().bytes += bytes;
        }
        true
    }

    /// Waits until patches may be sent, and records that they are.
    pub async fn enter_when_there_is_room(&self, patches: &Patches) {
        loop {
            let changed = self.has_room.notified();
            if self.enter(patches) {
                return;
            }
            changed.await;
        }
    }

    /// Records that patches were answered, or will be sent again.
    pub fn leave(&self, patches: &Patches) {
        if patches.0.is_empty() {
            return;
        }
        let mut records = self.lock();
        for (id, bytes) in &patches.0 {
            let Some(record) = records.get_mut(id) else { continue };
            if record.is_folded {
                record.appended += bytes;
            } else {
                record.bytes = record.bytes.saturating_sub(*bytes);
                if record.bytes == 0 {
                    records.remove(id);
                }
            }
        }
        drop(records);
        self.has_room.notify_waiters();
    }

    /// Records that a task folds a record. Returns `false` if one already does.
    pub fn begin_fold(&self, id: SessionId) -> bool {
        !std::mem::replace(&mut self.lock().entry(id).or_default().is_folded, true)
    }

    /// Records that no task folds a record any more.
    pub fn end_fold(&self, id: SessionId) {
        let mut records = self.lock();
        if let Some(record) = records.get_mut(&id) {
            record.is_folded = false;
            record.bytes = record.bytes.saturating_sub(std::mem::take(&mut record.appended));
            if record.bytes == 0 {
                records.remove(&id);
            }
        }
        drop(records);
        self.has_room.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Growing>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
