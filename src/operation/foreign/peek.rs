//! `peek`: describes the session that a pointer, or a public id, names.

use redis::Cmd;

use crate::address::Address;
use crate::error::Error;
use crate::operation::field::{App, Fields, Owner};
use crate::operation::info::{SCRIPT, read_info};
use crate::operation::{Answer, Meaning, OnRedis, Past, Policy, Spec, Target};
use crate::protocol::Reply;

/// Describes a session.
#[derive(Debug)]
pub struct Peek<'a> {
    /// The name of the app.
    pub app: App<'a>,
    /// The owner of the pointer. `None`: whoever owns the session, or nobody, for administration.
    pub owner: Option<Owner<'a>>,
    /// Where the session is.
    pub address: Address,
}

pub(in crate::operation) static SPEC: Spec = Spec {
    name: "peek",
    letter: "E",
    script: Some(&SCRIPT),
    can_share_script: false,
    needs_index: false,
    finds_its_keys: false,
    reads_only: true,
    may_read_replica: false,
    if_absent: Answer::Absent,
};

impl<'a> Peek<'a> {
    pub(in crate::operation) fn decode(fields: &mut Fields<'a>) -> Option<Self> {
        let (app, owner) = (fields.app()?, fields.optional_owner()?);
        Some(Self { app, owner, address: fields.address()? })
    }
}

impl OnRedis for Peek<'_> {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn target<'t>(&'t self, policy: &'t Policy) -> Result<Option<Target<'t>>, Error> {
        Ok(Some(Target::at(&self.app, self.address, policy)))
    }

    fn add_arguments(&self, _target: &Target<'_>, _past: Past<'_>, _command: &mut Cmd) {}

    fn read<'r>(&self, target: &'r Target<'_>, reply: &Reply<'r>, _past: Past<'_>) -> Meaning<'r> {
        let asked = self.owner.as_ref().map(|owner| owner.json().to_owned());
        read_info(target, reply, move |owner| asked.is_none_or(|asked| owner == asked))
    }

    fn secret(&self) -> &[u8] {
        self.owner.as_ref().map_or(&[], |owner| owner.json().as_bytes())
    }
}
