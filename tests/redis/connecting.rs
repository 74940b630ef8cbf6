//! Connecting to servers that are there, that are absent, and that refuse.

use std::future::pending;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::json;
use spots_sessions::question::{Ask, Unanswered};
use spots_sessions::store::redis::password::Password;
use spots_sessions::store::redis::settings::{Address, Deployment, Login, Settings};

use crate::common::server::{Server, free_port, impatient, redis_at, run_on, settings_of};
use crate::common::{DAY, Rejection, Sessions, create, get, kill, wait_until};

fn open(settings: Settings) -> Sessions {
    Sessions::open(redis_at(settings))
}

fn with_password(settings: Settings, username: Option<&str>, password: &str) -> Settings {
    let login = Login {
        username: username.map(str::to_owned),
        password: Some(Password::fixed(password.into())),
        tls: None,
    };
    Settings { login, ..settings }
}

fn at_socket(path: &Path) -> Settings {
    let address = Address::Unix(path.display().to_string());
    Settings { deployment: Deployment::Server(address), ..settings_of(0) }
}

fn assert_works(sessions: &mut Sessions) {
    let token = sessions.token("app", "ann", "{}");
    assert_eq!(sessions.ok(get("app", &token))["ownerId"], json!("ann"));
    assert_eq!(sessions.ok(kill("app", &token)), json!(true));
}

/// Long enough for an attempt to connect, even on a busy machine.
const DEADLINE: Duration = Duration::from_secs(1);

/// The rejection of a call that finds no server before its deadline.
fn outage(settings: Settings) -> Rejection {
    open(impatient(settings, DEADLINE)).rejection(create("app", "ann", "{}", DAY))
}

#[test]
fn a_server_that_is_down_rejects_with_the_reason_and_works_when_it_is_back() {
    let mut server = Server::start();
    let mut sessions = open(impatient(server.settings(), DEADLINE));
    wait_until("it works", || sessions.call(create("app", "ann", "{}", DAY)).is_ok());
    server.stop();
    let mut outage = || sessions.rejection(create("app", "ann", "{}", DAY));
    let mut rejection = outage();
    // The first rejection may say how the connection ended, or its call may have been sent before.
    wait_until("the reason is told", || {
        let told =
            rejection.code != "ERR_SESSIONS_TIMEOUT" && rejection.message.contains("refused");
        if !told {
            rejection = outage();
        }
        told
    });
    let message = format!(
        "cannot reach redis at 127.0.0.1:{}: connection refused (is it running?)",
        server.port
    );
    let expected = Rejection { code: "ERR_SESSIONS_CONNECTION".into(), message, redis_code: None };
    assert_eq!(rejection, expected);
    server.restart();
    wait_until("it works again", || sessions.call(create("app", "ann", "{}", DAY)).is_ok());
    assert_works(&mut sessions);
}

#[test]
fn a_function_gives_the_password_at_each_attempt_to_connect() {
    let mut server = Server::start_with(&["--requirepass", "right"]);
    let asked = Arc::new(AtomicU32::new(0));
    let questions = Arc::clone(&asked);
    let ask = Ask::new(move |question| {
        assert_eq!(question.function, "password");
        let number = questions.fetch_add(1, Ordering::Relaxed);
        async move { if number == 0 { Err(Unanswered { number: 7 }) } else { Ok("right".into()) } }
    });
    let password = Some(Password::asked(ask, "password"));
    let login = Login { password, ..Login::default() };
    let mut sessions = open(Settings { login, ..server.settings() });
    let message = format!(
        "cannot reach redis at 127.0.0.1:{}: the function `password` failed (the event `error` has the cause)",
        server.port
    );
    assert_eq!(
        sessions.event("unanswered"),
        ["7".to_owned(), "ERR_SESSIONS_CONNECTION".into(), message]
    );
    for _ in 0..10 {
        assert_works(&mut sessions);
    }
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    server.restart();
    wait_until("it works again", || sessions.call(create("app", "ann", "{}", DAY)).is_ok());
    assert!(asked.load(Ordering::Relaxed) > 2);
}

