//! What a server's error means for the call that got it.

use super::settings::{Address, is_host};
use crate::error::Error;
use crate::keys::SLOTS;

/// What is to be done about a server's error.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The script must be sent by its text.
    SendText,
    /// The server will be able to later; the call was not carried out.
    Later,
    /// The call's slot is on its way to another node: the call was not carried out, or only in part.
    Migrating,
    /// This server may not write any more; another one does.
    Elsewhere,
    /// Another node of the cluster is the one to ask.
    Redirect(Redirect),
    /// The call is rejected.
    Reject(Error),
}

/// Where a node of a cluster sends a call
/// (<https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/>).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Redirect {
    pub slot: u16,
    /// Empty for that of the node that says so, `?` where a node has not the name it should have, or
    /// one that nobody can have.
    host: String,
    port: u16,
    /// `ASK`: the slot is on its way, so for this call alone.
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

    /// Whether it says which node.
    pub fn names_a_node(&self) -> bool {
        self.host != "?"
    }

    /// The address of the node, as this one told it.
    pub fn address(&self, from: &Address) -> Address {
        from.of_node(&self.host, self.port)
    }
}

/// Reads a host and a port that a connection can be made to.
fn read_endpoint(endpoint: &str) -> Option<(&str, u16)> {
    let (host, port) = endpoint.rsplit_once(':').filter(|(host, _)| is_host(host))?;
    Some((host, port.parse().ok().filter(|port| *port > 0)?))
}

/// Judges a server's error.
pub(super) fn judge(error: &str) -> Verdict {
    if let Some(redirect) = Redirect::read(error) {
        return Verdict::Redirect(redirect);
    }
    let rejection = refusal(error);
    match rejection.redis_code() {
        Some("NOSCRIPT") => Verdict::SendText,
        Some("LOADING" | "BUSY" | "CLUSTERDOWN" | "MASTERDOWN") => Verdict::Later,
        Some("TRYAGAIN") => Verdict::Migrating,
        _ if error.contains(NON_LOCAL_KEY) => Verdict::Migrating,
        Some("READONLY") => Verdict::Elsewhere,
        Some("WRONGTYPE") => Verdict::Reject(Error::Corrupt),
        _ => Verdict::Reject(rejection),
    }
}

/// What a script runs into that finds a key by itself which has left for another node.
const NON_LOCAL_KEY: &str = "to access a non local key in a cluster node";

/// The rejection of a call by the server.
pub(super) fn refusal(error: &str) -> Error {
    let (code, detail) = error.split_once(' ').unwrap_or((error, ""));
    let (code, detail) = script_error(detail).unwrap_or((code, detail));
    let detail = match detail.rsplit_once(" script: ") {
        // The script's hash and line help nobody.
        Some((words, place)) if place.contains("@user_script") => words,
        _ => detail,
    };
    let detail = without_arguments(detail);
    Error::Redis { code: code.to_owned(), detail: detail.trim_end_matches(',').to_owned() }
}

/// A server's words without the arguments of a command that it does not know, which it repeats: they
/// may be a password, or a session's data.
pub(super) fn without_arguments(words: &str) -> &str {
    words.split(", with args beginning with").next().unwrap_or_default()
}

/// Redis 6.2 wraps what fails in a script:
/// `ERR Error running script (call to f_<sha>): @user_script:3: WRONGTYPE Operation …`, or, where it
/// refuses to run a command, `… @user_script:3: @user_script: 3: -READONLY You can't …`.
fn script_error(detail: &str) -> Option<(&str, &str)> {
    let (_, inner) = detail.strip_prefix("Error running script")?.rsplit_once("@user_script:")?;
    let (_, inner) = inner.split_once(": ")?;
    let inner = inner.strip_prefix('-').unwrap_or(inner);
    let (code, rest) = inner.split_once(' ')?;
    code.bytes().all(|b| b.is_ascii_uppercase()).then_some((code, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(judge(line.strip_prefix('-').expect("an error")), verdict, "{label}");
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
        ];
        assert_verdicts(rows.map(|(label, line, verdict)| (label, line.to_owned(), verdict)));
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
            // What Redis 6 itself refuses to run tells its place twice (spring-data-redis 3042).
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
        assert_eq!(refusal(words), refused("ERR", "unknown command 'AUTH'"));
    }
}
