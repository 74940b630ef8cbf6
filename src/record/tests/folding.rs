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
];

#[test]
fn patches_fold_as_assignments_do_in_javascript() {
    for (label, data, patches, expected) in FOLDINGS {
        assert_eq!(data_of(data, patches), expected, "{label}");
    }
}

/// A record that is folded with one more patch, or why it is not.
fn folded(
    about: &str,
    data: &str,
    patches: &str,
    patch: &str,
    max: usize,
) -> Result<String, Unfit> {
    let record = format!("{about}\n\"o\"\n{data}{patches}");
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
    for (label, about, data, patches, expected) in rows {
        let folded = folded(about, data, patches, r#"{"b":2}"#, 13);
        assert_eq!(folded, Ok(format!("{expected}\n\"o\"\n{{\"a\":1,\"b\":2}}")), "{label}");
    }
    assert_eq!(folded("{}", "{}", "", "[]", 13), Err(Unfit::Corrupt));
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
