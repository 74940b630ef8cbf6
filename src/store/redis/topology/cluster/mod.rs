//! The nodes of a Redis Cluster: which node serves which slot, kept up to date while calls need it. `dispatch/` sends
//! the calls, and asks here for their nodes.
//!
//! The cluster client of the `redis` crate sends each call by itself, and parses the replies of all nodes in one
//! task. Here, a batch becomes one pipeline per node. It uses the same connections, queues and rules as on one
//! server.

mod map;
mod refresh;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use self::map::Map;
use crate::error::Error;
use crate::store::redis::connection::server_error::Redirect;
use crate::store::redis::connection::settings::Address;
use crate::store::redis::link::demand::{Demand, Waiting};
use crate::store::redis::node::{Node, Setup};

/// How long to wait before the cluster is asked again for replicas, if they may be read from and none is connected.
const REPLICA_SEARCH_INTERVAL: Duration = Duration::from_secs(5);

/// Up to this many nodes, the event loop's thread reads from each of them itself.
const MAX_NODES_READ_INLINE: usize = 8;

/// How many nodes outside the map are kept. Slots move to a few new nodes at a time, and a node that keeps naming new
/// ones must not fill the memory.
const MAX_REFERRED_NODES: usize = 32;

/// The nodes of a cluster. Dropping it ends the refreshes.
pub(crate) struct Cluster {
    shared: Arc<Shared>,
    refreshes: AbortHandle,
}

/// The state that the refreshes and the calls share.
struct Shared {
    setup: Setup,
    /// The nodes to ask first.
    seeds: Vec<Address>,
    state: watch::Sender<State>,
    /// The calls that wait for another node.
    demand: Demand,
}

/// The current knowledge of the cluster.
#[derive(Default)]
struct State {
    map: Arc<Map>,
    /// Nodes that calls were referred to, and that are not in the map. The most recently used one is last.
    referred_nodes: Vec<Arc<Node>>,
    /// The error of the last refresh, if it failed.
    trouble: Option<Error>,
    /// When a refresh last succeeded.
    refreshed: Option<Instant>,
}

impl State {
    /// The node at an address that a call was referred to. If there are too many such nodes, it replaces one that no
    /// call uses.
    fn referred_node(&mut self, address: Address, setup: &Setup) -> Result<Arc<Node>, Crowded> {
        let known = self.referred_nodes.iter().position(|node| node.link.leads_to(&address));
        let referred_node = if let Some(place) = known {
            self.referred_nodes.remove(place)
        } else {
            if self.referred_nodes.len() >= MAX_REFERRED_NODES {
                // A call that uses a node holds a reference to it.
                let unused =
                    self.referred_nodes.iter().position(|node| Arc::strong_count(node) == 1);
                self.referred_nodes.remove(unused.ok_or(Crowded)?);
            }
            Node::at(address, setup)
        };
        self.referred_nodes.push(Arc::clone(&referred_node));
        Ok(referred_node)
    }
}

/// Too many referred nodes are in use, so the call has to wait.
pub(crate) struct Crowded;

impl Cluster {
    /// Begins to refresh the map.
    pub fn new(seeds: Vec<Address>, setup: Setup) -> Self {
        let shared = Arc::new(Shared {
            setup,
            seeds,
            state: watch::Sender::new(State::default()),
            demand: Demand::default(),
        });
        let refreshes = tokio::spawn(refresh::keep_up(Arc::clone(&shared))).abort_handle();
        Self { shared, refreshes }
    }

    /// The nodes that serve slots, or none if there are many.
    pub fn few_nodes(&self) -> Vec<Arc<Node>> {
        let map = Arc::clone(&self.shared.state.borrow().map);
        if map.nodes().len() <= MAX_NODES_READ_INLINE { map.nodes().to_vec() } else { Vec::new() }
    }

    /// Which node serves which slot, as far as it is known now.
    pub fn map(&self) -> Arc<Map> {
        let (map, is_troubled) = {
            let state = self.shared.state.borrow();
            (Arc::clone(&state.map), state.trouble.is_some())
        };
        if is_troubled {
            // Calls may succeed without a refresh. Without one, the end of the trouble would never be reported.
            self.refresh();
        }
        map
    }

