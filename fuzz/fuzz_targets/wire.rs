#![no_main]
#[path = "../../tests/fuzz/targets/wire.rs"]
mod target;

// `read_buffer.rs`, which the target includes, finds it in its crate.
use spots_sessions::protocol;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target::run(bytes));
