//! One server that holds sessions: the connection to it, and who waits to use it.

use std::sync::Arc;

use super::connection::{Peer, Purpose};
use super::end::End;
use super::growth::Growth;
use super::link::{Link, Timeouts};
use super::queue::Queue;
use super::settings::{Address, Settings};
use crate::event::Observer;

/// What every node of an instance has in common.
pub(super) struct Setup {
    pub settings: Settings,
    /// Is told what becomes of the connections, but those to replicas.
    pub observer: Observer,
}

/// A server that holds sessions.
pub(super) struct Node {
    pub link: Link,
    pub queue: Queue,
    pub growth: Growth,
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
        Arc::new(Self {
            link: Link::new(end, timeouts, observer),
            queue: Queue::default(),
            growth: Growth::default(),
        })
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
