//! `ping`: asks whether the server, or each primary of a cluster, answers. It has no session and no keys. See
//! `store/redis/dispatch/ping.rs`.

use redis::Cmd;

use super::field::Fields;
use super::{Answer, Meaning, OnRedis, Past, Policy, Spec, Target};
use crate::error::Error;
use crate::protocol::Reply;

/// Asks whether Redis answers.
#[derive(Debug)]
pub struct Ping<'a> {
    /// Nothing: the method has no arguments.
    pub nothing: &'a str,
}

pub(super) static SPEC: Spec = Spec {
    name: "ping",
    letter: "p",
    script: None,
    can_share_script: false,
    needs_index: false,
    finds_its_keys: false,
    reads_only: true,
    may_read_replica: false,
    if_absent: Answer::Absent,
};

impl<'a> Ping<'a> {
    pub(super) fn decode(fields: &mut Fields<'a>) -> Option<Self> {
        fields.line().filter(|line| line.is_empty()).map(|nothing| Self { nothing })
    }
}

impl OnRedis for Ping<'_> {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn target<'t>(&'t self, _policy: &'t Policy) -> Result<Option<Target<'t>>, Error> {
        Ok(None)
    }

    fn add_arguments(&self, _target: &Target<'_>, _past: Past<'_>, _command: &mut Cmd) {}

    fn read<'r>(
        &self,
        _target: &'r Target<'_>,
        _reply: &Reply<'r>,
        _past: Past<'_>,
    ) -> Meaning<'r> {
        Meaning::Mismatched
    }

    fn secret(&self) -> &[u8] {
        self.nothing.as_bytes()
    }
}
