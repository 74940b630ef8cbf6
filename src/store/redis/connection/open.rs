//! Opens one connection: looks up the name, connects, encrypts, and performs the handshake of `handshake.rs`.

use std::borrow::Cow;
use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Mutex;
use std::time::Duration;

use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use super::driver::{Driver, Ending};
use super::exhaustion::lack;
use super::handshake::{Failure, log_in};
use super::known_servers::Server;
use super::lookup::look_up;
use super::nat_map::{self, NatMap};
use super::password::Password;
use super::pipe::{Pipe, Replies};
use super::poll_once;
use super::settings::{Address, Login, Settings, Tls};
use super::stream::{Socket, Stream};
use super::tls::explain;
use crate::error::Error;
use crate::question::Unanswered;

/// A connection that is ready for commands, and the driver that must be polled for it to work. The driver is ready
/// when the connection has ended.
pub(crate) type Opened = (Pipe, Driver);

/// A server, and how to connect to it.
#[derive(Clone)]
pub(crate) struct Peer {
    pub address: Address,
    /// Where it is reached, if another server has announced its address. `None` if the address is to be used as it is.
    pub nat_map: Option<NatMap>,
    pub login: Login,
    pub connect_timeout: Duration,
    pub purpose: Purpose,
}

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Sessions, in this database.
    Serve { database: u32 },
    /// Sessions, if the server is a primary.
    ServeAsPrimary { database: u32 },
    /// To read sessions, if the server is a replica that hears from its primary.
    ServeAsReplica { database: u32 },
    /// To ask a node of a cluster about the others.
    AskNode,
    /// To ask a sentinel about servers.
    AskSentinel,
}

impl Purpose {
    /// The database of the sessions. `None` if the connection is not for sessions.
    pub fn database(self) -> Option<u32> {
        match self {
            Self::Serve { database }
            | Self::ServeAsPrimary { database }
            | Self::ServeAsReplica { database } => Some(database),
            Self::AskNode | Self::AskSentinel => None,
        }
    }
}

impl Peer {
    /// A server that holds sessions.
    pub fn new(address: Address, settings: &Settings) -> Self {
        Self {
            address,
            nat_map: settings.nat_map.clone(),
            login: settings.login.of_one_server(),
            connect_timeout: settings.connect_timeout,
            purpose: Purpose::Serve { database: settings.database },
        }
    }

    /// The same server with the password that the program's function gives now, if it is a function's, and with the time
    /// that is left to connect.
    async fn with_password(&self) -> Result<Cow<'_, Self>, Error> {
        let Some(Password::Asked(asked)) = &self.login.password else {
            return Ok(Cow::Borrowed(self));
        };
        let begun = Instant::now();
        let secret = self.answered(asked.function(), asked.get()).await?;
        let login = Login { password: Some(Password::Fixed(secret)), ..self.login.clone() };
        let connect_timeout = self.connect_timeout.saturating_sub(begun.elapsed());
        Ok(Cow::Owned(Self { login, connect_timeout, ..self.clone() }))
    }

    /// The same server at the address where it is reached.
    ///
    /// # Errors
    ///
    /// [`Error::Function`] if the function `natMap` fails, [`Error::Connection`] if it gives no answer in time.
    pub async fn reached(&self) -> Result<Self, Error> {
        let address = match &self.nat_map {
            Some(nat_map) => self.answered(nat_map::OPTION, nat_map.reach(&self.address)).await?,
            None => self.address.clone(),
        };
        Ok(Self { address, nat_map: None, ..self.clone() })
    }

    /// Waits for the answer of a function of the program, as long as one attempt to connect may take.
    async fn answered<T>(
        &self,
        function: &'static str,
        answer: impl Future<Output = Result<T, Unanswered>>,
    ) -> Result<T, Error> {
        match tokio::time::timeout(self.connect_timeout, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(Unanswered { number: question })) => {
                let server = self.address.to_string();
                Err(Error::Function { server, function, question })
            }
            Err(_) => {
                let waited = self.connect_timeout.as_millis();
                let reason = format!("the function `{function}` gave no answer within {waited} ms");
                Err(unreachable(self, &reason))
            }
        }
    }
}

/// How long a peer may be silent, or not acknowledge what was sent, before the kernel drops the connection.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(15);

/// Opens a connection to the peer's address, as it is: see [`Peer::reached`].
///
/// # Errors
///
/// [`Error::Connection`] if the server cannot be reached in time, [`Error::Function`] if a function gives no password,
/// [`Error::Redis`] if the server refuses the credentials or the database.
pub(crate) async fn open(peer: &Peer) -> Result<Opened, Error> {
    let peer = &*peer.with_password().await?;
    match tokio::time::timeout(peer.connect_timeout, connect(peer)).await {
        Ok(opened) => opened,
        Err(_) => Err(silent(&peer.address, peer.connect_timeout, peer.login.tls.is_some())),
    }
}

/// Sends commands on a connection whose driver is not polled yet, and waits for their replies or its end.
pub(crate) async fn ask(
    (pipe, driver): &mut Opened,
    commands: &[u8],
    replies: usize,
) -> Result<Replies, Ending> {
    let mut replies = pin!(pipe.send(commands, replies));
    let ending = tokio::select! {
        biased;
        Ok(replies) = &mut replies => return Ok(replies),
        ending = driver => ending,
    };
    // A server may answer and hang up at once.
    match poll_once(replies).await {
        Some(Ok(replies)) => Ok(replies),
        _ => Err(ending),
    }
}

