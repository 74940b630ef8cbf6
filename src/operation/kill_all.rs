//! `killAll`: removes all sessions of an owner, or all except one, in steps.

use redis::Cmd;

use super::field::{App, Fields, Owner};
use super::script::{FINDS_KEYS, POINTERS_OF};
use super::{Answer, Meaning, OnRedis, Past, Policy, Script, Spec, Step, Target};
use crate::address::SessionId;
use crate::error::Error;
use crate::protocol::Reply;
use crate::token::Token;

/// Removes all sessions of an owner, except the one with this token.
#[derive(Debug)]
#[expect(missing_docs, reason = "the arguments of the public method")]
pub struct KillAll<'a> {
    pub app: App<'a>,
    pub owner: Owner<'a>,
    pub except: Option<Token<'a>>,
}

static SCRIPT: Script =
    Script::new(&[FINDS_KEYS, POINTERS_OF, include_str!("../store/redis/scripts/kill_all.lua")]);

pub(super) static SPEC: Spec = Spec {
    name: "killAll",
    letter: "a",
    script: Some(&SCRIPT),
    can_share_script: false,
    needs_index: true,
    finds_its_keys: true,
    reads_only: false,
    may_read_replica: false,
    if_absent: Answer::Flag(false),
};

impl<'a> KillAll<'a> {
    pub(super) fn decode(fields: &mut Fields<'a>) -> Option<Self> {
        let (app, owner) = (fields.app()?, fields.owner()?);
        Some(Self { app, owner, except: fields.optional_token()? })
    }
}

impl KillAll<'_> {
    /// What is left to do if the owner has pointers to other sessions.
    fn left(&self, has_removed: bool) -> String {
        let except = self.except.as_ref().map(Token::id);
        let except = except.as_ref().map_or("", SessionId::as_str);
        format!("{{\"killed\":{has_removed},\"except\":\"{except}\"}}")
    }
}

impl OnRedis for KillAll<'_> {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn target<'t>(&'t self, policy: &'t Policy) -> Result<Option<Target<'t>>, Error> {
        Ok(Some(Target::of_owner(&self.app, &self.owner, policy)))
    }

    fn add_arguments(&self, target: &Target<'_>, _past: Past<'_>, command: &mut Cmd) {
        let excepted = self.except.as_ref().map(Token::id);
        command.arg(target.session_prefix());
        command.arg(excepted.as_ref().map_or(&[][..], |id| id.as_bytes()));
    }

    fn read<'r>(&self, _target: &'r Target<'_>, reply: &Reply<'r>, past: Past<'_>) -> Meaning<'r> {
        let Reply::Array(numbers) = reply else { return Meaning::Mismatched };
        let [Reply::Int(killed), Reply::Int(more), Reply::Int(pointers)] = &numbers[..] else {
            return Meaning::Mismatched;
        };
        let has_removed = past.has_removed || *killed > 0;
        if *more != 0 {
            return Meaning::More(Step::Removed(has_removed));
        }
        let has_removed = has_removed || past.may_have_acted;
        Meaning::Answered(match pointers {
            0 => Answer::Flag(has_removed),
            _ => Answer::Json(self.left(has_removed)),
        })
    }

    fn secret(&self) -> &[u8] {
        self.owner.json().as_bytes()
    }
}
