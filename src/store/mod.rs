//! The stores: each keeps sessions in another place, and implements the same operations. They know neither JavaScript
//! nor threads. The engine makes a store and hands it batches of calls.

pub mod memory;
pub mod redis;

use crate::answers::Answers;
use crate::call::Call;
pub use crate::operation::Policy;

/// A store of sessions.
pub enum Store {
    /// Inside this process.
    Memory(memory::MemoryStore),
    /// In Redis.
    Redis(Box<redis::RedisStore>),
}

impl Store {
    /// The open connections to the servers, or none if there are many.
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
