//! Behaviour that holds on every target. `conformance_suite!` makes a test of each function.

use serde_json::json;

use super::{DAY, Sessions, create, get, kill, kill_all, refresh, update, wait_until};

/// Makes the tests. `$open` opens a target, and returns the sessions and what must outlive them.
#[macro_export]
macro_rules! conformance_suite {
    ($open:expr; $($behaviour:ident)*) => {
        $(
            #[test]
            fn $behaviour() {
                let (mut sessions, _target) = $open;
                common::conformance::$behaviour(&mut sessions);
            }
        )*
    };
    ($open:expr) => {
        conformance_suite! { $open;
            a_session_is_found_by_its_app_and_token_alone
            an_update_merges_at_the_top_level
            a_session_ends_when_its_time_is_up
            refresh_gives_a_session_new_time
            kill_removes_one_session
            kill_all_removes_the_sessions_of_one_owner_in_one_app
            calls_of_a_batch_are_carried_out_in_order
            batches_are_carried_out_in_order
            names_of_every_kind_work
            malformed_tokens_open_nothing
            data_comes_back_as_it_was_given
            a_text_that_is_no_batch_rejects_all_calls_and_later_ones_work
            calls_in_flight_settle_after_close
        }
    };
}

pub fn a_session_is_found_by_its_app_and_token_alone(sessions: &mut Sessions) {
    let token = sessions.token("app", "ann", r#"{"a":1}"#);
    let other = sessions.token("app", "ann", r#"{"a":2}"#);
    assert_ne!(token, other);
    let session = json!({"ownerId": "ann", "data": {"a": 1}});
    assert_eq!(sessions.ok(get("app", &token)), session);
    assert_eq!(sessions.ok(get("app2", &token)), json!(null));
    assert_eq!(sessions.ok(get("app", &token[1..])), json!(null));
    for call in [update("app2", &token, "{}"), refresh("app2", &token, DAY), kill("app2", &token)] {
        assert_eq!(sessions.ok(call.clone()), json!(false), "{call:?}");
    }
    assert_eq!(sessions.ok(get("app", &token)), session);
}

pub fn an_update_merges_at_the_top_level(sessions: &mut Sessions) {
    let token = sessions.token("app", "ann", r#"{"a":{"x":1},"b":2,"c":null}"#);
    let patches = [r#"{"a":{"y":1}}"#, r#"{"b":null}"#, r#"{"d":[]}"#];
    for patch in patches {
        assert_eq!(sessions.ok(update("app", &token, patch)), json!(true));
    }
    let data = json!({"a": {"y": 1}, "c": null, "d": []});
    assert_eq!(sessions.ok(get("app", &token))["data"], data);
    // Enough updates that the record is folded more than once.
    for i in 0..1000 {
        let patch = format!(r#"{{"n":{i},"{}":{i}}}"#, i % 7);
        assert_eq!(sessions.ok(update("app", &token, &patch)), json!(true));
    }
    let data = json!({
        "a": {"y": 1}, "c": null, "d": [], "n": 999,
        "0": 994, "1": 995, "2": 996, "3": 997, "4": 998, "5": 999, "6": 993,
    });
    assert_eq!(sessions.ok(get("app", &token))["data"], data);
    assert_eq!(sessions.ok(kill("app", &token)), json!(true));
    assert_eq!(sessions.ok(update("app", &token, "{}")), json!(false));
    assert_eq!(sessions.ok(get("app", &token)), json!(null));
}

pub fn a_session_ends_when_its_time_is_up(sessions: &mut Sessions) {
    let brief = sessions.ok(create("app", "ann", "{}", 1));
    let brief = brief.as_str().unwrap();
    let lasting = sessions.ok(create("app", "ann", "{}", 0));
    let lasting = lasting.as_str().unwrap();
    wait_until("the session ends", || sessions.ok(get("app", brief)).is_null());
    assert_eq!(sessions.ok(update("app", brief, "{}")), json!(false));
    assert_eq!(sessions.ok(refresh("app", brief, DAY)), json!(false));
    assert_eq!(sessions.ok(kill("app", brief)), json!(false));
    assert_eq!(sessions.ok(kill("app", lasting)), json!(true));
}

pub fn refresh_gives_a_session_new_time(sessions: &mut Sessions) {
    let token = sessions.token("app", "ann", "{}");
    assert_eq!(sessions.ok(refresh("app", &token, 1)), json!(true));
    wait_until("the session ends", || sessions.ok(get("app", &token)).is_null());
    assert_eq!(sessions.ok(refresh("app", &token, DAY)), json!(false));
    assert_eq!(sessions.ok(kill_all("app", "ann")), json!(false));

    let brief = sessions.ok(create("app", "ann", "{}", 300));
    let brief = brief.as_str().unwrap();
    let witness = sessions.ok(create("app", "ann", "{}", 300));
    let witness = witness.as_str().unwrap();
    // On a slow machine the session may have ended before, and there is nothing to check.
    if sessions.ok(refresh("app", brief, 0)) == json!(true) {
        wait_until("the witness ends", || sessions.ok(get("app", witness)).is_null());
        assert_eq!(sessions.ok(get("app", brief))["ownerId"], json!("ann"));
        assert_eq!(sessions.ok(kill_all("app", "ann")), json!(true));
    }
}

pub fn kill_removes_one_session(sessions: &mut Sessions) {
    let token = sessions.token("app", "ann", "{}");
    let other = sessions.token("app", "ann", "{}");
    assert_eq!(sessions.ok(kill("app", &token)), json!(true));
    assert_eq!(sessions.ok(kill("app", &token)), json!(false));
    assert_eq!(sessions.ok(get("app", &token)), json!(null));
    assert_eq!(sessions.ok(get("app", &other))["ownerId"], json!("ann"));
}

pub fn kill_all_removes_the_sessions_of_one_owner_in_one_app(sessions: &mut Sessions) {
    let anns: Vec<_> = (0..5).map(|_| sessions.token("app", "ann", "{}")).collect();
    let elsewhere = sessions.token("app2", "ann", "{}");
    let bobs = sessions.token("app", "bob", "{}");
    assert_eq!(sessions.ok(kill_all("app", "an")), json!(false));
    assert_eq!(sessions.ok(kill_all("app", "ann")), json!(true));
    for token in &anns {
        assert_eq!(sessions.ok(get("app", token)), json!(null));
    }
    assert_eq!(sessions.ok(get("app2", &elsewhere))["ownerId"], json!("ann"));
    assert_eq!(sessions.ok(get("app", &bobs))["ownerId"], json!("bob"));
    assert_eq!(sessions.ok(kill_all("app", "ann")), json!(false));
}

pub fn calls_of_a_batch_are_carried_out_in_order(sessions: &mut Sessions) {
    let token = sessions.token("app", "ann", "{}");
    let answers = sessions.run(&[
        get("app", &token),
        update("app", &token, r#"{"a":1}"#),
        get("app", &token),
        update("app", &token, r#"{"a":2}"#),
        get("app", &token),
        kill("app", &token),
        get("app", &token),
        kill("app", &token),
        create("app", "ann", "{}", DAY),
        kill_all("app", "ann"),
        kill_all("app", "ann"),
    ]);
    let mut answers: Vec<_> = answers.into_iter().map(|a| a.expect("no rejection")).collect();
    assert!(answers.remove(8).is_string(), "a token");
    let session = |data| json!({"ownerId": "ann", "data": data});
    assert_eq!(
        answers,
        [
            session(json!({})),
            json!(true),
            session(json!({"a": 1})),
            json!(true),
            session(json!({"a": 2})),
            json!(true),
            json!(null),
            json!(false),
            json!(true),
            json!(false),
        ]
    );
}

pub fn batches_are_carried_out_in_order(sessions: &mut Sessions) {
    let token = sessions.token("app", "ann", "{}");
    let mut slots = Vec::new();
    for i in 0..200 {
        slots.extend(sessions.submit(&[update("app", &token, &format!(r#"{{"a":{i}}}"#))]));
        slots.extend(sessions.submit(&[get("app", &token)]));
    }
    for (i, pair) in sessions.answers(&slots).chunks(2).enumerate() {
        assert_eq!(pair[0], Ok(json!(true)));
        assert_eq!(pair[1], Ok(json!({"ownerId": "ann", "data": {"a": i}})));
    }
}

pub fn names_of_every_kind_work(sessions: &mut Sessions) {
    let names = [
        "*",
        "?",
        "[a-z]",
        "}",
        "{}",
        "a:b",
        "a|b",
        "a\nb",
        "a\r",
        "\"",
        "\\",
        "\0",
        " ",
        "\u{1f600}",
        "toString",
    ];
    let mut made = Vec::new();
    for app in names {
        for owner in names {
            made.push((app, owner, sessions.token(app, owner, "{}")));
        }
    }
    for (app, owner, token) in &made {
        let session = json!({"ownerId": owner, "data": {}});
        assert_eq!(sessions.ok(get(app, token)), session, "{app:?} {owner:?}");
    }
    for (app, owner, token) in &made {
        assert_eq!(sessions.ok(kill_all(app, owner)), json!(true), "{app:?} {owner:?}");
        assert_eq!(sessions.ok(get(app, token)), json!(null), "{app:?} {owner:?}");
    }
}

pub fn malformed_tokens_open_nothing(sessions: &mut Sessions) {
    let token = sessions.token("app", "ann", "{}");
    let shapes = [
        "",
        "*",
        "?",
        "a",
        "****",
        "\u{20ac}\u{20ac}\u{20ac}\u{20ac}",
        "\n\n\n\n",
        "\"\"\"\"",
        "0123456789abcdef",
    ];
    for shape in shapes {
        let calls = [
            get("app", shape),
            update("app", shape, "{}"),
            refresh("app", shape, DAY),
            kill("app", shape),
        ];
        let no = [Ok(json!(null)), Ok(json!(false)), Ok(json!(false)), Ok(json!(false))];
        assert_eq!(sessions.run(&calls), no, "{shape:?}");
    }
    assert_eq!(sessions.ok(get("app", &token))["ownerId"], json!("ann"));
}

pub fn data_comes_back_as_it_was_given(sessions: &mut Sessions) {
    let long = format!(r#"{{"long":"{}"}}"#, "x".repeat(1 << 20));
    let deep = format!(r#"{{"deep":{}{}}}"#, "[".repeat(100), "]".repeat(100));
    let rows = [
        "{}",
        r#"{"a":[],"b":{},"c":"","":0}"#,
        r#"{"n":9007199254740991,"m":-0.5}"#,
        r#"{"__proto__":{"x":1}}"#,
        &long,
        &deep,
    ];
    for data in rows {
        let token = sessions.token("app", "ann", data);
        let expected: serde_json::Value = serde_json::from_str(data).unwrap();
        assert_eq!(sessions.ok(get("app", &token))["data"], expected);
    }
}

pub fn a_text_that_is_no_batch_rejects_all_calls_and_later_ones_work(sessions: &mut Sessions) {
    let token = sessions.token("app", "ann", "{}");
    sessions.submit_raw("k0\napp\n");
    sessions.await_giving_up();
    assert_eq!(sessions.ok(get("app", &token))["ownerId"], json!("ann"));
}

pub fn calls_in_flight_settle_after_close(sessions: &mut Sessions) {
    let token = sessions.token("app", "ann", "{}");
    let slots: Vec<_> = (0..100)
        .flat_map(|_| sessions.submit(&[get("app", &token), update("app", &token, "{}")]))
        .collect();
    sessions.close();
    for answer in sessions.answers(&slots) {
        assert!(answer.is_ok(), "{answer:?}");
    }
}
