//! One server that holds sessions: the connection to it, and who waits to use it.

use std::sync::Arc;

use super::connection::{Peer, Purpose};
use super::link::{End, Link, Timeouts};
use super::queue::Queue;
use super::settings::{Address, Settings};

/// A server that holds sessions.
pub(super) struct Node {
    pub link: Link,
    pub queue: Queue,
}

impl Node {
    /// Begins to connect.
    pub fn new(end: End, settings: &Settings) -> Arc<Self> {
        let timeouts =
            Timeouts { connect: settings.connect_timeout, command: settings.command_timeout };
        Arc::new(Self { link: Link::new(end, timeouts), queue: Queue::default() })
    }

    /// Begins to connect to a server at a known address.
    pub fn at(address: Address, settings: &Settings) -> Arc<Self> {
        Self::new(End::Server(Peer::new(address, settings)), settings)
    }

    /// Begins to connect to a replica at a known address.
    pub fn replica_at(address: Address, settings: &Settings) -> Arc<Self> {
        let purpose = Purpose::ServeAsReplica { database: settings.database };
        Self::new(End::Server(Peer { purpose, ..Peer::new(address, settings) }), settings)
    }
}
