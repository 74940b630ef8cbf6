//! Hears of a new primary from sentinels, and leaves the old one.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use super::Shared;
use super::backoff::with_jitter;
use super::endpoint::Endpoint;

/// How often a sentinel is tried that cannot be reached; another one will tell.
const MAX_RECONNECT_PAUSE: Duration = Duration::from_secs(10);

/// Replaces the connection when this sentinel, and most others with it, has another primary.
pub(crate) async fn follow(shared: Arc<Shared>, number: usize) {
    let Endpoint::Primary(sentinel) = &*shared.end else { return };
    let mut state = shared.state.subscribe();
    let mut pause = shared.first_pause();
    loop {
        if let Ok(subscription) = sentinel.subscribe(number).await {
            pause = shared.first_pause();
            let primary = subscription.primary.clone();
            let mut news = pin!(subscription.news());
            loop {
                state.mark_unchanged();
                if let Some(live) = shared.live()
                    && primary.as_ref() != Some(&live.server)
                    && sentinel.has_moved_from(&live.server).await
                {
                    shared.replace(live.number);
                }
                tokio::select! {
                    () = &mut news => break,
                    // What was being connected to when the news came may be the old primary.
                    _ = state.changed() => {}
                }
            }
        }
        tokio::time::sleep(with_jitter(pause)).await;
        pause = (pause * 2).min(MAX_RECONNECT_PAUSE);
    }
}
