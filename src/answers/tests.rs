mod outbox;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::record::encode;

/// An outbox, and how many times it has woken.
fn outbox() -> (Arc<Outbox>, Arc<AtomicUsize>) {
    let wakes = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&wakes);
    let outbox = Outbox::new(move || {
        counter.fetch_add(1, Ordering::SeqCst);
    });
    (Arc::new(outbox), wakes)
}

fn texts(outbox: &Outbox) -> Vec<String> {
    std::iter::from_fn(|| outbox.take_later()).collect()
}

/// All answers in the outbox, as JavaScript reads them.
fn pairs(outbox: &Outbox) -> Vec<(Value, Value)> {
    let mut pairs = Vec::new();
    for text in texts(outbox) {
        let [ids, owners, data, others]: [Vec<Value>; 4] =
            serde_json::from_str(&text).expect("four columns");
        assert_eq!((ids.len(), ids.len()), (owners.len(), data.len()), "{text}");
        for ((id, owner), data) in ids.into_iter().zip(owners).zip(data) {
            pairs.push((id, json!({"ownerId": owner, "data": data})));
        }
        assert_eq!(others.len() % 2, 0, "ids and values alternate in {text}");
        pairs.extend(others.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())));
    }
    pairs
}

fn internal(id: i64) -> (Value, Value) {
    let message = "a bug in @spots-tech/sessions: please report it";
    (json!(-id - 1), json!(["ERR_SESSIONS_INTERNAL", message]))
}

