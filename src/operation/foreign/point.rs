//! `point`: makes or lengthens the pointer to a session.

use redis::Cmd;

use crate::address::OwnerHash;
use crate::error::Error;
use crate::operation::field::{App, Fields, Ttl, or_zero};
use crate::operation::script::{CLOCK, EACH, EXPIRY, FOREIGN, INDEX, POINTER};
use crate::operation::{Answer, Meaning, OnRedis, Past, Policy, Script, Spec, Target};
use crate::protocol::Reply;
use crate::token::Token;

/// Until when the pointer to a session is kept that never expires, as in foreign.lua.
const FOREVER: &str = "9999999999999";

/// Makes or lengthens a pointer.
#[derive(Debug)]
pub struct Point<'a> {
    /// The name of the app.
    pub app: App<'a>,
    /// The owner on whose route the pointer lies.
    pub owner: OwnerHash,
    /// The token of the session. `None` if the pointer is known.
    pub token: Option<Token<'a>>,
    /// The nonce of the session, or the whole pointer.
    pub pointer: &'a str,
    /// Until when it is kept at least, in milliseconds since 1970. Empty: for twice `ttl`.
    pub until: &'a str,
    /// The duration of its session.
    pub ttl: Ttl,
}

static SCRIPT: Script = Script::new(&[
    CLOCK,
    EXPIRY,
    INDEX,
    FOREIGN,
    POINTER,
    EACH,
    include_str!("../../store/redis/scripts/point.lua"),
]);

pub(in crate::operation) static SPEC: Spec = Spec {
    name: "point",
    letter: "T",
    script: Some(&SCRIPT),
    can_share_script: true,
    needs_index: true,
    finds_its_keys: false,
    reads_only: false,
    may_read_replica: false,
    if_absent: Answer::Absent,
};

impl<'a> Point<'a> {
    pub(in crate::operation) fn decode(fields: &mut Fields<'a>) -> Option<Self> {
        let app = fields.app()?;
        let owner = fields.owner_hash(&app)?;
        let token = fields.optional_token()?;
        let pointer = if token.is_some() { fields.nonce()? } else { fields.pointer()? };
        Some(Self { app, owner, token, pointer, until: fields.time()?, ttl: fields.ttl()? })
    }
}

impl Point<'_> {
    /// The answer of a store that needs no pointers.
    pub(crate) fn answer_without_pointers(&self) -> Answer<'static> {
        if self.can_exist() { Answer::Text(FOREVER.into()) } else { Answer::Absent }
    }

    fn can_exist(&self) -> bool {
        self.token.as_ref().is_none_or(|token| token.address().is_some())
    }
}

impl OnRedis for Point<'_> {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn target<'t>(&'t self, policy: &'t Policy) -> Result<Option<Target<'t>>, Error> {
        Ok(self.can_exist().then(|| Target::of_hash(&self.app, self.owner, policy)))
    }

    fn index_key(&self, target: &Target<'_>) -> Vec<u8> {
        target.pointers_key()
    }

    fn add_arguments(&self, _target: &Target<'_>, _past: Past<'_>, command: &mut Cmd) {
        let address = self.token.as_ref().and_then(Token::address);
        let address = address.map_or_else(String::new, |address| address.to_text());
        command.arg(address + self.pointer).arg(self.until).arg(or_zero(self.ttl));
    }

    /// The script replies until when the pointer is kept.
    fn read<'r>(&self, _target: &'r Target<'_>, reply: &Reply<'r>, _past: Past<'_>) -> Meaning<'r> {
        match reply {
            Reply::Bytes(until) if until.iter().all(u8::is_ascii_digit) => {
                let until = String::from_utf8_lossy(until);
                Meaning::Answered(Answer::Text(until.into_owned().into()))
            }
            _ => Meaning::Mismatched,
        }
    }

    fn secret(&self) -> &[u8] {
        self.token.as_ref().map_or(&[], Token::text)
    }
}
