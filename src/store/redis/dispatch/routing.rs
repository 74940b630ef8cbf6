//! Divides calls by the node to send them to.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::call::{InFlightCall, Schedule};
use crate::store::redis::node::Node;
use crate::store::redis::topology::Topology;
use crate::store::redis::topology::cluster::Cluster;

/// Calls, and the node to send them to; `None` if none is known.
pub(crate) type RoutedCalls<'c> = (Option<Arc<Node>>, Vec<InFlightCall<'c>>);

/// Divides calls by the node to send them to. Each node's calls keep their order.
pub(crate) fn route<'c>(topology: &Topology, calls: Vec<InFlightCall<'c>>) -> Vec<RoutedCalls<'c>> {
    match topology {
        Topology::Cluster(cluster) => over_cluster(cluster, calls),
        Topology::One(primary) => over_primary(primary, None, calls),
        Topology::Replicated { primary, replica } => {
            let is_there =
                calls.iter().any(|call| call.from_replica) && replica.link.now_or_soon().is_some();
            over_primary(primary, is_there.then_some(replica), calls)
        }
    }
}

/// Separates calls that are sent in quarantine, or may read from the replica, from the others.
fn over_primary<'c>(
    primary: &Arc<Node>,
    replica: Option<&Arc<Node>>,
    calls: Vec<InFlightCall<'c>>,
) -> Vec<RoutedCalls<'c>> {
    let (mut from_replica, mut others, mut quarantined) = (Vec::new(), Vec::new(), Vec::new());
    for mut call in calls {
        call.from_replica &= replica.is_some() && call.is_innocent();
        let part = match call.from_replica {
            true => &mut from_replica,
            false if call.schedule == Schedule::Quarantined => &mut quarantined,
            false => &mut others,
        };
        part.push(call);
    }
    let routed = |node: Option<&Arc<Node>>, calls: Vec<_>| {
        (!calls.is_empty()).then(|| (node.cloned(), calls))
    };
    let parts = [
        routed(replica, from_replica),
        routed(Some(primary), others),
        routed(Some(primary), quarantined),
    ];
    parts.into_iter().flatten().collect()
}

/// Separates calls that must wait from those that need not.
fn over_cluster<'c>(cluster: &Cluster, calls: Vec<InFlightCall<'c>>) -> Vec<RoutedCalls<'c>> {
    let map = cluster.map();
    let mut parts = BTreeMap::new();
    for mut call in calls {
        let slot = call.slot();
        let may_read_replica = call.from_replica && call.is_innocent();
        let replica = if may_read_replica { cluster.replica(&map, slot) } else { None };
        call.from_replica = replica.is_some();
        let node = call.referred.as_ref().or(replica).or_else(|| map.node(slot));
        let key = (
            node.map(Arc::as_ptr),
            call.referred.is_some(),
            call.schedule.time().is_some(),
            call.schedule.is_aside(),
            call.is_innocent(),
        );
        let part = parts.entry(key).or_insert_with(|| (node.cloned(), Vec::new()));
        part.1.push(call);
    }
    parts.into_values().collect()
}
