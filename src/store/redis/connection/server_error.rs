//! The meaning of a server's error for the call that got it.

use super::redaction::{MAX_SHOWN_CHARS, Sent, head, is_harmless, is_known, shown};
use super::settings::{Address, is_host};
use crate::error::Error;
use crate::keys::SLOTS;

/// An error as the server sent it.
pub(crate) struct ServerError<'a> {
    words: &'a str,
    /// The texts that were sent, and must not be shown.
    sent: Sent<'a>,
}

impl<'a> ServerError<'a> {
    pub fn new(words: &'a str, sent: Sent<'a>) -> Self {
        Self { words: head(words), sent }
    }

    /// The part of it that may be shown.
    pub fn shown(&self) -> String {
        shown(self.words, self.sent, MAX_SHOWN_CHARS)
    }
}

impl<'a> From<&'a str> for ServerError<'a> {
    /// For a caller that does not show the error.
    fn from(words: &'a str) -> Self {
        Self::new(words, Sent::default())
    }
}

/// How to handle a server's error.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The script must be sent by its text.
    SendText,
    /// The server will be able to carry out the call later. It was not carried out.
    Later,
    /// Like `Later`, but the error comes from a proxy. It may have forwarded the call and lost the answer.
    Unknown,
    /// The call's slot is moving to another node. The call was not carried out, or only in part.
    Migrating,
    /// This server does not take writes any more. Another one does.
    Elsewhere,
    /// Another node of the cluster serves the slot.
    Redirect(Redirect),
    /// The call is rejected.
    Reject(Error),
}

/// The redirection of a call by a node of a cluster
/// (<https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/>).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Redirect {
    pub slot: u16,
    /// Empty for the host of the node that redirects. `?` if a node should have a name and has none, or if its name
    /// or port cannot be valid.
    host: String,
    port: u16,
    /// `ASK`: the slot is moving, so the redirection is for this call alone.
    pub once: bool,
}

impl Redirect {
    /// Reads `MOVED 3999 127.0.0.1:6381`.
    fn read(error: &str) -> Option<Self> {
        let mut words = error.split(' ');
        let once = match words.next()? {
            "MOVED" => false,
            "ASK" => true,
            _ => return None,
        };
        let slot = words.next()?.parse().ok().filter(|slot| *slot < SLOTS)?;
        let (host, port) = read_endpoint(words.next()?).unwrap_or(("?", 0));
        Some(Self { slot, host: host.to_owned(), port, once })
    }

    /// Whether it names a node.
    pub fn names_a_node(&self) -> bool {
        self.host != "?"
    }

    /// The address of the node, as the node at `from` names it.
    pub fn address(&self, from: &Address) -> Address {
        from.of_node(&self.host, self.port)
    }
}

/// Reads a host and a port that a connection can be made to.
fn read_endpoint(endpoint: &str) -> Option<(&str, u16)> {
    let (host, port) = endpoint.rsplit_once(':').filter(|(host, _)| is_host(host))?;
    Some((host, port.parse().ok().filter(|port| *port > 0)?))
}

/// Decides how to handle a server's error.
pub(crate) fn judge(error: &ServerError<'_>) -> Verdict {
    if let Some(redirect) = Redirect::read(error.words) {
        return Verdict::Redirect(redirect);
    }
    let rejection = refusal(error);
    match rejection.redis_code() {
        Some("NOSCRIPT") => Verdict::SendText,
        Some("LOADING" | "BUSY" | "CLUSTERDOWN" | "MASTERDOWN") => Verdict::Later,
        Some("TRYAGAIN") => Verdict::Migrating,
        _ if error.words.contains(NON_LOCAL_KEY) => Verdict::Migrating,
        Some("READONLY") => Verdict::Elsewhere,
        Some("WRONGTYPE") => Verdict::Reject(Error::Corrupt),
        Some(code) if is_of_proxy(code, error.words) => Verdict::Unknown,
        _ => Verdict::Reject(rejection),
    }
}

