//! One call: its keys, its command, and what a reply to it means.

use std::sync::Arc;

use bytes::Bytes;
use redis::Cmd;
use tokio::time::Instant;

use super::fold::Fold;
use super::recent_writes::RecentWrites;
use crate::answers::Answers;
use crate::call::{Operation, Ttl};
use crate::error::Error;
use crate::keys;
use crate::record::{self, Record};
use crate::store::Policy;
use crate::store::redis::connection::protocol::Reply;
use crate::store::redis::connection::redaction::Sent;
use crate::store::redis::connection::settings::Login;
use crate::store::redis::link::Live;
use crate::store::redis::node::Node;
use crate::store::redis::scripts::{self, Name};
use crate::token::{self, OwnerHash, Route, SessionId};

/// After so many broken connections a call is sent apart from the others.
const SUSPECT_AFTER_BROKEN: u8 = 2;

/// A call on its way.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct InFlightCall<'c> {
    /// Its place in the batch.
    pub place: usize,
    operation: &'c Operation<'c>,
    app: &'c [u8],
    owner: OwnerHash,
    id: Option<SessionId>,
    /// How many bytes of data updates may leave.
    max_bytes: usize,
    /// The text of the token that `create` gives away.
    minted: String,
    /// The server does not know the script by its hash.
    pub needs_eval: bool,
    /// The server has refused to carry it out with others.
    pub alone: bool,
    /// It was sent on a connection that broke, so it may have been carried out.
    pub in_doubt: bool,
    /// Connections that broke under it, and of these those under it alone.
    pub broke: u8,
    pub broke_alone: u8,
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
    /// `update`: the record is full, and must be folded before it can take this patch.
    pub is_full: bool,
    /// `update`: how they are folded, with this one.
    pub fold: Option<Box<Fold>>,
    /// A connection on which there came an answer that cannot be the asker's, or not to such a call.
    pub doubted: Option<Box<(Arc<Node>, Live)>>,
    /// `kill_all`: whether a session was removed.
    killed: bool,
    /// `kill_all`: a step was answered, and there is another one.
    pub goes_on: bool,
}

/// When a call is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// As soon as there is a connection.
    AtOnce,
    /// Not before this time, and what comes later waits behind it: the whole server is not ready.
    InTurn(Instant),
    /// Not before this time, and others may go first: its slot alone is not ready.
    Aside(Instant),
    /// Apart from the others: it may be what breaks connections.
    Apart,
}

impl Again {
    pub fn time(self) -> Option<Instant> {
        match self {
            Self::AtOnce | Self::Apart => None,
            Self::InTurn(time) | Self::Aside(time) => Some(time),
        }
    }

    pub fn is_aside(self) -> bool {
        matches!(self, Self::Aside(_))
    }
}

/// What a reply leaves to be done.
pub(crate) enum Outcome {
    /// Nothing.
    Done,
    /// Nothing, but the session's record has grown long.
    Long(SessionId),
    /// The task must be sent again, on another connection: the answer is not one to it.
    Doubtful,
    /// The task must be sent again: nothing was done, as the record is full.
    Full,
    /// The task must be sent again, for what is left of it.
    More,
}

impl<'c> InFlightCall<'c> {
    /// Takes on a call. `None` if its token cannot be one of ours: there is no such session.
    pub fn new(
        place: usize,
        operation: &'c Operation<'c>,
        policy: &Policy,
    ) -> Result<Option<Self>, Error> {
        let mut minted = String::new();
        let (app, owner, id) = match operation {
            Operation::Create { app, owner, .. } => {
                let owner = OwnerHash::of(app, owner.bytes());
                let (text, token) = token::mint(owner, policy.token_size, policy.token_encoding)
                    .map_err(|_| Error::Internal)?;
                minted = text;
                (app, owner, Some(token.id()))
            }
            Operation::KillAll { app, owner } => (app, OwnerHash::of(app, owner.bytes()), None),
            Operation::Get { app, token }
            | Operation::Refresh { app, token, .. }
            | Operation::Update { app, token, .. }
            | Operation::Kill { app, token } => {
                let Some(owner) = token.owner() else {
                    return Ok(None);
                };
                (app, owner, Some(token.id()))
            }
        };
        Ok(Some(Self {
            place,
            operation,
            app,
            owner,
            id,
            max_bytes: policy.max_grown_bytes(),
            minted,
            needs_eval: false,
            alone: false,
            in_doubt: false,
            broke: 0,
            broke_alone: 0,
            refused: None,
            postponed: 0,
            again: Again::AtOnce,
            from_replica: false,
            referred: None,
            redirections: 0,
            is_full: false,
            fold: None,
            doubted: None,
            killed: false,
            goes_on: false,
        }))
    }

