//! Handles the outcome of a pipeline: answers its calls, and returns those that must be sent again.

use std::sync::Arc;

use super::call::InFlightCall;
use super::pipeline::{Answered, NodePipeline, Outcome};
use super::replies::Replied;
use crate::answers::Answers;
use crate::error::Error;
use crate::operation::Meaning;
use crate::protocol::Reply;
use crate::store::redis::connection::server_error::{ServerError, Verdict, judge};
use crate::store::redis::link::{Link, Live};
use crate::store::redis::node::Node;
use crate::store::redis::topology::cluster::Cluster;

impl<'c> NodePipeline<'c> {
    /// Answers the calls that can be answered, and returns those that must be sent again.
    pub fn settle(
        mut self,
        outcome: Outcome,
        cluster: Option<&Cluster>,
        answers: &mut Answers,
    ) -> Vec<InFlightCall<'c>> {
        for (call, error) in self.refused.drain(..) {
            answers.reject(call.position, &error);
        }
        let mut rest = std::mem::take(&mut self.rest);
        let mut open = self.settle_sent(outcome, cluster, answers);
        open.append(&mut rest);
        open
    }

    fn settle_sent(
        mut self,
        outcome: Outcome,
        cluster: Option<&Cluster>,
        answers: &mut Answers,
    ) -> Vec<InFlightCall<'c>> {
        let from_replica = self.reads_replica();
        let quarantine = self.quarantine.take();
        for call in &mut self.calls {
            (call.schedule, call.goes_on) = (call.at_once(), false);
            // The primary is asked for every session that the replica does not have.
            call.from_replica = false;
        }
        let node = self.node.take();
        let link = quarantine.as_ref().map(|quarantine| &quarantine.link);
        let link = link.or_else(|| node.as_ref().map(|node| &node.link));
        match (outcome, link) {
            (Outcome::Replied(live, answered), Some(link)) => {
                return match &node {
                    Some(node) if !from_replica => {
                        let (live, answered, deadline) = (&live, &answered, self.deadline);
                        let waited = self.waited(link.command_timeout());
                        let replied = Replied { node, link, live, answered, cluster, deadline };
                        let open = replied.read(self.calls, answers);
                        let (late, open): (Vec<_>, Vec<_>) = open
                            .into_iter()
                            .partition(|call| call.schedule.time().is_some_and(|t| t > deadline));
                        if !late.is_empty() {
                            give_up(late.into_iter(), &live.unanswered(waited), answers);
                        }
                        open
                    }
                    _ => {
                        let node = node.as_ref();
                        self.read_from_replica(node, link, &live, &answered, cluster, answers)
                    }
                };
            }
            (Outcome::Unsent(live), Some(link)) => {
                link.replace(&live);
                cluster.into_iter().for_each(Cluster::refresh);
            }
            (Outcome::Broken(live), Some(link)) => {
                link.replace(&live);
                cluster.into_iter().for_each(Cluster::refresh);
                for call in &mut self.calls {
                    call.in_doubt |= !from_replica;
                    call.referred = None;
                    if live.pipe.broke() && !from_replica {
                        call.broke = call.broke.saturating_add(1);
                        call.schedule = call.at_once();
                    }
                }
            }
            (Outcome::Intolerable(error), _) => {
                for call in self.calls.drain(..) {
                    answers.reject(call.position, &error);
                }
            }
            (Outcome::Unanswered(live), Some(link)) => {
                let timeout = link.command_timeout();
                let unanswered = live.unanswered(self.waited(timeout));
                let is_spent = self.is_spent(timeout);
                for call in self.calls.drain(..) {
                    answers.reject(call.position, &unanswered);
                }
                if is_spent {
                    link.replace(&live);
                } else {
                    link.suspect(live);
                }
            }
            (Outcome::Late(live), Some(link)) => link.suspect(live),
            (Outcome::Outage(outage), _) => give_up(self.calls.drain(..), &outage, answers),
            (_, _) => {
                for call in &mut self.calls {
                    call.referred = None;
                }
            }
        }
        self.calls
    }

    /// Answers with the sessions that were found. The replica may not have the others yet, and it may still have sessions
    /// of owners whose sessions this process has just changed.
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
            let mut is_answered = false;
            match replies.next().map(|(reply, _)| reply) {
                Some(Reply::Bytes(record)) if call.has_changed_owner_of(record) => {}
                Some(reply @ Reply::Bytes(_)) => match call.read(&reply) {
                    Meaning::Answered(answer) => {
                        answers.put(call.position, answer);
                        call.note_follow_up(&reply);
                        is_answered = true;
                    }
                    Meaning::Mismatched => {
                        call.doubted = node.map(|node| Box::new((Arc::clone(node), live.clone())));
                    }
                    _ => {}
                },
                Some(Reply::Error(error)) => match judge(&ServerError::from(&*error)) {
                    Verdict::Reject(Error::Corrupt) => {}
                    verdict => {
                        // If the replica redirects, the map is out of date. After any other error, the next handshake
                        // shows whether the replica can be used.
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
}

fn give_up<'c>(
    calls: impl Iterator<Item = InFlightCall<'c>>,
    outage: &Error,
    answers: &mut Answers,
) {
    for call in calls {
        answers.reject(call.position, &call.outage(outage));
    }
}
