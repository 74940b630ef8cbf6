//! Replies of the Redis protocol (RESP2, <https://redis.io/docs/latest/develop/reference/protocol-spec/>): finds
//! their ends and parses them. The `redis` crate writes commands.
//!
//! Replies are parsed in place: the replies of a batch are one piece of the read buffer, and their values are
//! borrowed from it. The crate's parser is not used, because it copies every value.

use std::borrow::Cow;

use bytes::BytesMut;

/// A reply, borrowed from the bytes that were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// No value.
    Nil,
    /// A number.
    Int(i64),
    /// A value.
    Bytes(&'a [u8]),
    /// "OK" and the like.
    Status,
    /// The server's error. It may repeat a part of a command, cut off anywhere.
    Error(Cow<'a, str>),
    /// Replies in a reply.
    Array(Vec<Reply<'a>>),
    /// A value that was too long, or nested too deep, to be kept.
    TooLong,
}

/// The bytes are not a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProtocolError;

/// The limits of one reply. A larger reply is read to its end and not kept. Only the call that it answers is
/// rejected.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of one value.
    pub value_bytes: u64,
    /// Values of one reply.
    pub values: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { value_bytes: MAX_VALUE_BYTES, values: MAX_VALUES }
    }
}

/// The longest value that Redis holds unless `proto-max-bulk-len` allows more, in bytes. No record of this library is
/// longer.
const MAX_VALUE_BYTES: u64 = 512 * 1024 * 1024;

/// The most values of one reply. The reply to `CLUSTER SLOTS` has the most: in the worst case 16384 ranges, with a
/// few values for each node.
const MAX_VALUES: u64 = 1 << 20;

/// A length above this is garbage, because no server has so much data. It counts bytes of a value, or values of a
/// reply.
const MAX_ANNOUNCED: u64 = 1 << 36;

/// The longest line in bytes. An incomplete line is searched again whenever more of it has arrived.
const MAX_LINE_BYTES: usize = 64 * 1024;

/// How deep replies may be nested. The replies to our operations are flat; HELLO's list of modules is not.
const MAX_DEPTH: usize = 8;

/// Replaces a value that is too long in the buffer. No reply begins with it.
const MARK: u8 = 0;

/// Finds the ends of replies in a buffer that grows. It remembers its position, so it reads no complete value twice.
#[derive(Debug, Default)]
pub struct Scanner {
    limits: Limits,
    /// The beginning of the current reply.
    start: usize,
    place: usize,
    /// Whether a reply was begun.
    begun: bool,
    /// How many values of it are still missing.
    missing: u64,
    /// How many values it is known to have.
    values: u64,
    /// How many of the next bytes are not kept.
    skipped: u64,
    /// Whether a mark replaces the value at its position.
    marked: bool,
    /// Whether the reply has too many values to be kept.
    discards: bool,
}

impl Scanner {
    #[cfg(test)]
    fn with(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// The end of the last complete reply, or complete part of one, that was found.
    #[must_use]
    pub fn place(&self) -> usize {
        self.place
    }

    /// Whether bytes are arriving that are not kept.
    #[must_use]
    pub fn is_skipping(&self) -> bool {
        self.skipped > 0 || self.discards
    }

    /// Moves to the end of the next reply. `false` if `buffer` does not hold all of it yet. A value that is too long
    /// is removed from the buffer.
    ///
    /// # Errors
    ///
    /// If the next bytes are not a reply.
    pub fn next(&mut self, buffer: &mut BytesMut) -> Result<bool, ProtocolError> {
        if !self.begun {
            (self.begun, self.start, self.missing, self.values) = (true, self.place, 1, 1);
        }
        while self.missing > 0 {
            if !self.skip(buffer) || !self.step(buffer)? {
                if self.discards {
                    remove(buffer, self.start, self.place);
                    self.place = self.start;
                }
                return Ok(false);
            }
        }
        self.begun = false;
        if std::mem::take(&mut self.discards) {
            let rest = buffer.split_off(self.place);
            buffer.truncate(self.start);
            buffer.extend_from_slice(&[MARK, b'\r', b'\n']);
            self.place = buffer.len();
            buffer.extend_from_slice(&rest);
        }
        Ok(true)
    }

    /// Drops the bytes that have arrived of a value that is too long. Returns whether the value is complete.
    fn skip(&mut self, buffer: &mut BytesMut) -> bool {
        if self.skipped > 0 {
            let from = self.place + usize::from(self.marked);
            let come = buffer.len() - from;
            let dropped = usize::try_from(self.skipped).unwrap_or(usize::MAX).min(come);
            remove(buffer, from, from + dropped);
            self.skipped -= dropped as u64;
        }
        self.skipped == 0
    }

    /// Moves over one value, or over the head of an array. `false` if it has not arrived completely.
    fn step(&mut self, buffer: &mut BytesMut) -> Result<bool, ProtocolError> {
        let mut rest = &buffer[self.place..];
        // Bytes of another protocol may have no lines.
        if !self.marked && is_strange(rest) {
            return Err(ProtocolError);
        }
        let Some(head) = line(&mut rest)? else { return Ok(false) };
        let (&kind, text) = head.split_first().ok_or(ProtocolError)?;
        let mut end = buffer.len() - rest.len();
        match kind {
            b'+' | b'-' | b':' => {}
            b'$' => {
                let length = length(text)?.map_or(0, |length| length + 2);
                if length > self.limits.value_bytes + 2 {
                    // The line break after the value ends the mark's line.
                    buffer[self.place] = MARK;
                    remove(buffer, self.place + 1, end);
                    (self.marked, self.skipped) = (true, length - 2);
                    return Ok(self.skip(buffer));
                }
                end += usize::try_from(length).map_err(|_| ProtocolError)?;
                if end > buffer.len() {
                    return Ok(false);
                }
            }
            b'*' => {
                let values = length(text)?.unwrap_or(0);
                self.missing = self.missing.checked_add(values).ok_or(ProtocolError)?;
                self.values = self.values.checked_add(values).ok_or(ProtocolError)?;
                self.discards |= self.values > self.limits.values;
            }
            MARK if self.marked && text.is_empty() => self.marked = false,
            _ => return Err(ProtocolError),
        }
        self.missing -= 1;
        self.place = end;
        Ok(true)
    }

    /// Moves to the beginning of the buffer, after the bytes before its position were removed.
    pub fn restart(&mut self) {
        self.place = 0;
    }
}

/// Whether bytes are not the beginning of a reply.
#[must_use]
pub fn is_strange(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|kind| !b"+-:$*".contains(kind))
}