#[test]
fn a_function_that_gives_no_password_in_time_is_an_outage() {
    let ask = Ask::new(|_| pending());
    let login = Login { password: Some(Password::asked(ask, "password")), ..Login::default() };
    let server = Server::start();
    let connect_timeout = Duration::from_millis(50);
    let rejection = outage(Settings { login, connect_timeout, ..server.settings() });
    assert_eq!(rejection.code, "ERR_SESSIONS_CONNECTION");
    assert!(
        rejection.message.ends_with("the function `password` gave no answer within 50 ms"),
        "{rejection:?}"
    );
}

#[test]
fn a_call_waits_for_a_server_that_comes_in_time() {
    let mut server = Server::start();
    server.stop();
    let mut sessions = server.sessions();
    let slots = sessions.submit(&[create("app", "ann", "{}", DAY)]);
    server.restart();
    assert!(sessions.answers(&slots)[0].is_ok());
    assert_works(&mut sessions);
}

#[test]
fn the_error_distinguishes_an_absent_server_from_one_that_closes() {
    let refused = outage(settings_of(free_port()));
    assert_eq!(refused.code, "ERR_SESSIONS_CONNECTION");
    assert!(refused.message.ends_with("connection refused (is it running?)"), "{refused:?}");

    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let closed = outage(settings_of(port));
    assert_eq!(closed.code, "ERR_SESSIONS_CONNECTION");
    assert!(!closed.message.contains("refused"), "{closed:?}");

    let no_socket = outage(at_socket(Path::new("/nonexistent/socket")));
    assert_eq!(no_socket.code, "ERR_SESSIONS_CONNECTION");
    assert_eq!(
        no_socket.message,
        "cannot reach redis at /nonexistent/socket: there is no such socket (is it running?)"
    );
}

#[test]
fn the_error_of_a_silent_server_does_not_say_that_it_closed() {
    // The system accepts connections for it, and it says nothing.
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = silent.local_addr().unwrap().port();
    let rejection = outage(settings_of(port));
    assert_eq!(rejection.code, "ERR_SESSIONS_CONNECTION");
    assert!(!rejection.message.contains("closed"), "{rejection:?}");

    let brief = Settings { connect_timeout: Duration::from_millis(20), ..settings_of(port) };
    let rejection = outage(brief);
    assert_eq!(rejection.code, "ERR_SESSIONS_CONNECTION");
    assert!(rejection.message.ends_with("no answer within 20 ms"), "{rejection:?}");
}

#[test]
fn a_password_that_is_not_needed_does_no_harm() {
    let server = Server::start();
    assert_works(&mut open(with_password(server.settings(), None, "not needed")));
}

#[test]
fn a_wrong_password_rejects_at_once_until_it_is_right() {
    let server = Server::start_with(&["--requirepass", "right"]);
    let settings = || with_password(server.settings(), None, "new");
    let mut sessions = open(settings());
    // The command timeout is longer than the tests wait, so this call does not wait for it.
    let rejection = sessions.rejection(create("app", "ann", "{}", DAY));
    assert_eq!(rejection.code, "ERR_SESSIONS_REDIS");
    assert_eq!(rejection.redis_code.as_deref(), Some("WRONGPASS"));
    assert!(rejection.message.starts_with("redis refused: WRONGPASS invalid"), "{rejection:?}");
    assert!(!rejection.message.contains("new"), "{rejection:?}");

    let mut without = open(server.settings());
    let rejection = without.rejection(create("app", "ann", "{}", DAY));
    assert_eq!(rejection.redis_code.as_deref(), Some("NOAUTH"));

    let mut admin = server.admin();
    run_on::<()>(&mut admin, &["AUTH", "right"]);
    run_on::<()>(&mut admin, &["CONFIG", "SET", "requirepass", "new"]);
    wait_until("the password is right", || sessions.call(create("app", "ann", "{}", DAY)).is_ok());
    assert_works(&mut sessions);
}