/// Parts of the errors of proxies, in lower case, when they cannot reach a server or lose its answer: Envoy
/// (`upstream failure`, `no upstream host`), twemproxy and Dynomite (the system's errors), Codis (`backend conn
/// reset`), predixy (`no server connection avaliable`, `deliver request fail`), camellia (`proxy upstream not
/// available`), Alibaba Cloud and others.
const OF_PROXIES: [&str; 24] = [
    "upstream",
    "unavailable",
    "not available",
    "avaliable",
    "timed out",
    "timeout",
    "connection refused",
    "connection reset",
    "connection aborted",
    "connection close",
    "connection lost",
    "disconnected",
    "broken pipe",
    "no route to host",
    "host is down",
    "host is unreachable",
    "network is down",
    "network is unreachable",
    "conn reset",
    "deliver request fail",
    "failed to write to cluster",
    "may be offline",
    "temporar",
    "too busy",
];

/// Whether an error comes from a proxy and is temporary. Its code is not one of Redis. Errors about a command are
/// excluded, because they may repeat names that users have chosen.
fn is_of_proxy(code: &str, words: &str) -> bool {
    let words = words.to_ascii_lowercase();
    (code == NO_CODE || !is_known(code))
        && !["unknown ", "wrong number", "script", "'"].iter().any(|word| words.contains(word))
        && OF_PROXIES.iter().any(|said| words.contains(said))
}

/// The error of a script that finds a key by itself, if the key has moved to another node.
const NON_LOCAL_KEY: &str = "to access a non local key in a cluster node";

/// The code of an error that has no code of its own.
const NO_CODE: &str = "ERR";

/// The rejection of a call by the server.
pub(crate) fn refusal(error: &ServerError<'_>) -> Error {
    let (code, detail) = split_code(error);
    let (code, detail) = script_error(detail, error.sent).unwrap_or((code, detail));
    let detail = match detail.rsplit_once(" script: ") {
        // The script's hash and line do not help a user.
        Some((words, place)) if place.contains("@user_script") => words,
        _ => detail,
    };
    let max_chars = MAX_SHOWN_CHARS - code.len() - 1;
    let mut detail = shown(detail.trim_end_matches(','), error.sent, max_chars);
    if code == NO_CODE && detail == "syntax error" {
        // A server that is too old reports this error. It may be too old for HELLO too.
        detail.push_str(" (does it run Redis 6.2 or Valkey 7.2, or later?)");
    }
    Error::Redis { code: code.to_owned(), detail }
}

/// The code that an error begins with, and the rest. A proxy's error may have no code: `upstream failure`.
fn split_code<'a>(error: &ServerError<'a>) -> (&'a str, &'a str) {
    let (code, detail) = error.words.split_once(' ').unwrap_or((error.words, ""));
    if is_code(code, error.sent) { (code, detail) } else { (NO_CODE, error.words) }
}

/// Whether a word is a code, such as `OOM`, and repeats nothing that was sent.
fn is_code(word: &str, sent: Sent<'_>) -> bool {
    let is_upper = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    let begins = word.bytes().next().is_some_and(|byte| byte.is_ascii_uppercase());
    begins
        && (2..=LONGEST_CODE).contains(&word.len())
        && word.bytes().all(is_upper)
        && is_harmless(word, sent)
}

/// The longest code, in characters. Those of Redis have at most 13.
const LONGEST_CODE: usize = 32;

