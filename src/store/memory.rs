//! The embedded store: the same behaviour inside the process, for demos, tests and development.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::Policy;
use crate::answers::Answers;
use crate::call::Call;
use crate::error::Error;
use crate::operation::field::{Json, Owner, Ttl};
use crate::operation::{Answer, Create, Get, Kill, KillAll, Operation, Refresh, Update};
use crate::record::{self, Record};
use crate::token::{self, OwnerHash, SessionId, Token};

/// Sessions in memory. They are lost when the instance is dropped.
pub struct MemoryStore {
    policy: Policy,
    sessions: Mutex<Sessions>,
}

/// An owner in an app, and the app. Redis keys encode the same.
type Place = (OwnerHash, Vec<u8>);

#[derive(Default)]
struct Sessions {
    places: HashMap<Place, HashMap<SessionId, Session>>,
    /// The earliest expiry first, so that expired sessions are found without reading the others.
    expiries: BTreeSet<(Instant, Place, SessionId)>,
}

struct Session {
    record: String,
    expiry: Option<Instant>,
}

impl MemoryStore {
    /// Makes an empty store.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self { policy, sessions: Mutex::default() }
    }

    /// Carries out calls in their order and answers each.
    pub fn run(&self, calls: &[Call<'_>], answers: &mut Answers) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        for (place, call) in calls.iter().enumerate() {
            sessions.drop_expired(Instant::now());
            let answer = match &call.operation {
                Operation::Create(call) => sessions.create(&self.policy, call),
                Operation::Get(Get { app, token }) => sessions.get(app, token),
                Operation::Refresh(Refresh { app, token, ttl }) => {
                    Ok(Answer::Flag(sessions.refresh(app, token, *ttl)))
                }
                Operation::Update(Update { app, token, data }) => {
                    sessions.update(&self.policy, app, token, *data).map(Answer::Flag)
                }
                Operation::Kill(Kill { app, token }) => Ok(Answer::Flag(sessions.kill(app, token))),
                Operation::KillAll(KillAll { app, owner }) => {
                    Ok(Answer::Flag(sessions.kill_all(app, owner)))
                }
                Operation::Ping(_) => Ok(Answer::Absent),
            };
            match answer {
                Ok(answer) => answers.put(place, answer),
                Err(error) => answers.reject(place, &error),
            }
        }
    }
}

impl Sessions {
    fn create(&mut self, policy: &Policy, call: &Create<'_>) -> Result<Answer<'_>, Error> {
        let Create { app, owner, ttl, data } = call;
        let owner_hash = OwnerHash::of(app, owner.bytes());
        let (text, token) = token::mint(owner_hash, policy.token_size, policy.token_encoding)
            .map_err(|_| Error::Internal)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let record = record::encode(owner.json(), now.as_millis(), data.0);
        let (place, id) = ((owner_hash, app.to_vec()), token.id());
        let expiry = expiry(*ttl);
        self.expiries.extend(expiry.map(|at| (at, place.clone(), id)));
        self.places.entry(place).or_default().insert(id, Session { record, expiry });
        Ok(Answer::Token(text.into()))
    }

    fn get(&mut self, app: &[u8], token: &Token<'_>) -> Result<Answer<'_>, Error> {
        let Some(session) = self.find(app, token) else { return Ok(Answer::Absent) };
        let record = Record::parse(session.record.as_bytes()).map_err(|_| Error::Corrupt)?;
        Ok(Answer::Session(record))
    }

    fn refresh(&mut self, app: &[u8], token: &Token<'_>, ttl: Ttl) -> bool {
        let (Some(place), id) = (place(app, token), token.id()) else {
            return false;
        };
        let Some(session) = self.places.get_mut(&place).and_then(|ids| ids.get_mut(&id)) else {
            return false;
        };
        let old = std::mem::replace(&mut session.expiry, expiry(ttl));
        let new = session.expiry;
        if let Some(at) = old {
            self.expiries.remove(&(at, place.clone(), id));
        }
        self.expiries.extend(new.map(|at| (at, place, id)));
        true
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
        Ok(true)
    }

    fn kill(&mut self, app: &[u8], token: &Token<'_>) -> bool {
        place(app, token).is_some_and(|place| self.remove(&place, token.id()))
    }

    fn kill_all(&mut self, app: &[u8], owner: &Owner<'_>) -> bool {
        let place = (OwnerHash::of(app, owner.bytes()), app.to_vec());
        let Some(ids) = self.places.get(&place) else {
            return false;
        };
        let ids: Vec<_> = ids.keys().copied().collect();
        for id in &ids {
            self.remove(&place, *id);
        }
        !ids.is_empty()
    }

    fn find(&mut self, app: &[u8], token: &Token<'_>) -> Option<&mut Session> {
        self.places.get_mut(&place(app, token)?)?.get_mut(&token.id())
    }

    fn remove(&mut self, place: &Place, id: SessionId) -> bool {
        let Some(ids) = self.places.get_mut(place) else {
            return false;
        };
        let Some(session) = ids.remove(&id) else {
            return false;
        };
        if ids.is_empty() {
            self.places.remove(place);
        }
        if let Some(at) = session.expiry {
            self.expiries.remove(&(at, place.clone(), id));
        }
        true
    }

    fn drop_expired(&mut self, now: Instant) {
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

/// A duration that the clock cannot represent means that the session never expires.
fn expiry(ttl: Ttl) -> Option<Instant> {
    Instant::now().checked_add(Duration::from_millis(ttl?.get()))
}
