//! Opens one connection: resolves, connects, encrypts, logs in, selects, loads the scripts.

use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use redis::Cmd;
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;

use super::driver::Driver;
use super::lack::lack;
use super::pipe::{Pipe, pipe};
use super::reply::{ServerError, Verdict, judge};
use super::script;
use super::settings::{Address, Login, Settings, Tls};
use super::stream::{Socket, Stream};
use super::wire::Reply;
use super::words::Sent;
use crate::error::Error;

/// A connection that is ready for commands, and what must be polled for it to work. It ends when
/// the connection does.
pub(super) type Opened = (Pipe, Driver);

/// A server, and what we want of it.
#[derive(Clone)]
pub(super) struct Peer {
    pub address: Address,
    pub login: Login,
    pub connect_timeout: Duration,
    pub purpose: Purpose,
}

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Sessions, in this database.
    Serve { database: u32 },
    /// Sessions, if the server is a primary.
    ServeAsPrimary { database: u32 },
    /// To read sessions, if the server is a replica that hears from its primary.
    ServeAsReplica { database: u32 },
    /// To ask about other servers.
    Ask,
}

impl Peer {
    /// A server that holds sessions.
    pub fn new(address: Address, settings: &Settings) -> Self {
        Self {
            address,
            login: settings.login.clone(),
            connect_timeout: settings.connect_timeout,
            purpose: Purpose::Serve { database: settings.database },
        }
    }
}

/// How long a peer may be silent, or leave what was sent unacknowledged, before the kernel drops
/// the connection.
const SILENCE: Duration = Duration::from_secs(15);

/// Opens a connection.
///
/// # Errors
///
/// [`Error::Connection`] if the server cannot be reached in time, [`Error::Redis`] if it refuses
/// the credentials or the database.
pub(super) async fn open(peer: &Peer) -> Result<Opened, Error> {
    match tokio::time::timeout(peer.connect_timeout, connect(peer)).await {
        Ok(opened) => opened,
        Err(_) => Err(silent(&peer.address, peer.connect_timeout, peer.login.tls.is_some())),
    }
}

/// The error of a server that cannot be reached.
pub(super) fn unreachable(peer: &Peer, reason: &str) -> Error {
    Error::Connection { server: peer.address.to_string(), reason: reason.to_owned() }
}

/// The error of a server that does not answer.
pub(super) fn silent(server: &impl Display, waited: Duration, tls: bool) -> Error {
    // A server that expects commands in clear waits for the rest of what TLS begins with.
    let hint = if tls { " (does it speak TLS?)" } else { "" };
    let reason = format!("no answer within {} ms{hint}", waited.as_millis());
    Error::Connection { server: server.to_string(), reason }
}

async fn connect(peer: &Peer) -> Result<Opened, Error> {
    match &peer.address {
        #[cfg(unix)]
        Address::Unix(path) => {
            let stream = tokio::net::UnixStream::connect(path).await.and_then(Socket::unix);
            log_in(Stream::Clear(stream.map_err(|e| because(peer, &e))?), peer).await
        }
        #[cfg(not(unix))]
        Address::Unix(_) => Err(unreachable(peer, "this system has no unix sockets")),
        Address::Tcp { host, port, family } => {
            let stream = connect_tcp(host, *port, *family, peer.connect_timeout).await;
            let stream = stream.map_err(|e| because(peer, &e))?;
            match &peer.login.tls {
                None => {
                    let socket = Socket::tcp(stream).map_err(|e| because(peer, &e))?;
                    log_in(Stream::Clear(socket), peer).await
                }
                Some(tls) => {
                    let stream = encrypt(stream, tls, host).await;
                    let stream = stream.map_err(|e| because(peer, &e))?;
                    log_in(Stream::Tls(Box::new(Mutex::new(stream))), peer).await
                }
            }
        }
    }
}

/// Tries each address that the name stands for, in the resolver's order.
async fn connect_tcp(
    host: &str,
    port: u16,
    family: u8,
    patience: Duration,
) -> io::Result<TcpStream> {
    let addresses = lookup_host((host, port)).await?.filter(|a| is_of_family(*a, family));
    let addresses: Vec<_> = addresses.collect();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host name has no address");
    for address in &addresses {
        // None may use up the time of the others: the first may be one that swallows everything.
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

/// Without `TCP_NODELAY` half the throughput is lost on a real network (redis-rs issue 2195).
/// Where a sandbox refuses one of these, the connection works without it.
fn configure(stream: &TcpStream) {
    stream.set_nodelay(true).ok();
    let socket = SockRef::from(stream);
    let probe = SILENCE / 3;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(probe).with_interval(probe)).ok();
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(SILENCE)).ok();
}

async fn encrypt(
    stream: TcpStream,
    tls: &Tls,
    host: &str,
) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let name = tls.server_name.as_deref().unwrap_or(host).to_owned();
    let name =
        ServerName::try_from(name).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
    TlsConnector::from(tls.config.clone()).connect(name, stream).await
}

/// Logs in and makes ready. Not by the crate's own way, which takes a password that is not needed
/// for a failure.
async fn log_in(stream: Stream, peer: &Peer) -> Result<Opened, Error> {
    let mut opened = pipe(stream);
    let greetings = greetings(peer);
    let mut commands = Vec::new();
    for (_, command) in &greetings {
        command.write_packed_command(&mut commands);
    }
    let (pipe, driver) = &mut opened;
    let replies = tokio::select! {
        replies = pipe.send(&commands, greetings.len()) => replies.ok(),
        words = driver => return Err(hung_up(peer, words.as_deref())),
    };
    let replies = replies.ok_or_else(|| hung_up(peer, None))?;
    let mut answered = 0;
    for ((must, _), reply) in greetings.iter().zip(replies.iter()) {
        check_greeting(*must, &reply, peer)?;
        if *must == Must::TellMode {
            pipe.set_joins(is_one_server(&reply));
        }
        answered += 1;
    }
    if answered < greetings.len() {
        return Err(unreachable(peer, "its answer is not one of a redis server"));
    }
    Ok(opened)
}

