//! The operations, one file each: its arguments, how they are read, its command for Redis, and the meaning of the
//! reply. What happens to a call in flight (retries, redirections, deadlines) is in `store/redis/dispatch/`. The
//! embedded store carries operations out in `store/memory.rs`.

mod create;
mod description;
mod extend;
pub mod field;
pub(crate) mod foreign;
mod get;
mod info;
mod kill;
mod kill_all;
mod kill_by_id;
mod list;
mod ping;
mod refresh;
mod rotate;
mod script;
mod target;
mod update;

use std::borrow::Cow;
use std::fmt;

use redis::Cmd;

pub(crate) use self::create::LIMITED as CREATE_LIMITED;
pub(crate) use self::extend::{Extend, SCRIPT as EXTEND};
use self::field::Fields;
pub use self::foreign::Pointer;
pub(crate) use self::foreign::put::WITH_POINTER as PUT_WITH_POINTER;
pub(crate) use self::foreign::unpoint::{SCRIPT as UNPOINT, Unpoint};
use self::foreign::{
    claim, kill_pointed, load, peek, point, pointers, put, refresh_pointed, rotate_pointed,
    take_over,
};
pub(crate) use self::get::{is_own_record, read_record};
pub(crate) use self::info::describe as describe_one;
pub use self::list::Page;
pub(crate) use self::list::{Listed, MAX_LIST_BYTES, describe as describe_all};
pub use self::script::Script;
pub use self::target::{Policy, Target};
use crate::address::SessionId;
use crate::error::Error;
use crate::protocol::Reply;
use crate::record::Record;

/// Makes the list of operations. Each has a variant of [`Operation`], which is found by its letter.
macro_rules! operations {
    ($($file:ident::$name:ident,)*) => {
        $(pub use self::$file::$name;)*

        /// A method, with its arguments.
        #[derive(Debug)]
        #[expect(missing_docs, reason = "each is documented in its own file")]
        pub enum Operation<'a> {
            $($name($name<'a>),)*
        }

        impl<'a> Operation<'a> {
            /// The specification of each operation.
            pub const SPECS: &'static [&'static Spec] = &[$(&$file::SPEC,)*];

            /// Reads the fields of the operation with this letter. `None` if they are not valid fields.
            #[must_use]
            pub fn decode(letter: &str, fields: &mut Fields<'a>) -> Option<Self> {
                $(if letter == $file::SPEC.letter {
                    return $name::decode(fields).map(Self::$name);
                })*
                None
            }

            /// How Redis carries it out.
            pub(crate) fn on_redis(&self) -> &dyn OnRedis {
                match self {
                    $(Self::$name(operation) => operation,)*
                }
            }
        }
    };
}

operations! {
    create::Create,
    get::Get,
    refresh::Refresh,
    update::Update,
    kill::Kill,
    kill_by_id::KillById,
    kill_all::KillAll,
    info::Info,
    list::List,
    rotate::Rotate,
    ping::Ping,
    put::Put,
    claim::Claim,
    load::Load,
    peek::Peek,
    point::Point,
    pointers::Pointers,
    refresh_pointed::RefreshPointed,
    rotate_pointed::RotatePointed,
    kill_pointed::KillPointed,
    take_over::TakeOver,
}

/// The fixed properties of an operation.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Spec {
    /// Its name in JavaScript.
    pub name: &'static str,
    /// Its letter in a batch.
    pub letter: &'static str,
    /// The script that carries it out. `None` for `GET` of the session's key, and for an operation without a session.
    pub script: Option<&'static Script>,
    /// Whether one run of the script may carry out several calls.
    pub can_share_script: bool,
    /// Whether the owner's index is a key of the script. The session, if the call is about one, always is.
    pub needs_index: bool,
    /// Whether the script finds keys while it runs. A node that has only some keys of a slot may then carry out only
    /// a part.
    pub finds_its_keys: bool,
    /// Whether it changes nothing. Then a retry does no harm (it is idempotent).
    pub reads_only: bool,
    /// Whether a replica may answer it, if the option `readFrom` says so.
    pub may_read_replica: bool,
    /// The answer if no session can have the token.
    pub if_absent: Answer<'static>,
}

/// How Redis carries an operation out.
pub(crate) trait OnRedis: Send + Sync {
    /// The fixed properties of the operation.
    fn spec(&self) -> &'static Spec;

    /// The session or the owner that it is about. `None` if no session can have the token, or if it is about neither.
    ///
    /// # Errors
    ///
    /// If the operating system gives no random bytes for a new token.
    fn target<'t>(&'t self, policy: &'t Policy) -> Result<Option<Target<'t>>, Error>;

