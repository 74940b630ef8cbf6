//! Questions that the engine asks the program, such as for a password that expires. A question names one of the functions
//! that the program gave as options. JavaScript calls the function, and answers under the number of the question.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::answers::Outbox;

/// A question to the program.
#[derive(Clone, Debug)]
pub struct Question {
    /// The option whose function is called.
    pub function: &'static str,
    /// Its argument. Empty if it takes none.
    pub argument: String,
}

/// The failure of a function. It does not hold what the function threw, which may be secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unanswered {
    /// The number under which JavaScript keeps what the function threw.
    pub number: u32,
}

type Answer = Pin<Box<dyn Future<Output = Result<String, Unanswered>> + Send>>;

/// Asks the program. Dropping the future takes the question back.
#[derive(Clone)]
pub struct Ask(Arc<dyn Fn(Question) -> Answer + Send + Sync>);

impl Ask {
    /// Asks by calling `answer`.
    pub fn new<F>(answer: impl Fn(Question) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<String, Unanswered>> + Send + 'static,
    {
        Self(Arc::new(move |question| Box::pin(answer(question))))
    }

    /// Asks a question and waits for the answer, for ever if there is none.
    pub(crate) fn ask(
        &self,
        question: Question,
    ) -> impl Future<Output = Result<String, Unanswered>> + Send + use<> {
        (self.0)(question)
    }
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ask")
    }
}

/// The open questions of an instance.
pub struct Questions {
    outbox: Arc<Outbox>,
    numbers: AtomicU32,
    open: Mutex<HashMap<u32, oneshot::Sender<Option<String>>>>,
}

impl Questions {
    /// Questions that cross to JavaScript by the outbox.
    #[must_use]
    pub fn new(outbox: Arc<Outbox>) -> Arc<Self> {
        Arc::new(Self { outbox, numbers: AtomicU32::new(0), open: Mutex::default() })
    }

    /// Asks by these questions.
    #[must_use]
    pub fn ask(self: &Arc<Self>) -> Ask {
        let questions = Arc::clone(self);
        Ask::new(move |question| {
            let questions = Arc::clone(&questions);
            async move {
                let number = questions.numbers.fetch_add(1, Ordering::Relaxed);
                let (sender, answer) = oneshot::channel();
                questions.lock().insert(number, sender);
                let _open = Open { questions: &questions, number };
                questions.outbox.ask(number, &question);
                answer.await.ok().flatten().ok_or(Unanswered { number })
            }
        })
    }

    /// Answers a question. `None` if the function failed. The question may have been taken back before.
    pub fn answer(&self, number: u32, answer: Option<String>) {
        if let Some(sender) = self.lock().remove(&number) {
            // It fails if nobody waits for the answer any more.
            sender.send(answer).ok();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u32, oneshot::Sender<Option<String>>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An open question. Dropping it takes the question back.
struct Open<'a> {
    questions: &'a Questions,
    number: u32,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.questions.lock().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    fn question() -> Question {
        Question { function: "password", argument: "at \"home\"".into() }
    }

    #[tokio::test]
    async fn an_answer_reaches_its_question_alone() {
        let outbox = Arc::new(Outbox::new(|| {}));
        let questions = Questions::new(Arc::clone(&outbox));
        let ask = questions.ask();
        let [first, second] = [ask.ask(question()), ask.ask(question())].map(tokio::spawn);
        tokio::task::yield_now().await;
        let asked =
            r#"["asks","0","password","at \"home\""],["asks","1","password","at \"home\""]"#;
        assert_eq!(outbox.take(), Some((format!("[[],[],[],[],[{asked}]]"), false)));

        questions.answer(1, None);
        questions.answer(7, Some("to no question".into()));
        questions.answer(0, Some("s3cret".into()));
        questions.answer(0, Some("a second time".into()));
        assert_eq!(first.await.unwrap(), Ok("s3cret".into()));
        assert_eq!(second.await.unwrap(), Err(Unanswered { number: 1 }));
    }

    #[tokio::test]
    async fn a_question_that_nobody_waits_for_is_forgotten() {
        let questions = Questions::new(Arc::new(Outbox::new(|| {})));
        let ask = questions.ask();
        assert!(timeout(Duration::from_millis(1), ask.ask(question())).await.is_err());
        assert!(questions.lock().is_empty());
        questions.answer(0, Some("too late".into()));
    }
}
