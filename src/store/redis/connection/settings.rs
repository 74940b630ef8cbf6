//! Where Redis is, and how to speak to it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What must be known to open connections, and how long calls may take.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which servers hold the sessions.
    pub deployment: Deployment,
    /// How to log in to them.
    pub login: Login,
    /// The number given to `SELECT`.
    pub database: u32,
    /// Whether `get` may read from replicas. Not on a server of its own.
    pub reads_replicas: bool,
    /// How long a connection may take to be ready for commands.
    pub connect_timeout: Duration,
    /// How long a call may take, connecting and repeating included.
    pub command_timeout: Duration,
}

/// Which servers hold the sessions.
#[derive(Clone, Debug)]
pub enum Deployment {
    /// This one.
    Server(Address),
    /// The one that is the primary, as sentinels know.
    Sentinel(Sentinels),
    /// The primaries of the cluster that these are nodes of.
    Cluster(Vec<Address>),
}

/// Sentinels, and what they watch.
#[derive(Clone, Debug)]
pub struct Sentinels {
    /// Where they listen.
    pub addresses: Vec<Address>,
    /// What they call the primary and its replicas.
    pub name: String,
    /// How to log in to the sentinels themselves.
    pub login: Login,
}

/// How to introduce oneself to a server.
#[derive(Clone, Debug, Default)]
pub struct Login {
    /// Sent with `AUTH` if there is a password.
    pub username: Option<String>,
    /// Sent with `AUTH`.
    pub password: Option<Secret>,
    /// Absent for a connection in clear.
    pub tls: Option<Tls>,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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

impl Address {
    /// The address that this node of a cluster gives of another; an empty host stands for its own.
    pub(crate) fn of_node(&self, host: &str, port: u16) -> Self {
        match self {
            Self::Tcp { host: own, family, .. } => {
                let host = if host.is_empty() { own } else { host }.to_owned();
                Self::Tcp { host, port, family: *family }
            }
            Self::Unix(_) => Self::Tcp { host: host.to_owned(), port, family: 0 },
        }
    }
}

/// The longest name of a host (RFC 1035, section 2.3.4), in characters.
const MAX_HOST_CHARS: usize = 255;

/// Whether a server may have named a host so: as long as a name in DNS may be (RFC 1035, section 2.3.4), and
/// fit for a message. An empty one stands for the server's own.
pub(crate) fn is_host(name: &str) -> bool {
    name.len() <= MAX_HOST_CHARS && !name.chars().any(|c| c.is_control() || c.is_whitespace())
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port, .. } => {
                // Nodes and sentinels name hosts, and may say anything.
                let printable = host.chars().filter(char::is_ascii_graphic);
                let host: String = printable.take(MAX_HOST_CHARS).collect();
                if host.contains(':') {
                    write!(f, "[{host}]:{port}")
                } else {
                    write!(f, "{host}:{port}")
                }
            }
            Self::Unix(path) => f.write_str(path),
        }
    }
}

/// A TLS client's configuration, and the name that a server's certificate must bear.
#[derive(Clone)]
pub struct Tls {
    /// Made by [`super::tls::configure`].
    pub config: Arc<rustls::ClientConfig>,
    /// Also sent as SNI; left out, it is the host that is connected to.
    pub server_name: Option<String>,
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

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}
