//! The targets of `fuzz/`, without a fuzzer: on the inputs that one has found, and on changes of them.
//!
//! `npm run fuzz` looks for more.

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
// `read_buffer.rs`, which `targets/wire.rs` includes, finds it in its crate.
use spots_sessions::protocol;

#[test]
fn tokens_hold_what_fuzzing_has_found_and_changes_of_it() {
    Corpus::of("token").run(5000, token::run);
}

#[test]
fn records_hold_what_fuzzing_has_found_and_changes_of_it() {
    Corpus::of("record").run(5000, record::run);
}

#[test]
fn the_boundary_holds_what_fuzzing_has_found_and_changes_of_it() {
    Corpus::of("boundary").run(1000, boundary::run);
}

#[test]
fn replies_hold_what_fuzzing_has_found_and_changes_of_it() {
    Corpus::of("wire").run(10_000, wire::run);
}
