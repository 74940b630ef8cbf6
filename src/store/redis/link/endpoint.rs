//! What a link connects to: a server at an address, or a server that sentinels name.

use std::fmt;
use std::sync::Mutex;

use super::sentinel::Sentinel;
use crate::error::Error;
use crate::store::redis::connection::open::{self, Opened, Peer, Purpose};
use crate::store::redis::connection::pipe::lock;
use crate::store::redis::connection::settings::{Address, Login};

/// What a link connects to.
pub(crate) enum Endpoint {
    /// The server that announces this address.
    Server {
        peer: Peer,
        /// Where the last attempt to connect went.
        tried: Mutex<Option<Address>>,
    },
    /// The server that is the primary, according to sentinels.
    Primary(Sentinel),
    /// One of the replicas, according to sentinels.
    Replica(Sentinel),
}

/// The address that a server announces, and the one where it was reached. They are the same without `natMap`.
#[derive(Clone)]
pub(crate) struct Addresses {
    pub announced: Address,
    pub reached: Address,
}

impl Endpoint {
    /// The server that announces this address.
    pub fn server(peer: Peer) -> Self {
        Self::Server { peer, tried: Mutex::default() }
    }

    /// Opens a connection. Returns it with the addresses of its server.
    pub async fn open(&self) -> Result<(Opened, Addresses), Error> {
        match self {
            Self::Server { peer, tried } => {
                open_announced(peer, |address| *lock(tried) = Some(address.clone())).await
            }
            Self::Primary(sentinel) => sentinel.open().await,
            Self::Replica(sentinel) => sentinel.open_replica().await,
        }
    }

    /// Whether it is a replica. `get` can do without one, because there is a primary.
    pub fn is_replica(&self) -> bool {
        match self {
            Self::Server { peer, .. } => matches!(peer.purpose, Purpose::ServeAsReplica { .. }),
            Self::Primary(_) => false,
            Self::Replica(_) => true,
        }
    }

    /// Whether a function was asked for a password and has not answered yet.
    pub fn awaits_password(&self) -> bool {
        match self {
            Self::Server { peer, .. } => peer.login.is_awaited(),
            Self::Primary(sentinel) | Self::Replica(sentinel) => sentinel.awaits_password(),
        }
    }

    /// How to log in.
    pub fn login(&self) -> &Login {
        match self {
            Self::Server { peer, .. } => &peer.login,
            Self::Primary(sentinel) | Self::Replica(sentinel) => sentinel.login(),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server { peer, tried } => lock(tried).as_ref().unwrap_or(&peer.address).fmt(f),
            Self::Primary(sentinel) | Self::Replica(sentinel) => sentinel.fmt(f),
        }
    }
}

/// Opens a connection to a server that announces its address. `try_at` is told the address where it is tried.
pub(crate) async fn open_announced(
    peer: &Peer,
    try_at: impl FnOnce(&Address),
) -> Result<(Opened, Addresses), Error> {
    let reached = peer.reached().await?;
    try_at(&reached.address);
    let opened = open::open(&reached).await?;
    Ok((opened, Addresses { announced: peer.address.clone(), reached: reached.address }))
}
