//! Tests the answers to batches.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use spots_sessions::answers::{Answers, Outbox};
use spots_sessions::error::Error;
use spots_sessions::operation;
use spots_sessions::record::{Record, encode};

/// Each call gets exactly one answer. Later answers to the same call are ignored.
pub fn give(bytes: &[u8]) {
    let outbox = Arc::new(Outbox::new(|| ()));
    let mut texts = Vec::new();
    let mut expected = BTreeMap::new();
    // `0xff` ends a batch.
    for batch in bytes.split(|byte| *byte == 0xff).take(16) {
        let first = u32::try_from(expected.len()).expect("a few hundred at the most");
        let calls = u32::from(batch.first().copied().unwrap_or_default() % 12);
        for id in first..first + calls {
            expected.insert(id, None);
        }
        let mut answers = Answers::new(Arc::clone(&outbox), first..first + calls);
        for act in batch.chunks(12) {
            let [place, kind, text @ ..] = act else { break };
            let answer = answer(&mut answers, usize::from(*place), *kind, text);
            match answer {
                Some(answer) => {
                    if let Some(id) = expected.get_mut(&(first + u32::from(*place)))
                        && u32::from(*place) < calls
                    {
                        id.get_or_insert(answer);
                    }
                }
                None if kind % 2 == 0 => answers.send(),
                None => texts.extend(outbox.take().map(|(text, _more)| text)),
            }
        }
    }
    texts.extend(std::iter::from_fn(|| outbox.take_later()));
    let mut read = BTreeMap::new();
    // An empty text only says that more texts follow.
    for text in texts.iter().filter(|text| !text.is_empty()) {
        for (id, answer) in columns(text) {
            assert_eq!(read.insert(id, answer), None, "id {id} is answered once");
        }
    }
    let internal = || (true, rejection(&Error::Internal));
    let expected: BTreeMap<_, _> =
        expected.into_iter().map(|(id, answer)| (id, answer.unwrap_or_else(internal))).collect();
    assert_eq!(read, expected);
}

/// An answer, and whether it is a rejection.
type Answer = (bool, Value);

/// Answers a call. `None` if no kind of answer has this number.
fn answer(answers: &mut Answers, place: usize, kind: u8, text: &[u8]) -> Option<Answer> {
    // Some answers are long, because a text ends when it reaches a certain length.
    let text = String::from_utf8_lossy(text).repeat(if kind < 253 { 1 } else { 4096 });
    let (reason, server) = (|| text.clone(), || text.clone());
    let error = match kind % 10 {
        0 => {
            answers.put(place, operation::Answer::Absent);
            return Some((false, json!(null)));
        }
        1 | 2 => {
            answers.put(place, operation::Answer::Flag(kind % 10 == 1));
            return Some((false, json!(kind % 10 == 1)));
        }
        3 => {
            answers.put(place, operation::Answer::Text(text.as_str().into()));
            return Some((false, json!(text)));
        }
        4 => return Some((false, session(answers, place, &text))),
        5 => Error::Redis { code: reason(), detail: server() },
        6 => Error::Connection { server: server(), reason: reason() },
        7 => Error::Timeout { server: server(), waited: Duration::from_millis(5) },
        8 => Error::Lost { reason: reason() },
        // Any value may be an answer: as `list` gives it, or one that is found nowhere.
        9 if text.len() % 2 == 1 => {
            let value = json!([{ "id": text, "data": { text.clone(): null }, "current": true }]);
            answers.put(place, operation::Answer::Json(value.to_string()));
            return Some((false, value));
        }
        _ => return None,
    };
    answers.reject(place, &error);
    Some((true, rejection(&error)))
}

fn session(answers: &mut Answers, place: usize, text: &str) -> Value {
    let data = json!({ text: [text] });
    let mut record = encode(&json!(text).to_string(), 7, &data.to_string());
    if text.len() % 2 == 1 {
        record.push_str("\n{\"more\":null,\"most\":1}");
    }
    let record = Record::parse(record.as_bytes()).expect("a record");
    answers.put(place, operation::Answer::Session(record));
    let mut data = data;
    if text.len() % 2 == 1 {
        data["most"] = json!(1);
    }
    json!({ "ownerId": text, "data": data })
}

fn rejection(error: &Error) -> Value {
    let mut words = vec![json!(error.code()), json!(error.to_string())];
    words.extend(error.redis_code().map(|code| json!(code)));
    json!(words)
}

/// A text as JavaScript reads it.
fn columns(text: &str) -> Vec<(u32, Answer)> {
    let [ids, owners, data, others]: [Vec<Value>; 4] =
        serde_json::from_str(text).expect("four columns");
    assert_eq!((ids.len(), ids.len()), (owners.len(), data.len()));
    assert_eq!(others.len() % 2, 0, "ids and values in turn");
    let id = |id: &Value| id.as_i64().expect("an id");
    let mut answers = Vec::new();
    for ((place, owner), data) in ids.iter().zip(owners).zip(data) {
        answers.push((id(place), json!({ "ownerId": owner, "data": data })));
    }
    answers.extend(others.chunks(2).map(|pair| (id(&pair[0]), pair[1].clone())));
    answers
        .into_iter()
        .map(|(id, value)| {
            let at = if id < 0 { !id } else { id };
            (u32::try_from(at).expect("an id"), (id < 0, value))
        })
        .collect()
}
