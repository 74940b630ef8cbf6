//! What patches make of the data, in tables.

use super::*;

/// Labels, data, patches, and the data that they come to.
const FOLDINGS: [(&str, &str, &[&str], &str); 20] = [
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
    ("one key, spelled twice", r#"{"a":1,"b":2}"#, &[r#"{"\u0061":3}"#], r#"{"\u0061":3,"b":2}"#),
    (
        "a pair of surrogates, spelled twice",
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
];

#[test]
fn patches_fold_as_assignments_do_in_javascript() {
    for (label, data, patches, expected) in FOLDINGS {
        assert_eq!(data_of(data, patches), expected, "{label}");
    }
}

#[test]
fn a_record_is_folded_once_its_patches_have_outgrown_it() {
    let rows = [
        ("no patches", "{}", "", None),
        ("shorter", r#"{"a":1}"#, "\n{}", None),
        // The newline counts: seven bytes against seven.
        ("as long", r#"{"a":1}"#, "\n{   }\n", None),
        ("as long, with its newline", r#"{"a":1}"#, "\n{    }", Some(r#"{"a":1}"#)),
        ("longer", "{}", "\n{\"a\":1}\n{\"a\":2}", Some(r#"{"a":2}"#)),
    ];
    for (label, data, patches, expected) in rows {
        let record = format!("\"o\"\n{{\"createdAt\":7,\"x\":[]}}\n{data}{patches}");
        let folded = Record::parse(record.as_bytes()).ok().and_then(|record| record.folded());
        let expected = expected.map(|data| format!("\"o\"\n{{\"createdAt\":7,\"x\":[]}}\n{data}"));
        assert_eq!(folded, expected, "{label}");
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
