//! Redis key names. No other module encodes one.
//!
//! Head and tail have a fixed width. So two different (route, app, id) never share a name, whatever the name of the
//! app, and neither do the indexes of two owners. The part in braces is the hash tag: it puts all keys of an owner in
//! one slot. It is never empty, even for an app called "}".

use crc::{CRC_16_XMODEM, Crc};

use crate::address::{OwnerHash, Route, SessionId};

/// How many slots a Redis Cluster has.
pub const SLOTS: u16 = 16384;

static CRC: Crc<u16> = Crc::<u16>::new(&CRC_16_XMODEM);

/// The key of one session: `spots:{<route>:<app>}:s:<id>`, where `spots:` is the option `prefix`.
#[must_use]
pub fn session(prefix: &str, route: Route, app: &[u8], id: &SessionId) -> Vec<u8> {
    let mut key = session_prefix(prefix, route, app);
    key.extend_from_slice(id.as_bytes());
    key
}

/// The beginning of the keys of all sessions of a route in an app. The session's id follows it.
#[must_use]
pub fn session_prefix(prefix: &str, route: Route, app: &[u8]) -> Vec<u8> {
    encode(prefix, route, app, b"}:s:")
}

/// The key of an owner's index: `spots:{<route>:<app>}:o:<index name>`.
#[must_use]
pub fn index(prefix: &str, owner: &OwnerHash, app: &[u8]) -> Vec<u8> {
    let mut key = encode(prefix, owner.route(), app, b"}:o:");
    key.extend_from_slice(&owner.index_name());
    key
}

/// The key of an owner's pointers: `spots:{<route>:<app>}:p:<index name>`. They name the owner's sessions whose token
/// was not made for the owner, so that they lie on another route.
#[must_use]
pub fn pointers(prefix: &str, owner: &OwnerHash, app: &[u8]) -> Vec<u8> {
    let mut key = encode(prefix, owner.route(), app, b"}:p:");
    key.extend_from_slice(&owner.index_name());
    key
}

/// The slot of a Redis Cluster for all keys of a route in an app: CRC-16 of the hash tag
/// (<https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/>, "Hash tags").
#[must_use]
pub fn slot(route: Route, app: &[u8]) -> u16 {
    let app = &app[..memchr::memchr(b'}', app).unwrap_or(app.len())];
    let mut digest = CRC.digest();
    digest.update(&route.to_hex());
    digest.update(b":");
    digest.update(app);
    digest.finalize() % SLOTS
}

fn encode(prefix: &str, route: Route, app: &[u8], tail: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(prefix.len() + b"{01234567:}:s:".len() + 22 + app.len());
    key.extend_from_slice(prefix.as_bytes());
    key.push(b'{');
    key.extend_from_slice(&route.to_hex());
    key.push(b':');
    key.extend_from_slice(app);
    key.extend_from_slice(tail);
    key
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::token::Token;
    use proptest::prelude::*;

    const P: &str = "spots:";

    fn id(token: &[u8]) -> SessionId {
        Token::new(Cow::Borrowed(token)).id()
    }

    /// Short names made of the characters that keys themselves use. These are the most likely to collide.
    fn name() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop::sample::select(b"}{:so-_a0".to_vec()), 1..6)
    }

    /// The text that Redis Cluster hashes: from the first "{" to the next "}".
    fn hash_tag(key: &[u8]) -> &[u8] {
        let open = key.iter().position(|&b| b == b'{').unwrap();
        let length = key[open + 1..].iter().position(|&b| b == b'}').unwrap();
        &key[open + 1..open + 1 + length]
    }

    proptest! {
        #[test]
        fn different_sessions_and_indexes_have_different_keys(
            apps in (name(), name()), owners in (name(), name()), tokens in (name(), name())
        ) {
            let hashes = (OwnerHash::of(&apps.0, &owners.0), OwnerHash::of(&apps.1, &owners.1));
            let routes = (hashes.0.route(), hashes.1.route());
            let place = (routes.0, &apps.0) == (routes.1, &apps.1);
            prop_assert_eq!(
                session(P, routes.0, &apps.0, &id(&tokens.0))
                    == session(P, routes.1, &apps.1, &id(&tokens.1)),
                place && tokens.0 == tokens.1
            );
            prop_assert_eq!(
                index(P, &hashes.0, &apps.0) == index(P, &hashes.1, &apps.1),
                (&apps.0, &owners.0) == (&apps.1, &owners.1)
            );
            prop_assert_ne!(index(P, &hashes.0, &apps.0), session(P, routes.1, &apps.1, &id(&tokens.1)));
            prop_assert_ne!(index(P, &hashes.0, &apps.0), pointers(P, &hashes.1, &apps.1));
            prop_assert_ne!(pointers(P, &hashes.0, &apps.0), session(P, routes.1, &apps.1, &id(&tokens.1)));
            prop_assert_eq!(
                pointers(P, &hashes.0, &apps.0) == pointers(P, &hashes.1, &apps.1),
                (&apps.0, &owners.0) == (&apps.1, &owners.1)
            );
        }

        #[test]
        fn the_slot_is_that_of_the_hash_tag(app in name(), owner in name()) {
            let owner = OwnerHash::of(&app, &owner);
            let tag = index(P, &owner, &app);
            prop_assert_eq!(slot(owner.route(), &app), CRC.checksum(hash_tag(&tag)) % SLOTS);
        }

        #[test]
        fn keys_of_an_owner_share_a_hash_tag_that_is_not_empty(app in name(), owner in name()) {
            let owner = OwnerHash::of(&app, &owner);
            let (session, index) =
                (session(P, owner.route(), &app, &id(b"t")), index(P, &owner, &app));
            prop_assert_eq!(hash_tag(&session), hash_tag(&index));
            let pointers = pointers(P, &owner, &app);
            prop_assert_eq!(hash_tag(&pointers), hash_tag(&index));
            prop_assert!(!hash_tag(&index).is_empty());
        }
    }

    #[test]
    fn slots_are_those_of_the_specification() {
        // The example of the specification, and two slots that a server reported by CLUSTER KEYSLOT.
        assert_eq!(CRC.checksum(b"123456789"), 0x31C3);
        let route = OwnerHash::of(b"a", b"b").route();
        assert_eq!(slot(route, b"app"), 7);
        assert_eq!(slot(route, b"a}b"), 7772);
    }

    #[test]
    fn keys_read_as_documented() {
        let owner = OwnerHash::of(b"a", b"b");
        let id = id(b"t");
        let text = std::str::from_utf8(id.as_bytes()).unwrap();
        assert_eq!(index(P, &owner, b"app"), b"spots:{bfd8d48c:app}:o:WrAoqcVUzMnWXtb8");
        assert_eq!(
            session(P, owner.route(), b"app", &id),
            format!("spots:{{bfd8d48c:app}}:s:{text}").as_bytes()
        );
    }
}
