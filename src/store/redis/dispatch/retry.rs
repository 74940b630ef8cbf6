//! What a pipeline came to: answers to its calls, and what of them must be sent again.

use std::cell::LazyCell;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::call::{Again, InFlightCall};
use super::fold::fold_beside;
use super::pipeline::{Answered, Ended, NodePipeline};
use crate::answers::Answers;
use crate::error::Error;
use crate::operation::Meaning;
use crate::protocol::Reply;
use crate::store::redis::connection::server_error::{ServerError, Verdict, judge, refusal};
use crate::store::redis::link::backoff::with_jitter;
use crate::store::redis::link::{Link, Live};
use crate::store::redis::node::Node;
use crate::store::redis::topology::cluster::{Cluster, Crowded};

/// How soon a call is sent again that the server could not take yet, at the latest. It begins with an
/// eighth of this, and doubles: a server in trouble must not be hammered by all who wait for it.
const MAX_RETRY_PAUSE: Duration = Duration::from_millis(400);
const RETRY_PAUSE_DOUBLINGS: u32 = 3;

/// How often a call follows a redirection at once: nodes that point at each other need time.
const MAX_REDIRECTIONS_AT_ONCE: u8 = 4;

/// From this many bytes on, a record is read on a thread of its own: others wait for the one that reads replies.
const ANSWER_ELSEWHERE_FROM_BYTES: usize = 1024 * 1024;

