//! Opens one connection: resolves, connects, encrypts, logs in, selects, loads the scripts.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, Pipeline, RedisConnectionInfo, Value};
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;

use super::reply::refusal;
use super::script;
use super::settings::{Address, Settings, Tls};
use crate::error::Error;

/// A connection that is ready for commands, and what must be polled for it to work. It ends when
/// the connection does.
pub(super) type Opened = (MultiplexedConnection, Pin<Box<dyn Future<Output = ()>>>);

/// How long a peer may be silent, or leave what was sent unacknowledged, before the kernel drops
/// the connection.
const SILENCE: Duration = Duration::from_secs(15);

/// Bytes of commands that are gathered before they are written.
const WRITE_BUFFER: usize = 128 * 1024;

/// Batches that may wait to be written: so many that none waits to be queued, which would cost it
/// its turn.
const QUEUE: usize = 1 << 20;

/// Opens a connection.
///
/// # Errors
///
/// [`Error::Connection`] if the server cannot be reached in time, [`Error::Redis`] if it refuses
/// the credentials or the database.
pub(super) async fn open(settings: &Settings) -> Result<Opened, Error> {
    match tokio::time::timeout(settings.connect_timeout, connect(settings)).await {
        Ok(opened) => opened,
        Err(_) => Err(unreachable(
            settings,
            &format!(
                "no answer within {} ms",
                settings.connect_timeout.as_millis()
            ),
        )),
    }
}

/// The error of a server that cannot be reached.
pub(super) fn unreachable(settings: &Settings, reason: &str) -> Error {
    Error::Connection {
        server: settings.address.to_string(),
        reason: reason.to_owned(),
    }
}

async fn connect(settings: &Settings) -> Result<Opened, Error> {
    match &settings.address {
        #[cfg(unix)]
        Address::Unix(path) => {
            let stream = tokio::net::UnixStream::connect(path).await;
            log_in(stream.map_err(|e| because(settings, &e))?, settings).await
        }
        #[cfg(not(unix))]
        Address::Unix(_) => Err(unreachable(settings, "this system has no unix sockets")),
        Address::Tcp { host, port, family } => {
            let stream = connect_tcp(host, *port, *family).await;
            let stream = stream.map_err(|e| because(settings, &e))?;
            match &settings.tls {
                None => log_in(stream, settings).await,
                Some(tls) => {
                    let stream = encrypt(stream, tls).await;
                    log_in(stream.map_err(|e| because(settings, &e))?, settings).await
                }
            }
        }
    }
}

/// Tries each address that the name stands for, in the resolver's order.
async fn connect_tcp(host: &str, port: u16, family: u8) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host name has no address");
    for address in lookup_host((host, port))
        .await?
        .filter(|a| is_of_family(*a, family))
    {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                configure(&stream)?;
                return Ok(stream);
            }
            Err(error) => last = error,
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
fn configure(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    let probe = SILENCE / 3;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(probe).with_interval(probe))?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(SILENCE))?;
    Ok(())
}

async fn encrypt(
    stream: TcpStream,
    tls: &Tls,
) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let name = ServerName::try_from(tls.server_name.clone())
        .map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
    TlsConnector::from(tls.config.clone())
        .connect(name, stream)
        .await
}

async fn log_in<S>(stream: S, settings: &Settings) -> Result<Opened, Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    // Logging in is ours: the crate's own takes a password that is not needed for a failure.
    let info = RedisConnectionInfo::default().set_skip_set_lib_name();
    let config = AsyncConnectionConfig::new()
        .set_response_timeout(None)
        .set_pipeline_buffer_size(QUEUE)
        .set_write_backpressure_boundary(WRITE_BUFFER);
    let opened = MultiplexedConnection::new_with_config(&info, stream, config).await;
    let (mut connection, driver) = opened.map_err(|e| unreachable(settings, &e.to_string()))?;
    let mut driver: Pin<Box<dyn Future<Output = ()>>> = Box::pin(driver);
    let greetings = greetings(settings);
    let mut pipeline = Pipeline::with_capacity(greetings.len());
    for (_, command) in &greetings {
        pipeline.add_command(command.clone());
    }
    let replies = tokio::select! {
        replies = connection.send_packed_commands(&pipeline, 0, greetings.len()) => {
            replies.map_err(|e| unreachable(settings, &e.to_string()))?
        }
        () = &mut driver => return Err(unreachable(settings, "it closed the connection")),
    };
    for ((must, _), reply) in greetings.iter().zip(&replies) {
        check_greeting(*must, reply, settings)?;
    }
    Ok((connection, driver))
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
        commands.push((
            Must::Select,
            redis::cmd("SELECT").arg(settings.database).take(),
        ));
    }
    let name = ["SETINFO", "LIB-NAME", "spots-sessions"];
    commands.push((Must::Try, redis::cmd("CLIENT").arg(&name).take()));
    commands.extend(script::loads().map(|load| (Must::Try, load)));
    commands
}

fn check_greeting(must: Must, reply: &Value, settings: &Settings) -> Result<(), Error> {
    let Value::ServerError(error) = reply else {
        return Ok(());
    };
    let detail = error.details().unwrap_or_default();
    if detail.contains("max number of clients") {
        return Err(unreachable(settings, "it has reached its maxclients"));
    }
    let matters = match must {
        // Redis 6 and later, and Redis before; both without a code of their own.
        Must::LogIn => !detail.contains("without any password") && !detail.contains("no password"),
        Must::Select => true,
        Must::Try => error.code() == "NOAUTH",
    };
    if matters { Err(refusal(error)) } else { Ok(()) }
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