/// Removes a piece from a buffer.
fn remove(buffer: &mut BytesMut, from: usize, to: usize) {
    if to == buffer.len() {
        buffer.truncate(from);
    } else if from < to {
        let rest = buffer.split_off(to);
        buffer.truncate(from);
        buffer.extend_from_slice(&rest);
    }
}

/// Takes the next reply off a piece of complete replies.
///
/// # Errors
///
/// If the first bytes are not a reply.
pub fn parse<'a>(bytes: &mut &'a [u8]) -> Result<Reply<'a>, ProtocolError> {
    parse_within(bytes, MAX_DEPTH)
}

fn parse_within<'a>(bytes: &mut &'a [u8], depth: usize) -> Result<Reply<'a>, ProtocolError> {
    let (&kind, text) = line(bytes)?.and_then(<[u8]>::split_first).ok_or(ProtocolError)?;
    match kind {
        b'+' => Ok(Reply::Status),
        b'-' => Ok(Reply::Error(String::from_utf8_lossy(text))),
        b':' => number(text).map(Reply::Int),
        b'$' => {
            let Some(length) = length(text)? else { return Ok(Reply::Nil) };
            let length = usize::try_from(length).map_err(|_| ProtocolError)?;
            let (value, rest) = bytes.split_at_checked(length).ok_or(ProtocolError)?;
            *bytes = rest.strip_prefix(b"\r\n").ok_or(ProtocolError)?;
            Ok(Reply::Bytes(value))
        }
        b'*' => {
            let Some(length) = length(text)? else { return Ok(Reply::Nil) };
            if depth == 0 {
                return pass_over(bytes, length).map(|()| Reply::TooLong);
            }
            let items = (0..length).map(|_| parse_within(bytes, depth - 1));
            items.collect::<Result<_, _>>().map(Reply::Array)
        }
        MARK if text.is_empty() => Ok(Reply::TooLong),
        _ => Err(ProtocolError),
    }
}

/// Skips this many values, however deep they are nested.
fn pass_over(bytes: &mut &[u8], mut missing: u64) -> Result<(), ProtocolError> {
    while missing > 0 {
        // Values inside a value of depth 1 are counted, not parsed.
        missing -= 1;
        if bytes.first() != Some(&b'*') {
            parse_within(bytes, 1)?;
        } else if let Some((_, digits)) = line(bytes)?.and_then(<[u8]>::split_first) {
            missing = missing.checked_add(length(digits)?.unwrap_or(0)).ok_or(ProtocolError)?;
        } else {
            return Err(ProtocolError);
        }
    }
    Ok(())
}

/// Takes the first line off. `None` if it is not complete yet.
fn line<'a>(bytes: &mut &'a [u8]) -> Result<Option<&'a [u8]>, ProtocolError> {
    let head = &bytes[..bytes.len().min(MAX_LINE_BYTES)];
    let Some(end) = head.iter().position(|&byte| byte == b'\r') else {
        return if head.len() < MAX_LINE_BYTES { Ok(None) } else { Err(ProtocolError) };
    };
    let (line, rest) = bytes.split_at(end);
    match rest.get(1) {
        None => Ok(None),
        Some(b'\n') => {
            *bytes = &rest[2..];
            Ok(Some(line))
        }
        Some(_) => Err(ProtocolError),
    }
}

