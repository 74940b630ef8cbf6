//! One server that holds sessions: the connection to it, and who waits to use it.

pub(crate) mod growth;
pub(crate) mod quarantine;
pub(crate) mod queue;

use std::sync::{Arc, Mutex};

use self::growth::Growth;
use self::quarantine::{Culprits, Quarantine, close_when_idle};
use self::queue::Queue;
use crate::event::Observer;
use crate::store::redis::connection::open::{Peer, Purpose};
use crate::store::redis::connection::pipe::lock;
use crate::store::redis::connection::settings::{Address, Settings};
use crate::store::redis::link::endpoint::Endpoint;
use crate::store::redis::link::{Link, Timeouts};

/// What every node of an instance has in common.
pub(crate) struct Setup {
    pub settings: Settings,
    /// Is told what becomes of the connections, but those to replicas.
    pub observer: Observer,
    pub culprits: Arc<Culprits>,
}

/// A server that holds sessions.
pub(crate) struct Node {
    pub link: Link,
    pub queue: Queue,
    pub growth: Growth,
    /// Where calls are sent that were under way when connections broke, while there are any.
    pub quarantine: Mutex<Option<Arc<Quarantine>>>,
    pub culprits: Arc<Culprits>,
    end: Arc<Endpoint>,
    timeouts: Timeouts,
}

impl Node {
    /// Begins to connect.
    pub fn new(end: Endpoint, setup: &Setup) -> Arc<Self> {
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
        Self::new(Endpoint::Server(Peer::new(address, &setup.settings)), setup)
    }

    /// Begins to connect to a replica at a known address.
    pub fn replica_at(address: Address, setup: &Setup) -> Arc<Self> {
        let purpose = Purpose::ServeAsReplica { database: setup.settings.database };
        Self::new(Endpoint::Server(Peer { purpose, ..Peer::new(address, &setup.settings) }), setup)
    }
}
