//! Where a Redis server is, and how to speak to it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What must be known to open a connection, and how long its calls may take.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the server listens.
    pub address: Address,
    /// Sent with `AUTH` if there is a password.
    pub username: Option<String>,
    /// Sent with `AUTH`.
    pub password: Option<Secret>,
    /// The number given to `SELECT`.
    pub database: u32,
    /// Absent for a connection in clear.
    pub tls: Option<Tls>,
    /// How long a connection may take to be ready for commands.
    pub connect_timeout: Duration,
    /// How long a call may take, connecting and repeating included.
    pub command_timeout: Duration,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A name or an IP address, looked up at each attempt.
    Tcp {
        /// Without brackets if it is IPv6.
        host: String,
        /// 1 to 65535.
        port: u16,
        /// 4 or 6 to use addresses of that family alone, 0 for any.
        family: u8,
    },
    /// The path of a Unix socket.
    Unix(String),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port, .. } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port, .. } => write!(f, "{host}:{port}"),
            Self::Unix(path) => f.write_str(path),
        }
    }
}

/// A TLS client's configuration, and the name that the server's certificate must bear.
#[derive(Clone)]
pub struct Tls {
    /// Made by [`super::tls::configure`].
    pub config: Arc<rustls::ClientConfig>,
    /// Also sent as SNI.
    pub server_name: String,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a secret.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}
