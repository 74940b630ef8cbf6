//! Runs the targets of `fuzz/` without a fuzzer: on inputs that a fuzzer has found, and on random changes of them.
//!
//! `npm run fuzz` searches for new inputs.

#[path = "targets/boundary.rs"]
mod boundary;
mod corpus;
#[path = "targets/record.rs"]
mod record;
#[path = "targets/token.rs"]
mod token;
#[path = "targets/wire.rs"]
mod wire;

use corpus::Corpus;
// `targets/wire.rs` includes `read_buffer.rs`, which expects `protocol` in its crate.
use spots_sessions::protocol;

#[test]
fn the_token_target_passes_its_corpus_and_changes_of_it() {
    Corpus::of("token").run(5000, token::run);
}

#[test]
fn the_record_target_passes_its_corpus_and_changes_of_it() {
    Corpus::of("record").run(5000, record::run);
}

#[test]
fn the_boundary_target_passes_its_corpus_and_changes_of_it() {
    Corpus::of("boundary").run(1000, boundary::run);
}

#[test]
fn the_wire_target_passes_its_corpus_and_changes_of_it() {
    Corpus::of("wire").run(10_000, wire::run);
}
