//! Which node serves which slot.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::keys::SLOTS;
use crate::protocol::Reply;
use crate::store::redis::connection::settings::{Address, is_host};
use crate::store::redis::node::{Node, Setup};

/// The most primaries that a map has, and the most replicas. Others are ignored. Redis Cluster is designed for 1000
/// nodes (<https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/>), and each node costs a
/// connection.
const MAX_NODES: usize = 2000;

/// Which node serves which slot.
pub(crate) struct Map {
    /// For each slot, the number of its node, counted from 1; 0 if no node serves it.
    slots: Vec<u16>,
    nodes: Vec<Arc<Node>>,
    /// For each node, at its number minus one, the replicas that may be read from.
    replicas: Vec<Vec<Arc<Node>>>,
}

/// A range of slots, and the nodes that serve it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub slots: RangeInclusive<u16>,
    pub primary: Address,
    pub replicas: Vec<Address>,
}

impl Default for Map {
    fn default() -> Self {
        Self { slots: vec![0; usize::from(SLOTS)], nodes: Vec::new(), replicas: Vec::new() }
    }
}

impl Map {
    /// Makes a map from what a node has reported. Nodes of this map, and referred nodes, are reused.
    pub fn updated(&self, ranges: Vec<Range>, referred_nodes: &[Arc<Node>], setup: &Setup) -> Self {
        let mut map = Self::default();
        let known = by_address(referred_nodes.iter().chain(&self.nodes));
        let known_replicas = by_address(self.replicas.iter().flatten());
        let mut numbers = HashMap::new();
        let mut opened = HashMap::new();
        for Range { slots, primary, replicas } in ranges {
            let number = if let Some(number) = numbers.get(&primary) {
                *number
            } else if map.nodes.len() < MAX_NODES {
                let node = known.get(&primary).map(|node| Arc::clone(node));
                let node = node.unwrap_or_else(|| Node::at(primary.clone(), setup));
                let number = map.number(node);
                numbers.insert(primary, number);
                number
            } else {
                continue;
            };
            let slots = usize::from(*slots.start())..=usize::from(*slots.end());
            map.slots[slots].fill(number);
            if setup.settings.reads_replicas {
                let mut open = |address: Address| {
                    if !opened.contains_key(&address) && opened.len() < MAX_NODES {
                        let node = known_replicas.get(&address).map(|node| Arc::clone(node));
                        let node = node.unwrap_or_else(|| Node::replica_at(address.clone(), setup));
                        opened.insert(address.clone(), node);
                    }
                    opened.get(&address).cloned()
                };
                let replicas = replicas.into_iter().filter_map(&mut open).collect();
                map.replicas[usize::from(number) - 1] = replicas;
            }
        }
        map
    }

    /// A replica of the node that serves a slot, if one is connected. The slots of a node are spread over its
    /// replicas.
    pub fn replica(&self, slot: u16) -> Option<&Arc<Node>> {
        let number = usize::from(self.slots[usize::from(slot)]);
        let replicas = self.replicas.get(number.checked_sub(1)?)?;
        let start = usize::from(slot) % replicas.len().max(1);
        let mut in_turn = replicas[start..].iter().chain(&replicas[..start]);
        in_turn.find(|node| node.link.now_or_soon().is_some())
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

    /// The same map, with another node for one slot.
    pub fn with(&self, slot: u16, node: Arc<Node>) -> Self {
        let Self { slots, nodes, replicas } = self;
        let mut map =
            Self { slots: slots.clone(), nodes: nodes.clone(), replicas: replicas.clone() };
        let number = map.number(node);
        map.slots[usize::from(slot)] = number;
        map
    }

    /// Whether the same nodes serve the same slots and have the same replicas, in any order.
    pub fn is_same_as(&self, other: &Self) -> bool {
        let of_slot = |slot| match (self.node(slot), other.node(slot)) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        let same = |a: &Vec<Arc<Node>>, b: &Vec<Arc<Node>>| {
            a.len() == b.len() && a.iter().all(|a| b.iter().any(|b| Arc::ptr_eq(a, b)))
        };
        let has = |(node, replicas)| {
            let mut others = other.nodes.iter().zip(&other.replicas);
            others.any(|(n, r)| Arc::ptr_eq(n, node) && same(r, replicas))
        };
        self.nodes.len() == other.nodes.len()
            && self.nodes.iter().zip(&self.replicas).all(has)
            && (0..SLOTS).all(of_slot)
    }

    /// The number of a node, counted from 1. A new node is added.
    fn number(&mut self, node: Arc<Node>) -> u16 {
        let place = self.nodes.iter().position(|known| Arc::ptr_eq(known, &node));
        let place = place.unwrap_or_else(|| {
            self.nodes.push(node);
            self.replicas.push(Vec::new());
            self.nodes.len() - 1
        });
        // There are fewer nodes than slots.
        u16::try_from(place + 1).unwrap_or(0)
    }
}

fn by_address<'n>(
    nodes: impl Iterator<Item = &'n Arc<Node>>,
) -> HashMap<&'n Address, &'n Arc<Node>> {
    nodes.filter_map(|node| Some((node.link.address()?, node))).collect()
}

