//! Finds out whether a server evicts keys, once for each server of the process.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::pipe::Pipe;
use super::wire::Reply;
use crate::event::{Event, Observer};

/// How often each server was asked in vain; those that have told need not be asked.
static KNOWN: Mutex<BTreeMap<String, u8>> = Mutex::new(BTreeMap::new());

/// How often a server may leave the question without an answer: a proxy may hang up on it each time.
const MAX_ASKED: u8 = 2;

/// How many servers are remembered. With more of them all are forgotten, and asked once more.
const MAX_SERVERS: usize = 1024;

/// Asks a server for its policy, behind whatever was sent before, and tells if sessions may be
/// evicted by it. A server that does not let us ask is not asked again.
pub(super) async fn look(pipe: Pipe, server: String, observer: Observer) {
    if known().get(&server).is_some_and(|asked| *asked >= MAX_ASKED) {
        return;
    }
    let asked = pipe.send_one(redis::cmd("INFO").arg("memory"));
    drop(pipe);
    let Ok(replies) = asked.await else {
        let asked = known().get(&server).copied().unwrap_or_default();
        remember(&server, asked + 1);
        return;
    };
    let policy = replies.iter().next().and_then(|reply| policy(&reply));
    let is_news = remember(&server, MAX_ASKED) != Some(MAX_ASKED);
    if let (true, Some(policy)) = (is_news, policy) {
        observer(&Event::Evicts { server, policy });
    }
}

/// Returns how often it had been asked in vain.
fn remember(server: &str, asked: u8) -> Option<u8> {
    let mut known = known();
    if known.len() >= MAX_SERVERS && !known.contains_key(server) {
        known.clear();
    }
    known.insert(server.to_owned(), asked.min(MAX_ASKED))
}

/// The policy by which keys may be evicted; nothing where none may be.
fn policy(reply: &Reply<'_>) -> Option<String> {
    let Reply::Bytes(text) = reply else { return None };
    let text = std::str::from_utf8(text).ok()?;
    let field = |name| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let policy = field("maxmemory_policy")?;
    let evicts = field("maxmemory")? != "0" && policy != "noeviction";
    // It becomes part of a message, so it has to be a word.
    let is_word = policy.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    (evicts && is_word).then(|| policy.to_owned())
}

fn known() -> MutexGuard<'static, BTreeMap<String, u8>> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_remembered_but_not_without_end() {
        assert_eq!(remember("a server", 1), None);
        assert_eq!(remember("a server", 2), Some(1));
        for n in 0..3 * MAX_SERVERS {
            remember(&format!("server-{n}"), 1);
            assert!(known().len() <= MAX_SERVERS);
        }
    }

    #[test]
    fn a_server_with_a_limit_and_a_policy_evicts() {
        for (info, expected) in [
            ("maxmemory:100\r\nmaxmemory_policy:allkeys-lru\r\n", Some("allkeys-lru")),
            ("# Memory\r\nmaxmemory:9\r\nmaxmemory_policy:volatile-ttl\r\n", Some("volatile-ttl")),
            ("maxmemory:100\r\nmaxmemory_policy:noeviction\r\n", None),
            ("maxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\n", None),
            ("maxmemory:100\r\nmaxmemory_policy:\x1b[2J\r\n", None),
            ("maxmemory_human:100\r\nmaxmemory_policy:allkeys-lru\r\n", None),
            ("", None),
        ] {
            assert_eq!(policy(&Reply::Bytes(info.as_bytes())).as_deref(), expected, "{info:?}");
        }
        assert_eq!(
            policy(&Reply::Error("NOPERM no permissions to run the 'info' command".into())),
            None
        );
        assert_eq!(policy(&Reply::Bytes(b"\xff")), None);
    }
}
