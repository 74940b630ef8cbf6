//! The embedded store: the same behaviour inside the process, for demos, tests and development.

use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroU64;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::Policy;
use crate::address::{Address, OwnerHash, SessionId};
use crate::answers::Answers;
use crate::call::Call;
use crate::error::Error;
use crate::operation::field::{Json, Owner, Ttl};
use crate::operation::{
    Answer, Claim, Create, Get, Info, Kill, KillAll, KillById, KillPointed, List, Listed, Load,
    MAX_LIST_BYTES, Operation, Put, Refresh, Rotate, Update, describe_all, describe_one,
};
use crate::record::{self, NOBODY, Record};
use crate::token::{self, Token};

/// Sessions in memory. They are lost when the instance is dropped.
pub struct MemoryStore {
    policy: Policy,
    sessions: Mutex<Sessions>,
}

/// The last page of an owner's pointers.
const NO_POINTERS: &str = r#"["",[]]"#;

/// One create ends at most this many sessions, as `limits.lua` does. The next create ends the rest.
const MAX_ENDED_BY_CREATE: usize = 100;

/// An owner in an app, and the app. Redis keys encode the same.
type Place = (OwnerHash, Vec<u8>);

/// Milliseconds since 1970, by [`now_ms`].
type Time = u64;

#[derive(Default)]
struct Sessions {
    places: HashMap<Place, HashMap<SessionId, Session>>,
    /// The earliest expiry first, so that expired sessions are found without reading the others.
    expiries: BTreeSet<(Time, Place, SessionId)>,
    /// Where the sessions of an owner are whose token was not made for the owner.
    pointers: HashMap<Place, HashMap<SessionId, Place>>,
}

struct Session {
    record: String,
    created_at: Time,
    /// `None` if it never expires.
    expiry: Option<Time>,
    /// For how long each use lets it live.
    sliding_ms: Option<NonZeroU64>,
    /// The end of its lifetime.
    ends_at: Option<Time>,
    /// If its token was not made for its owner.
    foreign: Option<Foreign>,
}

/// What is known of a session whose token was not made for its owner.
struct Foreign {
    /// `None` if nobody owns it.
    owner: Option<Place>,
}

impl Session {
    /// The owner whose pointer names it.
    fn owner(&self) -> Option<&Place> {
        self.foreign.as_ref()?.owner.as_ref()
    }
}

impl MemoryStore {
    /// Makes an empty store.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self { policy, sessions: Mutex::default() }
    }

    /// Carries out calls in their order and answers each.
    pub fn run(&self, calls: &[Call<'_>], answers: &mut Answers) {
        let policy = &self.policy;
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        for (position, call) in calls.iter().enumerate() {
            sessions.drop_expired(now_ms());
            let answer = match &call.operation {
                Operation::Create(call) => sessions.create(policy, call),
                Operation::Get(Get { app, token }) => sessions.get(app, token),
                Operation::Info(Info { app, token }) => {
                    sessions.describe(app, token, |owner| owner != NOBODY)
                }
                Operation::List(call) => sessions.list(call),
                Operation::Refresh(Refresh { app, token, ttl }) => {
                    Ok(Answer::Flag(sessions.refresh(app, token, *ttl)))
                }
                Operation::Update(Update { app, token, data }) => {
                    sessions.update(policy, app, token, *data).map(Answer::Flag)
                }
                Operation::Rotate(Rotate { app, token }) => sessions.rotate(policy, app, token),
                Operation::Kill(Kill { app, token }) => Ok(Answer::Flag(sessions.kill(app, token))),
                Operation::KillById(KillById { app, owner, id }) => {
                    Ok(Answer::Flag(sessions.remove(&place_of(app, owner), *id).is_some()))
                }
                Operation::KillAll(KillAll { app, owner, except }) => {
                    Ok(Answer::Flag(sessions.kill_all(app, owner, except.as_ref())))
                }
                Operation::Ping(_) | Operation::Peek(_) => Ok(Answer::Absent),
                Operation::Put(call) => Ok(sessions.put(call).map_or(Answer::Absent, Answer::Flag)),
                Operation::Claim(call) => sessions.claim(policy, call).map(Answer::Flag),
                Operation::Load(Load { app, token }) => sessions.describe(app, token, |_| true),
                Operation::KillPointed(call) => Ok(Answer::Flag(sessions.kill_pointed(call))),
                // The sessions of an owner are found without pointers, so these steps have nothing to do.
                Operation::Point(call) => Ok(call.answer_without_pointers()),
                Operation::Pointers(_) => Ok(Answer::Json(NO_POINTERS.into())),
                // Nor does this store hold keys of another system.
                Operation::RefreshPointed(_)
                | Operation::RotatePointed(_)
                | Operation::TakeOver(_) => Ok(Answer::Flag(false)),
            };
            match answer {
                Ok(answer) => answers.put(position, answer),
                Err(error) => answers.reject(position, &error),
            }
        }
    }
}

