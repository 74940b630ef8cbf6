//! `kill`: removes a session.

use redis::Cmd;

use super::field::{App, Fields};
use super::foreign::flag_in;
use super::script::{CLOCK, EACH, FIRST_LINE, FOREIGN, INDEX};
use super::{Answer, FollowUp, Meaning, OnRedis, Past, Pointer, Policy, Script, Spec, Target};
use crate::error::Error;
use crate::protocol::Reply;
use crate::token::Token;

/// Removes a session.
#[derive(Debug)]
#[expect(missing_docs, reason = "the arguments of the public method")]
pub struct Kill<'a> {
    pub app: App<'a>,
    pub token: Token<'a>,
}

static SCRIPT: Script = Script::new(&[
    CLOCK,
    INDEX,
    FIRST_LINE,
    FOREIGN,
    EACH,
    include_str!("../store/redis/scripts/kill.lua"),
]);

pub(super) static SPEC: Spec = Spec {
    name: "kill",
    letter: "k",
    script: Some(&SCRIPT),
    can_share_script: true,
    needs_index: true,
    finds_its_keys: false,
    reads_only: false,
    may_read_replica: false,
    if_absent: Answer::Flag(false),
};

impl<'a> Kill<'a> {
    pub(super) fn decode(fields: &mut Fields<'a>) -> Option<Self> {
        Some(Self { app: fields.app()?, token: fields.token()? })
    }
}

impl OnRedis for Kill<'_> {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn target<'t>(&'t self, policy: &'t Policy) -> Result<Option<Target<'t>>, Error> {
        Ok(Target::of_token(&self.app, &self.token, policy))
    }

    fn add_arguments(&self, target: &Target<'_>, _past: Past<'_>, command: &mut Cmd) {
        command.arg(target.member());
    }

    /// If an earlier reply was lost, the session may be gone because this call removed it.
    fn read<'r>(&self, _target: &'r Target<'_>, reply: &Reply<'r>, past: Past<'_>) -> Meaning<'r> {
        match flag_in(reply) {
            Some(killed) => Meaning::Answered(Answer::Flag(killed || past.may_have_acted)),
            None => Meaning::Mismatched,
        }
    }

    fn follow_up(&self, target: &Target<'_>, reply: &Reply<'_>) -> Option<FollowUp> {
        Pointer::of(target, reply).map(Box::new).map(FollowUp::Drop)
    }

    fn secret(&self) -> &[u8] {
        self.token.text()
    }
}
