//! One server that holds sessions: the connection to it, and who waits to use it.

use std::sync::{Arc, Mutex};

use super::connection::{Peer, Purpose};
use super::end::End;
use super::growth::Growth;
use super::link::{Link, Timeouts};
use super::pipe::lock;
use super::quarantine::{Culprits, Quarantine, close_when_idle};
use super::queue::Queue;
use super::settings::{Address, Settings};
use crate::event::Observer;

/// What every node of an instance has in common.
pub(super) struct Setup {
    pub settings: Settings,
    /// Is told what becomes of the connections, but those to replicas.
    pub observer: Observer,
    pub culprits: Arc<Culprits>,
}

/// A server that holds sessions.
pub(super) struct Node {
    pub link: Link,
    pub queue: Queue,
    pub growth: Growth,
    /// Where calls are sent that were under way when connections broke, while there are any.
    pub quarantine: Mutex<Option<Arc<Quarantine>>>,
    pub culprits: Arc<Culprits>,
    end: Arc<End>,
    timeouts: Timeouts,
}

impl Node {
    /// Begins to connect.
    pub fn new(end: End, setup: &Setup) -> Arc<Self> {
        let timeouts = Timeouts {
            connect: setup.settings.connect_timeout,
            command: setup.settings.command_timeout,
        };
        let observer =
            if end.is_replica() { Arc::new(|_: &_| {}) } else { Arc::clone(&setup.observer) };
        let end = Arc::new(end);
        Arc::new(Self {
            link: Link::new(Arc::clone(&end), timeouts, observer),
            queue: Queue::default(),
            growth: Growth::default(),
            quarantine: Mutex::default(),
            culprits: Arc::clone(&setup.culprits),
            end,
            timeouts,
        })
    }

    /// Ends the connection for suspected calls, too, which may hang.
    pub fn end_quarantine(&self) {
        if let Some(quarantine) = &*lock(&self.quarantine)
            && let Some(live) = quarantine.link.now()
        {
            quarantine.link.replace(&live);
        }
    }

    /// Where suspected calls are sent, which is opened for the first of them.
    pub fn quarantine(self: &Arc<Self>) -> Arc<Quarantine> {
        let mut quarantine = lock(&self.quarantine);
        let open = || {
            tokio::spawn(close_when_idle(Arc::downgrade(self)));
            Arc::new(Quarantine::new(Arc::clone(&self.end), self.timeouts))
        };
        Arc::clone(quarantine.get_or_insert_with(open))
    }

    /// Begins to connect to a server at a known address.
    pub fn at(address: Address, setup: &Setup) -> Arc<Self> {
        Self::new(End::Server(Peer::new(address, &setup.settings)), setup)
    }

    /// Begins to connect to a replica at a known address.
    pub fn replica_at(address: Address, setup: &Setup) -> Arc<Self> {
        let purpose = Purpose::ServeAsReplica { database: setup.settings.database };
        Self::new(End::Server(Peer { purpose, ..Peer::new(address, &setup.settings) }), setup)
    }
}