/// A length. `None` for -1, which means that there is no value.
fn length(digits: &[u8]) -> Result<Option<u64>, ProtocolError> {
    match number(digits)? {
        -1 => Ok(None),
        length => match u64::try_from(length) {
            Ok(length) if length <= MAX_ANNOUNCED => Ok(Some(length)),
            _ => Err(ProtocolError),
        },
    }
}

fn number(digits: &[u8]) -> Result<i64, ProtocolError> {
    std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).ok_or(ProtocolError)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A reply as the server writes it, and as it is parsed.
    fn reply() -> impl Strategy<Value = Vec<u8>> {
        let leaf = prop_oneof![
            Just(b"$-1\r\n".to_vec()),
            Just(b"*-1\r\n".to_vec()),
            any::<i64>().prop_map(|n| format!(":{n}\r\n").into_bytes()),
            "[ -~]{0,20}".prop_map(|s| format!("+{s}\r\n").into_bytes()),
            "[ -~]{0,20}".prop_map(|s| format!("-{s}\r\n").into_bytes()),
            prop::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| {
                [format!("${}\r\n", bytes.len()).as_bytes(), &bytes, b"\r\n"].concat()
            }),
        ];
        leaf.prop_recursive(3, 20, 5, |inner| {
            prop::collection::vec(inner, 0..5).prop_map(|items| {
                [format!("*{}\r\n", items.len()).into_bytes(), items.concat()].concat()
            })
        })
    }

    #[test]
    fn replies_are_read_as_the_protocol_says() {
        let rows: [(&[u8], Reply<'_>); 9] = [
            (b"+OK\r\n", Reply::Status),
            (b"-ERR no\r\n", Reply::Error("ERR no".into())),
            // A server that does not know a command repeats 128 bytes of it.
            (b"-ERR unknown '\xc3\r\n", Reply::Error("ERR unknown '\u{fffd}".into())),
            (b":-7\r\n", Reply::Int(-7)),
            (b"$0\r\n\r\n", Reply::Bytes(b"")),
            (b"$4\r\na\r\nb\r\n", Reply::Bytes(b"a\r\nb")),
            (b"$-1\r\n", Reply::Nil),
            (b"*-1\r\n", Reply::Nil),
            (
                b"*3\r\n:1\r\n$1\r\na\r\n*0\r\n",
                Reply::Array(vec![Reply::Int(1), Reply::Bytes(b"a"), Reply::Array(vec![])]),
            ),
        ];
        for (mut bytes, expected) in rows {
            let label = String::from_utf8_lossy(bytes);
            assert_eq!(parse(&mut bytes), Ok(expected), "{label}");
            assert!(bytes.is_empty(), "{label} was read to its end");
        }
    }

    #[test]
    fn garbage_is_refused() {
        let endless = vec![b'+'; MAX_LINE_BYTES];
        let rows: [&[u8]; 15] = [
            b"OK\r\n",
            b"SSH-2.0-",
            b"\x15\x03\x03",
            b"\r\n",
            b":x\r\n",
            b":\r\n",
            b"$-2\r\n",
            b"$99999999999999\r\n",
            b"$1\r\nab\r\n",
            b"%1\r\n+a\r\n+b\r\n",
            b"+a\rb\r\n",
            b"\0\r\n",
            b"*99999999999999\r\n",
            b"*4\r\n*68719476736\r\n*68719476736\r\n:x\r\n\0\r\n",
            &endless,
        ];
        for mut bytes in rows {
            let label = String::from_utf8_lossy(bytes).into_owned();
            let scanned = Scanner::default().next(&mut BytesMut::from(bytes));
            assert!(
                scanned == Err(ProtocolError) || parse(&mut bytes) == Err(ProtocolError),
                "{label}"
            );
        }
    }

    /// Reads a stream in pieces. Returns the replies that were found, and the most bytes that were held.
    fn read_in_pieces(limits: Limits, stream: &[u8], piece: usize) -> (Vec<BytesMut>, usize) {
        let (mut scanner, mut buffer) = (Scanner::with(limits), BytesMut::new());
        let (mut found, mut most) = (Vec::new(), 0);
        for bytes in stream.chunks(piece) {
            buffer.extend_from_slice(bytes);
            most = most.max(buffer.len());
            while scanner.place() < buffer.len() && scanner.next(&mut buffer).unwrap() {
                found.push(buffer.split_to(scanner.place()));
                scanner.restart();
            }
        }
        (found, most)
    }

    #[test]
    fn what_is_too_long_is_read_to_its_end_and_not_kept() {
        let limits = Limits { value_bytes: 10, values: 6 };
        let long = format!("$1000\r\n{}\r\n", "\r\n".repeat(500));
        let row = |reply: String, expected: Reply<'static>| (reply, expected);
        let rows = [
            row(long.clone(), Reply::TooLong),
            row(
                format!("*3\r\n:1\r\n{long}:2\r\n"),
                Reply::Array(vec![Reply::Int(1), Reply::TooLong, Reply::Int(2)]),
            ),
            row(format!("*9\r\n{}", "+a\r\n".repeat(9)), Reply::TooLong),
            row(format!("*2\r\n*5\r\n{}:2\r\n", ":1\r\n".repeat(5)), Reply::TooLong),
            row(format!("*500\r\n{}", long.repeat(500)), Reply::TooLong),
            row(format!("{}:1\r\n", "*1\r\n".repeat(500)), Reply::TooLong),
        ];
        for (reply, expected) in rows {
            let label = &reply[..reply.len().min(20)];
            let stream = ["+OK\r\n", &reply, ":7\r\n", &reply, "$10\r\n0123456789\r\n"].concat();
            for piece in [1, 2, 3, 7, 64, 999, stream.len()] {
                let (found, most) = read_in_pieces(limits, stream.as_bytes(), piece);
                let replies: Vec<_> =
                    found.iter().map(|reply| parse(&mut &reply[..]).unwrap()).collect();
                let value = Reply::Bytes(b"0123456789");
                let all = [Reply::Status, expected.clone(), Reply::Int(7), expected.clone(), value];
                assert_eq!(replies, all, "{label:?} in pieces of {piece}");
                assert!(most < 120 + piece, "{label:?}: {most} bytes held, pieces of {piece}");
            }
        }
    }

    #[test]
    fn what_is_too_deep_is_passed_over() {
        for depth in [MAX_DEPTH + 1, MAX_DEPTH + 2, 1000] {
            let inner =
                format!("*3\r\n*2\r\n$1\r\na\r\n*-1\r\n{}:1\r\n:2\r\n", "*1\r\n".repeat(depth));
            let stream = format!("*2\r\n{inner}:8\r\n:7\r\n");
            let mut bytes = stream.as_bytes();
            let Ok(Reply::Array(items)) = parse(&mut bytes) else { panic!("it can be read") };
            assert_eq!(items[1], Reply::Int(8), "{depth}");
            assert!(format!("{items:?}").contains("TooLong"), "{depth}");
            assert_eq!(parse(&mut bytes), Ok(Reply::Int(7)), "{depth}");
        }
        assert_eq!(parse(&mut &b"*1\r\n".repeat(9)[..]), Err(ProtocolError), "it ends too soon");
    }

    #[test]
    fn a_reply_without_end_is_not_kept() {
        let rows: [(&str, &[u8], &[u8]); 4] = [
            ("ever deeper", b"", b"*1\r\n"),
            ("ever longer", b"", b"*2\r\n:1\r\n"),
            ("announced as long", b"*536870912\r\n", b":1\r\n"),
            ("one long value", b"$68719476736\r\n", b"no end"),
        ];
        let most_values = usize::try_from(MAX_VALUES).unwrap();
        for (label, head, again) in rows {
            let bytes = [head, &again.repeat(2 * most_values)].concat();
            let (found, most) = read_in_pieces(Limits::default(), &bytes, 64 * 1024);
            assert_eq!(found.len(), 0, "{label}");
            assert!(most < 16 * most_values, "{label}: {most} bytes held");
        }
    }

    proptest! {
        #[test]
        fn replies_end_where_they_end_however_they_arrive(
            replies in prop::collection::vec(reply(), 1..6), step in 1..30_usize
        ) {
            let bytes = replies.concat();
            let (mut scanner, mut buffer) = (Scanner::default(), BytesMut::new());
            let mut ends = Vec::new();
            for piece in bytes.chunks(step) {
                buffer.extend_from_slice(piece);
                while scanner.place() < buffer.len() && scanner.next(&mut buffer).unwrap() {
                    ends.push(scanner.place());
                }
            }
            let expected: Vec<_> = replies
                .iter()
                .scan(0, |end, reply| { *end += reply.len(); Some(*end) })
                .collect();
            prop_assert_eq!(ends, expected);
            let mut rest = &bytes[..];
            for reply in &replies {
                let before = rest.len();
                prop_assert!(parse(&mut rest).is_ok());
                prop_assert_eq!(before - rest.len(), reply.len());
            }
        }

        #[test]
        fn any_bytes_can_be_read(bytes: Vec<u8>) {
            let _any = (Scanner::default().next(&mut BytesMut::from(&bytes[..])), parse(&mut &bytes[..]));
        }
    }
}
