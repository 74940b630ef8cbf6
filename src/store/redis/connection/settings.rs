//! The addresses of Redis, and how to connect to it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::nat_map::NatMap;
use super::password::Password;

/// The settings for connections and calls.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which servers hold the sessions.
    pub deployment: Deployment,
    /// How to log in to them.
    pub login: Login,
    /// The number given to `SELECT`.
    pub database: u32,
    /// Whether `get` may read from replicas. Ignored for a single server.
    pub reads_replicas: bool,
    /// Where nodes are reached that sentinels or a cluster announce. The addresses of `deployment` are not announced, and
    /// are used as they are.
    pub nat_map: Option<NatMap>,
    /// How long a connection may take to be ready for commands.
    pub connect_timeout: Duration,
    /// How long a call may take, including connecting and retries.
    pub command_timeout: Duration,
}

/// Which servers hold the sessions.
#[derive(Clone, Debug)]
pub enum Deployment {
    /// This server.
    Server(Address),
    /// The primary, according to sentinels.
    Sentinel(Sentinels),
    /// The primaries of a cluster, some of whose nodes are these.
    Cluster(Vec<Address>),
}

/// Sentinels, and the name of the primary that they watch.
#[derive(Clone, Debug)]
pub struct Sentinels {
    /// The addresses that they listen on.
    pub addresses: Vec<Address>,
    /// Their name for the primary and its replicas.
    pub name: String,
    /// How to log in to the sentinels themselves.
    pub login: Login,
}

/// How to log in to a server, and whether to use TLS.
#[derive(Clone, Debug, Default)]
pub struct Login {
    /// Sent with `AUTH` if there is a password.
    pub username: Option<String>,
    /// Sent with `AUTH`.
    pub password: Option<Password>,
    /// Absent for a connection without TLS.
    pub tls: Option<Tls>,
}

impl Login {
    /// The same login for the connections to one server.
    pub(crate) fn of_one_server(&self) -> Self {
        let password = self.password.as_ref().map(Password::of_one_server);
        Self { password, ..self.clone() }
    }

    /// Whether a function was asked for the password and has not answered yet.
    pub(crate) fn is_awaited(&self) -> bool {
        self.password.as_ref().is_some_and(Password::is_awaited)
    }
}

/// The address that a server listens on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// A name or an IP address, looked up at each attempt.
    Tcp {
        /// Without brackets if it is IPv6.
        host: String,
        /// 1 to 65535.
        port: u16,
        /// 4 or 6 to use only addresses of that family, 0 for any.
        family: u8,
    },
    /// The path of a Unix socket.
    Unix(String),
}

impl Address {
    /// The address of another node, as this node of a cluster reports it. An empty host means this node's own.
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

/// Whether a host's name that a server reports can be valid: no longer than a name in DNS (RFC 1035, section 2.3.4),
/// and fit for a message. An empty name means the server's own.
pub(crate) fn is_host(name: &str) -> bool {
    name.len() <= MAX_HOST_CHARS && !name.chars().any(|c| c.is_control() || c.is_whitespace())
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port, .. } => {
                // Nodes and sentinels report hosts, and may report anything.
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

/// A TLS client's configuration, and the name that the server's certificate must have.
#[derive(Clone)]
pub struct Tls {
    /// Made by [`super::tls::configure`].
    pub config: Arc<rustls::ClientConfig>,
    /// Also sent as SNI. If absent, it is the host of the address.
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
