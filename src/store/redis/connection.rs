//! Opens one connection: resolves, connects, encrypts, logs in, selects, loads the scripts.

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
use super::pipe::{Pipe, pipe};
use super::reply::{Verdict, judge, without_arguments};
use super::script;
use super::settings::{Address, Settings, Tls};
use super::stream::{Socket, Stream};
use super::wire::Reply;
use crate::error::Error;

/// A connection that is ready for commands, and what must be polled for it to work. It ends when
/// the connection does.
pub(super) type Opened = (Pipe, Driver);

/// How long a peer may be silent, or leave what was sent unacknowledged, before the kernel drops
/// the connection.
const SILENCE: Duration = Duration::from_secs(15);

/// Opens a connection.
///
/// # Errors
///
/// [`Error::Connection`] if the server cannot be reached in time, [`Error::Redis`] if it refuses
/// the credentials or the database.
pub(super) async fn open(settings: &Settings) -> Result<Opened, Error> {
    match tokio::time::timeout(settings.connect_timeout, connect(settings)).await {
        Ok(opened) => opened,
        Err(_) => Err(silent(settings, settings.connect_timeout)),
    }
}

/// The error of a server that cannot be reached.
pub(super) fn unreachable(settings: &Settings, reason: &str) -> Error {
    Error::Connection { server: settings.address.to_string(), reason: reason.to_owned() }
}

/// The error of a server that does not answer.
pub(super) fn silent(settings: &Settings, waited: Duration) -> Error {
    // A server that expects commands in clear waits for the rest of what TLS begins with.
    let hint = if settings.tls.is_some() { " (does it speak TLS?)" } else { "" };
    unreachable(settings, &format!("no answer within {} ms{hint}", waited.as_millis()))
}

async fn connect(settings: &Settings) -> Result<Opened, Error> {
    match &settings.address {
        #[cfg(unix)]
        Address::Unix(path) => {
            let stream = tokio::net::UnixStream::connect(path).await.and_then(Socket::unix);
            log_in(Stream::Clear(stream.map_err(|e| because(settings, &e))?), settings).await
        }
        #[cfg(not(unix))]
        Address::Unix(_) => Err(unreachable(settings, "this system has no unix sockets")),
        Address::Tcp { host, port, family } => {
            let stream = connect_tcp(host, *port, *family, settings.connect_timeout).await;
            let stream = stream.map_err(|e| because(settings, &e))?;
            match &settings.tls {
                None => {
                    let socket = Socket::tcp(stream).map_err(|e| because(settings, &e))?;
                    log_in(Stream::Clear(socket), settings).await
                }
                Some(tls) => {
                    let stream = encrypt(stream, tls).await.map_err(|e| because(settings, &e))?;
                    log_in(Stream::Tls(Box::new(Mutex::new(stream))), settings).await
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
) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let name = ServerName::try_from(tls.server_name.clone())
        .map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
    TlsConnector::from(tls.config.clone()).connect(name, stream).await
}

/// Logs in and makes ready. Not by the crate's own way, which takes a password that is not needed
/// for a failure.
async fn log_in(stream: Stream, settings: &Settings) -> Result<Opened, Error> {
    let mut opened = pipe(stream);
    let greetings = greetings(settings);
    let mut commands = Vec::new();
    for (_, command) in &greetings {
        command.write_packed_command(&mut commands);
    }
    let (pipe, driver) = &mut opened;
    let replies = tokio::select! {
        replies = pipe.send(&commands, greetings.len()) => replies.ok(),
        words = driver => return Err(hung_up(settings, words.as_deref())),
    };
    let replies = replies.ok_or_else(|| hung_up(settings, None))?;
    let mut answered = 0;
    for ((must, _), reply) in greetings.iter().zip(replies.iter()) {
        check_greeting(*must, &reply, settings)?;
        answered += 1;
    }
    if answered < greetings.len() {
        return Err(unreachable(settings, "its answer is not one of a redis server"));
    }
    Ok(opened)
}

fn hung_up(settings: &Settings, words: Option<&str>) -> Error {
    match words {
        Some(words) => {
            let words = without_arguments(words);
            unreachable(settings, &format!("it closed the connection: {words}"))
        }
        None if settings.tls.is_none() => {
            unreachable(settings, "it closed the connection (does it ask for TLS?)")
        }
        None => unreachable(settings, "it closed the connection"),
    }
}

/// Which refusals of a greeting matter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Must {
    /// It may only be refused for there being no password to check.
    LogIn,
    /// It must succeed.
    Select,
    /// It may be refused, but not for want of a password.
    Try,
}

fn greetings(settings: &Settings) -> Vec<(Must, Cmd)> {
    let mut commands = Vec::new();
    if let Some(password) = &settings.password {
        let mut auth = redis::cmd("AUTH");
        if let Some(username) = &settings.username {
            auth.arg(username);
        }
        commands.push((Must::LogIn, auth.arg(password.expose()).take()));
    }
    if settings.database != 0 {
        commands.push((Must::Select, redis::cmd("SELECT").arg(settings.database).take()));
    }
    let name = ["SETINFO", "LIB-NAME", "spots-sessions"];
    commands.push((Must::Try, redis::cmd("CLIENT").arg(&name).take()));
    commands.extend(script::loads().map(|load| (Must::Try, load)));
    commands
}

fn check_greeting(must: Must, reply: &Reply<'_>, settings: &Settings) -> Result<(), Error> {
    let Reply::Error(error) = reply else { return Ok(()) };
    let matters = match must {
        // Redis 6 and later, and Redis before; both without a code of their own.
        Must::LogIn => !error.contains("without any password") && !error.contains("no password"),
        Must::Select => true,
        Must::Try => error.starts_with("NOAUTH "),
    };
    if !matters {
        return Ok(());
    }
    match judge(error) {
        Verdict::Reject(refusal) => Err(refusal),
        // It will pass: calls wait for the next attempt.
        _ => Err(unreachable(settings, without_arguments(error))),
    }
}

fn because(settings: &Settings, error: &io::Error) -> Error {
    let hint = match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused (is it running?)".to_owned(),
        io::ErrorKind::NotFound if matches!(settings.address, Address::Unix(_)) => {
            "there is no such socket (is it running?)".to_owned()
        }
        io::ErrorKind::InvalidData if settings.tls.is_some() => format!("TLS failed: {error}"),
        _ => error.to_string(),
    };
    unreachable(settings, &hint)
}
