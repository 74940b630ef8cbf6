//! A quick check of JSON in the form that `JSON.stringify` gives most data: no white space and no escapes.

/// How many brackets may be open.
const MAX_DEPTH: u32 = 64;

/// Whether a text is a JSON object in this form. `false` says nothing: the text may be JSON in another form.
pub fn is_object(text: &str) -> bool {
    let text = text.as_bytes();
    let is_plain = |byte: u8| byte >= b' ' && byte != b'\\';
    // To its end, so that the processor checks several bytes at once.
    let is_in_form = text.iter().fold(true, |all, &byte| all & is_plain(byte));
    is_in_form && text.first() == Some(&b'{') && value(text).is_some_and(<[u8]>::is_empty)
}

/// Skips a value, and whatever is nested in it. Returns what follows it.
fn value(mut rest: &[u8]) -> Option<&[u8]> {
    // A bit for each open bracket, the innermost last: 1 for an object, 0 for an array.
    let (mut open, mut depth) = (0_u64, 0);
    loop {
        let (&first, after) = rest.split_first()?;
        rest = match first {
            b'"' => string(after)?,
            b'{' | b'[' if depth < MAX_DEPTH => {
                let is_object = first == b'{';
                (open, depth) = (open << 1 | u64::from(is_object), depth + 1);
                // An empty one is closed below, where a value has just ended.
                match after.first()? {
                    b'}' | b']' => after,
                    _ if is_object => {
                        rest = name(after)?;
                        continue;
                    }
                    _ => {
                        rest = after;
                        continue;
                    }
                }
            }
            b'-' | b'0'..=b'9' => number(rest)?,
            b't' => after.strip_prefix(b"rue")?,
            b'f' => after.strip_prefix(b"alse")?,
            b'n' => after.strip_prefix(b"ull")?,
            _ => return None,
        };
        loop {
            if depth == 0 {
                return Some(rest);
            }
            let is_object = open & 1 == 1;
            let (&next, after) = rest.split_first()?;
            match next {
                b',' => {
                    rest = if is_object { name(after)? } else { after };
                    break;
                }
                b'}' if is_object => {}
                b']' if !is_object => {}
                _ => return None,
            }
            (open, depth, rest) = (open >> 1, depth - 1, after);
        }
    }
}

/// Skips the name of a member and its colon.
fn name(text: &[u8]) -> Option<&[u8]> {
    string(text.strip_prefix(b"\"")?)?.strip_prefix(b":")
}

/// Skips the rest of a string.
fn string(text: &[u8]) -> Option<&[u8]> {
    memchr::memchr(b'"', text).map(|end| &text[end + 1..])
}

/// Skips a number.
fn number(text: &[u8]) -> Option<&[u8]> {
    let unsigned = text.strip_prefix(b"-").unwrap_or(text);
    let mut rest = match unsigned.strip_prefix(b"0") {
        Some(rest) => rest,
        None => digits(unsigned)?,
    };
    if let Some(fraction) = rest.strip_prefix(b".") {
        rest = digits(fraction)?;
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let unsigned = match exponent {
            [b'+' | b'-', rest @ ..] => rest,
            _ => exponent,
        };
        rest = digits(unsigned)?;
    }
    Some(rest)
}

/// Skips one digit or more.
fn digits(text: &[u8]) -> Option<&[u8]> {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 { None } else { Some(&text[count..]) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    use super::*;

    #[test]
    fn objects_in_this_form_are_recognised() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(63), "]".repeat(63));
        let rows = [
            "{}",
            r#"{"a":{}}"#,
            r#"{"a":[]}"#,
            r#"{"a":[{},[],{"b":[[1]]}],"":""}"#,
            r#"{"a":"é{[,:","b":true,"c":false,"d":null}"#,
            r#"{"a":[0,-0,1,-10,0.5,1.25e10,1e-7,2E+3]}"#,
            &deep,
        ];
        for text in rows {
            assert!(is_object(text), "{text}");
        }
    }

    #[test]
    fn anything_else_is_left_to_a_general_parser() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(64), "]".repeat(64));
        let valid = [r#"{"a": 1}"#, r#"{"a":"\n"}"#, "{\"a\":1}\r", "[]", "1", "\"{}\"", &deep];
        let invalid = r#"
            { } {}} {}{} {}, {},{} {] [} {"a"} {"a":} {"a":1,} {,"a":1} {a:1} {"a":1] {"a":[1} {"a":[1}}
            {"a":[}} {"a":{]} {"a":{"b":1]} {"a":[1,]} {"a":[,1]} {"a":[1 {"a":01} {"a":-} {"a":1.} {"a":.5}
            {"a":+1} {"a":1e} {"a":1e+} {"a":tru} {"a":nul} {"a":True} {"a":NaN} {"a":"b} {"a:1} {"a":"b"c"}
            {"a":1"b":2} {"a":[}]} {"a"::1} {1:1} {"a":[]]}
        "#;
        let invalid = invalid.split_whitespace().chain(["", "{\"a\":1 2}", "{\"a\":\"\u{1}\"}"]);
        for text in valid.into_iter().chain(invalid.clone()) {
            assert!(!is_object(text), "{text}");
        }
        for text in invalid {
            assert!(serde_json::from_str::<IgnoredAny>(text).is_err(), "{text}");
        }
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            "[ -!#-\\[\\]-~é]{0,9}".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 30, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
                prop::collection::vec(("[a-z{}]{0,4}", inner), 0..5).prop_map(|members| members
                    .into_iter()
                    .collect::<serde_json::Map<_, _>>()
                    .into()),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_knows_whatever_is_written_in_this_form(value in json()) {
            prop_assert_eq!(is_object(&value.to_string()), value.is_object());
        }

        /// Accepting what is not JSON would spoil the answers of other calls.
        #[test]
        fn it_accepts_nothing_that_is_not_json(
            value in json(), edits in prop::collection::vec((any::<prop::sample::Index>(), "[\"{}\\[\\]:,0-9.eE+t-]{0,2}", 0..3_usize), 1..4)
        ) {
            let mut text: Vec<char> = value.to_string().chars().collect();
            for (place, new, removed) in edits {
                let from = place.index(text.len() + 1);
                let to = (from + removed).min(text.len());
                text.splice(from..to, new.chars());
            }
            let text: String = text.into_iter().collect();
            if is_object(&text) {
                prop_assert!(serde_json::from_str::<IgnoredAny>(&text).is_ok(), "{}", text);
            }
        }
    }
}
