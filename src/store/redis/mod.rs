//! Sessions in Redis, on one server, behind Sentinel or on a Cluster: every operation is one command
//! or one script, on one slot.

mod batch;
mod cluster;
mod command;
mod connection;
mod deadline;
mod driver;
mod end;
mod eviction;
mod fold;
mod greeting;
mod growth;
mod incoming;
mod known;
mod lack;
mod leg;
mod link;
mod lookup;
mod node;
mod pause;
mod pipe;
mod quarantine;
mod queue;
mod recent;
mod reply;
mod script;
mod sentinel;
mod servers;
pub mod settings;
mod settle;
mod stream;
pub mod tls;
mod watch;
mod wire;
mod words;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use self::batch::Batch;
use self::command::Task;
pub(crate) use self::lack::lack;
use self::node::Setup;
pub(crate) use self::pipe::Pipe;
use self::quarantine::Culprits;
use self::recent::Recent;
use self::servers::Servers;
use self::settings::Settings;
use super::Policy;
use crate::answers::Answers;
use crate::call::Call;
use crate::event::Observer;

/// How long after a change by this process the owner's sessions are not read from replicas. Replicas
/// are milliseconds behind, if all is well; nothing bounds it.
const REPLICATION: Duration = Duration::from_secs(10);

/// Sessions in Redis.
pub struct RedisStore {
    policy: Policy,
    servers: Servers,
    /// What must not be read from replicas; nothing where they are not read from.
    recent: Option<Recent>,
    /// What servers could not take.
    culprits: Arc<Culprits>,
    command_timeout: Duration,
    /// How many batches have come.
    batches: AtomicU64,
}

impl RedisStore {
    /// Begins to connect. `observer` is told what becomes of the connections.
    #[must_use]
    pub fn new(settings: Settings, policy: Policy, observer: Observer) -> Self {
        let command_timeout = settings.command_timeout;
        let recent = settings.reads_replicas.then(|| Recent::new(REPLICATION + command_timeout));
        let culprits = Arc::<Culprits>::default();
        let setup = Setup { settings, observer, culprits: Arc::clone(&culprits) };
        Self {
            policy,
            servers: Servers::new(setup),
            recent,
            culprits,
            command_timeout,
            batches: AtomicU64::new(0),
        }
    }

    /// The open connections, if they are few.
    pub(crate) fn connections(&self) -> Vec<Pipe> {
        self.servers.connections()
    }

    /// Carries out calls in their order and answers each, within the command timeout.
    pub async fn run(&self, calls: &[Call<'_>], answers: &mut Answers) {
        let open = self.tasks(calls, answers);
        let number = self.batches.fetch_add(1, Ordering::Relaxed);
        let batch = Batch::new(number, self.command_timeout);
        match &self.servers {
            Servers::One(node) if open.iter().all(Task::is_innocent) => {
                batch.run_on(node, open, answers).await;
            }
            servers => batch.run_over(servers, open, answers).await,
        }
    }

    /// What must be sent; calls whose answer needs no server are answered at once.
    fn tasks<'c>(&self, calls: &'c [Call<'c>], answers: &mut Answers) -> Vec<Task<'c>> {
        let mut tasks = Vec::with_capacity(calls.len());
        for (place, call) in calls.iter().enumerate() {
            match Task::new(place, &call.operation, &self.policy) {
                Ok(Some(mut task)) => {
                    if let Some(recent) = &self.recent {
                        task.read_from_replica(recent);
                    }
                    if self.culprits.has(&task) {
                        task.suspect();
                    }
                    tasks.push(task);
                }
                Ok(None) => command::answer_absent(place, &call.operation, answers),
                Err(error) => answers.reject(place, &error),
            }
        }
        tasks
    }
}