/// Reads the reply to `CLUSTER SLOTS` (<https://redis.io/docs/latest/commands/cluster-slots/>) of the node at `from`.
/// `None` if it is no such reply. A range that cannot be read, for example because its node has no usable address,
/// does not hide the others.
pub(crate) fn read_slots(reply: &Reply<'_>, from: &Address) -> Option<Vec<Range>> {
    let Reply::Array(told) = reply else { return None };
    let ranges: Vec<_> = told.iter().filter_map(|range| read_range(range, from)).collect();
    (told.is_empty() || !ranges.is_empty()).then_some(ranges)
}

fn read_range(range: &Reply<'_>, from: &Address) -> Option<Range> {
    let Reply::Array(range) = range else { return None };
    // The primary comes first, then its replicas.
    let [Reply::Int(first), Reply::Int(last), primary, replicas @ ..] = range.as_slice() else {
        return None;
    };
    let slot = |number: i64| u16::try_from(number).ok().filter(|slot| *slot < SLOTS);
    let (first, last) = (slot(*first)?, slot(*last)?);
    let primary = read_node(primary, from)?;
    let replicas = replicas.iter().filter_map(|replica| read_node(replica, from)).collect();
    (first <= last).then_some(Range { slots: first..=last, primary, replicas })
}

fn read_node(node: &Reply<'_>, from: &Address) -> Option<Address> {
    let Reply::Array(node) = node else { return None };
    let [host, Reply::Int(port), rest @ ..] = node.as_slice() else { return None };
    let host = match host {
        // The node should have a host name and has none. Its IP address is used.
        Reply::Bytes(b"?") => read_ip(rest)?,
        host => host,
    };
    let host = match host {
        // The node does not know its own address. It is the one that was asked.
        Reply::Nil => "",
        Reply::Bytes(host) => std::str::from_utf8(host).ok()?,
        _ => return None,
    };
    let port = u16::try_from(*port).ok().filter(|port| *port > 0)?;
    is_host(host).then(|| from.of_node(host, port))
}