impl<'c> NodePipeline<'c> {
    /// Answers what can be answered, and returns what must be sent again.
    pub fn settle(
        mut self,
        ended: Ended,
        cluster: Option<&Cluster>,
        answers: &mut Answers,
    ) -> Vec<InFlightCall<'c>> {
        for (call, error) in self.refused.drain(..) {
            answers.reject(call.place, &error);
        }
        let mut rest = std::mem::take(&mut self.rest);
        let mut open = self.settle_sent(ended, cluster, answers);
        open.append(&mut rest);
        open
    }

    fn settle_sent(
        mut self,
        ended: Ended,
        cluster: Option<&Cluster>,
        answers: &mut Answers,
    ) -> Vec<InFlightCall<'c>> {
        let from_replica = self.reads_replica();
        let apart = self.apart.take();
        for call in &mut self.calls {
            (call.again, call.goes_on) = (call.at_once(), false);
            // Whatever it does not find there, the primary is asked for.
            call.from_replica = false;
        }
        let node = self.node.take();
        let link = apart.as_ref().map(|apart| &apart.link);
        let link = link.or_else(|| node.as_ref().map(|node| &node.link));
        match (ended, link) {
            (Ended::Replied(live, answered), Some(link)) => {
                return match &node {
                    Some(node) if !from_replica => {
                        self.read(node, link, &live, &answered, cluster, answers)
                    }
                    _ => {
                        let node = node.as_ref();
                        self.read_from_replica(node, link, &live, &answered, cluster, answers)
                    }
                };
            }
            (Ended::Unsent(live), Some(link)) => {
                link.replace(&live);
                cluster.into_iter().for_each(Cluster::refresh);
            }
            (Ended::Broken(live), Some(link)) => {
                link.replace(&live);
                cluster.into_iter().for_each(Cluster::refresh);
                for call in &mut self.calls {
                    call.in_doubt |= !from_replica;
                    call.referred = None;
                    if live.pipe.broke() && !from_replica {
                        call.broke = call.broke.saturating_add(1);
                        call.again = call.at_once();
                    }
                }
            }
            (Ended::Intolerable(error), _) => {
                for call in self.calls.drain(..) {
                    answers.reject(call.place, &error);
                }
            }
            (Ended::Unanswered(live), Some(link)) => {
                let timeout = link.command_timeout();
                let unanswered = live.unanswered(self.waited(timeout));
                let is_spent = self.is_spent(timeout);
                for call in self.calls.drain(..) {
                    answers.reject(call.place, &unanswered);
                }
                if is_spent {
                    link.replace(&live);
                } else {
                    link.suspect(live);
                }
            }
            (Ended::Late(live), Some(link)) => link.suspect(live),
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
    fn read_from_replica(
        self,
        node: Option<&Arc<Node>>,
        link: &Link,
        live: &Live,
        answered: &Answered,
        cluster: Option<&Cluster>,
        answers: &mut Answers,
    ) -> Vec<InFlightCall<'c>> {
        let mut replies = answered.by_call();
        let mut open = Vec::new();
        for mut call in self.calls {
            let (place, mut is_answered) = (call.place, false);
            match replies.next().map(|(reply, _)| reply) {
                Some(reply @ Reply::Bytes(_)) => match call.read(&reply) {
                    Meaning::Answered(answer) => {
                        answers.put(place, answer);
                        is_answered = true;
                    }
                    Meaning::Anothers => {
                        call.doubted = node.map(|node| Box::new((Arc::clone(node), live.clone())));
                    }
                    _ => {}
                },
                Some(Reply::Error(error)) => match judge(&ServerError::from(&*error)) {
                    Verdict::Reject(Error::Corrupt) => {}
                    verdict => {
                        // Where it redirects, it is the map that is wrong; else its next greeting
                        // tells whether it is fit.
                        if !matches!(verdict, Verdict::Redirect(_)) {
                            link.replace(live);
                        }
                        cluster.into_iter().for_each(Cluster::refresh);
                    }
                },
                _ => {}
            }
            if !is_answered {
                open.push(call);
            }
        }
        open
    }

    fn read(
        self,
        node: &Arc<Node>,
        link: &Link,
        live: &Live,
        answered: &Answered,
        cluster: Option<&Cluster>,
        answers: &mut Answers,
    ) -> Vec<InFlightCall<'c>> {
        let waited = self.waited(link.command_timeout());
        let is_apart = !std::ptr::eq(link, &raw const node.link);
        // One for all, as a pipeline waits for the last of its calls.
        let longest = LazyCell::new(|| with_jitter(MAX_RETRY_PAUSE));
        let mut open = Vec::new();
        let mut replies = answered.by_call();
        for mut call in self.calls {
            call.referred = None;
            let suspicion = call.absolve();
            let (error, of_all) = match replies.next() {
                Some((Reply::Error(error), of_all)) => (error, of_all),
                Some((Reply::Bytes(record), _))
                    if record.len() >= ANSWER_ELSEWHERE_FROM_BYTES && call.may_find(record) =>
                {
                    call.replace_doubted();
                    call.answer_on_another_thread(answered.keep(record), answers);
                    continue;
                }
                Some((reply, _)) => {
                    let place = call.place;
                    let is_still_open = match call.read(&reply) {
                        Meaning::Answered(answer) => {
                            answers.put(place, answer);
                            false
                        }
                        Meaning::Outgrown(answer, id) => {
                            answers.put(place, answer);
                            if let Some(key) = call.session_key() {
                                fold_beside(node, live, id, key);
                            }
                            false
                        }
                        Meaning::Rejected(error) => {
                            answers.reject(place, &error);
                            false
                        }
                        Meaning::More { has_removed } => {
                            (call.has_removed, call.goes_on) = (has_removed, true);
                            true
                        }
                        Meaning::Full => {
                            call.is_full = true;
                            // The folding reads the record, which may be what breaks connections.
                            call.suspect_again(suspicion);
                            true
                        }
                        Meaning::Anothers if is_apart => {
                            call.reject_doubtful(answers);
                            continue;
                        }
                        Meaning::Anothers => {
                            call.doubt(node, live);
                            open.push(call);
                            continue;
                        }
                    };
                    call.replace_doubted();
                    if is_still_open {
                        open.push(call);
                    }
                    continue;
                }
                // It ended in garbage: whatever comes next cannot be trusted either.
                None => {
                    link.replace(live);
                    call.in_doubt = true;
                    open.push(call);
                    continue;
                }
            };
            let error = ServerError::new(&error, call.sent(node.link.login(), of_all));
            let soon = later(call.postponed, *longest, self.deadline);
            let refused = Refused { of_all, link, live, cluster, soon };
            if let Err(error) = refused.sends_again(&mut call, &error) {
                answers.reject(call.place, &error);
                continue;
            }
            open.push(call);
        }
        let (late, open): (Vec<_>, Vec<_>) =
            open.into_iter().partition(|call| call.again.time().is_some_and(|t| t > self.deadline));
        if !late.is_empty() {
            give_up(late.into_iter(), &live.unanswered(waited), answers);
        }
        open
    }
}

