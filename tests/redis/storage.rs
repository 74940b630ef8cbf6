//! What is stored on the server, and foreign values there.

use std::borrow::Cow;

use serde_json::json;
use spots_sessions::address::OwnerHash;
use spots_sessions::keys;
use spots_sessions::token::Token;

use crate::common::server::{Server, run_on};
use crate::common::{DAY, create, get, kill, kill_all, refresh, update};

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("a key in ASCII")
}

/// The key of a token's session in the app "app".
fn session_key(token: &str) -> String {
    let token = Token::new(Cow::Borrowed(token.as_bytes()));
    text(keys::session("spots:", token.owner().unwrap().route(), b"app", &token.id()))
}

/// The keys of Ann's sessions, without the id, and of her index in the app "app".
fn anns_keys() -> (String, String) {
    let owner = OwnerHash::of(b"app", b"ann");
    (
        text(keys::session_prefix("spots:", owner.route(), b"app")),
        text(keys::index("spots:", &owner, b"app")),
    )
}

#[test]
fn a_foreign_value_rejects_only_its_own_call() {
    let server = Server::start();
    let mut sessions = server.sessions();
    let mut admin = server.admin();
    let whole: Vec<_> =
        (0..2).map(|i| sessions.token("app", "ann", &format!("{{\"i\":{i}}}"))).collect();
    let record = |data: &str| format!("{{}}\n\"ann\"\n{data}");
    let foreign = [
        ("nothing", String::new()),
        ("a word", "junk".into()),
        ("1.x", r#"{"firstName":"John"}"#.into()),
        ("cut off", record("{\"a\":")),
        ("two values", record("{},{}")),
        ("the end of an answer", record("{}}],0,true,[{")),
        ("a broken patch", record("{}\n{}\n,")),
    ];
    let mut tokens: Vec<_> = foreign
        .iter()
        .map(|(label, value)| {
            let token = sessions.token("app", "ann", "{}");
            run_on::<()>(&mut admin, &["SET", &session_key(&token), value]);
            (*label, token)
        })
        .collect();
    let token = sessions.token("app", "ann", "{}");
    run_on::<()>(&mut admin, &["DEL", &session_key(&token)]);
    run_on::<()>(&mut admin, &["LPUSH", &session_key(&token), "x"]);
    tokens.push(("a list", token));

    for (label, token) in &tokens {
        let batch = [get("app", &whole[0]), get("app", token), get("app", &whole[1])];
        let mut answers = sessions.run(&batch);
        let rejection = answers.remove(1).expect_err("a rejection");
        assert_eq!(rejection.code, "ERR_SESSIONS_CORRUPT", "{label}");
        let session = |i| Ok(json!({"ownerId": "ann", "data": {"i": i}}));
        assert_eq!(answers, [session(0), session(1)], "{label}");
    }
    let list = &tokens.last().unwrap().1;
    assert_eq!(sessions.rejection(update("app", list, "{}")).code, "ERR_SESSIONS_CORRUPT");
    assert_eq!(sessions.ok(kill("app", list)), json!(true));
    assert_eq!(sessions.ok(kill("app", &tokens[0].1)), json!(true), "{}", tokens[0].0);
    assert_eq!(sessions.ok(kill_all("app", "ann")), json!(true));
    assert_eq!(server.run::<u32>(&["DBSIZE"]), 0);
}

#[test]
fn an_index_of_the_wrong_type_is_reported_and_then_removed() {
    let server = Server::start();
    let mut sessions = server.sessions();
    let (_, index) = anns_keys();
    server.run::<()>(&["SET", &index, "junk"]);
    let created = sessions.rejection(create("app", "ann", "{}", DAY));
    assert_eq!(created.code, "ERR_SESSIONS_CORRUPT");
    assert_eq!(server.run::<u32>(&["DBSIZE"]), 1, "no session without its index");
    let killed = sessions.rejection(kill_all("app", "ann"));
    assert_eq!(killed.code, "ERR_SESSIONS_CORRUPT");
    assert_eq!(sessions.ok(kill_all("app", "ann")), json!(false));
    let token = sessions.token("app", "ann", "{}");
    assert_eq!(sessions.ok(get("app", &token))["ownerId"], json!("ann"));

    server.run::<()>(&["SET", &index, "junk"]);
    let refreshed = sessions.rejection(refresh("app", &token, 1));
    assert_eq!(refreshed.code, "ERR_SESSIONS_CORRUPT");
    assert_eq!(sessions.ok(kill("app", &token)), json!(true));
}

#[test]
fn kill_all_removes_thousands_and_keeps_those_of_another_owner_on_the_same_route() {
    let server = Server::start();
    let mut sessions = server.sessions();
    let mut admin = server.admin();
    let calls: Vec<_> = (0..3000).map(|_| create("app", "ann", "{}", DAY)).collect();
    let tokens = sessions.run(&calls);
    assert!(tokens.iter().all(Result::is_ok));
    // Bob gets Ann's route by hand: his sessions and his index are on her slot.
    let (prefix, index) = anns_keys();
    let bobs_index = format!("{}{}", &index[..index.len() - 16], "b".repeat(16));
    for i in 0..200 {
        let id = format!("a-session-of-bob-{i:05}");
        let record = "{\"createdAt\":1}\n\"bob\"\n{\"i\":1}";
        run_on::<()>(&mut admin, &["SET", &format!("{prefix}{id}"), record]);
        run_on::<()>(&mut admin, &["ZADD", &bobs_index, "9000000000000", &id]);
    }
    assert_eq!(sessions.ok(kill_all("app", "ann")), json!(true));
    assert_eq!(run_on::<usize>(&mut admin, &["ZCARD", &bobs_index]), 200);
    assert_eq!(run_on::<usize>(&mut admin, &["DBSIZE"]), 201);
    let token = tokens[1234].as_ref().unwrap().as_str().unwrap();
    assert_eq!(sessions.ok(get("app", token)), json!(null));
    assert_eq!(sessions.ok(kill_all("app", "ann")), json!(false));
}

#[test]
fn scripts_that_the_server_forgets_are_sent_again() {
    let server = Server::start();
    let mut sessions = server.sessions();
    let mut admin = server.admin();
    let token = sessions.token("app", "ann", "{}");
    let forget = ["SCRIPT", "FLUSH"];
    run_on::<()>(&mut admin, &forget);
    let answers = sessions.run(&[
        create("app", "bob", "{}", DAY),
        update("app", &token, r#"{"a":1}"#),
        refresh("app", &token, DAY),
        update("app", &token, r#"{"a":2}"#),
        kill_all("app", "bob"),
    ]);
    assert!(answers[0].as_ref().is_ok_and(serde_json::Value::is_string), "{answers:?}");
    assert_eq!(answers[1..], [Ok(json!(true)), Ok(json!(true)), Ok(json!(true)), Ok(json!(true))]);
    assert_eq!(sessions.ok(get("app", &token))["data"], json!({"a": 2}));
    run_on::<()>(&mut admin, &forget);
    assert_eq!(sessions.ok(kill("app", &token)), json!(true));
    assert_eq!(run_on::<u32>(&mut admin, &["DBSIZE"]), 0);
}

#[test]
fn a_record_stays_bounded_however_often_it_is_updated() {
    let server = Server::start();
    let mut sessions = server.sessions();
    let token = sessions.token("app", "ann", "{}");
    let key = session_key(&token);
    let patches: Vec<_> =
        (0..2000).map(|i| update("app", &token, &format!(r#"{{"k{}":{i}}}"#, i % 3))).collect();
    for batch in patches.chunks(32) {
        assert!(sessions.run(batch).iter().all(|answer| *answer == Ok(json!(true))));
    }
    // 2,000 patches are more than 20,000 bytes.
    let mut admin = server.admin();
    assert!(run_on::<u32>(&mut admin, &["STRLEN", &key]) < 4096 + 100);
    let data = json!({"k0": 1998, "k1": 1999, "k2": 1997});
    assert_eq!(sessions.ok(get("app", &token))["data"], data);
    assert!(run_on::<i64>(&mut admin, &["PTTL", &key]) > 0, "folding keeps the expiry");
}
