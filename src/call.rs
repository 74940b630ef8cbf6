//! Calls as they cross from JavaScript: a batch is one text, a call a few lines of it.
//!
//! The first line of a call is a letter for the operation and the number of the slot that waits
//! for the answer; each further line is a field. A field never has a raw newline: JSON has none,
//! and a name or token that holds one (or a lone surrogate) is written as a JSON string. So is one
//! that begins with a quote, which is how the two are told apart. `lib/boundary.js` writes this.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU64;

use crate::line::lines;
use crate::record::decode_string;
use crate::token::Token;

/// One call of a method, and the slot that waits for its answer.
#[derive(Debug)]
pub struct Call<'a> {
    /// Where JavaScript keeps the promise.
    pub slot: u32,
    /// What is to be done.
    pub operation: Operation<'a>,
}

/// The name of an app: any bytes.
pub type App<'a> = Cow<'a, [u8]>;

/// How long a session lives: milliseconds, or for ever.
pub type Ttl = Option<NonZeroU64>;

/// The six methods, with their arguments.
#[derive(Debug)]
#[expect(missing_docs, reason = "the fields are the arguments of the public methods")]
pub enum Operation<'a> {
    Create { app: App<'a>, owner: Owner<'a>, ttl: Ttl, data: Json<'a> },
    Get { app: App<'a>, token: Token<'a> },
    Refresh { app: App<'a>, token: Token<'a>, ttl: Ttl },
    Update { app: App<'a>, token: Token<'a>, data: Json<'a> },
    Kill { app: App<'a>, token: Token<'a> },
    KillAll { app: App<'a>, owner: Owner<'a> },
}

/// JSON text on one line, as `JSON.stringify` writes it. It is users' data, so it is not printed.
#[derive(Clone, Copy)]
pub struct Json<'a>(pub &'a str);

impl fmt::Debug for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Json(redacted)")
    }
}

/// An owner's name: as the JSON that records spell, and as the bytes that routes are made of.
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
    /// Takes an owner's name in JSON, as `JSON.stringify` writes it; `None` if it is no string.
    #[must_use]
    pub fn from_json(json: &'a str) -> Option<Self> {
        decode_string(json).ok().map(|bytes| Self { json, bytes })
    }

    /// The name as records spell it.
    #[must_use]
    pub fn json(&self) -> &'a str {
        self.json
    }

    /// The name itself.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// A batch that was not written by our own JavaScript, or a bug in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Reads a batch.
///
/// # Errors
///
/// [`Malformed`], and then no call of the batch is carried out.
pub fn decode(batch: &str) -> Result<Vec<Call<'_>>, Malformed> {
    let mut calls = Vec::with_capacity(32);
    let mut lines = lines(batch);
    while let Some(head) = lines.next() {
        calls.push(decode_call(head, &mut lines).ok_or(Malformed)?);
    }
    Ok(calls)
}

fn decode_call<'a>(head: &'a str, lines: &mut impl Iterator<Item = &'a str>) -> Option<Call<'a>> {
    let (letter, slot) = head.split_at_checked(1)?;
    let slot = slot.parse().ok()?;
    let app = field(lines)?;
    let operation = match letter {
        "c" => {
            Operation::Create { app, owner: owner(lines)?, ttl: ttl(lines)?, data: json(lines)? }
        }
        "g" => Operation::Get { app, token: token(lines)? },
        "r" => Operation::Refresh { app, token: token(lines)?, ttl: ttl(lines)? },
        "u" => Operation::Update { app, token: token(lines)?, data: json(lines)? },
        "k" => Operation::Kill { app, token: token(lines)? },
        "a" => Operation::KillAll { app, owner: owner(lines)? },
        _ => return None,
    };
    Some(Call { slot, operation })
}

fn field<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Option<Cow<'a, [u8]>> {
    let line = lines.next()?;
    if line.starts_with('"') {
        decode_string(line).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(line.as_bytes()))
    }
}

fn token<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Option<Token<'a>> {
    field(lines).map(Token::new)
}

fn owner<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Option<Owner<'a>> {
    Owner::from_json(lines.next()?)
}

fn json<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Option<Json<'a>> {
    lines.next().map(Json)
}

/// Milliseconds; 0 stands for ever.
fn ttl<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Option<Ttl> {
    lines.next()?.parse().ok().map(NonZeroU64::new)
}

#[cfg(test)]
mod tests;
