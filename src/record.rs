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

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use crate::compact;
use crate::line::split;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A record. Its owner, its data and its patches were checked to be exactly one JSON value each. Line 1 is checked
/// only when it is used, because a `get` does not need it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    about: &'a str,
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
    /// The patch is not an object.
    Corrupt,
    /// The data would be too large.
    TooLarge,
}

/// Line 2 of a session without an owner.
pub const NOBODY: &str = "\"\"";

/// The longest line 1, in bytes.
const MAX_ABOUT_BYTES: usize = 200;

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
    /// [`Corrupt`] unless the lines are text that looks like an object, a JSON string, then JSON objects.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Corrupt> {
        let text = std::str::from_utf8(bytes).map_err(|_| Corrupt)?;
        let (about, rest) = split(text).ok_or(Corrupt)?;
        let (owner, rest) = split(rest).ok_or(Corrupt)?;
        let data = split(rest).map_or(rest, |(data, _)| data);
        let patches = &rest[data.len()..];
        let record = Self { about, owner, data, patches };
        let valid = about.starts_with('{')
            && about.ends_with('}')
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
    pub fn about(&self) -> &'a str {
        self.about
    }

    /// When the session was created, in milliseconds since 1970. `None` if line 1 does not say so.
    #[must_use]
    pub fn created_at(&self) -> Option<u64> {
        let mut about = Object::default();
        if !is_object(self.about) {
            return None;
        }
        about.take(self.about, Object::set);
        about.get("createdAt")?.parse().ok()
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
    /// [`Unfit::TooLarge`] if the data would be longer than `max_bytes` and longer than it was; [`Unfit::Corrupt`] if
    /// the patch, or line 1, is not a JSON object.
    pub fn folded_with(&self, patch: &str, max_bytes: usize) -> Result<String, Unfit> {
        if !(is_patch(patch) && is_object(self.about)) {
            return Err(Unfit::Corrupt);
        }
        let mut data = self.data();
        let before = data.length();
        data.apply(patch);
        let after = data.length();
        if after > max_bytes && after > before {
            return Err(Unfit::TooLarge);
        }
        let mut about = Object::default();
        about.take(self.about, Object::set);
        let folds = about.get("folds").and_then(|folds| folds.parse::<u64>().ok()).unwrap_or(0);
        let (size, folds) = (after.to_string(), folds.saturating_add(1).to_string());
        about.set("\"size\"", &size);
        about.set("\"folds\"", &folds);
        let mut folded = String::with_capacity(self.about.len() + self.owner.len() + after + 64);
        about.write(&mut folded);
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

/// For how many milliseconds each use lets the session live, in a text that may be a record. `None` if the session does
/// not slide. Most records say in line 1 only when they were created; one byte shows that. Those that slide mostly say it
/// next.
#[must_use]
pub fn sliding_in(bytes: &[u8]) -> Option<u64> {
    /// Where line 1 ends if it holds only `createdAt`.
    const END: usize = "{\"createdAt\":1698765432123".len();
    const NAME: &[u8] = b"\"sliding\":";
    let rest = bytes.get(END..)?;
    let digits = match rest.split_first()? {
        (b'}', _) => return None,
        (b',', next) if next.starts_with(NAME) => &next[NAME.len()..],
        _ => after_name(bytes, NAME)?,
    };
    let count = digits.iter().take_while(|digit| digit.is_ascii_digit()).count();
    let ends = matches!(digits.get(count)?, b',' | b'}');
    std::str::from_utf8(&digits[..count]).ok().filter(|_| ends)?.parse().ok()
}

/// The mark in a text that may be a record: how the id of its token begins. `None` if the token was made for its owner.
#[must_use]
pub fn mark_in(bytes: &[u8]) -> Option<&[u8]> {
    let mark = after_name(bytes, b"\"mark\":\"")?;
    Some(&mark[..memchr::memchr(b'"', mark)?])
}

/// What tells the record from an earlier one under the same token, if that was not made for its owner.
#[must_use]
pub fn nonce_in(bytes: &[u8]) -> Option<&str> {
    let nonce = after_name(bytes, b"\"nonce\":\"")?;
    read_nonce(&nonce[..memchr::memchr(b'"', nonce)?])
}

/// Reads a nonce: letters and digits, so that no text that holds it needs an escape. `None` if it is another text.
#[must_use]
pub fn read_nonce(text: &[u8]) -> Option<&str> {
    let is_nonce = !text.is_empty() && text.iter().all(u8::is_ascii_alphanumeric);
    is_nonce.then_some(text).and_then(|text| std::str::from_utf8(text).ok())
}

/// What follows a name in line 1 of a text that may be a record.
fn after_name<'a>(bytes: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let about = &bytes[..bytes.len().min(MAX_ABOUT_BYTES + 1)];
    let about = &about[..memchr::memchr(b'\n', about)?];
    Some(&about[memchr::memmem::find(about, name)? + name.len()..])
}

/// The owner's name in a text that may be a record. The rest is not checked.
#[must_use]
pub fn owner_in(bytes: &[u8]) -> Option<Vec<u8>> {
    let about = memchr::memchr(b'\n', bytes)?;
    let rest = &bytes[about + 1..];
    let owner = &rest[..memchr::memchr(b'\n', rest)?];
    decode_string(std::str::from_utf8(owner).ok()?).ok()
}

/// Whether a line is exactly one JSON object. The quick check makes a `get` 3% faster.
fn is_object(line: &str) -> bool {
    compact::is_object(line) || is_json(line, '{')
}

/// Whether a line is a patch.
fn is_patch(line: &str) -> bool {
    is_object(line) || exact_patch(line).is_some()
}

/// The parts of a patch for which `null` is a value. `None` if the line is none.
///
/// Most delete nothing. A quick check of these makes a `get` of a session with 50 patches several times as fast.
fn exact_patch(line: &str) -> Option<(&str, Vec<&str>)> {
    let set = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(",[]]"));
    if let Some(set) = set.filter(|set| compact::is_object(set)) {
        return Some((set, Vec::new()));
    }
    if !is_json(line, '[') {
        return None;
    }
    let (set, deleted): (&RawValue, Vec<&RawValue>) = serde_json::from_str(line).ok()?;
    let deleted: Vec<_> = deleted.into_iter().map(RawValue::get).collect();
    let is_valid = set.get().starts_with('{') && deleted.iter().all(|name| name.starts_with('"'));
    is_valid.then_some((set.get(), deleted))
}

