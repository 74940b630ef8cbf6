//! Finds out whether a server evicts keys, once for each server of the process.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::pipe::Pipe;
use super::wire::Reply;
use crate::event::{Event, Observer};

/// How many servers are remembered. When there are more, all are asked again as they are connected to.
const MAX_KNOWN: usize = 1000;

/// The servers that have told.
static KNOWN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Asks a server for its policy, behind whatever was sent before, and tells if sessions may be
/// evicted by it. A server that does not let us ask is not asked again.
pub(super) async fn look(pipe: Pipe, server: String, observer: Observer) {
    if known().contains(&server) {
        return;
    }
    let asked = pipe.send_one(redis::cmd("INFO").arg("memory"));
    drop(pipe);
    let Ok(replies) = asked.await else { return };
    let policy = replies.iter().next().and_then(|reply| policy(&reply));
    if remember(&mut known(), &server)
        && let Some(policy) = policy
    {
        observer(&Event::Evicts { server, policy });
    }
}

/// Whether it was not known before.
fn remember(known: &mut BTreeSet<String>, server: &str) -> bool {
    if known.len() >= MAX_KNOWN {
        known.clear();
    }
    known.insert(server.to_owned())
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

fn known() -> MutexGuard<'static, BTreeSet<String>> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_remembered_but_not_without_end() {
        let mut known = BTreeSet::new();
        assert!(remember(&mut known, "server"));
        assert!(!remember(&mut known, "server"));
        for n in 0..3 * MAX_KNOWN {
            remember(&mut known, &format!("server-{n}"));
            assert!(known.len() <= MAX_KNOWN);
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
