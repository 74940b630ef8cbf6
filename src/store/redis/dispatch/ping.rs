//! `ping`: asks the server, or each primary of a cluster, until it has answered or the deadline has passed.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::pipeline::SILENCE_BEFORE_DOUBT;
use crate::error::Error;
use crate::protocol::Reply;
use crate::store::redis::connection::pipe::Broken;
use crate::store::redis::connection::poll_once;
use crate::store::redis::connection::redaction::Sent;
use crate::store::redis::connection::server_error::{ServerError, Verdict, judge, refusal};
use crate::store::redis::link::backoff::with_jitter;
use crate::store::redis::node::Node;
use crate::store::redis::topology::Topology;
use crate::store::redis::topology::cluster::Cluster;

/// The pause before a server is asked again that could not answer yet, or whose connection broke.
const PAUSE: Duration = Duration::from_millis(100);

/// Resolves when every server that serves sessions has answered.
///
/// # Errors
///
/// Those of any call: the first that one of the servers gives.
pub(crate) async fn ping(topology: &Topology, command_timeout: Duration) -> Result<(), Error> {
    let deadline = Instant::now() + command_timeout;
    match topology {
        Topology::One(node) | Topology::Replicated { primary: node, .. } => {
            ping_node(Arc::clone(node), deadline).await
        }
        Topology::Cluster(cluster) => ping_cluster(cluster, deadline).await,
    }
}

/// Asks all primaries. If other nodes replace them meanwhile, it asks those.
async fn ping_cluster(cluster: &Cluster, deadline: Instant) -> Result<(), Error> {
    loop {
        let map = cluster.map();
        let is_known = !map.nodes().is_empty();
        let mut pings = JoinSet::new();
        for node in map.nodes() {
            pings.spawn(ping_node(Arc::clone(node), deadline));
        }
        let answered = async {
            while let Some(answered) = pings.join_next().await {
                answered.unwrap_or(Err(Error::Internal))?;
            }
            Ok(())
        };
        let changed = async {
            if is_known {
                sleep(SILENCE_BEFORE_DOUBT).await;
            }
            cluster.has_changed_from(&map).await;
        };
        tokio::select! {
            answered = answered, if is_known => return answered,
            refusal = cluster.refusal(), if !is_known => return Err(refusal),
            () = changed => {}
            () = sleep_until(deadline), if !is_known => return Err(cluster.outage()),
        }
    }
}

async fn ping_node(node: Arc<Node>, deadline: Instant) -> Result<(), Error> {
    let link = &node.link;
    let attempts = link.attempts();
    let mut refused = None;
    loop {
        let live = link.live(attempts, deadline).await;
        let live = live.map_err(|outage| refused.take().unwrap_or(outage))?;
        let mut reply = pin!(live.pipe.send_one(&redis::cmd("PING")));
        let silence = deadline.min(Instant::now() + SILENCE_BEFORE_DOUBT);
        let mut replies = link.limit(silence, reply.as_mut()).await;
        if replies.is_none() {
            // The connection may be dead without an error, so another one is opened beside it.
            link.doubt(&live);
            replies = link.limit(deadline, reply.as_mut()).await;
        }
        if replies.is_none() {
            // The answer may have arrived while the thread that should read it was too busy.
            live.pipe.catch_up();
            replies = poll_once(reply.as_mut()).await;
        }
        match replies {
            Some(Ok(replies)) => match replies.iter().next() {
                Some(Reply::Status) => return Ok(()),
                Some(Reply::Error(words)) => {
                    let error = ServerError::new(&words, Sent::to_log_in(link.login()));
                    match judge(&error) {
                        Verdict::Later | Verdict::Unknown => refused = Some(refusal(&error)),
                        _ => return Err(refusal(&error)),
                    }
                }
                // It was the reply to another command.
                _ => link.replace(&live),
            },
            Some(Err(Broken)) => link.replace(&live),
            None => {
                let unanswered = live.unanswered(link.command_timeout());
                link.suspect(live);
                return Err(refused.unwrap_or(unanswered));
            }
        }
        sleep(with_jitter(PAUSE)).await;
    }
}
