//! Replies of the Redis protocol (RESP2, <https://redis.io/docs/latest/develop/reference/protocol-spec/>):
//! where they end, and what they say. Commands are written by the `redis` crate.
//!
//! Replies are read in place: a batch's replies are one piece of the read buffer, and what they hold
//! is borrowed from it. That is why this is not the crate's parser, which copies every value.

use std::borrow::Cow;

/// A reply, borrowed from the bytes that were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply<'a> {
    /// No value.
    Nil,
    /// A number.
    Int(i64),
    /// A value.
    Bytes(&'a [u8]),
    /// "OK" and the like.
    Status,
    /// What the server refuses, and why. It may repeat a part of a command, cut anywhere.
    Error(Cow<'a, str>),
    /// Replies in a reply.
    Array(Vec<Reply<'a>>),
}

/// What was read is not a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Garbage;

/// The longest value that Redis holds (512 MB) and its line break; `proto-max-bulk-len` may allow
/// more, but not more than a record of ours could use.
const LONGEST: usize = 512 * 1024 * 1024 + 2;

/// The longest line, which is looked through anew whenever more of it has come.
const LONGEST_LINE: usize = 64 * 1024;

/// How deep replies may lie in replies. Ours are flat; what HELLO says of modules is not.
const DEEPEST: usize = 8;

/// How many values one reply may hold; one without end would fill the memory. The longest is that
/// to `CLUSTER SLOTS`: 16384 ranges at the worst, of a few values for each node.
const MOST: usize = 1 << 20;

/// Finds where replies end in a buffer that grows. It keeps its place, so nothing is read twice.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    place: usize,
    /// Values that are missing from the reply that was begun; 0 between replies.
    missing: usize,
    /// Values that this reply is known to have.
    values: usize,
}

impl Scanner {
    /// The end of the last whole reply, or of the part of one, that was found.
    pub fn place(&self) -> usize {
        self.place
    }

    /// Goes to the end of the next reply. `false` if `buffer` does not hold all of it yet.
    pub fn next(&mut self, buffer: &[u8]) -> Result<bool, Garbage> {
        if self.missing == 0 {
            (self.missing, self.values) = (1, 1);
        }
        while self.missing > 0 {
            let mut rest = &buffer[self.place..];
            // Another protocol may have no lines.
            if is_strange(rest) {
                return Err(Garbage);
            }
            let Some(head) = line(&mut rest)? else { return Ok(false) };
            let (&kind, number) = head.split_first().ok_or(Garbage)?;
            let mut end = buffer.len() - rest.len();
            self.missing -= 1;
            match kind {
                b'+' | b'-' | b':' => {}
                b'$' => {
                    end += length(number)?.map_or(0, |length| length + 2);
                    if end > buffer.len() {
                        self.missing += 1;
                        return Ok(false);
                    }
                }
                b'*' => {
                    let values = length(number)?.unwrap_or(0);
                    self.missing += values;
                    self.values += values;
                    if self.values > MOST {
                        return Err(Garbage);
                    }
                }
                _ => return Err(Garbage),
            }
            self.place = end;
        }
        Ok(true)
    }

    /// Forgets the bytes up to its place: they were taken out of the buffer.
    pub fn restart(&mut self) {
        self.place = 0;
    }
}

/// Whether bytes are not the beginning of a reply.
pub(super) fn is_strange(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|kind| !b"+-:$*".contains(kind))
}

/// Takes the next reply off a piece of whole replies.
pub(super) fn parse<'a>(bytes: &mut &'a [u8]) -> Result<Reply<'a>, Garbage> {
    parse_within(bytes, DEEPEST)
}

