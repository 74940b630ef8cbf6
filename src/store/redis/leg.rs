//! A leg of a batch: calls that go to one server as one pipeline, and what of them must be sent
//! again.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use super::cluster::Cluster;
use super::command::{Again, Outcome, Task};
use super::deadline::now;
use super::fold::fold;
use super::link::Live;
use super::node::Node;
use super::pipe::{Broken, Replies};
use super::queue::{Place, Turn};
use super::reply::{Verdict, judge, refusal};
use super::wire::Reply;
use crate::answers::Answers;
use crate::error::Error;

/// How soon a call is sent again that the server could not take yet.
const PAUSE: Duration = Duration::from_millis(50);

/// How long a node may take to be reached that a call was referred to for once.
const REFERRAL: Duration = Duration::from_secs(1);

/// How long a node may leave a call unanswered until the cluster is looked at: another node may have
/// taken the place of one that hangs.
const HANGING: Duration = Duration::from_secs(1);

/// How often a call follows a redirection at once: nodes that point at each other need time.
const REDIRECTIONS: u8 = 4;

/// Calls on their way to one server.
pub(super) struct Leg<'c> {
    /// Nothing where no node of the cluster is known to serve their slot.
    node: Option<Arc<Node>>,
    calls: Vec<Task<'c>>,
    place: Place,
    /// Attempts to connect that were made before it began.
    attempts: u64,
    deadline: Instant,
}

/// What a leg came to.
pub(super) enum Ended {
    /// The server replied.
    Replied(Live, Replies),
    /// They were not sent: the connection had ended.
    Unsent(Live),
    /// The connection ended first.
    Broken(Live),
    /// The deadline came first.
    Unanswered(Live),
    /// A replica takes too long.
    Late(Live),
    /// They were not sent by the deadline, or need not be: the server would refuse.
    Outage(Error),
    /// They were not sent: another server is to have some of them now.
    Rerouted,
}

impl<'c> Leg<'c> {
    pub fn new(
        node: Option<Arc<Node>>,
        calls: Vec<Task<'c>>,
        place: Place,
        deadline: Instant,
    ) -> Self {
        let attempts = node.as_ref().map_or(0, |node| node.link.attempts());
        Self { node, calls, place, attempts, deadline }
    }

    /// Sends, as soon as it can, and waits for the replies.
    pub async fn go(&self, cluster: Option<&Cluster>) -> Ended {
        let Some(node) = &self.node else { return self.wait_for_a_node(cluster).await };
        if let Some(live) = self.admit_at_once(node) {
            return self.send(node, live, None, cluster).await;
        }
        if self.reads_replica() {
            return Ended::Rerouted;
        }
        self.pause(Again::is_aside).await;
        let admitted = match cluster {
            None => self.admit(node).await,
            Some(cluster) => tokio::select! {
                admitted = self.admit(node) => admitted,
                () = self.leave(node, cluster) => return Ended::Rerouted,
            },
        };
        match admitted {
            Ok((live, turn)) => self.send(node, live, Some(turn), cluster).await,
            Err(outage) => Ended::Outage(outage),
        }
    }

    fn reads_replica(&self) -> bool {
        self.calls.iter().any(|call| call.from_replica)
    }

    fn admit_at_once(&self, node: &Node) -> Option<Live> {
        let waits = self.calls.iter().any(|call| call.again.time().is_some());
        if waits || !node.queue.is_empty() { None } else { node.link.now() }
    }

