//! The target of a call: a session, or all sessions of an owner.

use super::Answer;
use super::field::Owner;
use crate::address::{Address, OwnerHash, SessionId};
use crate::error::Error;
use crate::keys;
use crate::token::{self, Encoding, Token};

/// The settings of an instance that apply to every session.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The beginning of all keys. It holds neither `{` nor `}`.
    pub prefix: String,
    /// Bytes of a new token, including those that identify its owner: 32 to 1024.
    pub token_size: usize,
    /// How the bytes become text.
    pub token_encoding: Encoding,
    /// How many bytes of JSON one argument may have. Updates may grow the data of a session to twice that.
    pub max_data_bytes: usize,
}

impl Policy {
    /// How large the data of a session may grow, in bytes of JSON.
    #[must_use]
    pub fn max_grown_bytes(&self) -> usize {
        2 * self.max_data_bytes
    }
}

/// The target of a call.
pub struct Target<'c> {
    /// The app.
    pub app: &'c [u8],
    /// The owner in the app.
    pub owner: OwnerHash,
    /// The session; `None` if the call is about all sessions of the owner.
    pub id: Option<SessionId>,
    /// The token that the call makes, and the session's id with it.
    pub minted: Option<Box<(String, SessionId)>>,
    /// The settings of the instance.
    pub policy: &'c Policy,
}

impl<'c> Target<'c> {
    /// The session that has this token. `None` if no session can have it.
    pub(super) fn of_token(app: &'c [u8], token: &Token<'_>, policy: &'c Policy) -> Option<Self> {
        let (owner, id) = (token.owner()?, Some(token.id()));
        Some(Self { app, owner, id, minted: None, policy })
    }

    /// All sessions of an owner.
    pub(super) fn of_owner(app: &'c [u8], owner: &Owner<'_>, policy: &'c Policy) -> Self {
        Self::of_hash(app, OwnerHash::of(app, owner.bytes()), policy)
    }

    /// All sessions of the owner with this hash.
    pub(super) fn of_hash(app: &'c [u8], owner: OwnerHash, policy: &'c Policy) -> Self {
        Self { app, owner, id: None, minted: None, policy }
    }

    /// The session at an address.
    pub(super) fn at(app: &'c [u8], address: Address, policy: &'c Policy) -> Self {
        Self { id: Some(address.id), ..Self::of_hash(app, address.route_only_hash(), policy) }
    }

    /// The same session, which gets this token.
    pub(super) fn moving_to(self, token: &Token<'_>) -> Self {
        let text = String::from_utf8_lossy(token.text()).into_owned();
        Self { minted: Some(Box::new((text, token.id()))), ..self }
    }

    /// A new session of an owner.
    pub(super) fn new_session(
        app: &'c [u8],
        owner: &Owner<'_>,
        policy: &'c Policy,
    ) -> Result<Self, Error> {
        let target = Self::of_owner(app, owner, policy).with_new_token()?;
        Ok(Self { id: target.minted.as_ref().map(|minted| minted.1), ..target })
    }

    /// Makes a new token of the same owner.
    pub(super) fn with_new_token(self) -> Result<Self, Error> {
        let Policy { token_size, token_encoding, .. } = *self.policy;
        let (text, token) =
            token::mint(self.owner, token_size, token_encoding).map_err(|_| Error::Internal)?;
        Ok(Self { minted: Some(Box::new((text, token.id()))), ..self })
    }

    /// The answer of a call that made a new token.
    pub(super) fn new_token(&self) -> Answer<'_> {
        self.minted.as_ref().map_or(Answer::Absent, |minted| Answer::Text((&minted.0).into()))
    }

    /// The key of the session, if the call is about one.
    #[must_use]
    pub fn session_key(&self) -> Option<Vec<u8>> {
        self.id.map(|id| self.key_of(&id))
    }

    /// The key of a session of the same owner.
    #[must_use]
    pub fn key_of(&self, id: &SessionId) -> Vec<u8> {
        keys::session(&self.policy.prefix, self.owner.route(), self.app, id)
    }

    /// The beginning of the keys of the owner's sessions.
    #[must_use]
    pub fn session_prefix(&self) -> Vec<u8> {
        keys::session_prefix(&self.policy.prefix, self.owner.route(), self.app)
    }

    /// The key of the owner's pointers.
    #[must_use]
    pub fn pointers_key(&self) -> Vec<u8> {
        keys::pointers(&self.policy.prefix, &self.owner, self.app)
    }

    /// The public id of the session, if it lies on another route than its owner.
    #[must_use]
    pub fn address(&self) -> Option<Address> {
        self.id.map(|id| Address { id, route: self.owner.route() })
    }

    /// The public id that the session gets with the new token, if it lies on another route than its owner.
    pub(super) fn new_address(&self) -> Option<Address> {
        let minted = self.minted.as_ref()?;
        Some(Address { id: minted.1, route: self.owner.route() })
    }

    /// How the session's id begins.
    pub(super) fn mark(&self) -> &str {
        self.id.as_ref().map_or("", SessionId::mark)
    }

    /// How the id begins that the session gets with the new token.
    pub(super) fn new_mark(&self) -> &str {
        self.minted.as_ref().map_or("", |minted| minted.1.mark())
    }

    /// The key of the owner's index.
    #[must_use]
    pub fn index_key(&self) -> Vec<u8> {
        keys::index(&self.policy.prefix, &self.owner, self.app)
    }

    /// The id of the session with the new token, as the index holds it; empty if the call makes none.
    pub(super) fn new_member(&self) -> &[u8] {
        self.minted.as_ref().map_or(&[], |minted| minted.1.as_bytes())
    }

    /// The session's id as the index holds it; empty if the call has no session.
    pub(super) fn member(&self) -> &[u8] {
        self.id.as_ref().map_or(&[], |id| id.as_bytes())
    }
}
