//! Sessions whose token was not made for their owner: a web framework has made it, or another system from which the
//! session was taken over. Such a session lies on the route that its token begins with, and on its owner's route lies a
//! pointer to it. Each file is one step on one slot; `lib/foreign.js` puts the steps together. Decision 19 says why.

pub mod claim;
pub mod kill_pointed;
pub mod load;
pub mod peek;
pub mod point;
pub mod pointers;
pub mod put;
pub mod refresh_pointed;
pub mod rotate_pointed;
pub mod take_over;
pub mod unpoint;

use super::{Answer, Meaning, Target};
use crate::address::{Address, OwnerHash};
use crate::protocol::Reply;
use crate::record::read_nonce;

/// A pointer to a session: a member of the owner's pointers.
#[derive(Clone, Debug)]
pub struct Pointer {
    /// The owner on whose route it lies.
    pub owner: OwnerHash,
    /// The session's address, then the nonce of the create or the claim that made the pointer.
    pub member: String,
}

impl Pointer {
    /// The pointer to the session of a call, in a reply that ends in the hash of its owner and its nonce.
    pub(super) fn of(target: &Target<'_>, reply: &Reply<'_>) -> Option<Self> {
        let Reply::Array(parts) = reply else { return None };
        let [_, Reply::Bytes(owner), Reply::Bytes(nonce)] = &parts[..] else { return None };
        let owner = OwnerHash::from_text(std::str::from_utf8(owner).ok()?)?;
        Some(Self { owner, member: member(target.address()?, read_nonce(nonce)?) })
    }
}

/// Whether a text is one of a pointer.
pub(super) fn is_pointer(text: &str) -> bool {
    text.split_at_checked(Address::CHARS).is_some_and(|(address, nonce)| {
        Address::from_text(address).is_some() && read_nonce(nonce.as_bytes()).is_some()
    })
}

/// The pointers among the members of an owner's sorted set. Others may have written there. `None` if a reply is no text.
pub(super) fn pointers_among(members: &[Reply<'_>]) -> Option<Vec<String>> {
    let texts = members.iter().map(|member| match member {
        Reply::Bytes(text) => Some(std::str::from_utf8(text).ok().filter(|text| is_pointer(text))),
        _ => None,
    });
    let texts = texts.collect::<Option<Vec<_>>>()?;
    Some(texts.into_iter().flatten().map(str::to_owned).collect())
}

/// The text of a pointer.
fn member(address: Address, nonce: &str) -> String {
    address.to_text() + nonce
}

/// Whether there was a session to act on, in a reply that is this or begins with it. `None` if it is another reply.
pub(super) fn flag_in(reply: &Reply<'_>) -> Option<bool> {
    match reply {
        Reply::Int(done) => Some(*done != 0),
        Reply::Array(parts) => match parts.first() {
            Some(Reply::Int(done)) => Some(*done != 0),
            _ => None,
        },
        _ => None,
    }
}

/// The meaning of a reply that begins with whether there was a session to act on.
fn read_flag<'r>(reply: &Reply<'r>) -> Meaning<'r> {
    flag_in(reply).map_or(Meaning::Mismatched, |done| Meaning::Answered(Answer::Flag(done)))
}

/// The meaning of the reply to a `refresh` if the pointer must be lengthened first: the pointer, as JSON.
pub(super) fn read_needed<'r>(target: &Target<'_>, reply: &Reply<'r>) -> Option<Meaning<'r>> {
    let Pointer { owner, member } = Pointer::of(target, reply)?;
    // No text of a pointer needs an escape.
    let json = format!(r#"{{"owner":"{}","pointer":"{member}"}}"#, owner.to_text());
    Some(Meaning::Answered(Answer::Json(json)))
}
