//! Topology refresh: asks the cluster's nodes which slots they serve. It does so at the start, when a node reports
//! that a slot has moved, and again and again while calls wait for a node.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::Shared;
use super::map::{Range, read_slots};
use crate::error::Error;
use crate::event::Event;
use crate::protocol::Reply;
use crate::store::redis::connection::handshake::refused;
use crate::store::redis::connection::open::{self, Peer, Purpose, unreachable};
use crate::store::redis::link::backoff::with_jitter;
use crate::store::redis::node::Node;

const FIRST_REFRESH_PAUSE: Duration = Duration::from_millis(100);
const MAX_REFRESH_PAUSE: Duration = Duration::from_secs(1);

/// How long a node may take before another one is asked beside it.
const HEAD_START: Duration = Duration::from_millis(200);

/// How many repeated questions may be in flight at once.
const MAX_QUESTIONS_IN_FLIGHT: usize = 32;

/// How long the last calls may take on a node that serves no slot any more.
const RETIRED_NODE_GRACE: Duration = Duration::from_secs(1);

/// Keeps the map up to date.
pub(crate) async fn keep_up(shared: Arc<Shared>) {
    let mut pause = FIRST_REFRESH_PAUSE;
    for round in 0.. {
        let has_changed = match ask_around(&shared, round).await {
            Ok(ranges) => install(&shared, ranges),
            Err(trouble) => {
                shared.state.send_modify(|state| state.trouble = Some(trouble.clone()));
                (shared.setup.observer)(&Event::Failed(trouble));
                false
            }
        };
        let ended = Instant::now();
        pause = if has_changed { FIRST_REFRESH_PAUSE } else { (pause * 2).min(MAX_REFRESH_PAUSE) };
        if !shared.demand.is_there() {
            shared.demand.woken().await;
        }
        if ended.elapsed() > MAX_REFRESH_PAUSE {
            pause = FIRST_REFRESH_PAUSE;
        } else {
            sleep(with_jitter(pause)).await;
        }
    }
}

/// Replaces the map. Returns whether it has changed.
fn install(shared: &Shared, ranges: Vec<Range>) -> bool {
    let mut gone = Vec::new();
    let mut had_trouble = false;
    let has_changed = shared.state.send_if_modified(|state| {
        let known = Arc::clone(&state.map);
        let map = known.updated(ranges, &state.referred_nodes, &shared.setup);
        had_trouble = state.trouble.take().is_some();
        state.refreshed = Some(Instant::now());
        if map.is_same_as(&known) {
            return had_trouble;
        }
        let is_gone = |node: &&Arc<Node>| !map.nodes().iter().any(|now| Arc::ptr_eq(now, node));
        gone.extend(known.nodes().iter().filter(is_gone).cloned());
        // A referred node that is in use still counts.
        let is_in_use = |node: &Arc<Node>| Arc::strong_count(node) > 1 && is_gone(&node);
        state.referred_nodes.retain(is_in_use);
        state.map = Arc::new(map);
        true
    });
    gone.iter().for_each(retire);
    // Nodes that have yet to connect report it themselves.
    if had_trouble && shared.state.borrow().map.nodes().iter().any(|n| n.link.now().is_some()) {
        (shared.setup.observer)(&Event::Ready);
    }
    has_changed
}

/// Replaces the connection to a node that serves no slot any more, because it may hang. Calls that wait on it are
/// then sent to the node's successor.
fn retire(node: &Arc<Node>) {
    let node = Arc::downgrade(node);
    tokio::spawn(async move {
        sleep(RETIRED_NODE_GRACE).await;
        let Some(node) = node.upgrade() else { return };
        node.end_quarantine();
        if let Some(live) = node.link.now() {
            node.link.replace(&live);
        }
    });
}

/// Asks one node after the other until one answers. Each round begins at another node, because a node may be cut off
/// from the rest without knowing it.
async fn ask_around(shared: &Shared, round: usize) -> Result<Vec<Range>, Error> {
    let settings = &shared.setup.settings;
    let mut nodes = shared.state.borrow().map.addresses();
    if !nodes.is_empty() {
        let middle = round % nodes.len();
        nodes.rotate_left(middle);
    }
    let seeds = shared.seeds.iter().filter(|seed| !nodes.contains(seed)).cloned();
    let seeds: Vec<_> = seeds.collect();
    let to_ask = |address| Peer { purpose: Purpose::AskNode, ..Peer::new(address, settings) };
    // The program lists the seeds as they are reached.
    let seeds = seeds.into_iter().map(|seed| Peer { nat_map: None, ..to_ask(seed) });
    let nodes: Vec<_> = nodes.into_iter().map(to_ask).chain(seeds).collect();
    let mut rest = nodes.iter();
    let mut again = pin!(ask_again(shared, &nodes));
    let mut asked = JoinSet::new();
    let mut trouble = None;
    let mut next = rest.next();
    while next.is_some() || !asked.is_empty() {
        if let Some(peer) = next.take() {
            asked.spawn(ask(peer.clone()));
        }
        tokio::select! {
            Some(answer) = asked.join_next() => match answer.unwrap_or(Err(Error::Internal)) {
                Ok(ranges) => return Ok(ranges),
                Err(error) => {
                    trouble = Some(error.or_graver(trouble));
                    next = rest.next();
                }
            },
            ranges = &mut again, if rest.len() == 0 => return Ok(ranges),
            () = sleep(HEAD_START) => next = rest.next(),
        }
    }
    Err(trouble.unwrap_or(Error::Internal))
}

/// Asks all nodes again and again while calls wait, beside questions that hang. The cause of the hanging may be over.
async fn ask_again(shared: &Shared, nodes: &[Peer]) -> Vec<Range> {
    // At the rate at which a link retries a server that hangs; see `link/supervise.rs`.
    let pause = MAX_REFRESH_PAUSE.max(shared.setup.settings.connect_timeout / 10);
    let pause = (pause / u32::try_from(nodes.len()).unwrap_or(u32::MAX)).max(HEAD_START);
    let mut rest = nodes.iter().cycle();
    let mut asked = JoinSet::new();
    loop {
        tokio::select! {
            Some(answer) = asked.join_next() => if let Ok(Ok(ranges)) = answer {
                return ranges;
            },
            () = sleep(pause) => {
                let is_wanted = shared.demand.is_there() && asked.len() < MAX_QUESTIONS_IN_FLIGHT;
                if let Some(peer) = rest.next().filter(|_| is_wanted) {
                    asked.spawn(ask(peer.clone()));
                }
            }
        }
    }
}

async fn ask(peer: Peer) -> Result<Vec<Range>, Error> {
    let peer = &peer.reached().await?;
    let mut opened = open::open(peer).await?;
    let slots = redis::cmd("CLUSTER").arg("SLOTS").get_packed_command();
    let replies = timeout(peer.connect_timeout, open::ask(&mut opened, &slots, 1)).await;
    let Ok(Ok(replies)) = replies else { return Err(unreachable(peer, "it gave no answer")) };
    match replies.iter().next() {
        Some(Reply::Error(error)) => Err(refused(peer, &error)),
        Some(reply) => match read_slots(&reply, &peer.address) {
            Some(ranges) if !ranges.is_empty() => Ok(ranges),
            Some(_) => Err(unreachable(peer, "it knows of no node that serves a slot")),
            None => Err(unreachable(peer, "its answer is not one of a cluster's node")),
        },
        None => Err(unreachable(peer, "its answer is not one of a cluster's node")),
    }
}
