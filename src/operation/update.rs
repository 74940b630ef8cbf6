//! `update`: merges a patch into the data of a session.

use redis::Cmd;

use super::field::{App, Fields, Json};
use super::script::{EACH, FIRST_LINE};
use super::{Answer, FollowUp, Meaning, OnRedis, Past, Policy, Script, Spec, Target};
use crate::error::Error;
use crate::protocol::Reply;
use crate::token::Token;

/// Merges a patch into the data of a session.
#[derive(Debug)]
#[expect(missing_docs, reason = "the arguments of the public method")]
pub struct Update<'a> {
    pub app: App<'a>,
    pub token: Token<'a>,
    pub data: Json<'a>,
}

static SCRIPT: Script =
    Script::new(&[FIRST_LINE, EACH, include_str!("../store/redis/scripts/update.lua")]);

pub(super) static SPEC: Spec = Spec {
    name: "update",
    letter: "u",
    script: Some(&SCRIPT),
    can_share_script: true,
    needs_index: false,
    finds_its_keys: false,
    reads_only: false,
    may_read_replica: false,
    if_absent: Answer::Flag(false),
};

impl<'a> Update<'a> {
    pub(super) fn decode(fields: &mut Fields<'a>) -> Option<Self> {
        Some(Self { app: fields.app()?, token: fields.token()?, data: fields.json()? })
    }
}

impl OnRedis for Update<'_> {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn target<'t>(&'t self, policy: &'t Policy) -> Result<Option<Target<'t>>, Error> {
        Ok(Target::of_token(&self.app, &self.token, policy))
    }

    fn add_arguments(&self, target: &Target<'_>, _past: Past<'_>, command: &mut Cmd) {
        command.arg(self.data.0).arg(target.policy.max_grown_bytes());
    }

    fn follow_up(&self, _target: &Target<'_>, reply: &Reply<'_>) -> Option<FollowUp> {
        sliding_ms(reply).map(FollowUp::Extend)
    }

    /// The script replies 0 if there is no session, 1 if it appended the patch, 2 if it did and the record has grown
    /// long, 3 if the record is full. The script that folds replies 0 if another client has folded the record
    /// meanwhile, or if it is gone.
    fn read<'r>(&self, target: &'r Target<'_>, reply: &Reply<'r>, past: Past<'_>) -> Meaning<'r> {
        let reply = match reply {
            Reply::Array(parts) if sliding_ms(reply).is_some() => &parts[0],
            other => other,
        };
        match (reply, target.id) {
            (Reply::Int(0), _) if past.is_fold => Meaning::Full,
            (Reply::Int(2), Some(id)) => Meaning::Outgrown(Answer::Flag(true), id),
            (Reply::Int(3), _) => Meaning::Full,
            (Reply::Int(done), _) => Meaning::Answered(Answer::Flag(*done != 0)),
            _ => Meaning::Mismatched,
        }
    }

    fn data(&self) -> Option<&str> {
        Some(self.data.0)
    }

    fn patch(&self) -> Option<&str> {
        Some(self.data.0)
    }

    fn secret(&self) -> &[u8] {
        self.token.text()
    }
}

/// The duration of a sliding session. Its reply is a list: the number that stands for what was done, and the duration.
fn sliding_ms(reply: &Reply<'_>) -> Option<u64> {
    match reply {
        Reply::Array(parts) => match parts[..] {
            [Reply::Int(_), Reply::Int(duration)] => u64::try_from(duration).ok(),
            _ => None,
        },
        _ => None,
    }
}
