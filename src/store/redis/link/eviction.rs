//! Finds out whether a server may evict sessions. Each server is asked once per process.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::event::{Event, Observer};
use crate::protocol::Reply;
use crate::store::redis::connection::pipe::Pipe;

/// The servers that have answered, or that hung up on the question. A proxy may hang up on it each time.
static KNOWN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// How many servers are remembered. When there are more, all are forgotten and asked once more.
const MAX_SERVERS: usize = 1024;

/// Asks a server for its eviction policy, behind the commands that were sent before. Tells the observer if the server
/// may evict sessions. A server that refuses the question is not asked again.
pub(crate) async fn look(pipe: Pipe, server: String, observer: Observer) {
    if known().contains(&server) {
        return;
    }
    let asked = pipe.send_one(redis::cmd("INFO").arg("memory"));
    drop(pipe);
    let replies = asked.await.ok();
    let policy = replies.and_then(|replies| replies.iter().next().and_then(|reply| policy(&reply)));
    if let (true, Some(policy)) = (remember(&server), policy) {
        observer(&Event::Evicts { server, policy });
    }
}

/// Remembers a server. Returns whether it is new.
fn remember(server: &str) -> bool {
    let mut known = known();
    if known.len() >= MAX_SERVERS && !known.contains(server) {
        known.clear();
    }
    known.insert(server.to_owned())
}

/// The policy by which the server evicts keys. `None` if it evicts none.
fn policy(reply: &Reply<'_>) -> Option<String> {
    let Reply::Bytes(text) = reply else { return None };
    let text = std::str::from_utf8(text).ok()?;
    let field = |name| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let policy = field("maxmemory_policy")?;
    let evicts = field("maxmemory")? != "0" && policy != "noeviction";
    // The policy becomes part of a message, so it has to be a word.
    let is_word = policy.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    (evicts && is_word).then(|| policy.to_owned())
}

fn known() -> MutexGuard<'static, BTreeSet<String>> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_remembered_but_not_without_end() {
        assert!(remember("a server"));
        assert!(!remember("a server"));
        for n in 0..3 * MAX_SERVERS {
            remember(&format!("server-{n}"));
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
