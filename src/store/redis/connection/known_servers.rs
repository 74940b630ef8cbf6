//! What connections have shown about servers, by address, for all instances of the process.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::settings::Address;

/// How long a server gets only the bare handshake. A server that hung up by accident should get the full handshake
/// again, and a proxy may be replaced by a server.
const BARE_TTL: Duration = Duration::from_secs(600);

/// How many servers are remembered. When there are more, all are forgotten, which costs each of them at most one more
/// attempt to connect.
const MAX_SERVERS: usize = 1024;

static SERVERS: LazyLock<Mutex<HashMap<Key, Known>>> = LazyLock::new(Mutex::default);

/// An address, and whether it is used with TLS.
type Key = (Address, bool);

#[derive(Clone, Copy, Default)]
struct Known {
    /// It has answered at all.
    answered: bool,
    /// It has answered a full handshake.
    greeted: bool,
    /// It has hung up on a full handshake, and has not answered one since.
    hung_up: bool,
    /// Since when it is known to answer only a bare handshake.
    bare_since: Option<Instant>,
}

/// A server whose behaviour is remembered.
pub(crate) struct Server(Key);

impl Server {
    pub fn new(address: &Address, speaks_tls: bool) -> Self {
        Self((address.clone(), speaks_tls))
    }

    /// Whether it should get only the commands that it must know.
    pub fn is_bare(&self) -> bool {
        self.read().bare_since.is_some_and(|since| since.elapsed() < BARE_TTL)
    }

    /// Whether it has ever answered.
    pub fn has_answered(&self) -> bool {
        self.read().answered
    }

    /// Records that it has answered a handshake.
    pub fn answered(&self, bare: bool) {
        self.change(|known| {
            known.answered = true;
            if bare {
                known.bare_since.get_or_insert_with(Instant::now);
            } else {
                *known = Known { answered: true, greeted: true, ..Known::default() };
            }
        });
    }

    /// Records that it hung up on a full handshake. Returns whether it may do so each time. A server that has
    /// answered one before may only have been restarted.
    pub fn hung_up(&self) -> bool {
        let mut before = Known::default();
        self.change(|known| {
            before = *known;
            known.hung_up = true;
            known.bare_since = None;
        });
        before.hung_up || !before.greeted
    }

    fn read(&self) -> Known {
        servers().get(&self.0).copied().unwrap_or_default()
    }

    fn change(&self, change: impl FnOnce(&mut Known)) {
        let mut servers = servers();
        if servers.len() >= MAX_SERVERS && !servers.contains_key(&self.0) {
            servers.clear();
        }
        change(servers.entry(self.0.clone()).or_default());
    }
}

fn servers() -> MutexGuard<'static, HashMap<Key, Known>> {
    SERVERS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(host: &str) -> Server {
        Server::new(&Address::Tcp { host: host.into(), port: 1, family: 0 }, false)
    }

    #[test]
    fn a_server_that_hangs_up_is_greeted_barely_once_it_answers_to_that() {
        let proxy = server("proxy");
        assert!(!proxy.is_bare() && !proxy.has_answered());
        assert!(proxy.hung_up(), "it never answered");
        assert!(!proxy.is_bare(), "it may be down");
        proxy.answered(true);
        assert!(proxy.is_bare() && proxy.has_answered());
        assert!(!Server::new(&proxy.0.0, true).is_bare(), "by TLS it is another");
        proxy.answered(false);
        assert!(!proxy.is_bare());
    }

    #[test]
    fn a_server_that_has_been_greeted_may_hang_up_once() {
        let redis = server("redis");
        redis.answered(false);
        assert!(!redis.hung_up());
        assert!(redis.hung_up());
        redis.answered(false);
        assert!(!redis.hung_up(), "they are counted anew");
    }

    #[test]
    fn no_more_servers_are_remembered_than_there_is_room_for() {
        for n in 0..2 * MAX_SERVERS {
            server(&format!("host-{n}")).answered(true);
        }
        assert!(servers().len() <= MAX_SERVERS);
    }
}
