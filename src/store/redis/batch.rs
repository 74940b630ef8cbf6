//! A batch on its way: one pipeline, and what of it must be sent again.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::command::{Outcome, Task};
use super::deadline::now;
use super::fold::fold;
use super::link::{Link, Live};
use super::pipe::{Broken, Replies};
use super::queue::{Queue, Turn};
use super::reply::{Verdict, judge, refusal};
use super::wire::Reply;
use crate::answers::Answers;
use crate::error::Error;

/// How soon a call is sent again that the server could not take yet.
const PAUSE: Duration = Duration::from_millis(50);

/// The calls of a batch that are not answered yet, until its deadline.
pub(super) struct Batch<'s, 'c> {
    link: &'s Link,
    queue: &'s Queue,
    open: Vec<Task<'c>>,
    number: u64,
    /// Attempts to connect that were made before it came.
    attempts: u64,
    deadline: Instant,
    /// The server has asked for patience until then.
    not_before: Option<Instant>,
}

impl<'s, 'c> Batch<'s, 'c> {
    pub fn new(link: &'s Link, queue: &'s Queue, open: Vec<Task<'c>>) -> Self {
        let number = queue.number();
        let deadline = Instant::now() + link.settings().command_timeout;
        Self { link, queue, open, number, attempts: link.attempts(), deadline, not_before: None }
    }

    /// Sends until every call is answered or the deadline has come.
    pub async fn run(mut self, answers: &mut Answers) {
        while !self.open.is_empty() {
            match self.admit().await {
                Ok((live, turn)) => self.round(live, turn, answers).await,
                Err(outage) => self.give_up(&outage, answers),
            }
            // What is answered does not wait for what must be sent again.
            answers.send();
        }
    }

    /// The connection, when it is this batch's turn to send.
    async fn admit(&self) -> Result<(Live, Option<Turn<'s>>), Error> {
        if self.not_before.is_none()
            && self.queue.is_empty()
            && let Some(live) = self.link.now()
        {
            return Ok((live, None));
        }
        let turn = self.link.limit(self.deadline, self.queue.turn(self.number)).await;
        let turn = turn.ok_or_else(|| self.link.outage())?;
        if let Some(time) = self.not_before {
            sleep_until(time.min(self.deadline)).await;
        }
        loop {
            let live = self.link.live(self.attempts, self.deadline).await?;
            if turn.stands() {
                return Ok((live, Some(turn)));
            }
            let again = self.link.limit(self.deadline, turn.come()).await;
            again.ok_or_else(|| self.link.outage())?;
        }
    }

    /// Sends what is open as one pipeline, and keeps open what must be sent again.
    async fn round(&mut self, live: Live, turn: Option<Turn<'s>>, answers: &mut Answers) {
        let mut commands = Vec::with_capacity(256 * self.open.len());
        for task in &self.open {
            task.command().write_packed_command(&mut commands);
        }
        let mut replies = pin!(live.pipe.send(&commands, self.open.len()));
        drop(turn);
        let mut outcome = None;
        let halfway = self.deadline - self.link.settings().command_timeout / 2;
        for time in [halfway, self.deadline] {
            outcome = self.link.limit(time, replies.as_mut()).await;
            if outcome.is_none() {
                // They, or the end of the connection, may have come, and the thread that should
                // read was too busy. Halfway there is time to send again.
                live.pipe.catch_up();
                outcome = now(replies.as_mut()).await;
            }
            if outcome.is_some() {
                break;
            }
        }
        match outcome {
            Some(Ok(replies)) => self.settle(&live, &replies, answers),
            Some(Err(Broken)) => {
                self.link.replace(&live);
                for task in &mut self.open {
                    task.in_doubt = true;
                }
            }
            None => {
                for task in self.open.drain(..) {
                    answers.reject(task.place, &self.link.unanswered());
                }
                self.link.suspect(live);
            }
        }
    }

    fn settle(&mut self, live: &Live, replies: &Replies, answers: &mut Answers) {
        let mut replies = replies.iter();
        for mut task in std::mem::take(&mut self.open) {
            let error = match replies.next() {
                Some(Reply::Error(error)) => error,
                Some(reply) => {
                    match task.answer(&reply, answers) {
                        Outcome::Done => {}
                        Outcome::Long(key) => fold(live, key, self.link.settings().command_timeout),
                        Outcome::More => self.open.push(task),
                    }
                    continue;
                }
                // It ended in garbage: whatever comes next cannot be trusted either.
                None => {
                    self.link.replace(live);
                    task.in_doubt = true;
                    self.open.push(task);
                    continue;
                }
            };
            match judge(error) {
                Verdict::SendText => task.by_text = true,
                Verdict::Later => self.postpone(&mut task, error),
                Verdict::Elsewhere => {
                    self.postpone(&mut task, error);
                    self.link.replace(live);
                }
                Verdict::Reject(error) => {
                    answers.reject(task.place, &error);
                    continue;
                }
            }
            self.open.push(task);
        }
        if self.not_before.is_some_and(|time| time > self.deadline) {
            self.give_up(&self.link.unanswered(), answers);
        }
    }

    fn postpone(&mut self, task: &mut Task<'c>, error: &str) {
        task.refused = Some(refusal(error));
        self.not_before = Some(Instant::now() + PAUSE);
    }

    fn give_up(&mut self, outage: &Error, answers: &mut Answers) {
        for task in self.open.drain(..) {
            answers.reject(task.place, &task.outage(outage));
        }
    }
}
