//! `put`: stores a session under a token that was not made for its owner.

use redis::Cmd;

use super::{Pointer, member, read_flag};
use crate::address::OwnerHash;
use crate::error::Error;
use crate::operation::field::{App, Fields, Json, Owner, Ttl, or_zero};
use crate::operation::script::{
    CLOCK, EACH, EXPIRY, FIRST_LINE, FOREIGN, FOREIGN_RECORD, INDEX, NO_POINTER, POINTER,
};
use crate::operation::{Answer, FollowUp, Meaning, OnRedis, Past, Policy, Script, Spec, Target};
use crate::protocol::Reply;
use crate::token::Token;

/// Stores a session. Its pointer exists already, unless it is made in the same step.
#[derive(Debug)]
pub struct Put<'a> {
    /// The name of the app.
    pub app: App<'a>,
    /// The session's token.
    pub token: Token<'a>,
    /// The owner, whose name is empty if nobody owns the session.
    pub owner: Owner<'a>,
    /// Tells this session from an earlier one with the same token.
    pub nonce: &'a str,
    /// Its duration.
    pub ttl: Ttl,
    /// When its duration ends at the latest, in milliseconds since 1970; empty: no matter when.
    pub not_after: &'a str,
    /// How long after its creation it ends, whatever happens.
    pub lifetime: Ttl,
    /// Until when the pointer is kept, in milliseconds since 1970; empty without an owner.
    pub until: &'a str,
    /// Whether the same script makes the pointer. A Cluster cannot: the two lie on different slots.
    pub with_pointer: bool,
    /// Whether it replaces a session that the token opens.
    pub replaces: bool,
    /// Its data.
    pub data: Json<'a>,
}

static SCRIPT: Script = Script::new(&[
    CLOCK,
    EXPIRY,
    FIRST_LINE,
    FOREIGN,
    FOREIGN_RECORD,
    NO_POINTER,
    EACH,
    include_str!("../../store/redis/scripts/put.lua"),
]);

/// Makes the pointer, too.
pub(crate) static WITH_POINTER: Script = Script::new(&[
    CLOCK,
    EXPIRY,
    INDEX,
    FIRST_LINE,
    FOREIGN,
    FOREIGN_RECORD,
    POINTER,
    EACH,
    include_str!("../../store/redis/scripts/put.lua"),
]);

pub(in crate::operation) static SPEC: Spec = spec(&SCRIPT, false);

static SPEC_WITH_POINTER: Spec = spec(&WITH_POINTER, true);

const fn spec(script: &'static Script, needs_index: bool) -> Spec {
    Spec {
        name: "put",
        letter: "P",
        script: Some(script),
        can_share_script: true,
        needs_index,
        finds_its_keys: false,
        reads_only: false,
        may_read_replica: false,
        if_absent: Answer::Absent,
    }
}

/// The answer to a put that was sent again, and must be sent with another nonce.
const AGAIN: &str = "again";

impl<'a> Put<'a> {
    pub(in crate::operation) fn decode(fields: &mut Fields<'a>) -> Option<Self> {
        let (app, token, owner) = (fields.app()?, fields.token()?, fields.owner()?);
        let (nonce, ttl, not_after) = (fields.nonce()?, fields.ttl()?, fields.time()?);
        let lifetime = fields.ttl()?;
        let (until, with_pointer, replaces) = (fields.time()?, fields.flag()?, fields.flag()?);
        Some(Self {
            app,
            token,
            owner,
            nonce,
            ttl,
            not_after,
            lifetime,
            until,
            with_pointer,
            replaces,
            data: fields.json()?,
        })
    }

    /// How long the session lives if it is not used.
    pub(crate) fn first_ttl(&self) -> Ttl {
        self.ttl.into_iter().chain(self.lifetime).min()
    }
}

impl OnRedis for Put<'_> {
    fn spec(&self) -> &'static Spec {
        if self.with_pointer { &SPEC_WITH_POINTER } else { &SPEC }
    }

    fn target<'t>(&'t self, policy: &'t Policy) -> Result<Option<Target<'t>>, Error> {
        Ok(Target::of_token(&self.app, &self.token, policy))
    }

    /// The owner's pointers.
    fn index_key(&self, target: &Target<'_>) -> Vec<u8> {
        pointers_key_of(&self.app, &self.owner, target)
    }

    fn add_arguments(&self, target: &Target<'_>, past: Past<'_>, command: &mut Cmd) {
        let Self { app, owner, nonce, until, not_after, .. } = self;
        command.arg(target.mark()).arg(nonce).arg(hash_of(app, owner)).arg(until);
        command.arg(or_zero(self.first_ttl())).arg(not_after).arg(or_zero(self.lifetime));
        command.arg(u8::from(self.replaces)).arg(u8::from(past.may_have_acted));
        command.arg(owner.json()).arg(self.data.0);
        if self.with_pointer {
            command.arg(target.address().map(|address| member(address, nonce)));
        }
    }

    fn read<'r>(&self, _target: &'r Target<'_>, reply: &Reply<'r>, _past: Past<'_>) -> Meaning<'r> {
        match reply {
            Reply::Int(-1) => Meaning::Answered(Answer::Text(AGAIN.into())),
            other => read_flag(other),
        }
    }

    /// The pointer to the session that it has replaced.
    fn follow_up(&self, target: &Target<'_>, reply: &Reply<'_>) -> Option<FollowUp> {
        Pointer::of(target, reply).map(Box::new).map(FollowUp::Drop)
    }

    fn data(&self) -> Option<&str> {
        Some(self.data.0)
    }

    fn secret(&self) -> &[u8] {
        self.token.text()
    }
}

/// The key of the owner's pointers.
pub(super) fn pointers_key_of(app: &[u8], owner: &Owner<'_>, target: &Target<'_>) -> Vec<u8> {
    Target::of_hash(app, OwnerHash::of(app, owner.bytes()), target.policy).pointers_key()
}

/// The owner's hash as the record holds it; empty for nobody.
pub(super) fn hash_of(app: &[u8], owner: &Owner<'_>) -> String {
    if owner.is_nobody() { String::new() } else { OwnerHash::of(app, owner.bytes()).to_text() }
}
