//! Faults of the network and of the server while calls are in flight.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::common::proxy::{Fault, Proxy};
use crate::common::server::{Server, free_port, impatient, redis_at, run_on, settings_of};
use crate::common::{
    Call, DAY, NOBODYS, Sessions, create, get, info, kill, kill_all, kill_by_id, list, refresh,
    rotate, update, wait_until,
};

const LOST_REPLY: Fault = Fault::CutReplyAfter(0);

fn behind_proxy() -> (Server, Proxy, Sessions) {
    let server = Server::start();
    let proxy = Proxy::to(server.port);
    let mut sessions = Sessions::open(redis_at(settings_of(proxy.port)));
    // The instance is connected from here on.
    assert_eq!(sessions.ok(get("app", NOBODYS)), json!(null));
    (server, proxy, sessions)
}

#[test]
fn a_call_whose_reply_is_lost_is_sent_again_and_answers_rightly() {
    let (server, proxy, mut sessions) = behind_proxy();
    let token = sessions.token("app", "ann", r#"{"a":1,"b":2}"#);
    let rows: [(&str, Call, serde_json::Value); 6] = [
        ("update", update("app", &token, r#"{"b":null,"c":3}"#), json!(true)),
        ("refresh", refresh("app", &token, DAY), json!(true)),
        ("get", get("app", &token), json!({"ownerId": "ann", "data": {"a": 1, "c": 3}})),
        ("kill", kill("app", &token), json!(true)),
        ("get of what is gone", get("app", &token), json!(null)),
        ("update of what is gone", update("app", &token, "{}"), json!(false)),
    ];
    for (label, call, expected) in rows {
        let connections = proxy.connections();
        proxy.fail_next(LOST_REPLY);
        assert_eq!(sessions.ok(call), expected, "{label}");
        assert!(proxy.connections() > connections, "{label}: the reply was not lost");
    }
    assert_eq!(server.run::<u32>(&["DBSIZE"]), 0);
}

#[test]
fn a_create_whose_reply_is_lost_makes_one_session() {
    let (server, proxy, mut sessions) = behind_proxy();
    proxy.fail_next(LOST_REPLY);
    let token = sessions.token("app", "ann", r#"{"a":1}"#);
    assert_eq!(sessions.ok(get("app", &token))["data"], json!({"a": 1}));
    assert_eq!(server.run::<u32>(&["DBSIZE"]), 2, "a session and its index");
}

#[test]
fn a_kill_all_whose_reply_is_lost_reports_true() {
    let (server, proxy, mut sessions) = behind_proxy();
    let calls: Vec<_> = (0..1500).map(|_| create("app", "ann", "{}", DAY)).collect();
    assert!(sessions.run(&calls).iter().all(Result::is_ok));
    proxy.fail_next(LOST_REPLY);
    assert_eq!(sessions.ok(kill_all("app", "ann")), json!(true));
    assert_eq!(server.run::<u32>(&["DBSIZE"]), 0);

    sessions.token("app", "ann", "{}");
    proxy.fail_next(LOST_REPLY);
    assert_eq!(sessions.ok(kill_all("app", "ann")), json!(true));
    assert_eq!(sessions.ok(kill_all("app", "ann")), json!(false));
}

#[test]
fn a_rotate_whose_reply_is_lost_gives_the_token_that_opens_the_session() {
    let (server, proxy, mut sessions) = behind_proxy();
    let old = sessions.token("app", "ann", r#"{"a":1}"#);
    proxy.fail_next(LOST_REPLY);
    let token = sessions.ok(rotate("app", &old));
    let token = token.as_str().expect("a token");
    assert_eq!(sessions.ok(get("app", token))["data"], json!({"a": 1}));
    assert_eq!(sessions.ok(get("app", &old)), json!(null));
    assert_eq!(sessions.ok(list("app", "ann", "", 100)).as_array().map(Vec::len), Some(1));
    assert_eq!(server.run::<u32>(&["DBSIZE"]), 2, "a session and its index");
}

#[test]
fn a_kill_by_id_whose_reply_is_lost_reports_true_and_a_list_is_read_again() {
    let (_server, proxy, mut sessions) = behind_proxy();
    let token = sessions.token("app", "ann", "{}");
    proxy.fail_next(LOST_REPLY);
    let listed = sessions.ok(list("app", "ann", &token, 100));
    assert_eq!(listed[0]["current"], json!(true));
    proxy.fail_next(LOST_REPLY);
    let described = sessions.ok(info("app", &token));
    assert_eq!(described["id"], listed[0]["id"]);
    let id = described["id"].as_str().expect("an id");
    proxy.fail_next(LOST_REPLY);
    assert_eq!(sessions.ok(kill_by_id("app", "ann", id)), json!(true));
    assert_eq!(sessions.ok(kill_by_id("app", "ann", id)), json!(false));
}

#[test]
fn a_request_that_is_lost_is_sent_again() {
    let (_server, proxy, mut sessions) = behind_proxy();
    let token = sessions.token("app", "ann", "{}");
    proxy.fail_next(Fault::LoseRequest);
    assert_eq!(sessions.ok(update("app", &token, r#"{"a":1}"#)), json!(true));
    assert_eq!(sessions.ok(get("app", &token))["data"], json!({"a": 1}));
}

#[test]
fn a_connection_cut_in_the_middle_of_a_batch_mixes_up_no_answers() {
    let (_server, proxy, mut sessions) = behind_proxy();
    let padding = "x".repeat(500);
    let calls: Vec<_> = (0..200)
        .map(|i| create("app", "ann", &format!(r#"{{"i":{i},"x":"{padding}"}}"#), DAY))
        .collect();
    let tokens: Vec<_> = sessions.run(&calls).into_iter().map(Result::unwrap).collect();
    let calls: Vec<_> = tokens.iter().map(|token| get("app", token.as_str().unwrap())).collect();
    // The cuts are between replies, in a length, or in a record.
    for cut in [1, 2, 50, 1000, 12_345, 70_000, 100_001] {
        let connections = proxy.connections();
        proxy.fail_next(Fault::CutReplyAfter(cut));
        let slots: Vec<_> = calls.chunks(32).flat_map(|batch| sessions.submit(batch)).collect();
        for (i, answer) in sessions.answers(&slots).into_iter().enumerate() {
            assert_eq!(answer.expect("an answer")["data"]["i"], json!(i), "cut after {cut}");
        }
        assert!(proxy.connections() > connections, "cut after {cut}: it was not");
    }
}

#[test]
fn a_call_times_out_and_its_connection_is_replaced_when_the_server_falls_silent() {
    let server = Server::start();
    let proxy = Proxy::to(server.port);
    let settings = impatient(settings_of(proxy.port), Duration::from_millis(300));
    let mut sessions = Sessions::open(redis_at(settings));
    wait_until("it is connected", || sessions.call(get("app", NOBODYS)).is_ok());
    proxy.fail_next(Fault::Silence);
    let rejection = sessions.rejection(create("app", "ann", "{}", DAY));
    assert_eq!(rejection.code, "ERR_SESSIONS_TIMEOUT");
    let message = format!(
        "redis at 127.0.0.1:{} did not answer within 300 ms: the call may or may not have taken effect",
        proxy.port
    );
    assert_eq!(rejection.message, message);
    wait_until("another connection works", || {
        sessions.call(create("app", "ann", "{}", DAY)).is_ok()
    });
    assert_eq!(proxy.connections(), 2);
}

#[test]
fn batches_that_wait_for_a_connection_are_carried_out_in_order() {
    let (_server, proxy, mut sessions) = behind_proxy();
    let token = sessions.token("app", "ann", "{}");
    // While this call is sent again, the others wait.
    proxy.fail_next(Fault::LoseRequest);
    let mut slots = sessions.submit(&[get("app", NOBODYS)]);
    wait_until("the connection is lost", || {
        proxy.connections() > 1 || {
            slots.extend(sessions.submit(&[update(
                "app",
                &token,
                &format!(r#"{{"n":{}}}"#, slots.len()),
            )]));
            false
        }
    });
    let last = slots.len() - 1;
    assert!(sessions.answers(&slots).iter().all(Result::is_ok));
    assert_eq!(sessions.ok(get("app", &token))["data"], json!({"n": last}));
}

#[test]
fn batches_submitted_before_the_first_connection_are_carried_out_in_order() {
    let server = Server::start();
    let mut sessions = server.sessions();
    let token = sessions.token("app", "ann", "{}");
    for round in 0..5 {
        // Another instance, whose batches all wait while it connects.
        let mut sessions = server.sessions();
        let slots: Vec<_> = (0..50)
            .flat_map(|i| sessions.submit(&[update("app", &token, &format!(r#"{{"n":{i}}}"#))]))
            .collect();
        assert!(sessions.answers(&slots).iter().all(Result::is_ok));
        assert_eq!(sessions.ok(get("app", &token))["data"], json!({"n": 49}), "round {round}");
    }
}

#[test]
fn a_write_waits_until_the_replica_is_promoted() {
    let server = Server::start();
    let mut sessions = server.sessions();
    let token = sessions.token("app", "ann", "{}");
    let mut admin = server.admin();
    run_on::<()>(&mut admin, &["REPLICAOF", "127.0.0.1", &free_port().to_string()]);
    let slots = sessions.submit(&[update("app", &token, r#"{"a":1}"#)]);
    let refusals = |admin: &mut redis::Connection| {
        let stats: String = run_on(admin, &["INFO", "errorstats"]);
        stats.contains("errorstat_READONLY")
    };
    wait_until("the server refuses", || refusals(&mut admin));
    run_on::<()>(&mut admin, &["REPLICAOF", "NO", "ONE"]);
    assert_eq!(sessions.answers(&slots), [Ok(json!(true))]);
}

#[test]
fn a_call_that_is_put_off_pauses_longer_each_time_and_tries_until_its_deadline() {
    let server = Server::start_with(&["--replica-serve-stale-data", "no"]);
    let deadline = Duration::from_secs(3);
    let mut sessions = Sessions::open(redis_at(impatient(server.settings(), deadline)));
    let token = sessions.token("app", "ann", "{}");
    server.run::<()>(&["REPLICAOF", "127.0.0.1", &free_port().to_string()]);
    let begun = Instant::now();
    let mut rejection = sessions.rejection(get("app", &token));
    assert!(begun.elapsed() > deadline * 9 / 10, "given up after {:?}", begun.elapsed());
    let stats: String = server.run(&["INFO", "commandstats"]);
    let line = stats.lines().find(|line| line.starts_with("cmdstat_get:")).expect("its stats");
    let (_, rest) = line.split_once("rejected_calls=").expect("refused calls");
    let refused: u32 = rest.split(',').next().and_then(|n| n.parse().ok()).expect("a number");
    // Constant pauses of 50 ms would make 60 attempts. Doubling ones, half of them random, make 24.
    assert!((5..30).contains(&refused), "asked {refused} times");
    // If the last attempt is in flight at the deadline, the call rejects with a timeout instead.
    wait_until("a last try is answered in time", || {
        let is_late = rejection.code == "ERR_SESSIONS_TIMEOUT";
        if is_late {
            rejection = sessions.rejection(get("app", &token));
        }
        !is_late
    });
    assert_eq!(rejection.redis_code.as_deref(), Some("MASTERDOWN"), "{rejection:?}");
}

#[test]
fn a_server_without_memory_refuses_create_and_update_and_accepts_the_rest() {
    let server = Server::start();
    let mut sessions = server.sessions();
    let token = sessions.token("app", "ann", "{}");
    server.run::<()>(&["CONFIG", "SET", "maxmemory", "1"]);
    for call in
        [create("app", "ann", "{}", DAY), update("app", &token, "{}"), rotate("app", &token)]
    {
        let rejection = sessions.rejection(call.clone());
        assert_eq!(rejection.code, "ERR_SESSIONS_REDIS", "{call:?}");
        assert_eq!(rejection.redis_code.as_deref(), Some("OOM"), "{call:?}");
        assert!(!rejection.message.contains("script"), "{rejection:?}");
    }
    assert_eq!(sessions.ok(get("app", &token))["ownerId"], json!("ann"));
    assert_eq!(sessions.ok(refresh("app", &token, DAY)), json!(true));
    assert_eq!(sessions.ok(kill("app", &token)), json!(true));
    assert_eq!(sessions.ok(kill_all("app", "ann")), json!(false));
}

#[test]
fn an_outage_is_not_blamed_on_a_forgotten_script() {
    let server = Server::start();
    let proxy = Proxy::to(server.port);
    let settings = impatient(settings_of(proxy.port), Duration::from_millis(300));
    let mut sessions = Sessions::open(redis_at(settings));
    wait_until("it is connected", || sessions.call(get("app", NOBODYS)).is_ok());
    server.run::<()>(&["SCRIPT", "FLUSH"]);
    proxy.refuse_connections();
    proxy.fail_next(Fault::CloseAfterReply);
    let rejection = sessions.rejection(create("app", "ann", "{}", DAY));
    // Chance decides whether the call is sent again before the end of the connection is noticed.
    let expected = ["ERR_SESSIONS_CONNECTION", "ERR_SESSIONS_TIMEOUT"];
    assert!(expected.contains(&rejection.code.as_str()), "{rejection:?}");
}

#[test]
fn an_outage_after_a_reply_was_lost_leaves_the_outcome_open() {
    let server = Server::start();
    let proxy = Proxy::to(server.port);
    let settings = impatient(settings_of(proxy.port), Duration::from_millis(500));
    let mut sessions = Sessions::open(redis_at(settings));
    wait_until("it is connected", || sessions.call(get("app", NOBODYS)).is_ok());
    proxy.refuse_connections();
    proxy.fail_next(LOST_REPLY);
    let rejection = sessions.rejection(create("app", "ann", "{}", DAY));
    assert_eq!(rejection.code, "ERR_SESSIONS_TIMEOUT", "{rejection:?}");
    assert_eq!(server.run::<u32>(&["DBSIZE"]), 2, "it was carried out");
    // This call finds no server from the start.
    let rejection = sessions.rejection(create("app", "ann", "{}", DAY));
    assert_eq!(rejection.code, "ERR_SESSIONS_CONNECTION", "{rejection:?}");
}

#[test]
fn an_outage_halfway_through_kill_all_leaves_the_outcome_open() {
    let server = Server::start();
    let mut direct = server.sessions();
    let calls: Vec<_> = (0..1500).map(|_| create("app", "ann", "{}", DAY)).collect();
    assert!(direct.run(&calls).iter().all(Result::is_ok));
    let proxy = Proxy::to(server.port);
    let settings = impatient(settings_of(proxy.port), Duration::from_millis(500));
    let mut sessions = Sessions::open(redis_at(settings));
    wait_until("it is connected", || sessions.call(get("app", NOBODYS)).is_ok());
    proxy.refuse_connections();
    proxy.fail_next(Fault::CloseAfterReply);
    let rejection = sessions.rejection(kill_all("app", "ann"));
    assert_eq!(rejection.code, "ERR_SESSIONS_TIMEOUT", "{rejection:?}");
    let why = "the answer was lost, and the call could not be sent again: cannot reach redis at";
    assert!(rejection.message.starts_with(why), "{rejection:?}");
    assert_eq!(server.run::<u32>(&["DBSIZE"]), 1401, "one step is done");
}