    /// The script that carries it out.
    fn script(&self) -> Option<&'static Script> {
        self.spec().script
    }

    /// Whether one run of the script may carry it out together with other calls.
    fn can_share_script(&self) -> bool {
        self.spec().can_share_script
    }

    /// Whether it may let the session end sooner, so that the next use of a sliding session must extend it.
    fn may_shorten(&self) -> bool {
        false
    }

    /// Whether no caller waits for it. Then it must not cost other calls their connection.
    fn is_behind_an_answer(&self) -> bool {
        false
    }

    /// Adds the arguments of its script.
    fn add_arguments(&self, target: &Target<'_>, past: Past<'_>, command: &mut Cmd);

    /// The meaning of a reply that is not an error.
    fn read<'r>(&self, target: &'r Target<'_>, reply: &Reply<'r>, past: Past<'_>) -> Meaning<'r>;

    /// The key of the owner's index, or of what its script takes for it.
    fn index_key(&self, target: &Target<'_>) -> Vec<u8> {
        target.index_key()
    }

    /// A key of another system that its script takes, after ours.
    fn other_key(&self) -> Option<&[u8]> {
        None
    }

    /// What must be done behind the answer that this reply gives.
    fn follow_up(&self, _target: &Target<'_>, _reply: &Reply<'_>) -> Option<FollowUp> {
        None
    }

    /// The JSON data of the call.
    fn data(&self) -> Option<&str> {
        None
    }

    /// The patch of an `update`.
    fn patch(&self) -> Option<&str> {
        None
    }

    /// The texts that no message may repeat: a token, or the JSON of an owner.
    fn secret(&self) -> &[u8];
}

/// What must be done behind an answer. No caller waits for it.
#[derive(Debug)]
pub enum FollowUp {
    /// The session was used, and slides: each use lets it live for this many milliseconds.
    Extend(u64),
    /// The session has ended, and this pointer names nothing any more. Boxed, because it is rare.
    Drop(Box<Pointer>),
}

/// What is known of a call when its reply is read.
#[derive(Clone, Copy, Debug)]
pub struct Past<'p> {
    /// An earlier attempt may have been carried out: its reply was lost.
    pub may_have_acted: bool,
    /// An earlier step has removed a session.
    pub has_removed: bool,
    /// This attempt replaces the record by its folded form.
    pub is_fold: bool,
    /// What earlier steps have read of a list.
    pub pages: &'p [Page],
}

/// What one step of a call has done.
#[derive(Debug)]
pub enum Step {
    /// Whether it has removed a session.
    Removed(bool),
    /// What it has read of a list.
    Read(Page),
}

/// The meaning of a reply.
#[derive(Debug)]
pub enum Meaning<'r> {
    /// The call is answered.
    Answered(Answer<'r>),
    /// The call is answered, and the session's record has grown long, so it should be folded.
    Outgrown(Answer<'r>, SessionId),
    /// Nothing was done: the record is full, and must be folded first.
    Full,
    /// A step was done, and there is another one.
    More(Step),
    /// The answer takes long to put together, so another thread should do it.
    Long(Work),
    /// The call is rejected.
    Rejected(Error),
    /// It is the reply to another call.
    Mismatched,
}

/// Puts an answer together, on any thread.
pub struct Work(pub Box<dyn FnOnce() -> Result<Answer<'static>, Error> + Send>);

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Work(..)")
    }
}

/// From this many bytes of records on, an answer is put together on another thread, because other calls wait for the
/// thread that reads replies.
pub(crate) const LONG_FROM_BYTES: usize = 1024 * 1024;

/// The answer to a call.
#[derive(Clone, Debug)]
pub enum Answer<'r> {
    /// There is no such session: `undefined`.
    Absent,
    /// Whether there was a session to act on.
    Flag(bool),
    /// A text: a new token, or what a step returns.
    Text(Cow<'r, str>),
    /// The session that was found.
    Session(Record<'r>),
    /// Any other value, as JSON.
    Json(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_a_letter_and_a_name_of_its_own() {
        for (n, spec) in Operation::SPECS.iter().enumerate() {
            for other in &Operation::SPECS[..n] {
                assert_ne!((spec.letter, spec.name), (other.letter, spec.name));
                assert_ne!(spec.name, other.name);
            }
            assert_eq!(spec.letter.len(), 1, "{}", spec.name);
        }
    }
}
