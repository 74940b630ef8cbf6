//! Keeps sessions in Redis: on one server, behind Sentinel, or on a Cluster. Every operation is one command or one
//! script on one slot. This folder does not know JavaScript; the engine hands it batches of calls.

mod connection;
mod dispatch;
mod link;
mod node;
mod scripts;
mod topology;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub(crate) use self::connection::exhaustion::lack;
pub(crate) use self::connection::pipe::{Pipe, writing_directly};
pub use self::connection::{nat_map, password, settings, tls};
use self::dispatch::batch::Batch;
use self::dispatch::call::InFlightCall;
use self::dispatch::follow_ups::{FollowUps, Use};
use self::dispatch::ping::ping;
use self::dispatch::recent_writes::RecentWrites;
use self::dispatch::sliding::SlidingTable;
use self::node::Setup;
use self::node::quarantine::Culprits;
use self::settings::Settings;
use self::topology::Topology;
use super::Policy;
use crate::answers::Answers;
use crate::call::Call;
use crate::event::{Event, Observer};
use crate::operation::{Answer, Extend, OnRedis, Operation, Pointer, Unpoint};

/// The owner's sessions are not read from replicas until this long after a change by this process. A replica is
/// usually milliseconds behind, but nothing bounds its delay.
const REPLICATION_GRACE: Duration = Duration::from_secs(10);

/// Sessions in Redis.
pub struct RedisStore {
    policy: Policy,
    servers: Topology,
    /// The owners whose sessions must not be read from replicas. `None` if replicas are not read from.
    recent: Option<RecentWrites>,
    /// When the sliding sessions that were used must be extended again.
    sliding: SlidingTable,
    observer: Observer,
    /// The calls that broke the connection to a server each time.
    culprits: Arc<Culprits>,
    command_timeout: Duration,
    /// How many batches were started.
    batches: AtomicU64,
}

impl RedisStore {
    /// Begins to connect. `observer` is told when a connection is ready, fails or is lost.
    #[must_use]
    pub fn new(settings: Settings, policy: Policy, observer: Observer) -> Self {
        let command_timeout = settings.command_timeout;
        let recent =
            settings.reads_replicas.then(|| RecentWrites::new(REPLICATION_GRACE + command_timeout));
        let culprits = Arc::<Culprits>::default();
        let setup =
            Setup { settings, observer: Arc::clone(&observer), culprits: Arc::clone(&culprits) };
        Self {
            policy,
            servers: Topology::new(setup),
            recent,
            sliding: SlidingTable::default(),
            observer,
            culprits,
            command_timeout,
            batches: AtomicU64::new(0),
        }
    }

    /// The open connections, or none if the cluster has many nodes.
    pub(crate) fn connections(&self) -> Vec<Pipe> {
        self.servers.connections()
    }

