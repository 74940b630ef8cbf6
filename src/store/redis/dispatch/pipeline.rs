//! One pipeline: the calls that are sent to one node together. `retry.rs` handles the outcome.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::call::{InFlightCall, Schedule, write_command};
use super::fold::make_room;
use crate::error::Error;
use crate::protocol::Reply;
use crate::store::redis::connection::pipe::{Broken, PROGRESS_BYTES_PER_SECOND, Replies};
use crate::store::redis::connection::poll_once;
use crate::store::redis::link::{Link, Live, MAX_TIMEOUTS_OF_LONG_REPLY};
use crate::store::redis::node::Node;
use crate::store::redis::node::growth::{Patches, PatchesInFlight};
use crate::store::redis::node::quarantine::Quarantine;
use crate::store::redis::node::queue::{Place, Turn};
use crate::store::redis::topology::cluster::Cluster;

/// How long a call waits for the connection to a node that it was referred to for one attempt.
const REFERRAL_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a call waits without any bytes before its connection is doubted. The connection may be dead without an
/// error, or another node of the cluster may have replaced one that hangs.
pub(crate) const SILENCE_BEFORE_DOUBT: Duration = Duration::from_secs(1);

/// Calls that are sent to one server.
pub(crate) struct NodePipeline<'c> {
    /// `None` if no known node of the cluster serves their slot.
    pub node: Option<Arc<Node>>,
    pub calls: Vec<InFlightCall<'c>>,
    /// Calls that cannot be carried out, and why.
    pub refused: Vec<(InFlightCall<'c>, Error)>,
    /// Holds back later patches until these are answered.
    pub(super) patches_in_flight: Option<PatchesInFlight>,
    pub(super) place: Place,
    /// How many attempts to connect had ended before it began.
    attempts: u64,
    begun: Instant,
    /// Calls that must wait until the others are answered.
    pub rest: Vec<InFlightCall<'c>>,
    /// The quarantine, if it is sent there.
    pub quarantine: Option<Arc<Quarantine>>,
    /// When its calls are given up. Later than `due` while a long reply is arriving.
    pub deadline: Instant,
    due: Instant,
}

/// The outcome of a pipeline.
pub(crate) enum Outcome {
    /// The server replied.
    Replied(Live, Answered),
    /// The calls were not sent, because the connection had ended.
    Unsent(Live),
    /// The connection ended before the replies.
    Broken(Live),
    /// The connection ended each time that the call was in flight alone: the server cannot take it.
    Intolerable(Error),
    /// The deadline passed before the replies.
    Unanswered(Live),
    /// A replica takes too long.
    Late(Live),
    /// The calls were not sent before the deadline, or the server would refuse them.
    Outage(Error),
    /// The calls were not sent, because some of them must be routed again.
    Rerouted,
}

/// The replies to a pipeline's commands.
pub(crate) struct Answered {
    /// How many calls each command carried out.
    runs: Vec<usize>,
    replies: Replies,
}

impl Answered {
    /// Keeps a part of the replies without copying it.
    pub fn keep(&self, part: &[u8]) -> Bytes {
        self.replies.keep(part)
    }

