//! `kill` by id: removes a session of an owner by its public id.

use redis::Cmd;

use super::field::{App, Fields, Owner};
use super::script::{CLOCK, INDEX};
use super::{Answer, Meaning, OnRedis, Past, Policy, Script, Spec, Target};
use crate::address::SessionId;
use crate::error::Error;
use crate::protocol::Reply;

/// Removes a session of an owner by its id.
#[derive(Debug)]
#[expect(missing_docs, reason = "the arguments of the public method")]
pub struct KillById<'a> {
    pub app: App<'a>,
    pub owner: Owner<'a>,
    pub id: SessionId,
}

static SCRIPT: Script =
    Script::new(&[CLOCK, INDEX, include_str!("../store/redis/scripts/kill_by_id.lua")]);

pub(super) static SPEC: Spec = Spec {
    name: "kill by id",
    letter: "i",
    script: Some(&SCRIPT),
    can_share_script: false,
    needs_index: true,
    finds_its_keys: false,
    reads_only: false,
    may_read_replica: false,
    if_absent: Answer::Flag(false),
};

impl<'a> KillById<'a> {
    pub(super) fn decode(fields: &mut Fields<'a>) -> Option<Self> {
        Some(Self { app: fields.app()?, owner: fields.owner()?, id: fields.id()? })
    }
}

impl OnRedis for KillById<'_> {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn target<'t>(&'t self, policy: &'t Policy) -> Result<Option<Target<'t>>, Error> {
        let target = Target::of_owner(&self.app, &self.owner, policy);
        Ok(Some(Target { id: Some(self.id), ..target }))
    }

    fn add_arguments(&self, target: &Target<'_>, _past: Past<'_>, command: &mut Cmd) {
        command.arg(target.member());
    }

    /// If an earlier reply was lost, the session may be gone because this call removed it.
    fn read<'r>(&self, _target: &'r Target<'_>, reply: &Reply<'r>, past: Past<'_>) -> Meaning<'r> {
        match reply {
            Reply::Int(killed) => {
                Meaning::Answered(Answer::Flag(*killed != 0 || past.may_have_acted))
            }
            _ => Meaning::Mismatched,
        }
    }

    fn secret(&self) -> &[u8] {
        self.owner.json().as_bytes()
    }
}
