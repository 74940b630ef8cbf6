//! `get`: reads a session.

use redis::Cmd;

use super::field::{App, Fields};
use super::{Answer, FollowUp, Meaning, OnRedis, Past, Policy, Spec, Target};
use crate::address::{OwnerHash, SessionId};
use crate::error::Error;
use crate::protocol::Reply;
use crate::record::{self, Record};
use crate::token::Token;

/// Reads a session.
#[derive(Debug)]
#[expect(missing_docs, reason = "the arguments of the public method")]
pub struct Get<'a> {
    pub app: App<'a>,
    pub token: Token<'a>,
}

pub(super) static SPEC: Spec = Spec {
    name: "get",
    letter: "g",
    script: None,
    can_share_script: false,
    needs_index: false,
    finds_its_keys: false,
    reads_only: true,
    may_read_replica: true,
    if_absent: Answer::Absent,
};

impl<'a> Get<'a> {
    pub(super) fn decode(fields: &mut Fields<'a>) -> Option<Self> {
        Some(Self { app: fields.app()?, token: fields.token()? })
    }
}

impl OnRedis for Get<'_> {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn target<'t>(&'t self, policy: &'t Policy) -> Result<Option<Target<'t>>, Error> {
        Ok(Target::of_token(&self.app, &self.token, policy))
    }

    fn add_arguments(&self, _target: &Target<'_>, _past: Past<'_>, _command: &mut Cmd) {}

    fn follow_up(&self, _target: &Target<'_>, reply: &Reply<'_>) -> Option<FollowUp> {
        match reply {
            Reply::Bytes(record) => record::sliding_in(record).map(FollowUp::Extend),
            _ => None,
        }
    }

    fn read<'r>(&self, target: &'r Target<'_>, reply: &Reply<'r>, _past: Past<'_>) -> Meaning<'r> {
        match reply {
            Reply::Nil => Meaning::Answered(Answer::Absent),
            Reply::Bytes(record) => read_record(record, target.app, target.owner, target.id),
            Reply::TooLong => Meaning::Rejected(Error::Oversized),
            _ => Meaning::Mismatched,
        }
    }

    fn secret(&self) -> &[u8] {
        self.token.text()
    }
}

/// The meaning of a record that was found under the session's key.
pub(crate) fn read_record<'r>(
    text: &'r [u8],
    app: &[u8],
    owner: OwnerHash,
    id: Option<SessionId>,
) -> Meaning<'r> {
    match Record::parse(text) {
        Ok(record) if is_of(&record.owner_name(), app, owner) => {
            Meaning::Answered(Answer::Session(record))
        }
        Ok(record) if has_mark(text, id) => Meaning::Answered(if record.is_anonymous() {
            Answer::Absent
        } else {
            Answer::Session(record)
        }),
        Ok(_) => Meaning::Mismatched,
        Err(record::Corrupt) => Meaning::Rejected(Error::Corrupt),
    }
}

/// Whether the value under a session's key is a record of its owner, or of its token, or no record at all. It does not read
/// the data.
pub(crate) fn is_own_record(record: &[u8], target: &Target<'_>) -> bool {
    record::owner_in(record).is_none_or(|name| is_of(&name, target.app, target.owner))
        || has_mark(record, target.id)
}

/// Whether a record says that its token was not made for its owner, and that its id begins as this one.
fn has_mark(record: &[u8], id: Option<SessionId>) -> bool {
    record::mark_in(record).zip(id).is_some_and(|(mark, id)| mark == id.mark().as_bytes())
}

fn is_of(name: &[u8], app: &[u8], owner: OwnerHash) -> bool {
    OwnerHash::of(app, name) == owner
}
