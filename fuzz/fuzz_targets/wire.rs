#![no_main]
#[path = "../../tests/fuzz/targets/wire.rs"]
mod target;

// The target includes `read_buffer.rs`, which expects `protocol` in its crate.
use spots_sessions::protocol;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target::run(bytes));
