//! `pointers`: reads some of an owner's pointers, those that are kept shortest first.

use redis::Cmd;

use super::pointers_among;
use crate::error::Error;
use crate::operation::field::{App, Fields, Owner};
use crate::operation::{Answer, Meaning, OnRedis, Past, Policy, Script, Spec, Target};
use crate::protocol::Reply;

/// Reads one page of an owner's pointers.
#[derive(Debug)]
pub struct Pointers<'a> {
    /// The name of the app.
    pub app: App<'a>,
    /// The owner.
    pub owner: Owner<'a>,
    /// The score at which the page begins, as the last page said.
    pub from: &'a str,
}

static SCRIPT: Script = Script::new(&[include_str!("../../store/redis/scripts/pointers.lua")]);

pub(in crate::operation) static SPEC: Spec = Spec {
    name: "pointers",
    letter: "Q",
    script: Some(&SCRIPT),
    can_share_script: false,
    needs_index: true,
    finds_its_keys: false,
    reads_only: true,
    may_read_replica: false,
    if_absent: Answer::Absent,
};

impl<'a> Pointers<'a> {
    pub(in crate::operation) fn decode(fields: &mut Fields<'a>) -> Option<Self> {
        Some(Self { app: fields.app()?, owner: fields.owner()?, from: fields.line()? })
    }
}

impl OnRedis for Pointers<'_> {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn target<'t>(&'t self, policy: &'t Policy) -> Result<Option<Target<'t>>, Error> {
        Ok(Some(Target::of_owner(&self.app, &self.owner, policy)))
    }

    fn index_key(&self, target: &Target<'_>) -> Vec<u8> {
        target.pointers_key()
    }

    fn add_arguments(&self, _target: &Target<'_>, _past: Past<'_>, command: &mut Cmd) {
        command.arg(self.from);
    }

    fn read<'r>(&self, _target: &'r Target<'_>, reply: &Reply<'r>, _past: Past<'_>) -> Meaning<'r> {
        page_as_json(reply)
            .map_or(Meaning::Mismatched, |page| Meaning::Answered(Answer::Json(page)))
    }

    fn secret(&self) -> &[u8] {
        self.owner.json().as_bytes()
    }
}

/// A page as JSON: where the next one begins, and the pointers. `None` if it is another reply.
fn page_as_json(reply: &Reply<'_>) -> Option<String> {
    let Reply::Array(parts) = reply else { return None };
    let [Reply::Bytes(next), Reply::Array(members)] = &parts[..] else { return None };
    serde_json::to_string(&(std::str::from_utf8(next).ok()?, pointers_among(members)?)).ok()
}
