//! Sending in quarantine: calls that may break connections are sent apart from others, until the one that does is known.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::call::InFlightCall;
use super::pipeline::{NodePipeline, Outcome};
use crate::error::Error;
use crate::store::redis::connection::settings::Address;
use crate::store::redis::link::Live;
use crate::store::redis::link::backoff::with_jitter;
use crate::store::redis::node::Node;
use crate::store::redis::node::growth::{Patches, PatchesInFlight};
use crate::store::redis::node::quarantine::{Pass, Quarantine};
use crate::store::redis::node::queue::Turn;
use crate::store::redis::topology::cluster::Cluster;

/// A call that broke this many connections alone, while other calls were answered, is the cause. A single time may be
/// an accident.
const CULPRIT_AFTER_BROKEN_ALONE: u8 = 2;

/// How long a call waits that was in flight alone when the server or the network failed.
const PAUSE_AFTER_OUTAGE: Duration = Duration::from_millis(100);

/// How long to wait for the node's own connection before a call is sent alone.
const WITNESS_TIMEOUT: Duration = Duration::from_secs(1);

impl NodePipeline<'_> {
    /// Sends in quarantine, as many calls as may be in flight there at once.
    pub(super) async fn go_to_quarantine(
        &mut self,
        node: &Arc<Node>,
        cluster: Option<&Cluster>,
    ) -> Outcome {
        let quarantine = node.quarantine();
        self.quarantine = Some(Arc::clone(&quarantine));
        let admitted = match cluster {
            None => self.admit_to_quarantine(&quarantine).await,
            Some(cluster) => tokio::select! {
                admitted = self.admit_to_quarantine(&quarantine) => admitted,
                () = self.leave(node, cluster) => return Outcome::Rerouted,
            },
        };
        let (live, turn, pass) = match admitted {
            Ok(admitted) => admitted,
            Err(outage) => return Outcome::Outage(outage),
        };
        self.rest = self.calls.split_off(pass.calls);
        // The connection that other calls use meanwhile. If it ends too, the server or the network has failed.
        let mut witness = None;
        if pass.is_for_one_alone() {
            let until = self.deadline.min(Instant::now() + WITNESS_TIMEOUT);
            witness = node.link.live(node.link.attempts(), until).await.ok();
        }
        let patches = Patches::of(self.calls.iter().filter_map(InFlightCall::patch_bytes));
        let room = node.growth.enter_when_there_is_room(&patches);
        if quarantine.link.limit(self.deadline, room).await.is_none() {
            return Outcome::Outage(quarantine.link.outage());
        }
        self.patches_in_flight = Some(PatchesInFlight::new(node, patches));
        let outcome = self.make_room_and_send(&quarantine.link, live, turn, cluster).await;
        match &outcome {
            Outcome::Replied(..) => pass.answered(),
            Outcome::Broken(live) => {
                let is_alone = pass.broken(&live.pipe) == 1 && live.pipe.broke();
                let (true, [call]) = (is_alone, &mut self.calls[..]) else { return outcome };
                let others_go_on = match witness {
                    Some(witness) => node.link.answers_on(&witness.pipe).await,
                    None => false,
                };
                if others_go_on {
                    call.broke_alone += 1;
                } else {
                    // The server or the network has failed. Back off.
                    sleep_until(
                        self.deadline.min(Instant::now() + with_jitter(PAUSE_AFTER_OUTAGE)),
                    )
                    .await;
                }
                if call.broke_alone >= CULPRIT_AFTER_BROKEN_ALONE {
                    node.culprits.note(call.data_bytes(), call.what());
                    return Outcome::Intolerable(intolerable(call, &live.server));
                }
            }
            _ => {}
        }
        outcome
    }

    /// Waits for the connection, for this pipeline's turn to send, and for room for some of its calls.
    async fn admit_to_quarantine<'q>(
        &self,
        quarantine: &'q Quarantine,
    ) -> Result<(Live, Turn<'q>, Pass<'q>), Error> {
        let Quarantine { link, queue, .. } = quarantine;
        let attempts = link.attempts();
        let late = || Error::Lost {
            reason: format!(
                "a connection to redis at {} broke each time that it was under way",
                link.end()
            ),
        };
        let turn = link.limit(self.deadline, queue.turn(self.place)).await.ok_or_else(late)?;
        loop {
            let pass = link.limit(self.deadline, quarantine.pass(self.calls.len())).await;
            let pass = pass.ok_or_else(late)?;
            let live = link.live(attempts, self.deadline).await?;
            if turn.stands() {
                return Ok((live, turn, pass));
            }
            drop(pass);
            link.limit(self.deadline, turn.come()).await.ok_or_else(late)?;
        }
    }
}

/// The error of a call for which the server, or a proxy, closes the connection each time.
fn intolerable(call: &InFlightCall<'_>, server: &Address) -> Error {
    let method = call.method();
    let (what, limits) = match call.data_bytes() {
        0 => (
            format!("this {method}, whose answer may be too long"),
            "client-output-buffer-limit and maxmemory-clients",
        ),
        bytes => (
            format!("this {method} with {bytes} bytes of data"),
            "client-query-buffer-limit, client-output-buffer-limit and maxmemory-clients",
        ),
    };
    let reason = format!(
        "redis at {server}, or a proxy before it, closes the connection each time for {what}: look \
         at {limits} of the server, or at the limits of the proxy"
    );
    Error::Lost { reason }
}
