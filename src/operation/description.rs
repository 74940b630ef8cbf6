//! Descriptions of sessions, as `info` and `list` give them. `lib/operations.js` makes dates of the times.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::error::Error;
use crate::record::{Record, nonce_in};

/// A session as its owner sees it.
pub(crate) struct Description<'r> {
    /// Its public id.
    pub id: Cow<'r, str>,
    pub record: Record<'r>,
    /// Milliseconds since 1970.
    pub created_at: u64,
    /// Milliseconds since 1970. `None` if it never expires.
    pub expires_at: Option<u64>,
    /// Its nonce, if its token was not made for its owner.
    pub nonce: Option<&'r str>,
}

impl<'r> Description<'r> {
    /// Reads a record.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if it is none.
    pub fn read(
        id: Cow<'r, str>,
        record: &'r [u8],
        expires_at: Option<u64>,
    ) -> Result<Self, Error> {
        let nonce = nonce_in(record);
        let record = Record::parse(record).map_err(|_| Error::Corrupt)?;
        let created_at = record.created_at().ok_or(Error::Corrupt)?;
        Ok(Self { id, record, created_at, expires_at, nonce })
    }

    /// Writes it as JSON, with its owner.
    pub fn write_with_owner(&self, json: &mut String) {
        self.begin(json);
        json.push_str(",\"ownerId\":");
        json.push_str(self.record.owner());
        self.go_on(json);
        json.push('}');
    }

    /// Writes it as JSON, and whether it is the session of the caller.
    pub fn write_with_current(&self, is_current: bool, json: &mut String) {
        self.begin(json);
        self.go_on(json);
        json.push_str(if is_current { ",\"current\":true}" } else { ",\"current\":false}" });
    }

    fn begin(&self, json: &mut String) {
        json.push_str("{\"id\":\"");
        json.push_str(&self.id);
        json.push('"');
    }

    fn go_on(&self, json: &mut String) {
        json.push_str(",\"data\":");
        self.record.write_data(json);
        // Writing to a string cannot fail.
        let _infallible = write!(json, ",\"createdAt\":{},\"expiresAt\":", self.created_at);
        let _infallible = match self.expires_at {
            Some(at) => write!(json, "{at}"),
            None => json.write_str("null"),
        };
        if let Some(nonce) = self.nonce {
            let _infallible = write!(json, ",\"nonce\":\"{nonce}\"");
        }
    }
}
