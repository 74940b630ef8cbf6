//! Which servers hold the sessions, and which of them a call goes to.

use std::sync::Arc;

use super::cluster::Cluster;
use super::command::{Again, Task};
use super::end::End;
use super::node::{Node, Setup};
use super::pipe::Pipe;
use super::sentinel::Sentinel;
use super::settings::Deployment;

/// The servers that hold the sessions.
pub(super) enum Servers {
    /// One, which may be another one after a failover.
    One(Arc<Node>),
    /// One, and a replica of it.
    Replicated { primary: Arc<Node>, replica: Arc<Node> },
    /// The nodes of a cluster.
    Cluster(Cluster),
}

/// Calls, and the node to send them to; none where none is known.
pub(super) type Part<'c> = (Option<Arc<Node>>, Vec<Task<'c>>);

impl Servers {
    /// Begins to connect.
    pub fn new(setup: Setup) -> Self {
        let sentinels = match &setup.settings.deployment {
            Deployment::Server(address) => {
                return Self::One(Node::at(address.clone(), &setup));
            }
            Deployment::Cluster(seeds) => {
                return Self::Cluster(Cluster::new(seeds.clone(), setup));
            }
            Deployment::Sentinel(sentinels) => sentinels,
        };
        let node = |end: fn(Sentinel) -> End| {
            Node::new(end(Sentinel::new(sentinels, &setup.settings)), &setup)
        };
        let primary = node(End::Primary);
        if setup.settings.reads_replicas {
            Self::Replicated { primary, replica: node(End::Replica) }
        } else {
            Self::One(primary)
        }
    }

    pub fn cluster(&self) -> Option<&Cluster> {
        match self {
            Self::Cluster(cluster) => Some(cluster),
            _ => None,
        }
    }

    /// The open connections, if they are few.
    pub fn connections(&self) -> Vec<Pipe> {
        let pipe = |node: &Arc<Node>| node.link.now().map(|live| live.pipe);
        match self {
            Self::One(node) => pipe(node).into_iter().collect(),
            Self::Replicated { primary, replica } => {
                [primary, replica].into_iter().filter_map(pipe).collect()
            }
            Self::Cluster(cluster) => cluster.few_nodes().iter().filter_map(pipe).collect(),
        }
    }

    /// Divides calls by the node to send them to.
    pub fn split<'c>(&self, calls: Vec<Task<'c>>) -> Vec<Part<'c>> {
        let (primary, replica) = match self {
            Self::Cluster(cluster) => return cluster.split(calls),
            Self::One(node) => (node, None),
            Self::Replicated { primary, replica } => {
                let is_there = calls.iter().any(|call| call.from_replica)
                    && replica.link.now_or_soon().is_some();
                (primary, is_there.then_some(replica))
            }
        };
        let (mut from_replica, mut others, mut apart) = (Vec::new(), Vec::new(), Vec::new());
        for mut call in calls {
            call.from_replica &= replica.is_some() && call.is_innocent();
            let part = match call.from_replica {
                true => &mut from_replica,
                false if call.again == Again::Apart => &mut apart,
                false => &mut others,
            };
            part.push(call);
        }
        let part = |node: Option<&Arc<Node>>, calls: Vec<_>| {
            (!calls.is_empty()).then(|| (node.cloned(), calls))
        };
        let parts =
            [part(replica, from_replica), part(Some(primary), others), part(Some(primary), apart)];
        parts.into_iter().flatten().collect()
    }
}
