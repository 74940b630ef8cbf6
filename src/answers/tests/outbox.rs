//! How texts gather, close and wake.

use super::*;

#[test]
fn answers_to_no_calls_wake_nobody() {
    let (outbox, wakes) = outbox();
    drop(Answers::new(Arc::clone(&outbox), std::iter::empty()));
    assert_eq!(outbox.take(), None);
    assert_eq!(wakes.load(Ordering::SeqCst), 0);
}

#[test]
fn the_outbox_wakes_whenever_it_ceases_to_be_empty() {
    let (outbox, wakes) = outbox();
    let answer =
        |id| Answers::new(Arc::clone(&outbox), [id].into_iter()).put(0, Answer::Flag(true));
    let woken = || wakes.load(Ordering::SeqCst);
    answer(1);
    assert_eq!(woken(), 1, "the first");
    answer(2);
    assert_eq!(woken(), 1, "another, while one waits");
    assert_eq!(outbox.take(), Some(("[[],[],[],[1,true,2,true]]".into(), false)));
    assert_eq!(outbox.take(), None);
    assert_eq!(woken(), 1, "nothing new");
    answer(3);
    assert_eq!(woken(), 2, "after it was emptied");
    assert_eq!(outbox.take(), Some(("[[],[],[],[3,true]]".into(), false)));
}

