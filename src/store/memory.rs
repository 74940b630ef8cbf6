//! The embedded store: the same contract inside the process, for demos, tests and development.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::Minting;
use crate::answers::Answers;
use crate::call::{Call, Json, Operation, Owner, Ttl};
use crate::error::Error;
use crate::record::{self, Record};
use crate::token::{self, Route, SessionId, Token};

/// Sessions in memory. They end with the instance.
pub struct MemoryStore {
    minting: Minting,
    sessions: Mutex<Sessions>,
}

/// An owner's route in an app, and the app: what Redis keys spell in their hash tag.
type Place = (Route, Vec<u8>);

#[derive(Default)]
struct Sessions {
    places: HashMap<Place, HashMap<SessionId, Session>>,
    /// Soonest first, so that what has expired is found without a look at the rest.
    expiries: BTreeSet<(Instant, Place, SessionId)>,
}

struct Session {
    record: String,
    expiry: Option<Instant>,
}

impl MemoryStore {
    /// Makes an empty store.
    #[must_use]
    pub fn new(minting: Minting) -> Self {
        Self { minting, sessions: Mutex::default() }
    }

    /// Carries out calls in their order and answers each.
    pub fn run(&self, calls: &[Call<'_>], answers: &mut Answers) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        for (place, call) in calls.iter().enumerate() {
            sessions.drop_expired(Instant::now());
            match &call.operation {
                Operation::Create { app, owner, data, ttl } => {
                    match sessions.create(self.minting, app, owner, *data, *ttl) {
                        Ok(token) => answers.token(place, &token),
                        Err(error) => answers.reject(place, &error),
                    }
                }
                Operation::Get { app, token } => match sessions.find(app, token) {
                    None => answers.absent(place),
                    Some(session) => match Record::parse(session.record.as_bytes()) {
                        Ok(record) => answers.session(place, &record),
                        Err(record::Corrupt) => answers.reject(place, &Error::Corrupt),
                    },
                },
                Operation::Refresh { app, token, ttl } => {
                    answers.flag(place, sessions.refresh(app, token, *ttl));
                }
                Operation::Update { app, token, data } => {
                    answers.flag(place, sessions.update(app, token, *data));
                }
                Operation::Kill { app, token } => answers.flag(place, sessions.kill(app, token)),
                Operation::KillAll { app, owner } => {
                    answers.flag(place, sessions.kill_all(app, owner));
                }
            }
        }
    }
}

impl Sessions {
    fn create(
        &mut self,
        minting: Minting,
        app: &[u8],
        owner: &Owner<'_>,
        data: Json<'_>,
        ttl: Ttl,
    ) -> Result<String, Error> {
        let route = Route::of_owner(app, owner.bytes());
        let (text, token) =
            token::mint(route, minting.size, minting.encoding).map_err(|_| Error::Internal)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let record = record::spell(owner.json(), now.as_millis(), data.0);
        let (place, id) = ((route, app.to_vec()), token.id());
        let expiry = expiry(ttl);
        self.expiries.extend(expiry.map(|at| (at, place.clone(), id)));
        self.places.entry(place).or_default().insert(id, Session { record, expiry });
        Ok(text)
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

    fn update(&mut self, app: &[u8], token: &Token<'_>, patch: Json<'_>) -> bool {
        let Some(session) = self.find(app, token) else {
            return false;
        };
        session.record.push('\n');
        session.record.push_str(patch.0);
        let folded = Record::parse(session.record.as_bytes()).ok().and_then(|r| r.folded());
        if let Some(folded) = folded {
            session.record = folded;
        }
        true
    }

    fn kill(&mut self, app: &[u8], token: &Token<'_>) -> bool {
        place(app, token).is_some_and(|place| self.remove(&place, token.id()))
    }

    fn kill_all(&mut self, app: &[u8], owner: &Owner<'_>) -> bool {
        let place = (Route::of_owner(app, owner.bytes()), app.to_vec());
        let Some(ids) = self.places.get(&place) else {
            return false;
        };
        // Two owners may share a route, so a session goes only if its record names this one.
        let named = |s: &Session| s.record.split('\n').next() == Some(owner.json());
        let ids: Vec<_> = ids.iter().filter(|(_, s)| named(s)).map(|(id, _)| *id).collect();
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
    token.route().map(|route| (route, app.to_vec()))
}

/// A duration that the clock cannot hold is for ever.
fn expiry(ttl: Ttl) -> Option<Instant> {
    Instant::now().checked_add(Duration::from_millis(ttl?.get()))
}
