//! What patches make of the data, in tables.

use super::*;

/// Labels, data, patches, and the data that they come to.
const FOLDINGS: [(&str, &str, &[&str], &str); 29] = [
    ("a replaced key keeps its place", r#"{"a":1,"b":2}"#, &[r#"{"a":3}"#], r#"{"a":3,"b":2}"#),
    ("a new key goes last", r#"{"b":1}"#, &[r#"{"a":2}"#], r#"{"b":1,"a":2}"#),
    ("into nothing", "{}", &[r#"{"a":1}"#], r#"{"a":1}"#),
    ("an empty patch", r#"{"a":1}"#, &["{}"], r#"{"a":1}"#),
    ("null deletes", r#"{"a":1,"b":2}"#, &[r#"{"a":null}"#], r#"{"b":2}"#),
    ("null deletes the last one", r#"{"a":1}"#, &[r#"{"a":null}"#], "{}"),
    ("null deletes nothing", r#"{"a":1}"#, &[r#"{"b":null}"#], r#"{"a":1}"#),
    ("null stays in the base", r#"{"a":null}"#, &[r#"{"b":1}"#], r#"{"a":null,"b":1}"#),
    ("null deletes null", r#"{"a":null}"#, &[r#"{"a":null}"#], "{}"),
    (
        "null inside a value stays",
        r#"{"a":1}"#,
        &[r#"{"a":[null,{"b":null}]}"#],
        r#"{"a":[null,{"b":null}]}"#,
    ),
    ("the text null deletes nothing", r#"{"a":1}"#, &[r#"{"a":"null"}"#], r#"{"a":"null"}"#),
    ("null with space around", r#"{"a":1}"#, &["{ \"a\" : null }"], "{}"),
    (
        "deleted, then set: last",
        r#"{"a":1,"b":2}"#,
        &[r#"{"a":null}"#, r#"{"a":3}"#],
        r#"{"b":2,"a":3}"#,
    ),
    (
        "deleted, then set, in one patch",
        r#"{"a":1,"b":2}"#,
        &[r#"{"a":null,"a":3}"#],
        r#"{"b":2,"a":3}"#,
    ),
    ("the later patch wins", r#"{"a":1}"#, &[r#"{"a":2}"#, r#"{"a":3}"#], r#"{"a":3}"#),
    (
        "nested objects are replaced whole",
        r#"{"a":{"x":1}}"#,
        &[r#"{"a":{"y":2}}"#],
        r#"{"a":{"y":2}}"#,
    ),
    ("one key, encoded twice", r#"{"a":1,"b":2}"#, &[r#"{"\u0061":3}"#], r#"{"\u0061":3,"b":2}"#),
    (
        "a pair of surrogates, encoded twice",
        "{\"\u{1f600}\":1}",
        &[r#"{"\uD83D\ude00":null}"#],
        "{}",
    ),
    (
        "lone surrogates are keys of their own",
        r#"{"\ud83d":1,"\ude00":2}"#,
        &[r#"{"\uD83D":null}"#],
        r#"{"\ude00":2}"#,
    ),
    ("a key twice in the base", r#"{"a":1,"b":2,"a":3}"#, &["{}"], r#"{"a":3,"b":2}"#),
    ("exact: null is a value", r#"{"a":1}"#, &[r#"[{"a":null,"b":null},[]]"#], {
        r#"{"a":null,"b":null}"#
    }),
    ("exact: names are deleted", r#"{"a":1,"b":null}"#, &[r#"[{},["b","c"]]"#], r#"{"a":1}"#),
    ("exact: set, then deleted", r#"{"a":1}"#, &[r#"[{"a":2,"b":3},["a"]]"#], r#"{"b":3}"#),
    ("exact: a name twice", r#"{"a":1}"#, &[r#"[{},["a","\u0061"]]"#], "{}"),
    ("exact: a name with escapes", r#"{"a\"\n":1}"#, &[r#"[{},["\u0061\u0022\u000a"]]"#], "{}"),
    ("exact: lone surrogates", r#"{"\ud83d":1,"\ude00":2}"#, &[r#"[{},["\uD83D"]]"#], {
        r#"{"\ude00":2}"#
    }),
    ("exact: a nested null", r#"{"a":1}"#, &[r#"[{"a":{"b":null}},["b"]]"#], r#"{"a":{"b":null}}"#),
    ("a merge patch deletes its null", "{}", &[r#"[{"a":null},[]]"#, r#"{"a":null}"#], "{}"),
    (
        "an exact patch keeps what a merge patch set",
        r#"{"a":null}"#,
        &[r#"{"b":{"c":null}}"#, r#"[{"b":null},[]]"#, "{\"d\":1}"],
        r#"{"a":null,"b":null,"d":1}"#,
    ),
];

/// Arrays that are no patches.
const BROKEN_EXACT_PATCHES: [&str; 14] = [
    "[]",
    "[{}]",
    "[[],{}]",
    "[{},{}]",
    "[[],[]]",
    "[null,[]]",
    "[{},null]",
    "[{},[],[]]",
    "[{},[1]]",
    "[{},[null]]",
    r#"[{},["a]]"#,
    r#"[{},["a"]],[]"#,
    "[{},[]] ",
    r#"[{"a":},[]]"#,
];

#[test]
fn an_array_that_is_no_patch_makes_a_record_corrupt() {
    for patch in BROKEN_EXACT_PATCHES {
        let record = format!("{{}}\n\"o\"\n{{}}\n{patch}");
        assert_eq!(Record::parse(record.as_bytes()), Err(Corrupt), "{patch}");
        let between = format!("{record}\n{{}}");
        assert_eq!(Record::parse(between.as_bytes()), Err(Corrupt), "{patch}, before another");
    }
}

#[test]
fn a_claim_changes_owner_and_nonce_and_takes_a_patch() {
    let record = encode_foreign("\"ann\"", 7, "n1", r#"{"a":1,"b":2}"#) + "\n{\"c\":3}";
    let record = Record::parse(record.as_bytes()).unwrap();
    let claimed = record.claimed_by("\"bob\"", "n2", r#"[{"b":null},["a"]]"#, 100);
    let expected = "{\"createdAt\":7,\"nonce\":\"n2\"}\n\"bob\"\n{\"b\":null,\"c\":3}";
    assert_eq!(claimed.as_deref(), Ok(expected));
    assert_eq!(record.claimed_by("\"bob\"", "n2", "[]", 100), Err(Unfit::NoPatch));
    let long = format!("[{{\"d\":\"{}\"}},[]]", "x".repeat(100));
    assert_eq!(record.claimed_by("\"bob\"", "n2", &long, 100), Err(Unfit::TooLarge));
    let nobodys = encode_foreign(NOBODY, 7, "n1", "{}");
    assert!(Record::parse(nobodys.as_bytes()).unwrap().is_anonymous());
    assert!(!record.is_anonymous());
}

#[test]
fn a_mark_and_a_nonce_are_read_from_line_1_alone() {
    let rows: [(&str, String, Option<&str>, Option<&str>); 9] = [
        (
            "both",
            r#"{"createdAt":1,"mark":"AZaz09","nonce":"n0n"}"#.into(),
            Some("AZaz09"),
            Some("n0n"),
        ),
        ("none", r#"{"createdAt":1}"#.into(), None, None),
        ("not closed", r#"{"createdAt":1,"mark":"AZaz09,"nonce":1}"#.into(), Some("AZaz09,"), None),
        ("in line 2", "{}\n\"mark\":\"AZaz09\",\"nonce\":\"n\"".into(), None, None),
        ("a nonce with an escape", r#"{"nonce":"n\\"}"#.into(), None, None),
        ("a nonce with a space", r#"{"nonce":"n n"}"#.into(), None, None),
        ("an empty nonce", r#"{"nonce":""}"#.into(), None, None),
        ("200 bytes", format!(r#"{{{}"mark":"AZaz09"}}"#, " ".repeat(183)), Some("AZaz09"), None),
        ("201 bytes", format!(r#"{{{}"mark":"AZaz09"}}"#, " ".repeat(184)), None, None),
    ];
    for (label, first_line, mark, nonce) in rows {
        let record = first_line + "\n\"mark\":\"zzzzzz\"\n{\"nonce\":\"zz\"}";
        assert_eq!(mark_in(record.as_bytes()), mark.map(str::as_bytes), "{label}");
        assert_eq!(nonce_in(record.as_bytes()), nonce, "{label}");
    }
    for bytes in [&b""[..], b"\n", b"{\"mark\":\"", b"{\"mark\":\"\n", b"\xff\"nonce\":\"\xff\"\n"]
    {
        assert_eq!((mark_in(bytes), nonce_in(bytes)), (None, None));
    }
}

#[test]
fn the_sliding_duration_is_read_from_line_1_alone() {
    let rows = [
        ("as it is written", "{\"createdAt\":1698765432123,\"sliding\":600000}", Some(600_000)),
        ("last", "{\"createdAt\":1698765432123,\"endsAt\":1,\"sliding\":5}", Some(5)),
        ("none", "{\"createdAt\":1698765432123}", None),
        ("in line 3", "{\"8\":nul\n\"\"\n:1698765432123,\"sliding\":600000}", None),
        ("twice: the first", "{\"sliding\":7,\"other\":12345,\"sliding\":5}", Some(7)),
        ("no number", "{\"createdAt\":1698765432123,\"sliding\":x}", None),
        ("not ended", "{\"createdAt\":1698765432123,\"sliding\":5", None),
    ];
    for (label, first_line, expected) in rows {
        let record = format!("{first_line}\n\"o\"\n{{\"sliding\":9}}");
        assert_eq!(sliding_in(record.as_bytes()), expected, "{label}");
    }
}

#[test]
fn patches_fold_as_assignments_do_in_javascript() {
    for (label, data, patches, expected) in FOLDINGS {
        assert_eq!(data_of(data, patches), expected, "{label}");
    }
}

/// A record that is folded with one more patch, or why it is not.
fn folded(
    first_line: &str,
    data: &str,
    patches: &str,
    patch: &str,
    max: usize,
) -> Result<String, Unfit> {
    let record = format!("{first_line}\n\"o\"\n{data}{patches}");
    Record::parse(record.as_bytes()).expect("a record").folded_with(patch, max)
}

#[test]
fn a_fold_takes_one_more_patch_and_counts() {
    let rows = [
        (
            "no patches before",
            r#"{"createdAt":7}"#,
            r#"{"a":1}"#,
            "",
            r#"{"createdAt":7,"size":13,"folds":1}"#,
        ),
        (
            "patches before",
            r#"{"createdAt":7,"x":[]}"#,
            "{}",
            "\n{\"a\":0}\n{\"a\":1}",
            r#"{"createdAt":7,"x":[],"size":13,"folds":1}"#,
        ),
        (
            "again",
            r#"{"createdAt":7,"size":9,"folds":41}"#,
            r#"{"a":1}"#,
            "",
            r#"{"createdAt":7,"size":13,"folds":42}"#,
        ),
        ("folds that are none", r#"{"folds":"x"}"#, r#"{"a":1}"#, "", r#"{"folds":1,"size":13}"#),
    ];
    for (label, first_line, data, patches, expected) in rows {
        let folded = folded(first_line, data, patches, r#"{"b":2}"#, 13);
        assert_eq!(folded, Ok(format!("{expected}\n\"o\"\n{{\"a\":1,\"b\":2}}")), "{label}");
    }
    for patch in BROKEN_EXACT_PATCHES {
        assert_eq!(folded("{}", "{}", "", patch, 13), Err(Unfit::NoPatch), "{patch}");
    }
    assert_eq!(folded("{x}", "{}", "", "{}", 13), Err(Unfit::Corrupt));
}

#[test]
fn data_grows_to_its_limit_and_what_makes_it_no_larger_always_fits() {
    let ten = r#"{"a":"xx"}"#;
    let rows = [
        ("to the limit", ten, r#"{"a":"xxxxxx"}"#, 14, Ok(r#"{"a":"xxxxxx"}"#)),
        ("a byte beyond", ten, r#"{"a":"xxxxxxx"}"#, 14, Err(Unfit::TooLarge)),
        ("another key", ten, r#"{"b":1}"#, 16, Ok(r#"{"a":"xx","b":1}"#)),
        ("another key, a byte beyond", ten, r#"{"b":12}"#, 16, Err(Unfit::TooLarge)),
        ("as large, beyond the limit", ten, r#"{"a":"yy"}"#, 4, Ok(r#"{"a":"yy"}"#)),
        ("smaller, beyond the limit", ten, r#"{"a":"y"}"#, 4, Ok(r#"{"a":"y"}"#)),
        ("larger, beyond the limit", ten, r#"{"a":"yyy"}"#, 4, Err(Unfit::TooLarge)),
        ("a deletion, beyond the limit", ten, r#"{"a":null}"#, 0, Ok("{}")),
        ("a deletion of nothing", ten, r#"{"b":null,"c":null}"#, 0, Ok(ten)),
        ("beyond ASCII, in bytes", ten, "{\"a\":\"\u{e9}\u{e9}\"}", 11, Err(Unfit::TooLarge)),
    ];
    for (label, data, patch, max, expected) in rows {
        let folded = folded("{}", data, "", patch, max);
        let data = folded.as_ref().map(|text| text.rsplit('\n').next().unwrap());
        assert_eq!(data, expected.as_ref().copied(), "{label}");
    }
}

#[test]
fn ten_thousand_keys_and_patches_fold() {
    let members: Vec<_> = (0..10_000).map(|i| format!("\"k{i}\":{i}")).collect();
    let data = format!("{{{}}}", members.join(","));
    let patches: Vec<_> = (0..10_000).map(|i| format!("{{\"k{i}\":null}}")).collect();
    let patches: Vec<_> = patches.iter().map(String::as_str).collect();
    assert_eq!(data_of(&data, &patches[..9_999]), r#"{"k9999":9999}"#);
    assert_eq!(data_of(&data, &patches), "{}");
}
