//! Answers as they cross to JavaScript: one JSON text holds many of them.
//!
//! The text has four columns, `[[id,…],[owner,…],[data,…],[id,value,…]]`. The first three have equal lengths and hold the
//! sessions that were found. The last holds all other answers, an id and a value in turn. The id of a rejection is
//! complemented (`-id - 1`), and its value is the code, the message and more of the error. If there are events, a fifth
//! column follows: `[[kind,…],…]`.
//!
//! `JSON.parse` of V8 reads objects fastest that follow objects of the same shape. Columns take it a third less time than
//! a list of ids and sessions.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::Error;
use crate::event::Event;
use crate::operation::Answer;
use crate::question::Question;
use crate::record::Record;

/// At this many bytes a text is full, so that the event loop does not parse for long. An answer is never split.
const MAX_TEXT_BYTES: usize = 64 * 1024;

/// At this many answers a text is full, so that the first answer does not wait for many later ones.
const MAX_ANSWERS_PER_TEXT: usize = 256;

/// The longest string of V8, in characters, on all platforms that we build for.
const MAX_STRING_BYTES: usize = (1 << 29) - 24;

/// The text that makes JavaScript reject every pending call.
#[cfg(feature = "node")]
pub(crate) const GIVE_UP: &str = "[[],[],[],[null,null]]";

/// After this many bytes of answers in one turn of the event loop, the rest waits for the next turn. Node calls back again
/// in the same turn as long as there are more answers, and they may arrive as fast as JavaScript reads them.
const MAX_BYTES_PER_TURN: usize = 256 * 1024;

/// The columns of a text, without their brackets.
#[derive(Default)]
struct Columns {
    ids: String,
    owners: String,
    data: String,
    others: String,
    events: String,
    answers: usize,
}

impl Columns {
    fn is_empty(&self) -> bool {
        self.ids.is_empty() && self.others.is_empty() && self.events.is_empty()
    }

    fn is_full(&self) -> bool {
        let columns = [&self.ids, &self.owners, &self.data, &self.others];
        let bytes: usize = columns.map(String::len).iter().sum();
        self.answers >= MAX_ANSWERS_PER_TEXT || bytes >= MAX_TEXT_BYTES
    }

    fn append(&mut self, more: &Self) {
        self.answers += more.answers;
        let columns = [
            (&mut self.ids, &more.ids),
            (&mut self.owners, &more.owners),
            (&mut self.data, &more.data),
            (&mut self.others, &more.others),
            (&mut self.events, &more.events),
        ];
        for (column, more) in columns {
            if !more.is_empty() {
                separate(column);
                column.push_str(more);
            }
        }
    }

    fn into_text(self) -> String {
        let Self { ids, owners, data, others, events, .. } = self;
        let (begin, end) = if events.is_empty() { ("", "") } else { (",[", "]") };
        ["[[", &ids, "],[", &owners, "],[", &data, "],[", &others, "]", begin, &events, end, "]"]
            .concat()
    }
}

/// Answers that JavaScript has not taken yet.
enum Text {
    /// More answers may be added, unless the columns are full.
    Columns(Columns),
    /// A long text. The thread that read the reply puts it together, and that is rarely the event loop's.
    Whole(String),
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        match text {
            Text::Columns(columns) => columns.into_text(),
            Text::Whole(text) => text,
        }
    }
}

/// The place from which the event loop takes answers.
pub struct Outbox {
    waiting: Mutex<Waiting>,
    /// Bytes that [`Self::take`] has handed over in this turn of the event loop.
    handed_over: AtomicUsize,
    wake: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct Waiting {
    texts: VecDeque<Text>,
    /// Whether the event loop will look by itself, and need not be woken.
    attended: bool,
}

impl Outbox {
    /// Makes an empty outbox. The thread that answers calls `wake` when the outbox is no longer empty: the I/O thread, or
    /// the event loop's thread if a call need not wait.
    #[must_use]
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self { waiting: Mutex::default(), handed_over: AtomicUsize::new(0), wake: Box::new(wake) }
    }

    /// Takes the oldest text, after `wake` was called. Returns whether there are more texts, which [`Self::take_later`]
    /// must take. If enough was taken in this turn, it returns an empty text and `true`.
    #[must_use]
    pub fn take(&self) -> Option<(String, bool)> {
        if self.handed_over.load(Ordering::Relaxed) >= MAX_BYTES_PER_TURN
            && !self.lock().texts.is_empty()
        {
            return Some((String::new(), true));
        }
        let (text, more) = self.pop()?;
        self.handed_over.fetch_add(text.len(), Ordering::Relaxed);
        Some((text, more))
    }

