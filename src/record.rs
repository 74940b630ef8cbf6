//! The stored form of a session: lines of JSON, and how merge patches are folded into the data.
//!
//! Line 1 describes the session, line 2 is the owner, line 3 is the data at creation, and each further line is a
//! patch, oldest first. A patch is a merge patch, or `[set, deleted]` if `null` is a value: an object with the members
//! to set and an array with the names of those to delete. JSON text has no raw newline, so a line break always separates lines. Values are copied
//! as text, and never encoded again.
//!
//! Line 1 is at most 200 bytes, so that a script can read it without the rest. It holds `createdAt`. If scripts need
//! them, it also holds `size`, the bytes of data when the record was last written whole, and `folds`, how many times
//! patches were folded. Other fields are kept. If the token was not made for the owner, line 1 holds `mark`, the first
//! characters of the session's id. If nobody owns the session, line 2 is `""`.

mod first_line;
mod object;

use std::borrow::Cow;
use std::fmt;

use self::object::{Object, identity, is_json, is_object, is_patch};
use crate::line::split;

pub use self::first_line::{mark_in, nonce_in, owner_hash_in, read_nonce, sliding_in};
pub use self::object::decode_string;

/// A record. Its owner, its data and its patches were checked to be exactly one JSON value each. Line 1 is checked
/// only when it is used, because a `get` does not need it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    first_line: &'a str,
    owner: &'a str,
    data: &'a str,
    /// The patches with the newline before each: empty, or lines.
    patches: &'a str,
}

impl fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Record(redacted)")
    }
}

/// The value under a session's key is not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt;

/// Why a patch cannot be folded into a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// The text is no patch.
    NoPatch,
    /// Line 1 of the record is not a JSON object.
    Corrupt,
    /// The data would be too large.
    TooLarge,
}

/// Line 2 of a session without an owner.
pub const NOBODY: &str = "\"\"";

/// Encodes the record of a new session. `owner` and `data` are JSON.
#[must_use]
pub fn encode(owner: &str, created_at_ms: u64, data: &str) -> String {
    format!("{{\"createdAt\":{created_at_ms}}}\n{owner}\n{data}")
}

/// Encodes the record of a session whose token was not made for its owner. It tells the nonce.
#[must_use]
pub fn encode_foreign(owner: &str, created_at_ms: u64, nonce: &str, data: &str) -> String {
    format!("{{\"createdAt\":{created_at_ms},\"nonce\":\"{nonce}\"}}\n{owner}\n{data}")
}

