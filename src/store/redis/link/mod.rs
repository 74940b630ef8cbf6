//! Keeps one connection to a server, and replaces it when it breaks or is found unfit. It sends no calls, and does
//! not know the slots: `node/` owns a link, `dispatch/` sends on its connection.
//!
//! A link connects at once. Later it reconnects only while calls wait. An idle instance has no timer, apart from the
//! one for the last calls' deadlines, which fires once more.

pub(crate) mod backoff;
pub(crate) mod deadlines;
pub(crate) mod demand;
pub(crate) mod endpoint;
mod eviction;
mod follow;
mod probe;
pub(crate) mod sentinel;
mod supervise;

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use self::deadlines::Deadlines;
use self::demand::Demand;
use self::endpoint::Endpoint;
use self::follow::follow;
use self::supervise::supervise;
use crate::error::Error;
use crate::event::{Event, Observer};
use crate::store::redis::connection::open::silent;
use crate::store::redis::connection::pipe::Pipe;
use crate::store::redis::connection::settings::{Address, Login};

/// A reply that keeps arriving may take this many times the command timeout in total.
pub(crate) const MAX_TIMEOUTS_OF_LONG_REPLY: u32 = 10;

/// The first pause between two attempts to connect. It doubles after each attempt.
const FIRST_RECONNECT_PAUSE: Duration = Duration::from_millis(50);

/// The first pause for calls that may break the connection. About ten connections break in a row until one of a
/// thousand calls is alone.
const FIRST_RECONNECT_PAUSE_APART: Duration = Duration::from_millis(1);

/// A live connection, the addresses of its server, and its number among the connections of this link.
#[derive(Clone)]
pub(crate) struct Live {
    pub pipe: Pipe,
    /// Where the server was reached.
    pub server: Address,
    /// The address that the server announces.
    announced: Address,
    number: u64,
}

impl Live {
    /// The error of a call that was sent and not answered in time.
    pub fn unanswered(&self, waited: Duration) -> Error {
        Error::Timeout { server: self.server.to_string(), waited }
    }
}

#[derive(Clone)]
enum State {
    /// Not connected. Holds the error of the last attempt, if it failed.
    Down(Option<Error>),
    Up(Live),
}

/// The state that the supervising task and the calls share.
struct Shared {
    end: Arc<Endpoint>,
    timeouts: Timeouts,
    /// Whether the link is a quarantine's, for calls that may break the connection.
    is_apart: bool,
    observer: Observer,
    /// The state, and how many times it was set.
    state: watch::Sender<(State, u64)>,
    /// The calls that wait for the connection.
    demand: Demand,
    /// Whether a call would have used a connection while there was none.
    missed: AtomicBool,
    /// The highest number of a connection that must be replaced.
    unfit: AtomicU64,
    /// The number of the connection that is being sent a PING, because it left a call unanswered.
    suspected: AtomicU64,
    /// The number of the silent connection beside which another one is opened.
    doubted: AtomicU64,
    doubt: Notify,
    /// When a replica was last asked whether it follows its primary, in seconds after `since`.
    probed: AtomicU64,
    since: Instant,
    replace: Notify,
    deadlines: Deadlines,
}

/// How long to wait for a connection, and for the answer to a call.
#[derive(Clone, Copy)]
pub(crate) struct Timeouts {
    pub connect: Duration,
    pub command: Duration,
}

/// One connection to one server. Dropping the link ends it.
pub(crate) struct Link {
    shared: Arc<Shared>,
    tasks: Vec<AbortHandle>,
}

impl Link {
    /// Begins to connect. `observer` is told of each change.
    pub fn new(end: Arc<Endpoint>, timeouts: Timeouts, observer: Observer) -> Self {
        Self::open(end, timeouts, observer, false)
    }

    /// Begins to connect, for calls that may break the connection. No observer is told of it.
    pub fn of_quarantine(end: Arc<Endpoint>, timeouts: Timeouts) -> Self {
        Self::open(end, timeouts, Arc::new(|_: &_| {}), true)
    }

    fn open(end: Arc<Endpoint>, timeouts: Timeouts, observer: Observer, is_apart: bool) -> Self {
        let shared = Arc::new(Shared {
            end,
            timeouts,
            is_apart,
            observer,
            state: watch::Sender::new((State::Down(None), 0)),
            demand: Demand::default(),
            missed: AtomicBool::new(false),
            unfit: AtomicU64::new(0),
            suspected: AtomicU64::new(0),
            doubted: AtomicU64::new(0),
            doubt: Notify::new(),
            probed: AtomicU64::new(0),
            since: Instant::now(),
            replace: Notify::new(),
            deadlines: Deadlines::default(),
        });
        let supervisor = tokio::spawn(supervise(Arc::clone(&shared)));
        let mut tasks = vec![supervisor.abort_handle()];
        if let Endpoint::Primary(sentinel) = &*shared.end {
            let follow = |n| tokio::spawn(follow(Arc::clone(&shared), n)).abort_handle();
            tasks.extend((0..sentinel.count()).map(follow));
        }
        let deadlines = Arc::clone(&shared);
        let deadlines = tokio::spawn(async move { deadlines.deadlines.keep().await });
        tasks.push(deadlines.abort_handle());
        Self { shared, tasks }
    }

    /// Whether the link leads to the server that announces this address. A link by sentinels never does, because its address may
    /// change.
    pub fn leads_to(&self, address: &Address) -> bool {
        self.address() == Some(address)
    }

    /// The address that the server announces. `None` if sentinels name it.
    pub fn address(&self) -> Option<&Address> {
        match &*self.shared.end {
            Endpoint::Server { peer, .. } => Some(&peer.address),
            Endpoint::Primary(_) | Endpoint::Replica(_) => None,
        }
    }

