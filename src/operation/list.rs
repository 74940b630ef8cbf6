//! `list`: describes the sessions of an owner, in steps. The first step also reads the ids from the index.

use bytes::Bytes;
use redis::Cmd;

use super::description::Description;
use super::field::{App, Fields, Owner};
use super::foreign::pointers_among;
use super::get::is_own_record;
use super::script::{CLOCK, FINDS_KEYS, POINTERS_OF};
use super::{
    Answer, LONG_FROM_BYTES, Meaning, OnRedis, Past, Policy, Script, Spec, Step, Target, Work,
};
use crate::address::SessionId;
use crate::error::Error;
use crate::protocol::Reply;
use crate::token::Token;

/// How many bytes of records one list may read.
pub(crate) const MAX_LIST_BYTES: usize = 16 * 1024 * 1024;

/// Describes the sessions of an owner that end last.
#[derive(Debug)]
#[expect(missing_docs, reason = "the arguments of the public method")]
pub struct List<'a> {
    pub app: App<'a>,
    pub owner: Owner<'a>,
    /// The token of the session that is the current one.
    pub token: Option<Token<'a>>,
    /// How many sessions to describe.
    pub limit: u64,
}

static SCRIPT: Script =
    Script::new(&[FINDS_KEYS, CLOCK, POINTERS_OF, include_str!("../store/redis/scripts/list.lua")]);

pub(super) static SPEC: Spec = Spec {
    name: "list",
    letter: "l",
    script: Some(&SCRIPT),
    can_share_script: false,
    needs_index: true,
    finds_its_keys: true,
    reads_only: true,
    may_read_replica: false,
    if_absent: Answer::Absent,
};

/// What one step has read.
#[derive(Debug, Default)]
pub struct Page {
    read: Vec<Listed>,
    /// The sessions that are left: id and expiry, as the script gave them.
    left: Vec<Bytes>,
    /// Pointers to sessions on other routes. `None` if they must be read apart.
    pointers: Option<Vec<String>>,
}

/// A session of a list.
#[derive(Clone)]
pub(crate) struct Listed {
    pub id: String,
    pub expires_at: Option<u64>,
    pub record: Bytes,
}

impl std::fmt::Debug for Listed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Listed(redacted)")
    }
}

impl Page {
    /// Reads the reply to a step. `None` if it is another reply.
    fn of(reply: &Reply<'_>) -> Option<Self> {
        let Reply::Array(lists) = reply else { return None };
        let [Reply::Array(read), Reply::Array(left), Reply::Array(pointers)] = &lists[..] else {
            return None;
        };
        let read = read.chunks(3).map(|session| {
            let [Reply::Bytes(id), Reply::Bytes(expiry), Reply::Bytes(record)] = session else {
                return None;
            };
            let id = SessionId::from_text(std::str::from_utf8(id).ok()?)?;
            // It is `inf` if the session never expires.
            let expires_at = std::str::from_utf8(expiry).ok()?.parse().ok();
            let (id, record) = (id.as_str().to_owned(), Bytes::copy_from_slice(record));
            Some(Listed { id, expires_at, record })
        });
        let left = left.iter().map(|text| match text {
            Reply::Bytes(text) => Some(Bytes::copy_from_slice(text)),
            _ => None,
        });
        Some(Self {
            read: read.collect::<Option<_>>()?,
            left: left.collect::<Option<_>>()?,
            pointers: match pointers[..] {
                [Reply::Bytes(b"?")] => None,
                _ => Some(pointers_among(pointers)?),
            },
        })
    }

    /// How many sessions are left. Each step reads at least one, or a list would never end.
    fn sessions_left(&self) -> u64 {
        self.left.len() as u64 / 2
    }

    fn bytes(&self) -> usize {
        self.read.iter().map(|session| session.record.len()).sum()
    }
}

impl<'a> List<'a> {
    pub(super) fn decode(fields: &mut Fields<'a>) -> Option<Self> {
        let (app, owner) = (fields.app()?, fields.owner()?);
        Some(Self { app, owner, token: fields.optional_token()?, limit: fields.count()?.get() })
    }

    /// The id of the caller's session.
    pub(crate) fn current(&self) -> Option<SessionId> {
        self.token.as_ref().map(Token::id)
    }
}

impl OnRedis for List<'_> {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn target<'t>(&'t self, policy: &'t Policy) -> Result<Option<Target<'t>>, Error> {
        Ok(Some(Target::of_owner(&self.app, &self.owner, policy)))
    }

    fn add_arguments(&self, target: &Target<'_>, past: Past<'_>, command: &mut Cmd) {
        command.arg(target.session_prefix()).arg(self.limit).arg(MAX_LIST_BYTES);
        let left = past.pages.last().map_or(&[][..], |page| &page.left);
        for text in left {
            command.arg(&text[..]);
        }
    }

    fn read<'r>(&self, target: &'r Target<'_>, reply: &Reply<'r>, past: Past<'_>) -> Meaning<'r> {
        let Some(page) = Page::of(reply) else { return Meaning::Mismatched };
        let asked_for = past.pages.last().map_or(self.limit, Page::sessions_left);
        let is_a_step = page.sessions_left() < asked_for;
        if !(is_a_step && page.read.iter().all(|session| is_own_record(&session.record, target))) {
            return Meaning::Mismatched;
        }
        let bytes = past.pages.iter().chain([&page]).map(Page::bytes).sum::<usize>();
        if bytes > MAX_LIST_BYTES {
            return Meaning::Rejected(Error::ListTooLarge { max_bytes: MAX_LIST_BYTES });
        }
        if !page.left.is_empty() {
            return Meaning::More(Step::Read(page));
        }
        let pages = || past.pages.iter().chain([&page]);
        let sessions: Vec<Listed> = pages().flat_map(|page| &page.read).cloned().collect();
        let pointers: Option<Vec<_>> = pages().map(|page| page.pointers.clone()).collect();
        let pointers = pointers.map(|pages| pages.concat());
        let current = self.current();
        let work = move || describe(&sessions, pointers.as_deref(), current);
        if bytes < LONG_FROM_BYTES {
            return work().map_or_else(Meaning::Rejected, Meaning::Answered);
        }
        Meaning::Long(Work(Box::new(work)))
    }

    fn secret(&self) -> &[u8] {
        self.owner.json().as_bytes()
    }
}

/// The answer with these sessions, the newest first. With pointers, the caller completes it. `None`: the caller reads them.
pub(crate) fn describe(
    sessions: &[Listed],
    pointers: Option<&[String]>,
    current: Option<SessionId>,
) -> Result<Answer<'static>, Error> {
    let described = sessions.iter().map(|session| {
        Description::read((&session.id).into(), &session.record, session.expires_at)
    });
    let mut described = described.collect::<Result<Vec<_>, _>>()?;
    described.sort_by(|one, other| {
        other.created_at.cmp(&one.created_at).then_with(|| one.id.cmp(&other.id))
    });
    let current = current.as_ref().map(SessionId::as_str);
    let mut json = String::from("[");
    for (n, session) in described.iter().enumerate() {
        if n > 0 {
            json.push(',');
        }
        let is_current = current.is_some_and(|id| session.id.starts_with(id));
        session.write_with_current(is_current, &mut json);
    }
    json.push(']');
    if pointers.is_none_or(|pointers| !pointers.is_empty()) {
        let pointers = serde_json::to_string(&pointers).map_err(|_| Error::Internal)?;
        let current = current.unwrap_or_default();
        json = format!(r#"{{"sessions":{json},"pointers":{pointers},"current":"{current}"}}"#);
    }
    Ok(Answer::Json(json))
}