/// Redis 6.2 wraps the errors of a script: `ERR Error running script (call to f_<sha>): @user_script:3: WRONGTYPE
/// Operation …`. If it refuses to run a command, it writes `… @user_script:3: @user_script: 3: -READONLY You can't
/// …`.
fn script_error<'a>(detail: &'a str, sent: Sent<'_>) -> Option<(&'a str, &'a str)> {
    let (_, inner) = detail.strip_prefix("Error running script")?.rsplit_once("@user_script:")?;
    let (_, inner) = inner.split_once(": ")?;
    let inner = inner.strip_prefix('-').unwrap_or(inner);
    let (code, rest) = inner.split_once(' ')?;
    is_code(code, sent).then_some((code, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(words: &str) -> Verdict {
        judge(&ServerError::from(words))
    }

    fn refused(code: &str, detail: &str) -> Error {
        Error::Redis { code: code.into(), detail: detail.into() }
    }

    fn redirect(slot: u16, host: &str, once: bool) -> Verdict {
        Verdict::Redirect(Redirect { slot, host: host.into(), port: 6381, once })
    }

    fn nowhere() -> Verdict {
        Verdict::Redirect(Redirect { slot: 7, host: "?".into(), port: 0, once: false })
    }

    fn oom() -> Verdict {
        let detail = "command not allowed when used memory > 'maxmemory'.";
        Verdict::Reject(refused("OOM", detail))
    }

    fn assert_verdicts(rows: impl IntoIterator<Item = (&'static str, String, Verdict)>) {
        for (label, line, verdict) in rows {
            assert_eq!(judged(line.strip_prefix('-').expect("an error")), verdict, "{label}");
        }
    }

    #[test]
    fn errors_are_judged_by_their_code() {
        let rows = [
            (
                "a script that is not known",
                "-NOSCRIPT No matching script. Please use EVAL.",
                Verdict::SendText,
            ),
            ("loading", "-LOADING Redis is loading the dataset in memory", Verdict::Later),
            (
                "busy",
                "-BUSY Redis is busy running a script. You can only call SCRIPT KILL.",
                Verdict::Later,
            ),
            ("no master", "-MASTERDOWN Link with MASTER is down", Verdict::Later),
            (
                "a replica",
                "-READONLY You can't write against a read only replica.",
                Verdict::Elsewhere,
            ),
            (
                "a key of another type",
                "-WRONGTYPE Operation against a key holding the wrong kind of value",
                Verdict::Reject(Error::Corrupt),
            ),
            (
                "a slot on its way",
                "-TRYAGAIN Multiple keys request during rehashing of slot",
                Verdict::Migrating,
            ),
            (
                "a script on a slot on its way",
                "-ERR Script attempted to access a non local key in a cluster node script: 8d6e0b1a, on @user_script:3.",
                Verdict::Migrating,
            ),
            (
                "the same, as Valkey 9 says it",
                "-ERR Attempted to access a non local key in a cluster node script: 8d6e0b1a, on @user_script:3.",
                Verdict::Migrating,
            ),
            ("moved", "-MOVED 3999 127.0.0.1:6381", redirect(3999, "127.0.0.1", false)),
            ("moved to IPv6", "-MOVED 0 ::1:6381", redirect(0, "::1", false)),
            ("moved to the same host", "-MOVED 7 :6381", redirect(7, "", false)),
            ("moved to a host that none can be called", "-MOVED 7 \x1b[2J:6381", nowhere()),
            ("moved to no port", "-MOVED 7 127.0.0.1:0", nowhere()),
            ("moved to a port that there is not", "-MOVED 7 127.0.0.1:-1", nowhere()),
            ("moved to what has no port", "-MOVED 7 127.0.0.1", nowhere()),
            ("ask", "-ASK 16383 node-3.local:6381", redirect(16383, "node-3.local", true)),
            (
                "moved from a slot that there is not",
                "-MOVED 16384 127.0.0.1:6381",
                Verdict::Reject(refused("MOVED", "16384 127.0.0.1:6381")),
            ),
            ("out of memory", "-OOM command not allowed when used memory > 'maxmemory'.", oom()),
            (
                "no permission",
                "-NOPERM this user has no permissions to run the 'get' command",
                Verdict::Reject(refused(
                    "NOPERM",
                    "this user has no permissions to run the 'get' command",
                )),
            ),
            ("a code alone", "-OOPS", Verdict::Reject(refused("OOPS", ""))),
            ("no code", "-invalid request", Verdict::Reject(refused("ERR", "invalid request"))),
            ("nothing", "-", Verdict::Reject(refused("ERR", ""))),
            (
                "words in capitals",
                "-I AM A TEAPOT",
                Verdict::Reject(refused("ERR", "I AM A TEAPOT")),
            ),
            (
                "a name that sounds like a proxy",
                "-ERR unknown command 'upstream'",
                Verdict::Reject(refused("ERR", "unknown command 'upstream'")),
            ),
        ];
        assert_verdicts(rows.map(|(label, line, verdict)| (label, line.to_owned(), verdict)));
    }

    #[test]
    fn what_a_proxy_cannot_say_is_unknown() {
        for words in [
            "upstream failure",
            "no upstream host",
            "upstream protocol error",
            "ERR Connection timed out",
            "ERR Connection refused",
            "ERR Host is down",
            "ERR Storage: Connection refused",
            "ERR handle response, backend conn reset",
            "ERR handle request, slot is not ready, may be offline",
            "ERR no server connection avaliable",
            "ERR deliver request fail",
            "ERR proxy upstream not available",
            "ERR command execute timeout",
            "ERR Cluster node disconnected: 10.0.0.1:6379",
            "UNAVAILABLE",
            "UNAVAILABLE try later",
            "SERVER_ERROR Connection timed out",
        ] {
            assert_eq!(judged(words), Verdict::Unknown, "{words}");
        }
    }

    #[test]
    fn errors_in_scripts_are_judged_by_their_code_however_it_is_wrapped() {
        let sha = "8d6e0b1a2f4c5d6e7f8091a2b3c4d5e6f7081920";
        let seven = format!(" script: {sha}, on @user_script:3.");
        let six = format!("-ERR Error running script (call to f_{sha}): @user_script:3: ");
        let wrong_type = "WRONGTYPE Operation against a key holding the wrong kind of value";
        let read_only = "-READONLY You can't write against a read only replica.";
        let out_of_memory = "-OOM command not allowed when used memory > 'maxmemory'.";
        let bug = "user_script:3: attempt to index a nil value";
        assert_verdicts([
            ("Redis 7, a replica", format!("{read_only}{seven}"), Verdict::Elsewhere),
            (
                "Valkey 9, a right that is missing",
                format!("-ERR ACL failure in script: User u may not run 'del'{seven}"),
                Verdict::Reject(refused("ERR", "ACL failure in script: User u may not run 'del'")),
            ),
            (
                "Redis 7, a key of another type",
                format!("-{wrong_type}{seven}"),
                Verdict::Reject(Error::Corrupt),
            ),
            ("Redis 7, out of memory", format!("{out_of_memory}{seven}"), oom()),
            ("Redis 7, a bug", format!("-ERR {bug}{seven}"), Verdict::Reject(refused("ERR", bug))),
            ("Redis 6, a replica", format!("{six}{read_only}"), Verdict::Elsewhere),
            (
                "Redis 6, a key of another type",
                format!("{six}{wrong_type}"),
                Verdict::Reject(Error::Corrupt),
            ),
            // Redis 6 gives the position twice if it refuses to run a command (spring-data-redis 3042).
            (
                "Redis 6, a replica, its place told twice",
                format!("{six}@user_script: 3: {read_only}"),
                Verdict::Elsewhere,
            ),
            (
                "Redis 6, out of memory, its place told twice",
                format!("{six}@user_script: 3: {out_of_memory}"),
                oom(),
            ),
            (
                "Redis 6, a bug",
                format!("{six}{bug}"),
                Verdict::Reject(refused("ERR", &format!("{}{bug}", &six[5..]))),
            ),
        ]);
    }

    #[test]
    fn what_the_server_repeats_of_a_command_is_left_out() {
        let words = "ERR unknown command 'AUTH', with args beginning with: 'hunter2secret' ";
        assert_eq!(judged(words), Verdict::Reject(refused("ERR", "unknown command 'AUTH'")));
    }
}
