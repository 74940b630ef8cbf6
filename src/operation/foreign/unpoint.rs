//! Drops a pointer behind the answer of the call that has ended its session. No caller waits for it, so it is no method
//! of its own. A pointer that stays by a failure names no session, and is dropped when its time has passed.

use redis::Cmd;

use super::Pointer;
use crate::error::Error;
use crate::operation::script::{CLOCK, INDEX};
use crate::operation::{Answer, Meaning, OnRedis, Past, Policy, Script, Spec, Target};
use crate::protocol::Reply;

/// Drops a pointer.
#[derive(Debug)]
pub(crate) struct Unpoint<'a> {
    pub app: &'a [u8],
    pub pointer: Pointer,
}

pub(crate) static SCRIPT: Script =
    Script::new(&[CLOCK, INDEX, include_str!("../../store/redis/scripts/unpoint.lua")]);

static SPEC: Spec = Spec {
    name: "unpoint",
    letter: "",
    script: Some(&SCRIPT),
    can_share_script: false,
    needs_index: true,
    finds_its_keys: false,
    reads_only: false,
    may_read_replica: false,
    if_absent: Answer::Absent,
};

impl OnRedis for Unpoint<'_> {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn target<'t>(&'t self, policy: &'t Policy) -> Result<Option<Target<'t>>, Error> {
        Ok(Some(Target::of_hash(self.app, self.pointer.owner, policy)))
    }

    fn index_key(&self, target: &Target<'_>) -> Vec<u8> {
        target.pointers_key()
    }

    fn is_behind_an_answer(&self) -> bool {
        true
    }

    fn add_arguments(&self, _target: &Target<'_>, _past: Past<'_>, command: &mut Cmd) {
        command.arg(&self.pointer.member);
    }

    fn read<'r>(&self, _target: &'r Target<'_>, reply: &Reply<'r>, _past: Past<'_>) -> Meaning<'r> {
        match reply {
            Reply::Int(_) => Meaning::Answered(Answer::Absent),
            _ => Meaning::Mismatched,
        }
    }

    fn secret(&self) -> &[u8] {
        &[]
    }
}