    /// Carries out calls in their order and answers each, within the command timeout.
    pub async fn run(&self, calls: &[Call<'_>], answers: &mut Answers) {
        if calls.iter().any(|call| matches!(call.operation, Operation::Ping(_))) {
            let pings = self.pings(calls, answers);
            // Boxed, so that the future of every other batch need not have room for it.
            Box::pin(async { tokio::join!(pings, self.run_calls(calls, answers)) }).await;
        } else {
            self.run_calls(calls, answers).await;
        }
    }

    /// Answers the pings of a batch. All of them share one answer of the servers.
    fn pings(
        &self,
        calls: &[Call<'_>],
        answers: &mut Answers,
    ) -> impl Future<Output = ()> + use<'_> {
        let pings = calls.iter().enumerate();
        let pings = pings.filter(|(_, call)| matches!(call.operation, Operation::Ping(_)));
        let mut pings: Vec<_> = pings.map(|(place, _)| answers.detach(place)).collect();
        async move {
            let answer = ping(&self.servers, self.command_timeout).await;
            for ping in &mut pings {
                match &answer {
                    Ok(()) => ping.put(0, Answer::Absent),
                    Err(error) => ping.reject(0, error),
                }
            }
        }
    }

    async fn run_calls(&self, calls: &[Call<'_>], answers: &mut Answers) {
        let follow_ups = FollowUps::new(&self.sliding);
        let open = self.tasks(calls, &follow_ups, answers);
        self.send(open, answers).await;
        let due = follow_ups.take_due();
        if !due.is_empty() {
            Box::pin(self.extend(calls, &due, answers)).await;
        }
        let dropped = follow_ups.take_dropped();
        if !dropped.is_empty() {
            Box::pin(self.drop_pointers(calls, dropped, answers)).await;
        }
    }

    async fn send(&self, open: Vec<InFlightCall<'_>>, answers: &mut Answers) {
        let number = self.batches.fetch_add(1, Ordering::Relaxed);
        let batch = Batch::new(number, self.command_timeout);
        match &self.servers {
            Topology::One(node) if open.iter().all(InFlightCall::is_innocent) => {
                batch.run_on(node, open, answers).await;
            }
            servers => batch.run_over(servers, open, answers).await,
        }
    }

    /// Extends the sliding sessions that these calls have used. The calls are answered already. A failure is told as an
    /// event, and the next use tries again.
    async fn extend(&self, calls: &[Call<'_>], due: &[Use], answers: &Answers) {
        let follow_ups = FollowUps::new(&self.sliding);
        let extends: Vec<_> = due
            .iter()
            .filter_map(|used| {
                let operation = calls.get(used.position)?.operation.on_redis();
                let target = operation.target(&self.policy).ok()??;
                Some((*used, Extend::of(&target, used.duration_ms)?))
            })
            .collect();
        let operations = extends.iter().map(|(_, extend)| extend as &dyn OnRedis);
        let mut unheard = answers.for_nobody();
        self.send(self.tasks_behind(operations, &follow_ups), &mut unheard).await;
        for (Use { id, duration_ms, .. }, extend) in &extends {
            match extend.left() {
                Some(left) => self.sliding.note(*id, *duration_ms, left),
                None => self.sliding.failed(*id, *duration_ms),
            }
        }
        if let Some(error) = unheard.failure() {
            (self.observer)(&Event::NotExtended(error.clone()));
        }
    }

    /// Drops the pointers to sessions that these calls have ended. The calls are answered already. A pointer that stays
    /// names no session.
    async fn drop_pointers(
        &self,
        calls: &[Call<'_>],
        dropped: Vec<(usize, Pointer)>,
        answers: &Answers,
    ) {
        let unpoints: Vec<_> = dropped
            .into_iter()
            .filter_map(|(position, pointer)| {
                let operation = calls.get(position)?.operation.on_redis();
                let target = operation.target(&self.policy).ok()??;
                Some(Unpoint { app: target.app, pointer })
            })
            .collect();
        let follow_ups = FollowUps::new(&self.sliding);
        let operations = unpoints.iter().map(|unpoint| unpoint as &dyn OnRedis);
        let tasks = self.tasks_behind(operations, &follow_ups);
        self.send(tasks, &mut answers.for_nobody()).await;
    }

    /// The calls that are sent behind answers.
    fn tasks_behind<'c>(
        &'c self,
        operations: impl Iterator<Item = &'c dyn OnRedis>,
        follow_ups: &'c FollowUps<'c>,
    ) -> Vec<InFlightCall<'c>> {
        let tasks = operations.enumerate().filter_map(|(position, operation)| {
            let target = operation.target(&self.policy).ok()??;
            Some(InFlightCall::new(position, operation, target, follow_ups))
        });
        tasks.collect()
    }

    /// The calls that must be sent. Calls that need no server are answered at once.
    fn tasks<'c>(
        &'c self,
        calls: &'c [Call<'c>],
        follow_ups: &'c FollowUps<'c>,
        answers: &mut Answers,
    ) -> Vec<InFlightCall<'c>> {
        let mut tasks = Vec::with_capacity(calls.len());
        for (position, call) in calls.iter().enumerate() {
            let operation = call.operation.on_redis();
            match operation.target(&self.policy) {
                Ok(Some(target)) => {
                    let mut task = InFlightCall::new(position, operation, target, follow_ups);
                    if let Some(recent) = &self.recent {
                        task.heed_recent_writes(recent);
                    }
                    if self.culprits.has(|| (task.data_bytes(), task.what())) {
                        task.suspect();
                    }
                    tasks.push(task);
                }
                // No session can have its token.
                Ok(None) => answers.put(position, operation.spec().if_absent.clone()),
                Err(error) => answers.reject(position, &error),
            }
        }
        tasks
    }
}
