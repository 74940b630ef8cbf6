//! `create`: stores a new session.

use redis::Cmd;

use super::field::{App, Fields, Json, Limits, Owner, Ttl, or_zero};
use super::script::{CLOCK, CREATE, EACH, EXPIRY, FINDS_KEYS, INDEX, LIMITS, NO_LIMITS};
use super::{Answer, Meaning, OnRedis, Past, Policy, Script, Spec, Target};
use crate::error::Error;
use crate::protocol::Reply;

/// Creates a session, and returns its token.
#[derive(Debug)]
#[expect(missing_docs, reason = "the arguments of the public method")]
pub struct Create<'a> {
    pub app: App<'a>,
    pub owner: Owner<'a>,
    pub ttl: Ttl,
    pub limits: Limits,
    pub data: Json<'a>,
}

static SCRIPT: Script = Script::new(&[FINDS_KEYS, CLOCK, EXPIRY, INDEX, NO_LIMITS, EACH, CREATE]);

/// For sessions with limits. Other creates need not pay for it.
pub(crate) static LIMITED: Script =
    Script::new(&[FINDS_KEYS, CLOCK, EXPIRY, INDEX, LIMITS, EACH, CREATE]);

pub(super) static SPEC: Spec = Spec {
    name: "create",
    letter: "c",
    script: Some(&SCRIPT),
    can_share_script: true,
    needs_index: true,
    finds_its_keys: false,
    reads_only: false,
    may_read_replica: false,
    if_absent: Answer::Absent,
};

impl<'a> Create<'a> {
    pub(super) fn decode(fields: &mut Fields<'a>) -> Option<Self> {
        let (app, owner) = (fields.app()?, fields.owner()?);
        let (ttl, limits) = (fields.ttl()?, fields.limits()?);
        Some(Self { app, owner, ttl, limits, data: fields.json()? })
    }
}

impl Create<'_> {
    /// How long the session lives if it is not used. Its lifetime cuts its duration.
    pub(crate) fn first_ttl(&self) -> Ttl {
        self.ttl.into_iter().chain(self.limits.lifetime).min()
    }

    fn is_limited(&self) -> bool {
        self.limits != Limits::default()
    }

    /// For how long each use lets it live. `None` if it does not slide.
    pub(crate) fn sliding_ttl(&self) -> Ttl {
        self.ttl.filter(|_| self.limits.slides)
    }
}

impl OnRedis for Create<'_> {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn target<'t>(&'t self, policy: &'t Policy) -> Result<Option<Target<'t>>, Error> {
        Target::new_session(&self.app, &self.owner, policy).map(Some)
    }

    fn script(&self) -> Option<&'static Script> {
        Some(if self.is_limited() { &LIMITED } else { &SCRIPT })
    }

    /// A create that may end other sessions is a step of its own, so it shares no script.
    fn can_share_script(&self) -> bool {
        self.limits.max_sessions.is_none()
    }

    fn add_arguments(&self, target: &Target<'_>, _past: Past<'_>, command: &mut Cmd) {
        let Self { owner, data, limits, .. } = self;
        command.arg(target.member()).arg(or_zero(self.first_ttl())).arg(owner.json()).arg(data.0);
        if self.is_limited() {
            let numbers = [self.sliding_ttl(), limits.lifetime, limits.max_sessions].map(or_zero);
            command.arg(format!("{} {} {}", numbers[0], numbers[1], numbers[2]));
        }
    }

    fn read<'r>(&self, target: &'r Target<'_>, reply: &Reply<'r>, _past: Past<'_>) -> Meaning<'r> {
        match reply {
            Reply::Int(_) => Meaning::Answered(target.new_token()),
            _ => Meaning::Mismatched,
        }
    }

    fn data(&self) -> Option<&str> {
        Some(self.data.0)
    }

    fn secret(&self) -> &[u8] {
        self.owner.json().as_bytes()
    }
}
