//! Helpers of the core's tests. They use the engine as JavaScript does, by its public interface alone.

#![allow(dead_code, reason = "each test binary uses its part")]

#[cfg(unix)]
pub mod children;
pub mod conformance;
pub mod proxy;
#[cfg(unix)]
pub mod server;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use spots_sessions::answers::Outbox;
use spots_sessions::engine::{Engine, Target};
use spots_sessions::inline::InlineIo;
use spots_sessions::store::Policy;
use spots_sessions::token::Encoding;

/// How long anything may take before a test gives up. A test that passes never waits so long.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How much data a call may bring.
pub const MAX_DATA_BYTES: usize = 1024 * 1024;

/// A token that opens nothing, long enough to be looked up.
pub const NOBODYS: &str = "the token of nobody";

/// A day, in milliseconds.
pub const DAY: u64 = 86_400_000;

/// One call: its letter and its fields.
pub type Call = (char, Vec<String>);

/// The outcome of a call.
pub type Answer = Result<Value, Rejection>;

/// The parts of an error in JavaScript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    pub code: String,
    pub message: String,
    pub redis_code: Option<String>,
}

/// An instance of the engine and the answers that it gives.
pub struct Sessions {
    io: Option<InlineIo>,
    outbox: Arc<Outbox>,
    bell: Receiver<()>,
    next_slot: u32,
    answers: HashMap<u32, Answer>,
    /// Whether the engine gave up on all calls.
    gave_up: bool,
    /// The events of its connections: the kind, and its details.
    pub events: Vec<Vec<String>>,
}

impl Sessions {
    pub fn open(target: Target) -> Self {
        let (ring, bell) = channel();
        let outbox = Arc::new(Outbox::new(move || {
            // The last answers may come when the receiver is gone.
            let _unheard = ring.send(());
        }));
        let policy = Policy {
            prefix: "spots:".into(),
            token_size: 128,
            token_encoding: Encoding::Base64,
            max_data_bytes: MAX_DATA_BYTES,
        };
        let engine = Engine::start(target, policy, Arc::clone(&outbox)).expect("a thread");
        Self {
            io: Some(InlineIo::new(engine)),
            outbox,
            bell,
            next_slot: 0,
            answers: HashMap::new(),
            gave_up: false,
            events: Vec::new(),
        }
    }

    pub fn memory() -> Self {
        Self::open(Target::Memory)
    }

    /// Submits calls as one batch and returns their slots, in order.
    pub fn submit(&mut self, calls: &[Call]) -> Vec<u32> {
        let mut batch = String::new();
        let mut slots = Vec::new();
        for (letter, fields) in calls {
            let slot = self.next_slot.to_string();
            batch.push(*letter);
            for line in [&slot].into_iter().chain(fields) {
                batch.push_str(line);
                batch.push('\n');
            }
            slots.push(self.next_slot);
            self.next_slot += 1;
        }
        // Both ways in turn, because nothing may depend on the way.
        let io = self.io.as_ref().expect("an engine that is open");
        if self.next_slot.is_multiple_of(2) {
            io.submit(batch);
        } else {
            io.engine().submit(batch);
        }
        slots
    }

    /// Submits a text that is no batch of ours.
    pub fn submit_raw(&mut self, batch: &str) {
        self.io.as_ref().expect("an engine that is open").submit(batch.into());
    }

    /// Closes the instance, which then takes no more calls.
    pub fn close(&mut self) {
        self.io = None;
    }

    /// Waits for the answers of these slots.
    pub fn answers(&mut self, slots: &[u32]) -> Vec<Answer> {
        let until = Instant::now() + PATIENCE;
        while !slots.iter().all(|slot| self.answers.contains_key(slot)) {
            self.await_bell(until);
        }
        let answers = slots.iter().map(|slot| self.answers.remove(slot));
        answers.map(|answer| answer.expect("it was there")).collect()
    }

    /// Waits until the engine gives up on all calls.
    pub fn await_giving_up(&mut self) {
        let until = Instant::now() + PATIENCE;
        while !self.gave_up {
            self.await_bell(until);
        }
        self.gave_up = false;
    }

    /// Carries out one batch.
    pub fn run(&mut self, calls: &[Call]) -> Vec<Answer> {
        let slots = self.submit(calls);
        self.answers(&slots)
    }

    /// Carries out one call.
    pub fn call(&mut self, call: Call) -> Answer {
        self.run(&[call]).remove(0)
    }

    /// Carries out one call that must not be rejected.
    pub fn ok(&mut self, call: Call) -> Value {
        self.call(call).expect("no rejection")
    }

    /// Carries out one call that must be rejected.
    pub fn rejection(&mut self, call: Call) -> Rejection {
        self.call(call).expect_err("a rejection")
    }

    /// Creates a session for a day and returns its token.
    pub fn token(&mut self, app: &str, owner: &str, data: &str) -> String {
        let token = self.ok(create(app, owner, data, DAY));
        token.as_str().expect("a token").to_owned()
    }

