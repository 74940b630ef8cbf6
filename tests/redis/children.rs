//! A test binary that is killed leaves nothing behind.

use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::{env, fs};

use crate::common::server::Server;
use crate::common::{children, wait_until};

/// The variable with the file to which the process that is killed writes what it has.
const REPORT: &str = "LEFT_BEHIND_REPORT";

#[test]
fn a_process_that_is_killed_leaves_no_server_and_no_folder() {
    let report = children::folder().join("report");
    let mut other = children::command(env::current_exe().expect("this binary"))
        .args(["--exact", "--ignored", "children::never_ends"])
        .env(REPORT, &report)
        .stdout(Stdio::null())
        .spawn()
        .expect("it can be run again");
    wait_until("it has a server", || report.exists());
    let told = fs::read_to_string(&report).expect("what it has");
    let (port, socket) = told.split_once(' ').expect("a port and a socket");
    let port: u16 = port.parse().expect("a port");
    assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());

    other.kill().expect("it can be killed");
    other.wait().expect("it ends");
    children::forget(&other);
    wait_until("its server ends", || TcpStream::connect(("127.0.0.1", port)).is_err());
    let home = Path::new(socket).parent().and_then(Path::parent).expect("its folder");
    wait_until("its folder is removed", || !home.exists());
}

#[test]
#[ignore = "it is killed by the other"]
fn never_ends() {
    let server = Server::start();
    let report = env::var_os(REPORT).expect("a file");
    let told = Path::new(&report).with_extension("new");
    fs::write(&told, format!("{} {}", server.port, server.socket().display())).expect("it is told");
    fs::rename(&told, &report).expect("it is told");
    loop {
        std::hint::spin_loop();
    }
}
