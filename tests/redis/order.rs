//! Batches are carried out in the order in which they were submitted, even if connections break.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use crate::common::server::{redis_at, settings_of};
use crate::common::{Sessions, get};

/// How many commands a connection of the fake server carries out before it is cut.
const PATIENCE: usize = 100;

/// A token that opens no session: the fake server has none.
const TOKEN: &str = "QUJDREVGR0hJSktMTU5PUA==";

/// Splits off the next command, once it is complete, and returns its arguments.
fn next_command(bytes: &mut Vec<u8>) -> Option<Vec<String>> {
    let mut place = 0;
    let number = |place: &mut usize| {
        let length = bytes[*place..].windows(2).position(|pair| pair == b"\r\n")?;
        let digits = std::str::from_utf8(&bytes[*place + 1..*place + length]).ok()?;
        *place += length + 2;
        digits.parse::<usize>().ok()
    };
    let mut arguments = Vec::new();
    for _ in 0..number(&mut place)? {
        let length = number(&mut place)?;
        arguments.push(String::from_utf8_lossy(bytes.get(place..place + length)?).into_owned());
        place += length + 2;
    }
    (place <= bytes.len()).then(|| bytes.drain(..place));
    Some(arguments)
}

/// Finds nothing, sends the app of each GET, and hangs up without answering the last one.
fn answer(mut stream: TcpStream, apps: &Sender<u32>) {
    let (mut bytes, mut piece) = (Vec::new(), vec![0; 64 * 1024]);
    let mut gets = 0;
    while let Ok(length @ 1..) = stream.read(&mut piece) {
        bytes.extend_from_slice(&piece[..length]);
        let mut replies = Vec::new();
        while let Some(arguments) = next_command(&mut bytes) {
            let key = arguments.get(1).and_then(|argument| argument.split_once(":app"));
            if let Some((_, app)) = key {
                let app = app.split('}').next().expect("a hash tag").parse().expect("a number");
                apps.send(app).expect("the test listens");
                gets += 1;
            }
            replies.extend_from_slice(b"$-1\r\n");
        }
        if gets > PATIENCE || stream.write_all(&replies).is_err() {
            return;
        }
    }
}

#[test]
fn batches_keep_their_order_while_connections_break() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (connections, opened) = channel();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (apps, carried_out) = channel();
            if connections.send(carried_out).is_err() {
                return;
            }
            thread::spawn(move || answer(stream, &apps));
        }
    });
    let mut sessions = Sessions::open(redis_at(settings_of(port)));
    for round in 0..30_u32 {
        let mut slots = Vec::new();
        for batch in 0..20 {
            let app = format!("app{}", 20 * round + batch);
            slots.extend(sessions.submit(&[get(&app, TOKEN), get(&app, TOKEN)]));
        }
        assert!(sessions.answers(&slots).iter().all(Result::is_ok));
    }
    sessions.close();
    let mut broken = 0;
    for carried_out in opened.try_iter() {
        let apps: Vec<_> = carried_out.try_iter().collect();
        assert!(apps.is_sorted(), "in order on each connection: {apps:?}");
        broken += usize::from(apps.len() > PATIENCE);
    }
    assert!(broken >= 5, "connections did break: {broken}");
}
