//! The events of an instance about its connection.

use spots_sessions::store::redis::password::Password;
use spots_sessions::store::redis::settings::{Login, Settings};

use crate::common::server::{Server, redis_at};
use crate::common::{DAY, Sessions, create};

#[test]
fn events_report_an_outage_from_its_beginning_to_its_end() {
    let mut server = Server::start();
    let mut sessions = server.sessions();
    assert!(sessions.event("ready").is_empty());
    server.stop();
    let lost = sessions.event("lost");
    assert_eq!(lost[0], "ERR_SESSIONS_CONNECTION");
    assert!(lost[1].contains(&format!("127.0.0.1:{}", server.port)), "{lost:?}");
    sessions.submit(&[create("app", "ann", "{}", DAY)]);
    let failed = sessions.event("failed");
    assert!(failed[1].contains("connection refused (is it running?)"), "{failed:?}");
    server.restart();
    assert!(sessions.event("ready").is_empty());
    sessions.token("app", "ann", "{}");
}

#[test]
fn events_report_the_code_of_a_refusal_and_not_the_password() {
    let server = Server::start_with(&["--requirepass", "right"]);
    let password = Some(Password::fixed("s3cret".into()));
    let login = Login { password, ..Login::default() };
    let settings = Settings { login, ..server.settings() };
    let failed = Sessions::open(redis_at(settings)).event("failed");
    assert_eq!(failed[0], "ERR_SESSIONS_REDIS");
    assert_eq!(failed.get(2).map(String::as_str), Some("WRONGPASS"), "{failed:?}");
    assert!(!failed.concat().contains("s3cret"), "{failed:?}");
}

#[test]
fn an_event_reports_once_that_a_server_evicts() {
    let limits = ["--maxmemory", "100mb", "--maxmemory-policy", "volatile-lru"];
    let server = Server::start_with(&limits);
    let mut sessions = server.sessions();
    let address = format!("127.0.0.1:{}", server.port);
    assert_eq!(sessions.event("evicts"), [address, "volatile-lru".to_owned()]);

    let mut another = server.sessions();
    let asked: String = server.run(&["INFO", "commandstats"]);
    for _ in 0..10 {
        another.token("app", "ann", "{}");
    }
    let later: String = server.run(&["INFO", "commandstats"]);
    let count = |stats: &str| {
        let line = stats.lines().find_map(|line| line.strip_prefix("cmdstat_info:calls="));
        line.and_then(|line| line.split(',').next()?.parse::<u32>().ok()).unwrap_or(0)
    };
    assert_eq!(count(&later), count(&asked) + 1, "the test's own alone");
    assert!(another.events.iter().all(|event| event[0] != "evicts"), "{:?}", another.events);
}
