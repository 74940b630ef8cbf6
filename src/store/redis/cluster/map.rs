//! Which node serves which slot.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::super::node::Node;
use super::super::settings::Address;
use super::super::wire::Reply;
use crate::keys::SLOTS;

/// Which node serves which slot.
pub(super) struct Map {
    /// By slot, the node's number and one; 0 where none serves it.
    slots: Vec<u16>,
    nodes: Vec<Arc<Node>>,
}

/// Slots, and the address of the primary that serves them.
pub(super) type Range = (RangeInclusive<u16>, Address);

impl Default for Map {
    fn default() -> Self {
        Self { slots: vec![0; usize::from(SLOTS)], nodes: Vec::new() }
    }
}

impl Map {
    /// Makes a map of what a node has told; `open` gives the node at an address.
    pub fn new(ranges: Vec<Range>, mut open: impl FnMut(Address) -> Arc<Node>) -> Self {
        let mut map = Self::default();
        for (slots, address) in ranges {
            let node = map.find(&address).unwrap_or_else(|| open(address));
            let number = map.number(node);
            let slots = usize::from(*slots.start())..=usize::from(*slots.end());
            map.slots[slots].fill(number);
        }
        map
    }

    /// The node that serves a slot.
    pub fn node(&self, slot: u16) -> Option<&Arc<Node>> {
        let number = usize::from(self.slots[usize::from(slot)]);
        self.nodes.get(number.checked_sub(1)?)
    }

    pub fn nodes(&self) -> &[Arc<Node>] {
        &self.nodes
    }

    pub fn addresses(&self) -> Vec<Address> {
        self.nodes.iter().filter_map(|node| node.link.address().cloned()).collect()
    }

    /// The node at an address.
    pub fn find(&self, address: &Address) -> Option<Arc<Node>> {
        self.nodes.iter().find(|node| node.link.leads_to(address)).cloned()
    }

    /// The same map, but for one slot.
    pub fn with(&self, slot: u16, node: Arc<Node>) -> Self {
        let mut map = Self { slots: self.slots.clone(), nodes: self.nodes.clone() };
        let number = map.number(node);
        map.slots[usize::from(slot)] = number;
        map
    }

    /// Whether the same nodes serve the same slots.
    pub fn is_like(&self, other: &Self) -> bool {
        let of_slot = |slot| match (self.node(slot), other.node(slot)) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        self.nodes.len() == other.nodes.len() && (0..SLOTS).all(of_slot)
    }

    /// The number of a node, which is added if it is new.
    fn number(&mut self, node: Arc<Node>) -> u16 {
        let place = self.nodes.iter().position(|known| Arc::ptr_eq(known, &node));
        let place = place.unwrap_or_else(|| {
            self.nodes.push(node);
            self.nodes.len() - 1
        });
        // There are fewer nodes than slots.
        u16::try_from(place + 1).unwrap_or(0)
    }
}

/// Reads a reply to `CLUSTER SLOTS` (<https://redis.io/docs/latest/commands/cluster-slots/>) of the
/// node at `from`; nothing if it is not one.
pub(super) fn read_slots(reply: &Reply<'_>, from: &Address) -> Option<Vec<Range>> {
    let Reply::Array(ranges) = reply else { return None };
    ranges.iter().map(|range| read_range(range, from)).collect()
}

fn read_range(range: &Reply<'_>, from: &Address) -> Option<Range> {
    let Reply::Array(range) = range else { return None };
    // The primary comes first, then its replicas.
    let [Reply::Int(first), Reply::Int(last), Reply::Array(primary), ..] = range.as_slice() else {
        return None;
    };
    let slot = |number: i64| u16::try_from(number).ok().filter(|slot| *slot < SLOTS);
    let (first, last) = (slot(*first)?, slot(*last)?);
    let [host, Reply::Int(port), ..] = primary.as_slice() else { return None };
    let host = match host {
        // A node that does not know its own address is where it was asked.
        Reply::Nil | Reply::Bytes(b"" | b"?") => "",
        Reply::Bytes(host) => std::str::from_utf8(host).ok()?,
        _ => return None,
    };
    let address = from.of_node(host, u16::try_from(*port).ok()?);
    (first <= last).then_some((first..=last, address))
}

#[cfg(test)]
mod tests {
    use super::super::super::wire::parse;
    use super::*;

    fn at(host: &str, port: u16) -> Address {
        Address::Tcp { host: host.into(), port, family: 4 }
    }

    fn read(text: &str) -> Option<Vec<Range>> {
        let reply = text.replace(' ', "\r\n") + "\r\n";
        read_slots(&parse(&mut reply.as_bytes()).ok()?, &at("10.0.0.1", 7000))
    }

    #[test]
    fn the_primaries_of_slots_are_read() {
        let node = "*4 $8 10.0.0.2 :7001 $2 id *0";
        let replica = "*4 $8 10.0.0.3 :7002 $2 id *2 $8 hostname $4 name";
        let rows = [
            ("no slots", "*0".to_owned(), Some(vec![])),
            (
                "a primary and its replica",
                format!("*1 *4 :0 :5460 {node} {replica}"),
                Some(vec![(0..=5460, at("10.0.0.2", 7001))]),
            ),
            (
                "a node that does not know its address",
                "*1 *3 :9 :9 *3 $-1 :7001 $2 id".to_owned(),
                Some(vec![(9..=9, at("10.0.0.1", 7001))]),
            ),
            ("a slot that there is not", format!("*1 *3 :0 :16384 {node}"), None),
            ("slots the wrong way round", format!("*1 *3 :2 :1 {node}"), None),
            ("a range without a node", "*1 *2 :0 :1".to_owned(), None),
            ("something else", "+OK".to_owned(), None),
        ];
        for (label, text, expected) in rows {
            assert_eq!(read(&text), expected, "{label}");
        }
    }
}