/// The IP address among the properties of a node that follow its port: its id, and then, from Redis 7 on, names and
/// values.
fn read_ip<'a, 'b>(rest: &'a [Reply<'b>]) -> Option<&'a Reply<'b>> {
    let [_, Reply::Array(about), ..] = rest else { return None };
    let ip = about.chunks_exact(2).find(|pair| pair[0] == Reply::Bytes(b"ip"))?;
    Some(&ip[1])
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::protocol::parse;
    use crate::store::redis::connection::settings::{Deployment, Login, Settings};
    use proptest::prelude::*;

    fn at(host: &str, port: u16) -> Address {
        Address::Tcp { host: host.into(), port, family: 4 }
    }

    fn range(slots: RangeInclusive<u16>, replicas: Vec<Address>) -> Range {
        Range { slots, primary: at("10.0.0.2", 7001), replicas }
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
                Some(vec![range(0..=5460, vec![at("10.0.0.3", 7002)])]),
            ),
            (
                "a node that does not know its address",
                "*1 *3 :9 :9 *3 $-1 :7001 $2 id".to_owned(),
                Some(vec![Range { primary: at("10.0.0.1", 7001), ..range(9..=9, vec![]) }]),
            ),
            (
                "a node without the name that it should have",
                "*1 *4 :9 :9 *4 $1 ? :7001 $2 id *2 $2 ip $8 10.0.0.2 *4 $1 ? :7002 $2 id *0"
                    .to_owned(),
                Some(vec![range(9..=9, vec![])]),
            ),
            (
                "a node that knows neither its name nor its address",
                "*1 *3 :9 :9 *4 $1 ? :7001 $2 id *2 $2 ip $0  ".to_owned(),
                Some(vec![Range { primary: at("10.0.0.1", 7001), ..range(9..=9, vec![]) }]),
            ),
            ("nothing that can be read", format!("*2 *3 :0 :16384 {node} *3 :2 :1 {node}"), None),
            ("something else", "+OK".to_owned(), None),
        ];
        for (label, text, expected) in rows {
            assert_eq!(read(&text), expected, "{label}");
        }
    }

    /// Ranges that cannot be read.
    const UNREADABLE: [&str; 14] = [
        "*3 :0 :16384 *3 $1 h :1 $2 id",
        "*3 :-1 :5 *3 $1 h :1 $2 id",
        "*3 :2 :1 *3 $1 h :1 $2 id",
        "*3 :0 $1 1 *3 $1 h :1 $2 id",
        "*2 :0 :1",
        "*0",
        "*-1",
        "$5 range",
        ":7",
        "*3 :0 :1 $4 node",
        "*3 :0 :1 *3 $1 h :-1 $2 id",
        "*3 :0 :1 *3 $1 h :0 $2 id",
        "*3 :0 :1 *3 $1 h :65536 $2 id",
        "*3 :0 :1 *4 $1 ? :7001 $2 id *0",
    ];

    proptest! {
        #[test]
        fn a_range_that_cannot_be_read_hides_no_other(
            bad in prop::collection::vec((any::<prop::sample::Index>(), 0..UNREADABLE.len()), 0..20),
            good in 1..9_u16,
        ) {
            let mut told: Vec<_> =
                (0..good).map(|n| format!("*3 :{n} :{n} *3 $8 10.0.0.2 :7001 $2 id")).collect();
            for (place, row) in bad {
                told.insert(place.index(told.len() + 1), UNREADABLE[row].to_owned());
            }
            let text = format!("*{} {}", told.len(), told.join(" "));
            let expected = (0..good).map(|n| range(n..=n, vec![])).collect();
            prop_assert_eq!(read(&text), Some(expected));
        }
    }

    fn setup() -> Setup {
        let settings = Settings {
            deployment: Deployment::Cluster(vec![]),
            login: Login::default(),
            database: 0,
            reads_replicas: true,
            nat_map: None,
            connect_timeout: Duration::from_secs(1),
            command_timeout: Duration::from_secs(1),
        };
        Setup { settings, observer: Arc::new(|_: &_| {}), culprits: Arc::default() }
    }

    #[tokio::test]
    async fn a_map_has_no_more_nodes_than_a_cluster_can_have() {
        let setup = setup();
        let at = |port| at("127.0.0.1", port);
        let ranges = (1..=SLOTS).map(|n| Range {
            slots: n - 1..=n - 1,
            primary: at(n),
            replicas: (0..5).map(|k| at(n.wrapping_mul(5).wrapping_add(k) | 1)).collect(),
        });
        let map = Map::default().updated(ranges.collect(), &[], &setup);
        assert_eq!(map.nodes.len(), MAX_NODES);
        let mut replicas: Vec<_> = map.replicas.iter().flatten().map(Arc::as_ptr).collect();
        replicas.sort();
        replicas.dedup();
        assert_eq!(replicas.len(), MAX_NODES);
        assert!(map.node(0).is_some() && map.node(SLOTS - 1).is_none());
    }

    #[tokio::test]
    async fn a_map_is_like_another_in_whatever_order_replicas_and_nodes_are_listed() {
        let setup = setup();
        let half = |first, primary, replicas: [u16; 2]| Range {
            slots: first..=first + 8191,
            primary: at("127.0.0.1", primary),
            replicas: replicas.map(|port| at("127.0.0.1", port)).to_vec(),
        };
        let (low, high) = (|replicas| half(0, 1, replicas), |replicas| half(8192, 2, replicas));
        let map = Map::default().updated(vec![low([3, 4]), high([5, 6])], &[], &setup);
        let rows = [
            ("the same", vec![low([3, 4]), high([5, 6])], true),
            ("other orders", vec![high([6, 5]), low([4, 3])], true),
            ("a replica that has changed its primary", vec![low([3, 5]), high([4, 6])], false),
            (
                "primaries that have changed places",
                vec![half(0, 2, [5, 6]), half(8192, 1, [3, 4])],
                false,
            ),
            ("a primary less", vec![low([3, 4])], false),
        ];
        for (label, ranges, expected) in rows {
            assert_eq!(map.updated(ranges, &[], &setup).is_same_as(&map), expected, "{label}");
        }
    }
}
