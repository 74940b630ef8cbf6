//! Asks sentinels for the primary and its replicas, and subscribes to their messages about a new primary
//! (<https://redis.io/docs/latest/develop/reference/sentinel-clients/>).

use std::cmp::Reverse;
use std::fmt;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::backoff::random;
use super::endpoint::{Addresses, open_announced};
use crate::error::Error;
use crate::protocol::Reply;
use crate::store::redis::connection::handshake::refused;
use crate::store::redis::connection::open::{self, Opened, Peer, Purpose};
use crate::store::redis::connection::pipe::Replies;
use crate::store::redis::connection::redaction::Sent;
use crate::store::redis::connection::server_error::ServerError;
use crate::store::redis::connection::settings::{Address, Login, Sentinels, Settings, is_host};

/// How long the other sentinels may take once one has named a primary, unless more than half agree earlier.
const OTHER_SENTINELS_TIMEOUT: Duration = Duration::from_secs(1);

/// How many replicas one attempt tries. A sentinel may name any number, and the next attempt begins at a random one.
const MAX_REPLICAS_TRIED: usize = 8;

/// The sentinels of a primary.
pub(crate) struct Sentinel {
    sentinels: Vec<Peer>,
    name: String,
    /// How to connect to the primary, without its address.
    primary: Peer,
    family: u8,
}

/// A connection to a sentinel that reports every new primary.
pub(crate) struct Subscription {
    connection: Opened,
    /// The primary, according to this sentinel.
    pub primary: Option<Address>,
}

impl Sentinel {
    pub fn new(sentinels: &Sentinels, settings: &Settings) -> Self {
        let peer = |address: &Address| Peer {
            address: address.clone(),
            login: sentinels.login.of_one_server(),
            nat_map: None,
            connect_timeout: settings.connect_timeout,
            purpose: Purpose::AskSentinel,
        };
        let peers: Vec<_> = sentinels.addresses.iter().map(peer).collect();
        let family = match sentinels.addresses.first() {
            Some(Address::Tcp { family, .. }) => *family,
            _ => 0,
        };
        let primary = Peer {
            purpose: Purpose::ServeAsPrimary { database: settings.database },
            ..Peer::new(Address::Unix(String::new()), settings)
        };
        Self { sentinels: peers, name: sentinels.name.clone(), primary, family }
    }

    /// How to log in to the primary and its replicas.
    pub fn login(&self) -> &Login {
        &self.primary.login
    }

    /// Whether a function was asked for a password and has not answered yet.
    pub fn awaits_password(&self) -> bool {
        self.primary.login.is_awaited() || self.sentinels.iter().any(|peer| peer.login.is_awaited())
    }

    pub fn count(&self) -> usize {
        self.sentinels.len()
    }

    /// Opens a connection to the primary. The sentinels vote on its address, because some may have missed a failover.
    /// The server itself must confirm that it is the primary, because all of them may have missed it.
    pub async fn open(&self) -> Result<(Opened, Addresses), Error> {
        let mut last = None;
        let votes = self.votes().await?;
        let most = votes.first().map_or(0, |(_, votes)| *votes);
        for (address, _) in votes.into_iter().filter(|(_, votes)| *votes == most) {
            let peer = Peer { address, ..self.primary.clone() };
            match open_announced(&peer, |_| {}).await {
                Ok(opened) => return Ok(opened),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| self.unknown()))
    }

    /// Opens a connection to one of the replicas that the sentinels know, chosen at random.
    pub async fn open_replica(&self) -> Result<(Opened, Addresses), Error> {
        let mut replicas = self.replicas().await?;
        let middle = random() as usize % replicas.len().max(1);
        replicas.rotate_left(middle);
        let mut last = None;
        for address in replicas.into_iter().take(MAX_REPLICAS_TRIED) {
            let Purpose::ServeAsPrimary { database } = self.primary.purpose else { break };
            let purpose = Purpose::ServeAsReplica { database };
            let peer = Peer { address, purpose, ..self.primary.clone() };
            match open_announced(&peer, |_| {}).await {
                Ok(opened) => return Ok(opened),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| self.unknown()))
    }

    /// The replicas, according to the first sentinel that answers.
    async fn replicas(&self) -> Result<Vec<Address>, Error> {
        let question = redis::cmd("SENTINEL").arg(&["REPLICAS", &self.name]).get_packed_command();
        let mut last = None;
        for peer in &self.sentinels {
            match ask(peer, &question, 1).await {
                Ok((_, replies)) => match replies.iter().next() {
                    Some(Reply::Array(replicas)) => {
                        let address = |replica| read_replica(replica, self.family);
                        return Ok(replicas.iter().filter_map(address).collect());
                    }
                    _ => last = Some(self.unknown()),
                },
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| self.unknown()))
    }

    /// Whether more sentinels name another primary than name this one.
    pub async fn has_moved_from(&self, primary: &Address) -> bool {
        let votes = self.votes().await.unwrap_or_default();
        let for_this = votes.iter().find(|(address, _)| address == primary);
        votes.first().is_some_and(|(_, most)| *most > for_this.map_or(0, |(_, votes)| *votes))
    }

