//! The target of a call: a session, or all sessions of an owner.

use super::field::Owner;
use crate::error::Error;
use crate::keys;
use crate::token::{self, Encoding, OwnerHash, SessionId, Token};

/// The settings of an instance that apply to every session.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
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
    /// The new token that the call returns; empty if it returns none.
    pub new_token: String,
    /// How large updates may make the data, in bytes of JSON.
    pub max_bytes: usize,
}

impl<'c> Target<'c> {
    /// The session that has this token. `None` if no session can have it.
    pub(super) fn of_token(app: &'c [u8], token: &Token<'_>, policy: &Policy) -> Option<Self> {
        let (owner, id) = (token.owner()?, Some(token.id()));
        let max_bytes = policy.max_grown_bytes();
        Some(Self { app, owner, id, new_token: String::new(), max_bytes })
    }

    /// All sessions of an owner.
    pub(super) fn of_owner(app: &'c [u8], owner: &Owner<'_>, policy: &Policy) -> Self {
        let owner = OwnerHash::of(app, owner.bytes());
        let max_bytes = policy.max_grown_bytes();
        Self { app, owner, id: None, new_token: String::new(), max_bytes }
    }

    /// A new session of an owner.
    pub(super) fn new_session(
        app: &'c [u8],
        owner: &Owner<'_>,
        policy: &Policy,
    ) -> Result<Self, Error> {
        let target = Self::of_owner(app, owner, policy);
        let Policy { token_size, token_encoding, .. } = *policy;
        let (new_token, token) =
            token::mint(target.owner, token_size, token_encoding).map_err(|_| Error::Internal)?;
        Ok(Self { id: Some(token.id()), new_token, ..target })
    }

    /// The key of the session, if the call is about one.
    #[must_use]
    pub fn session_key(&self) -> Option<Vec<u8>> {
        self.id.map(|id| keys::session(self.owner.route(), self.app, &id))
    }

    /// The key of the owner's index.
    #[must_use]
    pub fn index_key(&self) -> Vec<u8> {
        keys::index(&self.owner, self.app)
    }

    /// The session's id as the index holds it; empty if the call has no session.
    pub(super) fn member(&self) -> &[u8] {
        self.id.as_ref().map_or(&[], |id| id.as_bytes())
    }
}