    /// A replica that is connected. If there is none, one may have been added since the last refresh.
    pub fn replica<'m>(&self, map: &'m Map, slot: u16) -> Option<&'m Arc<Node>> {
        let replica = map.replica(slot);
        let refreshed = || self.shared.state.borrow().refreshed;
        if replica.is_none()
            && refreshed().is_some_and(|time| time.elapsed() > REPLICA_SEARCH_INTERVAL)
        {
            self.refresh();
        }
        replica
    }

    /// Refreshes the map again and again, until the result is dropped.
    pub fn wait(&self) -> Waiting<'_> {
        self.shared.demand.wait()
    }

    /// Waits until another node than this one serves one of these slots. Meanwhile the map is refreshed again and
    /// again.
    pub async fn has_moved(&self, slots: &[u16], node: Option<&Arc<Node>>) {
        let _waiting = self.wait();
        let same = |now: Option<&Arc<Node>>| match (now, node) {
            (Some(now), Some(node)) => Arc::ptr_eq(now, node),
            (None, None) => true,
            _ => false,
        };
        let has_moved = |state: &State| slots.iter().any(|slot| !same(state.map.node(*slot)));
        let mut state = self.shared.state.subscribe();
        // It cannot fail: the sender lives as long as this.
        drop(state.wait_for(has_moved).await);
    }

    /// Waits until the map changes. Meanwhile it is refreshed again and again.
    pub async fn has_changed_from(&self, map: &Arc<Map>) {
        let _waiting = self.wait();
        let mut state = self.shared.state.subscribe();
        // It cannot fail: the sender lives as long as this.
        drop(state.wait_for(|state| !Arc::ptr_eq(&state.map, map)).await);
    }

    /// Waits until the cluster refuses us. Waiting longer does not change a refusal.
    pub async fn refusal(&self) -> Error {
        let mut state = self.shared.state.subscribe();
        // The error of an earlier refresh may be out of date.
        state.mark_unchanged();
        while state.changed().await.is_ok() {
            if let Some(refusal @ Error::Redis { .. }) = &state.borrow_and_update().trouble {
                return refusal.clone();
            }
        }
        Error::Internal
    }

    /// The error of calls whose slot no node serves.
    pub fn outage(&self) -> Error {
        self.shared.state.borrow().trouble.clone().unwrap_or_else(|| Error::Redis {
            code: "CLUSTERDOWN".into(),
            detail: "no node serves the slot of this session".into(),
        })
    }

    /// Refreshes the map soon.
    pub fn refresh(&self) {
        self.shared.demand.wake();
    }

    /// Follows a redirection by the node at `from`. Returns the node to refer the call to, or `None` if the call is
    /// routed by the map. A slot that has moved to a node of the map is corrected there. If the node is not in the
    /// map, the map is refreshed.
    ///
    /// # Errors
    ///
    /// [`Crowded`] if the call has to wait.
    pub fn follow(&self, to: &Redirect, from: &Address) -> Result<Option<Arc<Node>>, Crowded> {
        let address = to.address(from);
        let mut referred = Ok(None);
        self.shared.state.send_if_modified(|state| match state.map.find(&address) {
            Some(node) if to.once => {
                referred = Ok(Some(node));
                false
            }
            Some(node) => {
                let known = state.map.node(to.slot);
                let has_moved = !known.is_some_and(|known| Arc::ptr_eq(known, &node));
                if has_moved {
                    state.map = Arc::new(state.map.with(to.slot, node));
                }
                has_moved
            }
            None => {
                referred = state.referred_node(address, &self.shared.setup).map(Some);
                // The node serves no slot in the map, and no call waits for that.
                false
            }
        });
        if !to.once && !matches!(referred, Ok(None)) {
            self.refresh();
        }
        referred
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.refreshes.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::redis::connection::settings::{Deployment, Login, Settings};

    fn setup() -> Setup {
        let settings = Settings {
            deployment: Deployment::Cluster(vec![]),
            login: Login::default(),
            database: 0,
            reads_replicas: false,
            nat_map: None,
            connect_timeout: Duration::from_secs(1),
            command_timeout: Duration::from_secs(1),
        };
        Setup { settings, observer: Arc::new(|_: &_| {}), culprits: Arc::default() }
    }

    #[tokio::test]
    async fn of_many_guests_those_stay_that_are_in_use_or_were_used_last() {
        let (setup, mut state) = (setup(), State::default());
        let mut referred_node = |port| {
            let address = Address::Tcp { host: "127.0.0.1".into(), port, family: 4 };
            let referred_node = state.referred_node(address, &setup).ok();
            (referred_node, state.referred_nodes.len())
        };
        let (first, _) = referred_node(1);
        let second = Arc::downgrade(&referred_node(2).0.unwrap());
        for port in 3..1000 {
            assert!(referred_node(port).1 <= MAX_REFERRED_NODES);
            let (again, _) = referred_node(2);
            assert!(Arc::ptr_eq(&again.unwrap(), &second.upgrade().unwrap()), "it was used last");
        }
        assert!(Arc::ptr_eq(&referred_node(1).0.unwrap(), &first.unwrap()), "it is in use");

        let used: Vec<_> = (2000..2100).filter_map(|port| referred_node(port).0).collect();
        assert_eq!(used.len(), MAX_REFERRED_NODES, "the others have to wait");
        let number = used.len();
        drop(used);
        assert_eq!((referred_node(3000).0.is_some(), referred_node(3001).1), (true, number));
    }
}
