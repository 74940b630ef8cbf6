//! `takeOver`: takes over a session of another system in one step.

use std::fmt;

use redis::Cmd;

use super::put::{hash_of, pointers_key_of};
use super::{member, read_flag};
use crate::error::Error;
use crate::operation::field::{App, Fields, Json, Owner, Ttl, or_zero};
use crate::operation::script::{
    CLOCK, EACH, EXPIRY, FIRST_LINE, FOREIGN, FOREIGN_RECORD, INDEX, POINTER,
};
use crate::operation::{Answer, Meaning, OnRedis, Past, Policy, Script, Spec, Target};
use crate::protocol::Reply;
use crate::token::Token;

/// Stores a session, makes its pointer, and deletes the key of the other system, if that still holds the data. Not on a
/// Cluster, where the three lie on different slots.
#[derive(Debug)]
pub struct TakeOver<'a> {
    /// The name of the app.
    pub app: App<'a>,
    /// The session's token.
    pub token: Token<'a>,
    /// The owner, whose name is empty if nobody owns the session.
    pub owner: Owner<'a>,
    /// Tells this session from another one with the same token.
    pub nonce: &'a str,
    /// How long after its creation it ends, whatever happens.
    pub lifetime: Ttl,
    /// The key of the other system.
    pub old: OldKey<'a>,
    /// Its data, byte for byte the value of that key.
    pub data: Json<'a>,
}

/// The key of a session in another system. It may hold a token, so it is not printed.
pub struct OldKey<'a>(pub App<'a>);

impl fmt::Debug for OldKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OldKey(redacted)")
    }
}

static SCRIPT: Script = Script::new(&[
    CLOCK,
    EXPIRY,
    INDEX,
    FIRST_LINE,
    FOREIGN,
    FOREIGN_RECORD,
    POINTER,
    EACH,
    include_str!("../../store/redis/scripts/take_over.lua"),
]);

pub(in crate::operation) static SPEC: Spec = Spec {
    name: "takeOver",
    letter: "O",
    script: Some(&SCRIPT),
    can_share_script: true,
    needs_index: true,
    finds_its_keys: false,
    reads_only: false,
    may_read_replica: false,
    if_absent: Answer::Flag(false),
};

impl<'a> TakeOver<'a> {
    pub(in crate::operation) fn decode(fields: &mut Fields<'a>) -> Option<Self> {
        let (app, token, owner) = (fields.app()?, fields.token()?, fields.owner()?);
        let (nonce, lifetime) = (fields.nonce()?, fields.ttl()?);
        let (old, data) = (OldKey(fields.app()?), fields.json()?);
        Some(Self { app, token, owner, nonce, lifetime, old, data })
    }
}

impl OnRedis for TakeOver<'_> {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn target<'t>(&'t self, policy: &'t Policy) -> Result<Option<Target<'t>>, Error> {
        Ok(Target::of_token(&self.app, &self.token, policy))
    }

    /// The owner's pointers.
    fn index_key(&self, target: &Target<'_>) -> Vec<u8> {
        pointers_key_of(&self.app, &self.owner, target)
    }

    fn other_key(&self) -> Option<&[u8]> {
        Some(&self.old.0)
    }

    fn add_arguments(&self, target: &Target<'_>, past: Past<'_>, command: &mut Cmd) {
        command.arg(target.address().map(|address| member(address, self.nonce)));
        command.arg(hash_of(&self.app, &self.owner)).arg(or_zero(self.lifetime));
        command.arg(u8::from(past.may_have_acted)).arg(self.owner.json()).arg(self.data.0);
    }

    fn read<'r>(&self, _target: &'r Target<'_>, reply: &Reply<'r>, _past: Past<'_>) -> Meaning<'r> {
        read_flag(reply)
    }

    fn data(&self) -> Option<&str> {
        Some(self.data.0)
    }

    fn secret(&self) -> &[u8] {
        self.token.text()
    }
}
