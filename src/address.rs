//! Where a session lies: its owner's hash, its route and its id. `keys.rs` encodes the keys, and `token.rs` reads the place
//! from a token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// How many bytes at the beginning of a token identify its owner.
pub(crate) const OWNER_BYTES: usize = 16;

/// How many of these are its route.
const ROUTE_BYTES: usize = 4;

/// The identity of an owner in an app, in tokens and keys: the first 16 bytes of SHA-256(len(app) ‖ app ‖ owner). No
/// two owners share one: a collision takes 2^64 hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OwnerHash([u8; OWNER_BYTES]);

impl OwnerHash {
    /// Hashes the name of an owner.
    ///
    /// The length, eight bytes big-endian, distinguishes ("a", "bc") from ("ab", "c").
    #[must_use]
    pub fn of(app: &[u8], owner: &[u8]) -> Self {
        let digest = Sha256::new()
            .chain_update((app.len() as u64).to_be_bytes())
            .chain_update(app)
            .chain_update(owner)
            .finalize();
        let mut hash = [0; OWNER_BYTES];
        hash.copy_from_slice(&digest[..OWNER_BYTES]);
        Self(hash)
    }

    /// Takes the bytes with which a token begins.
    #[must_use]
    pub(crate) fn from_bytes(bytes: [u8; OWNER_BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes with which the owner's tokens begin.
    #[must_use]
    pub(crate) fn as_bytes(&self) -> &[u8; OWNER_BYTES] {
        &self.0
    }

    /// The route of the owner's keys: the first four bytes.
    #[must_use]
    pub fn route(&self) -> Route {
        let [a, b, c, d, ..] = self.0;
        Route([a, b, c, d])
    }

    /// The hash as the first line of a record holds it: the route, then the name of the index.
    #[must_use]
    pub fn to_text(&self) -> String {
        let (route, index) = (self.route().to_hex(), self.index_name());
        [&route[..], &index[..]].concat().into_iter().map(char::from).collect()
    }

    /// Reads what [`Self::to_text`] writes. `None` if it is another text.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let (route, index) = text.split_at_checked(2 * ROUTE_BYTES)?;
        let mut hash = [0; OWNER_BYTES];
        hash[..ROUTE_BYTES].copy_from_slice(&u32::from_str_radix(route, 16).ok()?.to_be_bytes());
        let rest = URL_SAFE_NO_PAD.decode(index).ok()?;
        hash[ROUTE_BYTES..].copy_from_slice(rest.first_chunk::<{ OWNER_BYTES - ROUTE_BYTES }>()?);
        Some(Self(hash)).filter(|hash| hash.to_text() == text)
    }

    /// The name of the owner's index: the other twelve bytes, in base64url.
    #[must_use]
    pub fn index_name(&self) -> [u8; 16] {
        let mut name = [0; 16];
        let written = URL_SAFE_NO_PAD.encode_slice(&self.0[4..], &mut name);
        debug_assert_eq!(written, Ok(16), "12 bytes are 16 characters");
        name
    }
}

/// The route of an owner's sessions. All keys of an owner in an app share one route, so they share one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Route([u8; 4]);

impl Route {
    /// The route as keys encode it: eight hex digits.
    #[must_use]
    pub fn to_hex(self) -> [u8; 8] {
        let mut text = [0; 8];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            pair[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
            pair[1] = b"0123456789abcdef"[usize::from(byte & 15)];
        }
        text
    }
}

/// The public id of a session that lies on another route than its owner: its id and its route, 28 characters of
/// base64url.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The session's id.
    pub id: SessionId,
    /// The first four bytes of its token.
    pub route: Route,
}

impl Address {
    /// How many characters its text has.
    pub(crate) const CHARS: usize = 28;

    /// Reads an address. `None` if the text is not 28 characters of base64url.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let (id, route) = text.split_at_checked(22)?;
        let route = URL_SAFE_NO_PAD.decode(route).ok()?.try_into().ok().map(Route)?;
        Some(Self { id: SessionId::from_text(id)?, route })
    }

    /// The address as text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = self.id.as_str().to_owned();
        URL_SAFE_NO_PAD.encode_string(self.route.0, &mut text);
        text
    }

    /// The owner hash of its route. The other bytes are zero, because they are unknown.
    #[must_use]
    pub fn route_only_hash(&self) -> OwnerHash {
        let mut hash = [0; OWNER_BYTES];
        hash[..ROUTE_BYTES].copy_from_slice(&self.route.0);
        OwnerHash(hash)
    }
}

