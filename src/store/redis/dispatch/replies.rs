//! The meaning of the replies to a pipeline: each call is answered, rejected, or sent again.

use std::cell::LazyCell;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::call::{InFlightCall, Schedule};
use super::fold::fold_beside;
use super::pipeline::Answered;
use crate::answers::Answers;
use crate::error::Error;
use crate::operation::{LONG_FROM_BYTES, Meaning};
use crate::protocol::Reply;
use crate::store::redis::connection::server_error::{
    Redirect, ServerError, Verdict, judge, refusal,
};
use crate::store::redis::link::backoff::with_jitter;
use crate::store::redis::link::{Link, Live};
use crate::store::redis::node::Node;
use crate::store::redis::topology::cluster::{Cluster, Crowded};

/// The longest pause before a call is sent again that the server could not take yet. The first pause is an eighth of
/// it, and doubles, so that the waiting calls do not overload a server in trouble.
const MAX_RETRY_PAUSE: Duration = Duration::from_millis(400);
const RETRY_PAUSE_DOUBLINGS: u32 = 3;

/// How many redirections a call follows without a pause. Nodes that redirect to each other need time.
const MAX_REDIRECTIONS_AT_ONCE: u8 = 4;

/// The replies of a primary to the calls of one pipeline, and their connection.
pub(crate) struct Replied<'r> {
    pub node: &'r Arc<Node>,
    /// The node's link, or its quarantine's.
    pub link: &'r Link,
    pub live: &'r Live,
    pub answered: &'r Answered,
    pub cluster: Option<&'r Cluster>,
    /// When the calls are given up.
    pub deadline: Instant,
}

/// What happens to a call after its reply.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// It is answered, or rejected.
    Settled,
    /// It is sent again.
    Again,
}