/// The error of a server that cannot be reached.
pub(crate) fn unreachable(peer: &Peer, reason: &str) -> Error {
    Error::Connection { server: peer.address.to_string(), reason: reason.to_owned() }
}

/// The error of a server that does not answer.
pub(crate) fn silent(server: &impl Display, waited: Duration, tls: bool) -> Error {
    // A server without TLS takes the beginning of the TLS handshake for a command, and waits for the rest.
    let hint = if tls { " (does it speak TLS?)" } else { "" };
    let reason = format!("no answer within {} ms{hint}", waited.as_millis());
    Error::Connection { server: server.to_string(), reason }
}

/// The error of a peer that does not speak the protocol.
pub(crate) fn not_redis(peer: &Peer) -> Error {
    unreachable(peer, "it does not speak Redis' protocol (is it the port of another service?)")
}

/// Connects and performs the handshake. A proxy may hang up on a command that it does not know. It gets a second
/// attempt, with only the commands that it must know.
async fn connect(peer: &Peer) -> Result<Opened, Error> {
    let server = Server::new(&peer.address, peer.login.tls.is_some());
    let mut bare = server.is_bare();
    let mut opened = log_in(reach(peer).await?, peer, bare).await;
    if matches!(opened, Err(Failure::HungUp(_))) && !bare && server.hung_up() {
        bare = true;
        opened = log_in(reach(peer).await?, peer, bare).await;
    }
    if opened.is_ok() {
        server.answered(bare);
    }
    Ok(opened?)
}

/// Connects, and encrypts if TLS is configured.
async fn reach(peer: &Peer) -> Result<Stream, Error> {
    match &peer.address {
        #[cfg(unix)]
        Address::Unix(path) => {
            let stream = tokio::net::UnixStream::connect(path).await.and_then(Socket::unix);
            Ok(Stream::Clear(stream.map_err(|e| because(peer, &e))?))
        }
        #[cfg(not(unix))]
        Address::Unix(_) => Err(unreachable(peer, "this system has no unix sockets")),
        Address::Tcp { host, port, family } => {
            let stream = connect_tcp(host, *port, *family, peer.connect_timeout).await;
            let stream = stream.map_err(|e| because(peer, &e))?;
            match &peer.login.tls {
                None => {
                    let socket = Socket::tcp(stream).map_err(|e| because(peer, &e))?;
                    Ok(Stream::Clear(socket))
                }
                Some(tls) => {
                    let stream = encrypt(peer, stream, tls, host).await?;
                    Ok(Stream::Tls(Box::new(Mutex::new(stream))))
                }
            }
        }
    }
}

/// Tries each address of the name, in the resolver's order.
async fn connect_tcp(
    host: &str,
    port: u16,
    family: u8,
    patience: Duration,
) -> io::Result<TcpStream> {
    let addresses = look_up(host).await?;
    let addresses: Vec<_> = addresses.iter().filter(|a| is_of_family(**a, family)).collect();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host name has no address");
    for &&(mut address) in &addresses {
        address.set_port(port);
        // No address may use up the time of the others: the first one may never answer.
        let share = patience / u32::try_from(addresses.len()).unwrap_or(u32::MAX);
        match tokio::time::timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                configure(&stream);
                return Ok(stream);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = io::Error::new(io::ErrorKind::TimedOut, "no answer in time"),
        }
    }
    Err(last)
}

fn is_of_family(address: SocketAddr, family: u8) -> bool {
    match family {
        4 => address.is_ipv4(),
        6 => address.is_ipv6(),
        _ => true,
    }
}

/// Without `TCP_NODELAY` half the throughput is lost on a real network (redis-rs issue 2195). If a sandbox refuses
/// one of these options, the connection works without it.
fn configure(stream: &TcpStream) {
    stream.set_nodelay(true).ok();
    let socket = SockRef::from(stream);
    let probe = KEEPALIVE_TIMEOUT / 3;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(probe).with_interval(probe)).ok();
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(KEEPALIVE_TIMEOUT)).ok();
}

async fn encrypt(
    peer: &Peer,
    stream: TcpStream,
    tls: &Tls,
    host: &str,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Error> {
    let name = tls.server_name.as_deref().unwrap_or(host).to_owned();
    let name = ServerName::try_from(name).map_err(|_| {
        unreachable(peer, "TLS failed: no certificate can be for this host (give `tls.servername`)")
    })?;
    let encrypted = TlsConnector::from(tls.config.clone()).connect(name, stream).await;
    encrypted.map_err(|error| match explain(&error) {
        Some(words) => unreachable(peer, &words),
        None => {
            unreachable(peer, "TLS failed: the server closed the connection (does it speak TLS?)")
        }
    })
}

fn because(peer: &Peer, error: &io::Error) -> Error {
    let hint = match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused (is it running?)".to_owned(),
        io::ErrorKind::NotFound if matches!(peer.address, Address::Unix(_)) => {
            "there is no such socket (is it running?)".to_owned()
        }
        _ => lack(error).map_or_else(|| error.to_string(), str::to_owned),
    };
    unreachable(peer, &hint)
}
