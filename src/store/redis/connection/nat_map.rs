//! The option `natMap`: where nodes are reached that announce other addresses, for example behind Docker, Kubernetes or
//! a tunnel. Everything else knows a node by the address that it announces. Only what opens a connection asks here.

use std::collections::HashMap;
use std::sync::Arc;

use super::settings::Address;

/// Where nodes are reached that announce other addresses.
#[derive(Clone, Debug)]
pub struct NatMap(Arc<HashMap<String, (String, u16)>>);

impl NatMap {
    /// Keeps the host and the port where each node is reached, by what it announces: `host:port`, without brackets if
    /// the host is IPv6.
    pub fn new(table: impl IntoIterator<Item = (String, (String, u16))>) -> Self {
        Self(Arc::new(table.into_iter().collect()))
    }

    /// Where a node is reached that announces this address. It is the same address if the map does not name it.
    pub(crate) fn reach(&self, announced: &Address) -> Address {
        let Address::Tcp { host, port, family } = announced else { return announced.clone() };
        match self.0.get(&format!("{host}:{port}")) {
            Some((host, port)) => Address::Tcp { host: host.clone(), port: *port, family: *family },
            None => announced.clone(),
        }
    }
}
