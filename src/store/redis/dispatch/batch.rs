//! A batch of calls: one pipeline per node, until every call is answered.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

use super::call::InFlightCall;
use super::pipeline::{NodePipeline, Outcome};
use super::routing::route;
use crate::answers::Answers;
use crate::store::redis::node::Node;
use crate::store::redis::node::queue::Place;
use crate::store::redis::topology::Topology;

/// One of the batches of a store, with its deadline.
pub(crate) struct Batch {
    number: u64,
    pipelines: AtomicU64,
    command_timeout: Duration,
    begun: Instant,
    deadline: Instant,
}

impl Batch {
    pub fn new(number: u64, command_timeout: Duration) -> Self {
        let begun = Instant::now();
        let deadline = begun + command_timeout;
        Self { number, pipelines: AtomicU64::new(0), command_timeout, begun, deadline }
    }

    /// Sends to one server until every call is answered or the deadline has passed.
    pub async fn run_on(
        mut self,
        node: &Arc<Node>,
        mut open: Vec<InFlightCall<'_>>,
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
            let mut pipeline = self.pipeline(Some(Arc::clone(node)), open);
            let outcome = pipeline.go(None).await;
            open = pipeline.settle(outcome, None, answers);
            going_on.extend(open.extract_if(.., |call| call.goes_on));
            // Calls that are answered do not wait for those that must be sent again.
            answers.send();
        }
    }

    /// Sends to several servers until every call is answered or the deadline has passed. Each node gets its own
    /// calls.
    pub async fn run_over(
        mut self,
        topology: &Topology,
        mut open: Vec<InFlightCall<'_>>,
        answers: &mut Answers,
    ) {
        let mut going_on = Vec::new();
        let mut pipelines = Vec::new();
        loop {
            if open.is_empty() && pipelines.is_empty() {
                open = self.go_on(&mut going_on);
            }
            for (node, calls) in route(topology, open) {
                let mut pipeline = self.pipeline(node, calls);
                pipelines.push(Box::pin(async move {
                    let outcome = pipeline.go(topology.cluster()).await;
                    (pipeline, outcome)
                }));
            }
            if pipelines.is_empty() {
                return;
            }
            let (pipeline, outcome) = first(&mut pipelines).await;
            open = pipeline.settle(outcome, topology.cluster(), answers);
            going_on.extend(open.extract_if(.., |call| call.goes_on));
            answers.send();
        }
    }

    /// The calls that have made a step and have more to do. Each step renews the deadline, so calls with the old
    /// deadline are finished first.
    fn go_on<'c>(&mut self, going_on: &mut Vec<InFlightCall<'c>>) -> Vec<InFlightCall<'c>> {
        let calls = std::mem::take(going_on);
        if !calls.is_empty() {
            self.deadline = Instant::now() + self.command_timeout;
        }
        calls
    }

    fn pipeline<'c>(
        &self,
        node: Option<Arc<Node>>,
        calls: Vec<InFlightCall<'c>>,
    ) -> NodePipeline<'c> {
        let place =
            Place { batch: self.number, pipeline: self.pipelines.fetch_add(1, Ordering::Relaxed) };
        let begun = if place.pipeline == 0 { self.begun } else { Instant::now() };
        NodePipeline::new(node, calls, place, begun, self.deadline)
    }
}

/// Awaits the first pipeline to end, and removes it from the list.
async fn first<'c, L>(pipelines: &mut Vec<Pin<Box<L>>>) -> (NodePipeline<'c>, Outcome)
where
    L: Future<Output = (NodePipeline<'c>, Outcome)>,
{
    poll_fn(|cx| {
        for n in 0..pipelines.len() {
            if let Poll::Ready(outcome) = pipelines[n].as_mut().poll(cx) {
                drop(pipelines.swap_remove(n));
                return Poll::Ready(outcome);
            }
        }
        Poll::Pending
    })
    .await
}