impl Sessions {
    fn create(&mut self, policy: &Policy, call: &Create<'_>) -> Result<Answer<'_>, Error> {
        let Create { app, owner, limits, data, .. } = call;
        let place = place_of(app, owner);
        let (text, token) = token::mint(place.0, policy.token_size, policy.token_encoding)
            .map_err(|_| Error::Internal)?;
        let created_at = now_ms();
        let session = Session {
            record: record::encode(owner.json(), created_at, data.0),
            created_at,
            expiry: after(created_at, call.first_ttl()),
            sliding_ms: call.sliding_ttl(),
            ends_at: after(created_at, limits.lifetime),
            foreign: None,
        };
        self.insert(place.clone(), token.id(), session);
        if let Some(most) = limits.max_sessions {
            self.keep_at_most(most, &place, token.id());
        }
        Ok(Answer::Text(text.into()))
    }

    /// Ends sessions of an owner so that at most `most` live. Those that would end soonest go first, the older first
    /// where they tie, and never the new one.
    fn keep_at_most(&mut self, most: NonZeroU64, place: &Place, new: SessionId) {
        let Some(sessions) = self.places.get(place) else { return };
        let most = usize::try_from(most.get()).unwrap_or(usize::MAX);
        let excess = sessions.len().saturating_sub(most).min(MAX_ENDED_BY_CREATE);
        let others = sessions.iter().filter(|(id, _)| **id != new);
        let mut others: Vec<_> = others
            .map(|(id, session)| (session.expiry.unwrap_or(Time::MAX), session.created_at, *id))
            .collect();
        others.sort_unstable();
        for (_, _, id) in others.into_iter().take(excess) {
            self.remove(place, id);
        }
    }

    fn get(&mut self, app: &[u8], token: &Token<'_>) -> Result<Answer<'_>, Error> {
        self.slide(app, token);
        let Some(session) = self.find(app, token) else { return Ok(Answer::Absent) };
        let record = Record::parse(session.record.as_bytes()).map_err(|_| Error::Corrupt)?;
        Ok(if record.is_anonymous() { Answer::Absent } else { Answer::Session(record) })
    }

    /// Describes a session if the caller sees the sessions of its owner, given as JSON.
    fn describe(
        &mut self,
        app: &[u8],
        token: &Token<'_>,
        sees: impl FnOnce(&str) -> bool,
    ) -> Result<Answer<'_>, Error> {
        let Some(session) = self.find(app, token) else { return Ok(Answer::Absent) };
        let address = token.address().filter(|_| session.foreign.is_some());
        let id = address.map_or(token.id().as_str().to_owned(), |address| address.to_text());
        describe_one(&id, session.record.as_bytes(), session.expiry, sees)
    }

    fn list(&mut self, call: &List<'_>) -> Result<Answer<'_>, Error> {
        let place = place_of(&call.app, &call.owner);
        let own = self.places.get(&place).into_iter().flatten();
        let own = own.map(|(id, session)| (*id, id.as_str().to_owned(), session));
        let pointed = self.pointers.get(&place).into_iter().flatten().filter_map(|(id, place)| {
            let address = Address { id: *id, route: place.0.route() };
            Some((*id, address.to_text(), self.places.get(place)?.get(id)?))
        });
        let mut sessions: Vec<_> = own.chain(pointed).collect();
        sessions.sort_by_key(|(id, _, session)| {
            std::cmp::Reverse((session.expiry.unwrap_or(Time::MAX), *id))
        });
        sessions.truncate(usize::try_from(call.limit).unwrap_or(usize::MAX));
        let bytes = sessions.iter().map(|(_, _, session)| session.record.len()).sum::<usize>();
        if bytes > MAX_LIST_BYTES {
            return Err(Error::ListTooLarge { max_bytes: MAX_LIST_BYTES });
        }
        let listed = sessions.into_iter().map(|(_, public_id, session)| Listed {
            id: public_id,
            expires_at: session.expiry,
            record: Bytes::copy_from_slice(session.record.as_bytes()),
        });
        describe_all(&listed.collect::<Vec<_>>(), Some(&[]), call.current())
    }

    fn refresh(&mut self, app: &[u8], token: &Token<'_>, ttl: Ttl) -> bool {
        let Some(session) = self.find(app, token) else { return false };
        let expiry = after(now_ms(), ttl).into_iter().chain(session.ends_at).min();
        self.set_expiry(app, token, expiry);
        true
    }

    /// Lets a sliding session live its duration from now on, if it would end sooner.
    fn slide(&mut self, app: &[u8], token: &Token<'_>) {
        let Some(session) = self.find(app, token) else { return };
        let (Some(sliding_ms), Some(old)) = (session.sliding_ms, session.expiry) else { return };
        let expiry = after(now_ms(), Some(sliding_ms)).into_iter().chain(session.ends_at).min();
        if expiry.is_some_and(|new| new > old) {
            self.set_expiry(app, token, expiry);
        }
    }

    fn update(
        &mut self,
        policy: &Policy,
        app: &[u8],
        token: &Token<'_>,
        patch: Json<'_>,
    ) -> Result<bool, Error> {
        let Some(session) = self.find(app, token) else {
            return Ok(false);
        };
        let record = Record::parse(session.record.as_bytes()).map_err(|_| Error::Corrupt)?;
        let grown = session.record.len() + patch.0.len();
        if record.is_outgrown() || grown >= policy.max_grown_bytes() {
            let max_bytes = policy.max_grown_bytes();
            let folded = record.folded_with(patch.0, max_bytes);
            session.record = folded.map_err(|unfit| Error::of_unfit(unfit, max_bytes))?;
        } else {
            session.record.push('\n');
            session.record.push_str(patch.0);
        }
        self.slide(app, token);
        Ok(true)
    }

    fn rotate(
        &mut self,
        policy: &Policy,
        app: &[u8],
        token: &Token<'_>,
    ) -> Result<Answer<'_>, Error> {
        let Some(place) = place(app, token) else { return Ok(Answer::Absent) };
        let (text, new) = token::mint(place.0, policy.token_size, policy.token_encoding)
            .map_err(|_| Error::Internal)?;
        let Some(session) = self.remove(&place, token.id()) else { return Ok(Answer::Absent) };
        self.insert(place, new.id(), session);
        Ok(Answer::Text(text.into()))
    }

    fn kill(&mut self, app: &[u8], token: &Token<'_>) -> bool {
        place(app, token).is_some_and(|place| self.remove(&place, token.id()).is_some())
    }

    fn kill_all(&mut self, app: &[u8], owner: &Owner<'_>, except: Option<&Token<'_>>) -> bool {
        let place = place_of(app, owner);
        let own = self.places.get(&place).into_iter().flatten();
        let own = own.map(|(id, _)| (*id, place.clone()));
        let pointed = self.pointers.get(&place).into_iter().flatten();
        let pointed = pointed.map(|(id, place)| (*id, place.clone()));
        let excepted = except.map(Token::id);
        let all: Vec<_> = own.chain(pointed).filter(|(id, _)| Some(*id) != excepted).collect();
        for (id, place) in &all {
            self.remove(place, *id);
        }
        !all.is_empty()
    }

    /// `None` if no session can have this token.
    fn put(&mut self, call: &Put<'_>) -> Option<bool> {
        let Put { app, token, owner, data, lifetime, .. } = call;
        let (place, id) = (place(app, token)?, token.id());
        if self.places.get(&place).is_some_and(|ids| ids.contains_key(&id)) {
            if !call.replaces {
                return Some(false);
            }
            self.remove(&place, id);
        }
        let created_at = now_ms();
        let owned = (!owner.is_nobody()).then(|| place_of(app, owner));
        let ends = after(created_at, call.first_ttl());
        let session = Session {
            record: record::encode_foreign(owner.json(), created_at, call.nonce, data.0),
            created_at,
            expiry: ends.into_iter().chain(call.not_after.parse().ok()).min(),
            sliding_ms: None,
            ends_at: after(created_at, *lifetime),
            foreign: Some(Foreign { owner: owned }),
        };
        self.insert(place, id, session);
        Some(true)
    }

    fn claim(&mut self, policy: &Policy, call: &Claim<'_>) -> Result<bool, Error> {
        let Claim { app, token, before, after, patch, .. } = call;
        let (Some(place), id) = (place(app, token), token.id()) else { return Ok(false) };
        let Some(session) = self.find(app, token) else { return Ok(false) };
        let record = Record::parse(session.record.as_bytes()).map_err(|_| Error::Corrupt)?;
        if session.foreign.is_none() || record.owner() != before.json() {
            return Ok(false);
        }
        let max_bytes = policy.max_grown_bytes();
        let claimed = record.claimed_by(after.json(), call.nonce, patch.0, max_bytes);
        let claimed = claimed.map_err(|unfit| Error::of_unfit(unfit, max_bytes))?;
        let owner = (!after.is_nobody()).then(|| place_of(app, after));
        if let Some(mut session) = self.remove(&place, id) {
            session.record = claimed;
            session.foreign = Some(Foreign { owner });
            self.insert(place, id, session);
        }
        Ok(true)
    }

    fn kill_pointed(&mut self, call: &KillPointed<'_>) -> bool {
        let pointers = self.pointers.get(&place_of(&call.app, &call.owner));
        let Some(place) = pointers.and_then(|pointers| pointers.get(&call.address.id)).cloned()
        else {
            return false;
        };
        place.0.route() == call.address.route && self.remove(&place, call.address.id).is_some()
    }

    fn find(&mut self, app: &[u8], token: &Token<'_>) -> Option<&mut Session> {
        self.places.get_mut(&place(app, token)?)?.get_mut(&token.id())
    }

    fn set_expiry(&mut self, app: &[u8], token: &Token<'_>, expiry: Option<Time>) {
        let (Some(place), id) = (place(app, token), token.id()) else { return };
        if let Some(mut session) = self.remove(&place, id) {
            session.expiry = expiry;
            self.insert(place, id, session);
        }
    }

    fn insert(&mut self, place: Place, id: SessionId, session: Session) {
        if let Some(owner) = session.owner() {
            self.pointers.entry(owner.clone()).or_default().insert(id, place.clone());
        }
        self.expiries.extend(session.expiry.map(|at| (at, place.clone(), id)));
        self.places.entry(place).or_default().insert(id, session);
    }

    fn remove(&mut self, place: &Place, id: SessionId) -> Option<Session> {
        let ids = self.places.get_mut(place)?;
        let session = ids.remove(&id)?;
        if ids.is_empty() {
            self.places.remove(place);
        }
        if let Some(at) = session.expiry {
            self.expiries.remove(&(at, place.clone(), id));
        }
        if let Some(owner) = session.owner()
            && let Some(pointers) = self.pointers.get_mut(owner)
        {
            pointers.remove(&id);
            if pointers.is_empty() {
                self.pointers.remove(owner);
            }
        }
        Some(session)
    }

    fn drop_expired(&mut self, now: Time) {
        while self.expiries.first().is_some_and(|(at, ..)| *at <= now) {
            if let Some((_, place, id)) = self.expiries.pop_first() {
                self.remove(&place, id);
            }
        }
    }
}

fn place(app: &[u8], token: &Token<'_>) -> Option<Place> {
    token.owner().map(|owner| (owner, app.to_vec()))
}

fn place_of(app: &[u8], owner: &Owner<'_>) -> Place {
    (OwnerHash::of(app, owner.bytes()), app.to_vec())
}

/// The time, in milliseconds since 1970. The wall clock is read once; from then on time passes evenly, whatever happens
/// to that clock.
fn now_ms() -> Time {
    static START: OnceLock<(Instant, Time)> = OnceLock::new();
    let (start, start_ms) = START.get_or_init(|| {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        (Instant::now(), u64::try_from(wall.as_millis()).unwrap_or_default())
    });
    start_ms.saturating_add(u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX))
}

/// When a duration that begins now ends. `None`: never.
fn after(now: Time, ttl: Ttl) -> Option<Time> {
    ttl.and_then(|ttl| now.checked_add(ttl.get()))
}