    /// Whether one script may carry out both calls. A server refuses all that a script has if it refuses
    /// one key, as it may those of another app; and what went wrong for several is tried one by one.
    pub fn can_share_script(&self, other: &Self) -> bool {
        let name = self.script().filter(|name| name.takes_several());
        name.is_some()
            && name == other.script()
            && self.app == other.app
            && self.needs_eval == other.needs_eval
            && ![self, other].iter().any(|call| call.alone || call.in_doubt)
    }

    /// The script that carries it out; nothing for a plain command.
    fn script(&self) -> Option<Name> {
        match self.operation {
            Operation::Get { .. } => None,
            Operation::Create { .. } => Some(Name::Create),
            Operation::Refresh { .. } => Some(Name::Refresh),
            Operation::Update { .. } if self.fold.is_some() => Some(Name::Fold),
            Operation::Update { .. } => Some(Name::Update),
            Operation::Kill { .. } => Some(Name::Kill),
            Operation::KillAll { .. } => Some(Name::KillAll),
        }
    }

    /// The key of its session, if it is about one.
    pub fn session_key(&self) -> Option<Vec<u8>> {
        self.id.map(|id| keys::session(self.route(), self.app, &id))
    }

    fn route(&self) -> Route {
        self.owner.route()
    }

    /// The patch of an `update`, and how many bytes of data it may leave.
    pub fn patch(&self) -> Option<(&'c str, usize)> {
        match self.operation {
            Operation::Update { data, .. } => Some((data.0, self.max_bytes)),
            _ => None,
        }
    }

    /// The session of an `update`, and the bytes of its patch.
    pub fn patch_bytes(&self) -> Option<(SessionId, usize)> {
        Some((self.id?, self.patch()?.0.len()))
    }

