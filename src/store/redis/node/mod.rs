//! One server that holds sessions: the link to it, the queue of pipelines that wait to be sent, and the calls that
//! may break its connection. It knows no calls and no slots. `topology/` makes the nodes, and `dispatch/` sends to
//! them.

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

/// What all nodes of an instance have in common.
pub(crate) struct Setup {
    pub settings: Settings,
    /// Is told of the connections to all nodes except replicas.
    pub observer: Observer,
    pub culprits: Arc<Culprits>,
}

/// A server that holds sessions.
pub(crate) struct Node {
    pub link: Link,
    pub queue: Queue,
    pub growth: Growth,
    /// The connection for calls that were in flight when connections broke, while there are any.
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

    /// Replaces the quarantine's connection, which may hang.
    pub fn end_quarantine(&self) {
        if let Some(quarantine) = &*lock(&self.quarantine)
            && let Some(live) = quarantine.link.now()
        {
            quarantine.link.replace(&live);
        }
    }

    /// The connection for suspected calls. It is opened for the first of them.
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
        Self::new(Endpoint::server(Peer::new(address, &setup.settings)), setup)
    }

    /// Begins to connect to a replica at a known address.
    pub fn replica_at(address: Address, setup: &Setup) -> Arc<Self> {
        let purpose = Purpose::ServeAsReplica { database: setup.settings.database };
        Self::new(Endpoint::server(Peer { purpose, ..Peer::new(address, &setup.settings) }), setup)
    }
}