#[test]
fn events_are_a_column_of_their_own_and_wake_as_answers_do() {
    let (outbox, wakes) = outbox();
    let refused = Error::Redis { code: "WRONGPASS".into(), detail: "no".into() };
    let server = "h:1".to_owned();
    let lost = Error::Connection { server: server.clone(), reason: "gone".into() };
    outbox.tell(&Event::Ready);
    assert_eq!(wakes.load(Ordering::SeqCst), 1);
    assert_eq!(outbox.take(), Some((r#"[[],[],[],[],[["ready"]]]"#.into(), false)));
    outbox.tell(&Event::Lost(lost));
    Answers::new(Arc::clone(&outbox), [3].into_iter()).put(0, Answer::Flag(true));
    outbox.tell(&Event::Failed(refused));
    outbox.tell(&Event::Evicts { server, policy: "allkeys-lru".into() });
    let told = json!([
        ["lost", "ERR_SESSIONS_CONNECTION", "cannot reach redis at h:1: gone"],
        ["failed", "ERR_SESSIONS_REDIS", "redis refused: WRONGPASS no", "WRONGPASS"],
        ["evicts", "h:1", "allkeys-lru"],
    ]);
    let text = outbox.take().unwrap().0;
    let columns: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(columns, json!([[], [], [], [3, true], told]));
    assert_eq!(wakes.load(Ordering::SeqCst), 2);
}

#[test]
fn a_batch_that_cannot_be_read_rejects_every_call() {
    let (outbox, wakes) = outbox();
    outbox.give_up();
    assert_eq!(wakes.load(Ordering::SeqCst), 1);
    Answers::new(Arc::clone(&outbox), [3].into_iter()).put(0, Answer::Flag(true));
    assert_eq!(pairs(&outbox), [(json!(null), json!(null)), (json!(3), json!(true))]);
}

#[test]
fn a_long_session_is_alone_in_its_text() {
    let (outbox, _) = outbox();
    let short = r#"{}
"o"
{"a":1}"#;
    let long = format!("{{}}\n\"o\"\n{{\"a\":\"{}\"}}", "x".repeat(MAX_TEXT_BYTES));
    let (short, long) = [short, &long].map(|text| Record::parse(text.as_bytes()).unwrap()).into();
    Answers::new(Arc::clone(&outbox), 0..1).put(0, Answer::Session(short));
    let mut answers = Answers::new(Arc::clone(&outbox), 1..4);
    answers.put(0, Answer::Session(short));
    answers.put(1, Answer::Session(long));
    answers.put(2, Answer::Session(short));
    drop(answers);
    Answers::new(Arc::clone(&outbox), 4..5).put(0, Answer::Session(long));
    let ids: Vec<_> =
        texts(&outbox).iter().map(|text| text[2..].split(']').next().unwrap().to_owned()).collect();
    assert_eq!(ids, ["0,1", "2", "3", "4"]);
}

#[test]
fn a_session_whose_owner_is_long_is_alone_in_its_text() {
    let (outbox, _) = outbox();
    let owner = format!("\"{}\"", "o".repeat(MAX_TEXT_BYTES));
    let [short, long] = ["\"o\"", &owner].map(|owner| encode(owner, 7, "{}"));
    let mut answers = Answers::new(Arc::clone(&outbox), 0..3);
    for (position, record) in [&short, &long, &short].into_iter().enumerate() {
        answers.session(position, &Record::parse(record.as_bytes()).unwrap());
    }
    drop(answers);
    let ids: Vec<_> = texts(&outbox).iter().map(|text| text[2..3].to_owned()).collect();
    assert_eq!(ids, ["0", "1", "2"]);
}

#[test]
fn the_text_of_one_session_is_as_long_as_it_may_be_or_refused() {
    let record = encode("\"o\"", 7, "{\"a\":1}") + "\n{\"a\":null,\"b\":2}";
    let record = Record::parse(record.as_bytes()).unwrap();
    let expected = "[[4294967295],[\"o\"],[{\"b\":2}],[]]";
    let text = text_of(u32::MAX, &record, expected.len()).unwrap();
    assert_eq!(text, expected);
    let refused = text_of(u32::MAX, &record, expected.len() - 1);
    let bytes = "\"o\"{\"a\":1}\n{\"a\":null,\"b\":2}".len();
    assert_eq!(refused, Err(Error::TooLong { bytes }));
}

#[test]
fn a_text_is_closed_at_64_kib_and_none_is_lost() {
    let (outbox, wakes) = outbox();
    let token = "t".repeat(1000);
    let mut answers = Answers::new(Arc::clone(&outbox), 0..1000);
    for position in 0..1000 {
        answers.put(position, Answer::Text(token.as_str().into()));
    }
    drop(answers);
    assert_eq!(wakes.load(Ordering::SeqCst), 1);
    let mut lengths = Vec::new();
    let mut ids = Vec::new();
    // As JavaScript takes them: in one turn as long as it may, then one a turn.
    let take = || match outbox.take() {
        Some((text, more)) if text.is_empty() => {
            assert!(more, "nothing but more");
            outbox.take_later().map(|text| (text, None))
        }
        answers => answers.map(|(text, more)| (text, Some(more))),
    };
    while let Some((text, more)) = take() {
        lengths.push(text.len());
        let to_come = ids.len() + text.matches('t').count() / 1000 < 1000;
        assert!(more.is_none_or(|more| more == to_come), "more to come");
        let columns: [Vec<Value>; 4] = serde_json::from_str(&text).unwrap();
        ids.extend(columns[3].iter().step_by(2).map(|id| id.as_u64().unwrap()));
    }
    assert_eq!(ids, (0..1000).collect::<Vec<_>>());
    let (last, full) = lengths.split_last().unwrap();
    assert!(
        full.iter().all(|length| (MAX_TEXT_BYTES..MAX_TEXT_BYTES + 1100).contains(length)),
        "{lengths:?}"
    );
    assert!(*last < MAX_TEXT_BYTES + 1100, "{lengths:?}");
}

#[test]
fn one_answer_is_never_split() {
    let (outbox, _) = outbox();
    let token = "t".repeat(3 * MAX_TEXT_BYTES);
    let mut answers = Answers::new(Arc::clone(&outbox), 0..3);
    answers.put(0, Answer::Flag(true));
    answers.put(1, Answer::Text(token.as_str().into()));
    answers.put(2, Answer::Flag(false));
    drop(answers);
    let expected = [format!("[[],[],[],[0,true,1,\"{token}\"]]"), "[[],[],[],[2,false]]".into()];
    // Not assert_eq, which would print them.
    assert!(texts(&outbox) == expected);
}

#[test]
fn batches_share_a_text_while_it_is_short() {
    let (outbox, _) = outbox();
    let answer = |id: u32, token: &str| {
        Answers::new(Arc::clone(&outbox), [id].into_iter()).put(0, Answer::Text(token.into()));
    };
    answer(0, "a");
    answer(1, &"b".repeat(MAX_TEXT_BYTES / 2));
    answer(2, &"c".repeat(MAX_TEXT_BYTES / 2));
    answer(3, "d");
    let ids: Vec<_> = texts(&outbox).iter().map(|text| text.matches(",\"").count()).collect();
    assert_eq!(ids, [3, 1]);
}

#[test]
fn a_wake_that_panics_leaves_the_outbox_whole() {
    let outbox = Arc::new(Outbox::new(|| panic!("on purpose")));
    assert!(catch_unwind(AssertUnwindSafe(|| outbox.give_up())).is_err());
    outbox.give_up();
    assert_eq!(outbox.take(), Some(("[[],[],[],[null,null,null,null]]".into(), false)));
}

#[test]
fn a_text_is_closed_when_it_has_many_answers() {
    let (outbox, _) = outbox();
    for batch in 0..20 {
        let mut answers = Answers::new(Arc::clone(&outbox), 0..32);
        for position in 0..32 {
            answers.put(position, Answer::Flag(batch % 2 == 0));
        }
    }
    let answers: Vec<_> = texts(&outbox).iter().map(|text| text.matches('e').count()).collect();
    assert_eq!(
        answers,
        [MAX_ANSWERS_PER_TEXT, MAX_ANSWERS_PER_TEXT, 640 - 2 * MAX_ANSWERS_PER_TEXT]
    );
}

#[test]
fn much_at_once_is_handed_over_a_turn_later() {
    let (outbox, _) = outbox();
    let token = "t".repeat(MAX_BYTES_PER_TURN);
    let answer = |id: u32| {
        Answers::new(Arc::clone(&outbox), [id].into_iter())
            .put(0, Answer::Text(token.as_str().into()));
    };
    answer(0);
    assert!(outbox.take().is_some_and(|(text, more)| !text.is_empty() && !more));
    answer(1);
    assert_eq!(outbox.take(), Some((String::new(), true)), "another in the same turn");
    assert!(outbox.take_later().is_some());
    answer(2);
    assert!(
        outbox.take().is_some_and(|(text, more)| !text.is_empty() && !more),
        "in the next turn"
    );
    assert_eq!(outbox.take(), None);
    assert_eq!(outbox.take_later(), None);
}

#[test]
fn what_is_read_once_a_turn_is_handed_over_at_once_however_much_it_is() {
    let (outbox, wakes) = outbox();
    let token = "t".repeat(MAX_BYTES_PER_TURN);
    for id in 0..3 {
        let answer = || {
            Answers::new(Arc::clone(&outbox), [id].into_iter())
                .put(0, Answer::Text(token.as_str().into()));
        };
        let text_and_more = outbox.take_after(answer);
        assert!(text_and_more.is_some_and(|(text, more)| !text.is_empty() && !more), "answer {id}");
    }
    assert_eq!(wakes.load(Ordering::SeqCst), 0);
}
