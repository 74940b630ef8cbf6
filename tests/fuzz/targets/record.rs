//! Reads any bytes as a record, and compares the result with a model that reads every line with `serde_json`.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value, json};
use spots_sessions::record::{Corrupt, Record, Unfit, decode_string, encode, sliding_in};

/// Reads bytes as a record, and folds it.
///
/// # Panics
///
/// If a property does not hold.
pub fn run(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        decode(text.split('\n').next().unwrap_or_default());
    }
    slide(bytes);
    let record = Record::parse(bytes);
    match (model(bytes), record) {
        (Model::Refused, accepted) => assert_eq!(accepted, Err(Corrupt), "the model refuses it"),
        (Model::Unknown, Err(Corrupt)) => {}
        (Model::Unknown, Ok(record)) => check(bytes, &record),
        (Model::Read { owner, data }, record) => {
            let record = record.expect("the model accepts it");
            check(bytes, &record);
            assert_eq!(read(record.owner()).as_deref(), Ok(&*owner));
            assert_eq!(read(&data_of(&record)).as_deref(), Ok(&*data));
        }
    }
}

/// The sliding duration is found where `create` writes it, and nowhere but in the first line.
fn slide(bytes: &[u8]) {
    if let Some(duration_ms) = sliding_in(bytes) {
        let about = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let about = String::from_utf8_lossy(&about[..about.len().min(200)]);
        let written = about.split("\"sliding\":").nth(1).unwrap_or_default();
        let digits = written.split([',', '}']).next().unwrap_or_default();
        assert_eq!(digits.parse(), Ok(duration_ms), "as it is written");
    }
    let number = bytes.iter().fold(7_u64, |sum, byte| sum.wrapping_mul(31) ^ u64::from(*byte));
    let (begin, rest) = ("{\"createdAt\":1698765432123", String::from_utf8_lossy(bytes));
    for more in ["", ",\"endsAt\":1", ",\"endsAt\":1,\"size\":5000,\"folds\":3"] {
        let slides = format!("{begin},\"sliding\":{number}{more}}}\n{rest}");
        assert_eq!(sliding_in(slides.as_bytes()), Some(number), "{more}");
        let still = format!("{begin}{more}}}\n{rest}");
        assert_eq!(sliding_in(still.as_bytes()), None, "{more}");
    }
}

/// When the session was created: the last member of that name, if it is a whole number.
fn created_at(about: &str) -> Option<u64> {
    let Ok(Line::Object(members)) = serde_json::from_str(about) else { return None };
    let mut times = members.iter().filter(|(name, _)| name == "createdAt");
    times.next_back()?.1.as_u64()
}

/// Properties of every record.
fn check(bytes: &[u8], record: &Record<'_>) {
    let text = std::str::from_utf8(bytes).expect("a record is text");
    let lines: Vec<_> = text.split('\n').collect();
    let [about, owner, base, patches @ ..] = &lines[..] else { panic!("three lines at the least") };
    let data = data_of(record);
    assert!(!data.contains('\n') && data.starts_with('{') && data.ends_with('}'));
    assert_eq!((record.first_line(), record.owner()), (*about, *owner));
    assert_eq!(format!("{record:?}"), "Record(redacted)");
    assert_eq!(decode_string(owner).as_deref(), Ok(&*record.owner_name()), "the owner has a name");

    // Except for the time, the record is what `encode` writes. It is then read back.
    let encoded = encode(owner, 7, base);
    let again = Record::parse(encoded.as_bytes()).expect("what we encode is a record");
    assert_eq!((again.owner(), &*data_of(&again)), (*owner, *base));

    let outgrown = patches.iter().map(|patch| 1 + patch.len()).sum::<usize>() >= base.len();
    assert_eq!(record.is_outgrown(), outgrown, "its patches have outgrown its data");
    if serde_json::from_str::<Line>(about).is_ok() {
        assert_eq!(record.created_at(), created_at(about), "as line 1 says");
    }
    if is_refused(about) {
        assert_eq!(record.folded_with("{}", usize::MAX), Err(Unfit::Corrupt), "a fold writes it");
    } else {
        resume(&lines, &data);
    }
}

/// The script that folds keeps patches that were appended after the record was read.
fn resume(lines: &[&str], data: &str) {
    for read in 3..lines.len() {
        let head = lines[..read].join("\n");
        let head = Record::parse(head.as_bytes()).expect("so much of a record is one");
        let folded = head.folded_with(lines[read], usize::MAX).expect("a patch");
        let again = Record::parse(folded.as_bytes()).expect("what is folded is a record");
        assert_eq!(again.owner(), lines[1]);
        assert_ne!(again.first_line(), lines[0], "each fold is counted");
        let resumed = [&[&*folded], &lines[read + 1..]].concat().join("\n");
        let resumed = Record::parse(resumed.as_bytes()).expect("more lines of it make one");
        assert_eq!(data_of(&resumed), data, "folded after {read} lines");

        let (before, after) = (compact(&head).len(), data_of(&again).len());
        let fits = after <= before;
        assert_eq!(head.folded_with(lines[read], after).as_deref(), Ok(&*folded));
        let limited = head.folded_with(lines[read], after - 1);
        assert_eq!(limited.err(), (!fits).then_some(Unfit::TooLarge), "a byte less");
    }
}

