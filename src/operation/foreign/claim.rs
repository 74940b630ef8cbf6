//! `claim`: gives a session an owner, or another owner.

use redis::Cmd;

use super::put::hash_of;
use super::{Pointer, read_flag};
use crate::error::Error;
use crate::operation::field::{App, Fields, Json, Owner};
use crate::operation::script::{CLOCK, FIRST_LINE, FOREIGN};
use crate::operation::{Answer, FollowUp, Meaning, OnRedis, Past, Policy, Script, Spec, Target};
use crate::protocol::Reply;
use crate::token::Token;

/// Changes the owner of a session and appends a patch. The new owner's pointer exists already.
#[derive(Debug)]
pub struct Claim<'a> {
    /// The name of the app.
    pub app: App<'a>,
    /// The session's token.
    pub token: Token<'a>,
    /// The owner that it must have, whose name is empty for nobody.
    pub before: Owner<'a>,
    /// The owner that it gets.
    pub after: Owner<'a>,
    /// Tells the new pointer from others.
    pub nonce: &'a str,
    /// Until when the new pointer is kept, in milliseconds since 1970; empty without an owner.
    pub until: &'a str,
    /// What changes in its data.
    pub patch: Json<'a>,
}

static SCRIPT: Script =
    Script::new(&[CLOCK, FIRST_LINE, FOREIGN, include_str!("../../store/redis/scripts/claim.lua")]);

pub(in crate::operation) static SPEC: Spec = Spec {
    name: "claim",
    letter: "C",
    script: Some(&SCRIPT),
    can_share_script: false,
    needs_index: false,
    finds_its_keys: false,
    reads_only: false,
    may_read_replica: false,
    if_absent: Answer::Flag(false),
};

impl<'a> Claim<'a> {
    pub(in crate::operation) fn decode(fields: &mut Fields<'a>) -> Option<Self> {
        let (app, token) = (fields.app()?, fields.token()?);
        let (before, after, nonce) = (fields.owner()?, fields.owner()?, fields.nonce()?);
        let (until, patch) = (fields.time()?, fields.json()?);
        Some(Self { app, token, before, after, nonce, until, patch })
    }
}

impl OnRedis for Claim<'_> {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn target<'t>(&'t self, policy: &'t Policy) -> Result<Option<Target<'t>>, Error> {
        Ok(Target::of_token(&self.app, &self.token, policy))
    }

    fn add_arguments(&self, target: &Target<'_>, _past: Past<'_>, command: &mut Cmd) {
        let Self { app, before, after, nonce, until, patch, .. } = self;
        command.arg(before.json()).arg(after.json()).arg(hash_of(app, after));
        command.arg(nonce).arg(until).arg(patch.0).arg(target.policy.max_grown_bytes());
    }

    /// The script replies -1 if the record has no room for the patch, and a list that begins with 2 if the session would
    /// outlive its pointer: then the answer is how many milliseconds it has left, 0 if it never expires.
    fn read<'r>(&self, target: &'r Target<'_>, reply: &Reply<'r>, _past: Past<'_>) -> Meaning<'r> {
        match reply {
            Reply::Int(-1) => {
                let max_bytes = target.policy.max_grown_bytes();
                Meaning::Rejected(Error::TooLarge { max_bytes })
            }
            Reply::Array(parts) => match parts[..] {
                [Reply::Int(2), Reply::Int(left)] => {
                    Meaning::Answered(Answer::Json(left.max(0).to_string()))
                }
                _ => read_flag(reply),
            },
            _ => read_flag(reply),
        }
    }

    /// The pointer of the owner that it had.
    fn follow_up(&self, target: &Target<'_>, reply: &Reply<'_>) -> Option<FollowUp> {
        Pointer::of(target, reply).map(Box::new).map(FollowUp::Drop)
    }

    fn data(&self) -> Option<&str> {
        Some(self.patch.0)
    }

    fn secret(&self) -> &[u8] {
        self.token.text()
    }
}
