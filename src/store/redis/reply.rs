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
/// `ERR Error running script (call to f_<sha>): @user_script:3: WRONGTYPE Operation …`.
fn script_error(detail: &str) -> Option<(&str, &str)> {
    let (_, inner) = detail
        .strip_prefix("Error running script")?
        .split_once("@user_script:")?;
    let (_, inner) = inner.split_once(": ")?;
    let inner = inner.strip_prefix('-').unwrap_or(inner);
    let (code, rest) = inner.split_once(' ')?;
    code.bytes()
        .all(|b| b.is_ascii_uppercase())
        .then_some((code, rest))
}
