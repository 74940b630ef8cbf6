//! The events of an instance's connections, for its users to observe.

use std::sync::Arc;

use crate::error::Error;

/// Something that happened to a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It is open and serves calls.
    Ready,
    /// It ended, or was replaced. Another one will be opened.
    Lost(Error),
    /// An attempt to open it failed. Another will be made.
    Failed(Error),
    /// A sliding session that was read could not be extended.
    NotExtended(Error),
    /// Its server evicts keys when its memory is full.
    Evicts {
        /// The server, as `host:port` or a path.
        server: String,
        /// Its `maxmemory-policy`.
        policy: String,
    },
}

impl Event {
    /// The kind of the event, and its text for JavaScript.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let text = |error: &Error| [error.code().into(), error.to_string()];
        let (kind, error) = match self {
            Self::Ready => return vec!["ready".into()],
            Self::Evicts { server, policy } => {
                return vec!["evicts".into(), server.clone(), policy.clone()];
            }
            Self::Failed(error @ Error::Function { question, .. }) => {
                let words = ["unanswered".into(), question.to_string()];
                return words.into_iter().chain(text(error)).collect();
            }
            Self::Lost(error) => ("lost", error),
            Self::Failed(error) => ("failed", error),
            Self::NotExtended(error) => ("not-extended", error),
        };
        let words = [kind.into()].into_iter().chain(text(error));
        words.chain(error.redis_code().map(str::to_owned)).collect()
    }
}

/// Receives events, on the thread on which they happen. It must not block.
pub type Observer = Arc<dyn Fn(&Event) + Send + Sync>;