/// A session's id, which stores may know: 22 characters of base64url. The token cannot be derived from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId([u8; 22]);

impl SessionId {
    /// The id of the session that a token opens: the first 16 bytes of SHA-256 of the token's text.
    #[must_use]
    pub(crate) fn of_token(text: &[u8]) -> Self {
        let digest = Sha256::digest(text);
        let mut id = [0; 22];
        let written = URL_SAFE_NO_PAD.encode_slice(&digest[..16], &mut id);
        debug_assert_eq!(written, Ok(22), "16 bytes are 22 characters");
        Self(id)
    }

    /// Reads an id. `None` if the text is not 22 characters of base64url.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let id = text.as_bytes().try_into().ok().map(Self)?;
        text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_').then_some(id)
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// How the record of a session begins the id of its token, if the token was not made for its owner.
    #[must_use]
    pub fn mark(&self) -> &str {
        &self.as_str()[..6]
    }

    /// The id as keys and the owner's index encode it.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 22] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_hash_keeps_app_and_owner_apart() {
        assert_ne!(OwnerHash::of(b"a", b"bc"), OwnerHash::of(b"ab", b"c"));
        // SHA-256 of 0000000000000001 61 62, computed with another tool.
        let owner = OwnerHash::of(b"a", b"b");
        assert_eq!(&owner.route().to_hex(), b"bfd8d48c");
        assert_eq!(&owner.index_name(), b"WrAoqcVUzMnWXtb8");
    }

    proptest! {
        #[test]
        fn an_address_and_a_hash_are_read_back_from_their_texts(text in ".{4,40}", bytes: [u8; 16]) {
            let hash = OwnerHash(bytes);
            prop_assert_eq!(OwnerHash::from_text(&hash.to_text()), Some(hash));
            let id = SessionId::of_token(text.as_bytes());
            let address = Address { id, route: hash.route() };
            prop_assert_eq!(address.to_text().len(), Address::CHARS);
            prop_assert_eq!(Address::from_text(&address.to_text()), Some(address));
            prop_assert_eq!(address.route_only_hash().route(), hash.route());
        }

        #[test]
        fn no_two_texts_are_one_address_or_one_hash(text in "[0-9a-fA-F+_=é-]{16,30}") {
            if let Some(address) = Address::from_text(&text) {
                prop_assert_eq!(address.to_text(), text.clone());
            }
            if let Some(hash) = OwnerHash::from_text(&text) {
                prop_assert_eq!(hash.to_text(), text);
            }
        }
    }

    #[test]
    fn a_text_that_is_no_address_or_no_hash_is_refused() {
        let address = "-_AZaz09AZaz09AZaz09AZ_-8AAA";
        assert!(Address::from_text(address).is_some());
        let others = [
            "",
            &address[..22],
            &address[..27],
            "-_AZaz09AZaz09AZaz09AZ_-8AAAA",
            "-_AZaz09AZaz09AZaz09AZ_-8AAB", // 4 bytes leave four bits, which must be zero
            "-_AZaz09AZaz09AZaz09AZ+/8AAA",
            "-_AZaz09AZaz09AZaz09A\"_-8AAA",
            "-_AZaz09AZaz09AZaz09A\u{e9}-8AAA",
        ];
        for text in others {
            assert_eq!(Address::from_text(text), None, "{text:?}");
        }
        let hash = "00ff10a0AZaz09-_AZaz09-_";
        assert!(OwnerHash::from_text(hash).is_some());
        let others = [
            "",
            "00ff10a0",
            "00FF10a0AZaz09-_AZaz09-_",
            "+0ff10a0AZaz09-_AZaz09-_",
            "00ff10a0AZaz09-_AZaz09-",
            "00ff10a0AZaz09-_AZaz09-_AAAA",
            "00ff10a0AZaz09+/AZaz09-_",
            "00ff10\u{e9}AZaz09-_AZaz09-_",
        ];
        for text in others {
            assert_eq!(OwnerHash::from_text(text), None, "{text:?}");
        }
    }
}
