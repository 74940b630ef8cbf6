//! Tests batches of calls.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::num::NonZeroU64;

use serde_json::Value;
use spots_sessions::call::{Malformed, decode};
use spots_sessions::operation::field::Limits;
use spots_sessions::operation::{
    Create, Get, Info, Kill, KillAll, KillById, List, Operation, Refresh, Rotate, Update,
};
use spots_sessions::token::Token;

/// The form of a session's id.
const ID: &str = "-_AZaz09AZaz09AZaz09AZ";

/// Every line of a batch is read correctly, or the whole batch is refused.
pub fn read_any(text: &str) {
    let calls = decode(text);
    let printed = format!("{calls:?}");
    assert_eq!(calls.is_err(), printed == "Err(Malformed)");
    match ids(text) {
        Model::Refused => assert_eq!(calls.map(drop), Err(Malformed), "the model refuses it"),
        Model::Read(expected) => {
            let calls = calls.expect("the model reads it");
            assert_eq!(calls.iter().map(|call| call.id).collect::<Vec<_>>(), expected);
        }
        Model::Unknown => {}
    }
}

enum Model {
    Read(Vec<u32>),
    Refused,
    /// It holds a string that `serde_json` cannot represent.
    Unknown,
}

fn ids(text: &str) -> Model {
    let mut lines = text.strip_suffix('\n').unwrap_or(text).split('\n');
    let mut ids = Vec::new();
    let mut is_known = true;
    if text.is_empty() {
        return Model::Read(ids);
    }
    while let Some(head) = lines.next() {
        let fields = match head.get(..1) {
            Some("c") => "nsmLj",
            Some("g" | "k" | "n" | "o") => "nn",
            Some("r") => "nnm",
            Some("u") => "nnj",
            Some("a") => "nsn",
            Some("i") => "nsi",
            Some("l") => "nsnc",
            Some("p") => "e",
            _ => return Model::Refused,
        };
        let Ok(id) = head[1..].parse() else { return Model::Refused };
        ids.push(id);
        for field in fields.chars() {
            let Some(line) = lines.next() else { return Model::Refused };
            let is_string = match serde_json::from_str::<Value>(line) {
                Ok(value) => value.is_string() && line == line.trim(),
                Err(error) => {
                    let beyond = ["surrogate", "hex escape"];
                    is_known &= !beyond.iter().any(|reason| error.to_string().contains(reason));
                    false
                }
            };
            let is_good = match field {
                'n' => is_string || !line.starts_with('"'),
                's' => is_string,
                'e' => line.is_empty(),
                'm' => line.parse::<u64>().is_ok(),
                'c' => line.parse::<u64>().is_ok_and(|count| count > 0),
                'i' => {
                    line.len() == 22
                        && line.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
                }
                'L' => line.is_empty() || are_limits(line),
                _ => true,
            };
            if !is_good && is_known {
                return Model::Refused;
            }
        }
    }
    if is_known { Model::Read(ids) } else { Model::Unknown }
}

fn are_limits(line: &str) -> bool {
    let numbers: Option<Vec<u64>> = line.split(' ').map(|number| number.parse().ok()).collect();
    numbers.is_some_and(|numbers| numbers.len() == 3 && numbers[0] <= 1)
}

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
            (kind % 10, units(app), units(other), u64::from(*head).pow(u32::from(kind >> 5)));
        encode(&mut batch, calls.len(), &call);
        calls.push(call);
        rest = after;
    }
    let read = decode(&batch).expect("what is encoded can be read");
    assert_eq!(read.len(), calls.len());
    for (place, (call, (kind, app, other, number))) in read.iter().zip(&calls).enumerate() {
        assert_eq!(call.id as usize, place);
        let (app, name) = (wtf8(app), wtf8(other));
        let token = Token::new(Cow::Borrowed(&name));
        let some_token = (!name.is_empty()).then(|| token.clone());
        let (json, time) = (stringify(other), NonZeroU64::new(*number));
        let is_read = match &call.operation {
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
            Operation::Rotate(Rotate { app: a, token: t }) => {
                **a == app && *t == token && *kind == 9
            }
            _ => false, // a ping, without fields of the input, or a step with a foreign token
        };
        assert!(is_read, "{batch:?}");
    }
}

fn encode(batch: &mut String, id: usize, (kind, app, other, number): &(u8, Units, Units, u64)) {
    let letter = char::from(b"cgrukainlo"[usize::from(*kind)]);
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
