//! Which servers hold the sessions, and which of them serves a slot. It finds the nodes and keeps the map of a
//! cluster up to date, but sends no calls. `dispatch/` asks it where to send.

pub(crate) mod cluster;

use std::sync::Arc;

use self::cluster::Cluster;
use crate::store::redis::connection::pipe::Pipe;
use crate::store::redis::connection::settings::Deployment;
use crate::store::redis::link::endpoint::Endpoint;
use crate::store::redis::link::sentinel::Sentinel;
use crate::store::redis::node::{Node, Setup};

/// The servers that hold the sessions.
pub(crate) enum Topology {
    /// One server. Behind Sentinel, another one replaces it after a failover.
    One(Arc<Node>),
    /// One server and one of its replicas.
    Replicated { primary: Arc<Node>, replica: Arc<Node> },
    /// The nodes of a cluster.
    Cluster(Cluster),
}

impl Topology {
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
        let node = |end: fn(Sentinel) -> Endpoint| {
            Node::new(end(Sentinel::new(sentinels, &setup.settings)), &setup)
        };
        let primary = node(Endpoint::Primary);
        if setup.settings.reads_replicas {
            Self::Replicated { primary, replica: node(Endpoint::Replica) }
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

    /// The open connections, or none if the cluster has many nodes.
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
}
