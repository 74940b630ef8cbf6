//! The handshake: logs in, selects the database, and finds out what the server is. It does not use the `redis`
//! crate's handshake, which treats a password that the server does not need as a failure.

use redis::Cmd;

use super::driver::Ending;
use super::known_servers::Server;
use super::open::{Opened, Peer, Purpose, ask, not_redis, unreachable};
use super::password::Password;
use super::pipe::pipe;
use super::redaction::Sent;
use super::server_error::{ServerError, Verdict, judge};
use super::settings::Address;
use super::stream::Stream;
use crate::error::Error;
use crate::protocol::Reply;
use crate::store::redis::scripts;

/// The oldest servers that support every command used here: `SET … PXAT` came with Redis 6.2.
const NEEDED: &str = "needs Redis 6.2 or Valkey 7.2";

/// Why a connection could not be used.
pub(crate) enum Failure {
    /// The peer hung up, perhaps because it does not know a command.
    HungUp(Error),
    Other(Error),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::HungUp(error) | Failure::Other(error) => error,
        }
    }
}

/// Performs the handshake. `bare`: only with commands that the peer must know.
pub(crate) async fn log_in(stream: Stream, peer: &Peer, bare: bool) -> Result<Opened, Failure> {
    let mut opened = pipe(stream);
    let greetings = greetings(peer, bare);
    let mut commands = Vec::new();
    for (_, command) in &greetings {
        command.write_packed_command(&mut commands);
    }
    let replies = ask(&mut opened, &commands, greetings.len()).await;
    let replies = replies.map_err(|ending| hung_up(peer, ending))?;
    let mut answered = 0;
    for ((must, _), reply) in greetings.iter().zip(replies.iter()) {
        check(*must, &reply, peer).map_err(Failure::Other)?;
        if *must == Must::TellItself {
            check_version(&reply).map_err(Failure::Other)?;
            opened.0.set_shares_scripts(is_one_server(&reply));
        }
        answered += 1;
    }
    if answered < greetings.len() {
        return Err(Failure::Other(not_redis(peer)));
    }
    Ok(opened)
}

/// The failure of a peer that hung up.
fn hung_up(peer: &Peer, ending: Ending) -> Failure {
    let speaks_tls = peer.login.tls.is_some();
    match ending {
        Ending::Said(words) => {
            let said = ServerError::new(&words, Sent::to_log_in(&peer.login));
            let error = unreachable(peer, &format!("it closed the connection: {}", said.shown()));
            // Some peers name the command that they do not know, and hang up.
            let names_command = words.contains("command") && !is_of_connection(&words);
            if names_command { Failure::HungUp(error) } else { Failure::Other(error) }
        }
        // The type of a TLS record: an alert (RFC 8446, section 5.1).
        Ending::Strange(bytes) if !speaks_tls && bytes.starts_with(&[21, 3]) => {
            Failure::Other(unreachable(peer, "it asks for TLS (use rediss:// or the option `tls`)"))
        }
        Ending::Strange(_) => Failure::Other(not_redis(peer)),
        Ending::Failed(words) => Failure::Other(unreachable(peer, &words)),
        Ending::Closed { answered: true } => {
            Failure::HungUp(unreachable(peer, "it closed the connection"))
        }
        Ending::Closed { answered: false } => {
            let is_new = !Server::new(&peer.address, speaks_tls).has_answered();
            let may_ask_for_tls =
                is_new && !speaks_tls && matches!(peer.address, Address::Tcp { .. });
            let hint = if may_ask_for_tls { " (does it ask for TLS?)" } else { "" };
            Failure::HungUp(unreachable(peer, &format!("it closed the connection{hint}")))
        }
    }
}

/// Which errors in the handshake matter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Must {
    /// It may fail only because the server has no password to check.
    LogIn,
    /// It must succeed.
    Select,
    /// The server must say that it is a primary.
    BePrimary,
    /// The server must say that it is a replica with a connection to its primary.
    BeReplica,
    /// It may fail, but not because the server refuses the connection or the login.
    Try,
    /// Like `Try`. If it succeeds, the server reports its name and version.
    TellItself,
}

