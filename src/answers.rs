//! Answers as they cross to JavaScript: one text for many, that is one JSON array.
//!
//! It alternates slots and values: `[3,true,~4,["ERR_…","message"],…]`. The slot of a rejection is
//! complemented (`-slot - 1`), and its value is what the error is made of.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::Error;
use crate::record::Record;

/// A text that has grown to this many bytes is closed, so that no parse stalls the event loop.
/// One answer is never split.
const ENOUGH: usize = 64 * 1024;

/// Where the I/O thread leaves answers, and the event loop takes them.
pub struct Outbox {
    texts: Mutex<VecDeque<String>>,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl Outbox {
    /// Makes an empty one. `wake` is called, from the I/O thread, when it ceases to be empty.
    #[must_use]
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            texts: Mutex::default(),
            wake: Box::new(wake),
        }
    }

    /// Takes the oldest text, and tells whether there are more.
    #[must_use]
    pub fn take(&self) -> Option<(String, bool)> {
        let mut texts = self.lock();
        let mut text = texts.pop_front()?;
        text.push(']');
        Some((text, !texts.is_empty()))
    }

    /// Has JavaScript reject every call that waits: a batch could not be read.
    pub fn give_up(&self) {
        self.put("null,null");
    }

    fn put(&self, answers: &str) {
        let mut texts = self.lock();
        let was_empty = texts.is_empty();
        match texts.back_mut() {
            Some(text) if text.len() < ENOUGH => {
                text.push(',');
                text.push_str(answers);
            }
            _ => texts.push_back(format!("[{answers}")),
        }
        drop(texts);
        if was_empty {
            (self.wake)();
        }
    }

    /// A panic elsewhere leaves whole texts behind, so poison means nothing here.
    fn lock(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The answers to one batch of calls. Whatever happens to the batch, each call gets exactly one:
/// what is still unanswered when this is dropped, by a panic say, is rejected.
pub struct Answers {
    outbox: Arc<Outbox>,
    /// By the place of the call in its batch; `None` once it is answered.
    slots: Vec<Option<u32>>,
    text: String,
}

impl Answers {
    /// Expects an answer for each slot, in the order of the calls.
    pub fn new(outbox: Arc<Outbox>, slots: impl Iterator<Item = u32>) -> Self {
        Self {
            outbox,
            slots: slots.map(Some).collect(),
            text: String::new(),
        }
    }

    /// The call at `place` found a session.
    pub fn session(&mut self, place: usize, record: &Record<'_>) {
        self.answer(place, |text| record.write_answer(text));
    }

    /// The call at `place` found none.
    pub fn absent(&mut self, place: usize) {
        self.answer(place, |text| text.push_str("null"));
    }

    /// The call at `place` did (or did not) find something to act on.
    pub fn flag(&mut self, place: usize, flag: bool) {
        self.answer(place, |text| {
            text.push_str(if flag { "true" } else { "false" });
        });
    }

    /// The call at `place` minted a token.
    pub fn token(&mut self, place: usize, token: &str) {
        self.answer(place, |text| push_json(text, token));
    }

    /// The call at `place` is rejected.
    pub fn reject(&mut self, place: usize, error: &Error) {
        let Some(slot) = self.begin(place) else {
            return;
        };
        write_rejection(&mut self.text, slot, error);
        self.end();
    }

    fn answer(&mut self, place: usize, write: impl FnOnce(&mut String)) {
        let Some(slot) = self.begin(place) else {
            return;
        };
        push_number(&mut self.text, i64::from(slot));
        self.text.push(',');
        write(&mut self.text);
        self.end();
    }

    /// `None` if the call has its answer: no promise may settle with another's, or twice.
    fn begin(&mut self, place: usize) -> Option<u32> {
        let slot = self.slots.get_mut(place)?.take()?;
        if !self.text.is_empty() {
            self.text.push(',');
        }
        Some(slot)
    }

    fn end(&mut self) {
        if self.text.len() >= ENOUGH {
            self.send();
        }
    }

    /// Hands over what is answered so far.
    pub fn send(&mut self) {
        if !self.text.is_empty() {
            self.outbox.put(&self.text);
            self.text.clear();
        }
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        for place in 0..self.slots.len() {
            self.reject(place, &Error::Internal);
        }
        self.send();
    }
}

fn write_rejection(text: &mut String, slot: u32, error: &Error) {
    push_number(text, !i64::from(slot));
    text.push_str(",[");
    push_json(text, error.code());
    text.push(',');
    push_json(text, &error.to_string());
    if let Some(code) = error.redis_code() {
        text.push(',');
        push_json(text, code);
    }
    text.push(']');
}

fn push_number(text: &mut String, number: i64) {
    let written = write!(text, "{number}");
    debug_assert!(written.is_ok(), "a String takes any text");
}

fn push_json(text: &mut String, string: &str) {
    text.push_str(&serde_json::Value::from(string).to_string());
}

#[cfg(test)]
mod tests;
