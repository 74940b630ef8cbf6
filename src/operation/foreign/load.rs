//! `load`: describes a session, also one without an owner.

use redis::Cmd;

use crate::error::Error;
use crate::operation::field::{App, Fields};
use crate::operation::info::{SCRIPT, read_info};
use crate::operation::{Answer, Meaning, OnRedis, Past, Policy, Spec, Target};
use crate::protocol::Reply;
use crate::token::Token;

/// Describes a session.
#[derive(Debug)]
pub struct Load<'a> {
    /// The name of the app.
    pub app: App<'a>,
    /// The session's token.
    pub token: Token<'a>,
}

pub(in crate::operation) static SPEC: Spec = Spec {
    name: "load",
    letter: "L",
    script: Some(&SCRIPT),
    can_share_script: false,
    needs_index: false,
    finds_its_keys: false,
    reads_only: true,
    may_read_replica: false,
    if_absent: Answer::Absent,
};

impl<'a> Load<'a> {
    pub(in crate::operation) fn decode(fields: &mut Fields<'a>) -> Option<Self> {
        Some(Self { app: fields.app()?, token: fields.token()? })
    }
}

impl OnRedis for Load<'_> {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn target<'t>(&'t self, policy: &'t Policy) -> Result<Option<Target<'t>>, Error> {
        Ok(Target::of_token(&self.app, &self.token, policy))
    }

    fn add_arguments(&self, _target: &Target<'_>, _past: Past<'_>, _command: &mut Cmd) {}

    fn read<'r>(&self, target: &'r Target<'_>, reply: &Reply<'r>, _past: Past<'_>) -> Meaning<'r> {
        read_info(target, reply, |_| true)
    }

    fn secret(&self) -> &[u8] {
        self.token.text()
    }
}