    /// The login for the server.
    pub fn login(&self) -> &Login {
        self.shared.end.login()
    }

    /// How long a call may take.
    pub fn command_timeout(&self) -> Duration {
        self.shared.timeouts.command
    }

    /// Awaits a future until a call's deadline. `None` if the deadline came first.
    pub async fn limit<F: Future>(&self, deadline: Instant, future: F) -> Option<F::Output> {
        self.shared.deadlines.limit(deadline, future).await
    }

    /// How many times the state of the connection has changed. Every attempt to connect changes it.
    pub fn attempts(&self) -> u64 {
        self.shared.state.borrow().1
    }

    /// The connection, if there is one.
    pub fn now(&self) -> Option<Live> {
        self.shared.live()
    }

    /// The connection to a replica, if there is one. Otherwise one is opened for later calls.
    pub fn now_or_soon(&self) -> Option<Live> {
        let live = self.now();
        if let Some(live) = &live {
            self.probe(live);
        } else {
            self.shared.missed.store(true, Ordering::Relaxed);
            self.shared.demand.wake();
        }
        live
    }

    /// Asks a replica whether it still follows its primary, at most once a second and only while it is used. A
    /// replica that does not follow would serve old data indefinitely.
    fn probe(&self, live: &Live) {
        let Shared { probed, since, .. } = &*self.shared;
        let now = since.elapsed().as_secs();
        if probed.load(Ordering::Relaxed) < now {
            probed.store(now, Ordering::Relaxed);
            self.replace_unless(live.clone(), |pipe| async move { probe::follows(&pipe).await });
        }
    }

    /// Waits for a connection.
    ///
    /// # Errors
    ///
    /// At the deadline, the error of the last attempt. A refusal by the server is returned at once, because waiting
    /// does not change it. Only refusals after the first `attempts` attempts count.
    pub async fn live(&self, attempts: u64, deadline: Instant) -> Result<Live, Error> {
        let mut state = self.shared.state.subscribe();
        let _waiting = self.shared.demand.wait();
        loop {
            // Marked as seen before `now` looks. Otherwise a change in between would wake no call.
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

    /// The error of a call that got no connection.
    pub fn outage(&self) -> Error {
        match &self.shared.state.borrow().0 {
            State::Down(Some(error)) => error.clone(),
            State::Down(None) | State::Up(_) => {
                let Shared { end, timeouts, .. } = &*self.shared;
                silent(&**end, timeouts.command, end.login().tls.is_some())
            }
        }
    }

    /// Whether a connection is still the current one, and answers a PING.
    pub async fn answers_on(&self, pipe: &Pipe) -> bool {
        let is_used = || self.now().is_some_and(|live| live.pipe.is(pipe));
        is_used() && probe::answers(pipe, Duration::ZERO).await && is_used()
    }

    /// The endpoint that the link connects to.
    pub fn end(&self) -> &Endpoint {
        &self.shared.end
    }

    /// Replaces a connection that broke, or whose server does not take writes.
    pub fn replace(&self, live: &Live) {
        self.shared.replace(live.number);
    }

    /// Opens another connection beside one that is silent while calls wait. Uses the new one if it is ready before
    /// the silent one receives anything. A connection may be dead without an error.
    pub fn doubt(&self, live: &Live) {
        self.shared.doubted.fetch_max(live.number, Ordering::Relaxed);
        self.shared.doubt.notify_one();
    }

    /// Replaces a connection that left a call unanswered, unless it answers a PING.
    pub fn suspect(&self, live: Live) {
        if self.shared.suspected.swap(live.number, Ordering::Relaxed) == live.number {
            return;
        }
        let shared = Arc::downgrade(&self.shared);
        let longest = self.command_timeout() * MAX_TIMEOUTS_OF_LONG_REPLY;
        self.replace_unless(live, move |pipe| async move {
            let answers = probe::answers(&pipe, longest).await;
            if let Some(shared) = Weak::upgrade(&shared) {
                shared.suspected.store(0, Ordering::Relaxed);
            }
            answers
        });
    }

    /// Replaces a connection if it fails a test.
    fn replace_unless<T>(&self, live: Live, passes: impl FnOnce(Pipe) -> T)
    where
        T: Future<Output = bool> + Send + 'static,
    {
        let shared = Arc::downgrade(&self.shared);
        let passes = passes(live.pipe);
        tokio::spawn(async move {
            if !passes.await
                && let Some(shared) = Weak::upgrade(&shared)
            {
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
    fn live(&self) -> Option<Live> {
        match &self.state.borrow().0 {
            State::Up(live) if self.is_fit(live) => Some(live.clone()),
            _ => None,
        }
    }

    fn first_pause(&self) -> Duration {
        if self.is_apart { FIRST_RECONNECT_PAUSE_APART } else { FIRST_RECONNECT_PAUSE }
    }

    /// The longest pause after a connection that was ready.
    fn longest_pause_if_ready(&self) -> Duration {
        self.first_pause() * 2
    }

    fn is_fit(&self, live: &Live) -> bool {
        live.number > self.unfit.load(Ordering::Relaxed)
    }

    fn replace(&self, number: u64) {
        self.unfit.fetch_max(number, Ordering::Relaxed);
        self.replace.notify_one();
    }

    /// Sets the state before it tells the observer, because the observer may make a call at once.
    fn set(&self, state: State, event: &Event) {
        self.state.send_modify(|(old, attempts)| {
            *old = state;
            *attempts += 1;
        });
        (self.observer)(event);
    }
}
