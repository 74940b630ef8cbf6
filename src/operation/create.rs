//! `create`: stores a new session.

use redis::Cmd;

use super::field::{App, Fields, Json, Owner, Ttl, ttl_ms};
use super::script::{CLOCK, EACH, EXPIRY, FINDS_KEYS, INDEX};
use super::{Answer, Meaning, OnRedis, Past, Policy, Script, Spec, Target};
use crate::error::Error;
use crate::protocol::Reply;

/// Creates a session, and returns its token.
#[derive(Debug)]
#[expect(missing_docs, reason = "the arguments of the public method")]
pub struct Create<'a> {
    pub app: App<'a>,
    pub owner: Owner<'a>,
    pub ttl: Ttl,
    pub data: Json<'a>,
}

static SCRIPT: Script = Script::new(&[
    FINDS_KEYS,
    CLOCK,
    EXPIRY,
    INDEX,
    EACH,
    include_str!("../store/redis/scripts/create.lua"),
]);

pub(super) static SPEC: Spec = Spec {
    name: "create",
    letter: "c",
    script: Some(&SCRIPT),
    can_share_script: true,
    needs_index: true,
    finds_its_keys: false,
    reads_only: false,
    if_absent: Answer::Absent,
};

impl<'a> Create<'a> {
    pub(super) fn decode(fields: &mut Fields<'a>) -> Option<Self> {
        let (app, owner) = (fields.app()?, fields.owner()?);
        Some(Self { app, owner, ttl: fields.ttl()?, data: fields.json()? })
    }
}

impl OnRedis for Create<'_> {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn target(&self, policy: &Policy) -> Result<Option<Target<'_>>, Error> {
        Target::new_session(&self.app, &self.owner, policy).map(Some)
    }

    fn add_arguments(&self, target: &Target<'_>, command: &mut Cmd) {
        let Self { owner, ttl, data, .. } = self;
        command.arg(target.member()).arg(ttl_ms(*ttl)).arg(owner.json()).arg(data.0);
    }

    fn read<'r>(&self, target: &'r Target<'_>, reply: &Reply<'r>, _past: Past) -> Meaning<'r> {
        match reply {
            Reply::Int(_) => Meaning::Answered(Answer::Token(target.new_token.as_str().into())),
            _ => Meaning::Anothers,
        }
    }

    fn data(&self) -> Option<&str> {
        Some(self.data.0)
    }

    fn secret(&self) -> &[u8] {
        self.owner.json().as_bytes()
    }
}
