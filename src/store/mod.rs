//! Where sessions are kept: one set of operations, one implementation per target.

pub mod memory;
pub mod redis;

use crate::answers::Answers;
use crate::call::Call;
pub use crate::operation::Policy;

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
