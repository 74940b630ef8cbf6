//! Sessions on one Redis server: every operation is one command or one script.

mod batch;
mod command;
mod connection;
mod deadline;
mod driver;
mod fold;
mod incoming;
mod link;
mod pipe;
mod queue;
mod reply;
mod script;
pub mod settings;
mod stream;
pub mod tls;
mod wire;

use self::batch::Batch;
use self::command::Task;
use self::link::Link;
pub(crate) use self::pipe::Pipe;
use self::queue::Queue;
use self::settings::Settings;
use super::Minting;
use crate::answers::Answers;
use crate::call::Call;

/// Sessions on one Redis server.
pub struct RedisStore {
    minting: Minting,
    link: Link,
    queue: Queue,
}

impl RedisStore {
    /// Begins to connect to the server.
    #[must_use]
    pub fn new(settings: Settings, minting: Minting) -> Self {
        Self { minting, link: Link::new(settings), queue: Queue::default() }
    }

    /// The open connection, if there is one.
    pub(crate) fn connection(&self) -> Option<Pipe> {
        self.link.now().map(|live| live.pipe)
    }

    /// Carries out calls in their order and answers each, within the command timeout.
    pub async fn run(&self, calls: &[Call<'_>], answers: &mut Answers) {
        let open = self.tasks(calls, answers);
        Batch::new(&self.link, &self.queue, open).run(answers).await;
    }

    /// What must be sent; calls whose answer needs no server are answered at once.
    fn tasks<'c>(&self, calls: &'c [Call<'c>], answers: &mut Answers) -> Vec<Task<'c>> {
        let mut tasks = Vec::with_capacity(calls.len());
        for (place, call) in calls.iter().enumerate() {
            match Task::new(place, &call.operation, self.minting) {
                Ok(Some(task)) => tasks.push(task),
                Ok(None) => command::answer_absent(place, &call.operation, answers),
                Err(error) => answers.reject(place, &error),
            }
        }
        tasks
    }
}
