//! How fast the records of sessions grow: patches are appended to a record, and folded into its data now and then. A
//! burst of updates of one session could append more than is folded, so its later part waits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::Node;
use crate::token::SessionId;

/// So many bytes of patches may be on their way to one record, or be appended while it is folded; or one pipeline's,
/// if it is the only one.
const MAX_PATCH_BYTES_IN_FLIGHT: usize = 8 * 1024;

/// The records that grow, of one node.
#[derive(Default)]
pub(crate) struct Growth {
    records: Mutex<HashMap<SessionId, Growing>>,
    has_room: Notify,
}

/// A record that grows. It is forgotten once nothing is on its way and nobody folds it.
#[derive(Default)]
struct Growing {
    /// Bytes of patches that are on their way, or were appended since somebody began to fold it.
    bytes: usize,
    /// Of these, what was appended.
    appended: usize,
    is_folded: bool,
}

/// How many bytes of patches there are for which session.
pub(crate) struct Patches(Vec<(SessionId, usize)>);

/// Patches on their way, until this is dropped.
pub(crate) struct PatchesInFlight {
    node: Arc<Node>,
    patches: Patches,
}

impl PatchesInFlight {
    /// What has entered.
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
    /// The lengths of patches, by session.
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
    /// Takes note that patches are sent, unless they have to wait. Returns whether they may be sent.
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

    /// Waits until patches may be sent, and takes note that they are.
    pub async fn enter_when_there_is_room(&self, patches: &Patches) {
        loop {
            let changed = self.has_room.notified();
            if self.enter(patches) {
                return;
            }
            changed.await;
        }
    }

    /// Takes note that patches were answered, or will be sent again.
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

    /// Takes note that somebody folds a record. Returns whether nobody did.
    pub fn begin_fold(&self, id: SessionId) -> bool {
        !std::mem::replace(&mut self.lock().entry(id).or_default().is_folded, true)
    }

    /// Takes note that nobody folds a record any more.
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
