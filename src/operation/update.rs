//! `update`: merges a patch into the data of a session.

use redis::Cmd;

use super::field::{App, Fields, Json};
use super::script::{CLOCK, EACH, EXPIRY, FIRST_LINE, INDEX, LIFETIME, SLIDE};
use super::{Answer, Meaning, OnRedis, Past, Policy, Script, Spec, Target};
use crate::error::Error;
use crate::protocol::Reply;
use crate::token::Token;

/// Merges a patch into the data of a session.
#[derive(Debug)]
#[expect(missing_docs, reason = "the arguments of the public method")]
pub struct Update<'a> {
    pub app: App<'a>,
    pub token: Token<'a>,
    pub data: Json<'a>,
}

static SCRIPT: Script = Script::new(&[
    CLOCK,
    EXPIRY,
    INDEX,
    FIRST_LINE,
    LIFETIME,
    SLIDE,
    EACH,
    include_str!("../store/redis/scripts/update.lua"),
]);

pub(super) static SPEC: Spec = Spec {
    name: "update",
    letter: "u",
    script: Some(&SCRIPT),
    can_share_script: true,
    needs_index: true,
    finds_its_keys: false,
    reads_only: false,
    may_read_replica: false,
    if_absent: Answer::Flag(false),
};

impl<'a> Update<'a> {
    pub(super) fn decode(fields: &mut Fields<'a>) -> Option<Self> {
        Some(Self { app: fields.app()?, token: fields.token()?, data: fields.json()? })
    }
}

impl OnRedis for Update<'_> {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn target<'t>(&'t self, policy: &'t Policy) -> Result<Option<Target<'t>>, Error> {
        Ok(Target::of_token(&self.app, &self.token, policy))
    }

    fn add_arguments(&self, target: &Target<'_>, _past: Past<'_>, command: &mut Cmd) {
        command.arg(target.member()).arg(self.data.0).arg(target.policy.max_grown_bytes());
    }

    /// The script replies 0 if there is no session, 1 if it appended the patch, 2 if it did and the record has grown
    /// long, 3 if the record is full. The script that folds replies 0 if another client has folded the record
    /// meanwhile, or if it is gone.
    fn read<'r>(&self, target: &'r Target<'_>, reply: &Reply<'r>, past: Past<'_>) -> Meaning<'r> {
        match (reply, target.id) {
            (Reply::Int(0), _) if past.has_folded => Meaning::Full,
            (Reply::Int(2), Some(id)) => Meaning::Outgrown(Answer::Flag(true), id),
            (Reply::Int(3), _) => Meaning::Full,
            (Reply::Int(done), _) => Meaning::Answered(Answer::Flag(*done != 0)),
            _ => Meaning::Anothers,
        }
    }

    fn data(&self) -> Option<&str> {
        Some(self.data.0)
    }

    fn secret(&self) -> &[u8] {
        self.token.text()
    }
}
