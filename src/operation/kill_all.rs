//! `killAll`: removes all sessions of an owner, in steps.

use redis::Cmd;

use super::field::{App, Fields, Owner};
use super::script::FINDS_KEYS;
use super::{Answer, Meaning, OnRedis, Past, Policy, Script, Spec, Target};
use crate::error::Error;
use crate::keys;
use crate::protocol::Reply;

/// Removes all sessions of an owner.
#[derive(Debug)]
#[expect(missing_docs, reason = "the arguments of the public method")]
pub struct KillAll<'a> {
    pub app: App<'a>,
    pub owner: Owner<'a>,
}

static SCRIPT: Script =
    Script::new(&[FINDS_KEYS, include_str!("../store/redis/scripts/kill_all.lua")]);

pub(super) static SPEC: Spec = Spec {
    name: "killAll",
    letter: "a",
    script: Some(&SCRIPT),
    can_share_script: false,
    needs_index: true,
    finds_its_keys: true,
    reads_only: false,
    if_absent: Answer::Flag(false),
};

impl<'a> KillAll<'a> {
    pub(super) fn decode(fields: &mut Fields<'a>) -> Option<Self> {
        Some(Self { app: fields.app()?, owner: fields.owner()? })
    }
}

impl OnRedis for KillAll<'_> {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn target(&self, policy: &Policy) -> Result<Option<Target<'_>>, Error> {
        Ok(Some(Target::of_owner(&self.app, &self.owner, policy)))
    }

    fn add_arguments(&self, target: &Target<'_>, command: &mut Cmd) {
        command.arg(keys::session_prefix(target.owner.route(), target.app));
    }

    fn read<'r>(&self, _target: &'r Target<'_>, reply: &Reply<'r>, past: Past) -> Meaning<'r> {
        let Reply::Array(numbers) = reply else { return Meaning::Anothers };
        let [Reply::Int(killed), Reply::Int(more)] = &numbers[..] else { return Meaning::Anothers };
        let has_removed = past.has_removed || *killed > 0;
        if *more == 0 {
            Meaning::Answered(Answer::Flag(has_removed || past.may_have_acted))
        } else {
            Meaning::More { has_removed }
        }
    }

    fn secret(&self) -> &[u8] {
        self.owner.json().as_bytes()
    }
}
