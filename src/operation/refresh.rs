//! `refresh`: gives a session a new duration.

use redis::Cmd;

use super::field::{App, Fields, Ttl, or_zero};
use super::foreign::read_needed;
use super::script::{CLOCK, EACH, EXPIRY, FIRST_LINE, FOREIGN, INDEX, LIFETIME};
use super::{Answer, Meaning, OnRedis, Past, Policy, Script, Spec, Target};
use crate::error::Error;
use crate::protocol::Reply;
use crate::token::Token;

/// Gives a session a new duration, which begins now.
#[derive(Debug)]
#[expect(missing_docs, reason = "the arguments of the public method")]
pub struct Refresh<'a> {
    pub app: App<'a>,
    pub token: Token<'a>,
    pub ttl: Ttl,
}

static SCRIPT: Script = Script::new(&[
    CLOCK,
    EXPIRY,
    INDEX,
    FIRST_LINE,
    LIFETIME,
    FOREIGN,
    EACH,
    include_str!("../store/redis/scripts/refresh.lua"),
]);

pub(super) static SPEC: Spec = Spec {
    name: "refresh",
    letter: "r",
    script: Some(&SCRIPT),
    can_share_script: true,
    needs_index: true,
    finds_its_keys: false,
    reads_only: false,
    may_read_replica: false,
    if_absent: Answer::Flag(false),
};

impl<'a> Refresh<'a> {
    pub(super) fn decode(fields: &mut Fields<'a>) -> Option<Self> {
        Some(Self { app: fields.app()?, token: fields.token()?, ttl: fields.ttl()? })
    }
}

impl OnRedis for Refresh<'_> {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn target<'t>(&'t self, policy: &'t Policy) -> Result<Option<Target<'t>>, Error> {
        Ok(Target::of_token(&self.app, &self.token, policy))
    }

    fn may_shorten(&self) -> bool {
        true
    }

    fn add_arguments(&self, target: &Target<'_>, _past: Past<'_>, command: &mut Cmd) {
        command.arg(target.member()).arg(or_zero(self.ttl));
    }

    fn read<'r>(&self, target: &'r Target<'_>, reply: &Reply<'r>, _past: Past<'_>) -> Meaning<'r> {
        match reply {
            Reply::Int(found) => Meaning::Answered(Answer::Flag(*found != 0)),
            other => read_needed(target, other).unwrap_or(Meaning::Mismatched),
        }
    }

    fn secret(&self) -> &[u8] {
        self.token.text()
    }
}
