//! Opens the connection of a link, and opens it again whenever it ends.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::backoff::with_jitter;
use super::endpoint::Addresses;
use super::eviction;
use super::{Live, Shared, State};
use crate::error::Error;
use crate::event::Event;
use crate::store::redis::connection::known_servers::Server;
use crate::store::redis::connection::open::Opened;
use crate::store::redis::connection::pipe::Pipe;

const MAX_RECONNECT_PAUSE: Duration = Duration::from_secs(1);

/// How long a silent connection may still receive something once another one is ready.
const GRACE_FOR_SILENT_CONNECTION: Duration = Duration::from_millis(200);

/// How often a silent connection is checked while another one is opened.
const SILENCE_CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// Keeps a connection open for as long as the link lives.
pub(crate) async fn supervise(shared: Arc<Shared>) {
    let mut pause = shared.first_pause();
    // A connection that was opened beside a silent one, and is ready.
    let mut spare = None;
    for number in 1.. {
        let opened = match spare.take() {
            Some(opened) => Ok(opened),
            None => open(&shared, || shared.demand.is_there()).await,
        };
        match opened {
            Ok(((pipe, mut driver), Addresses { announced, reached: server })) => {
                let since = Instant::now();
                let name = server.to_string();
                // A bare server hung up on the handshake. It may be a proxy, which would hang up on this question
                // too.
                let is_bare = Server::new(&server, shared.end.login().tls.is_some()).is_bare();
                if !shared.end.is_replica() && !shared.is_apart && !is_bare {
                    let observer = Arc::clone(&shared.observer);
                    tokio::spawn(eviction::look(pipe.clone(), name.clone(), observer));
                }
                let live = Live { pipe: pipe.clone(), server, announced, number };
                shared.set(State::Up(live), &Event::Ready);
                let mut beside = pin!(None);
                let lost = loop {
                    tokio::select! {
                        // The driver first: it reads what has arrived, so the branches below see it.
                        biased;
                        _ending = &mut driver => break "the connection was lost",
                        () = shared.replace.notified() => {
                            if shared.unfit.load(Ordering::Relaxed) >= number {
                                break "it does not answer, or takes no writes";
                            }
                        }
                        () = shared.doubt.notified(), if beside.is_none() => {
                            if shared.doubted.load(Ordering::Relaxed) == number {
                                beside.set(Some(open_beside(&shared, &pipe)));
                            }
                        }
                        Some(opened) = poll_option(beside.as_mut()) => {
                            beside.set(None);
                            spare = opened;
                            if spare.is_some() {
                                break "it was silent";
                            }
                        }
                    }
                };
                let lost = Event::Lost(Error::Connection { server: name, reason: lost.into() });
                shared.set(State::Down(None), &lost);
                // Backs off when a server drops every connection at once.
                if spare.is_some() || since.elapsed() >= MAX_RECONNECT_PAUSE {
                    pause = shared.first_pause();
                    continue;
                }
                // The server was ready, so it may be a call that breaks connections.
                pause = pause.min(shared.longest_pause_if_ready());
            }
            Err(error) => shared.set(State::Down(Some(error.clone())), &Event::Failed(error)),
        }
        let is_missed = || shared.missed.swap(false, Ordering::Relaxed);
        while !shared.demand.is_there() && !is_missed() {
            shared.demand.woken().await;
        }
        tokio::time::sleep(with_jitter(pause)).await;
        pause = (pause * 2).min(MAX_RECONNECT_PAUSE);
    }
}

/// Opens a connection. While calls wait and an attempt hangs, another one begins beside it. An attempt that began while
/// the server was stopped, or behind a firewall that drops packets, hangs until the connect timeout, though the server may
/// be back long before. The first attempt that ends, well or badly, ends the others.
async fn open(
    shared: &Arc<Shared>,
    is_wanted: impl Fn() -> bool,
) -> Result<(Opened, Addresses), Error> {
    let mut attempts = JoinSet::new();
    // Not sooner than the retries after a refusal, and at most about ten attempts at a time.
    let pause = MAX_RECONNECT_PAUSE.max(shared.timeouts.connect / 10);
    loop {
        // An attempt that waits for the program's password does not hang because of the server.
        if attempts.is_empty() || (is_wanted() && !shared.end.awaits_password()) {
            let shared = Arc::clone(shared);
            attempts.spawn(async move { shared.end.open().await });
        }
        tokio::select! {
            Some(done) = attempts.join_next() => return done.unwrap_or(Err(Error::Internal)),
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Opens a connection beside one that is silent while calls wait. `None` if the silent one receives something first.
async fn open_beside(shared: &Arc<Shared>, pipe: &Pipe) -> Option<(Opened, Addresses)> {
    let heard = pipe.received();
    let is_silent = || pipe.received() == heard && pipe.is_awaited();
    loop {
        let opened = async {
            let opened = open(shared, is_silent).await;
            // A server that was stalled may serve the new connection before the old one.
            tokio::time::sleep(GRACE_FOR_SILENT_CONNECTION).await;
            opened
        };
        let opened = tokio::select! {
            opened = opened => opened,
            () = async { while is_silent() { tokio::time::sleep(SILENCE_CHECK_INTERVAL).await } } => return None,
        };
        // The old connection may have received something while the thread that should read it was too busy.
        pipe.catch_up();
        if !is_silent() {
            return None;
        }
        match opened {
            Ok(opened) => return Some(opened),
            Err(_) => tokio::time::sleep(MAX_RECONNECT_PAUSE).await,
        }
    }
}

/// Polls a future that may not be there.
async fn poll_option<F: Future>(mut future: Pin<&mut Option<F>>) -> Option<F::Output> {
    match future.as_mut().as_pin_mut() {
        Some(future) => Some(future.await),
        None => None,
    }
}