    /// The primaries that sentinels name, with the number of votes for each. The one with the most votes comes first.
    /// Once more than half of all sentinels agree, it does not wait for the others.
    async fn votes(&self) -> Result<Vec<(Address, usize)>, Error> {
        let mut asked = JoinSet::new();
        for peer in &self.sentinels {
            let (peer, question) = (peer.clone(), self.question());
            asked.spawn(async move { read_primary(&ask(&peer, &question, 1).await?.1, &peer) });
        }
        let mut votes: Vec<(Address, usize)> = Vec::new();
        let mut last = None;
        // A question that reaches its own timeout ends before this, so that its error is known.
        let mut until = Instant::now() + 2 * self.primary.connect_timeout + OTHER_SENTINELS_TIMEOUT;
        while let Ok(Some(answer)) = timeout_at(until, asked.join_next()).await {
            match answer.unwrap_or(Err(Error::Internal)) {
                Ok(Some((host, port))) => {
                    until = until.min(Instant::now() + OTHER_SENTINELS_TIMEOUT);
                    let address = Address::Tcp { host, port, family: self.family };
                    let known = votes.iter().position(|(named, _)| *named == address);
                    let place = known.unwrap_or_else(|| {
                        votes.push((address, 0));
                        votes.len() - 1
                    });
                    votes[place].1 += 1;
                    if votes[place].1 > self.sentinels.len() / 2 {
                        break;
                    }
                }
                Ok(None) => last = last.filter(Error::is_refusal).or(Some(self.unknown())),
                Err(error) => last = Some(error.or_graver(last)),
            }
        }
        votes.sort_by_key(|(_, votes)| Reverse(*votes));
        if votes.is_empty() { Err(last.unwrap_or_else(|| self.unknown())) } else { Ok(votes) }
    }

    /// Subscribes to the messages of one of the sentinels about new primaries.
    pub async fn subscribe(&self, number: usize) -> Result<Subscription, Error> {
        let mut commands = self.question();
        commands.extend(redis::cmd("SUBSCRIBE").arg("+switch-master").get_packed_command());
        // The sentinel answers both commands before it sends a message, so no message is missed.
        let sentinel = &self.sentinels[number];
        let (connection, replies) = ask(sentinel, &commands, 2).await?;
        let primary = read_primary(&replies, sentinel)?;
        let to_address = |(host, port)| Address::Tcp { host, port, family: self.family };
        Ok(Subscription { connection, primary: primary.map(to_address) })
    }

    fn question(&self) -> Vec<u8> {
        let words = ["GET-MASTER-ADDR-BY-NAME", self.name.as_str()];
        redis::cmd("SENTINEL").arg(&words).get_packed_command()
    }

    fn unknown(&self) -> Error {
        let sentinels: Vec<_> = self.sentinels.iter().map(|s| s.address.to_string()).collect();
        let reason = format!("the sentinels know no primary called {:?}", self.name);
        Error::Connection { server: sentinels.join(", "), reason }
    }
}

impl fmt::Display for Sentinel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (by sentinels)", self.name)
    }
}

impl Subscription {
    /// Waits until the sentinel sends a message, or the connection ends.
    pub async fn news(self) {
        let (pipe, driver) = self.connection;
        tokio::select! {
            // A message counts as the reply to an empty request.
            _news = pipe.send(&[], 1) => {}
            _ending = driver => {}
        }
    }
}

/// Asks a sentinel.
async fn ask(peer: &Peer, commands: &[u8], replies: usize) -> Result<(Opened, Replies), Error> {
    let mut opened = open::open(peer).await?;
    let answer = open::ask(&mut opened, commands, replies);
    let answer = tokio::time::timeout(peer.connect_timeout, answer).await;
    let Ok(Ok(answer)) = answer else {
        return Err(open::unreachable(peer, "it gave no answer"));
    };
    Ok((opened, answer))
}

/// Reads the address of the primary. `None` if the sentinel knows no primary of this name.
fn read_primary(replies: &Replies, peer: &Peer) -> Result<Option<(String, u16)>, Error> {
    let reason = match replies.iter().next() {
        Some(Reply::Nil) => return Ok(None),
        Some(Reply::Array(address)) => return Ok(read_address(&address)),
        Some(Reply::Error(error))
            if error.starts_with("NOAUTH ") || error.starts_with("NOPERM ") =>
        {
            return Err(refused(peer, &error));
        }
        Some(Reply::Error(error)) => {
            let said = ServerError::new(&error, Sent::to_log_in(&peer.login));
            format!("it is no sentinel, or gives no answer: {}", said.shown())
        }
        _ => "its answer is not one of a sentinel".to_owned(),
    };
    Err(open::unreachable(peer, &reason))
}

/// Reads the address of a replica from its properties, which are names and values in turn. `None` if the replica is
/// known to be down.
fn read_replica(properties: &Reply<'_>, family: u8) -> Option<Address> {
    let Reply::Array(properties) = properties else { return None };
    let property = |wanted: &str| {
        properties.chunks_exact(2).find_map(|pair| match pair {
            [Reply::Bytes(name), Reply::Bytes(value)] if *name == wanted.as_bytes() => {
                std::str::from_utf8(value).ok()
            }
            _ => None,
        })
    };
    let flags = property("flags")?;
    if flags.contains("down") || flags.contains("disconnected") {
        return None;
    }
    let host = property("ip").filter(|host| is_host(host))?.to_owned();
    Some(Address::Tcp { host, port: property("port")?.parse().ok()?, family })
}

fn read_address(reply: &[Reply<'_>]) -> Option<(String, u16)> {
    let [Reply::Bytes(host), Reply::Bytes(port)] = reply else { return None };
    let port = std::str::from_utf8(port).ok()?.parse().ok()?;
    let host = std::str::from_utf8(host).ok().filter(|host| is_host(host))?;
    Some((host.to_owned(), port))
}
