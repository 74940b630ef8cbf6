use proptest::prelude::*;

use std::num::NonZeroU64;

use super::*;
use crate::operation::field::{App, Limits, Ttl};
use crate::operation::{Create, Get, Info, Kill, KillAll, KillById, List, Refresh, Rotate, Update};
use crate::token::Token;

/// A call with its fields decoded, to compare.
#[derive(Debug, PartialEq)]
enum Decoded<'a> {
    /// App, owner, owner in JSON, data, milliseconds, limits.
    Create(App<'a>, Vec<u8>, &'a str, &'a str, u64, Limits),
    Get(App<'a>, Token<'a>),
    Refresh(App<'a>, Token<'a>, u64),
    Update(App<'a>, Token<'a>, &'a str),
    Kill(App<'a>, Token<'a>),
    KillById(App<'a>, Vec<u8>, String),
    KillAll(App<'a>, Vec<u8>, &'a str, Option<Token<'a>>),
    Info(App<'a>, Token<'a>),
    List(App<'a>, Vec<u8>, Option<Token<'a>>, u64),
    Rotate(App<'a>, Token<'a>),
    Ping,
    /// A step of a call on a session whose token was not made for its owner.
    Foreign(String),
}

fn decoded(batch: &str) -> Result<Vec<(u32, Decoded<'_>)>, Malformed> {
    let ms = |ttl: Ttl| ttl.map_or(0, NonZeroU64::get);
    let calls = decode(batch)?.into_iter().map(|call| {
        let operation = match call.operation {
            Operation::Create(Create { app, owner, data, ttl, limits }) => {
                Decoded::Create(app, owner.bytes().into(), owner.json(), data.0, ms(ttl), limits)
            }
            Operation::Ping(_) => Decoded::Ping,
            Operation::Get(Get { app, token }) => Decoded::Get(app, token),
            Operation::Refresh(Refresh { app, token, ttl }) => {
                Decoded::Refresh(app, token, ms(ttl))
            }
            Operation::Update(Update { app, token, data }) => Decoded::Update(app, token, data.0),
            Operation::Kill(Kill { app, token }) => Decoded::Kill(app, token),
            Operation::KillById(KillById { app, owner, id }) => {
                Decoded::KillById(app, owner.bytes().into(), id.as_str().into())
            }
            Operation::KillAll(KillAll { app, owner, except }) => {
                Decoded::KillAll(app, owner.bytes().into(), owner.json(), except)
            }
            Operation::Info(Info { app, token }) => Decoded::Info(app, token),
            Operation::List(List { app, owner, token, limit }) => {
                Decoded::List(app, owner.bytes().into(), token, limit)
            }
            Operation::Rotate(Rotate { app, token }) => Decoded::Rotate(app, token),
            step => Decoded::Foreign(format!("{step:?}")),
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
        let id = "-_AZaz09AZaz09AZaz09AZ";
        // An empty line means that there is no token.
        let other = if line.is_empty() { "t" } else { line };
        let some = || {
            if line.is_empty() { Some(Token::new(b"t".as_slice().into())) } else { Some(token()) }
        };
        let [lifetime, max_sessions] = [5, 7].map(NonZeroU64::new);
        let limits = Limits { slides: true, lifetime, max_sessions };
        let batch = format!(
            "c0\n{line}\n{json}\n86400000\n1 5 7\n{{}}\ng1\n{line}\n{line}\nr2\n{line}\n{line}\n0\n\
             u3\n{line}\n{line}\n{{\"a\":1}}\nk4\n{line}\n{line}\na5\n{line}\n{json}\n\np6\n\n\
             i7\n{line}\n{json}\n{id}\na8\n{line}\n{json}\n{other}\nn9\n{line}\n{line}\n\
             l10\n{line}\n{json}\n{other}\n9\nl11\n{line}\n{json}\n\n1000\no12\n{line}\n{line}\n"
        );
        let expected = vec![
            (0, Decoded::Create(app(), owner.clone(), json, "{}", 86_400_000, limits)),
            (1, Decoded::Get(app(), token())),
            (2, Decoded::Refresh(app(), token(), 0)),
            (3, Decoded::Update(app(), token(), "{\"a\":1}")),
            (4, Decoded::Kill(app(), token())),
            (5, Decoded::KillAll(app(), owner.clone(), json, None)),
            (6, Decoded::Ping),
            (7, Decoded::KillById(app(), owner.clone(), id.into())),
            (8, Decoded::KillAll(app(), owner.clone(), json, some())),
            (9, Decoded::Info(app(), token())),
            (10, Decoded::List(app(), owner.clone(), some(), 9)),
            (11, Decoded::List(app(), owner, None, 1000)),
            (12, Decoded::Rotate(app(), token())),
        ];
        assert_eq!(decoded(&batch), Ok(expected), "{label}");
    }
}

/// A step of each kind on a session whose token was not made for its owner: its name, and its lines.
const STEPS: [(&str, &str); 15] = [
    ("Load", "L1\na\nt\n"),
    ("Put", "P1\na\nt\n\"o\"\nn0\n5\n1698765432123\n7\n1698765432123\n1\n1\n{}\n"),
    ("Put", "P1\na\nt\n\"\"\nn0\n5\n\n0\n\n0\n0\n{}\n"),
    ("TakeOver", "O1\na\nt\n\"o\"\nn0\n7\nu\n{}\n"),
    ("Claim", "C1\na\nt\n\"o\"\n\"p\"\nn0\n1698765432123\n[{},[]]\n"),
    ("Claim", "C1\na\nt\n\"\"\n\"p\"\nn0\n\n\n"),
    ("Peek", "E1\na\n\"o\"\n-_AZaz09AZaz09AZaz09AZ_-8AAA\n"),
    ("Peek", "E1\na\n\n-_AZaz09AZaz09AZaz09AZ_-8AAA\n"),
    ("Point", "T1\na\n\"o\"\nt\nn0\n\n5\n"),
    (
        "Point",
        "T1\na\n00ff10a0AZaz09-_AZaz09-_\n\n-_AZaz09AZaz09AZaz09AZ_-8AAAn0\n1698765432123\n0\n",
    ),
    ("Pointers", "Q1\na\n\"o\"\n(1698765432123\n"),
    ("RefreshPointed", "R1\na\nt\n5\nn0\n1698765432123\n"),
    ("RotatePointed", "M1\na\nt\nu\n00ff10a0AZaz09-_AZaz09-_\nn0\n1698765432123\n"),
    ("KillPointed", "K1\na\n\"o\"\n-_AZaz09AZaz09AZaz09AZ_-8AAA\nn0\n"),
    ("KillPointed", "K1\na\n\"o\"\n-_AZaz09AZaz09AZaz09AZ_-8AAA\n\n"),
];

#[test]
fn the_steps_of_foreign_sessions_are_read_and_each_broken_line_is_refused() {
    for (name, step) in STEPS {
        let calls = decoded(step).expect(step);
        let [(1, Decoded::Foreign(printed))] = &calls[..] else { panic!("{step}: {calls:?}") };
        assert!(printed.starts_with(name), "{step}: {printed}");
        let lines: Vec<_> = step.lines().collect();
        for length in 1..lines.len() {
            let cut = lines[..length].join("\n") + "\n";
            assert_eq!(decoded(&cut), Err(Malformed), "{cut}");
        }
        assert_eq!(decoded(&format!("{step}t\n")), Err(Malformed), "{step}");
        // Beyond the token, each line but data and a score has a form.
        for (n, line) in lines.iter().enumerate().skip(2) {
            let is_free = ["t", "u", "", "{}", "[{},[]]", "(1698765432123"].contains(line);
            for broken in ["\"", "n 0", "-1", "1.0", "n\u{e9}", "+0ff10a0AZaz09-_AZaz09-_"] {
                if is_free {
                    continue;
                }
                let mut lines = lines.clone();
                lines[n] = broken;
                let batch = lines.join("\n") + "\n";
                assert_eq!(decoded(&batch), Err(Malformed), "{batch}");
            }
        }
    }
}

#[test]
fn a_step_is_printed_without_what_is_secret() {
    for (_, step) in STEPS {
        let step = step.replace("\nt\n", "\nhunter2\n").replace("\"o\"", "\"hunter2\"");
        let step = step.replace("{}", "{\"hunter2\":1}").replace("\nu\n", "\nhunter2\n");
        let printed = format!("{:?}", decode(&step).expect("a step"));
        assert!(!printed.contains("hunter2") && !printed.contains("104, 117, 110"), "{printed}");
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
        ("a field missing from create", "c1\na\n\"o\"\n1\n\n"),
        ("a field missing from refresh", "r1\na\nt\n"),
        ("a field missing from update", "u1\na\nt\n"),
        ("a field missing from kill", "k1\na\n"),
        ("a field missing from ping", "p1\n"),
        ("a field that ping does not have", "p1\na\n"),
        ("a field missing from killAll", "a1\na\n\"o\"\n"),
        ("a field missing from kill by id", "i1\na\n\"o\"\n"),
        ("a field missing from info", "n1\na\n"),
        ("a field missing from list", "l1\na\n\"o\"\n\n"),
        ("a field missing from rotate", "o1\na\n"),
        ("an id of 21 characters", "i1\na\n\"o\"\nAZaz09AZaz09AZaz09AZa\n"),
        ("an id of 23 characters", "i1\na\n\"o\"\nAZaz09AZaz09AZaz09AZaz0\n"),
        ("an id of another alphabet", "i1\na\n\"o\"\n+Zaz09AZaz09AZaz09AZaz\n"),
        ("a limit of 0", "l1\na\n\"o\"\n\n0\n"),
        ("two limits of three", "c1\na\n\"o\"\n1\n0 1\n{}\n"),
        ("four limits of three", "c1\na\n\"o\"\n1\n0 1 1 1\n{}\n"),
        ("limits that are no numbers", "c1\na\n\"o\"\n1\nx 1 1\n{}\n"),
        ("a session that slides twice", "c1\na\n\"o\"\n1\n2 1 1\n{}\n"),
        ("a field too many", "g1\na\nt\nt\n"),
        ("a duration that is no number", "r1\na\nt\nx\n"),
        ("a duration with a fraction", "r1\na\nt\n1.5\n"),
        ("a duration below 0", "r1\na\nt\n-1\n"),
        ("a duration that overflows", "r1\na\nt\n18446744073709551616\n"),
        ("an empty duration", "r1\na\nt\n\n"),
        ("an owner that is not JSON", "a1\na\no\n\n"),
        ("an owner that is a number", "a1\na\n1\n\n"),
        ("an owner with a raw tab", "a1\na\n\"o\t\"\n\n"),
        ("an owner behind a space", "a1\na\n \"o\"\n\n"),
        ("a name with a raw NUL, in JSON", "g1\n\"\0\"\nt\n"),
        ("an owner that is not closed", "a1\na\n\"o\n\n"),
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
    let batch = "c0\napp\n\"hunter2\"\n1\n\n{\"hunter2\":1}\ng1\napp\nhunter2\nr2\napp\nhunter2\n1\n\
                 u3\napp\n\"hunter2\\n\"\n{\"hunter2\":1}\nk4\napp\nhunter2\na5\napp\n\"hunter2\"\nhunter2\n\
                 i6\napp\n\"hunter2\"\nAZaz09AZaz09AZaz09AZaz\nn7\napp\nhunter2\n\
                 l8\napp\n\"hunter2\"\nhunter2\n1\no9\napp\nhunter2\n";
    let calls = decode(batch).unwrap();
    assert_eq!(calls.len(), 10);
    let printed = format!("{calls:?} {calls:#?}");
    // 104, 117, 110 are its first bytes, as a vector would print them.
    for secret in ["hunter2", "104, 117, 110"] {
        assert!(!printed.contains(secret), "{printed}");
    }
    for name in [
        "Create", "Get", "Refresh", "Update", "Kill", "KillAll", "KillById", "Info", "List",
        "Rotate", "id: 5",
    ] {
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
                "c1", "g2", "r3", "u4", "k5", "a6", "i7", "n8", "l9", "o1", "L1", "P1", "C1", "E1", "T1", "Q1",
                "R1", "M1", "K1", "-_AZaz09AZaz09AZaz09AZ_-8AAA", "1698765432123", "g", "", "a", "\"o\"", "\"\\ud800", "{}", "0",
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
