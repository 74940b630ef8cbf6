//! Tests the boundary with JavaScript: any text as a batch, hostile names in the encoding of `lib/boundary.js`, and
//! answers of all kinds.

#[path = "boundary/answers.rs"]
mod answers;
#[path = "boundary/calls.rs"]
mod calls;
#[path = "boundary/lines.rs"]
mod lines;

/// Reads the input as a batch. Then encodes a batch from the input and reads it back. Then makes answers from the
/// input.
///
/// # Panics
///
/// If a property does not hold.
pub fn run(bytes: &[u8]) {
    lines::read_any(&String::from_utf8_lossy(bytes));
    calls::spell_and_read(bytes);
    answers::give(bytes);
}
