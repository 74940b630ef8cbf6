//! Keeps one connection to the server, and replaces it when it breaks or is found unfit.
//!
//! It connects at once, then only while calls wait. An idle instance has no timer, but for the one of
//! the last calls' deadlines, which fires once more.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use rand::TryRng as _;
use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, timeout};

use super::connection::{self, Opened, silent};
use super::deadline::{Deadlines, now};
use super::pipe::Pipe;
use super::settings::Settings;
use crate::error::Error;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How long a connection that left a call unanswered may take to answer a PING.
const PATIENCE: Duration = Duration::from_secs(1);

/// A live connection, and its number among those of this link.
#[derive(Clone)]
pub(super) struct Live {
    pub pipe: Pipe,
    number: u64,
}

#[derive(Clone)]
enum State {
    /// Not connected; what the last attempt ran into.
    Down(Option<Error>),
    Up(Live),
}

/// What the supervising task and the calls share.
struct Shared {
    settings: Settings,
    /// The state, and how many attempts were made.
    state: watch::Sender<(State, u64)>,
    waiting: AtomicUsize,
    /// Told when a call begins to wait.
    wanted: Notify,
    /// The connection that must go.
    unfit: AtomicU64,
    /// The connection that is being asked whether it still answers.
    suspected: AtomicU64,
    replace: Notify,
    deadlines: Deadlines,
}

/// One connection to one server, for as long as this lives.
pub(super) struct Link {
    shared: Arc<Shared>,
    tasks: [AbortHandle; 2],
}

impl Link {
    /// Begins to connect.
    pub fn new(settings: Settings) -> Self {
        let shared = Arc::new(Shared {
            settings,
            state: watch::Sender::new((State::Down(None), 0)),
            waiting: AtomicUsize::new(0),
            wanted: Notify::new(),
            unfit: AtomicU64::new(0),
            suspected: AtomicU64::new(0),
            replace: Notify::new(),
            deadlines: Deadlines::default(),
        });
        let supervisor = tokio::spawn(supervise(Arc::clone(&shared)));
        let deadlines = Arc::clone(&shared);
        let deadlines = tokio::spawn(async move { deadlines.deadlines.keep().await });
        Self { shared, tasks: [supervisor.abort_handle(), deadlines.abort_handle()] }
    }

    pub fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// Awaits a future until a call's deadline. Nothing if that came first.
    pub async fn limit<F: Future>(&self, deadline: Instant, future: F) -> Option<F::Output> {
        self.shared.deadlines.limit(deadline, future).await
    }

    /// How many attempts to connect have ended.
    pub fn attempts(&self) -> u64 {
        self.shared.state.borrow().1
    }

    /// The connection, if there is one.
    pub fn now(&self) -> Option<Live> {
        match &self.shared.state.borrow().0 {
            State::Up(live) if self.shared.is_fit(live) => Some(live.clone()),
            _ => None,
        }
    }

    /// The connection, as soon as there is one.
    ///
    /// # Errors
    ///
    /// At the deadline, what the last attempt ran into; sooner if the server refuses us, which
    /// waiting does not change, in an attempt later than the first `attempts`.
    pub async fn live(&self, attempts: u64, deadline: Instant) -> Result<Live, Error> {
        let mut state = self.shared.state.subscribe();
        let _waiting = Waiting::new(&self.shared);
        loop {
            // Marked as seen before `now` looks, or a change in between would wake nobody.
            let refused = match &*state.borrow_and_update() {
                (State::Down(Some(refused @ Error::Redis { .. })), ended) if *ended > attempts => {
                    Some(refused.clone())
                }
                _ => None,
            };
            if let Some(live) = self.now() {
                return Ok(live);
            }
            if let Some(refused) = refused {
                return Err(refused);
            }
            if self.limit(deadline, state.changed()).await.is_none() {
                return Err(self.outage());
            }
        }
    }

    /// What keeps calls waiting.
    pub fn outage(&self) -> Error {
        match &self.shared.state.borrow().0 {
            State::Down(Some(error)) => error.clone(),
            State::Down(None) | State::Up(_) => {
                silent(&self.shared.settings, self.shared.settings.command_timeout)
            }
        }
    }

