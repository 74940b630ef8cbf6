//! Programs that end when this process does, however it ends, and temporary folders that go with it:
//! as `scripts/children.js`, and by the same shell script.

use std::ffi::OsStr;
use std::os::unix::process::{CommandExt, parent_id};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, fs};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/children.sh");

/// The folder of this process: everything temporary, and the names of its children's groups.
struct Home {
    folder: PathBuf,
    /// Notices the end of this process by the end of its standard input.
    _guard: Child,
}

fn home() -> &'static Path {
    static HOME: OnceLock<Home> = OnceLock::new();
    let home = HOME.get_or_init(|| {
        let homes = env::var_os("SESSIONS_HOMES").map_or_else(env::temp_dir, PathBuf::from);
        let began = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos();
        let folder = homes.join(format!("sessions-{}-{began:x}", std::process::id()));
        let guard = Command::new("sh")
            .args([SCRIPT, "guard"])
            .arg(&folder)
            // Without `cargo test` it would go on with its tests.
            .args([std::process::id(), parent_id()].map(|id| id.to_string()))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0) // so that Ctrl-C does not end it before its work
            .spawn();
        // After the guard has been started: nothing is left of a process that is killed in between.
        fs::create_dir_all(folder.join("children")).expect("a folder of this process");
        Home { folder, _guard: guard.expect("a shell can be run") }
    });
    &home.folder
}

/// A program that will end with this process.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("sh");
    command.args([SCRIPT, "run"]).arg(home()).arg(program).process_group(0);
    command
}

/// Notes that a child has ended, because another process may get its number.
pub fn forget(child: &Child) {
    // It is not there if the child failed to start.
    let _absent = fs::remove_file(home().join("children").join(child.id().to_string()));
}

/// A new, empty folder.
pub fn folder() -> PathBuf {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let folder = home().join(MADE.fetch_add(1, Ordering::Relaxed).to_string());
    fs::create_dir(&folder).expect("a folder");
    folder
}
