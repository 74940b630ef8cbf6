//! What a link connects to: a server at an address, or a server that sentinels name.

use std::fmt;

use super::sentinel::Sentinel;
use crate::error::Error;
use crate::store::redis::connection::open::{self, Opened, Peer, Purpose};
use crate::store::redis::connection::settings::{Address, Login};

/// What a link connects to.
pub(crate) enum Endpoint {
    /// The server at this address.
    Server(Peer),
    /// The server that is the primary, according to sentinels.
    Primary(Sentinel),
    /// One of the replicas, according to sentinels.
    Replica(Sentinel),
}

impl Endpoint {
    /// Opens a connection. Returns it with the address that it was opened to.
    pub async fn open(&self) -> Result<(Opened, Address), Error> {
        match self {
            Self::Server(peer) => Ok((open::open(peer).await?, peer.address.clone())),
            Self::Primary(sentinel) => sentinel.open().await,
            Self::Replica(sentinel) => sentinel.open_replica().await,
        }
    }

    /// Whether it is a replica. `get` can do without one, because there is a primary.
    pub fn is_replica(&self) -> bool {
        match self {
            Self::Server(peer) => matches!(peer.purpose, Purpose::ServeAsReplica { .. }),
            Self::Primary(_) => false,
            Self::Replica(_) => true,
        }
    }

    /// Whether a function was asked for a password and has not answered yet.
    pub fn awaits_password(&self) -> bool {
        match self {
            Self::Server(peer) => peer.login.is_awaited(),
            Self::Primary(sentinel) | Self::Replica(sentinel) => sentinel.awaits_password(),
        }
    }

    /// How to log in.
    pub fn login(&self) -> &Login {
        match self {
            Self::Server(peer) => &peer.login,
            Self::Primary(sentinel) | Self::Replica(sentinel) => sentinel.login(),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(peer) => peer.address.fmt(f),
            Self::Primary(sentinel) | Self::Replica(sentinel) => sentinel.fmt(f),
        }
    }
}