    /// What becomes of a call that was sent and not answered in time.
    pub fn unanswered(&self) -> Error {
        let settings = &self.shared.settings;
        let server = settings.address.to_string();
        Error::Timeout { server, waited: settings.command_timeout }
    }

    /// Replaces a connection that broke, or whose server does not take writes.
    pub fn replace(&self, live: &Live) {
        self.shared.replace(live.number);
    }

    /// Replaces a connection that left a call unanswered, unless it answers a PING.
    pub fn suspect(&self, live: Live) {
        if self.shared.suspected.swap(live.number, Ordering::Relaxed) == live.number {
            return;
        }
        let shared = Arc::downgrade(&self.shared);
        tokio::spawn(async move {
            let answers = answers_ping(&live.pipe).await;
            let Some(shared) = Weak::upgrade(&shared) else { return };
            shared.suspected.store(0, Ordering::Relaxed);
            if !answers {
                shared.replace(live.number);
            }
        });
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Shared {
    fn is_fit(&self, live: &Live) -> bool {
        live.number > self.unfit.load(Ordering::Relaxed)
    }

    fn replace(&self, number: u64) {
        self.unfit.fetch_max(number, Ordering::Relaxed);
        self.replace.notify_one();
    }

    fn set(&self, state: State) {
        self.state.send_modify(|(old, attempts)| {
            *old = state;
            *attempts += 1;
        });
    }
}

/// Counts a waiting call, for as long as it waits.
struct Waiting<'a>(&'a Shared);

impl<'a> Waiting<'a> {
    fn new(shared: &'a Shared) -> Self {
        shared.waiting.fetch_add(1, Ordering::Relaxed);
        shared.wanted.notify_one();
        Self(shared)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn supervise(shared: Arc<Shared>) {
    let mut pause = FIRST_PAUSE;
    for number in 1.. {
        match open(&shared).await {
            Ok((pipe, mut driver)) => {
                let since = Instant::now();
                shared.set(State::Up(Live { pipe, number }));
                loop {
                    tokio::select! {
                        _words = &mut driver => break,
                        () = shared.replace.notified() => {
                            if shared.unfit.load(Ordering::Relaxed) >= number {
                                break;
                            }
                        }
                    }
                }
                shared.set(State::Down(None));
                // A server that drops every connection at once must not be hammered.
                if since.elapsed() >= LONGEST_PAUSE {
                    pause = FIRST_PAUSE;
                    continue;
                }
            }
            Err(error) => shared.set(State::Down(Some(error))),
        }
        while shared.waiting.load(Ordering::Relaxed) == 0 {
            shared.wanted.notified().await;
        }
        tokio::time::sleep(with_jitter(pause)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Opens a connection. While calls wait, an attempt that hangs does not keep another from being made
/// beside it: what swallowed the first may be over.
async fn open(shared: &Arc<Shared>) -> Result<Opened, Error> {
    let mut attempts = JoinSet::new();
    // As often as a server that refuses is asked; and not too many at a time.
    let pause = LONGEST_PAUSE.max(shared.settings.connect_timeout / 10);
    loop {
        if attempts.is_empty() || shared.waiting.load(Ordering::Relaxed) > 0 {
            let shared = Arc::clone(shared);
            attempts.spawn(async move { connection::open(&shared.settings).await });
        }
        tokio::select! {
            Some(done) = attempts.join_next() => return done.unwrap_or(Err(Error::Internal)),
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Half to all of a pause, so that many processes do not come back at the same instant.
fn with_jitter(pause: Duration) -> Duration {
    let random = rand::rngs::SysRng.try_next_u32().unwrap_or(u32::MAX);
    pause.mul_f64(0.5 + f64::from(random) / f64::from(u32::MAX) / 2.0)
}

async fn answers_ping(pipe: &Pipe) -> bool {
    let mut reply = pin!(pipe.send_one(&redis::cmd("PING")));
    if let Ok(reply) = timeout(PATIENCE, reply.as_mut()).await {
        return reply.is_ok();
    }
    // It may have come, and the thread that should read it was too busy.
    pipe.catch_up();
    matches!(now(reply).await, Some(Ok(_)))
}