fn hung_up(peer: &Peer, words: Option<&str>) -> Error {
    match words {
        Some(words) => {
            let words = ServerError::new(words, Sent::to_log_in(&peer.login)).shown();
            unreachable(peer, &format!("it closed the connection: {words}"))
        }
        None if peer.login.tls.is_none() => {
            unreachable(peer, "it closed the connection (does it ask for TLS?)")
        }
        None => unreachable(peer, "it closed the connection"),
    }
}

/// Which refusals of a greeting matter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Must {
    /// It may only be refused for there being no password to check.
    LogIn,
    /// It must succeed.
    Select,
    /// The server must say that it is a primary.
    BePrimary,
    /// The server must say that it is a replica with a connection to its primary.
    BeReplica,
    /// It may be refused, but not for want of a password.
    Try,
    /// As well; if not, the server says whether it is one.
    TellMode,
}

fn greetings(peer: &Peer) -> Vec<(Must, Cmd)> {
    let mut commands = Vec::new();
    if let Some(password) = &peer.login.password {
        let mut auth = redis::cmd("AUTH");
        if let Some(username) = &peer.login.username {
            auth.arg(username);
        }
        commands.push((Must::LogIn, auth.arg(password.expose()).take()));
    }
    let name = ["SETINFO", "LIB-NAME", "spots-sessions"];
    let name = (Must::Try, redis::cmd("CLIENT").arg(&name).take());
    let database = match peer.purpose {
        Purpose::Serve { database } => database,
        Purpose::ServeAsPrimary { database } => {
            commands.push((Must::BePrimary, redis::cmd("ROLE")));
            database
        }
        Purpose::ServeAsReplica { database } => {
            commands.push((Must::BeReplica, redis::cmd("ROLE")));
            // In a cluster a replica answers nothing without it; elsewhere it is refused.
            commands.push((Must::Try, redis::cmd("READONLY")));
            database
        }
        Purpose::Ask => {
            commands.push(name);
            return commands;
        }
    };
    if database != 0 {
        commands.push((Must::Select, redis::cmd("SELECT").arg(database).take()));
    }
    commands.push(name);
    // No user needs a right for it.
    commands.push((Must::TellMode, redis::cmd("HELLO")));
    commands.extend(script::loads().map(|load| (Must::Try, load)));
    commands
}

fn check_greeting(must: Must, reply: &Reply<'_>, peer: &Peer) -> Result<(), Error> {
    let error = match reply {
        Reply::Error(error) => error,
        Reply::Array(role) if must == Must::BePrimary => {
            return match role.first() {
                Some(Reply::Bytes(b"master")) => Ok(()),
                _ => Err(unreachable(peer, "it is a replica, and no longer or not yet a primary")),
            };
        }
        Reply::Array(_) if must == Must::BeReplica => {
            let not = "it is no replica that hears from its primary";
            return if is_following(reply) { Ok(()) } else { Err(unreachable(peer, not)) };
        }
        _ => return Ok(()),
    };
    let matters = match must {
        // Redis 6 and later, and Redis before; both without a code of their own.
        Must::LogIn => !error.contains("without any password") && !error.contains("no password"),
        Must::Select | Must::BePrimary | Must::BeReplica => true,
        Must::Try | Must::TellMode => error.starts_with("NOAUTH "),
    };
    if !matters {
        return Ok(());
    }
    let error = ServerError::new(error, Sent::to_log_in(&peer.login));
    match judge(&error) {
        Verdict::Reject(refusal) => Err(refusal),
        // It will pass: calls wait for the next attempt.
        _ => Err(unreachable(peer, &error.shown())),
    }
}

/// Whether a reply to HELLO (<https://redis.io/docs/latest/commands/hello/>) is that of one server, which
/// has all keys. A node of a cluster says so; proxies that spread keys over servers do not know the
/// command, or have no number for the connection.
fn is_one_server(reply: &Reply<'_>) -> bool {
    let Reply::Array(fields) = reply else { return false };
    let has = |is: fn(&[Reply<'_>]) -> bool| fields.chunks(2).any(is);
    has(|field| matches!(field, [Reply::Bytes(b"mode"), Reply::Bytes(b"standalone")]))
        && has(|field| matches!(field, [Reply::Bytes(b"id"), Reply::Int(1..)]))
}

/// Whether a reply to ROLE is that of a replica with a connection to its primary.
pub(super) fn is_following(reply: &Reply<'_>) -> bool {
    let Reply::Array(role) = reply else { return false };
    matches!(role.as_slice(), [Reply::Bytes(b"slave"), _, _, Reply::Bytes(b"connected"), ..])
}

fn because(peer: &Peer, error: &io::Error) -> Error {
    let hint = match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused (is it running?)".to_owned(),
        io::ErrorKind::NotFound if matches!(peer.address, Address::Unix(_)) => {
            "there is no such socket (is it running?)".to_owned()
        }
        io::ErrorKind::InvalidData if peer.login.tls.is_some() => format!("TLS failed: {error}"),
        _ => lack(error).map_or_else(|| error.to_string(), str::to_owned),
    };
    unreachable(peer, &hint)
}
