//! A password: fixed, or given by a function of the program that is asked at each attempt to connect.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::settings::Secret;
use crate::question::{Ask, Question, Unanswered};

/// How many of the last passwords are remembered, because a server may repeat them in its errors.
const MAX_REMEMBERED: usize = 16;

/// A password, or how to ask for it.
#[derive(Clone, Debug)]
pub enum Password {
    /// Always the same.
    Fixed(Secret),
    /// Asked for at each attempt to connect.
    Asked(AskedPassword),
}

/// A password that is asked for. Clones share what they remember.
#[derive(Clone)]
pub struct AskedPassword {
    ask: Ask,
    function: &'static str,
    memory: Arc<Mutex<Memory>>,
}

#[derive(Default)]
struct Memory {
    /// How many questions are open.
    open: usize,
    /// The last passwords, the newest last.
    given: VecDeque<Secret>,
}

impl Password {
    /// A password that never changes.
    #[must_use]
    pub fn fixed(text: String) -> Self {
        Self::Fixed(Secret::new(text))
    }

    /// A password that the function of this option gives.
    #[must_use]
    pub fn asked(ask: Ask, function: &'static str) -> Self {
        Self::Asked(AskedPassword { ask, function, memory: Arc::default() })
    }

    /// The same password for the connections to one server. A function's passwords for other servers are not remembered
    /// with it.
    pub(crate) fn of_one_server(&self) -> Self {
        match self {
            Self::Fixed(secret) => Self::Fixed(secret.clone()),
            Self::Asked(asked) => Self::asked(asked.ask.clone(), asked.function),
        }
    }

    /// The passwords that may have been sent to the server.
    pub(crate) fn sent(&self) -> Vec<Secret> {
        match self {
            Self::Fixed(secret) => vec![secret.clone()],
            Self::Asked(asked) => asked.lock().given.iter().cloned().collect(),
        }
    }

    /// Whether the function was asked and has not answered yet.
    pub(crate) fn is_awaited(&self) -> bool {
        matches!(self, Self::Asked(asked) if asked.lock().open > 0)
    }
}

impl AskedPassword {
    /// Asks for the password.
    pub(crate) async fn get(&self) -> Result<Secret, Unanswered> {
        let _awaited = Awaited::new(self);
        let question = Question { function: self.function, argument: String::new() };
        let password = Secret::new(self.ask.ask(question).await?);
        let mut memory = self.lock();
        memory.given.retain(|known| *known != password);
        if memory.given.len() >= MAX_REMEMBERED {
            memory.given.pop_front();
        }
        memory.given.push_back(password.clone());
        Ok(password)
    }

    /// The name of the option.
    pub(crate) fn function(&self) -> &'static str {
        self.function
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for AskedPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AskedPassword")
    }
}

/// Counts an open question.
struct Awaited<'a>(&'a AskedPassword);

impl<'a> Awaited<'a> {
    fn new(password: &'a AskedPassword) -> Self {
        password.lock().open += 1;
        Self(password)
    }
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        self.0.lock().open -= 1;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A password that differs at each question.
    fn changing() -> AskedPassword {
        let asked = AtomicUsize::new(0);
        let ask = Ask::new(move |question| {
            assert_eq!((question.function, question.argument.as_str()), ("password", ""));
            let number = asked.fetch_add(1, Ordering::Relaxed);
            async move { Ok(format!("s3cret-{number}")) }
        });
        match Password::asked(ask, "password") {
            Password::Asked(asked) => asked,
            Password::Fixed(_) => unreachable!("it is asked for"),
        }
    }

    #[tokio::test]
    async fn the_last_passwords_of_one_server_are_remembered_and_are_not_printed() {
        let asked = changing();
        let first = Password::Asked(asked.clone());
        let other = first.of_one_server();
        assert!(first.sent().is_empty() && !first.is_awaited());
        for _ in 0..2 * MAX_REMEMBERED {
            asked.get().await.unwrap();
        }
        let sent = first.sent();
        assert_eq!(sent.len(), MAX_REMEMBERED);
        assert_eq!(sent.last().unwrap().expose(), "s3cret-31");
        assert!(other.sent().is_empty(), "what another server was sent");
        assert!(!format!("{first:?} {:?}", Password::fixed("s3cret".into())).contains("s3cret"));
    }

    #[tokio::test]
    async fn the_same_password_is_remembered_once() {
        let ask = Ask::new(|_| async { Ok("s3cret".to_owned()) });
        let Password::Asked(asked) = Password::asked(ask, "password") else { unreachable!() };
        asked.get().await.unwrap();
        asked.get().await.unwrap();
        assert_eq!(Password::Asked(asked).sent().len(), 1);
    }

    #[tokio::test]
    async fn a_question_counts_until_it_is_answered_or_taken_back() {
        let ask = Ask::new(|_| std::future::pending());
        let Password::Asked(asked) = Password::asked(ask, "password") else { unreachable!() };
        let password = Password::Asked(asked.clone());
        let question = tokio::spawn(async move { asked.get().await });
        tokio::task::yield_now().await;
        assert!(password.is_awaited());
        question.abort();
        assert!(question.await.unwrap_err().is_cancelled());
        assert!(!password.is_awaited());
    }
}
