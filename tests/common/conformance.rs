//! Behaviour that holds on every target. `conformance_suite!` makes a test of each function.

use serde_json::json;

use super::{
    DAY, Sessions, claim, create, create_with, get, info, kill, kill_all, kill_all_except,
    kill_by_id, kill_pointed, list, load, put, refresh, rotate, update, wait_until,
};

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
            info_describes_a_session
            list_describes_the_sessions_of_an_owner
            kill_by_id_removes_only_the_owners_session
            kill_all_except_keeps_one_session
            rotate_gives_a_session_a_new_token
            a_sliding_session_lives_as_long_as_it_is_used
            no_session_outlives_its_lifetime
            max_sessions_ends_those_that_would_end_soonest
            calls_of_a_batch_are_carried_out_in_order
            batches_are_carried_out_in_order
            a_session_with_a_foreign_token_lives_as_others_do
            a_session_without_an_owner_is_loaded_and_claimed
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

pub fn info_describes_a_session(sessions: &mut Sessions) {
    let token = sessions.token("app", "ann", r#"{"a":1}"#);
    assert_eq!(sessions.ok(update("app", &token, r#"{"b":2}"#)), json!(true));
    let found = sessions.ok(info("app", &token));
    assert_eq!(found["ownerId"], json!("ann"));
    assert_eq!(found["data"], json!({"a": 1, "b": 2}));
    assert_eq!(found["id"].as_str().unwrap().len(), 22);
    let lives = found["expiresAt"].as_u64().unwrap() - found["createdAt"].as_u64().unwrap();
    assert_eq!(lives, DAY);
    assert_eq!(sessions.ok(refresh("app", &token, 0)), json!(true));
    assert_eq!(sessions.ok(info("app", &token))["expiresAt"], json!(null));
    assert_eq!(sessions.ok(info("app2", &token)), json!(null));
}

pub fn list_describes_the_sessions_of_an_owner(sessions: &mut Sessions) {
    assert_eq!(sessions.ok(list("app", "ann", "", 10)), json!([]));
    let tokens: Vec<_> = (1..=5)
        .map(|n| sessions.ok(create("app", "ann", &format!("{{\"n\":{n}}}"), n * DAY)))
        .map(|token| token.as_str().unwrap().to_owned())
        .collect();
    sessions.token("app", "bob", "{}");
    let ids: Vec<_> = tokens.iter().map(|t| sessions.ok(info("app", t))["id"].clone()).collect();
    let all = sessions.ok(list("app", "ann", &tokens[3], 10));
    let all = all.as_array().unwrap();
    assert_eq!(all.len(), 5);
    for session in all {
        let n = session["data"]["n"].as_u64().unwrap();
        assert_eq!(session["id"], ids[usize::try_from(n).unwrap() - 1]);
        assert_eq!(session["current"], json!(n == 4));
        let lives = session["expiresAt"].as_u64().unwrap() - session["createdAt"].as_u64().unwrap();
        assert_eq!(lives, n * DAY);
    }
    let times: Vec<_> = all.iter().map(|session| session["createdAt"].as_u64().unwrap()).collect();
    assert!(times.is_sorted_by(|one, other| one >= other), "the newest first");
    let last = sessions.ok(list("app", "ann", "", 2));
    let mut last: Vec<_> =
        last.as_array().unwrap().iter().map(|s| s["data"]["n"].as_u64().unwrap()).collect();
    last.sort_unstable();
    assert_eq!(last, [4, 5], "those that end last");
}

pub fn kill_by_id_removes_only_the_owners_session(sessions: &mut Sessions) {
    let token = sessions.token("app", "ann", "{}");
    let id = sessions.ok(info("app", &token))["id"].as_str().unwrap().to_owned();
    assert_eq!(sessions.ok(kill_by_id("app", "bob", &id)), json!(false));
    assert_eq!(sessions.ok(kill_by_id("app2", "ann", &id)), json!(false));
    assert_eq!(sessions.ok(get("app", &token))["ownerId"], json!("ann"));
    assert_eq!(sessions.ok(kill_by_id("app", "ann", &id)), json!(true));
    assert_eq!(sessions.ok(kill_by_id("app", "ann", &id)), json!(false));
    assert_eq!(sessions.ok(get("app", &token)), json!(null));
    assert_eq!(sessions.ok(kill_all("app", "ann")), json!(false));
}

pub fn kill_all_except_keeps_one_session(sessions: &mut Sessions) {
    let tokens: Vec<_> = (0..250).map(|_| sessions.token("app", "ann", "{}")).collect();
    let bobs = sessions.token("app", "bob", "{}");
    let kept = &tokens[77];
    assert_eq!(sessions.ok(kill_all_except("app", "ann", kept)), json!(true));
    for token in &tokens {
        let found = sessions.ok(get("app", token));
        assert_eq!(found.is_null(), token != kept);
    }
    assert_eq!(sessions.ok(kill_all_except("app", "ann", kept)), json!(false));
    assert_eq!(sessions.ok(kill_all_except("app", "ann", &bobs)), json!(true));
    assert_eq!(sessions.ok(get("app", kept)), json!(null));
    assert_eq!(sessions.ok(get("app", &bobs))["ownerId"], json!("bob"));
}

pub fn rotate_gives_a_session_a_new_token(sessions: &mut Sessions) {
    let old = sessions.token("app", "ann", r#"{"a":1}"#);
    let before = sessions.ok(info("app", &old));
    let new = sessions.ok(rotate("app", &old));
    let new = new.as_str().unwrap();
    assert_ne!(new, old);
    assert_eq!(sessions.ok(get("app", &old)), json!(null));
    assert_eq!(sessions.ok(rotate("app", &old)), json!(null));
    let after = sessions.ok(info("app", new));
    for name in ["ownerId", "data", "createdAt", "expiresAt"] {
        assert_eq!(after[name], before[name], "{name}");
    }
    assert_ne!(after["id"], before["id"]);
    assert_eq!(sessions.ok(list("app", "ann", new, 10)).as_array().unwrap().len(), 1);
    assert_eq!(sessions.ok(kill_all("app", "ann")), json!(true));
    assert_eq!(sessions.ok(get("app", new)), json!(null));
}

pub fn a_sliding_session_lives_as_long_as_it_is_used(sessions: &mut Sessions) {
    let used = sessions.ok(create_with("app", "ann", "{}", 2000, "1 0 0"));
    let used = used.as_str().unwrap();
    let unused = sessions.ok(create_with("app", "bob", "{}", 2000, "1 0 0"));
    let unused = unused.as_str().unwrap();
    let first = sessions.ok(info("app", used))["expiresAt"].as_u64().unwrap();
    // `info` does not count as a use. On a slow machine the session may end, and there is nothing to check.
    wait_until("the unused session ends", || {
        sessions.ok(get("app", used));
        sessions.ok(info("app", unused)).is_null()
    });
    let lives_until = sessions.ok(info("app", used))["expiresAt"].as_u64();
    assert!(lives_until.is_none_or(|end| end > first), "it lives on");
}

pub fn no_session_outlives_its_lifetime(sessions: &mut Sessions) {
    let token = sessions.ok(create_with("app", "ann", "{}", DAY, "1 5000 0"));
    let token = token.as_str().unwrap();
    let found = sessions.ok(info("app", token));
    let end = found["createdAt"].as_u64().unwrap() + 5000;
    assert_eq!(found["expiresAt"], json!(end), "the lifetime cuts the duration");
    for ttl in [0, DAY, 6000] {
        // The last refresh sets it exactly.
        assert_eq!(sessions.ok(refresh("app", token, ttl)), json!(true));
        assert_eq!(sessions.ok(get("app", token))["ownerId"], json!("ann"));
        assert_eq!(sessions.ok(update("app", token, "{}")), json!(true));
        assert_eq!(sessions.ok(info("app", token))["expiresAt"], json!(end));
    }
}

pub fn max_sessions_ends_those_that_would_end_soonest(sessions: &mut Sessions) {
    let limited = |ttl| create_with("app", "ann", "{}", ttl, "0 0 3");
    let tokens: Vec<_> = [3 * DAY, DAY, 2 * DAY, 0, DAY / 2]
        .map(|ttl| sessions.ok(limited(ttl)).as_str().unwrap().to_owned())
        .into();
    let live: Vec<_> =
        tokens.iter().map(|token| !sessions.ok(get("app", token)).is_null()).collect();
    // The second ended for the fourth, and the third for the fifth, which is new.
    assert_eq!(live, [true, false, false, true, true]);
    // Those that never end tie, and the oldest goes first.
    let endless: Vec<_> = (0..4)
        .map(|_| {
            let token = sessions.ok(create_with("app", "bob", "{}", 0, "0 0 2"));
            let created =
                |s: &mut Sessions, token: &str| s.ok(info("app", token))["createdAt"].clone();
            let at = created(sessions, token.as_str().unwrap());
            wait_until("the next millisecond", || {
                let next = sessions.token("app", "carol", "{}");
                created(sessions, &next) != at
            });
            token.as_str().unwrap().to_owned()
        })
        .collect();
    let live: Vec<_> =
        endless.iter().map(|token| !sessions.ok(get("app", token)).is_null()).collect();
    assert_eq!(live, [false, false, true, true]);
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

pub fn a_session_with_a_foreign_token_lives_as_others_do(sessions: &mut Sessions) {
    let token = "a token of another system";
    assert_eq!(sessions.ok(put("app", token, "ann", "n1", 0)), json!(true));
    assert_eq!(sessions.ok(put("app", token, "bob", "n2", 0)), json!(false), "it is there");
    let exact = r#"[{"b":null},["a"]]"#;
    assert_eq!(sessions.ok(update("app", token, exact)), json!(true));
    let session = json!({"ownerId": "ann", "data": {"b": null}});
    assert_eq!(sessions.ok(get("app", token)), session);
    assert_eq!(sessions.ok(get("app2", token)), json!(null));
    let found = sessions.ok(info("app", token));
    assert_eq!(found, sessions.ok(load("app", token)));
    assert_eq!(sessions.ok(refresh("app", token, DAY / 2)), json!(true));
    let id = found["id"].as_str().unwrap();
    assert_eq!(id.len(), 28);
    assert_eq!(sessions.ok(kill_pointed("app", "bob", id)), json!(false));
    assert_eq!(sessions.ok(kill_pointed("app", "ann", id)), json!(true));
    assert_eq!(sessions.ok(kill_pointed("app", "ann", id)), json!(false));
    assert_eq!(sessions.ok(get("app", token)), json!(null));
    assert_eq!(sessions.ok(put("app", token, "ann", "n3", 0)), json!(true));
    assert_eq!(sessions.ok(put("app", token, "bob", "n4", 1)), json!(true), "it is replaced");
    assert_eq!(sessions.ok(get("app", token))["ownerId"], json!("bob"));
    assert_eq!(sessions.ok(kill("app", token)), json!(true));
    assert_eq!(sessions.ok(put("app", "too short", "ann", "n5", 1)), json!(null));
}

pub fn a_session_without_an_owner_is_loaded_and_claimed(sessions: &mut Sessions) {
    let token = "a token of another system";
    assert_eq!(sessions.ok(put("app", token, "", "n1", 0)), json!(true));
    assert_eq!(sessions.ok(get("app", token)), json!(null));
    assert_eq!(sessions.ok(info("app", token)), json!(null));
    let loaded = sessions.ok(load("app", token));
    assert_eq!((&loaded["ownerId"], &loaded["data"]), (&json!(""), &json!({"a": 1})));
    assert_eq!(sessions.ok(claim("app", token, "bob", "ann", "n2")), json!(false));
    assert_eq!(sessions.ok(claim("app", token, "", "ann", "n2")), json!(true));
    let session = json!({"ownerId": "ann", "data": {"a": 1, "b": null}});
    assert_eq!(sessions.ok(get("app", token)), session);
    for name in ["createdAt", "expiresAt"] {
        assert_eq!(sessions.ok(info("app", token))[name], loaded[name], "{name}");
    }
    assert_eq!(sessions.ok(claim("app", token, "", "carol", "n3")), json!(false));
    assert_eq!(sessions.ok(claim("app", token, "ann", "", "n4")), json!(true));
    assert_eq!(sessions.ok(get("app", token)), json!(null));
    assert_eq!(sessions.ok(kill("app", token)), json!(true));
    // A session whose token was made for its owner cannot be claimed.
    let own = sessions.token("app", "ann", "{}");
    assert_eq!(sessions.ok(claim("app", &own, "ann", "bob", "n5")), json!(false));
    assert_eq!(sessions.ok(get("app", &own))["ownerId"], json!("ann"));
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
