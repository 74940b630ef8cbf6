//! Tests of a connection that may be dead, or whose replica may be out of date.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::store::redis::connection::handshake::is_following;
use crate::store::redis::connection::pipe::{PROGRESS_BYTES_PER_SECOND, Pipe};
use crate::store::redis::connection::poll_once;

/// How long an answer may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// Whether the connection answers a PING. Long replies may come before the answer, so it waits up to `longest` while
/// they keep arriving.
pub(crate) async fn answers(pipe: &Pipe, longest: Duration) -> bool {
    let begun = Instant::now();
    let mut reply = pin!(pipe.send_one(&redis::cmd("PING")));
    loop {
        let moved = || pipe.received() + pipe.moved_of_long();
        let before = moved();
        if let Ok(reply) = timeout(PROBE_TIMEOUT, reply.as_mut()).await {
            return reply.is_ok();
        }
        // The answer may have arrived while the thread that should read it was too busy.
        pipe.catch_up();
        if let Some(reply) = poll_once(reply.as_mut()).await {
            return reply.is_ok();
        }
        let came = moved() - before;
        if came < PROGRESS_BYTES_PER_SECOND * PROBE_TIMEOUT.as_secs() || begun.elapsed() > longest {
            return false;
        }
    }
}

/// Whether the connection leads to a replica that hears from its primary. A replica that does not answer at all
/// passes: the calls that it leaves unanswered reveal it.
pub(crate) async fn follows(pipe: &Pipe) -> bool {
    match timeout(PROBE_TIMEOUT, pipe.send_one(&redis::cmd("ROLE"))).await {
        Ok(Ok(replies)) => replies.iter().next().is_some_and(|role| is_following(&role)),
        Ok(Err(_)) | Err(_) => true,
    }
}
