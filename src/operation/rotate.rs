//! `rotate`: gives a session a new token.

use redis::Cmd;

use super::field::{App, Fields};
use super::script::{CLOCK, EACH, FIRST_LINE, FOREIGN, INDEX};
use super::{Answer, Meaning, OnRedis, Past, Policy, Script, Spec, Target};
use crate::address::OwnerHash;
use crate::error::Error;
use crate::protocol::Reply;
use crate::record::read_nonce;
use crate::token::Token;

/// Gives a session a new token, and returns it. The old token opens nothing any more.
#[derive(Debug)]
#[expect(missing_docs, reason = "the arguments of the public method")]
pub struct Rotate<'a> {
    pub app: App<'a>,
    pub token: Token<'a>,
}

static SCRIPT: Script = Script::new(&[
    CLOCK,
    INDEX,
    FIRST_LINE,
    FOREIGN,
    EACH,
    include_str!("../store/redis/scripts/rotate.lua"),
]);

pub(super) static SPEC: Spec = Spec {
    name: "rotate",
    letter: "o",
    script: Some(&SCRIPT),
    can_share_script: true,
    needs_index: true,
    finds_its_keys: false,
    reads_only: false,
    may_read_replica: false,
    if_absent: Answer::Absent,
};

impl<'a> Rotate<'a> {
    pub(super) fn decode(fields: &mut Fields<'a>) -> Option<Self> {
        Some(Self { app: fields.app()?, token: fields.token()? })
    }
}

impl OnRedis for Rotate<'_> {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn target<'t>(&'t self, policy: &'t Policy) -> Result<Option<Target<'t>>, Error> {
        let target = Target::of_token(&self.app, &self.token, policy);
        target.map(Target::with_new_token).transpose()
    }

    fn add_arguments(&self, target: &Target<'_>, _past: Past<'_>, command: &mut Cmd) {
        command.arg(target.member()).arg(target.new_member());
    }

    /// The new token stays the same when the call is sent again. So if an earlier reply was lost, the script finds the
    /// session that it has moved.
    fn read<'r>(&self, target: &'r Target<'_>, reply: &Reply<'r>, _past: Past<'_>) -> Meaning<'r> {
        match reply {
            Reply::Int(0) => Meaning::Answered(Answer::Absent),
            Reply::Int(_) => Meaning::Answered(target.new_token()),
            Reply::Array(parts) => match half_done(target, parts) {
                Some(json) => Meaning::Answered(Answer::Json(json)),
                None => Meaning::Mismatched,
            },
            _ => Meaning::Mismatched,
        }
    }

    fn secret(&self) -> &[u8] {
        self.token.text()
    }
}

/// What is left to do if the token was not made for the session's owner: the script has done nothing, and a pointer to the
/// new id must be made first.
fn half_done(target: &Target<'_>, parts: &[Reply<'_>]) -> Option<String> {
    let [Reply::Bytes(owner), Reply::Bytes(nonce), Reply::Bytes(until)] = parts else {
        return None;
    };
    let [owner, until] = [owner, until].map(|text| std::str::from_utf8(text).ok());
    let (owner, nonce, until) = (owner?, read_nonce(nonce)?, until?);
    if !owner.is_empty() {
        OwnerHash::from_text(owner)?;
    }
    let token = serde_json::to_string(&target.minted.as_ref()?.0).ok()?;
    let pointer = target.new_address()?.to_text() + nonce;
    Some(format!(
        r#"{{"token":{token},"pointer":"{pointer}","owner":"{owner}","nonce":"{nonce}","until":"{until}"}}"#
    ))
}
