//! A call in flight: its target, and what has happened to it so far. The meaning of its operation is in `operation/`.

use std::sync::Arc;

use bytes::Bytes;
use redis::Cmd;
use tokio::time::Instant;

use super::fold::Fold;
use super::follow_ups::FollowUps;
use super::recent_writes::RecentWrites;
use crate::address::{OwnerHash, Route, SessionId};
use crate::answers::Answers;
use crate::error::Error;
use crate::keys;
use crate::operation::{
    FollowUp, Meaning, OnRedis, Page, Past, Script, Step, Target, Work, is_own_record, read_record,
};
use crate::protocol::Reply;
use crate::record::{owner_hash_in, sliding_in};
use crate::store::redis::connection::redaction::Sent;
use crate::store::redis::connection::settings::Login;
use crate::store::redis::link::Live;
use crate::store::redis::node::Node;
use crate::store::redis::scripts;

/// After this many broken connections a call is sent in quarantine.
const SUSPECT_AFTER_BROKEN: u8 = 2;

/// A call in flight.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct InFlightCall<'c> {
    /// Its position in the batch.
    pub position: usize,
    operation: &'c dyn OnRedis,
    target: Target<'c>,
    /// Collects what must be done behind the answers.
    follow_ups: &'c FollowUps<'c>,
    /// The server does not know the script by its hash.
    pub needs_eval: bool,
    /// The server has refused to carry it out together with others.
    pub alone: bool,
    /// It was sent on a connection that broke, so it may have been carried out.
    pub in_doubt: bool,
    /// How many connections broke while it was in flight, and how many of these while no other call was.
    pub broke: u8,
    pub broke_alone: u8,
    /// Why it must be sent again.
    refused: Option<Box<Error>>,
    /// How many times it was postponed.
    pub postponed: u32,
    /// When it is sent again.
    pub schedule: Schedule,
    /// It may be read from a replica. After routing: it is sent to one.
    pub from_replica: bool,
    /// Tells whose sessions must not be read from a replica, if it may read from one.
    recent: Option<&'c RecentWrites>,
    /// The node that another node referred it to, for one attempt.
    pub referred: Option<Arc<Node>>,
    /// How many times a node redirected it.
    pub redirections: u8,
    /// The record is full, and must be folded before it can take the patch.
    pub is_full: bool,
    /// The folded record, with the patch, that replaces the old one.
    pub fold: Option<Box<Fold>>,
    /// A connection on which it got an answer that belongs to another session, or to another kind of call.
    pub doubted: Option<Box<(Arc<Node>, Live)>>,
    /// A step has removed a session.
    pub has_removed: bool,
    /// What its steps have read of a list.
    pub pages: Vec<Page>,
    /// A step was answered, and there is another one.
    pub goes_on: bool,
}

/// When a call is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Schedule {
    /// As soon as there is a connection.
    AtOnce,
    /// Not before this time. Later calls wait behind it, because the whole server is not ready.
    InTurn(Instant),
    /// Not before this time. Other calls may go first, because only its slot is not ready.
    Aside(Instant),
    /// In quarantine, because it may be the call that breaks connections.
    Quarantined,
}

impl Schedule {
    pub fn time(self) -> Option<Instant> {
        match self {
            Self::AtOnce | Self::Quarantined => None,
            Self::InTurn(time) | Self::Aside(time) => Some(time),
        }
    }

    pub fn is_aside(self) -> bool {
        matches!(self, Self::Aside(_))
    }
}

impl<'c> InFlightCall<'c> {
    /// Prepares a call on a target.
    pub fn new(
        position: usize,
        operation: &'c dyn OnRedis,
        target: Target<'c>,
        follow_ups: &'c FollowUps<'c>,
    ) -> Self {
        Self {
            position,
            operation,
            target,
            follow_ups,
            needs_eval: false,
            alone: false,
            in_doubt: false,
            broke: 0,
            broke_alone: 0,
            refused: None,
            postponed: 0,
            schedule: Schedule::AtOnce,
            from_replica: false,
            recent: None,
            referred: None,
            redirections: 0,
            is_full: false,
            fold: None,
            doubted: None,
            has_removed: false,
            pages: Vec::new(),
            goes_on: false,
        }
    }