impl<'a> Record<'a> {
    /// Parses the value under a session's key.
    ///
    /// # Errors
    ///
    /// [`Corrupt`] unless the lines are text that looks like an object, a JSON string, a JSON object, then patches.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Corrupt> {
        let text = std::str::from_utf8(bytes).map_err(|_| Corrupt)?;
        let (first_line, rest) = split(text).ok_or(Corrupt)?;
        let (owner, rest) = split(rest).ok_or(Corrupt)?;
        let data = split(rest).map_or(rest, |(data, _)| data);
        let patches = &rest[data.len()..];
        let record = Self { first_line, owner, data, patches };
        let valid = first_line.starts_with('{')
            && first_line.ends_with('}')
            && (is_plain_string(owner) || is_json(owner, '"'))
            && is_object(data)
            && record.patches().all(is_patch);
        valid.then_some(record).ok_or(Corrupt)
    }

    /// The length of the data and its patches, in bytes.
    #[must_use]
    pub fn length(&self) -> usize {
        self.data.len() + self.patches.len()
    }

    /// Line 1, as it is stored.
    #[must_use]
    pub fn first_line(&self) -> &'a str {
        self.first_line
    }

    /// When the session was created, in milliseconds since 1970. `None` if line 1 does not say so.
    #[must_use]
    pub fn created_at(&self) -> Option<u64> {
        let mut first_line = Object::default();
        if !is_object(self.first_line) {
            return None;
        }
        first_line.take(self.first_line, Object::set);
        first_line.get("createdAt")?.parse().ok()
    }

    /// The owner, as JSON.
    #[must_use]
    pub fn owner(&self) -> &'a str {
        self.owner
    }

    /// Whether nobody owns the session.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.owner == NOBODY
    }

    /// The owner's name, as bytes.
    #[must_use]
    pub fn owner_name(&self) -> Cow<'a, [u8]> {
        identity(self.owner)
    }

    /// Appends the data with its patches folded in, as JSON.
    pub fn write_data(&self, out: &mut String) {
        if self.patches.is_empty() {
            out.push_str(self.data);
        } else {
            self.data().write(out);
        }
    }

    /// Whether the patches are as long as the data, or longer.
    #[must_use]
    pub fn is_outgrown(&self) -> bool {
        self.patches.len() >= self.data.len()
    }

    /// The record with another owner, another nonce and one more patch. Owner and patch are JSON.
    ///
    /// # Errors
    ///
    /// As [`Self::folded_with`].
    pub fn claimed_by(
        &self,
        owner: &str,
        nonce: &str,
        patch: &str,
        max_bytes: usize,
    ) -> Result<String, Unfit> {
        let created_at = self.created_at().ok_or(Unfit::Corrupt)?;
        let folded = self.folded_with(patch, max_bytes)?;
        let (_, rest) = split(&folded).ok_or(Unfit::Corrupt)?;
        let (_, data) = split(rest).ok_or(Unfit::Corrupt)?;
        Ok(encode_foreign(owner, created_at, nonce, data))
    }

    /// The record with its patches, and one more, folded into the data.
    ///
    /// # Errors
    ///
    /// [`Unfit::TooLarge`] if the data would be longer than `max_bytes` and longer than it was; [`Unfit::NoPatch`] or
    /// [`Unfit::Corrupt`] if the patch, or line 1, cannot be read.
    pub fn folded_with(&self, patch: &str, max_bytes: usize) -> Result<String, Unfit> {
        if !is_patch(patch) {
            return Err(Unfit::NoPatch);
        }
        if !is_object(self.first_line) {
            return Err(Unfit::Corrupt);
        }
        let mut data = self.data();
        let before = data.length();
        data.apply(patch);
        let after = data.length();
        if after > max_bytes && after > before {
            return Err(Unfit::TooLarge);
        }
        let mut first_line = Object::default();
        first_line.take(self.first_line, Object::set);
        let folds =
            first_line.get("folds").and_then(|folds| folds.parse::<u64>().ok()).unwrap_or(0);
        let (size, folds) = (after.to_string(), folds.saturating_add(1).to_string());
        first_line.set("\"size\"", &size);
        first_line.set("\"folds\"", &folds);
        let mut folded =
            String::with_capacity(self.first_line.len() + self.owner.len() + after + 64);
        first_line.write(&mut folded);
        folded.push('\n');
        folded.push_str(self.owner);
        folded.push('\n');
        data.write(&mut folded);
        Ok(folded)
    }

    fn data<'o>(&self) -> Object<'o>
    where
        'a: 'o,
    {
        let mut object = Object::default();
        object.take(self.data, Object::set);
        for patch in self.patches() {
            object.apply(patch);
        }
        object
    }

    fn patches(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.patches.split('\n').skip(1)
    }
}

/// The owner's name in a text that may be a record. The rest is not checked.
#[must_use]
pub fn owner_in(bytes: &[u8]) -> Option<Vec<u8>> {
    let first_line = memchr::memchr(b'\n', bytes)?;
    let rest = &bytes[first_line + 1..];
    let owner = &rest[..memchr::memchr(b'\n', rest)?];
    decode_string(std::str::from_utf8(owner).ok()?).ok()
}

/// Whether a line is a JSON string without escapes, as most owners are. This check makes a `get` 1% faster.
fn is_plain_string(line: &str) -> bool {
    let text = line.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    text.is_some_and(|text| text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\'))
}

#[cfg(test)]
mod tests;
