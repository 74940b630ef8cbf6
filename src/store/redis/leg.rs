//! A leg of a batch: calls that go to one server as one pipeline. What becomes of them is in
//! `settle.rs`.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::cluster::Cluster;
use super::command::{Again, Task, write_command};
use super::deadline::now;
use super::fold::make_room;
use super::growth::{OnTheirWay, Patches};
use super::link::Live;
use super::node::Node;
use super::pipe::{Broken, Replies};
use super::queue::{Place, Turn};
use super::wire::Reply;
use crate::error::Error;

/// How long a node may take to be reached that a call was referred to for once.
const REFERRAL: Duration = Duration::from_secs(1);

/// How long a node may leave a call unanswered until the cluster is looked at: another node may have
/// taken the place of one that hangs.
const HANGING: Duration = Duration::from_secs(1);

/// Calls on their way to one server.
pub(super) struct Leg<'c> {
    /// Nothing where no node of the cluster is known to serve their slot.
    pub node: Option<Arc<Node>>,
    pub calls: Vec<Task<'c>>,
    /// Calls that cannot be carried out, and why.
    pub refused: Vec<(Task<'c>, Error)>,
    /// Holds back later patches until these are answered.
    on_their_way: Option<OnTheirWay>,
    place: Place,
    /// Attempts to connect that were made before it began.
    attempts: u64,
    pub deadline: Instant,
}

/// What a leg came to.
pub(super) enum Ended {
    /// The server replied.
    Replied(Live, Answered),
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

/// The replies to a leg's commands.
pub(super) struct Answered {
    /// How many calls each command carried out.
    runs: Vec<usize>,
    replies: Replies,
}

impl Answered {
    /// A part of the replies, to be kept without being copied.
    pub fn keep(&self, part: &[u8]) -> Bytes {
        self.replies.keep(part)
    }

    /// The reply to each call, as far as they can be read, and whether it is an error of all that one
    /// script was to carry out.
    pub fn by_call(&self) -> impl Iterator<Item = (Reply<'_>, bool)> {
        let mut commands = self.runs.iter().zip(self.replies.iter());
        let mut several = (Vec::new().into_iter(), false);
        std::iter::from_fn(move || {
            loop {
                if let Some(reply) = several.0.next() {
                    return Some((reply, several.1));
                }
                several = match commands.next()? {
                    // What follows `ASKING` is redirected again if that was refused.
                    (0, _) => continue,
                    (1, reply) => return Some((reply, false)),
                    (run, Reply::Array(list)) if list.len() == *run => (list.into_iter(), false),
                    (run, error @ Reply::Error(_)) => (vec![error; *run].into_iter(), true),
                    _ => return None,
                };
            }
        })
    }
}

impl<'c> Leg<'c> {
    pub fn new(
        node: Option<Arc<Node>>,
        calls: Vec<Task<'c>>,
        place: Place,
        deadline: Instant,
    ) -> Self {
        let attempts = node.as_ref().map_or(0, |node| node.link.attempts());
        Self { node, calls, refused: Vec::new(), on_their_way: None, place, attempts, deadline }
    }

    /// Sends, as soon as it can, and waits for the replies.
    pub async fn go(&mut self, cluster: Option<&Cluster>) -> Ended {
        let Some(node) = self.node.clone() else { return self.wait_for_a_node(cluster).await };
        let node = &node;
        let patches = Patches::of(&self.calls);
        if let Some(live) = self.admit_at_once(node)
            && node.growth.enter(&patches)
        {
            self.on_their_way = Some(OnTheirWay::new(node, patches));
            return self.send(node, live, None, cluster).await;
        }
        if self.reads_replica() {
            return Ended::Rerouted;
        }
        self.pause(Again::is_aside).await;
        let admitted = match cluster {
            None => self.admit(node, &patches).await,
            Some(cluster) => tokio::select! {
                admitted = self.admit(node, &patches) => admitted,
                () = self.leave(node, cluster) => return Ended::Rerouted,
            },
        };
        let (live, turn) = match admitted {
            Ok(admitted) => admitted,
            Err(outage) => return Ended::Outage(outage),
        };
        self.on_their_way = Some(OnTheirWay::new(node, patches));
        if self.finds_full() {
            match node.link.limit(self.deadline, make_room(&live.pipe, &mut self.calls)).await {
                Some(Ok(refused)) => self.refused = refused,
                Some(Err(Broken)) => return Ended::Broken(live),
                None => return Ended::Unanswered(live),
            }
            if self.calls.is_empty() {
                return Ended::Rerouted; // nothing is left to be sent
            }
        }
        self.send(node, live, Some(turn), cluster).await
    }

    /// Whether it has updates that have found a record full.
    fn finds_full(&self) -> bool {
        self.calls.iter().any(|call| call.is_full)
    }

    /// Whether it goes to a replica, which then has calls that may read there, and no others.
    pub fn reads_replica(&self) -> bool {
        self.calls.iter().any(|call| call.from_replica)
    }

    fn admit_at_once(&self, node: &Node) -> Option<Live> {
        let waits = self.calls.iter().any(|call| call.again.time().is_some() || call.is_full);
        if waits || !node.queue.is_empty() { None } else { node.link.now() }
    }

    /// The connection, when it is this leg's turn to send.
    async fn admit<'n>(
        &self,
        node: &'n Node,
        patches: &Patches,
    ) -> Result<(Live, Turn<'n>), Error> {
        let Node { link, queue, growth } = node;
        let turn = link.limit(self.deadline, queue.turn(self.place)).await;
        let turn = turn.ok_or_else(|| link.outage())?;
        self.pause(|again| !again.is_aside()).await;
        loop {
            let live = link.live(self.attempts, self.deadline).await?;
            let room = growth.enter_when_there_is_room(patches);
            link.limit(self.deadline, room).await.ok_or_else(|| link.outage())?;
            if turn.stands() {
                return Ok((live, turn));
            }
            growth.leave(patches);
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

    /// How many calls each command carries out; none: it is `ASKING`.
    fn runs(&self, joins: bool) -> Vec<usize> {
        let mut runs = Vec::with_capacity(self.calls.len());
        for run in self.calls.chunk_by(|call, next| joins && call.is_like(next)) {
            if run.iter().any(|call| call.referred.is_some()) {
                runs.push(0);
            }
            runs.push(run.len());
        }
        runs
    }

    fn commands(&self, runs: &[usize]) -> Vec<u8> {
        let mut commands = Vec::with_capacity(256 * self.calls.len());
        let mut rest = &self.calls[..];
        let mut command = redis::Cmd::new();
        for &run in runs {
            let (calls, others) = rest.split_at(run);
            rest = others;
            command.clear();
            if run == 0 {
                command.arg("ASKING");
            } else {
                write_command(&mut command, calls);
            }
            command.write_packed_command(&mut commands);
        }
        commands
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
        let runs = self.runs(live.pipe.joins());
        let mut replies = pin!(live.pipe.send(&self.commands(&runs), runs.len()));
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
                Some(Ok(replies)) => return Ended::Replied(live, Answered { runs, replies }),
                Some(Err(Broken)) => return Ended::Broken(live),
                None if self.reads_replica() => return Ended::Late(live),
                None => hanging = hanging.or_else(|| cluster.map(Cluster::wait)),
            }
        }
        Ended::Unanswered(live)
    }
}