/// Whether a line is exactly one JSON value that begins with `first`.
///
/// `IgnoredAny` parses without recursion, so deep nesting cannot overflow the stack. It allows escaped lone
/// surrogates, as `JSON.parse` does.
fn is_json(line: &str, first: char) -> bool {
    line.starts_with(first)
        && !line.ends_with([' ', '\t', '\r'])
        && serde_json::from_str::<IgnoredAny>(line).is_ok()
}

/// Whether a line is a JSON string without escapes, as most owners are. This check makes a `get` 1% faster.
fn is_plain_string(line: &str) -> bool {
    let text = line.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    text.is_some_and(|text| text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\'))
}

/// The members of a JSON object in their order, as text.
#[derive(Default)]
struct Object<'a> {
    members: Vec<Option<(&'a str, &'a str)>>,
    places: HashMap<Cow<'a, [u8]>, usize>,
}

impl<'a> Object<'a> {
    /// Feeds the members of `text`, which was checked to be an object, to `set` or `merge`.
    fn take(&mut self, text: &'a str, feed: fn(&mut Self, &'a str, &'a str)) {
        let members = Members { object: self, feed };
        let read = serde_json::Deserializer::from_str(text).deserialize_map(members);
        debug_assert!(read.is_ok(), "a checked object can be read");
    }

    /// Sets a member. A known key keeps its position, a new one goes last.
    fn set(&mut self, key: &'a str, value: &'a str) {
        let place = *self.places.entry(identity(key)).or_insert(self.members.len());
        if place == self.members.len() {
            self.members.push(None);
        }
        self.members[place] = Some((key, value));
    }

    /// Applies a patch, which was checked.
    fn apply(&mut self, patch: &'a str) {
        match exact_patch(patch) {
            Some((set, deleted)) => {
                self.take(set, Self::set);
                for name in deleted {
                    self.delete(name);
                }
            }
            None => self.take(patch, Self::merge),
        }
    }

    /// Sets a member as a merge patch does: `null` removes it.
    fn merge(&mut self, key: &'a str, value: &'a str) {
        if value == "null" { self.delete(key) } else { self.set(key, value) }
    }

    fn delete(&mut self, key: &'a str) {
        if let Some(place) = self.places.remove(&identity(key)) {
            self.members[place] = None;
        }
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        let place = self.places.get(name.as_bytes())?;
        self.members[*place].map(|(_, value)| value)
    }

    /// How many bytes [`Self::write`] writes.
    fn length(&self) -> usize {
        let members = self.members.iter().flatten();
        let (count, bytes) = members.fold((0, 0), |(count, bytes), (key, value)| {
            (count + 1, bytes + key.len() + ":".len() + value.len())
        });
        "{}".len() + bytes + usize::saturating_sub(count, 1)
    }

    fn write(&self, out: &mut String) {
        out.push('{');
        for (i, (key, value)) in self.members.iter().flatten().enumerate() {
            if i > 0 {
                out.push(',');
            }
            out.push_str(key);
            out.push(':');
            out.push_str(value);
        }
        out.push('}');
    }
}

/// The identity of a key: its characters, regardless of how they are escaped.
fn identity(key: &str) -> Cow<'_, [u8]> {
    if key.contains('\\') {
        // Bytes, because a key may hold a lone surrogate, which no `str` can.
        let mut json = serde_json::Deserializer::from_str(key);
        json.deserialize_bytes(Bytes).map_or(Cow::Borrowed(key.as_bytes()), Cow::Owned)
    } else {
        Cow::Borrowed(&key.as_bytes()[1..key.len() - 1])
    }
}

/// Decodes a JSON string to its bytes. A lone surrogate becomes three bytes (WTF-8).
///
/// # Errors
///
/// [`Corrupt`] if the text is not exactly one JSON string.
pub fn decode_string(json: &str) -> Result<Vec<u8>, Corrupt> {
    // On its own, `deserialize_bytes` allows raw control characters.
    if !is_json(json, '"') {
        return Err(Corrupt);
    }
    let mut read = serde_json::Deserializer::from_str(json);
    read.deserialize_bytes(Bytes).map_err(|_| Corrupt)
}

struct Bytes;

impl Visitor<'_> for Bytes {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }

    fn visit_str<E>(self, text: &str) -> Result<Vec<u8>, E> {
        Ok(text.as_bytes().to_vec())
    }
}

struct Members<'o, 'a> {
    object: &'o mut Object<'a>,
    feed: fn(&mut Object<'a>, &'a str, &'a str),
}

impl<'a> Visitor<'a> for Members<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((key, value)) = map.next_entry::<&'a RawValue, &'a RawValue>()? {
            (self.feed)(self.object, key.get(), value.get());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
