//! The errors of a call, and their form in JavaScript.

use std::fmt;
use std::time::Duration;

use crate::record::Unfit;

/// Why a call was rejected. No variant holds a token, a password or a session's data.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The server took the call but did not answer in time. The call may have been carried out.
    Timeout {
        /// The server, as `host:port` or a path.
        server: String,
        /// How long the call waited.
        waited: Duration,
    },
    /// The server took the call, its answer was lost with the connection, and the call could not be sent again. It
    /// may have been carried out.
    Lost {
        /// Why the call could not be sent again, for a message.
        reason: String,
    },
    /// No server could be reached in time. Nothing was done.
    Connection {
        /// The server, as `host:port` or a path.
        server: String,
        /// The reason, and what to check, for a message.
        reason: String,
    },
    /// A function of the program, which is asked at each attempt to connect, failed. Nothing was done.
    Function {
        /// The server, as `host:port` or a path.
        server: String,
        /// The option whose function it is.
        function: &'static str,
        /// The number under which JavaScript keeps what the function threw.
        question: u32,
    },
    /// The server refused the call.
    Redis {
        /// The first word of its error: `OOM`, `WRONGPASS`, `NOPERM`.
        code: String,
        /// The rest of its error.
        detail: String,
    },
    /// The value under the session's key, or the owner's index, was not written by this library.
    Corrupt,
    /// An update would make a session's data too large. Nothing was done.
    TooLarge {
        /// How many bytes of JSON the data may have.
        max_bytes: usize,
    },
    /// The sessions that `list` would return are too large together.
    ListTooLarge {
        /// How many bytes their records may have.
        max_bytes: usize,
    },
    /// A session is longer than a JavaScript string can be, so this library did not write it.
    TooLong {
        /// The length of the session.
        bytes: usize,
    },
    /// The process has no memory for a session.
    NoMemory {
        /// The length of the session.
        bytes: usize,
    },
    /// The value under the session's key is longer than any record of this library.
    Oversized,
    /// A bug in this library. The call may have been carried out.
    Internal,
}

impl Error {
    /// The error of an update whose patch cannot be folded into a record with at most this many bytes of data.
    pub(crate) fn of_unfit(unfit: Unfit, max_bytes: usize) -> Self {
        match unfit {
            Unfit::TooLarge => Self::TooLarge { max_bytes },
            // Only this library's JavaScript writes patches.
            Unfit::NoPatch => Self::Internal,
            Unfit::Corrupt => Self::Corrupt,
        }
    }

    /// The `code` of the error in JavaScript.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Timeout { .. } | Self::Lost { .. } => "ERR_SESSIONS_TIMEOUT",
            Self::Connection { .. } | Self::Function { .. } => "ERR_SESSIONS_CONNECTION",
            Self::Redis { .. } => "ERR_SESSIONS_REDIS",
            Self::TooLarge { .. } | Self::ListTooLarge { .. } => "ERR_SESSIONS_TOO_LARGE",
            Self::Corrupt | Self::Oversized | Self::TooLong { .. } => "ERR_SESSIONS_CORRUPT",
            Self::NoMemory { .. } => "ERR_SESSIONS_OVERLOADED",
            Self::Internal => "ERR_SESSIONS_INTERNAL",
        }
    }

    /// The `redisCode` of the error in JavaScript.
    #[must_use]
    pub fn redis_code(&self) -> Option<&str> {
        match self {
            Self::Redis { code, .. } => Some(code),
            _ => None,
        }
    }

    /// Whether a server refused us. Waiting does not change a refusal.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::Redis { .. })
    }

    /// Chooses between the errors of several servers: a refusal, else the first.
    pub(crate) fn or_graver(self, first: Option<Self>) -> Self {
        first.filter(|first| first.is_refusal() || !self.is_refusal()).unwrap_or(self)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout { server, waited } => write!(
                f,
                "redis at {server} did not answer within {} ms: the call may or may not have \
                 taken effect",
                waited.as_millis()
            ),
            Self::Lost { reason } => write!(
                f,
                "the answer was lost, and the call could not be sent again: {reason}; it may or may \
                 not have taken effect"
            ),
            Self::Connection { server, reason } => {
                write!(f, "cannot reach redis at {server}: {reason}")
            }
            Self::Function { server, function, .. } => write!(
                f,
                "cannot reach redis at {server}: the function `{function}` failed (the event `error` has the cause)"
            ),
            Self::Redis { code, detail } if detail.is_empty() => write!(f, "redis refused: {code}"),
            Self::Redis { code, detail } => write!(f, "redis refused: {code} {detail}"),
            Self::Corrupt => f.write_str(
                "cannot read the session: what redis holds under its key was not written by \
                 this package (kill or killAll removes it)",
            ),
            Self::TooLarge { max_bytes } => write!(
                f,
                "the session's data would be larger than {max_bytes} bytes of JSON, twice maxDataSize: nothing \
                 was done (an update that makes it smaller works)"
            ),
            Self::ListTooLarge { max_bytes } => write!(
                f,
                "the sessions of this list hold more than {max_bytes} bytes together: give a smaller `limit`"
            ),
            Self::TooLong { bytes } => write!(
                f,
                "cannot read the session: its {bytes} bytes are more than a string of JavaScript can \
                 hold, so it was not written by this package (kill or killAll removes it)"
            ),
            Self::NoMemory { bytes } => {
                write!(f, "this process has not enough memory for a session of {bytes} bytes")
            }
            Self::Oversized => f.write_str(
                "cannot read the session: what redis holds under its key is longer than 512 MiB, \
                 so it was not written by this package (kill or killAll removes it)",
            ),
            Self::Internal => f.write_str("a bug in @spots-tech/sessions: please report it"),
        }
    }
}

impl std::error::Error for Error {}
