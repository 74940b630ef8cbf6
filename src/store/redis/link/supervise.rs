//! Connects, and connects again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::super::connection::Opened;
use super::super::eviction;
use super::super::known::Server;
use super::super::pause::with_jitter;
use super::super::settings::Address;
use super::{FIRST_PAUSE, Live, Shared, State};
use crate::error::Error;
use crate::event::Event;

const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Keeps the connection, as long as the link lives.
pub(super) async fn supervise(shared: Arc<Shared>) {
    let mut pause = FIRST_PAUSE;
    for number in 1.. {
        match open(&shared).await {
            Ok(((pipe, mut driver), server)) => {
                let since = Instant::now();
                let name = server.to_string();
                // A proxy that hangs up on what it does not know would do so on this.
                let is_bare = Server::new(&server, shared.end.login().tls.is_some()).is_bare();
                if !shared.end.is_replica() && !is_bare {
                    let observer = Arc::clone(&shared.observer);
                    tokio::spawn(eviction::look(pipe.clone(), name.clone(), observer));
                }
                shared.set(State::Up(Live { pipe, server, number }), &Event::Ready);
                let lost = loop {
                    tokio::select! {
                        _ending = &mut driver => break "the connection was lost",
                        () = shared.replace.notified() => {
                            if shared.unfit.load(Ordering::Relaxed) >= number {
                                break "it does not answer, or takes no writes";
                            }
                        }
                    }
                };
                let lost = Event::Lost(Error::Connection { server: name, reason: lost.into() });
                shared.set(State::Down(None), &lost);
                // A server that drops every connection at once must not be hammered.
                if since.elapsed() >= LONGEST_PAUSE {
                    pause = FIRST_PAUSE;
                    continue;
                }
            }
            Err(error) => shared.set(State::Down(Some(error.clone())), &Event::Failed(error)),
        }
        let is_missed = || shared.missed.swap(false, Ordering::Relaxed);
        while shared.waiting.load(Ordering::Relaxed) == 0 && !is_missed() {
            shared.wanted.notified().await;
        }
        tokio::time::sleep(with_jitter(pause)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Opens a connection. While calls wait, an attempt that hangs does not keep another from being made
/// beside it: what swallowed the first may be over.
async fn open(shared: &Arc<Shared>) -> Result<(Opened, Address), Error> {
    let mut attempts = JoinSet::new();
    // As often as a server that refuses is asked; and not too many at a time.
    let pause = LONGEST_PAUSE.max(shared.timeouts.connect / 10);
    loop {
        if attempts.is_empty() || shared.waiting.load(Ordering::Relaxed) > 0 {
            let shared = Arc::clone(shared);
            attempts.spawn(async move { shared.end.open().await });
        }
        tokio::select! {
            Some(done) = attempts.join_next() => return done.unwrap_or(Err(Error::Internal)),
            () = tokio::time::sleep(pause) => {}
        }
    }
}
