use proptest::prelude::*;

use std::num::NonZeroU64;

use super::*;
use crate::operation::field::{App, Ttl};
use crate::operation::{Create, Get, Kill, KillAll, Refresh, Update};
use crate::token::Token;

/// A call with its fields decoded, to compare.
#[derive(Debug, PartialEq)]
enum Decoded<'a> {
    /// App, owner, owner in JSON, data, milliseconds.
    Create(App<'a>, Vec<u8>, &'a str, &'a str, u64),
    Get(App<'a>, Token<'a>),
    Refresh(App<'a>, Token<'a>, u64),
    Update(App<'a>, Token<'a>, &'a str),
    Kill(App<'a>, Token<'a>),
    KillAll(App<'a>, Vec<u8>, &'a str),
    Ping,
}

fn decoded(batch: &str) -> Result<Vec<(u32, Decoded<'_>)>, Malformed> {
    let ms = |ttl: Ttl| ttl.map_or(0, NonZeroU64::get);
    let calls = decode(batch)?.into_iter().map(|call| {
        let operation = match call.operation {
            Operation::Create(Create { app, owner, data, ttl }) => {
                Decoded::Create(app, owner.bytes().into(), owner.json(), data.0, ms(ttl))
            }
            Operation::Ping(_) => Decoded::Ping,
            Operation::Get(Get { app, token }) => Decoded::Get(app, token),
            Operation::Refresh(Refresh { app, token, ttl }) => {
                Decoded::Refresh(app, token, ms(ttl))
            }
            Operation::Update(Update { app, token, data }) => Decoded::Update(app, token, data.0),
            Operation::Kill(Kill { app, token }) => Decoded::Kill(app, token),
            Operation::KillAll(KillAll { app, owner }) => {
                Decoded::KillAll(app, owner.bytes().into(), owner.json())
            }
        };
        (call.id, operation)
    });
    Ok(calls.collect())
}

/// Names and tokens as a line spells them, and the bytes that they are.
const FIELDS: [(&str, &str, &[u8]); 13] = [
    ("plain", "shop", b"shop"),
    ("empty", "", b""),
    ("with spaces", " a b ", b" a b "),
    ("beyond ASCII", "\u{e9}\u{1f600}", b"\xc3\xa9\xf0\x9f\x98\x80"),
    ("CR at its end", "a\r", b"a\r"),
    ("CR inside", "a\rb", b"a\rb"),
    ("a raw NUL", "a\0b", b"a\0b"),
    ("a quote that does not begin it", "a\"", b"a\""),
    ("a backslash, raw", "\\n", b"\\n"),
    ("a newline, in JSON", r#""a\nb\n""#, b"a\nb\n"),
    ("a quote that begins it, in JSON", r#""\"a""#, b"\"a"),
    ("lone surrogates, in JSON", r#""\ud800\n\udfff""#, b"\xed\xa0\x80\n\xed\xbf\xbf"),
    ("a letter and a number", "g1", b"g1"),
];

#[test]
fn every_operation_takes_every_name() {
    for (label, line, bytes) in FIELDS {
        let app = || App::from(bytes);
        let token = || Token::new(bytes.into());
        let owner = b"o\n\xed\xa0\x80".to_vec();
        let json = r#""o\n\ud800""#;
        let batch = format!(
            "c0\n{line}\n{json}\n86400000\n{{}}\ng1\n{line}\n{line}\nr2\n{line}\n{line}\n0\n\
             u3\n{line}\n{line}\n{{\"a\":1}}\nk4\n{line}\n{line}\na5\n{line}\n{json}\np6\n\n"
        );
        let expected = vec![
            (0, Decoded::Create(app(), owner.clone(), json, "{}", 86_400_000)),
            (1, Decoded::Get(app(), token())),
            (2, Decoded::Refresh(app(), token(), 0)),
            (3, Decoded::Update(app(), token(), "{\"a\":1}")),
            (4, Decoded::Kill(app(), token())),
            (5, Decoded::KillAll(app(), owner, json)),
            (6, Decoded::Ping),
        ];
        assert_eq!(decoded(&batch), Ok(expected), "{label}");
    }
}

#[test]
fn ids_and_durations_are_read_to_their_ends() {
    let batch = "r0\na\nt\n1\nr4294967295\na\nt\n18446744073709551615\n";
    let token = || Token::new(b"t".as_slice().into());
    let refresh = |ms| Decoded::Refresh(App::from(b"a".as_slice()), token(), ms);
    let expected = vec![(0, refresh(1)), (u32::MAX, refresh(u64::MAX))];
    assert_eq!(decoded(batch), Ok(expected));
}

#[test]
fn a_batch_of_nothing_has_no_calls() {
    assert_eq!(decoded(""), Ok(Vec::new()));
}

#[test]
fn what_our_javascript_does_not_write_is_malformed() {
    let rows = [
        ("an empty line", "\n"),
        ("an unknown letter", "x1\na\nt\n"),
        ("an upper-case letter", "G1\na\nt\n"),
        ("a letter beyond ASCII", "\u{e9}1\na\nt\n"),
        ("no id", "g\na\nt\n"),
        ("an id that is no number", "gx\na\nt\n"),
        ("an id with a fraction", "g1.5\na\nt\n"),
        ("an id below 0", "g-1\na\nt\n"),
        ("an id that overflows", "g4294967296\na\nt\n"),
        ("a space before the id", "g 1\na\nt\n"),
        ("CR after the id", "g1\r\na\nt\n"),
        ("no fields", "g1\n"),
        ("a field missing from get", "g1\na\n"),
        ("a field missing from create", "c1\na\n\"o\"\n1\n"),
        ("a field missing from refresh", "r1\na\nt\n"),
        ("a field missing from update", "u1\na\nt\n"),
        ("a field missing from kill", "k1\na\n"),
        ("a field missing from ping", "p1\n"),
        ("a field that ping does not have", "p1\na\n"),
        ("a field missing from killAll", "a1\na\n"),
        ("a field too many", "g1\na\nt\nt\n"),
        ("a duration that is no number", "r1\na\nt\nx\n"),
        ("a duration with a fraction", "r1\na\nt\n1.5\n"),
        ("a duration below 0", "r1\na\nt\n-1\n"),
        ("a duration that overflows", "r1\na\nt\n18446744073709551616\n"),
        ("an empty duration", "r1\na\nt\n\n"),
        ("an owner that is not JSON", "a1\na\no\n"),
        ("an owner that is a number", "a1\na\n1\n"),
        ("an owner with a raw tab", "a1\na\n\"o\t\"\n"),
        ("an owner behind a space", "a1\na\n \"o\"\n"),
        ("a name with a raw NUL, in JSON", "g1\n\"\0\"\nt\n"),
        ("an owner that is not closed", "a1\na\n\"o\n"),
        ("a name that is not closed", "g1\n\"a\nt\n"),
        ("a name with junk", "g1\n\"a\"b\nt\n"),
        ("a token with a bad escape", "g1\na\n\"\\x\"\n"),
        ("a second call that is cut off", "g1\na\nt\ng2\na\n"),
    ];
    for (label, batch) in rows {
        assert_eq!(decoded(batch), Err(Malformed), "{label}");
    }
}

#[test]
fn a_batch_is_printed_without_what_is_secret() {
    let batch = "c0\napp\n\"hunter2\"\n1\n{\"hunter2\":1}\ng1\napp\nhunter2\nr2\napp\nhunter2\n1\n\
                 u3\napp\n\"hunter2\\n\"\n{\"hunter2\":1}\nk4\napp\nhunter2\na5\napp\n\"hunter2\"\n";
    let calls = decode(batch).unwrap();
    assert_eq!(calls.len(), 6);
    let printed = format!("{calls:?} {calls:#?}");
    // 104, 117, 110 are its first bytes, as a vector would print them.
    for secret in ["hunter2", "104, 117, 110"] {
        assert!(!printed.contains(secret), "{printed}");
    }
    for name in ["Create", "Get", "Refresh", "Update", "Kill", "KillAll", "id: 5"] {
        assert!(printed.contains(name), "{name} is missing from {printed}");
    }
}

proptest! {
    #[test]
    fn any_text_can_be_read(batch in any::<String>()) {
        let _any = decode(&batch);
    }

    #[test]
    fn lines_in_any_order_can_be_read(
        lines in prop::collection::vec(
            prop::sample::select(vec![
                "c1", "g2", "r3", "u4", "k5", "a6", "g", "", "a", "\"o\"", "\"\\ud800", "{}", "0",
                "1", "\r", "\"", "\u{e9}",
            ]),
            0..24,
        )
    ) {
        let batch = lines.join("\n");
        if let Ok(calls) = decode(&batch) {
            // Each takes three lines at the least.
            prop_assert!(calls.len() * 3 <= lines.len() + 1);
        }
    }
}
