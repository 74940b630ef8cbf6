//! Lua scripts, assembled from their files.

use std::sync::OnceLock;

/// A Lua script, which Redis runs as one atomic step on one slot. Its file opens with its contract.
#[derive(Debug)]
pub struct Script {
    parts: &'static [&'static str],
    text_and_hash: OnceLock<(String, redis::Script)>,
}

/// A comment to most servers. Dragonfly lets a script access undeclared keys only if it begins with this line.
pub(super) const FINDS_KEYS: &str = "--!df flags=allow-undeclared-keys\n";

/// The parts that several scripts share.
pub(super) const CLOCK: &str = include_str!("../store/redis/scripts/clock.lua");
pub(super) const EXPIRY: &str = include_str!("../store/redis/scripts/expiry.lua");
pub(super) const INDEX: &str = include_str!("../store/redis/scripts/index.lua");
pub(super) const FIRST_LINE: &str = include_str!("../store/redis/scripts/first_line.lua");
pub(super) const LIFETIME: &str = include_str!("../store/redis/scripts/lifetime.lua");
pub(super) const FOREIGN: &str = include_str!("../store/redis/scripts/foreign.lua");
pub(super) const FOREIGN_RECORD: &str = include_str!("../store/redis/scripts/foreign_record.lua");
pub(super) const POINTER: &str = include_str!("../store/redis/scripts/pointer.lua");
/// Instead of [`POINTER`].
pub(super) const NO_POINTER: &str = "local keep_pointer\n";
pub(super) const POINTERS_OF: &str = include_str!("../store/redis/scripts/pointers_of.lua");
pub(super) const CREATE: &str = include_str!("../store/redis/scripts/create.lua");
pub(super) const LIMITS: &str = include_str!("../store/redis/scripts/limits.lua");
/// Instead of [`LIMITS`].
pub(super) const NO_LIMITS: &str = "local read_limits, keep_at_most\n";
pub(super) const EACH: &str = include_str!("../store/redis/scripts/each.lua");

impl Script {
    /// Makes a script from its parts, in order.
    #[must_use]
    pub const fn new(parts: &'static [&'static str]) -> Self {
        Self { parts, text_and_hash: OnceLock::new() }
    }

    /// Its text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.compiled().0
    }

    /// Its SHA-1, the argument of `EVALSHA`.
    #[must_use]
    pub fn hash(&self) -> &str {
        self.compiled().1.get_hash()
    }

    fn compiled(&self) -> &(String, redis::Script) {
        self.text_and_hash.get_or_init(|| {
            let text = self.parts.concat();
            let script = redis::Script::new(&text);
            (text, script)
        })
    }
}
