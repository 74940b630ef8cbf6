//! Tests any text as a batch of calls, against a model of its lines.

use serde_json::Value;
use spots_sessions::call::{Malformed, decode};

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
            Some("g" | "k" | "n" | "o" | "L") => "nn",
            Some("r") => "nnm",
            Some("u") => "nnj",
            Some("a") => "nsn",
            Some("i") => "nsi",
            Some("l") => "nsnc",
            Some("p") => "e",
            Some("P") => "nnsNmTmTffj",
            Some("C") => "nnssNTj",
            Some("E") => "nSA",
            Some("T") => "nhnPTm",
            Some("Q") => "nsj",
            Some("R") => "nnmNT",
            Some("M") => "nnnHNT",
            Some("K") => "nsAO",
            Some("O") => "nnsNmnj",
            _ => return Model::Refused,
        };
        let Ok(id) = head[1..].parse() else { return Model::Refused };
        ids.push(id);
        let mut has_token = false;
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
                'S' => line.is_empty() || is_string,
                'e' => line.is_empty(),
                'm' => line.parse::<u64>().is_ok(),
                'c' => line.parse::<u64>().is_ok_and(|count| count > 0),
                'i' => {
                    line.len() == 22
                        && line.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
                }
                'L' => line.is_empty() || are_limits(line),
                'f' => ["0", "1"].contains(&line),
                'T' => line.is_empty() || line.len() == 13 && is_number(line),
                'h' if line.starts_with('"') => is_string,
                'h' => is_hash(line),
                'H' => line.is_empty() || is_hash(line),
                'A' => is_address(line),
                'O' => line.is_empty() || is_nonce(line),
                'P' if !has_token => line
                    .split_at_checked(28)
                    .is_some_and(|(address, nonce)| is_address(address) && is_nonce(nonce)),
                'N' | 'P' => is_nonce(line),
                _ => true,
            };
            if !is_good && is_known {
                return Model::Refused;
            }
            has_token = field == 'n' && !["", "\"\""].contains(&line);
        }
    }
    if is_known { Model::Read(ids) } else { Model::Unknown }
}

fn is_number(line: &str) -> bool {
    line.bytes().all(|c| c.is_ascii_digit())
}

fn is_nonce(line: &str) -> bool {
    !line.is_empty() && line.chars().all(|c| c.is_ascii_alphanumeric())
}

fn is_base64url(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
}

/// An id and four bytes. The last character has four bits that must be zero.
fn is_address(line: &str) -> bool {
    line.len() == 28 && is_base64url(line) && line.ends_with(['A', 'Q', 'g', 'w'])
}

fn is_hash(line: &str) -> bool {
    line.split_at_checked(8).is_some_and(|(route, index)| {
        route.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c))
            && index.len() == 16
            && is_base64url(index)
    })
}

fn are_limits(line: &str) -> bool {
    let numbers: Option<Vec<u64>> = line.split(' ').map(|number| number.parse().ok()).collect();
    numbers.is_some_and(|numbers| numbers.len() == 3 && numbers[0] <= 1)
}
