//! Line 1 of a record, read from a text that may be a record. The rest is not checked.

/// The longest line 1, in bytes.
const MAX_FIRST_LINE_BYTES: usize = 200;

/// For how many milliseconds each use lets the session live, in a text that may be a record. `None` if the session does
/// not slide. Most records say in line 1 only when they were created; one byte shows that. Those that slide mostly say it
/// next.
#[must_use]
pub fn sliding_in(bytes: &[u8]) -> Option<u64> {
    const CREATED_AT: &[u8] = b"{\"createdAt\":";
    /// Where line 1 ends if it holds only `createdAt`, a time of 13 digits.
    const END: usize = CREATED_AT.len() + 13;
    const NAME: &[u8] = b"\"sliding\":";
    let (begin, rest) = bytes.split_at_checked(END)?;
    let is_usual =
        || begin.strip_prefix(CREATED_AT).is_some_and(|time| time.iter().all(u8::is_ascii_digit));
    let digits = match rest.split_first()? {
        (b'}', _) => return None,
        (b',', next) if next.starts_with(NAME) && is_usual() => &next[NAME.len()..],
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

/// The text of the owner's hash in a text that may be a record, if the token was not made for its owner.
#[must_use]
pub fn owner_hash_in(bytes: &[u8]) -> Option<&str> {
    let text = after_name(bytes, b"\"owner\":\"")?;
    std::str::from_utf8(&text[..memchr::memchr(b'"', text)?]).ok()
}

/// Reads a nonce: letters and digits, so that no text that holds it needs an escape. `None` if it is another text.
#[must_use]
pub fn read_nonce(text: &[u8]) -> Option<&str> {
    let is_nonce = !text.is_empty() && text.iter().all(u8::is_ascii_alphanumeric);
    is_nonce.then_some(text).and_then(|text| std::str::from_utf8(text).ok())
}

/// What follows a name in line 1 of a text that may be a record.
fn after_name<'a>(bytes: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let line = &bytes[..bytes.len().min(MAX_FIRST_LINE_BYTES + 1)];
    let line = &line[..memchr::memchr(b'\n', line)?];
    Some(&line[memchr::memmem::find(line, name)? + name.len()..])
}
