//! What holds for any record, against a model of folding that never reads JSON.

use proptest::prelude::*;
use serde::de::IgnoredAny;

use super::*;

/// A JSON string: how it is encoded, and the UTF-16 units that it stands for.
#[derive(Clone, Debug)]
struct Text {
    json: String,
    units: Vec<u16>,
}

/// Strings of few different units, so that keys collide; each unit raw or escaped, at random.
fn text() -> impl Strategy<Value = Text> {
    let unit = prop::sample::select(vec![
        0x61, 0x62, 0x30, 0x22, 0x5c, 0x2f, 0, 0x0a, 0xe9, 0x2028, 0xd83d, 0xde00, 0xdbff,
    ]);
    prop::collection::vec((unit, 0..4_u8), 0..4).prop_map(|encoded| {
        let units: Vec<u16> = encoded.iter().map(|(unit, _)| *unit).collect();
        let mut json = String::from("\"");
        let mut rest = &encoded[..];
        while let [(unit, style), tail @ ..] = rest {
            rest = tail;
            let alone = char::from_u32(u32::from(*unit));
            let pair = tail.first().and_then(|(low, _)| {
                char::decode_utf16([*unit, *low]).next()?.ok().filter(|_| alone.is_none())
            });
            let (lower, upper) = (format!("\\u{unit:04x}"), format!("\\u{unit:04X}"));
            match (alone.or(pair), style) {
                (Some(c), 0 | 1) if c >= ' ' && c != '"' && c != '\\' => {
                    rest = if alone.is_none() { &tail[1..] } else { tail };
                    json.push(c);
                }
                (Some('\n'), 2) => json.push_str("\\n"),
                (Some(c @ ('"' | '\\' | '/')), 2) => json.extend(['\\', c]),
                (_, 3) => json.push_str(&upper),
                _ => json.push_str(&lower),
            }
        }
        json.push('"');
        Text { json, units }
    })
}

/// Any JSON value, as text; white space included.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        2 => Just("null".to_owned()),
        2 => text().prop_map(|text| text.json),
        3 => prop::sample::select(vec![
            "true", "false", "0", "-0", "1e400", "-1.5E+10", "9007199254740993", "[]", "{}",
            "123456789012345678901234567890.5e-7", "\"null\"", "\"\"",
        ]).prop_map(str::to_owned),
    ];
    let nested = leaf.prop_recursive(6, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[{}]", items.join(" ,"))),
            prop::collection::vec((text(), inner), 0..4).prop_map(|members| {
                let members: Vec<_> =
                    members.iter().map(|(key, value)| format!("{} : {value}", key.json)).collect();
                format!("{{\t{}\r}}", members.join(","))
            }),
        ]
    });
    (nested, 0..50_usize, any::<bool>()).prop_map(|(value, depth, deep)| {
        let depth = if deep { depth } else { 0 };
        format!("{}{value}{}", "[".repeat(depth), "]".repeat(depth))
    })
}

type Members = Vec<(Text, String)>;

fn members() -> impl Strategy<Value = Members> {
    prop::collection::vec((text(), value()), 0..6)
}

fn spell_object(members: &Members, space: &str) -> String {
    let members: Vec<_> =
        members.iter().map(|(key, value)| format!("{}{space}:{space}{value}", key.json)).collect();
    format!("{{{space}{}{space}}}", members.join(&format!("{space},{space}")))
}

/// A merge patch, or a patch for which `null` is a value: the members to set, and the names to delete.
#[derive(Clone, Debug)]
enum Patch {
    Merge(Members),
    Exact(Members, Vec<Text>),
}

fn patch() -> impl Strategy<Value = Patch> {
    let exact = (members(), prop::collection::vec(text(), 0..4));
    prop_oneof![
        members().prop_map(Patch::Merge),
        exact.prop_map(|(set, deleted)| Patch::Exact(set, deleted)),
    ]
}

fn spell_patch(patch: &Patch, space: &str) -> String {
    match patch {
        Patch::Merge(members) => spell_object(members, space),
        Patch::Exact(set, deleted) => {
            let names: Vec<_> = deleted.iter().map(|name| name.json.as_str()).collect();
            let (set, names) = (spell_object(set, space), names.join(&format!("{space},")));
            format!("[{space}{set}{space},{space}[{space}{names}{space}]{space}]")
        }
    }
}

/// What folding is: assignments and deletions, as on an object of JavaScript.
fn model(base: &Members, patches: &[Patch]) -> Members {
    let mut object = Members::new();
    set_all(&mut object, base);
    for patch in patches {
        match patch {
            Patch::Merge(members) => {
                for (key, value) in members {
                    match value.as_str() {
                        "null" => object.retain(|(known, _)| known.units != key.units),
                        _ => set_all(&mut object, &vec![(key.clone(), value.clone())]),
                    }
                }
            }
            Patch::Exact(set, deleted) => {
                set_all(&mut object, set);
                object.retain(|(known, _)| deleted.iter().all(|name| name.units != known.units));
            }
        }
    }
    object
}