    /// The keys of its script.
    fn keys(&self) -> impl Iterator<Item = Vec<u8>> {
        let needs_index = !matches!(self.operation, Operation::Update { .. });
        let index = needs_index.then(|| keys::index(&self.owner, self.app));
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
            Operation::Update { data, .. } => match &self.fold {
                Some(fold) => fold.add_arguments(command),
                None => command.arg(data.0).arg(self.max_bytes),
            },
            Operation::Kill { .. } => command.arg(id),
            Operation::KillAll { .. } => command.arg(keys::session_prefix(self.route(), self.app)),
        };
    }

    /// Answers the call with a reply that is no error.
    pub fn answer(&mut self, reply: &Reply<'_>, answers: &mut Answers) -> Outcome {
        match (self.operation, reply) {
            (Operation::Get { .. }, Reply::Nil | Reply::Bytes(_)) => {
                match self.answer_get(reply, answers) {
                    Read::Answered => {}
                    Read::Corrupt => answers.reject(self.place, &Error::Corrupt),
                    Read::Anothers => return Outcome::Doubtful,
                }
            }
            (Operation::Create { .. }, Reply::Int(_)) => answers.token(self.place, &self.minted),
            (Operation::Refresh { .. }, Reply::Int(found)) => {
                answers.flag(self.place, *found != 0);
            }
            (Operation::Update { .. }, Reply::Int(done)) => {
                let was_folded = self.fold.take().is_some();
                self.is_full = *done == 3 || (was_folded && *done == 0);
                if self.is_full {
                    return Outcome::Full;
                }
                answers.flag(self.place, *done != 0);
                if *done == 2 {
                    return self.id.map_or(Outcome::Done, Outcome::Long);
                }
            }
            // After a lost reply the session may be gone because this call removed it.
            (Operation::Kill { .. }, Reply::Int(killed)) => {
                answers.flag(self.place, *killed != 0 || self.in_doubt);
            }
            (Operation::KillAll { .. }, Reply::Array(reply)) => {
                return self.answer_kill_all(reply, answers);
            }
            (Operation::Get { .. }, Reply::TooLong) => {
                answers.reject(self.place, &Error::Oversized);
            }
            _ => return Outcome::Doubtful,
        }
        Outcome::Done
    }

    /// Has it sent again on another connection, as the answer on this one cannot be the asker's. A record that lies
    /// under another session's key is the same there, and then this connection stays.
    pub fn doubt(&mut self, node: &Arc<Node>, live: &Live) {
        self.in_doubt |= !self.is_get();
        self.doubted = Some(Box::new((Arc::clone(node), live.clone())));
        self.again = Again::Apart;
    }

    /// Replaces the connection on which there came an answer that was not the asker's, as another one gave another.
    pub fn replace_doubted(&mut self) {
        if let Some(doubted) = self.doubted.take() {
            doubted.0.link.replace(&doubted.1);
        }
    }

    /// Rejects a call whose answer was not one to it on two connections.
    pub fn reject_doubtful(&self, answers: &mut Answers) {
        let error = if self.is_get() { Error::Corrupt } else { unexpected() };
        answers.reject(self.place, &error);
    }

    /// Whether it is a `get`, and may find this record: it is not that of another owner.
    pub fn may_have(&self, record: &[u8]) -> bool {
        let is_owners = |owner: Vec<u8>| OwnerHash::of(self.app, &owner) == self.owner;
        self.is_get() && record::owner_in(record).is_none_or(is_owners)
    }

    pub fn is_get(&self) -> bool {
        matches!(self.operation, Operation::Get { .. })
    }

    /// Answers a `get`, if what was found is a record of its owner.
    pub fn answer_get(&self, reply: &Reply<'_>, answers: &mut Answers) -> Read {
        let Reply::Bytes(record) = reply else {
            answers.absent(self.place);
            return Read::Answered;
        };
        answer_with(record, self.app, self.owner, self.place, answers)
    }

    /// Answers a `get` whose record is large, on a thread of its own.
    pub fn answer_elsewhere(&self, record: Bytes, answers: &mut Answers) {
        let (app, owner) = (self.app.to_vec(), self.owner);
        let mut answers = answers.detach(self.place);
        tokio::task::spawn_blocking(move || {
            match answer_with(&record, &app, owner, 0, &mut answers) {
                Read::Answered => {}
                Read::Corrupt | Read::Anothers => answers.reject(0, &Error::Corrupt),
            }
        });
    }

    fn answer_kill_all(&mut self, reply: &[Reply<'_>], answers: &mut Answers) -> Outcome {
        let [Reply::Int(killed), Reply::Int(more)] = reply else {
            return Outcome::Doubtful;
        };
        self.killed |= *killed > 0;
        self.goes_on = *more != 0;
        if *more == 0 {
            answers.flag(self.place, self.killed || self.in_doubt);
            Outcome::Done
        } else {
            Outcome::More
        }
    }

    /// Lets a `get` read from a replica, unless this process has just changed the owner's sessions, and
    /// remembers such changes.
    pub fn read_from_replica(&mut self, recent: &RecentWrites) {
        let now = Instant::now();
        if self.is_get() {
            self.from_replica = !recent.has(now, self.route(), self.app);
        } else {
            recent.note(now, self.route(), self.app);
        }
    }

    /// Has it sent apart from the others.
    pub fn suspect(&mut self) {
        self.broke = SUSPECT_AFTER_BROKEN;
        self.again = Again::Apart;
    }

    /// Takes note that it was answered. Returns what it was suspected of.
    pub fn absolve(&mut self) -> (u8, u8) {
        self.again = Again::AtOnce;
        (std::mem::take(&mut self.broke), std::mem::take(&mut self.broke_alone))
    }

    /// Suspects it as before.
    pub fn suspect_again(&mut self, suspicion: (u8, u8)) {
        (self.broke, self.broke_alone) = suspicion;
        self.again = self.at_once();
    }

    /// When it is sent again if nothing else is said.
    pub fn at_once(&self) -> Again {
        if self.broke >= SUSPECT_AFTER_BROKEN { Again::Apart } else { Again::AtOnce }
    }

    pub fn is_innocent(&self) -> bool {
        self.broke < SUSPECT_AFTER_BROKEN
    }

    /// Its name in JavaScript.
    pub fn method(&self) -> &'static str {
        match self.operation {
            Operation::Get { .. } => "get",
            Operation::Create { .. } => "create",
            Operation::Refresh { .. } => "refresh",
            Operation::Update { .. } => "update",
            Operation::Kill { .. } => "kill",
            Operation::KillAll { .. } => "killAll",
        }
    }

    /// What it does, and to which session.
    pub fn what(&self) -> impl std::hash::Hash {
        (self.method(), self.route(), self.app, self.id.map(|id| *id.as_bytes()))
    }

    /// The length of the data that it brings.
    pub fn data_bytes(&self) -> usize {
        match self.operation {
            Operation::Create { data, .. } | Operation::Update { data, .. } => data.0.len(),
            _ => 0,
        }
    }

    /// The slot of its keys.
    pub fn slot(&self) -> u16 {
        keys::slot(self.route(), self.app)
    }

    /// What no message may repeat of it. `with_others`: they were sent in one command.
    pub fn sent<'a>(&self, login: &'a Login, with_others: bool) -> Sent<'a>
    where
        'c: 'a,
    {
        let texts: [&'c [u8]; 3] = match self.operation {
            Operation::Get { token, .. }
            | Operation::Refresh { token, .. }
            | Operation::Kill { token, .. } => [token.text(), b"", b""],
            Operation::Update { token, data, .. } => [token.text(), b"", data.0.as_bytes()],
            Operation::Create { owner, data, .. } => {
                [b"", owner.json().as_bytes(), data.0.as_bytes()]
            }
            Operation::KillAll { owner, .. } => [b"", owner.json().as_bytes(), b""],
        };
        Sent { login: Some(login), texts, with_others }
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

    /// The error of an update that would make the data too large.
    pub fn too_large(&self) -> Error {
        let error = Error::TooLarge { max_bytes: self.max_bytes };
        if self.in_doubt { Error::Lost { reason: error.to_string() } } else { error }
    }

    /// The error of a call that found no server before its deadline, or was refused one.
    pub fn outage(&self, outage: &Error) -> Error {
        let reason = self.refused.as_ref().unwrap_or(outage);
        match reason {
            Error::Timeout { .. } | Error::Lost { .. } => reason.clone(),
            _ if self.in_doubt || self.killed => Error::Lost { reason: reason.to_string() },
            _ => reason.clone(),
        }
    }
}

