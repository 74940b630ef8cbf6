//! What a server's error means for the call that got it.

use redis::ServerError;

use crate::error::Error;

/// What is to be done about a server's error.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The script must be sent by its text.
    SendText,
    /// The server will be able to later; the call was not carried out.
    Later,
    /// This server may not write any more; another one does.
    Elsewhere,
    /// The call is rejected.
    Reject(Error),
}

/// Judges a server's error.
pub(super) fn judge(error: &ServerError) -> Verdict {
    let rejection = refusal(error);
    match rejection.redis_code() {
        Some("NOSCRIPT") => Verdict::SendText,
        Some("LOADING" | "BUSY" | "TRYAGAIN" | "CLUSTERDOWN" | "MASTERDOWN") => Verdict::Later,
        Some("READONLY") => Verdict::Elsewhere,
        Some("WRONGTYPE") => Verdict::Reject(Error::Corrupt),
        _ => Verdict::Reject(rejection),
    }
}

/// The rejection of a call by the server.
pub(super) fn refusal(error: &ServerError) -> Error {
    let detail = error.details().unwrap_or_default();
    let (code, detail) = script_error(detail).unwrap_or((error.code(), detail));
    // The rest names the script's hash and line, which help nobody.
    let detail = detail.split(" script: ").next().unwrap_or_default();
    Error::Redis {
        code: code.to_owned(),
        detail: detail.trim_end_matches(',').to_owned(),
    }
}

/// Redis 6.2 wraps what fails in a script:
/// `ERR Error running script (call to f_<sha>): @user_script:3: WRONGTYPE Operation …`, or, where it
/// refuses to run a command, `… @user_script:3: @user_script: 3: -READONLY You can't …`.
fn script_error(detail: &str) -> Option<(&str, &str)> {
    let (_, inner) = detail
        .strip_prefix("Error running script")?
        .rsplit_once("@user_script:")?;
    let (_, inner) = inner.split_once(": ")?;
    let inner = inner.strip_prefix('-').unwrap_or(inner);
    let (code, rest) = inner.split_once(' ')?;
    code.bytes()
        .all(|b| b.is_ascii_uppercase())
        .then_some((code, rest))
}

#[cfg(test)]
mod tests {
    use redis::{Value, parse_redis_value};

    use super::*;

    fn server_error(line: &str) -> ServerError {
        match parse_redis_value(format!("{line}\r\n").as_bytes()) {
            Ok(Value::ServerError(error)) => error,
            other => panic!("not an error: {other:?}"),
        }
    }

    fn refused(code: &str, detail: &str) -> Error {
        Error::Redis {
            code: code.into(),
            detail: detail.into(),
        }
    }

    #[test]
    fn errors_are_judged_by_their_code_however_it_is_wrapped() {
        let sha = "8d6e0b1a2f4c5d6e7f8091a2b3c4d5e6f7081920";
        let seven = format!(" script: {sha}, on @user_script:3.");
        let six = format!("-ERR Error running script (call to f_{sha}): @user_script:3: ");
        let wrong_type = "WRONGTYPE Operation against a key holding the wrong kind of value";
        let rows = [
            (
                "a script that is not known",
                "-NOSCRIPT No matching script. Please use EVAL.".to_owned(),
                Verdict::SendText,
            ),
            (
                "loading",
                "-LOADING Redis is loading the dataset in memory".to_owned(),
                Verdict::Later,
            ),
            (
                "busy",
                "-BUSY Redis is busy running a script. You can only call SCRIPT KILL.".to_owned(),
                Verdict::Later,
            ),
            (
                "no master",
                "-MASTERDOWN Link with MASTER is down".to_owned(),
                Verdict::Later,
            ),
            (
                "a replica",
                "-READONLY You can't write against a read only replica.".to_owned(),
                Verdict::Elsewhere,
            ),
            (
                "a replica, in a script of Redis 7",
                format!("-READONLY You can't write against a read only replica.{seven}"),
                Verdict::Elsewhere,
            ),
            (
                "a replica, in a script of Redis 6",
                format!("{six}-READONLY You can't write against a read only replica."),
                Verdict::Elsewhere,
            ),
            (
                // As spring-data-redis issue 3042 quotes it.
                "a replica, in a script of Redis 6, its place told twice",
                format!(
                    "{six}@user_script: 3: -READONLY You can't write against a read only replica."
                ),
                Verdict::Elsewhere,
            ),
            (
                "a key of another type",
                format!("-{wrong_type}"),
                Verdict::Reject(Error::Corrupt),
            ),
            (
                "a key of another type, in a script of Redis 7",
                format!("-{wrong_type}{seven}"),
                Verdict::Reject(Error::Corrupt),
            ),
            (
                "a key of another type, in a script of Redis 6",
                format!("{six}{wrong_type}"),
                Verdict::Reject(Error::Corrupt),
            ),
            (
                "out of memory",
                "-OOM command not allowed when used memory > 'maxmemory'.".to_owned(),
                Verdict::Reject(refused(
                    "OOM",
                    "command not allowed when used memory > 'maxmemory'.",
                )),
            ),
            (
                "out of memory, in a script of Redis 6",
                format!(
                    "{six}@user_script: 3: -OOM command not allowed when used memory > 'maxmemory'."
                ),
                Verdict::Reject(refused(
                    "OOM",
                    "command not allowed when used memory > 'maxmemory'.",
                )),
            ),
            (
                "no permission",
                "-NOPERM this user has no permissions to run the 'get' command".to_owned(),
                Verdict::Reject(refused(
                    "NOPERM",
                    "this user has no permissions to run the 'get' command",
                )),
            ),
            (
                "a bug in a script of Redis 7",
                format!("-ERR user_script:1: Script attempted to do it{seven}"),
                Verdict::Reject(refused("ERR", "user_script:1: Script attempted to do it")),
            ),
            (
                "a bug in a script of Redis 6",
                format!("{six}user_script:3: attempt to index a nil value"),
                Verdict::Reject(refused(
                    "ERR",
                    &format!("{}user_script:3: attempt to index a nil value", &six[5..]),
                )),
            ),
            (
                "a code alone",
                "-OOPS".to_owned(),
                Verdict::Reject(refused("OOPS", "")),
            ),
        ];
        for (label, line, verdict) in rows {
            assert_eq!(judge(&server_error(&line)), verdict, "{label}");
        }
    }
}