fn set_all(object: &mut Members, members: &Members) {
    for (key, value) in members {
        match object.iter_mut().find(|(known, _)| known.units == key.units) {
            Some(member) => *member = (key.clone(), value.clone()),
            None => object.push((key.clone(), value.clone())),
        }
    }
}

fn is_one_json_value(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

proptest! {
    #[test]
    fn folding_does_what_the_model_does(
        base in members(),
        patches in prop::collection::vec(patch(), 1..5),
        space in prop::sample::select(vec!["", " ", "\t\r "]),
    ) {
        let texts: Vec<_> = patches.iter().map(|patch| spell_patch(patch, space)).collect();
        let texts: Vec<_> = texts.iter().map(String::as_str).collect();
        let data = data_of(&spell_object(&base, space), &texts);
        prop_assert_eq!(&data, &spell_object(&model(&base, &patches), ""));
        prop_assert!(is_one_json_value(&data));
    }

    #[test]
    fn a_folded_record_answers_the_same_and_is_stable(
        owner in text(),
        base in members(),
        patches in prop::collection::vec(patch(), 0..5),
    ) {
        let head = format!("{{\"createdAt\":7,\"unknown\":[1]}}\n{}\n", owner.json);
        let mut record = format!("{head}{}", spell_object(&base, ""));
        let texts: Vec<_> = patches.iter().map(|patch| spell_patch(patch, "")).collect();
        let (last, texts) = texts.split_last().map_or(("{}", &texts[..]), |(last, rest)| (&**last, rest));
        for text in texts {
            record.push('\n');
            record.push_str(text);
        }
        let parsed = Record::parse(record.as_bytes()).unwrap();
        let folded = parsed.folded_with(last, usize::MAX).unwrap();
        let appended = format!("{record}\n{last}");
        prop_assert_eq!(answer_of(&folded), answer_of(&appended));
        let again = Record::parse(folded.as_bytes()).unwrap();
        let data = folded.rsplit('\n').next().unwrap();
        let first_line = format!("{{\"createdAt\":7,\"unknown\":[1],\"size\":{},\"folds\":1}}", data.len());
        prop_assert_eq!(again.first_line(), first_line);
        prop_assert_eq!(again.owner_name(), decode_string(&owner.json).unwrap());
    }

    #[test]
    fn a_record_without_patches_is_answered_byte_for_byte(owner in text(), base in members()) {
        let data = spell_object(&base, " ");
        let expected = format!("{{\"ownerId\":{},\"data\":{data}}}", owner.json);
        prop_assert_eq!(answer_of(&encode(&owner.json, 7, &data)), expected);
    }

    #[test]
    fn a_string_is_decoded_as_utf16_is(text in text()) {
        let decoded = decode_string(&text.json);
        // WTF-8: what is not a pair becomes the three bytes of its code point.
        let mut expected = Vec::new();
        for c in char::decode_utf16(text.units) {
            match c {
                Ok(c) => expected.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
                Err(lone) => {
                    let [high, low] = lone.unpaired_surrogate().to_be_bytes();
                    expected.extend([0xed, 0x80 | (high & 0xf) << 2 | low >> 6, 0x80 | low & 0x3f]);
                }
            }
        }
        prop_assert_eq!(decoded, Ok(expected));
    }

    #[test]
    fn any_bytes_can_be_read(bytes: Vec<u8>) {
        let record = Record::parse(&bytes);
        let is_object = bytes.starts_with(b"{");
            prop_assert!(record.is_err() || is_object);
    }

    #[test]
    fn what_is_accepted_gives_one_json_value(
        record in "\\{\\}\n\"[a\\\\\"u0]{0,3}\"(\n\\{[\"a1\\\\:,{}\\[\\]u0 \t\r\n]{0,8}\\}){1,3}"
    ) {
        if let Ok(record) = Record::parse(record.as_bytes()) {
            let answer = answer(&record);
            prop_assert!(is_one_json_value(&answer), "{answer}");
        }
    }

    #[test]
    fn a_record_with_one_byte_changed_is_refused_or_gives_one_json_value(
        base in members(),
        patch in patch(),
        place: prop::sample::Index,
        byte: u8,
    ) {
        let mut record = encode("\"o\"", 7, &spell_object(&base, "")).into_bytes();
        record.push(b'\n');
        record.extend_from_slice(spell_patch(&patch, "").as_bytes());
        let place = place.index(record.len());
        record[place] = byte;
        if let Ok(record) = Record::parse(&record) {
            let answer = answer(&record);
            prop_assert!(is_one_json_value(&answer), "{answer}");
        }
    }
}
