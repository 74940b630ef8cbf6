//! `refresh_pointed`: gives a session a new time to live, after its pointer was lengthened.

use redis::Cmd;

use super::read_needed;
use crate::error::Error;
use crate::operation::field::{App, Fields, Ttl, or_zero};
use crate::operation::script::{CLOCK, EXPIRY, FIRST_LINE, FOREIGN, LIFETIME};
use crate::operation::{Answer, Meaning, OnRedis, Past, Policy, Script, Spec, Target};
use crate::protocol::Reply;
use crate::token::Token;

/// Gives a session a new time to live.
#[derive(Debug)]
pub struct RefreshPointed<'a> {
    /// The name of the app.
    pub app: App<'a>,
    /// The session's token.
    pub token: Token<'a>,
    /// For how long it lives from now on.
    pub ttl: Ttl,
    /// Of the pointer that was lengthened.
    pub nonce: &'a str,
    /// Until when that is kept, in milliseconds since 1970.
    pub until: &'a str,
}

static SCRIPT: Script = Script::new(&[
    CLOCK,
    EXPIRY,
    FIRST_LINE,
    LIFETIME,
    FOREIGN,
    include_str!("../../store/redis/scripts/refresh_pointed.lua"),
]);

pub(in crate::operation) static SPEC: Spec = Spec {
    name: "refresh pointed",
    letter: "R",
    script: Some(&SCRIPT),
    can_share_script: false,
    needs_index: false,
    finds_its_keys: false,
    reads_only: false,
    may_read_replica: false,
    if_absent: Answer::Flag(false),
};

impl<'a> RefreshPointed<'a> {
    pub(in crate::operation) fn decode(fields: &mut Fields<'a>) -> Option<Self> {
        let (app, token, ttl) = (fields.app()?, fields.token()?, fields.ttl()?);
        Some(Self { app, token, ttl, nonce: fields.nonce()?, until: fields.time()? })
    }
}

impl OnRedis for RefreshPointed<'_> {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn target<'t>(&'t self, policy: &'t Policy) -> Result<Option<Target<'t>>, Error> {
        Ok(Target::of_token(&self.app, &self.token, policy))
    }

    fn may_shorten(&self) -> bool {
        true
    }

    fn add_arguments(&self, _target: &Target<'_>, _past: Past<'_>, command: &mut Cmd) {
        command.arg(or_zero(self.ttl)).arg(self.nonce).arg(self.until);
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
