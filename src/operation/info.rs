//! `info`: describes a session, and never extends it.

use redis::Cmd;

use super::description::Description;
use super::field::{App, Fields};
use super::get::is_own_record;
use super::script::CLOCK;
use super::{Answer, LONG_FROM_BYTES, Meaning, OnRedis, Past, Policy, Script, Spec, Target, Work};
use crate::error::Error;
use crate::protocol::Reply;
use crate::record::{NOBODY, mark_in};
use crate::token::Token;

/// Describes a session.
#[derive(Debug)]
#[expect(missing_docs, reason = "the arguments of the public method")]
pub struct Info<'a> {
    pub app: App<'a>,
    pub token: Token<'a>,
}

pub(super) static SCRIPT: Script =
    Script::new(&[CLOCK, include_str!("../store/redis/scripts/info.lua")]);

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
        read_info(target, reply, |owner| owner != NOBODY)
    }

    fn secret(&self) -> &[u8] {
        self.token.text()
    }
}

/// The meaning of the script's reply. `sees` says whether the caller sees the session of this owner, given as JSON.
pub(super) fn read_info<'r>(
    target: &'r Target<'_>,
    reply: &Reply<'r>,
    sees: impl FnOnce(&str) -> bool + Send + 'static,
) -> Meaning<'r> {
    let parts = match reply {
        Reply::Nil => return Meaning::Answered(Answer::Absent),
        Reply::Array(parts) => &parts[..],
        _ => return Meaning::Mismatched,
    };
    let ([Reply::Bytes(record), Reply::Int(expiry)], Some(id)) = (parts, public_id(target, parts))
    else {
        return Meaning::Mismatched;
    };
    if !is_own_record(record, target) {
        return Meaning::Mismatched;
    }
    let expires_at = u64::try_from(*expiry).ok();
    if record.len() < LONG_FROM_BYTES {
        return describe(&id, record, expires_at, sees)
            .map_or_else(Meaning::Rejected, Meaning::Answered);
    }
    let record = record.to_vec();
    Meaning::Long(Work(Box::new(move || describe(&id, &record, expires_at, sees))))
}

/// The public id of the session in a reply.
fn public_id(target: &Target<'_>, parts: &[Reply<'_>]) -> Option<String> {
    match parts.first() {
        Some(Reply::Bytes(record)) if mark_in(record).is_some() => {
            target.address().map(|address| address.to_text())
        }
        _ => target.id.map(|id| id.as_str().to_owned()),
    }
}

/// The answer for a record that was found.
pub(crate) fn describe(
    id: &str,
    record: &[u8],
    expires_at: Option<u64>,
    sees: impl FnOnce(&str) -> bool,
) -> Result<Answer<'static>, Error> {
    let mut json = String::new();
    let described = Description::read(id.into(), record, expires_at)?;
    if !sees(described.record.owner()) {
        return Ok(Answer::Absent);
    }
    described.write_with_owner(&mut json);
    Ok(Answer::Json(json))
}
