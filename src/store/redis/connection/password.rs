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
