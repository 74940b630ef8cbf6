//! The option `natMap`: where nodes are reached that announce other addresses, for example behind Docker, Kubernetes or
//! a tunnel. Everything else knows a node by the address that it announces. Only what opens a connection asks here.

use std::collections::HashMap;
use std::sync::Arc;

use super::settings::Address;
use crate::question::{Ask, Question, Unanswered};

/// The name of the option.
pub(crate) const OPTION: &str = "natMap";

/// Where nodes are reached that announce other addresses.
#[derive(Clone, Debug)]
pub struct NatMap(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Table(Arc<HashMap<String, (String, u16)>>),
    /// A function of the program, which is asked at each attempt to connect.
    Asked(Ask),
}

impl NatMap {
    /// Keeps the host and the port where each node is reached, by what it announces: `host:port`, without brackets if
    /// the host is IPv6.
    pub fn new(table: impl IntoIterator<Item = (String, (String, u16))>) -> Self {
        Self(Kind::Table(Arc::new(table.into_iter().collect())))
    }

    /// Asks a function of the program, which gets what a node announces, in the same form. It answers `host:port` in that
    /// form, or an empty text if the node is reached at the address that it announces.
    #[must_use]
    pub fn asked(ask: Ask) -> Self {
        Self(Kind::Asked(ask))
    }

    /// Where a node is reached that announces this address. It is the same address if the map does not name it.
    pub(crate) async fn reach(&self, announced: &Address) -> Result<Address, Unanswered> {
        let Address::Tcp { host, port, family } = announced else { return Ok(announced.clone()) };
        let key = format!("{host}:{port}");
        let reached = match &self.0 {
            Kind::Table(table) => table.get(&key).cloned(),
            Kind::Asked(ask) => {
                let question = Question { function: OPTION, argument: key };
                read_answer(&ask.ask(question).await?)
            }
        };
        Ok(match reached {
            Some((host, port)) => Address::Tcp { host, port, family: *family },
            None => announced.clone(),
        })
    }
}

fn read_answer(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    Some((host.to_owned(), port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(host: &str, port: u16) -> Address {
        Address::Tcp { host: host.into(), port, family: 4 }
    }

    #[tokio::test]
    async fn an_address_is_mapped_if_the_map_names_it() {
        let rows = [
            ("10.0.0.1:6379", at("10.0.0.1", 6379), at("localhost", 7001)),
            ("node-1:6379", at("node-1", 6379), at("localhost", 7001)),
            ("::1:6379", at("::1", 6379), at("localhost", 7001)),
            ("another port", at("10.0.0.1", 6380), at("10.0.0.1", 6380)),
            (
                "a socket",
                Address::Unix("10.0.0.1:6379".into()),
                Address::Unix("10.0.0.1:6379".into()),
            ),
        ];
        let names = ["10.0.0.1:6379", "node-1:6379", "::1:6379"];
        let table =
            NatMap::new(names.map(|name| (name.to_owned(), ("localhost".to_owned(), 7001))));
        let asked = NatMap::asked(Ask::new(move |Question { function, argument }| async move {
            assert_eq!(function, "natMap");
            let is_named = names.contains(&argument.as_str());
            Ok(if is_named { "localhost:7001".to_owned() } else { String::new() })
        }));
        for (label, announced, expected) in rows {
            for map in [&table, &asked] {
                assert_eq!(map.reach(&announced).await.as_ref(), Ok(&expected), "{label}");
            }
        }
    }

    #[tokio::test]
    async fn an_answer_may_be_an_address_of_ipv6() {
        let map = NatMap::asked(Ask::new(|_| async { Ok("2001:db8::1:7001".to_owned()) }));
        assert_eq!(map.reach(&at("h", 1)).await, Ok(at("2001:db8::1", 7001)));
    }

    #[tokio::test]
    async fn a_function_that_fails_says_nothing_about_the_address() {
        let map = NatMap::asked(Ask::new(|_| async { Err(Unanswered { number: 7 }) }));
        assert_eq!(map.reach(&at("h", 1)).await, Err(Unanswered { number: 7 }));
    }
}
