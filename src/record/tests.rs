mod folding;
mod properties;

use super::*;

/// What `get` answers, as one object.
fn answer(record: &Record<'_>) -> String {
    let mut data = String::new();
    record.write_data(&mut data);
    format!("{{\"ownerId\":{},\"data\":{data}}}", record.owner())
}

fn answer_of(record: &str) -> String {
    answer(&Record::parse(record.as_bytes()).expect("a record"))
}

/// The data that `get` answers for a session created with `data` and then patched.
fn data_of(data: &str, patches: &[&str]) -> String {
    let mut record = encode("\"o\"", 7, data);
    for patch in patches {
        record.push('\n');
        record.push_str(patch);
    }
    answer_of(&record)
        .strip_prefix("{\"ownerId\":\"o\",\"data\":")
        .and_then(|rest| rest.strip_suffix('}'))
        .expect("an answer")
        .to_owned()
}

#[test]
fn the_answer_is_pieced_together_from_the_lines() {
    let record = encode("\"123qwe\"", 1_698_765_432_123, "{\"firstName\":\"John\"}");
    assert_eq!(record, "{\"createdAt\":1698765432123}\n\"123qwe\"\n{\"firstName\":\"John\"}");
    assert_eq!(answer_of(&record), r#"{"ownerId":"123qwe","data":{"firstName":"John"}}"#);
    assert_eq!(Record::parse(record.as_bytes()).unwrap().owner(), "\"123qwe\"");
}

#[test]
fn what_is_not_a_record_is_refused() {
    let rows: [(&str, &[u8]); 40] = [
        ("empty", b""),
        ("a newline", b"\n"),
        ("one line", b"{}"),
        ("two lines", b"{}\n\"o\""),
        ("no data", b"{}\n\"o\"\n"),
        ("no owner", b"{}\n\n{}"),
        ("nothing about the session", b"\n\"o\"\n{}"),
        ("the owner first", b"\"o\"\n{}\n{}"),
        ("owner a number", b"{}\n1\n{}"),
        ("owner null", b"{}\nnull\n{}"),
        ("owner an array", b"{}\n[\"o\"]\n{}"),
        ("owner an object", b"{}\n{}\n{}"),
        ("owner without its closing quote", b"{}\n\"o\n{}"),
        ("two owners", b"{}\n\"o\" \"p\"\n{}"),
        ("junk after the owner", b"{}\n\"o\"x\n{}"),
        ("about an array", b"[]\n\"o\"\n{}"),
        ("about cut off", b"{\"createdAt\":\n\"o\"\n{}"),
        ("data a number", b"{}\n\"o\"\n1"),
        ("data a string", b"{}\n\"o\"\n\"x\""),
        ("data null", b"{}\n\"o\"\nnull"),
        ("data an array", b"{}\n\"o\"\n[{}]"),
        ("data cut off", b"{}\n\"o\"\n{\"a\":1"),
        ("two objects on a line", b"{}\n\"o\"\n{}{}"),
        ("two objects and a comma on a line", b"{}\n\"o\"\n{},{}"),
        ("junk after the data", b"{}\n\"o\"\n{}]"),
        ("a space before the data", b"{}\n\"o\"\n {}"),
        ("a space after the data", b"{}\n\"o\"\n{} "),
        ("lines that end in CR", b"{}\r\n\"o\"\r\n{}\r"),
        ("CR after the data", b"{}\n\"o\"\n{}\r"),
        ("a raw newline at the end", b"{}\n\"o\"\n{}\n"),
        ("a raw newline in a string", b"{}\n\"o\"\n{\"a\":\"x\ny\"}"),
        ("a raw tab in a string", b"{}\n\"o\"\n{\"a\":\"x\ty\"}"),
        ("patch a scalar", b"{}\n\"o\"\n{}\n1"),
        ("patch an array", b"{}\n\"o\"\n{}\n[]"),
        ("an empty patch between two", b"{}\n\"o\"\n{}\n{}\n\n{}"),
        ("a patch with junk", b"{}\n\"o\"\n{}\n{}x"),
        ("invalid UTF-8 in the data", b"{}\n\"o\"\n{\"a\":\"\xff\"}"),
        ("invalid UTF-8 in the owner", b"{}\n\"\xc3\"\n{}"),
        ("a surrogate in UTF-8", b"{}\n\"o\"\n{\"a\":\"\xed\xa0\x80\"}"),
        ("a NUL after the data", b"{}\n\"o\"\n{}\0"),
    ];
    for (label, bytes) in rows {
        assert_eq!(Record::parse(bytes), Err(Corrupt), "{label}");
    }
}

#[test]
fn values_are_kept_as_text() {
    let rows = [
        ("nothing", "{}"),
        ("empty containers", r#"{"a":[],"b":{},"c":""}"#),
        ("white space inside", "{ \"a\" :\t[ 1 , 2 ] }"),
        ("an integer over 2^53", r#"{"a":9007199254740993}"#),
        ("numbers beyond a double", r#"{"a":1e400,"b":-1E-400}"#),
        ("minus zero", r#"{"a":-0,"b":-0.0}"#),
        ("lone surrogates", r#"{"\ud800":"\udfff","a":"\ud800x\ud83d"}"#),
        ("__proto__", r#"{"__proto__":{"admin":true},"constructor":null}"#),
        ("integer-like keys", r#"{"2":0,"1":1,"-1":2,"01":3}"#),
        ("an empty key", r#"{"":1}"#),
        ("null in the base", r#"{"a":null,"b":null}"#),
        ("U+2028 and friends", "{\"a\":\"\u{2028}\u{2029}\u{7f}\u{feff}\"}"),
    ];
    for (label, data) in rows {
        assert_eq!(data_of(data, &[]), data, "{label}, as created");
        let touched = data_of(data, &[r#"{"new\u0020key":1e0}"#, r#"{"new key":null}"#]);
        let compact: String = data.split([' ', '\t']).collect();
        let touched_compact: String = touched.split([' ', '\t']).collect();
        assert_eq!(touched_compact, compact, "{label}, after a patch that comes to nothing");
    }
}

#[test]
fn no_depth_of_nesting_overflows_the_stack() {
    let deep = "[".repeat(100_000);
    let shut = "]".repeat(100_000);
    let test = move || {
        let whole = format!("{{\"a\":{deep}{shut}}}");
        assert_eq!(data_of(&whole, &[]), whole);
        assert_eq!(data_of("{}", &[&whole]), whole);
        let open = encode("\"o\"", 7, &format!("{{\"a\":{deep}}}"));
        assert_eq!(Record::parse(open.as_bytes()), Err(Corrupt));
    };
    let thread = std::thread::Builder::new().stack_size(256 * 1024);
    thread.spawn(test).unwrap().join().unwrap();
}

#[test]
fn strings_are_decoded_to_the_bytes_they_stand_for() {
    let rows: [(&str, &str, Option<&[u8]>); 17] = [
        ("plain", r#""a""#, Some(b"a")),
        ("empty", r#""""#, Some(b"")),
        ("escapes", r#""\"\\\/\b\f\n\r\t""#, Some(b"\"\\/\x08\x0c\n\r\t")),
        ("NUL", r#""\u0000""#, Some(b"\0")),
        ("beyond ASCII", "\"\u{e9}\"", Some(b"\xc3\xa9")),
        ("a pair of surrogates", r#""\ud83d\ude00""#, Some(b"\xf0\x9f\x98\x80")),
        ("a lone high surrogate", r#""\ud83d""#, Some(b"\xed\xa0\xbd")),
        ("a lone low surrogate", r#""\ude00x""#, Some(b"\xed\xb8\x80x")),
        ("a high surrogate, then a letter", r#""\ud83d\u0041""#, Some(b"\xed\xa0\xbdA")),
        ("a number", "1", None),
        ("an array of bytes", "[97]", None),
        ("not closed", r#""a"#, None),
        ("junk after it", r#""a"b"#, None),
        ("nothing", "", None),
        ("a raw tab", "\"a\tb\"", None),
        ("a raw NUL", "\"\0\"", None),
        ("a space before it", " \"a\"", None),
    ];
    for (label, json, expected) in rows {
        assert_eq!(decode_string(json).ok().as_deref(), expected, "{label}");
    }
}

#[test]
fn a_record_is_never_printed() {
    let record = encode("\"secret\"", 7, r#"{"secret":"secret"}"#);
    let record = Record::parse(record.as_bytes()).unwrap();
    assert_eq!(format!("{record:?}"), "Record(redacted)");
}
