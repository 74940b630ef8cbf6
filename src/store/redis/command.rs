//! One call: its keys, its command, and what a reply to it means.

use std::sync::Arc;

use redis::Cmd;
use tokio::time::Instant;

use super::super::Minting;
use super::node::Node;
use super::recent::Recent;
use super::script::{self, Name};
use super::wire::Reply;
use crate::answers::Answers;
use crate::call::{Operation, Ttl};
use crate::error::Error;
use crate::keys;
use crate::record::Record;
use crate::token::{self, Route, SessionId};

/// A record is looked at for patches to fold when its length passes a power of two from here on.
/// So it stays under four times its data or this, and folding costs no update more than a constant.
pub(super) const LONG: u64 = 4096;

/// A call on its way.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Task<'c> {
    /// Its place in the batch.
    pub place: usize,
    operation: &'c Operation<'c>,
    app: &'c [u8],
    route: Route,
    id: Option<SessionId>,
    /// The text of the token that `create` gives away.
    minted: String,
    /// The server does not know the script by its hash.
    pub by_text: bool,
    /// The server has refused to carry it out with others.
    pub alone: bool,
    /// It was sent on a connection that broke, so it may have been carried out.
    pub in_doubt: bool,
    /// Why it must be sent again.
    pub refused: Option<Error>,
    /// How often it was put off.
    pub postponed: u32,
    /// When it is sent again.
    pub again: Again,
    /// It may be read from a replica; then, it is sent to one.
    pub from_replica: bool,
    /// The node that another one referred it to, for once.
    pub referred: Option<Arc<Node>>,
    /// How often a node sent it to another one.
    pub redirections: u8,
    /// `kill_all`: whether a session was removed.
    killed: bool,
}

/// When a call is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// As soon as there is a connection.
    AtOnce,
    /// Not before this time, and what comes later waits behind it: the whole server is not ready.
    InTurn(Instant),
    /// Not before this time, and others may go first: its slot alone is not ready.
    Aside(Instant),
}

impl Again {
    pub fn time(self) -> Option<Instant> {
        match self {
            Self::AtOnce => None,
            Self::InTurn(time) | Self::Aside(time) => Some(time),
        }
    }

    pub fn is_aside(self) -> bool {
        matches!(self, Self::Aside(_))
    }
}

/// What a reply leaves to be done.
pub(super) enum Outcome {
    /// Nothing.
    Done,
    /// The record under this key may be worth folding.
    Long(Vec<u8>),
    /// The task must be sent again, for what is left of it.
    More,
}

impl<'c> Task<'c> {
    /// Takes on a call. `None` if its token cannot be one of ours: there is no such session.
    pub fn new(
        place: usize,
        operation: &'c Operation<'c>,
        minting: Minting,
    ) -> Result<Option<Self>, Error> {
        let mut minted = String::new();
        let (app, route, id) = match operation {
            Operation::Create { app, owner, .. } => {
                let route = Route::of_owner(app, owner.bytes());
                let (text, token) = token::mint(route, minting.size, minting.encoding)
                    .map_err(|_| Error::Internal)?;
                minted = text;
                (app, route, Some(token.id()))
            }
            Operation::KillAll { app, owner } => (app, Route::of_owner(app, owner.bytes()), None),
            Operation::Get { app, token }
            | Operation::Refresh { app, token, .. }
            | Operation::Update { app, token, .. }
            | Operation::Kill { app, token } => {
                let Some(route) = token.route() else {
                    return Ok(None);
                };
                (app, route, Some(token.id()))
            }
        };
        Ok(Some(Self {
            place,
            operation,
            app,
            route,
            id,
            minted,
            by_text: false,
            alone: false,
            in_doubt: false,
            refused: None,
            postponed: 0,
            again: Again::AtOnce,
            from_replica: false,
            referred: None,
            redirections: 0,
            killed: false,
        }))
    }

    /// Whether one script may carry out both calls. A server refuses all that a script has if it refuses
    /// one key, as it may those of another app; and what went wrong for several is tried one by one.
    pub fn is_like(&self, other: &Self) -> bool {
        let name = self.script().filter(|name| name.takes_several());
        name.is_some()
            && name == other.script()
            && self.app == other.app
            && self.by_text == other.by_text
            && ![self, other].iter().any(|call| call.alone || call.in_doubt)
    }

    /// The script that carries it out; nothing for a plain command.
    fn script(&self) -> Option<Name> {
        match self.operation {
            Operation::Get { .. } => None,
            Operation::Create { .. } => Some(Name::Create),
            Operation::Refresh { .. } => Some(Name::Refresh),
            Operation::Update { .. } => Some(Name::Update),
            Operation::Kill { .. } => Some(Name::Kill),
            Operation::KillAll { .. } => Some(Name::KillAll),
        }
    }

    fn session_key(&self) -> Option<Vec<u8>> {
        self.id.map(|id| keys::session(self.route, self.app, &id))
    }

    /// The keys of its script.
    fn keys(&self) -> impl Iterator<Item = Vec<u8>> {
        let needs_index = !matches!(self.operation, Operation::Update { .. });
        let index = needs_index.then(|| keys::index(self.route, self.app));
        [self.session_key(), index].into_iter().flatten()
    }

