//! Listens to sentinels for a new primary, and then replaces the connection to the old one.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use super::Shared;
use super::backoff::with_jitter;
use super::endpoint::Endpoint;

/// The longest pause before a sentinel that cannot be reached is tried again. Other sentinels report a failover
/// meanwhile.
const MAX_RECONNECT_PAUSE: Duration = Duration::from_secs(10);

/// Replaces the connection when this sentinel names another primary and more sentinels agree with it than with the
/// old one.
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
                    && primary.as_ref() != Some(&live.announced)
                    && sentinel.has_moved_from(&live.announced).await
                {
                    shared.replace(live.number);
                }
                tokio::select! {
                    () = &mut news => break,
                    // The connection that was being opened when the message came may lead to the old primary.
                    _ = state.changed() => {}
                }
            }
        }
        tokio::time::sleep(with_jitter(pause)).await;
        pause = (pause * 2).min(MAX_RECONNECT_PAUSE);
    }
}
