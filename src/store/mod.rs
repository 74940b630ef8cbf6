//! Where sessions are kept: one set of operations, one implementation per target.

pub mod memory;
pub mod redis;

use crate::answers::Answers;
use crate::call::Call;
use crate::token::Encoding;

/// What an instance does with every session.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Bytes of a new token, those that stand for its owner included: 32 to 1024.
    pub token_size: usize,
    /// How they become text.
    pub token_encoding: Encoding,
    /// Bytes of JSON that one argument may have. Updates may take the data of a session to twice that.
    pub max_data_bytes: usize,
}

impl Policy {
    /// How large the data of a session may grow.
    #[must_use]
    pub fn max_grown_bytes(&self) -> usize {
        2 * self.max_data_bytes
    }
}

/// A target that keeps sessions.
pub enum Store {
    /// Inside this process.
    Memory(memory::MemoryStore),
    /// One Redis server.
    Redis(redis::RedisStore),
}

impl Store {
    /// The open connections to the servers, if they are few.
    pub(crate) fn connections(&self) -> Vec<redis::Pipe> {
        match self {
            Self::Memory(_) => Vec::new(),
            Self::Redis(store) => store.connections(),
        }
    }

    /// Carries out calls in their order and answers each.
    pub async fn run(&self, calls: &[Call<'_>], answers: &mut Answers) {
        match self {
            Self::Memory(store) => store.run(calls, answers),
            Self::Redis(store) => store.run(calls, answers).await,
        }
    }
}