    /// The reply to each call, as far as the replies can be read. The flag says that one error answers all calls of a
    /// shared script.
    pub fn by_call(&self) -> impl Iterator<Item = (Reply<'_>, bool)> {
        let mut commands = self.runs.iter().zip(self.replies.iter());
        let mut several = (Vec::new().into_iter(), false);
        std::iter::from_fn(move || {
            loop {
                if let Some(reply) = several.0.next() {
                    return Some((reply, several.1));
                }
                several = match commands.next()? {
                    // The reply to `ASKING` is skipped. If it was refused, the next command is redirected again.
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

impl<'c> NodePipeline<'c> {
    pub fn new(
        node: Option<Arc<Node>>,
        calls: Vec<InFlightCall<'c>>,
        place: Place,
        begun: Instant,
        deadline: Instant,
    ) -> Self {
        let attempts = node.as_ref().map_or(0, |node| node.link.attempts());
        Self {
            node,
            calls,
            refused: Vec::new(),
            patches_in_flight: None,
            place,
            attempts,
            begun,
            rest: Vec::new(),
            quarantine: None,
            deadline,
            due: deadline,
        }
    }

    /// Sends as soon as it can, and waits for the replies.
    pub async fn go(&mut self, cluster: Option<&Cluster>) -> Outcome {
        let Some(node) = self.node.clone() else { return self.wait_for_a_node(cluster).await };
        let node = &node;
        let patches = Patches::of(self.calls.iter().filter_map(InFlightCall::patch_bytes));
        if let Some(live) = self.admit_at_once(node)
            && node.growth.enter(&patches)
        {
            self.patches_in_flight = Some(PatchesInFlight::new(node, patches));
            return self.send(&node.link, live, None, cluster).await;
        }
        // Boxed, because few calls wait, and each batch's future has room for what is not boxed.
        Box::pin(self.wait_and_send(node, patches, cluster)).await
    }

    /// Waits for its turn, the connection and room, and sends.
    async fn wait_and_send(
        &mut self,
        node: &Arc<Node>,
        patches: Patches,
        cluster: Option<&Cluster>,
    ) -> Outcome {
        if self.reads_replica() {
            return Outcome::Rerouted;
        }
        if self.calls.iter().any(|call| call.schedule == Schedule::Quarantined) {
            return self.go_to_quarantine(node, cluster).await;
        }
        self.pause(Schedule::is_aside).await;
        let admitted = match cluster {
            None => self.admit(node, &patches).await,
            Some(cluster) => tokio::select! {
                admitted = self.admit(node, &patches) => admitted,
                () = self.leave(node, cluster) => return Outcome::Rerouted,
            },
        };
        let (live, turn) = match admitted {
            Ok(admitted) => admitted,
            Err(outage) => return Outcome::Outage(outage),
        };
        self.patches_in_flight = Some(PatchesInFlight::new(node, patches));
        self.make_room_and_send(&node.link, live, turn, cluster).await
    }

    /// Folds the records that are full, for their updates, and sends.
    pub(super) async fn make_room_and_send(
        &mut self,
        link: &Link,
        live: Live,
        turn: Turn<'_>,
        cluster: Option<&Cluster>,
    ) -> Outcome {
        if self.finds_full() {
            match link.limit(self.deadline, make_room(&live.pipe, &mut self.calls)).await {
                Some(Ok(refused)) => self.refused = refused,
                Some(Err(Broken)) => return Outcome::Broken(live),
                None => return Outcome::Unanswered(live),
            }
            if self.calls.is_empty() {
                return Outcome::Rerouted; // nothing is left to be sent
            }
        }
        self.send(link, live, Some(turn), cluster).await
    }

    /// Whether it has updates that found a record full.
    fn finds_full(&self) -> bool {
        self.calls.iter().any(|call| call.is_full)
    }

    /// Whether it is sent to a replica. All of its calls may read from one then.
    pub fn reads_replica(&self) -> bool {
        self.calls.iter().any(|call| call.from_replica)
    }

    fn admit_at_once(&self, node: &Node) -> Option<Live> {
        let waits = self.calls.iter().any(|call| call.schedule != Schedule::AtOnce || call.is_full);
        if waits || !node.queue.is_empty() { None } else { node.link.now() }
    }

    /// Waits for the connection, and for this pipeline's turn to send.
    async fn admit<'n>(
        &self,
        node: &'n Node,
        patches: &Patches,
    ) -> Result<(Live, Turn<'n>), Error> {
        let Node { link, queue, growth, .. } = node;
        let turn = link.limit(self.deadline, queue.turn(self.place)).await;
        let turn = turn.ok_or_else(|| link.outage())?;
        self.pause(|schedule| !schedule.is_aside()).await;
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

    /// Waits until the latest time at which a call of this kind may be sent.
    async fn pause(&self, such: impl Fn(Schedule) -> bool) {
        let such = self.calls.iter().map(|call| call.schedule).filter(|schedule| such(*schedule));
        if let Some(time) = such.filter_map(Schedule::time).max() {
            sleep_until(time.min(self.deadline)).await;
        }
    }

    /// Waits until the calls should be sent to another node.
    pub(super) async fn leave(&self, node: &Arc<Node>, cluster: &Cluster) {
        if self.calls.iter().any(|call| call.referred.is_some()) {
            tokio::time::sleep(REFERRAL_TIMEOUT).await;
        } else {
            cluster.has_moved(&self.slots(), Some(node)).await;
        }
    }

    fn slots(&self) -> Vec<u16> {
        self.calls.iter().map(InFlightCall::slot).collect()
    }

    async fn wait_for_a_node(&self, cluster: Option<&Cluster>) -> Outcome {
        let Some(cluster) = cluster else { return Outcome::Outage(Error::Internal) };
        let slots = self.slots();
        tokio::select! {
            found = timeout_at(self.deadline, cluster.has_moved(&slots, None)) => match found {
                Ok(()) => Outcome::Rerouted,
                Err(_) => Outcome::Outage(cluster.outage()),
            },
            refusal = cluster.refusal() => Outcome::Outage(refusal),
        }
    }

    /// How many calls each command carries out. 0 stands for `ASKING`.
    fn runs(&self, shares_scripts: bool) -> Vec<usize> {
        let mut runs = Vec::with_capacity(self.calls.len());
        for run in self.calls.chunk_by(|call, next| shares_scripts && call.can_share_script(next)) {
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

    /// How long its calls have waited at the deadline.
    pub fn waited(&self, timeout: Duration) -> Duration {
        timeout + (self.deadline - self.due)
    }

    /// Whether its deadline was renewed as often as allowed.
    pub fn is_spent(&self, timeout: Duration) -> bool {
        self.waited(timeout) >= timeout * MAX_TIMEOUTS_OF_LONG_REPLY
    }

    /// Sends the calls as one pipeline and waits for its replies.
    async fn send(
        &mut self,
        link: &Link,
        live: Live,
        turn: Option<Turn<'_>>,
        cluster: Option<&Cluster>,
    ) -> Outcome {
        let pipe = &live.pipe;
        if pipe.has_ended() {
            return Outcome::Unsent(live);
        }
        let runs = self.runs(pipe.shares_scripts());
        let commands = self.commands(&runs);
        let mut heard = pipe.received();
        let mut replies = pin!(pipe.send(&commands, runs.len()));
        let sent = if turn.is_some() { Instant::now() } else { self.begun };
        drop(turn);
        let mut doubt = Some(sent + SILENCE_BEFORE_DOUBT).filter(|doubt| *doubt < self.deadline);
        let halfway = self.deadline - link.command_timeout() / 2;
        let mut halfway = (halfway > sent).then_some(halfway);
        let mut progress = Progress { since: sent, bytes: pipe.moved_of_long() };
        let mut hanging = None;
        loop {
            let next = [doubt, halfway].into_iter().flatten().fold(self.deadline, Instant::min);
            let mut outcome = link.limit(next, replies.as_mut()).await;
            if outcome.is_none() {
                // The replies, or the end of the connection, may have arrived while the thread that should read was
                // too busy. Halfway to the deadline there is still time to send again.
                pipe.catch_up();
                outcome = poll_once(replies.as_mut()).await;
            }
            match outcome {
                Some(Ok(replies)) => return Outcome::Replied(live, Answered { runs, replies }),
                Some(Err(Broken)) => return Outcome::Broken(live),
                None if self.reads_replica()
                    && (cluster.is_some() || halfway.is_none_or(|time| time == next)) =>
                {
                    return Outcome::Late(live);
                }
                None => hanging = hanging.or_else(|| cluster.map(Cluster::wait)),
            }
            if doubt.take_if(|time| *time == next).is_some() {
                let arrival =
                    pipe.arrival().filter(|arrival| *arrival > next - SILENCE_BEFORE_DOUBT);
                if arrival.is_none() && pipe.received() == heard && self.quarantine.is_none() {
                    link.doubt(&live);
                }
                heard = pipe.received();
                let again = arrival.unwrap_or(next) + SILENCE_BEFORE_DOUBT;
                doubt = Some(again).filter(|again| *again < self.deadline);
            }
            let is_halfway = halfway.take_if(|time| *time == next).is_some();
            let is_coming = progress.goes_on(next, pipe.moved_of_long());
            if next == self.deadline {
                if !is_coming || self.is_spent(link.command_timeout()) {
                    return Outcome::Unanswered(live);
                }
                self.deadline += link.command_timeout() / 2;
            } else if !is_halfway {
                continue;
            }
            progress = Progress { since: next, bytes: pipe.moved_of_long() };
        }
    }
}

/// The bytes of long replies and requests that had moved at a point in time.
struct Progress {
    since: Instant,
    bytes: u64,
}

impl Progress {
    /// Whether enough bytes have moved since then.
    fn goes_on(&self, now: Instant, bytes: u64) -> bool {
        let came = u128::from(bytes - self.bytes) * 1000;
        let least = (now - self.since).as_millis() * u128::from(PROGRESS_BYTES_PER_SECOND);
        came > 0 && came >= least
    }
}