    /// Does work that may bring answers, and takes the oldest text without being woken. It is called once a turn for each
    /// connection, so [`MAX_BYTES_PER_TURN`] does not apply. `work` must not panic.
    pub fn take_after(&self, work: impl FnOnce()) -> Option<(String, bool)> {
        self.lock().attended = true;
        work();
        self.lock().attended = false;
        self.pop()
    }

    /// Takes the oldest text, in a later turn of the event loop.
    #[must_use]
    pub fn take_later(&self) -> Option<String> {
        self.handed_over.store(0, Ordering::Relaxed);
        self.pop().map(|(text, _)| text)
    }

    /// The oldest text, and whether there are more.
    fn pop(&self) -> Option<(String, bool)> {
        let mut waiting = self.lock();
        let text = waiting.texts.pop_front()?;
        let more = !waiting.texts.is_empty();
        drop(waiting);
        Some((text.into(), more))
    }

    /// Makes JavaScript reject every pending call, because a batch could not be read.
    pub fn give_up(&self) {
        self.put(&mut Columns { others: "null,null".into(), ..Columns::default() });
    }

    /// Adds an event.
    pub fn tell(&self, event: &Event) {
        self.tell_words(event.words());
    }

    /// Adds a question to the program.
    pub(crate) fn ask(&self, number: u32, question: &Question) {
        let Question { function, argument } = question;
        self.tell_words(vec![
            "asks".into(),
            number.to_string(),
            (*function).into(),
            argument.clone(),
        ]);
    }

    fn tell_words(&self, words: Vec<String>) {
        let events = serde_json::Value::from(words).to_string();
        self.put(&mut Columns { events, ..Columns::default() });
    }

    /// Takes the answers out of `columns`.
    fn put(&self, columns: &mut Columns) {
        let columns = std::mem::take(columns);
        // Nothing is added to full columns, so they can be put together now, on this thread.
        self.put_text(if columns.is_full() {
            Text::Whole(columns.into_text())
        } else {
            Text::Columns(columns)
        });
    }

    fn put_text(&self, text: Text) {
        let mut waiting = self.lock();
        let wakes = waiting.texts.is_empty() && !waiting.attended;
        match (waiting.texts.back_mut(), text) {
            (Some(Text::Columns(last)), Text::Columns(more)) if !last.is_full() => {
                last.append(&more);
            }
            (_, text) => waiting.texts.push_back(text),
        }
        drop(waiting);
        if wakes {
            (self.wake)();
        }
    }

    /// A thread that panics leaves whole texts, so a poisoned lock needs no other handling.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The answers to one batch of calls. Each call gets exactly one answer: calls that are unanswered when this is dropped,
/// for example after a panic, are rejected.
pub struct Answers {
    outbox: Arc<Outbox>,
    /// The id of each call by its position in the batch; `None` once the call is answered.
    ids: Vec<Option<u32>>,
    columns: Columns,
    /// How many bytes of the data column are whole elements. A panic may leave a part of another one.
    whole: usize,
    /// The first rejection, if no caller waits for these answers.
    failure: Option<Error>,
}

impl Answers {
    /// Expects an answer for each id, in the order of the calls.
    pub fn new(outbox: Arc<Outbox>, ids: impl Iterator<Item = u32>) -> Self {
        let ids = ids.map(Some).collect();
        Self { outbox, ids, columns: Columns::default(), whole: 0, failure: None }
    }

    /// Answers that no caller waits for. Only the first error is kept.
    #[must_use]
    pub fn for_nobody(&self) -> Self {
        Self::new(Arc::clone(&self.outbox), std::iter::empty())
    }

    /// The first error of answers that no caller waits for.
    #[must_use]
    pub fn failure(&self) -> Option<&Error> {
        self.failure.as_ref()
    }

    /// Takes a call out, so that another thread can answer it.
    #[must_use]
    pub fn detach(&mut self, position: usize) -> Self {
        let id = self.ids.get_mut(position).and_then(Option::take);
        Self::new(Arc::clone(&self.outbox), id.into_iter())
    }

    /// Answers the call at `position`.
    pub fn put(&mut self, position: usize, answer: Answer<'_>) {
        match answer {
            Answer::Absent => self.answer(position, |others| others.push_str("null")),
            Answer::Flag(true) => self.answer(position, |others| others.push_str("true")),
            Answer::Flag(false) => self.answer(position, |others| others.push_str("false")),
            Answer::Text(token) => self.answer(position, |others| push_json(others, &token)),
            Answer::Session(record) => self.session(position, &record),
            Answer::Json(json) => self.json(position, &json),
        }
    }

