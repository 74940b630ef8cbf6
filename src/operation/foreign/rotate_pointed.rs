//! `rotate_pointed`: the second half of a `rotate`. The pointer to the new id exists already.

use redis::Cmd;

use super::{Pointer, member, read_flag};
use crate::address::OwnerHash;
use crate::error::Error;
use crate::operation::field::{App, Fields};
use crate::operation::script::{FIRST_LINE, FOREIGN};
use crate::operation::{Answer, FollowUp, Meaning, OnRedis, Past, Policy, Script, Spec, Target};
use crate::protocol::Reply;
use crate::token::Token;

/// Moves a session to the id of its new token.
#[derive(Debug)]
pub struct RotatePointed<'a> {
    /// The name of the app.
    pub app: App<'a>,
    /// The session's token.
    pub token: Token<'a>,
    /// Its new token, on the same route.
    pub new_token: Token<'a>,
    /// The hash of its owner, if it has one.
    pub owner: Option<OwnerHash>,
    /// The nonce of its record.
    pub nonce: &'a str,
    /// Until when the record says that its pointer is kept, in milliseconds since 1970; empty without an owner.
    pub until: &'a str,
}

static SCRIPT: Script = Script::new(&[
    FIRST_LINE,
    FOREIGN,
    include_str!("../../store/redis/scripts/rotate_pointed.lua"),
]);

pub(in crate::operation) static SPEC: Spec = Spec {
    name: "rotate pointed",
    letter: "M",
    script: Some(&SCRIPT),
    can_share_script: false,
    needs_index: false,
    finds_its_keys: false,
    reads_only: false,
    may_read_replica: false,
    if_absent: Answer::Flag(false),
};

impl<'a> RotatePointed<'a> {
    pub(in crate::operation) fn decode(fields: &mut Fields<'a>) -> Option<Self> {
        let (app, token, new_token) = (fields.app()?, fields.token()?, fields.token()?);
        let owner = fields.optional_hash()?;
        let (nonce, until) = (fields.nonce()?, fields.time()?);
        Some(Self { app, token, new_token, owner, nonce, until })
    }
}

impl OnRedis for RotatePointed<'_> {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn target<'t>(&'t self, policy: &'t Policy) -> Result<Option<Target<'t>>, Error> {
        let target = Target::of_token(&self.app, &self.token, policy);
        Ok(target.map(|target| target.moving_to(&self.new_token)))
    }

    fn add_arguments(&self, target: &Target<'_>, _past: Past<'_>, command: &mut Cmd) {
        command.arg(target.new_mark()).arg(self.nonce).arg(self.until);
    }

    fn read<'r>(&self, _target: &'r Target<'_>, reply: &Reply<'r>, _past: Past<'_>) -> Meaning<'r> {
        read_flag(reply)
    }

    /// The pointer to the old id.
    fn follow_up(&self, target: &Target<'_>, reply: &Reply<'_>) -> Option<FollowUp> {
        let (Reply::Int(1), Some(owner)) = (reply, self.owner) else { return None };
        let member = member(target.address()?, self.nonce);
        Some(FollowUp::Drop(Box::new(Pointer { owner, member })))
    }

    fn secret(&self) -> &[u8] {
        self.token.text()
    }
}