fn parse_within<'a>(bytes: &mut &'a [u8], depth: usize) -> Result<Reply<'a>, Garbage> {
    let (&kind, text) = line(bytes)?.and_then(<[u8]>::split_first).ok_or(Garbage)?;
    match kind {
        b'+' => Ok(Reply::Status),
        b'-' => Ok(Reply::Error(String::from_utf8_lossy(text))),
        b':' => number(text).map(Reply::Int),
        b'$' => {
            let Some(length) = length(text)? else { return Ok(Reply::Nil) };
            let (value, rest) = bytes.split_at_checked(length).ok_or(Garbage)?;
            *bytes = rest.strip_prefix(b"\r\n").ok_or(Garbage)?;
            Ok(Reply::Bytes(value))
        }
        b'*' if depth > 0 => {
            let Some(length) = length(text)? else { return Ok(Reply::Nil) };
            let items = (0..length).map(|_| parse_within(bytes, depth - 1));
            items.collect::<Result<_, _>>().map(Reply::Array)
        }
        _ => Err(Garbage),
    }
}

/// Takes the first line off; nothing if it is not there yet.
fn line<'a>(bytes: &mut &'a [u8]) -> Result<Option<&'a [u8]>, Garbage> {
    let head = &bytes[..bytes.len().min(LONGEST_LINE)];
    let Some(end) = head.iter().position(|&byte| byte == b'\r') else {
        return if head.len() < LONGEST_LINE { Ok(None) } else { Err(Garbage) };
    };
    let (line, rest) = bytes.split_at(end);
    match rest.get(1) {
        None => Ok(None),
        Some(b'\n') => {
            *bytes = &rest[2..];
            Ok(Some(line))
        }
        Some(_) => Err(Garbage),
    }
}

/// A length; nothing for -1, which stands for no value.
fn length(digits: &[u8]) -> Result<Option<usize>, Garbage> {
    match number(digits)? {
        -1 => Ok(None),
        length => match usize::try_from(length) {
            Ok(length) if length <= LONGEST => Ok(Some(length)),
            _ => Err(Garbage),
        },
    }
}

fn number(digits: &[u8]) -> Result<i64, Garbage> {
    std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).ok_or(Garbage)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A reply as the server writes it, and as it is read.
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
        let endless = vec![b'+'; LONGEST_LINE];
        let rows: [&[u8]; 12] = [
            b"OK\r\n",
            b"SSH-2.0-",
            b"\x15\x03\x03",
            b"\r\n",
            b":x\r\n",
            b":\r\n",
            b"$-2\r\n",
            b"$99999999999\r\n",
            b"$1\r\nab\r\n",
            b"%1\r\n+a\r\n+b\r\n",
            b"+a\rb\r\n",
            &endless,
        ];
        for mut bytes in rows {
            let label = String::from_utf8_lossy(bytes).into_owned();
            let scanned = Scanner::default().next(bytes);
            assert!(scanned == Err(Garbage) || parse(&mut bytes) == Err(Garbage), "{label}");
        }
    }

    #[test]
    fn a_reply_without_end_is_refused() {
        let rows: [(&str, &[u8], &[u8]); 3] = [
            ("ever deeper", b"", b"*1\r\n"),
            ("ever longer", b"", b"*2\r\n:1\r\n"),
            ("announced as long", b"*536870912\r\n", b":1\r\n"),
        ];
        for (label, head, again) in rows {
            let bytes = [head, &again.repeat(2 * MOST)].concat();
            let mut scanner = Scanner::default();
            let mut ends =
                (0..bytes.len()).step_by(4096).map(|arrived| scanner.next(&bytes[..arrived]));
            assert_eq!(ends.find(|end| *end != Ok(false)), Some(Err(Garbage)), "{label}");
        }
    }

    proptest! {
        #[test]
        fn replies_end_where_they_end_however_they_arrive(
            replies in prop::collection::vec(reply(), 1..6), step in 1..30_usize
        ) {
            let bytes = replies.concat();
            let mut scanner = Scanner::default();
            let mut ends = Vec::new();
            for arrived in (0..bytes.len()).step_by(step).chain([bytes.len()]) {
                while scanner.place() < arrived && scanner.next(&bytes[..arrived]).unwrap() {
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
            let _any = (Scanner::default().next(&bytes), parse(&mut &bytes[..]));
        }
    }
}
