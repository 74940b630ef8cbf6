//! Inputs that a fuzzer has found. Each line of `fuzz/corpus/<target>.txt` is one input: a JSON string in which each
//! character stands for one byte.

use std::panic::catch_unwind;
use std::path::Path;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

/// The inputs of a target.
pub struct Corpus(Vec<Vec<u8>>);

impl Corpus {
    pub fn of(target: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
        let lines = std::fs::read_to_string(path.with_extension("txt")).expect("a corpus");
        let inputs: Vec<_> = lines.lines().map(bytes_of).collect();
        assert!(inputs.len() > 20, "the corpus of {target} is there");
        Self(inputs)
    }

    /// Runs a target on each input, and then on `cases` inputs that are changed at random.
    pub fn run(self, cases: u32, target: fn(&[u8])) {
        for input in &self.0 {
            attempt(target, input).unwrap_or_else(|error| panic!("{error}"));
        }
        let config = Config { cases, failure_persistence: None, ..Config::default() };
        let changes = prop::collection::vec(change(self.0.clone()), 1..8);
        let case = (prop::sample::select(self.0), changes);
        let run = TestRunner::new(config).run(&case, |(mut input, changes)| {
            for change in &changes {
                change.apply(&mut input);
            }
            attempt(target, &input)
        });
        run.unwrap_or_else(|error| panic!("{error}"));
    }
}

/// Runs a target. If it fails, the error shows the input as a line for the corpus.
fn attempt(target: fn(&[u8]), input: &[u8]) -> Result<(), TestCaseError> {
    catch_unwind(|| target(input)).map_err(|_panic| {
        let text: String = input.iter().map(|&byte| char::from(byte)).collect();
        TestCaseError::fail(format!("it fails on {}", serde_json::Value::from(text)))
    })
}

fn bytes_of(line: &str) -> Vec<u8> {
    let text: String = serde_json::from_str(line).expect("a JSON string");
    text.chars().map(|c| u8::try_from(c).expect("a byte")).collect()
}

/// A change to an input, as fuzzers make them.
#[derive(Clone, Debug)]
enum Change {
    Set(Index, u8),
    Insert(Index, u8),
    Remove(Index, usize),
    /// Repeats a part of the input.
    Repeat(Index, usize),
    /// Adds the end of another input.
    Splice(Index, Vec<u8>, Index),
}

fn change(corpus: Vec<Vec<u8>>) -> impl Strategy<Value = Change> {
    let telling = prop::sample::select(b"\"\\\n\r{}[],:0a+-*$ \x00\xc3\xff".to_vec());
    let byte = prop_oneof![telling, any::<u8>()].boxed();
    prop_oneof![
        (any::<Index>(), byte.clone()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (any::<Index>(), byte).prop_map(|(at, byte)| Change::Insert(at, byte)),
        (any::<Index>(), 1..20_usize).prop_map(|(at, length)| Change::Remove(at, length)),
        (any::<Index>(), 1..100_usize).prop_map(|(at, length)| Change::Repeat(at, length)),
        (any::<Index>(), prop::sample::select(corpus), any::<Index>())
            .prop_map(|(at, other, from)| Change::Splice(at, other, from)),
    ]
}

impl Change {
    fn apply(&self, input: &mut Vec<u8>) {
        // An insertion may also come after the last byte.
        let place = |at: &Index| at.index(input.len() + 1);
        match self {
            Self::Set(at, byte) => {
                let at = place(at);
                if let Some(old) = input.get_mut(at) {
                    *old = *byte;
                }
            }
            Self::Insert(at, byte) => input.insert(place(at), *byte),
            Self::Remove(at, length) => {
                let at = place(at);
                input.drain(at..input.len().min(at + length));
            }
            Self::Repeat(at, length) => {
                let at = place(at);
                let part = input[at..input.len().min(at + length)].to_vec();
                input.splice(at..at, part);
            }
            Self::Splice(at, other, from) => {
                input.truncate(place(at));
                input.extend_from_slice(&other[from.index(other.len() + 1)..]);
            }
        }
    }
}