#[test]
fn a_user_may_do_what_the_server_lets_it() {
    let server = Server::start();
    let rule = ["ACL", "SETUSER", "shop", "on", ">secret", "~spots:*", "+@all", "-get"];
    server.run::<()>(&rule);
    let mut sessions = open(with_password(server.settings(), Some("shop"), "secret"));
    let token = sessions.token("app", "ann", "{}");
    let rejection = sessions.rejection(get("app", &token));
    assert_eq!(rejection.code, "ERR_SESSIONS_REDIS");
    assert_eq!(rejection.redis_code.as_deref(), Some("NOPERM"));
    server.run::<()>(&["ACL", "SETUSER", "shop", "+get"]);
    assert_works(&mut sessions);

    let mut nobody = open(with_password(server.settings(), Some("nobody"), "secret"));
    let rejection = nobody.rejection(get("app", &token));
    assert_eq!(rejection.redis_code.as_deref(), Some("WRONGPASS"));
}

#[test]
fn sessions_go_to_the_chosen_database_or_nowhere() {
    let server = Server::start_with(&["--databases", "4"]);
    let database = |database| Settings { database, ..server.settings() };
    let size = |number: &str| {
        let mut admin = server.admin();
        run_on::<()>(&mut admin, &["SELECT", number]);
        run_on::<u32>(&mut admin, &["DBSIZE"])
    };
    let mut third = open(database(3));
    third.token("app", "ann", "{}");
    assert_eq!((size("0"), size("3")), (0, 2));

    let mut fifth = open(database(4));
    for _ in 0..3 {
        let rejection = fifth.rejection(create("app", "ann", "{}", DAY));
        assert_eq!(rejection.code, "ERR_SESSIONS_REDIS");
        assert_eq!(rejection.message, "redis refused: ERR DB index is out of range");
    }
    assert_eq!(size("0"), 0);
}

#[test]
fn a_unix_socket_works() {
    let server = Server::start();
    assert_works(&mut open(at_socket(&server.socket())));
}

#[test]
fn a_host_name_is_looked_up_for_the_chosen_address_family() {
    let server = Server::start();
    let host = |family| Settings {
        deployment: Deployment::Server(Address::Tcp {
            host: "localhost".into(),
            port: server.port,
            family,
        }),
        ..server.settings()
    };
    assert_works(&mut open(host(0)));
    assert_works(&mut open(host(4)));
    // The server listens on no IPv6 address.
    assert_eq!(outage(host(6)).code, "ERR_SESSIONS_CONNECTION");
}

#[test]
fn calls_wait_for_a_server_with_too_many_clients() {
    let server = Server::start();
    let mut admin = server.admin();
    let limit = |admin: &mut redis::Connection, clients| {
        run_on::<()>(admin, &["CONFIG", "SET", "maxclients", clients]);
    };
    limit(&mut admin, "1");
    // The server's message is lost if the connection is reset before it is read.
    wait_until("the reason is told", || {
        let rejection = outage(server.settings());
        assert_eq!(rejection.code, "ERR_SESSIONS_CONNECTION");
        rejection.message.contains("max number of clients")
    });
    let mut sessions = server.sessions();
    let slots = sessions.submit(&[create("app", "ann", "{}", DAY)]);
    limit(&mut admin, "100");
    assert!(sessions.answers(&slots)[0].is_ok());
}

#[test]
fn a_closed_instance_leaves_no_connection_behind() {
    let server = Server::start();
    let mut sessions = server.sessions();
    assert_works(&mut sessions);
    let mut admin = server.admin();
    let mut clients = || run_on::<String>(&mut admin, &["CLIENT", "LIST"]).lines().count();
    assert_eq!(clients(), 2);
    sessions.close();
    wait_until("the connection is closed", || clients() == 1);
}
