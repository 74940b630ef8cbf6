//! Tokens: how they are made, and what their text tells of where the session lies.
//!
//! A token begins with 16 bytes of a hash of its owner's name: `address.rs`.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD, URL_SAFE_NO_PAD};
use rand::TryRng as _;
use rand::rngs::{SysError, SysRng};

use crate::address::{Address, OWNER_BYTES, OwnerHash, SessionId};

/// The longest token that is looked up, in characters. The longest token that is made, 1024 bytes in hex, has half as
/// many.
const MAX_TOKEN_CHARS: usize = 4096;

/// How the bytes of a new token become text. Only lossless encodings are supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// RFC 4648 section 4, with padding.
    Base64,
    /// RFC 4648 section 5, without padding, as Node writes it.
    Base64Url,
    /// Two lower-case digits a byte.
    Hex,
    /// One character from U+0000 to U+00FF a byte.
    Latin1,
}

impl Encoding {
    /// Reads Node's name of the encoding.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "base64" => Some(Self::Base64),
            "base64url" => Some(Self::Base64Url),
            "hex" => Some(Self::Hex),
            "latin1" => Some(Self::Latin1),
            _ => None,
        }
    }

    fn encode(self, bytes: &[u8]) -> String {
        match self {
            Self::Base64 => STANDARD.encode(bytes),
            Self::Base64Url => URL_SAFE_NO_PAD.encode(bytes),
            Self::Hex => hex(bytes),
            Self::Latin1 => bytes.iter().map(|&byte| char::from(byte)).collect(),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
    bytes.iter().flat_map(|&byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// A token from a caller, or a new one. It gives access to a session, so it is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Token<'a>(Cow<'a, [u8]>);

impl fmt::Debug for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(redacted)")
    }
}

impl<'a> Token<'a> {
    /// Takes a caller's token, in (W)UTF-8.
    #[must_use]
    pub fn new(text: Cow<'a, [u8]>) -> Self {
        Self(text)
    }

    /// The text itself.
    pub(crate) fn text(&self) -> &[u8] {
        &self.0
    }

    /// The id of the session that it opens.
    #[must_use]
    pub fn id(&self) -> SessionId {
        SessionId::of_token(&self.0)
    }

    /// The public id of its session, if the session lies on another route than its owner.
    #[must_use]
    pub fn address(&self) -> Option<Address> {
        Some(Address { id: self.id(), route: self.owner()?.route() })
    }

    /// Reads the owner from the text alone: as canonical hex, else as canonical base64 or base64url, else as latin1.
    /// A text that is none of these, or has fewer than 16 bytes, is not a valid token.
    #[must_use]
    pub fn owner(&self) -> Option<OwnerHash> {
        let text = &*self.0;
        from_hex(text)
            .or_else(|| from_base64(text))
            .or_else(|| from_latin1(text))
            .map(OwnerHash::from_bytes)
    }
}

/// A new token that no session has yet, and its text. `owner` is what it begins with.
///
/// # Errors
///
/// If the operating system gives no random bytes.
pub fn mint(
    owner: OwnerHash,
    size: usize,
    encoding: Encoding,
) -> Result<(String, Token<'static>), SysError> {
    let mut bytes = vec![0; size];
    bytes[..OWNER_BYTES].copy_from_slice(owner.as_bytes());
    loop {
        SysRng.try_fill_bytes(&mut bytes[OWNER_BYTES..])?;
        let text = encoding.encode(&bytes);
        let token = Token(Cow::Owned(text.clone().into_bytes()));
        // A latin1 token may look like hex or base64, but hardly ever does.
        if token.owner() == Some(owner) {
            return Ok((text, token));
        }
    }
}

fn from_hex(text: &[u8]) -> Option<[u8; OWNER_BYTES]> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let is_long = text.len() >= 2 * OWNER_BYTES && text.len().is_multiple_of(2);
    if !is_long || !text.iter().all(|&d| value(d).is_some()) {
        return None;
    }
    let mut owner = [0; OWNER_BYTES];
    for (byte, pair) in owner.iter_mut().zip(text.chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(owner)
}

fn from_base64(text: &[u8]) -> Option<[u8; OWNER_BYTES]> {
    if text.len() > MAX_TOKEN_CHARS {
        return None;
    }
    base64_head(&STANDARD, *b"+/", text).or_else(|| base64_head(&URL_SAFE_NO_PAD, *b"-_", text))
}

/// The first 16 bytes of a text in canonical base64, with these two characters besides letters and digits. In
/// complete groups of four characters, all characters of the alphabet are canonical, so only the ends are decoded: a
/// `get` is 4% faster with 64 in flight (decision 1). The rest is checked up to its end, which allows several characters
/// to be checked at once.
fn base64_head(engine: &GeneralPurpose, marks: [u8; 2], text: &[u8]) -> Option<[u8; OWNER_BYTES]> {
    /// Complete groups of four characters that hold 16 bytes.
    const HEAD: usize = OWNER_BYTES.div_ceil(3) * 4;
    let (groups, tail) = text.split_at(text.len().saturating_sub(1) / 4 * 4);
    let (head, middle) = groups.split_at(groups.len().min(HEAD));
    let is_known = |c: u8| c.is_ascii_alphanumeric() || c == marks[0] || c == marks[1];
    if !middle.iter().fold(true, |all, &c| all & is_known(c)) {
        return None;
    }
    let (mut ends, mut bytes) = ([0; HEAD + 4], [0; HEAD / 4 * 3 + 3]);
    let ends = &mut ends[..head.len() + tail.len()];
    ends[..head.len()].copy_from_slice(head);
    ends[head.len()..].copy_from_slice(tail);
    engine
        .decode_slice(&*ends, &mut bytes)
        .ok()
        .and_then(|length| bytes[..length].first_chunk().copied())
}

fn from_latin1(text: &[u8]) -> Option<[u8; OWNER_BYTES]> {
    let text = std::str::from_utf8(text).ok()?;
    let mut owner = [0; OWNER_BYTES];
    let mut chars = text.chars();
    for byte in &mut owner {
        *byte = u8::try_from(chars.next()?).ok()?;
    }
    chars.all(|c| u8::try_from(c).is_ok()).then_some(owner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ENCODINGS: [Encoding; 4] =
        [Encoding::Base64, Encoding::Base64Url, Encoding::Hex, Encoding::Latin1];

    fn owner_of(text: &str) -> Option<[u8; 16]> {
        Token::new(Cow::Borrowed(text.as_bytes())).owner().map(|owner| *owner.as_bytes())
    }

    proptest! {
        #[test]
        fn a_minted_token_tells_its_owner(
            bytes: [u8; 16], size in 32..1025_usize, encoding in 0..4_usize
        ) {
            let (text, token) = mint(OwnerHash::from_bytes(bytes), size, ENCODINGS[encoding]).unwrap();
            prop_assert_eq!(token.owner(), Some(OwnerHash::from_bytes(bytes)));
            prop_assert_eq!(owner_of(&text), Some(bytes));
        }

        #[test]
        fn any_text_can_be_read(text in ".*") {
            let token = Token::new(Cow::Borrowed(text.as_bytes()));
            let _any = (token.owner(), token.id());
        }

        #[test]
        fn any_bytes_can_be_read(text: Vec<u8>) {
            let token = Token::new(Cow::Owned(text));
            let _any = (token.owner(), token.id());
        }

        #[test]
        fn base64_that_is_not_canonical_is_not_base64(bytes: [u8; 16]) {
            // The last character of 16 bytes carries four bits that must be zero.
            let mut text = URL_SAFE_NO_PAD.encode(bytes).into_bytes();
            prop_assert_eq!(from_base64(&text), Some(bytes));
            text[21] = if text[21] == b'B' { b'C' } else { b'B' };
            prop_assert_eq!(from_base64(&text), None);
        }
    }

    #[test]
    fn one_character_of_another_alphabet_anywhere_is_not_base64() {
        for (engine, others) in [(&STANDARD, b"-_=\n\x80"), (&URL_SAFE_NO_PAD, b"+/=\n\x80")] {
            let text = engine.encode([0xfb; 128]).into_bytes();
            assert_eq!(from_base64(&text), Some([0xfb; 16]));
            for (place, other) in (0..text.len()).flat_map(|place| others.map(|c| (place, c))) {
                let mut text = text.clone();
                if std::mem::replace(&mut text[place], other) != other {
                    assert_eq!(from_base64(&text), None, "{other:?} at {place}");
                }
            }
        }
    }

    #[test]
    fn texts_of_foreign_shape_are_read_as_latin1_or_not_at_all() {
        let latin1 = "a*c?a*c?a*c?a*c?";
        let rows = [
            ("too short", "abc", None),
            ("15 characters of latin1", &latin1[1..], None),
            ("latin1", latin1, Some(*b"a*c?a*c?a*c?a*c?")),
            ("beyond latin1", "a*c?a*c?a*c?a*c?\u{20ac}", None),
            ("15 bytes of hex, read as latin1", "00ff10a000ff10a000ff10a000ff10", {
                Some(*b"00ff10a000ff10a0")
            }),
            ("15 bytes of base64url", "AAAAAAAAAAAAAAAAAAAA", Some(*b"AAAAAAAAAAAAAAAA")),
            ("hex", "00ff10a000ff10a000ff10a000ff10a0", {
                let four = [0, 0xff, 0x10, 0xa0];
                [four, four, four, four].concat().try_into().ok()
            }),
        ];
        for (label, text, owner) in rows {
            assert_eq!(owner_of(text), owner, "{label}");
        }
        assert_eq!(
            owner_of("\u{e9}\u{ff}\u{0}! 56789abcdef").map(|o| o[..4].to_vec()),
            Some(vec![0xe9, 0xff, 0, 0x21]),
            "latin1 above ASCII"
        );
    }

    #[test]
    fn only_a_token_of_16_bytes_has_an_address() {
        let address_of = |text: &str| Token::new(Cow::Borrowed(text.as_bytes())).address();
        assert_eq!(address_of("0123456789abcde"), None);
        let address = address_of("0123456789abcdef").unwrap();
        assert_eq!(address.route.to_hex(), *b"30313233");
        assert_eq!(address.id.mark(), &address.to_text()[..6]);
    }

    #[test]
    fn a_token_is_never_printed() {
        let token = Token::new(Cow::Borrowed(b"secret"));
        assert_eq!(format!("{token:?}"), "Token(redacted)");
    }
}