/// The data as a fold writes it, without a patch.
fn compact(record: &Record<'_>) -> String {
    let folded = record.folded_with("{}", usize::MAX).expect("a patch");
    folded.rsplit('\n').next().unwrap_or_default().to_owned()
}

fn decode(line: &str) {
    let decoded = decode_string(line);
    match serde_json::from_str::<Value>(line) {
        Ok(Value::String(name)) if line == line.trim() => {
            assert_eq!(decoded.as_deref(), Ok(name.as_bytes()));
        }
        Ok(_) => assert_eq!(decoded, Err(Corrupt), "it is no string, or more than that"),
        // Beyond that, `decode_string` allows only lone surrogates.
        Err(error) => assert!(decoded.is_err() || is_beyond_the_model(&error), "{error}"),
    }
}

enum Model {
    Refused,
    /// It holds a value that `serde_json::Value` cannot represent.
    Unknown,
    /// The owner and the data in compact JSON.
    Read {
        owner: String,
        data: String,
    },
}

fn model(bytes: &[u8]) -> Model {
    let Ok(text) = std::str::from_utf8(bytes) else { return Model::Refused };
    let Some((about, rest)) = text.split_once('\n') else { return Model::Refused };
    if !(about.starts_with('{') && about.ends_with('}')) {
        return Model::Refused;
    }
    let mut lines = Vec::new();
    let mut is_known = true;
    for line in rest.split('\n') {
        if line != line.trim() {
            return Model::Refused;
        }
        match serde_json::from_str(line) {
            Ok(line) => lines.push(line),
            Err(error) if is_beyond_the_model(&error) => is_known = false,
            Err(_) => return Model::Refused,
        }
    }
    if !is_known {
        return Model::Unknown;
    }
    let [Line::String(owner), Line::Object(base), patches @ ..] = &lines[..] else {
        return Model::Refused;
    };
    let mut data = base.iter().cloned().collect();
    for patch in patches {
        match patch {
            Line::Object(patch) => merge(&mut data, patch),
            Line::Exact(set, deleted) => {
                data.extend(set.iter().cloned());
                for name in deleted {
                    data.shift_remove(name);
                }
            }
            Line::String(_) => return Model::Refused,
        }
    }
    Model::Read { owner: json!(owner).to_string(), data: Value::Object(data).to_string() }
}

/// Merges like an assignment in JavaScript, and deletes keys whose value is null.
fn merge(data: &mut Map<String, Value>, patch: &Members) {
    for (key, value) in patch {
        if value.is_null() {
            data.shift_remove(key);
        } else {
            data.insert(key.clone(), value.clone());
        }
    }
}

type Members = Vec<(String, Value)>;

/// A line. Members of its object are kept even if they have the same name.
enum Line {
    String(String),
    Object(Members),
    /// A patch for which `null` is a value: the members to set, and the names to delete.
    Exact(Members, Vec<String>),
}

impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(LineVisitor)
    }
}

struct LineVisitor;

impl<'de> Visitor<'de> for LineVisitor {
    type Value = Line;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, an object or a patch")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Line, A::Error> {
        let (set, deleted) = (parts.next_element()?, parts.next_element()?);
        match (set, deleted, parts.next_element::<IgnoredAny>()?) {
            (Some(Line::Object(set)), Some(deleted), None) => Ok(Line::Exact(set, deleted)),
            _ => Err(A::Error::custom("no patch")),
        }
    }

    fn visit_str<E>(self, text: &str) -> Result<Line, E> {
        Ok(Line::String(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Line, A::Error> {
        let mut members = Members::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Line::Object(members))
    }
}

/// Whether a fold refuses the line about the session, because it is not a JSON object. A `get` does not parse this
/// line.
fn is_refused(about: &str) -> bool {
    let read = serde_json::from_str::<Line>(about);
    about != about.trim() || read.is_err_and(|error| !is_beyond_the_model(&error))
}

fn is_beyond_the_model(error: &serde_json::Error) -> bool {
    let message = error.to_string();
    let reasons = ["number out of range", "recursion limit", "surrogate", "hex escape"];
    reasons.iter().any(|reason| message.contains(reason))
}

/// JSON without white space, as the model writes it.
fn read(json: &str) -> Result<String, String> {
    serde_json::from_str::<Value>(json)
        .map(|value| value.to_string())
        .map_err(|error| error.to_string())
}

fn data_of(record: &Record<'_>) -> String {
    let mut data = String::new();
    record.write_data(&mut data);
    data
}