fn greetings(peer: &Peer, bare: bool) -> Vec<(Must, Cmd)> {
    let mut commands = Vec::new();
    // `open` has asked for a password that a function gives.
    if let Some(Password::Fixed(password)) = &peer.login.password {
        let mut auth = redis::cmd("AUTH");
        if let Some(username) = &peer.login.username {
            auth.arg(username);
        }
        commands.push((Must::LogIn, auth.arg(password.expose()).take()));
    }
    match peer.purpose {
        Purpose::ServeAsPrimary { .. } => commands.push((Must::BePrimary, redis::cmd("ROLE"))),
        Purpose::ServeAsReplica { .. } => {
            commands.push((Must::BeReplica, redis::cmd("ROLE")));
            // In a cluster, a replica serves no reads without it. Elsewhere the server refuses it.
            commands.push((Must::Try, redis::cmd("READONLY")));
        }
        Purpose::Serve { .. } | Purpose::AskNode | Purpose::AskSentinel => {}
    }
    if let Some(database @ 1..) = peer.purpose.database() {
        commands.push((Must::Select, redis::cmd("SELECT").arg(database).take()));
    }
    if !bare {
        let name = ["SETINFO", "LIB-NAME", "spots-sessions"];
        commands.push((Must::Try, redis::cmd("CLIENT").arg(&name).take()));
        if peer.purpose.database().is_some() {
            // No user needs a permission for it.
            commands.push((Must::TellItself, redis::cmd("HELLO")));
            commands.extend(scripts::loads().map(|load| (Must::Try, load)));
        }
    } else if commands.is_empty() {
        // Only an answer shows that there is a server at all. Proxies know this command.
        commands.push((Must::Try, redis::cmd("GET").arg("spots:{greeting}").take()));
    }
    commands
}

fn check(must: Must, reply: &Reply<'_>, peer: &Peer) -> Result<(), Error> {
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
        // The errors of Redis 6 and later, and of older Redis. Neither has a code of its own.
        Must::LogIn => !error.contains("without any password") && !error.contains("no password"),
        Must::Select | Must::BePrimary | Must::BeReplica => true,
        Must::Try | Must::TellItself => is_of_connection(error),
    };
    if matters { Err(refused(peer, error)) } else { Ok(()) }
}

/// Whether an error is about the connection, whichever command it answers.
fn is_of_connection(error: &str) -> bool {
    error.starts_with("NOAUTH ") || is_farewell(error)
}

/// Whether a server hangs up after this error.
fn is_farewell(error: &str) -> bool {
    error.starts_with("DENIED ") || error.contains("max number of clients")
}

/// The error of a peer that refuses us.
pub(crate) fn refused(peer: &Peer, words: &str) -> Error {
    if words.starts_with("NOAUTH ") && peer.login.password.is_none() {
        let whose =
            if peer.purpose == Purpose::AskSentinel { "sentinelPassword" } else { "password" };
        let detail = format!("authentication required (no {whose} was given)");
        return Error::Redis { code: "NOAUTH".into(), detail };
    }
    let error = ServerError::new(words, Sent::to_log_in(&peer.login));
    match judge(&error) {
        Verdict::Reject(refusal) if !is_farewell(words) => refusal,
        // The reason is temporary, so calls wait for the next attempt.
        _ => unreachable(peer, &error.shown()),
    }
}

/// Refuses a server that is too old, if its reply to HELLO says so (<https://redis.io/docs/latest/commands/hello/>).
/// Other servers report a version of Redis that they are compatible with, or a version of their own. A version below
/// 6.0 is not that of Redis, because HELLO came with 6.0.
fn check_version(reply: &Reply<'_>) -> Result<(), Error> {
    let Reply::Array(fields) = reply else { return Ok(()) };
    let field = |name: &[u8]| {
        fields.chunks_exact(2).find_map(|field| match field {
            [Reply::Bytes(key), Reply::Bytes(value)] if *key == name => {
                std::str::from_utf8(value).ok()
            }
            _ => None,
        })
    };
    let (Some(server), Some(version)) = (field(b"server"), field(b"version")) else {
        return Ok(());
    };
    let mut numbers = version.split('.').map(|number| number.parse::<u16>().ok());
    let (Some(Some(major)), Some(Some(minor))) = (numbers.next(), numbers.next()) else {
        return Ok(());
    };
    let name = match (server, (major, minor)) {
        ("redis", (6, 0 | 1)) => "Redis",
        ("valkey", too_old) if too_old < (7, 2) => "Valkey",
        _ => return Ok(()),
    };
    let patch = numbers.next().flatten().map_or(String::new(), |patch| format!(".{patch}"));
    let detail = format!("{NEEDED}, this is {name} {major}.{minor}{patch}");
    Err(Error::Redis { code: "ERR".into(), detail })
}

/// Whether a reply to HELLO is that of a single server, which has all keys. A node of a cluster reports another mode.
/// Proxies that spread keys over servers do not know the command, or report no id of the connection.
fn is_one_server(reply: &Reply<'_>) -> bool {
    let Reply::Array(fields) = reply else { return false };
    let has = |is: fn(&[Reply<'_>]) -> bool| fields.chunks(2).any(is);
    has(|field| matches!(field, [Reply::Bytes(b"mode"), Reply::Bytes(b"standalone")]))
        && has(|field| matches!(field, [Reply::Bytes(b"id"), Reply::Int(1..)]))
}

/// Whether a reply to ROLE is that of a replica with a connection to its primary.
pub(crate) fn is_following(reply: &Reply<'_>) -> bool {
    let Reply::Array(role) = reply else { return false };
    matches!(role.as_slice(), [Reply::Bytes(b"slave"), _, _, Reply::Bytes(b"connected"), ..])
}