impl Replied<'_> {
    /// Answers the calls that can be answered, and returns those that must be sent again.
    pub fn read<'c>(
        &self,
        mut calls: Vec<InFlightCall<'c>>,
        answers: &mut Answers,
    ) -> Vec<InFlightCall<'c>> {
        // One pause for all calls, because a pipeline waits for the last of them.
        let longest = LazyCell::new(|| with_jitter(MAX_RETRY_PAUSE));
        let mut replies = self.answered.by_call();
        let open = calls.extract_if(.., |call| {
            call.referred = None;
            let suspicion = call.absolve();
            let next = match replies.next() {
                Some((Reply::Error(words), of_all)) => {
                    let error = ServerError::new(&words, call.sent(self.node.link.login(), of_all));
                    let soon = later(call.postponed, *longest, self.deadline);
                    self.read_error(call, &error, of_all, soon, answers)
                }
                Some((Reply::Bytes(record), _))
                    if record.len() >= LONG_FROM_BYTES && call.may_find(record) =>
                {
                    call.replace_doubted();
                    call.note_follow_up(&Reply::Bytes(record));
                    call.answer_on_another_thread(self.answered.keep(record), answers);
                    Next::Settled
                }
                Some((reply, _)) => self.read_reply(call, &reply, suspicion, answers),
                // The replies ended in bytes that are not a reply, so later bytes cannot be trusted either.
                None => {
                    self.link.replace(self.live);
                    call.in_doubt = true;
                    Next::Again
                }
            };
            next == Next::Again
        });
        open.collect()
    }

    /// Reads a reply that is not an error. `suspicion`: the counts of connections that broke under the call.
    fn read_reply(
        &self,
        call: &mut InFlightCall<'_>,
        reply: &Reply<'_>,
        suspicion: (u8, u8),
        answers: &mut Answers,
    ) -> Next {
        let in_quarantine = !std::ptr::eq(self.link, &raw const self.node.link);
        let next = match call.read(reply) {
            Meaning::Answered(answer) => {
                call.forget_use();
                answers.put(call.position, answer);
                call.note_follow_up(reply);
                call.note_use_by_fold();
                Next::Settled
            }
            Meaning::Long(work) => {
                call.answer_with(work, answers);
                Next::Settled
            }
            Meaning::Outgrown(answer, id) => {
                answers.put(call.position, answer);
                call.note_follow_up(reply);
                if let Some(key) = call.session_key() {
                    fold_beside(self.node, self.live, id, key);
                }
                Next::Settled
            }
            Meaning::Rejected(error) => {
                answers.reject(call.position, &error);
                Next::Settled
            }
            Meaning::More(step) => {
                call.go_on(step);
                Next::Again
            }
            Meaning::Full => {
                (call.is_full, call.fold) = (true, None);
                // Folding reads the record, and its length may be what breaks connections.
                call.suspect_again(suspicion);
                Next::Again
            }
            Meaning::Mismatched if in_quarantine => {
                call.reject_doubtful(answers);
                return Next::Settled;
            }
            Meaning::Mismatched => {
                call.fold = None;
                call.doubt(self.node, self.live);
                return Next::Again;
            }
        };
        call.replace_doubted();
        next
    }

    /// Reads a server's error. `of_all`: it answers all calls of a shared script. `soon`: when the call is sent again
    /// if it has to wait.
    fn read_error(
        &self,
        call: &mut InFlightCall<'_>,
        error: &ServerError<'_>,
        of_all: bool,
        soon: Instant,
        answers: &mut Answers,
    ) -> Next {
        let verdict = judge(error);
        let refresh = || self.cluster.into_iter().for_each(Cluster::refresh);
        match verdict {
            Verdict::SendText => call.needs_eval = true,
            Verdict::Later => {
                call.postpone(Schedule::InTurn(soon), refusal(error));
                refresh();
            }
            Verdict::Unknown => {
                call.in_doubt = true;
                call.postpone(Schedule::InTurn(soon), refusal(error));
                refresh();
            }
            Verdict::Migrating => {
                call.in_doubt |= call.finds_its_keys();
                call.postpone(Schedule::Aside(soon), refusal(error));
            }
            // The server still answers `get`, which would have to wait for another connection.
            Verdict::Elsewhere if call.is_behind_an_answer() => {
                return reject(call, &refusal(error), answers);
            }
            Verdict::Elsewhere => {
                call.postpone(Schedule::InTurn(soon), refusal(error));
                self.link.replace(self.live);
                refresh();
            }
            Verdict::Redirect(to) => match self.cluster {
                Some(cluster) => self.redirect(call, &to, cluster, error, soon),
                None => return reject(call, &part_of_a_cluster(error), answers),
            },
            // A server that refuses a script with keys of several slots may take the calls one by one.
            Verdict::Reject(_) if of_all => {
                call.alone = true;
                self.live.pipe.set_shares_scripts(false);
            }
            Verdict::Reject(error) => return reject(call, &error, answers),
        }
        Next::Again
    }

    /// Sends a call to the node that the redirection names, or later if it names none.
    fn redirect(
        &self,
        call: &mut InFlightCall<'_>,
        to: &Redirect,
        cluster: &Cluster,
        error: &ServerError<'_>,
        soon: Instant,
    ) {
        if !to.names_a_node() {
            // A refresh finds a slot that has moved. A slot that is still moving has to arrive first.
            let schedule = if to.once { Schedule::Aside } else { Schedule::InTurn };
            call.postpone(schedule(soon), refusal(error));
            cluster.refresh();
            return;
        }
        call.redirections = call.redirections.saturating_add(1);
        if call.redirections > MAX_REDIRECTIONS_AT_ONCE {
            call.postpone(Schedule::Aside(soon), refusal(error));
        }
        match cluster.follow(to, &self.live.server) {
            Ok(None) => {}
            Ok(node) if !call.finds_its_keys() => call.referred = node,
            // The node to which the slot is moving would carry out the call on only some of the keys.
            Ok(_) | Err(Crowded) => call.postpone(Schedule::Aside(soon), refusal(error)),
        }
    }
}

fn reject(call: &InFlightCall<'_>, error: &Error, answers: &mut Answers) -> Next {
    answers.reject(call.position, error);
    Next::Settled
}

/// When a call is sent again that was postponed this many times before.
fn later(postponed: u32, longest: Duration, deadline: Instant) -> Instant {
    let now = Instant::now();
    // At most half of its remaining time, so that its last attempt is close to its deadline.
    let half = deadline.saturating_duration_since(now) / 2;
    let pause = longest / (1 << RETRY_PAUSE_DOUBLINGS.saturating_sub(postponed));
    now + pause.min(half.max(longest / (1 << RETRY_PAUSE_DOUBLINGS)))
}

/// The error of a call that was sent to a node of a cluster as if it were a single server.
fn part_of_a_cluster(error: &ServerError<'_>) -> Error {
    match refusal(error) {
        Error::Redis { code, detail } => {
            let detail = format!("{detail} (it is part of a cluster: use redis-cluster://)");
            Error::Redis { code, detail }
        }
        other => other,
    }
}
