//! Tests batches of calls that are written as JavaScript writes them.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::num::NonZeroU64;

use spots_sessions::address::OwnerHash;
use spots_sessions::call::decode;
use spots_sessions::operation::field::Limits;
use spots_sessions::operation::{
    Claim, Create, Get, Info, Kill, KillAll, KillById, KillPointed, List, Load, Operation, Peek,
    Point, Pointers, Refresh, RefreshPointed, Rotate, RotatePointed, TakeOver, Update,
};
use spots_sessions::token::Token;

/// The form of a session's id.
const ID: &str = "-_AZaz09AZaz09AZaz09AZ";

/// The forms of the fields that name a session whose token was not made for its owner.
const ADDRESS: &str = "-_AZaz09AZaz09AZaz09AZ_-8AAA";
const NONCE: &str = "0n";
const TIME: &str = "1698765432123";
const HASH: &str = "00ff10a0AZaz09-_AZaz09-_";

/// The UTF-16 units of a name, as in a JavaScript string.
type Units = Vec<u16>;

/// Encoded calls are read back unchanged, whatever their names are.
pub fn spell_and_read(bytes: &[u8]) {
    let mut rest = bytes;
    let mut batch = String::new();
    let mut calls = Vec::new();
    while let [kind, head, after @ ..] = rest {
        let (names, after) = after.split_at(usize::from(*head >> 3).min(after.len()));
        let (app, other) = names.split_at(usize::from(*head & 7).min(names.len()));
        let call =
            (kind % 20, units(app), units(other), u64::from(*head).pow(u32::from(kind >> 5)));
        encode(&mut batch, calls.len(), &call);
        calls.push(call);
        rest = after;
    }
    let read = decode(&batch).expect("what is encoded can be read");
    assert_eq!(read.len(), calls.len());
    for (n, (call, expected)) in read.iter().zip(&calls).enumerate() {
        assert!(call.id as usize == n && is_read(&call.operation, expected), "{batch:?}");
    }
}

/// Whether an operation is the one that was encoded.
fn is_read(
    operation: &Operation<'_>,
    (kind, app, other, number): &(u8, Units, Units, u64),
) -> bool {
    let (app, name) = (wtf8(app), wtf8(other));
    let token = Token::new(Cow::Borrowed(&name));
    let some_token = (!name.is_empty()).then(|| token.clone());
    let (json, time) = (stringify(other), NonZeroU64::new(*number));
    match operation {
        Operation::Create(Create { app: a, owner, ttl, limits, data }) => {
            let Limits { slides, lifetime, max_sessions } = *limits;
            (**a == app && owner.bytes() == name && owner.json() == json)
                && (slides == (number % 2 == 1) && lifetime == time && max_sessions == time)
                && (*ttl == time && data.0 == json && *kind == 0)
        }
        Operation::Get(Get { app: a, token: t }) => **a == app && *t == token && *kind == 1,
        Operation::Refresh(Refresh { app: a, token: t, ttl }) => {
            **a == app && *t == token && *ttl == time && *kind == 2
        }
        Operation::Update(Update { app: a, token: t, data }) => {
            **a == app && *t == token && data.0 == json && *kind == 3
        }
        Operation::Kill(Kill { app: a, token: t }) => **a == app && *t == token && *kind == 4,
        Operation::KillAll(KillAll { app: a, owner, except }) => {
            (**a == app && owner.bytes() == name && owner.json() == json && *kind == 5)
                && *except == some_token
        }
        Operation::KillById(KillById { app: a, owner, id }) => {
            **a == app && owner.bytes() == name && id.as_str() == ID && *kind == 6
        }
        Operation::Info(Info { app: a, token: t }) => **a == app && *t == token && *kind == 7,
        Operation::List(List { app: a, owner, token: t, limit }) => {
            (**a == app && owner.bytes() == name && *t == some_token && *kind == 8)
                && *limit == number.saturating_add(1)
        }
        Operation::Rotate(Rotate { app: a, token: t }) => **a == app && *t == token && *kind == 9,
        Operation::Load(Load { app: a, token: t }) => **a == app && *t == token && *kind == 10,
        Operation::Put(put) => {
            let ttls = [put.ttl, put.lifetime] == [time; 2];
            (*put.app == *app && put.token == token && put.owner.json() == json && ttls)
                && ([put.nonce, put.not_after, put.until] == [NONCE, TIME, TIME])
                && (put.replaces == (number % 2 == 1) && put.data.0 == json && *kind == 11)
                && put.owner.is_nobody() == name.is_empty()
        }
        Operation::Claim(Claim { app: a, token: t, before, after, nonce, until, patch }) => {
            (**a == app && *t == token && before.bytes() == name && after.json() == json)
                && (*nonce == NONCE && until.is_empty() && patch.0 == json && *kind == 12)
        }
        Operation::Peek(Peek { app: a, owner, address }) => {
            **a == app
                && (owner.as_ref().is_some_and(|owner| owner.bytes() == name))
                && address.to_text() == ADDRESS
                && *kind == 13
        }
        Operation::Point(Point { app: a, owner, token: t, pointer, until, ttl }) => {
            let expected = if t.is_some() { NONCE.into() } else { format!("{ADDRESS}{NONCE}") };
            (**a == app && *owner == OwnerHash::of(&app, &name) && *t == some_token)
                && (*pointer == expected && *until == TIME && *ttl == time && *kind == 14)
        }
        Operation::Pointers(Pointers { app: a, owner, from }) => {
            **a == app && owner.bytes() == name && *from == "-inf" && *kind == 15
        }
        Operation::RefreshPointed(RefreshPointed { app: a, token: t, ttl, nonce, until }) => {
            (**a == app && *t == token && *ttl == time && *nonce == NONCE)
                && (*until == TIME && *kind == 16)
        }
        Operation::RotatePointed(RotatePointed {
            app: a,
            token: t,
            new_token,
            owner,
            nonce,
            until,
        }) => {
            (**a == app && *t == token && *new_token == token && *nonce == NONCE)
                && owner.is_some_and(|owner| owner.to_text() == HASH)
                && (until.is_empty() && *kind == 17)
        }
        Operation::KillPointed(KillPointed { app: a, owner, address, nonce }) => {
            (**a == app && owner.bytes() == name && address.to_text() == ADDRESS)
                && nonce.is_empty()
                && *kind == 18
        }
        Operation::TakeOver(TakeOver { app: a, token: t, owner, nonce, lifetime, old, data }) => {
            (**a == app && *t == token && owner.json() == json && *nonce == NONCE)
                && (*lifetime == time && *old.0 == *name && data.0 == json && *kind == 19)
        }
        Operation::Ping(_) => false, // `boundary.js` writes it without fields of the input
    }
}

