//! A batch on its way: its legs, one pipeline each, until every call is answered.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

use super::command::Task;
use super::leg::{Ended, Leg};
use super::node::Node;
use super::queue::Place;
use super::servers::Servers;
use crate::answers::Answers;

/// A batch among those of its store, until its deadline.
pub(super) struct Batch {
    number: u64,
    legs: AtomicU64,
    command_timeout: Duration,
    begun: Instant,
    deadline: Instant,
}

impl Batch {
    pub fn new(number: u64, command_timeout: Duration) -> Self {
        let begun = Instant::now();
        let deadline = begun + command_timeout;
        Self { number, legs: AtomicU64::new(0), command_timeout, begun, deadline }
    }

    /// Sends to one server until every call is answered or the deadline has come.
    pub async fn run_on(
        mut self,
        node: &Arc<Node>,
        mut open: Vec<Task<'_>>,
        answers: &mut Answers,
    ) {
        let mut going_on = Vec::new();
        loop {
            if open.is_empty() {
                open = self.go_on(&mut going_on);
            }
            if open.is_empty() {
                return;
            }
            let mut leg = self.leg(Some(Arc::clone(node)), open);
            let ended = leg.go(None).await;
            open = leg.settle(ended, None, answers);
            going_on.extend(open.extract_if(.., |call| call.goes_on));
            // What is answered does not wait for what must be sent again.
            answers.send();
        }
    }

    /// Sends to several servers, to each what is its own, until every call is answered or the
    /// deadline has come.
    pub async fn run_over(
        mut self,
        servers: &Servers,
        mut open: Vec<Task<'_>>,
        answers: &mut Answers,
    ) {
        let mut going_on = Vec::new();
        let mut legs = Vec::new();
        loop {
            if open.is_empty() && legs.is_empty() {
                open = self.go_on(&mut going_on);
            }
            for (node, calls) in servers.split(open) {
                let mut leg = self.leg(node, calls);
                legs.push(Box::pin(async move {
                    let ended = leg.go(servers.cluster()).await;
                    (leg, ended)
                }));
            }
            if legs.is_empty() {
                return;
            }
            let (leg, ended) = first(&mut legs).await;
            open = leg.settle(ended, servers.cluster(), answers);
            going_on.extend(open.extract_if(.., |call| call.goes_on));
            answers.send();
        }
    }

    /// The calls that have made a step and have more to do. Each step renews their deadline, so the calls that keep
    /// the old one are settled first.
    fn go_on<'c>(&mut self, going_on: &mut Vec<Task<'c>>) -> Vec<Task<'c>> {
        let calls = std::mem::take(going_on);
        if !calls.is_empty() {
            self.deadline = Instant::now() + self.command_timeout;
        }
        calls
    }

    fn leg<'c>(&self, node: Option<Arc<Node>>, calls: Vec<Task<'c>>) -> Leg<'c> {
        let place = Place { batch: self.number, leg: self.legs.fetch_add(1, Ordering::Relaxed) };
        let begun = if place.leg == 0 { self.begun } else { Instant::now() };
        Leg::new(node, calls, place, begun, self.deadline)
    }
}

/// Awaits the first leg to end, and takes it out.
async fn first<'c, L>(legs: &mut Vec<Pin<Box<L>>>) -> (Leg<'c>, Ended)
where
    L: Future<Output = (Leg<'c>, Ended)>,
{
    poll_fn(|cx| {
        for n in 0..legs.len() {
            if let Poll::Ready(ended) = legs[n].as_mut().poll(cx) {
                drop(legs.swap_remove(n));
                return Poll::Ready(ended);
            }
        }
        Poll::Pending
    })
    .await
}
