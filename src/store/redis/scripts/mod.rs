//! The Lua scripts, and the commands that run or load them. Each operation names its script in `operation/`. `FOLD`,
//! `EXTEND` and `UNPOINT` belong to no method. `dispatch/` runs the scripts, and the handshake in `connection/` loads
//! them.

use redis::Cmd;

use crate::operation::{CREATE_LIMITED, EXTEND, Operation, PUT_WITH_POINTER, Script, UNPOINT};

/// Replaces a record by its folded form.
pub(crate) static FOLD: Script = Script::new(&[include_str!("fold.lua")]);

/// Begins a command that runs a script: by its hash, or by its text if the server does not have the script. The keys,
/// whose number is given, and the arguments follow.
pub(crate) fn begin(command: &mut Cmd, script: &Script, needs_eval: bool, keys: usize) {
    if needs_eval {
        command.arg("EVAL").arg(script.text());
    } else {
        command.arg("EVALSHA").arg(script.hash());
    }
    command.arg(keys);
}

/// The commands that load every script into a server.
pub(crate) fn loads() -> impl Iterator<Item = Cmd> {
    let scripts = Operation::SPECS.iter().filter_map(|spec| spec.script);
    let scripts = scripts.chain([&FOLD, &EXTEND, &CREATE_LIMITED, &PUT_WITH_POINTER, &UNPOINT]);
    scripts.map(|script| redis::cmd("SCRIPT").arg("LOAD").arg(script.text()).take())
}
