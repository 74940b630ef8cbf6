//! Extends a sliding session behind the answer of a `get` or an `update`. No caller waits for it, so it is no method of
//! its own.

use std::sync::Mutex;
use std::sync::PoisonError;

use redis::Cmd;
use tokio::time::Instant;

use super::script::{CLOCK, EACH, EXPIRY, FIRST_LINE, INDEX, LIFETIME};
use super::{Answer, Meaning, OnRedis, Past, Policy, Script, Spec, Target};
use crate::address::{OwnerHash, SessionId};
use crate::error::Error;
use crate::protocol::Reply;

/// Lets a sliding session live its duration from now on.
#[derive(Debug)]
pub(crate) struct Extend<'a> {
    pub app: &'a [u8],
    pub owner: OwnerHash,
    pub id: SessionId,
    pub duration_ms: u64,
    left: Mutex<Option<(u64, Instant)>>,
}

pub(crate) static SCRIPT: Script = Script::new(&[
    CLOCK,
    EXPIRY,
    INDEX,
    FIRST_LINE,
    LIFETIME,
    EACH,
    include_str!("../store/redis/scripts/extend.lua"),
]);

static SPEC: Spec = Spec {
    name: "extend",
    letter: "",
    script: Some(&SCRIPT),
    can_share_script: true,
    needs_index: true,
    finds_its_keys: false,
    reads_only: false,
    may_read_replica: false,
    if_absent: Answer::Absent,
};

impl<'a> Extend<'a> {
    /// Extends the session of a call. `None` if the call is about no session.
    pub fn of(target: &Target<'a>, duration_ms: u64) -> Option<Self> {
        let Target { app, owner, id, .. } = *target;
        Some(Self { app, owner, id: id?, duration_ms, left: Mutex::new(None) })
    }

    /// How many milliseconds the session had left, and when the answer came: 0 if it is gone or does not slide. `None`
    /// without an answer.
    pub fn left(&self) -> Option<(u64, Instant)> {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OnRedis for Extend<'_> {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn target<'t>(&'t self, policy: &'t Policy) -> Result<Option<Target<'t>>, Error> {
        let Self { app, owner, id, .. } = *self;
        Ok(Some(Target { app, owner, id: Some(id), minted: None, policy }))
    }

    fn is_behind_an_answer(&self) -> bool {
        true
    }

    fn add_arguments(&self, target: &Target<'_>, _past: Past<'_>, command: &mut Cmd) {
        command.arg(target.member()).arg(self.duration_ms);
    }

    fn read<'r>(&self, _target: &'r Target<'_>, reply: &Reply<'r>, _past: Past<'_>) -> Meaning<'r> {
        let Reply::Int(left) = reply else { return Meaning::Mismatched };
        let left = u64::try_from(*left).unwrap_or(0);
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = Some((left, Instant::now()));
        Meaning::Answered(Answer::Absent)
    }

    fn secret(&self) -> &[u8] {
        &[]
    }
}