fn encode(batch: &mut String, id: usize, (kind, app, other, number): &(u8, Units, Units, u64)) {
    let letter = char::from(b"cgrukainloLPCETQRMKO"[usize::from(*kind)]);
    let (app, name, json) = (line(app), line(other), stringify(other));
    let written = match letter {
        'c' => {
            let slides = number % 2;
            let limits = format!("{slides} {number} {number}");
            writeln!(batch, "c{id}\n{app}\n{json}\n{number}\n{limits}\n{json}")
        }
        'r' => writeln!(batch, "r{id}\n{app}\n{name}\n{number}"),
        'u' => writeln!(batch, "u{id}\n{app}\n{name}\n{json}"),
        'a' => writeln!(batch, "a{id}\n{app}\n{json}\n{name}"),
        'i' => writeln!(batch, "i{id}\n{app}\n{json}\n{ID}"),
        'l' => {
            let limit = number.saturating_add(1);
            writeln!(batch, "l{id}\n{app}\n{json}\n{name}\n{limit}")
        }
        'P' => {
            let flag = number % 2;
            let times = format!("{NONCE}\n{number}\n{TIME}\n{number}\n{TIME}\n{flag}\n{flag}");
            writeln!(batch, "P{id}\n{app}\n{name}\n{json}\n{times}\n{json}")
        }
        'C' => writeln!(batch, "C{id}\n{app}\n{name}\n{json}\n{json}\n{NONCE}\n\n{json}"),
        'O' => {
            writeln!(batch, "O{id}\n{app}\n{name}\n{json}\n{NONCE}\n{number}\n{name}\n{json}")
        }
        'E' => writeln!(batch, "E{id}\n{app}\n{json}\n{ADDRESS}"),
        'T' => {
            let address = if other.is_empty() { ADDRESS } else { "" };
            writeln!(batch, "T{id}\n{app}\n{json}\n{name}\n{address}{NONCE}\n{TIME}\n{number}")
        }
        'Q' => writeln!(batch, "Q{id}\n{app}\n{json}\n-inf"),
        'R' => writeln!(batch, "R{id}\n{app}\n{name}\n{number}\n{NONCE}\n{TIME}"),
        'M' => writeln!(batch, "M{id}\n{app}\n{name}\n{name}\n{HASH}\n{NONCE}\n"),
        'K' => writeln!(batch, "K{id}\n{app}\n{json}\n{ADDRESS}\n"),
        _ => writeln!(batch, "{letter}{id}\n{app}\n{name}"),
    };
    written.expect("a String takes any text");
}

/// Half of the bytes stand for themselves. The others stand for UTF-16 units that are hard to encode.
fn units(bytes: &[u8]) -> Units {
    let hard = [0x0a, 0x22, 0x5c, 0xd800, 0xdbff, 0xdc00, 0xdfff, 0x0d, 0, 0x2028, 0xe9, 0xfeff];
    let unit = |byte: &u8| match byte {
        0..128 => u16::from(*byte),
        _ => hard[usize::from(byte - 128) % hard.len()],
    };
    bytes.iter().map(unit).collect()
}

/// `encode` of `lib/boundary.js`.
fn line(units: &Units) -> String {
    match String::from_utf16(units) {
        Ok(text) if !text.starts_with('"') && !text.contains('\n') => text,
        _ => stringify(units),
    }
}

/// `JSON.stringify`.
fn stringify(units: &Units) -> String {
    let mut json = String::from("\"");
    for unit in char::decode_utf16(units.iter().copied()) {
        match unit {
            Ok(c @ ('"' | '\\')) => json.extend(['\\', c]),
            Ok('\n') => json.push_str("\\n"),
            Ok(c @ '\0'..' ') => escape(&mut json, u32::from(c)),
            Ok(c) => json.push(c),
            Err(lone) => escape(&mut json, lone.unpaired_surrogate().into()),
        }
    }
    json.push('"');
    json
}

fn escape(json: &mut String, unit: u32) {
    write!(json, "\\u{unit:04x}").expect("a String takes any text");
}

/// UTF-8 in which a lone surrogate is three bytes.
fn wtf8(units: &Units) -> Vec<u8> {
    let mut bytes = Vec::new();
    for unit in char::decode_utf16(units.iter().copied()) {
        match unit {
            Ok(c) => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            Err(lone) => {
                let [high, low] = lone.unpaired_surrogate().to_be_bytes();
                bytes.extend([0xed, 0x80 | (high & 15) << 2 | low >> 6, 0x80 | low & 0x3f]);
            }
        }
    }
    bytes
}
