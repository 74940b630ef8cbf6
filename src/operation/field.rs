//! The fields of a call, one per line, as `lib/operations.js` writes them.
//!
//! A field never contains a raw newline: JSON has none, and a name or token that contains one (or a lone surrogate)
//! is written as a JSON string. So is a name or token that begins with a quote, so that the two forms cannot be
//! confused.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU64;

use super::foreign::is_pointer;
use crate::address::{Address, OwnerHash, SessionId};
use crate::line::split;
use crate::record::{decode_string, read_nonce};
use crate::token::Token;

/// The name of an app: any bytes.
pub type App<'a> = Cow<'a, [u8]>;

/// How long a session lives: milliseconds, or `None` if it never expires.
pub type Ttl = Option<NonZeroU64>;

/// A number as scripts take it: 0 if there is none.
pub(crate) fn or_zero(number: Option<NonZeroU64>) -> u64 {
    number.map_or(0, NonZeroU64::get)
}

/// What limits the life of a session besides its duration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Whether each use lets it live its duration from then on.
    pub slides: bool,
    /// How long after its creation it ends, whatever happens.
    pub lifetime: Ttl,
    /// How many live sessions its owner may have in the app.
    pub max_sessions: Option<NonZeroU64>,
}

/// JSON text on one line, as `JSON.stringify` writes it. It is users' data, so it is not printed.
#[derive(Clone, Copy)]
pub struct Json<'a>(pub &'a str);

impl fmt::Debug for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Json(redacted)")
    }
}

/// An owner's name, in both forms that are needed: the JSON that records hold, and the bytes that are hashed.
#[derive(Clone)]
pub struct Owner<'a> {
    json: &'a str,
    bytes: Vec<u8>,
}

impl fmt::Debug for Owner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Owner(redacted)")
    }
}

impl<'a> Owner<'a> {
    /// Reads an owner's name in JSON, as `JSON.stringify` writes it. `None` if it is not a string.
    #[must_use]
    pub fn from_json(json: &'a str) -> Option<Self> {
        decode_string(json).ok().map(|bytes| Self { json, bytes })
    }

    /// The name as records hold it.
    #[must_use]
    pub fn json(&self) -> &'a str {
        self.json
    }

    /// The name itself.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether the name is empty. It stands for nobody, because no owner has it.
    #[must_use]
    pub fn is_nobody(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// The lines of a batch that were not read yet.
#[derive(Debug)]
pub struct Fields<'a>(&'a str);

impl<'a> Fields<'a> {
    /// Takes a text of lines. The last one need not end with a line break.
    #[must_use]
    pub fn new(lines: &'a str) -> Self {
        Self(lines)
    }

    /// The next line. `None` after the last.
    pub fn line(&mut self) -> Option<&'a str> {
        if self.0.is_empty() {
            return None;
        }
        let (line, rest) = split(self.0).unwrap_or((self.0, ""));
        self.0 = rest;
        Some(line)
    }

    /// The name of an app.
    pub fn app(&mut self) -> Option<App<'a>> {
        let line = self.line()?;
        if line.starts_with('"') {
            decode_string(line).ok().map(Cow::Owned)
        } else {
            Some(Cow::Borrowed(line.as_bytes()))
        }
    }

    /// A token.
    pub fn token(&mut self) -> Option<Token<'a>> {
        self.app().map(Token::new)
    }

    /// A token, or an empty line if there is none. No session has an empty token.
    pub fn optional_token(&mut self) -> Option<Option<Token<'a>>> {
        let token = self.token()?;
        Some(Some(token).filter(|token| !token.text().is_empty()))
    }

    /// The id of a session.
    pub fn id(&mut self) -> Option<SessionId> {
        SessionId::from_text(self.line()?)
    }

    /// The public id of a session that lies on another route than its owner.
    pub fn address(&mut self) -> Option<Address> {
        Address::from_text(self.line()?)
    }

    /// A nonce: letters and digits.
    pub fn nonce(&mut self) -> Option<&'a str> {
        self.line().and_then(|line| read_nonce(line.as_bytes()))
    }

    /// A nonce, or an empty line.
    pub fn optional_nonce(&mut self) -> Option<&'a str> {
        self.line().filter(|line| line.is_empty() || read_nonce(line.as_bytes()).is_some())
    }

    /// A pointer: an address and a nonce.
    pub fn pointer(&mut self) -> Option<&'a str> {
        self.line().filter(|line| is_pointer(line))
    }

    /// Milliseconds since 1970, in 13 digits, or an empty line.
    pub fn time(&mut self) -> Option<&'a str> {
        self.line().filter(|time| {
            time.is_empty() || time.len() == 13 && time.bytes().all(|c| c.is_ascii_digit())
        })
    }

    /// 0 or 1.
    pub fn flag(&mut self) -> Option<bool> {
        match self.line()? {
            "0" => Some(false),
            "1" => Some(true),
            _ => None,
        }
    }

    /// The hash of an owner: as records hold it, or of the owner's name in JSON.
    pub fn owner_hash(&mut self, app: &[u8]) -> Option<OwnerHash> {
        let line = self.line()?;
        if line.starts_with('"') {
            Owner::from_json(line).map(|owner| OwnerHash::of(app, owner.bytes()))
        } else {
            OwnerHash::from_text(line)
        }
    }

    /// The hash of an owner as records hold it, or an empty line if there is none.
    pub fn optional_hash(&mut self) -> Option<Option<OwnerHash>> {
        let line = self.line()?;
        if line.is_empty() { Some(None) } else { OwnerHash::from_text(line).map(Some) }
    }

    /// A number that is not 0.
    pub fn count(&mut self) -> Option<NonZeroU64> {
        self.line()?.parse().ok()
    }

    /// The limits of a session: empty, or whether it slides (0 or 1), its lifetime in milliseconds and the number of
    /// sessions, each 0 if it is not limited.
    pub fn limits(&mut self) -> Option<Limits> {
        let line = self.line()?;
        if line.is_empty() {
            return Some(Limits::default());
        }
        let mut numbers = line.split(' ').map(str::parse);
        let mut next = || numbers.next()?.ok();
        let (slides, lifetime, max_sessions) = (next()?, next()?, next()?);
        let is_read = numbers.next().is_none() && slides <= 1;
        let [lifetime, max_sessions] = [lifetime, max_sessions].map(NonZeroU64::new);
        is_read.then_some(Limits { slides: slides == 1, lifetime, max_sessions })
    }

    /// An owner.
    pub fn owner(&mut self) -> Option<Owner<'a>> {
        Owner::from_json(self.line()?)
    }

    /// An owner, or an empty line if there is none.
    pub fn optional_owner(&mut self) -> Option<Option<Owner<'a>>> {
        let line = self.line()?;
        if line.is_empty() { Some(None) } else { Owner::from_json(line).map(Some) }
    }

    /// JSON.
    pub fn json(&mut self) -> Option<Json<'a>> {
        self.line().map(Json)
    }

    /// Milliseconds; 0 if the session never expires.
    pub fn ttl(&mut self) -> Option<Ttl> {
        self.line()?.parse().ok().map(NonZeroU64::new)
    }
}