/// Writes the command that carries out these calls, which are one, or are all like the first.
pub(crate) fn write_command(command: &mut Cmd, calls: &[InFlightCall<'_>]) {
    let Some((name, first)) = calls.first().and_then(|first| Some((first.script()?, first))) else {
        command.arg("GET").arg(calls.first().and_then(InFlightCall::session_key));
        return;
    };
    let keys: Vec<_> = calls.iter().flat_map(InFlightCall::keys).collect();
    scripts::begin(command, name, first.needs_eval, keys.len());
    command.arg(keys);
    for call in calls {
        call.add_arguments(command);
    }
}

/// Answers a call whose token cannot be one of ours.
pub(crate) fn answer_absent(place: usize, operation: &Operation<'_>, answers: &mut Answers) {
    match operation {
        Operation::Get { .. } => answers.absent(place),
        _ => answers.flag(place, false),
    }
}

fn ttl_ms(ttl: Ttl) -> u64 {
    ttl.map_or(0, std::num::NonZeroU64::get)
}

/// What a `get` found.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Read {
    /// The call is answered.
    Answered,
    /// It is no record.
    Corrupt,
    /// It is a record of another owner.
    Anothers,
}

/// Answers a `get` with a record, if it is one, and of the owner that the token names.
fn answer_with(
    record: &[u8],
    app: &[u8],
    owner: OwnerHash,
    place: usize,
    answers: &mut Answers,
) -> Read {
    match Record::parse(record) {
        Ok(record) if OwnerHash::of(app, &record.owner_name()) == owner => {
            answers.session(place, &record);
            Read::Answered
        }
        Ok(_) => Read::Anothers,
        Err(record::Corrupt) => Read::Corrupt,
    }
}

fn unexpected() -> Error {
    Error::Redis { code: "ERR".into(), detail: "its reply was not one of this command's".into() }
}