    /// The connection, when it is this leg's turn to send.
    async fn admit<'n>(&self, node: &'n Node) -> Result<(Live, Turn<'n>), Error> {
        let Node { link, queue } = node;
        let turn = link.limit(self.deadline, queue.turn(self.place)).await;
        let turn = turn.ok_or_else(|| link.outage())?;
        self.pause(|again| !again.is_aside()).await;
        loop {
            let live = link.live(self.attempts, self.deadline).await?;
            if turn.stands() {
                return Ok((live, turn));
            }
            let again = link.limit(self.deadline, turn.come()).await;
            again.ok_or_else(|| link.outage())?;
        }
    }

    /// Waits for the last of the calls that wait in such a way.
    async fn pause(&self, such: impl Fn(Again) -> bool) {
        let such = self.calls.iter().map(|call| call.again).filter(|again| such(*again));
        if let Some(time) = such.filter_map(Again::time).max() {
            sleep_until(time.min(self.deadline)).await;
        }
    }

    /// Waits until the node is no longer the one to send to.
    async fn leave(&self, node: &Arc<Node>, cluster: &Cluster) {
        if self.calls.iter().any(|call| call.referred.is_some()) {
            tokio::time::sleep(REFERRAL).await;
        } else {
            cluster.has_moved(&self.calls, Some(node)).await;
        }
    }

    async fn wait_for_a_node(&self, cluster: Option<&Cluster>) -> Ended {
        let Some(cluster) = cluster else { return Ended::Outage(Error::Internal) };
        tokio::select! {
            found = timeout_at(self.deadline, cluster.has_moved(&self.calls, None)) => match found {
                Ok(()) => Ended::Rerouted,
                Err(_) => Ended::Outage(cluster.outage()),
            },
            refusal = cluster.refusal() => Ended::Outage(refusal),
        }
    }

    /// Sends the calls as one pipeline and waits for its replies.
    async fn send(
        &self,
        node: &Node,
        live: Live,
        turn: Option<Turn<'_>>,
        cluster: Option<&Cluster>,
    ) -> Ended {
        if live.pipe.has_ended() {
            return Ended::Unsent(live);
        }
        let mut commands = Vec::with_capacity(256 * self.calls.len());
        let mut count = 0;
        for call in &self.calls {
            if call.referred.is_some() {
                redis::cmd("ASKING").write_packed_command(&mut commands);
                count += 1;
            }
            call.command().write_packed_command(&mut commands);
            count += 1;
        }
        let mut replies = pin!(live.pipe.send(&commands, count));
        drop(turn);
        let halfway = self.deadline - node.link.command_timeout() / 2;
        let soon = cluster.map(|_| Instant::now() + HANGING).filter(|soon| *soon < halfway);
        let mut hanging = None;
        for time in soon.into_iter().chain([halfway, self.deadline]) {
            let mut outcome = node.link.limit(time, replies.as_mut()).await;
            if outcome.is_none() {
                // They, or the end of the connection, may have come, and the thread that should
                // read was too busy. Halfway there is time to send again.
                live.pipe.catch_up();
                outcome = now(replies.as_mut()).await;
            }
            match outcome {
                Some(Ok(replies)) => return Ended::Replied(live, replies),
                Some(Err(Broken)) => return Ended::Broken(live),
                None if self.reads_replica() => return Ended::Late(live),
                None => hanging = hanging.or_else(|| cluster.map(Cluster::wait)),
            }
        }
        Ended::Unanswered(live)
    }

    /// Answers what can be answered, and returns what must be sent again.
    pub fn settle(
        mut self,
        ended: Ended,
        cluster: Option<&Cluster>,
        answers: &mut Answers,
    ) -> Vec<Task<'c>> {
        let from_replica = self.reads_replica();
        for call in &mut self.calls {
            call.again = Again::AtOnce;
            // Whatever it does not find there, the primary is asked for.
            call.from_replica = false;
        }
        match (ended, &self.node) {
            (Ended::Replied(live, replies), Some(node)) => {
                let node = Arc::clone(node);
                return if from_replica {
                    self.read_from_replica(&replies, answers)
                } else {
                    self.read(&node, &live, &replies, cluster, answers)
                };
            }
            (Ended::Unsent(live), Some(node)) => {
                node.link.replace(&live);
                cluster.into_iter().for_each(Cluster::survey);
            }
            (Ended::Broken(live), Some(node)) => {
                node.link.replace(&live);
                cluster.into_iter().for_each(Cluster::survey);
                for call in &mut self.calls {
                    call.in_doubt |= !from_replica;
                    call.referred = None;
                }
            }
            (Ended::Unanswered(live), Some(node)) => {
                for call in self.calls.drain(..) {
                    answers.reject(call.place, &node.link.unanswered(&live));
                }
                node.link.suspect(live);
            }
            (Ended::Late(live), Some(node)) => node.link.suspect(live),
            (Ended::Outage(outage), _) => give_up(self.calls.drain(..), &outage, answers),
            (_, _) => {
                for call in &mut self.calls {
                    call.referred = None;
                }
            }
        }
        self.calls
    }

    /// Answers with the sessions that were found. A replica may not have heard of the others yet.
    fn read_from_replica(self, replies: &Replies, answers: &mut Answers) -> Vec<Task<'c>> {
        let mut replies = replies.iter();
        let mut open = Vec::new();
        for mut call in self.calls {
            match replies.next() {
                Some(reply @ Reply::Bytes(_)) => drop(call.answer(&reply, answers)),
                _ => open.push(call),
            }
        }
        open
    }

    fn read(
        self,
        node: &Node,
        live: &Live,
        replies: &Replies,
        cluster: Option<&Cluster>,
        answers: &mut Answers,
    ) -> Vec<Task<'c>> {
        let timeout = node.link.command_timeout();
        let mut open = Vec::new();
        let mut replies = replies.iter();
        for mut call in self.calls {
            if call.referred.take().is_some() {
                // What it says matters not: what follows it is then redirected again.
                drop(replies.next());
            }
            let error = match replies.next() {
                Some(Reply::Error(error)) => error,
                Some(reply) => {
                    match call.answer(&reply, answers) {
                        Outcome::Done => {}
                        Outcome::Long(key) => fold(live, key, timeout),
                        Outcome::More => open.push(call),
                    }
                    continue;
                }
                // It ended in garbage: whatever comes next cannot be trusted either.
                None => {
                    node.link.replace(live);
                    call.in_doubt = true;
                    open.push(call);
                    continue;
                }
            };
            let soon = Instant::now() + PAUSE;
            match (judge(&error), cluster) {
                (Verdict::SendText, _) => call.by_text = true,
                (Verdict::Later, _) => {
                    call.postpone(Again::InTurn(soon), refusal(&error));
                    cluster.into_iter().for_each(Cluster::survey);
                }
                (Verdict::Migrating, _) => {
                    call.in_doubt |= call.finds_its_keys();
                    call.postpone(Again::Aside(soon), refusal(&error));
                }
                (Verdict::Elsewhere, _) => {
                    call.postpone(Again::InTurn(soon), refusal(&error));
                    node.link.replace(live);
                    cluster.into_iter().for_each(Cluster::survey);
                }
                (Verdict::Redirect(to), Some(cluster)) => {
                    call.redirections = call.redirections.saturating_add(1);
                    if call.redirections > REDIRECTIONS {
                        call.postpone(Again::Aside(soon), refusal(&error));
                    }
                    if !to.once {
                        cluster.moved(&to, &live.server);
                    } else if call.finds_its_keys() {
                        call.postpone(Again::Aside(soon), refusal(&error));
                    } else {
                        call.referred = Some(cluster.node(&to, &live.server));
                    }
                }
                (Verdict::Reject(error), _) => {
                    answers.reject(call.place, &error);
                    continue;
                }
                (Verdict::Redirect(_), None) => {
                    answers.reject(call.place, &part_of_a_cluster(&error));
                    continue;
                }
            }
            open.push(call);
        }
        let (late, open): (Vec<_>, Vec<_>) =
            open.into_iter().partition(|call| call.again.time().is_some_and(|t| t > self.deadline));
        give_up(late.into_iter(), &node.link.unanswered(live), answers);
        open
    }
}

fn give_up<'c>(calls: impl Iterator<Item = Task<'c>>, outage: &Error, answers: &mut Answers) {
    for call in calls {
        answers.reject(call.place, &call.outage(outage));
    }
}

/// The error of a call that was sent to a node of a cluster as to a server of its own.
fn part_of_a_cluster(error: &str) -> Error {
    match refusal(error) {
        Error::Redis { code, detail } => {
            let detail = format!("{detail} (it is part of a cluster: use redis-cluster://)");
            Error::Redis { code, detail }
        }
        other => other,
    }
}
