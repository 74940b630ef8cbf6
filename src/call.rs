//! Batches of calls as they arrive from JavaScript: a batch is one text, and a call a few lines of it.
//!
//! The first line of a call is the letter of its operation and the call id, under which a promise waits for the
//! answer. Each further line is a field, see [`crate::operation::field`]. `lib/boundary.js` writes this.

use crate::operation::Operation;
use crate::operation::field::Fields;

/// One call of a method.
#[derive(Debug)]
pub struct Call<'a> {
    /// Identifies the promise in JavaScript.
    pub id: u32,
    /// The operation with its arguments.
    pub operation: Operation<'a>,
}

/// A batch that this library's JavaScript did not write, or a bug in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Parses a batch.
///
/// # Errors
///
/// [`Malformed`]. Then no call of the batch is carried out.
pub fn decode(batch: &str) -> Result<Vec<Call<'_>>, Malformed> {
    let mut calls = Vec::with_capacity(32);
    let mut fields = Fields::new(batch);
    while let Some(head) = fields.line() {
        calls.push(decode_call(head, &mut fields).ok_or(Malformed)?);
    }
    Ok(calls)
}

fn decode_call<'a>(head: &'a str, fields: &mut Fields<'a>) -> Option<Call<'a>> {
    let (letter, id) = head.split_at_checked(1)?;
    let id = id.parse().ok()?;
    Some(Call { id, operation: Operation::decode(letter, fields)? })
}

#[cfg(test)]
mod tests;
