//! Batches of calls as they cross from JavaScript: a batch is one text, a call a few lines of it.
//!
//! The first line of a call is the letter of its operation and the id of the call, which names the promise that waits
//! for the answer. Each further line is a field, see [`crate::operation::field`]. `lib/boundary.js` writes this.

use crate::operation::Operation;
use crate::operation::field::Fields;

/// One call of a method.
#[derive(Debug)]
pub struct Call<'a> {
    /// Names the promise in JavaScript.
    pub id: u32,
    /// What is to be done.
    pub operation: Operation<'a>,
}

/// A batch that was not written by our own JavaScript, or a bug in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Reads a batch.
///
/// # Errors
///
/// [`Malformed`], and then no call of the batch is carried out.
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