    /// Waits for an event of this kind, and returns its details.
    pub fn event(&mut self, kind: &str) -> Vec<String> {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.events.iter().position(|event| event[0] == kind) {
                return self.events.drain(..=at).next_back().expect("it is there")[1..].to_vec();
            }
            self.await_bell(until);
        }
    }

    fn await_bell(&mut self, until: Instant) {
        let left = until.saturating_duration_since(Instant::now());
        self.bell.recv_timeout(left).expect("an answer in time");
        while let Some(text) = self.outbox.take_later() {
            let (pairs, events) = read(&text);
            self.events.extend(events);
            for pair in pairs {
                if pair[0].is_null() {
                    self.gave_up = true;
                    continue;
                }
                let slot = pair[0].as_i64().expect("a slot");
                let (slot, answer) = if slot < 0 {
                    (!slot, Err(rejection(&pair[1])))
                } else {
                    (slot, Ok(pair[1].clone()))
                };
                let slot = u32::try_from(slot).expect("a slot");
                assert!(slot < self.next_slot, "an answer to no call: {text}");
                let twice = self.answers.insert(slot, answer);
                assert_eq!(twice, None, "slot {slot} was answered twice");
            }
        }
    }
}

/// The slots and values of a text of answers, and the events.
fn read(text: &str) -> (Vec<[Value; 2]>, Vec<Vec<String>>) {
    let mut columns: Vec<Vec<Value>> = serde_json::from_str(text).expect("columns");
    let events = columns.drain(4..).flatten();
    let events = events.map(|event| serde_json::from_value(event).expect("words")).collect();
    let [slots, owners, data, others] = columns.try_into().expect("four columns");
    let sessions = owners.into_iter().zip(data);
    let sessions = sessions.map(|(owner, data)| json!({"ownerId": owner, "data": data}));
    let others = others.chunks(2).map(|pair| [pair[0].clone(), pair[1].clone()]);
    (slots.into_iter().zip(sessions).map(<[Value; 2]>::from).chain(others).collect(), events)
}

fn rejection(value: &Value) -> Rejection {
    let text = |i: usize| value.get(i).and_then(Value::as_str).map(str::to_owned);
    Rejection {
        code: text(0).expect("a code"),
        message: text(1).expect("a message"),
        redis_code: text(2),
    }
}

/// Waits until a condition holds.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub fn create(app: &str, owner: &str, data: &str, ttl_ms: u64) -> Call {
    create_with(app, owner, data, ttl_ms, "")
}

/// A `create` with limits: whether it slides, its lifetime and the number of sessions.
pub fn create_with(app: &str, owner: &str, data: &str, ttl_ms: u64, limits: &str) -> Call {
    let owner = Value::from(owner).to_string();
    ('c', vec![name(app), owner, ttl_ms.to_string(), limits.into(), data.into()])
}

pub fn get(app: &str, token: &str) -> Call {
    ('g', vec![name(app), name(token)])
}

pub fn refresh(app: &str, token: &str, ttl_ms: u64) -> Call {
    ('r', vec![name(app), name(token), ttl_ms.to_string()])
}

pub fn update(app: &str, token: &str, patch: &str) -> Call {
    ('u', vec![name(app), name(token), patch.into()])
}

pub fn kill(app: &str, token: &str) -> Call {
    ('k', vec![name(app), name(token)])
}

pub fn kill_by_id(app: &str, owner: &str, id: &str) -> Call {
    ('i', vec![name(app), Value::from(owner).to_string(), id.into()])
}

/// Until when a pointer is kept, in the far future; empty for nobody.
fn until(owner: &str) -> String {
    if owner.is_empty() { String::new() } else { "9999999999998".into() }
}

/// Stores a session under a token that was not made for its owner.
pub fn put(app: &str, token: &str, owner: &str, nonce: &str, replaces: u8) -> Call {
    let json = Value::from(owner).to_string();
    let (ttl, lifetime, data) = (DAY.to_string(), "0".into(), r#"{"a":1}"#.into());
    let (nonce, not_after, flag) = (nonce.into(), String::new(), replaces.to_string());
    let times = [ttl, not_after, lifetime, until(owner)];
    let end = vec!["0".into(), flag, data];
    let fields = [vec![name(app), name(token), json, nonce], times.into(), end];
    ('P', fields.concat())
}

/// Gives such a session another owner, and sets `b` to `null`.
pub fn claim(app: &str, token: &str, before: &str, after: &str, nonce: &str) -> Call {
    let [old, new] = [before, after].map(|owner| Value::from(owner).to_string());
    let patch = r#"[{"b":null},[]]"#.into();
    ('C', vec![name(app), name(token), old, new, nonce.into(), until(after), patch])
}

pub fn load(app: &str, token: &str) -> Call {
    ('L', vec![name(app), name(token)])
}

/// Kills such a session by its public id.
pub fn kill_pointed(app: &str, owner: &str, id: &str) -> Call {
    ('K', vec![name(app), Value::from(owner).to_string(), id.into(), String::new()])
}

pub fn kill_all(app: &str, owner: &str) -> Call {
    kill_all_except(app, owner, "")
}

pub fn kill_all_except(app: &str, owner: &str, token: &str) -> Call {
    ('a', vec![name(app), Value::from(owner).to_string(), name(token)])
}

pub fn info(app: &str, token: &str) -> Call {
    ('n', vec![name(app), name(token)])
}

pub fn list(app: &str, owner: &str, token: &str, limit: u64) -> Call {
    ('l', vec![name(app), Value::from(owner).to_string(), name(token), limit.to_string()])
}

pub fn rotate(app: &str, token: &str) -> Call {
    ('o', vec![name(app), name(token)])
}

/// A name as `lib/boundary.js` encodes it.
fn name(text: &str) -> String {
    if text.starts_with('"') || text.contains('\n') {
        Value::from(text).to_string()
    } else {
        text.to_owned()
    }
}
