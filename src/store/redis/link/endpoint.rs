//! Where a link leads: to a server, or to whom sentinels name.

use std::fmt;

use super::sentinel::Sentinel;
use crate::error::Error;
use crate::store::redis::connection::open::{self, Opened, Peer, Purpose};
use crate::store::redis::connection::settings::{Address, Login};

/// Where a link leads.
pub(crate) enum Endpoint {
    /// To this server.
    Server(Peer),
    /// To the one that is the primary.
    Primary(Sentinel),
    /// To one of its replicas.
    Replica(Sentinel),
}

impl Endpoint {
    /// Opens a connection, and tells where it leads now.
    pub async fn open(&self) -> Result<(Opened, Address), Error> {
        match self {
            Self::Server(peer) => Ok((open::open(peer).await?, peer.address.clone())),
            Self::Primary(sentinel) => sentinel.open().await,
            Self::Replica(sentinel) => sentinel.open_replica().await,
        }
    }

    /// Whether `get` can do without it, as there is a primary.
    pub fn is_replica(&self) -> bool {
        match self {
            Self::Server(peer) => matches!(peer.purpose, Purpose::ServeAsReplica { .. }),
            Self::Primary(_) => false,
            Self::Replica(_) => true,
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