    /// Whether one run of a script may carry out both calls. A server that refuses one key, such as that of another
    /// app, refuses the whole run. Calls that failed together are tried one by one.
    pub fn can_share_script(&self, other: &Self) -> bool {
        let (spec, others) = (self.operation.spec(), other.operation.spec());
        spec.can_share_script
            && std::ptr::eq(spec, others)
            && [self, other].iter().all(|call| call.operation.can_share_script())
            && self.script().map(std::ptr::from_ref) == other.script().map(std::ptr::from_ref)
            && self.target.app == other.target.app
            && self.needs_eval == other.needs_eval
            && ![self, other].iter().any(|call| call.alone || call.in_doubt || call.fold.is_some())
    }

    /// The script that carries it out. `None` for a plain command.
    fn script(&self) -> Option<&'static Script> {
        match &self.fold {
            Some(_) => Some(&scripts::FOLD),
            None => self.operation.script(),
        }
    }

    /// The key of its session, if it has one.
    pub fn session_key(&self) -> Option<Vec<u8>> {
        self.target.session_key()
    }

    fn route(&self) -> Route {
        self.target.owner.route()
    }

    /// The patch of an `update`, and how many bytes of data it may leave.
    pub fn patch(&self) -> Option<(&'c str, usize)> {
        self.operation.patch().map(|patch| (patch, self.target.policy.max_grown_bytes()))
    }

    /// The session of an `update`, and the bytes of its patch.
    pub fn patch_bytes(&self) -> Option<(SessionId, usize)> {
        Some((self.target.id?, self.patch()?.0.len()))
    }

    /// The keys of its script.
    fn keys(&self) -> impl Iterator<Item = Vec<u8>> {
        let index =
            self.operation.spec().needs_index.then(|| self.operation.index_key(&self.target));
        let minted = self.target.minted.as_ref().map(|minted| minted.1);
        // A `create` makes the token of its own session, a `rotate` that of another one.
        let moved = minted.filter(|id| Some(*id) != self.target.id);
        let moved = moved.map(|id| self.target.key_of(&id));
        let other = self.operation.other_key().map(<[u8]>::to_vec);
        [self.session_key(), index, moved, other].into_iter().flatten()
    }

    /// Adds the arguments of its script.
    fn add_arguments(&self, command: &mut Cmd) {
        match &self.fold {
            Some(fold) => drop(fold.add_arguments(command)),
            None => self.operation.add_arguments(&self.target, self.past(), command),
        }
    }

    /// The meaning of a reply that is not an error.
    pub fn read<'r>(&'r self, reply: &Reply<'r>) -> Meaning<'r> {
        self.operation.read(&self.target, reply, self.past())
    }

    fn past(&self) -> Past<'_> {
        Past {
            may_have_acted: self.in_doubt,
            has_removed: self.has_removed,
            is_fold: self.fold.is_some(),
            pages: &self.pages,
        }
    }

    /// Notes that a step was done, and that there is another one.
    pub fn go_on(&mut self, step: Step) {
        self.goes_on = true;
        match step {
            Step::Removed(any) => self.has_removed |= any,
            Step::Read(page) => self.pages.push(page),
        }
    }

    /// Notes what must be done behind the answer. `reply` answers the call.
    pub fn note_follow_up(&self, reply: &Reply<'_>) {
        match self.operation.follow_up(&self.target, reply) {
            Some(FollowUp::Extend(duration_ms)) => self.note_sliding(Some(duration_ms)),
            Some(FollowUp::Drop(pointer)) => self.follow_ups.drop_pointer(self.position, *pointer),
            None => {}
        }
    }

    fn note_sliding(&self, duration_ms: Option<u64>) {
        if let (Some(duration_ms), Some(id)) = (duration_ms, self.target.id) {
            self.follow_ups.note_use(self.position, id, duration_ms);
        }
    }

    /// Notes that the session was used by the update that has folded its record.
    pub fn note_use_by_fold(&self) {
        if let Some(fold) = &self.fold {
            self.note_sliding(sliding_in(fold.record()));
        }
    }

    /// Lets the next use of the session extend it, if the call may have brought its end forward.
    pub fn forget_use(&self) {
        if let (true, Some(id)) = (self.operation.may_shorten(), self.target.id) {
            self.follow_ups.forget_use(id);
        }
    }

    /// Sends it again on another connection, because the answer on this one belongs to another call. If the wrong
    /// record lies under the session's key, the answer there is the same, and then this connection is kept.
    pub fn doubt(&mut self, node: &Arc<Node>, live: &Live) {
        self.in_doubt |= !self.reads_only();
        self.doubted = Some(Box::new((Arc::clone(node), live.clone())));
        self.schedule = Schedule::Quarantined;
    }

    /// Replaces the connection that gave a wrong answer, because another connection gave a different one.
    pub fn replace_doubted(&mut self) {
        if let Some(doubted) = self.doubted.take() {
            doubted.0.link.replace(&doubted.1);
        }
    }

    /// Rejects a call that got a wrong answer on two connections.
    pub fn reject_doubtful(&self, answers: &mut Answers) {
        let error = if self.reads_only() { Error::Corrupt } else { unexpected() };
        answers.reject(self.position, &error);
    }

    /// Whether it only reads, and this record belongs to its owner.
    pub fn may_find(&self, record: &[u8]) -> bool {
        self.reads_only() && is_own_record(record, &self.target)
    }

    fn reads_only(&self) -> bool {
        self.operation.spec().reads_only
    }

    /// Answers with a large record on a separate thread, because parsing it would hold up other calls.
    pub fn answer_on_another_thread(&self, record: Bytes, answers: &mut Answers) {
        let (app, owner, id) = (self.target.app.to_vec(), self.target.owner, self.target.id);
        let mut answers = answers.detach(self.position);
        tokio::task::spawn_blocking(move || match read_record(&record, &app, owner, id) {
            Meaning::Answered(answer) => answers.put(0, answer),
            _ => answers.reject(0, &Error::Corrupt),
        });
    }

    /// Answers with what takes long to put together, on a separate thread.
    pub fn answer_with(&self, Work(work): Work, answers: &mut Answers) {
        let mut answers = answers.detach(self.position);
        tokio::task::spawn_blocking(move || match work() {
            Ok(answer) => answers.put(0, answer),
            Err(error) => answers.reject(0, &error),
        });
    }

    /// Lets it read from a replica, unless this process has just changed the owner's sessions. Remembers the owner if
    /// the call is such a change.
    pub fn heed_recent_writes(&mut self, recent: &'c RecentWrites) {
        let now = Instant::now();
        if self.operation.spec().may_read_replica {
            self.from_replica = !recent.has(now, self.route(), self.target.app);
            self.recent = Some(recent);
        } else if !self.reads_only() {
            recent.note(now, self.route(), self.target.app);
        }
    }

    /// Whether this process has just changed sessions of the owner that a record from a replica names. Only the record of
    /// a session with a foreign token names one, because its route is not that of its owner.
    pub fn has_changed_owner_of(&self, record: &[u8]) -> bool {
        let owner = owner_hash_in(record).and_then(OwnerHash::from_text);
        self.recent.zip(owner).is_some_and(|(recent, owner)| {
            recent.has(Instant::now(), owner.route(), self.target.app)
        })
    }

    /// Sends it in quarantine.
    pub fn suspect(&mut self) {
        self.broke = SUSPECT_AFTER_BROKEN;
        self.schedule = Schedule::Quarantined;
    }

    /// Records that it was answered. Returns the counts of connections that broke under it.
    pub fn absolve(&mut self) -> (u8, u8) {
        self.schedule = Schedule::AtOnce;
        (std::mem::take(&mut self.broke), std::mem::take(&mut self.broke_alone))
    }

    /// Restores the counts of connections that broke under it.
    pub fn suspect_again(&mut self, suspicion: (u8, u8)) {
        (self.broke, self.broke_alone) = suspicion;
        self.schedule = self.at_once();
    }

    /// When it is sent again by default.
    pub fn at_once(&self) -> Schedule {
        if self.broke >= SUSPECT_AFTER_BROKEN { Schedule::Quarantined } else { Schedule::AtOnce }
    }

    pub fn is_innocent(&self) -> bool {
        self.broke < SUSPECT_AFTER_BROKEN
    }

    /// The name of its method in JavaScript.
    pub fn method(&self) -> &'static str {
        self.operation.spec().name
    }

    /// Its operation and its session.
    pub fn what(&self) -> impl std::hash::Hash {
        (self.method(), self.route(), self.target.app, self.target.id.map(|id| *id.as_bytes()))
    }

    /// The length of its data, in bytes.
    pub fn data_bytes(&self) -> usize {
        self.operation.data().map_or(0, str::len)
    }

    /// The slot of its keys.
    pub fn slot(&self) -> u16 {
        keys::slot(self.route(), self.target.app)
    }

    /// The secrets that no message may repeat. `with_others`: several calls were sent in one command.
    pub fn sent<'a>(&self, login: &'a Login, with_others: bool) -> Sent<'a>
    where
        'c: 'a,
    {
        let data = self.operation.data().unwrap_or_default().as_bytes();
        Sent { login: Some(login), texts: [self.operation.secret(), data], with_others }
    }

    /// Whether no caller waits for it.
    pub fn is_behind_an_answer(&self) -> bool {
        self.operation.is_behind_an_answer()
    }

    /// Sends it again later, and remembers why.
    pub fn postpone(&mut self, schedule: Schedule, refused: Error) {
        self.schedule = schedule;
        self.refused = Some(Box::new(refused));
        self.postponed += 1;
    }

    /// Whether its script finds its keys while it runs. A node that has only some keys of a slot may then carry out
    /// only a part, or take keys that have not arrived yet for missing.
    pub fn finds_its_keys(&self) -> bool {
        self.operation.spec().finds_its_keys
    }

    /// The error of an update that would make the data too large.
    pub fn too_large(&self) -> Error {
        let error = Error::TooLarge { max_bytes: self.target.policy.max_grown_bytes() };
        if self.in_doubt { Error::Lost { reason: error.to_string() } } else { error }
    }

    /// The error of a call that got no connection before its deadline, or whose server refused the connection.
    pub fn outage(&self, outage: &Error) -> Error {
        let reason = self.refused.as_deref().unwrap_or(outage);
        match reason {
            Error::Timeout { .. } | Error::Lost { .. } => reason.clone(),
            _ if self.in_doubt || self.has_removed => Error::Lost { reason: reason.to_string() },
            _ => reason.clone(),
        }
    }
}

/// Writes the command that carries out these calls: one call, or several that share a script.
pub(crate) fn write_command(command: &mut Cmd, calls: &[InFlightCall<'_>]) {
    let Some((script, first)) = calls.first().and_then(|first| Some((first.script()?, first)))
    else {
        command.arg("GET").arg(calls.first().and_then(InFlightCall::session_key));
        return;
    };
    let keys: Vec<_> = calls.iter().flat_map(InFlightCall::keys).collect();
    scripts::begin(command, script, first.needs_eval, keys.len());
    command.arg(keys);
    for call in calls {
        call.add_arguments(command);
    }
}

fn unexpected() -> Error {
    Error::Redis { code: "ERR".into(), detail: "its reply was not one of this command's".into() }
}
