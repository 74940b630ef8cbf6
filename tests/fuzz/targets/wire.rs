//! Compares the reader of replies with a simpler reader. Both must read the same replies, however the bytes are split.

use std::collections::VecDeque;
use std::sync::Mutex;

use bytes::Bytes;
use tokio::sync::oneshot;

#[path = "../../../src/store/redis/connection/read_buffer.rs"]
#[allow(dead_code, reason = "only what needs no socket is called")]
mod read_buffer;

/// A stand-in for what `read_buffer.rs` uses of its neighbours. No socket is read here.
mod stream {
    pub enum Socket {}

    impl std::io::Read for &Socket {
        fn read(&mut self, _space: &mut [u8]) -> std::io::Result<usize> {
            match **self {}
        }
    }
}
mod pipe {
    use std::sync::{Mutex, MutexGuard, PoisonError};

    pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

use crate::protocol::{ProtocolError, Reply, parse};
use read_buffer::{ReadBuffer, Waiting};

/// How deep replies may be nested. It does not share the reader's constant, so that this test checks the constant, too.
const DEEPEST: usize = 8;

/// Reads a stream in one piece, and then in many pieces. The first two bytes choose the lengths of the pieces, and the
/// number of replies that each command waits for.
///
/// # Panics
///
/// If a property does not hold.
pub fn run(bytes: &[u8]) {
    let [pieces, wanted, stream @ ..] = bytes else { return };
    let whole = deliver([stream], *wanted);
    assert_eq!(deliver(cut(stream, *pieces), *wanted), whole, "in pieces");
    assert_eq!(deliver(stream.chunks(1), *wanted), whole, "byte by byte");

    let (given, ended) = whole;
    let mut rest = stream;
    for (piece, wanted) in given.iter().zip(wants(*wanted)) {
        rest = rest.strip_prefix(&piece[..]).expect("pieces of the stream, in order");
        read(piece, wanted);
    }
    if ended.is_ok() {
        assert!(!is_whole(rest, wants(*wanted).nth(given.len())), "all that is whole is given out");
    }
}

/// The replies that the waiting commands got, and whether the rest of the stream can still be read.
fn deliver<'s>(
    pieces: impl IntoIterator<Item = &'s [u8]>,
    wanted: u8,
) -> (Vec<Bytes>, Result<(), ProtocolError>) {
    let (whom, mut given): (VecDeque<_>, Vec<_>) = wants(wanted)
        .map(|replies| {
            let (whom, answer) = oneshot::channel();
            (Waiting { replies, whom }, answer)
        })
        .unzip();
    let waiters = Mutex::new(whom);
    let mut incoming = ReadBuffer::default();
    let mut end = Ok(());
    for piece in pieces {
        incoming.room().extend_from_slice(piece);
        end = incoming.deliver(&waiters);
        if end.is_err() {
            break;
        }
    }
    let _words = incoming.last_words();
    (given.iter_mut().map_while(|answer| answer.try_recv().ok()).collect(), end)
}

/// Sixteen waiting commands, for one to four replies each.
fn wants(wanted: u8) -> impl Iterator<Item = usize> {
    (0..16).map(move |turn| 1 + usize::from(wanted.rotate_left(turn) & 3))
}

/// Splits a stream into short and long pieces.
fn cut(mut stream: &[u8], pieces: u8) -> impl Iterator<Item = &[u8]> {
    let mut state = u32::from(pieces);
    std::iter::from_fn(move || {
        // The random number generator of Numerical Recipes. Any other would do.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let longest = if state >> 30 == 0 { 64 } else { 6 };
        let length = 1 + (state >> 8) as usize % longest;
        let (piece, rest) = stream.split_at(length.min(stream.len()));
        stream = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Reads the replies to a command, which must end where the reader said.
fn read(mut piece: &[u8], wanted: usize) {
    let mut model = piece;
    for _ in 0..wanted {
        let expected = plainly(&mut model, DEEPEST);
        let reply = parse(&mut piece);
        assert_eq!(reply.as_ref().ok(), expected.as_ref(), "as the protocol says");
        if reply.is_err() {
            return;
        }
        assert_eq!(piece, model);
    }
    assert_eq!(piece, b"", "no more than the replies");
}

/// Whether the stream holds this many replies, and all can be read.
fn is_whole(mut rest: &[u8], wanted: Option<usize>) -> bool {
    wanted.is_some_and(|wanted| (0..wanted).all(|_| plainly(&mut rest, DEEPEST).is_some()))
}

/// One reply, as the protocol describes it. `None` if it is invalid or incomplete.
fn plainly<'s>(rest: &mut &'s [u8], depth: usize) -> Option<Reply<'s>> {
    let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
    let (line, after) = (&rest[..end], &rest[end + 2..]);
    let (kind, text) = line.split_first()?;
    if text.contains(&b'\r') {
        return None;
    }
    *rest = after;
    let number = || std::str::from_utf8(text).ok()?.parse::<i64>().ok();
    match kind {
        b'+' => Some(Reply::Status),
        b'-' => Some(Reply::Error(String::from_utf8_lossy(text))),
        b':' => number().map(Reply::Int),
        b'$' | b'*' if number()? == -1 => Some(Reply::Nil),
        b'$' => {
            let length = usize::try_from(number()?).ok()?;
            let value = after.get(..length)?;
            *rest = after[length..].strip_prefix(b"\r\n")?;
            Some(Reply::Bytes(value))
        }
        b'*' => {
            let mut items = Vec::new();
            for _ in 0..number()?.try_into().ok()? {
                items.push(plainly(rest, depth.saturating_sub(1))?);
            }
            Some(if depth == 0 { Reply::TooLong } else { Reply::Array(items) })
        }
        _ => None,
    }
}