#[test]
fn each_kind_of_answer_is_json() {
    let (outbox, _) = outbox();
    let mut answers = Answers::new(Arc::clone(&outbox), [9, 8, 7, 6, 0, 4_294_967_295].into_iter());
    let record = encode("\"o\\n\"", 7, r#"{"a":[1,{"b":null}]}"#);
    answers.session(0, &Record::parse(record.as_bytes()).unwrap());
    answers.put(1, Answer::Absent);
    answers.put(2, Answer::Flag(true));
    answers.put(3, Answer::Flag(false));
    answers.put(4, Answer::Text("\u{ff}\"\\\u{0}\n".into()));
    answers.put(5, Answer::Text("abc=".into()));
    drop(answers);
    assert_eq!(
        pairs(&outbox),
        [
            (json!(9), json!({"ownerId": "o\n", "data": {"a": [1, {"b": null}]}})),
            (json!(8), json!(null)),
            (json!(7), json!(true)),
            (json!(6), json!(false)),
            (json!(0), json!("\u{ff}\"\\\u{0}\n")),
            (json!(4_294_967_295_u32), json!("abc=")),
        ]
    );
}

#[test]
fn each_kind_of_rejection_tells_its_complemented_slot_code_and_message() {
    let server = || "localhost:6379".to_owned();
    let rows = [
        (
            Error::Timeout { server: server(), waited: Duration::from_millis(1500) },
            json!([
                "ERR_SESSIONS_TIMEOUT",
                "redis at localhost:6379 did not answer within 1500 ms: \
                the call may or may not have taken effect"
            ]),
        ),
        (
            Error::Connection { server: server(), reason: "say \"why\"\n".into() },
            json!([
                "ERR_SESSIONS_CONNECTION",
                "cannot reach redis at localhost:6379: say \"why\"\n"
            ]),
        ),
        (
            Error::Function { server: server(), function: "password", question: 7 },
            json!([
                "ERR_SESSIONS_CONNECTION",
                "cannot reach redis at localhost:6379: the function `password` failed (the \
                event `error` has the cause)"
            ]),
        ),
        (
            Error::Redis { code: "OOM".into(), detail: "no".into() },
            json!(["ERR_SESSIONS_REDIS", "redis refused: OOM no", "OOM"]),
        ),
        (
            Error::Corrupt,
            json!([
                "ERR_SESSIONS_CORRUPT",
                "cannot read the session: what redis holds under its \
                key was not written by this package (kill or killAll removes it)"
            ]),
        ),
        (
            Error::TooLong { bytes: 600 },
            json!([
                "ERR_SESSIONS_CORRUPT",
                "cannot read the session: its 600 bytes are more than a string of JavaScript can \
                hold, so it was not written by this package (kill or killAll removes it)"
            ]),
        ),
        (
            Error::NoMemory { bytes: 600 },
            json!([
                "ERR_SESSIONS_OVERLOADED",
                "this process has not enough memory for a session of 600 bytes"
            ]),
        ),
        (Error::Internal, internal(0).1),
    ];
    for id in [0, 5, u32::MAX] {
        for (error, expected) in &rows {
            let (outbox, _) = outbox();
            Answers::new(Arc::clone(&outbox), [id].into_iter()).reject(0, error);
            let id = -i64::from(id) - 1;
            assert_eq!(pairs(&outbox), [(json!(id), expected.clone())], "{error:?}");
        }
    }
}

#[test]
fn what_is_left_unanswered_is_rejected() {
    let (outbox, wakes) = outbox();
    let mut answers = Answers::new(Arc::clone(&outbox), [3, 4, 5].into_iter());
    answers.put(1, Answer::Flag(true));
    assert_eq!(wakes.load(Ordering::SeqCst), 0);
    drop(answers);
    assert_eq!(pairs(&outbox), [(json!(4), json!(true)), internal(3), internal(5)]);
    assert_eq!(wakes.load(Ordering::SeqCst), 1);
}

#[test]
fn an_answer_given_twice_or_to_nobody_is_ignored() {
    let (outbox, _) = outbox();
    let mut answers = Answers::new(Arc::clone(&outbox), [3].into_iter());
    answers.put(0, Answer::Flag(true));
    answers.put(0, Answer::Flag(false));
    answers.reject(0, &Error::Corrupt);
    answers.put(0, Answer::Absent);
    answers.put(1, Answer::Text("nobody's".into()));
    answers.reject(2, &Error::Corrupt);
    drop(answers);
    assert_eq!(pairs(&outbox), [(json!(3), json!(true))]);
}

#[test]
fn a_panic_between_answers_rejects_the_rest() {
    let (outbox, wakes) = outbox();
    let batch = Arc::clone(&outbox);
    let panicked = catch_unwind(AssertUnwindSafe(move || {
        let mut answers = Answers::new(batch, 0..3);
        answers.put(0, Answer::Flag(true));
        panic!("on purpose");
    }));
    assert!(panicked.is_err());
    assert_eq!(pairs(&outbox), [(json!(0), json!(true)), internal(1), internal(2)]);
    assert_eq!(wakes.load(Ordering::SeqCst), 1);
}

#[test]
fn a_panic_in_the_middle_of_an_answer_spoils_no_other() {
    let (outbox, _) = outbox();
    let record = encode("\"o\"", 7, "{}");
    let mut answers = Answers::new(Arc::clone(&outbox), 0..4);
    answers.put(0, Answer::Flag(true));
    answers.session(1, &Record::parse(record.as_bytes()).unwrap());
    // What a panic while data is written leaves behind.
    answers.columns.data.push_str(",{\"half\":");
    answers.session(2, &Record::parse(record.as_bytes()).unwrap());
    answers.columns.data.push_str(",{\"half\":");
    drop(answers);
    let session = json!({"ownerId": "o", "data": {}});
    assert_eq!(
        pairs(&outbox),
        [(json!(1), session.clone()), (json!(2), session), (json!(0), json!(true)), internal(3)]
    );
}

proptest! {
    #[test]
    fn every_call_gets_exactly_one_answer(
        acts in prop::collection::vec((0..12_usize, 0..5_u8, 0..40_000_usize), 0..20)
    ) {
        let (outbox, wakes) = outbox();
        let mut answers = Answers::new(Arc::clone(&outbox), 100..110);
        let mut expected: Vec<Option<u8>> = vec![None; 10];
        for (position, act, length) in acts {
            match act {
                0 => answers.put(position, Answer::Absent),
                1 => answers.put(position, Answer::Flag(true)),
                2 => answers.put(position, Answer::Text("t".repeat(length).into())),
                3 => answers.reject(position, &Error::Corrupt),
                _ => answers.put(position, Answer::Flag(false)),
            }
            if let Some(expected) = expected.get_mut(position) {
                expected.get_or_insert(act);
            }
        }
        drop(answers);
        let mut pairs = pairs(&outbox);
        prop_assert_eq!(wakes.load(Ordering::SeqCst), 1);
        let id = |pair: &(Value, Value)| {
            let id = pair.0.as_i64().unwrap();
            if id < 0 { !id } else { id }
        };
        pairs.sort_by_key(id);
        prop_assert_eq!(pairs.iter().map(id).collect::<Vec<_>>(), (100..110).collect::<Vec<_>>());
        for ((id, value), act) in pairs.iter().zip(expected) {
            let rejected = id.as_i64().unwrap() < 0;
            match act {
                Some(0) => prop_assert!(!rejected && value.is_null()),
                Some(1) => prop_assert!(!rejected && value == true),
                Some(2) => prop_assert!(!rejected && value.is_string()),
                Some(3) => prop_assert!(rejected && value[0] == "ERR_SESSIONS_CORRUPT"),
                Some(_) => prop_assert!(!rejected && value == false),
                None => prop_assert!(rejected && value[0] == "ERR_SESSIONS_INTERNAL"),
            }
        }
    }
}