    /// Adds the arguments of its script.
    fn add_arguments(&self, command: &mut Cmd) {
        let id = self.id.as_ref().map(SessionId::as_bytes).map_or(&[][..], |id| &id[..]);
        match self.operation {
            Operation::Get { .. } => command,
            Operation::Create { owner, data, ttl, .. } => {
                command.arg(id).arg(ttl_ms(*ttl)).arg(owner.json()).arg(data.0)
            }
            Operation::Refresh { ttl, .. } => command.arg(id).arg(ttl_ms(*ttl)),
            Operation::Update { data, .. } => command.arg(data.0),
            Operation::Kill { .. } => command.arg(id),
            Operation::KillAll { owner, .. } => {
                command.arg(keys::session_prefix(self.route, self.app)).arg(owner.json())
            }
        };
    }

    /// Answers the call with a reply that is no error.
    pub fn answer(&mut self, reply: &Reply<'_>, answers: &mut Answers) -> Outcome {
        match (self.operation, reply) {
            (Operation::Get { .. }, Reply::Nil | Reply::Bytes(_)) => {
                if !self.answer_get(reply, answers) {
                    answers.reject(self.place, &Error::Corrupt);
                }
            }
            (Operation::Create { .. }, Reply::Int(_)) => answers.token(self.place, &self.minted),
            (Operation::Refresh { .. }, Reply::Int(found)) => {
                answers.flag(self.place, *found != 0);
            }
            (Operation::Update { data, .. }, Reply::Int(length)) => {
                answers.flag(self.place, *length != 0);
                let added = 1 + data.0.len() as u64;
                if passes_power_of_two(length.unsigned_abs(), added) {
                    return self.session_key().map_or(Outcome::Done, Outcome::Long);
                }
            }
            // After a lost reply the session may be gone because this call removed it.
            (Operation::Kill { .. }, Reply::Int(killed)) => {
                answers.flag(self.place, *killed != 0 || self.in_doubt);
            }
            (Operation::KillAll { .. }, Reply::Array(reply)) => {
                return self.answer_kill_all(reply, answers);
            }
            _ => answers.reject(self.place, &unexpected()),
        }
        Outcome::Done
    }

    /// Answers a `get`, unless what was found is corrupt. Returns whether it did.
    pub fn answer_get(&self, reply: &Reply<'_>, answers: &mut Answers) -> bool {
        let Reply::Bytes(bytes) = reply else {
            answers.absent(self.place);
            return true;
        };
        let record = Record::parse(bytes);
        record.map(|record| answers.session(self.place, &record)).is_ok()
    }

    fn answer_kill_all(&mut self, reply: &[Reply<'_>], answers: &mut Answers) -> Outcome {
        let [Reply::Int(killed), Reply::Int(more)] = reply else {
            answers.reject(self.place, &unexpected());
            return Outcome::Done;
        };
        self.killed |= *killed > 0;
        if *more == 0 {
            answers.flag(self.place, self.killed || self.in_doubt);
            Outcome::Done
        } else {
            Outcome::More
        }
    }

    /// Lets a `get` read from a replica, unless this process has just changed the owner's sessions, and
    /// remembers such changes.
    pub fn read_from_replica(&mut self, recent: &Recent) {
        let now = Instant::now();
        if matches!(self.operation, Operation::Get { .. }) {
            self.from_replica = !recent.has(now, self.route, self.app);
        } else {
            recent.note(now, self.route, self.app);
        }
    }

    /// The slot of its keys.
    pub fn slot(&self) -> u16 {
        keys::slot(self.route, self.app)
    }

    /// Has it sent again later, and remembers why.
    pub fn postpone(&mut self, again: Again, refused: Error) {
        self.again = again;
        self.refused = Some(refused);
        self.postponed += 1;
    }

    /// Whether it finds its keys as it goes: then a node that has but some of a slot may do part of it
    /// only, or take what is still to come for gone.
    pub fn finds_its_keys(&self) -> bool {
        matches!(self.operation, Operation::KillAll { .. })
    }

    /// The error of a call that found no server before its deadline, or was refused one.
    pub fn outage(&self, outage: &Error) -> Error {
        let reason = self.refused.as_ref().unwrap_or(outage);
        match reason {
            Error::Timeout { .. } => reason.clone(),
            _ if self.in_doubt || self.killed => Error::Lost { reason: reason.to_string() },
            _ => reason.clone(),
        }
    }
}

/// Writes the command that carries out these calls, which are one, or are all like the first.
pub(super) fn write_command(command: &mut Cmd, calls: &[Task<'_>]) {
    let Some((name, first)) = calls.first().and_then(|first| Some((first.script()?, first))) else {
        command.arg("GET").arg(calls.first().and_then(Task::session_key));
        return;
    };
    let keys: Vec<_> = calls.iter().flat_map(Task::keys).collect();
    script::begin(command, name, first.by_text, keys.len());
    command.arg(keys);
    for call in calls {
        call.add_arguments(command);
    }
}

/// Answers a call whose token cannot be one of ours.
pub(super) fn answer_absent(place: usize, operation: &Operation<'_>, answers: &mut Answers) {
    match operation {
        Operation::Get { .. } => answers.absent(place),
        _ => answers.flag(place, false),
    }
}

fn ttl_ms(ttl: Ttl) -> u64 {
    ttl.map_or(0, std::num::NonZeroU64::get)
}

/// Whether a length that has grown by `added` is the first from [`LONG`] on with as many bits.
fn passes_power_of_two(length: u64, added: u64) -> bool {
    let before = length.saturating_sub(added);
    length >= LONG && length.leading_zeros() < before.leading_zeros()
}

fn unexpected() -> Error {
    Error::Redis { code: "ERR".into(), detail: "its reply was not one of this command's".into() }
}
