//! `info`: describes a session, and never extends it.

use redis::Cmd;

use super::description::Description;
use super::field::{App, Fields};
use super::get::is_own_record;
use super::script::CLOCK;
use super::{Answer, LONG_FROM_BYTES, Meaning, OnRedis, Past, Policy, Script, Spec, Target, Work};
use crate::error::Error;
use crate::protocol::Reply;
use crate::token::{SessionId, Token};

/// Describes a session.
#[derive(Debug)]
#[expect(missing_docs, reason = "the arguments of the public method")]
pub struct Info<'a> {
    pub app: App<'a>,
    pub token: Token<'a>,
}

static SCRIPT: Script = Script::new(&[CLOCK, include_str!("../store/redis/scripts/info.lua")]);

pub(super) static SPEC: Spec = Spec {
    name: "info",
    letter: "n",
    script: Some(&SCRIPT),
    can_share_script: false,
    needs_index: false,
    finds_its_keys: false,
    reads_only: true,
    may_read_replica: false,
    if_absent: Answer::Absent,
};

impl<'a> Info<'a> {
    pub(super) fn decode(fields: &mut Fields<'a>) -> Option<Self> {
        Some(Self { app: fields.app()?, token: fields.token()? })
    }
}

impl OnRedis for Info<'_> {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn target<'t>(&'t self, policy: &'t Policy) -> Result<Option<Target<'t>>, Error> {
        Ok(Target::of_token(&self.app, &self.token, policy))
    }

    fn add_arguments(&self, _target: &Target<'_>, _past: Past<'_>, _command: &mut Cmd) {}

    fn read<'r>(&self, target: &'r Target<'_>, reply: &Reply<'r>, _past: Past<'_>) -> Meaning<'r> {
        let parts = match reply {
            Reply::Nil => return Meaning::Answered(Answer::Absent),
            Reply::Array(parts) => &parts[..],
            _ => return Meaning::Anothers,
        };
        let ([Reply::Bytes(record), Reply::Int(expiry)], Some(id)) = (parts, target.id) else {
            return Meaning::Anothers;
        };
        if !is_own_record(record, target) {
            return Meaning::Anothers;
        }
        let expires_at = u64::try_from(*expiry).ok();
        if record.len() < LONG_FROM_BYTES {
            return describe(id, record, expires_at)
                .map_or_else(Meaning::Rejected, Meaning::Answered);
        }
        let record = record.to_vec();
        Meaning::Long(Work(Box::new(move || describe(id, &record, expires_at))))
    }

    fn secret(&self) -> &[u8] {
        self.token.text()
    }
}

/// The answer for a record that was found.
pub(crate) fn describe(
    id: SessionId,
    record: &[u8],
    expires_at: Option<u64>,
) -> Result<Answer<'static>, Error> {
    let mut json = String::new();
    Description::read(id, record, expires_at)?.write_with_owner(&mut json);
    Ok(Answer::Json(json))
}
