//! `kill` of a session by a pointer, or by its public id.

use redis::Cmd;

use super::{Pointer, member};
use crate::address::{Address, OwnerHash};
use crate::error::Error;
use crate::operation::field::{App, Fields, Owner};
use crate::operation::script::{FIRST_LINE, FOREIGN};
use crate::operation::{Answer, FollowUp, Meaning, OnRedis, Past, Policy, Script, Spec, Target};
use crate::protocol::Reply;
use crate::record::read_nonce;

/// Removes a session if it belongs to the owner.
#[derive(Debug)]
pub struct KillPointed<'a> {
    /// The name of the app.
    pub app: App<'a>,
    /// The owner.
    pub owner: Owner<'a>,
    /// Where the session is.
    pub address: Address,
    /// The nonce that its record must hold. Empty: any.
    pub nonce: &'a str,
}

static SCRIPT: Script =
    Script::new(&[FIRST_LINE, FOREIGN, include_str!("../../store/redis/scripts/kill_pointed.lua")]);

pub(in crate::operation) static SPEC: Spec = Spec {
    name: "kill pointed",
    letter: "K",
    script: Some(&SCRIPT),
    can_share_script: false,
    needs_index: false,
    finds_its_keys: false,
    reads_only: false,
    may_read_replica: false,
    if_absent: Answer::Flag(false),
};

impl<'a> KillPointed<'a> {
    pub(in crate::operation) fn decode(fields: &mut Fields<'a>) -> Option<Self> {
        let (app, owner, address) = (fields.app()?, fields.owner()?, fields.address()?);
        Some(Self { app, owner, address, nonce: fields.optional_nonce()? })
    }
}

impl OnRedis for KillPointed<'_> {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn target<'t>(&'t self, policy: &'t Policy) -> Result<Option<Target<'t>>, Error> {
        Ok(Some(Target::at(&self.app, self.address, policy)))
    }

    fn add_arguments(&self, target: &Target<'_>, _past: Past<'_>, command: &mut Cmd) {
        command.arg(target.mark()).arg(self.owner.json()).arg(self.nonce);
    }

    /// The script replies the nonce of the session that it has removed. If an earlier reply was lost, the session may be
    /// gone because this call removed it, or it may have been moved. Then the answer is 1, so that `killAll` looks again.
    fn read<'r>(&self, _target: &'r Target<'_>, reply: &Reply<'r>, past: Past<'_>) -> Meaning<'r> {
        match reply {
            Reply::Int(0) if past.may_have_acted => Meaning::Answered(Answer::Json("1".into())),
            Reply::Int(0) => Meaning::Answered(Answer::Flag(false)),
            Reply::Bytes(_) => Meaning::Answered(Answer::Flag(true)),
            _ => Meaning::Mismatched,
        }
    }

    fn follow_up(&self, _target: &Target<'_>, reply: &Reply<'_>) -> Option<FollowUp> {
        let Reply::Bytes(nonce) = reply else { return None };
        if self.owner.is_nobody() {
            return None;
        }
        let member = member(self.address, read_nonce(nonce)?);
        let owner = OwnerHash::of(&self.app, self.owner.bytes());
        Some(FollowUp::Drop(Box::new(Pointer { owner, member })))
    }

    fn secret(&self) -> &[u8] {
        self.owner.json().as_bytes()
    }
}
