//! Sessions on one Redis server: every operation is one command or one script.

mod command;
mod connection;
mod link;
mod reply;
mod script;
pub mod settings;
pub mod tls;

use std::rc::Rc;
use std::time::Duration;

use redis::{Pipeline, Value};
use tokio::time::{Instant, sleep_until, timeout_at};

use self::command::{Outcome, Task};
use self::link::{Link, Live};
use self::reply::{Verdict, judge};
use self::settings::Settings;
use super::Minting;
use crate::answers::Answers;
use crate::call::Call;
use crate::error::Error;
use crate::record::Record;

/// How soon a call is sent again that the server could not take yet.
const PAUSE: Duration = Duration::from_millis(50);

/// Sessions on one Redis server.
pub struct RedisStore {
    minting: Minting,
    link: Rc<Link>,
}

impl RedisStore {
    /// Begins to connect to the server.
    #[must_use]
    pub fn new(settings: Settings, minting: Minting) -> Self {
        Self {
            minting,
            link: Rc::new(Link::new(settings)),
        }
    }

    /// Carries out calls in their order and answers each, within the command timeout.
    pub async fn run(&self, calls: &[Call<'_>], answers: &mut Answers) {
        let deadline = Instant::now() + self.link.settings().command_timeout;
        let mut open = self.tasks(calls, answers);
        while !open.is_empty() {
            match self.link.live(deadline).await {
                Ok(live) => open = self.round(live, open, answers, deadline).await,
                Err(error) => {
                    for task in open {
                        answers.reject(task.place, &task.outage(&error, &self.unanswered()));
                    }
                    return;
                }
            }
        }
    }

    /// What must be sent; calls whose answer needs no server are answered at once.
    fn tasks<'c>(&self, calls: &'c [Call<'c>], answers: &mut Answers) -> Vec<Task<'c>> {
        let mut tasks = Vec::with_capacity(calls.len());
        for (place, call) in calls.iter().enumerate() {
            match Task::new(place, &call.operation, self.minting) {
                Ok(Some(task)) => tasks.push(task),
                Ok(None) => command::answer_absent(place, &call.operation, answers),
                Err(error) => answers.reject(place, &error),
            }
        }
        tasks
    }

    /// Sends what is open as one pipeline and returns what must be sent again.
    async fn round<'c>(
        &self,
        mut live: Live,
        mut open: Vec<Task<'c>>,
        answers: &mut Answers,
        deadline: Instant,
    ) -> Vec<Task<'c>> {
        let mut pipeline = Pipeline::with_capacity(open.len());
        for task in &open {
            pipeline.add_command(task.command());
        }
        let sent = live
            .connection
            .send_packed_commands(&pipeline, 0, open.len());
        match timeout_at(deadline, sent).await {
            Ok(Ok(replies)) => self.settle(&live, open, replies, answers, deadline).await,
            Ok(Err(_broken)) => {
                self.link.replace(&live);
                for task in &mut open {
                    task.in_doubt = true;
                }
                open
            }
            Err(_elapsed) => {
                let error = self.unanswered();
                for task in open {
                    answers.reject(task.place, &error);
                }
                self.link.suspect(live);
                Vec::new()
            }
        }
    }

    async fn settle<'c>(
        &self,
        live: &Live,
        open: Vec<Task<'c>>,
        replies: Vec<Value>,
        answers: &mut Answers,
        deadline: Instant,
    ) -> Vec<Task<'c>> {
        let mut again = Vec::new();
        let mut pause = false;
        for (mut task, reply) in open.into_iter().zip(replies) {
            let Value::ServerError(error) = reply else {
                match task.answer(&reply, answers) {
                    Outcome::Done => {}
                    Outcome::Long(key) => self.fold(live.clone(), key),
                    Outcome::More => again.push(task),
                }
                continue;
            };
            match judge(&error) {
                Verdict::SendText => task.by_text = true,
                Verdict::Reject(error) => {
                    answers.reject(task.place, &error);
                    continue;
                }
                Verdict::Later => pause = true,
                Verdict::Elsewhere => {
                    self.link.replace(live);
                    pause = true;
                }
            }
            task.refused = Some(reply::refusal(&error));
            again.push(task);
        }
        if pause {
            let next = Instant::now() + PAUSE;
            if next > deadline {
                for task in again.drain(..) {
                    answers.reject(task.place, &task.last_refusal());
                }
            } else {
                sleep_until(next).await;
            }
        }
        again
    }

    fn unanswered(&self) -> Error {
        let settings = self.link.settings();
        let server = settings.address.to_string();
        Error::Timeout { server, waited: settings.command_timeout }
    }

    /// Folds the patches of a record that has grown long. Nobody waits for it, and if it fails the
    /// record is only longer than it need be.
    fn fold(&self, mut live: Live, key: Vec<u8>) {
        let timeout = self.link.settings().command_timeout;
        tokio::task::spawn_local(tokio::time::timeout(timeout, async move {
            let read = live
                .connection
                .send_packed_command(redis::cmd("GET").arg(&key))
                .await;
            let Ok(Value::BulkString(head)) = read else {
                return;
            };
            let Some(folded) = Record::parse(&head).ok().and_then(|record| record.folded()) else {
                return;
            };
            let mut fold = script::command(script::Name::Fold, true, &[&key]);
            fold.arg(&head).arg(&folded);
            let _unneeded = live.connection.send_packed_command(&fold).await;
        }));
    }
}
