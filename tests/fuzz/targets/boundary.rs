//! What crosses to and from JavaScript: any text as a batch, hostile names that are encoded as
//! `lib/boundary.js` encodes them, and answers of all kinds.

#[path = "boundary/answers.rs"]
mod answers;
#[path = "boundary/calls.rs"]
mod calls;

/// Reads a text as a batch; makes a batch of it, and reads that; makes answers of it.
///
/// # Panics
///
/// If what must hold does not.
pub fn run(bytes: &[u8]) {
    calls::read_any(&String::from_utf8_lossy(bytes));
    calls::spell_and_read(bytes);
    answers::give(bytes);
}