    fn json(&mut self, position: usize, json: &str) {
        if json.len() > MAX_STRING_BYTES - MAX_TEXT_BYTES {
            return self.reject(position, &Error::TooLong { bytes: json.len() });
        }
        self.answer(position, |others| others.push_str(json));
    }

    fn session(&mut self, position: usize, record: &Record<'_>) {
        let Some(Some(id)) = self.ids.get(position).copied() else {
            return;
        };
        if record.length() + record.owner().len() >= MAX_TEXT_BYTES {
            return self.long_session(position, id, record);
        }
        let Columns { ids, owners, data, .. } = &mut self.columns;
        // The data first. If writing it panics, the call is not answered yet.
        data.truncate(self.whole);
        if data.is_empty() {
            make_room(data, record.length(), self.ids.len());
            make_room(owners, record.owner().len(), self.ids.len());
        }
        separate(data);
        record.write_data(data);
        self.whole = data.len();
        separate(owners);
        owners.push_str(record.owner());
        separate(ids);
        push_number(ids, i64::from(id));
        self.ids[position] = None;
        self.end();
    }

    /// Answers with a session that fills a text alone.
    fn long_session(&mut self, position: usize, id: u32, record: &Record<'_>) {
        self.send();
        match text_of(id, record, MAX_STRING_BYTES) {
            Ok(text) => {
                self.ids[position] = None;
                self.outbox.put_text(Text::Whole(text));
            }
            Err(error) => self.reject(position, &error),
        }
    }

    /// Rejects the call at `position`.
    pub fn reject(&mut self, position: usize, error: &Error) {
        if self.ids.is_empty() {
            self.failure.get_or_insert_with(|| error.clone());
        }
        let Some(id) = self.begin(position) else {
            return;
        };
        write_rejection(&mut self.columns.others, id, error);
        self.end();
    }

    fn answer(&mut self, position: usize, write: impl FnOnce(&mut String)) {
        let Some(id) = self.begin(position) else {
            return;
        };
        push_number(&mut self.columns.others, i64::from(id));
        self.columns.others.push(',');
        write(&mut self.columns.others);
        if self.columns.answers == 0 {
            let length = self.columns.others.len();
            make_room(&mut self.columns.others, length, self.ids.len());
        }
        self.end();
    }

    /// The id of a call, which then counts as answered. `None` if it was answered before.
    fn begin(&mut self, position: usize) -> Option<u32> {
        let id = self.ids.get_mut(position)?.take()?;
        separate(&mut self.columns.others);
        Some(id)
    }

    fn end(&mut self) {
        self.columns.answers += 1;
        if self.columns.is_full() {
            self.send();
        }
    }

    /// Hands over the answers so far.
    pub fn send(&mut self) {
        self.columns.data.truncate(self.whole);
        self.whole = 0;
        if !self.columns.is_empty() {
            self.outbox.put(&mut self.columns);
        }
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        for position in 0..self.ids.len() {
            self.reject(position, &Error::Internal);
        }
        self.send();
    }
}

/// The text with one session, in memory of exactly its length.
///
/// # Errors
///
/// If it would be longer than `longest` bytes, or if there is no memory for it.
fn text_of(id: u32, record: &Record<'_>, longest: usize) -> Result<String, Error> {
    const BRACKETS: usize = "[[4294967295],[],[],[]]".len();
    let bytes = record.length() + record.owner().len();
    let mut text = String::new();
    text.try_reserve_exact(bytes + BRACKETS).map_err(|_| Error::NoMemory { bytes })?;
    text.push_str("[[");
    push_number(&mut text, i64::from(id));
    text.push_str("],[");
    text.push_str(record.owner());
    text.push_str("],[");
    record.write_data(&mut text);
    text.push_str("],[]]");
    if text.len() > longest { Err(Error::TooLong { bytes }) } else { Ok(text) }
}

/// Reserves room in a column for an element of each call, all as long as the first. A column that grows little by little
/// costs a `get` 3% of its time.
fn make_room(column: &mut String, length: usize, calls: usize) {
    column.reserve((length + 1).saturating_mul(calls).min(MAX_TEXT_BYTES));
}

/// Begins an element of a column.
fn separate(column: &mut String) {
    if !column.is_empty() {
        column.push(',');
    }
}

fn write_rejection(text: &mut String, id: u32, error: &Error) {
    push_number(text, !i64::from(id));
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
    text.push_str(itoa::Buffer::new().format(number));
}

fn push_json(text: &mut String, string: &str) {
    text.push_str(&serde_json::to_string(string).expect("any string is JSON"));
}

#[cfg(test)]
mod tests;
