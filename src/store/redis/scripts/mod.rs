//! The Lua scripts, each one atomic step on one slot.

use std::sync::LazyLock;

use redis::{Cmd, Script};

/// A script of `scripts/`, by the name of its file, which opens with its contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    Create,
    Refresh,
    Update,
    Fold,
    Kill,
    KillAll,
}

impl Name {
    /// Whether it carries out several calls, of any owners.
    #[must_use]
    pub fn takes_several(self) -> bool {
        matches!(self, Self::Create | Self::Refresh | Self::Update | Self::Kill)
    }
}

/// A comment elsewhere: Dragonfly runs a script that touches keys it did not declare only if it begins with this.
const FINDS_KEYS: &str = "--!df flags=allow-undeclared-keys\n";

const CLOCK: &str = include_str!("clock.lua");
const EXPIRY: &str = include_str!("expiry.lua");
const INDEX: &str = include_str!("index.lua");
const EACH: &str = include_str!("each.lua");

/// In the order of [`Name`].
static SCRIPTS: LazyLock<[(String, Script); 6]> = LazyLock::new(|| {
    [
        [FINDS_KEYS, CLOCK, EXPIRY, INDEX, EACH, include_str!("create.lua")].concat(),
        [CLOCK, EXPIRY, INDEX, EACH, include_str!("refresh.lua")].concat(),
        [EACH, include_str!("update.lua")].concat(),
        include_str!("fold.lua").to_owned(),
        [CLOCK, INDEX, EACH, include_str!("kill.lua")].concat(),
        [FINDS_KEYS, include_str!("kill_all.lua")].concat(),
    ]
    .map(|code| {
        let script = Script::new(&code);
        (code, script)
    })
});

/// Begins a command that runs a script: by its hash, or by its text where the server has not seen it.
/// So many keys, and the arguments, follow.
pub fn begin(command: &mut Cmd, name: Name, needs_eval: bool, keys: usize) {
    let (code, script) = &SCRIPTS[name as usize];
    if needs_eval {
        command.arg("EVAL").arg(code);
    } else {
        command.arg("EVALSHA").arg(script.get_hash());
    }
    command.arg(keys);
}

/// The commands that make a server know every script.
pub fn loads() -> impl Iterator<Item = Cmd> {
    SCRIPTS.iter().map(|(code, _)| redis::cmd("SCRIPT").arg("LOAD").arg(code).take())
}