/// A server's error in place of an answer, and where it came from.
struct Refused<'r> {
    /// It is that of all calls that one script was to carry out.
    of_all: bool,
    link: &'r Link,
    live: &'r Live,
    cluster: Option<&'r Cluster>,
    /// When the call is sent again if it has to wait.
    soon: Instant,
}

impl Refused<'_> {
    /// Has a call sent again; or it is what the call rejects with.
    fn sends_again(
        &self,
        call: &mut InFlightCall<'_>,
        error: &ServerError<'_>,
    ) -> Result<(), Error> {
        match (judge(error), self.cluster) {
            (Verdict::SendText, _) => call.needs_eval = true,
            (verdict @ (Verdict::Later | Verdict::Unknown), _) => {
                call.in_doubt |= verdict == Verdict::Unknown;
                call.postpone(Again::InTurn(self.soon), refusal(error));
                self.cluster.into_iter().for_each(Cluster::refresh);
            }
            (Verdict::Migrating, _) => {
                call.in_doubt |= call.finds_its_keys();
                call.postpone(Again::Aside(self.soon), refusal(error));
            }
            (Verdict::Elsewhere, _) => {
                call.postpone(Again::InTurn(self.soon), refusal(error));
                self.link.replace(self.live);
                self.cluster.into_iter().for_each(Cluster::refresh);
            }
            (Verdict::Redirect(to), Some(cluster)) if !to.names_a_node() => {
                // A slot that has moved is found by the refresh; one on its way has to arrive.
                let again = if to.once { Again::Aside } else { Again::InTurn };
                call.postpone(again(self.soon), refusal(error));
                cluster.refresh();
            }
            (Verdict::Redirect(to), Some(cluster)) => {
                call.redirections = call.redirections.saturating_add(1);
                if call.redirections > MAX_REDIRECTIONS_AT_ONCE {
                    call.postpone(Again::Aside(self.soon), refusal(error));
                }
                match cluster.follow(&to, &self.live.server) {
                    Ok(None) => {}
                    Ok(node) if !call.finds_its_keys() => call.referred = node,
                    // A node to which the slot is on its way would run it on a part of the keys.
                    Ok(_) | Err(Crowded) => call.postpone(Again::Aside(self.soon), refusal(error)),
                }
            }
            // Who takes no script with keys of several slots may take them one by one.
            (Verdict::Reject(_), _) if self.of_all => {
                call.alone = true;
                self.live.pipe.set_shares_scripts(false);
            }
            (Verdict::Reject(error), _) => return Err(error),
            (Verdict::Redirect(_), None) => return Err(part_of_a_cluster(error)),
        }
        Ok(())
    }
}

/// When a call is sent again that was put off so often before.
fn later(postponed: u32, longest: Duration, deadline: Instant) -> Instant {
    let now = Instant::now();
    // Half of its time at most, so that its last attempt is close to its deadline.
    let half = deadline.saturating_duration_since(now) / 2;
    let pause = longest / (1 << RETRY_PAUSE_DOUBLINGS.saturating_sub(postponed));
    now + pause.min(half.max(longest / (1 << RETRY_PAUSE_DOUBLINGS)))
}

fn give_up<'c>(
    calls: impl Iterator<Item = InFlightCall<'c>>,
    outage: &Error,
    answers: &mut Answers,
) {
    for call in calls {
        answers.reject(call.place, &call.outage(outage));
    }
}

/// The error of a call that was sent to a node of a cluster as to a server of its own.
fn part_of_a_cluster(error: &ServerError<'_>) -> Error {
    match refusal(error) {
        Error::Redis { code, detail } => {
            let detail = format!("{detail} (it is part of a cluster: use redis-cluster://)");
            Error::Redis { code, detail }
        }
        other => other,
    }
}
