//! Answers as they cross to JavaScript: one JSON text for many.
//!
//! It has four columns, `[[id,…],[owner,…],[data,…],[id,value,…]]`: three of equal length for
//! the sessions that were found, and all other answers in the last, ids and values in turn. The
//! id of a rejection is complemented (`-id - 1`), and its value is what the error is made of.
//! A fifth column follows where there are events: `[[kind,…],…]`.
//!
//! Data that stands beside data of the same shape is what V8's `JSON.parse` reads fastest: columns
//! cost it a third less than one list of ids and sessions.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::Error;
use crate::event::Event;
use crate::operation::Answer;
use crate::record::Record;

/// A text that has grown to this many bytes is closed, so that no parse stalls the event loop.
/// One answer is never split.
const MAX_TEXT_BYTES: usize = 64 * 1024;

/// … and so is one that has this many answers, so that none waits for many that came after it.
const MAX_ANSWERS_PER_TEXT: usize = 256;

/// The longest text that V8 makes a string of, on all platforms that we build for.
const MAX_STRING_BYTES: usize = (1 << 29) - 24;

/// The text that has JavaScript reject every call that waits.
#[cfg(feature = "node")]
pub(crate) const GIVE_UP: &str = "[[],[],[],[null,null]]";

/// How much may be handed over before the event loop must turn: Node calls back again within the
/// same turn as long as there is more, and that may be as fast as it is read.
const MAX_BYTES_PER_TURN: usize = 256 * 1024;

/// Answers, each column without its brackets.
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

/// Answers that wait to be taken.
enum Text {
    /// More may be added, unless they are full.
    Columns(Columns),
    /// A long one: who has read it copies it into one piece, which is rarely the event loop.
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

/// Where answers are left, and the event loop takes them.
pub struct Outbox {
    waiting: Mutex<Waiting>,
    /// Bytes handed over by [`Self::take`] since the last turn of which this knows.
    handed_over: AtomicUsize,
    wake: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct Waiting {
    texts: VecDeque<Text>,
    /// Whether somebody is about to look, and need not be woken.
    attended: bool,
}

impl Outbox {
    /// Makes an empty one. `wake` is called when it ceases to be empty, from the thread that answers:
    /// the I/O thread, or the event loop's own where a call need not wait.
    #[must_use]
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self { waiting: Mutex::default(), handed_over: AtomicUsize::new(0), wake: Box::new(wake) }
    }

    /// Takes the oldest text, for who was woken, and tells whether there are more, which must be
    /// taken by [`Self::take_later`]. Nothing but more, if much was taken already.
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

    /// Does what may bring answers, and takes the oldest text without being woken: once a turn, so
    /// that it may be as much as there is. What it does must not panic.
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

    /// Has JavaScript reject every call that waits: a batch could not be read.
    pub fn give_up(&self) {
        self.put(&mut Columns { others: "null,null".into(), ..Columns::default() });
    }

    /// Leaves an event, for who takes the answers.
    pub fn tell(&self, event: &Event) {
        let events = serde_json::Value::from(event.words()).to_string();
        self.put(&mut Columns { events, ..Columns::default() });
    }

    /// Takes the answers out of `columns`.
    fn put(&self, columns: &mut Columns) {
        let columns = std::mem::take(columns);
        // A long one stays alone, or JavaScript could not let others go first.
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

    /// A panic elsewhere leaves whole texts behind, so poison means nothing here.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The answers to one batch of calls. Whatever happens to the batch, each call gets exactly one:
/// what is still unanswered when this is dropped, by a panic say, is rejected.
pub struct Answers {
    outbox: Arc<Outbox>,
    /// By the place of the call in its batch; `None` once it is answered.
    ids: Vec<Option<u32>>,
    columns: Columns,
    /// How much of the data is whole: a panic may leave more.
    whole: usize,
}

impl Answers {
    /// Expects an answer for each id, in the order of the calls.
    pub fn new(outbox: Arc<Outbox>, ids: impl Iterator<Item = u32>) -> Self {
        let ids = ids.map(Some).collect();
        Self { outbox, ids, columns: Columns::default(), whole: 0 }
    }

    /// Takes a call out, to be answered on its own, on another thread say.
    #[must_use]
    pub fn detach(&mut self, place: usize) -> Self {
        let id = self.ids.get_mut(place).and_then(Option::take);
        Self::new(Arc::clone(&self.outbox), id.into_iter())
    }

    /// Answers the call at `place`.
    pub fn put(&mut self, place: usize, answer: Answer<'_>) {
        match answer {
            Answer::Absent => self.answer(place, |others| others.push_str("null")),
            Answer::Flag(true) => self.answer(place, |others| others.push_str("true")),
            Answer::Flag(false) => self.answer(place, |others| others.push_str("false")),
            Answer::Token(token) => self.answer(place, |others| push_json(others, &token)),
            Answer::Session(record) => self.session(place, &record),
        }
    }

    fn session(&mut self, place: usize, record: &Record<'_>) {
        let Some(Some(id)) = self.ids.get(place).copied() else {
            return;
        };
        if record.length() + record.owner().len() >= MAX_TEXT_BYTES {
            return self.long_session(place, id, record);
        }
        let Columns { ids, owners, data, .. } = &mut self.columns;
        // The data first: it is what may panic, and then this call is not answered yet.
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
        self.ids[place] = None;
        self.end();
    }

    /// One that fills a text alone.
    fn long_session(&mut self, place: usize, id: u32, record: &Record<'_>) {
        self.send();
        match text_of(id, record, MAX_STRING_BYTES) {
            Ok(text) => {
                self.ids[place] = None;
                self.outbox.put_text(Text::Whole(text));
            }
            Err(error) => self.reject(place, &error),
        }
    }

    /// The call at `place` is rejected.
    pub fn reject(&mut self, place: usize, error: &Error) {
        let Some(id) = self.begin(place) else {
            return;
        };
        write_rejection(&mut self.columns.others, id, error);
        self.end();
    }

    fn answer(&mut self, place: usize, write: impl FnOnce(&mut String)) {
        let Some(id) = self.begin(place) else {
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

    /// `None` if the call has its answer: no promise may settle with another's, or twice.
    fn begin(&mut self, place: usize) -> Option<u32> {
        let id = self.ids.get_mut(place)?.take()?;
        separate(&mut self.columns.others);
        Some(id)
    }

    fn end(&mut self) {
        self.columns.answers += 1;
        if self.columns.is_full() {
            self.send();
        }
    }

    /// Hands over what is answered so far.
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
        for place in 0..self.ids.len() {
            self.reject(place, &Error::Internal);
        }
        self.send();
    }
}

/// The text of one session, in one piece that is as long as it needs.
///
/// # Errors
///
/// Where it would be longer than `longest`, or there is no memory for it.
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

/// Makes room in a column for as many elements as there are calls, all as long as the first: to grow little by
/// little costs a get 3% of its time.
fn make_room(column: &mut String, length: usize, calls: usize) {
    column.reserve((length + 1).saturating_mul(calls).min(MAX_TEXT_BYTES));
}

/// Begins an element of a JSON array whose brackets are not there yet.
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
