//! A Redis server for one test, which ends with the test, and with the process at the latest.

use std::ffi::OsString;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;
use std::{env, fs};

use redis::{Connection, FromRedisValue};
use spots_sessions::engine::Target;
use spots_sessions::store::redis::settings::{Address, Deployment, Login, Settings};

use super::{PATIENCE, Sessions, children, wait_until};

/// A server on a port of the loopback and a socket in a folder of its own.
pub struct Server {
    pub port: u16,
    folder: PathBuf,
    arguments: Vec<String>,
    process: Option<Child>,
}

impl Server {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a server with further arguments, such as `["--databases", "4"]`.
    pub fn start_with(arguments: &[&str]) -> Self {
        let mut server = Self {
            port: 0,
            folder: children::folder(),
            arguments: arguments.iter().map(|&a| a.to_owned()).collect(),
            process: None,
        };
        // Another process may take the free port before the server starts.
        for _ in 0..20 {
            server.port = free_port();
            if server.launch() {
                return server;
            }
        }
        panic!("redis-server does not start:\n{}", server.log());
    }

    /// Stops the server at once, as a crash would.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("it can be killed");
            process.wait().expect("it ends");
            children::forget(&process);
        }
    }

    /// Starts the server again, empty, on its port.
    pub fn restart(&mut self) {
        self.stop();
        assert!(self.launch(), "it does not come back:\n{}", self.log());
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.join("socket")
    }

    /// Settings for TCP. The timeouts are longer than the tests wait, so a call that settles did
    /// not wait for one.
    pub fn settings(&self) -> Settings {
        settings_of(self.port)
    }

    pub fn sessions(&self) -> Sessions {
        Sessions::open(redis_at(self.settings()))
    }

    /// A connection of the test itself.
    pub fn admin(&self) -> Connection {
        self.try_admin().expect("a connection")
    }

    /// Runs a command of the test itself, given in words.
    pub fn run<T: FromRedisValue>(&self, words: &[&str]) -> T {
        run_on(&mut self.admin(), words)
    }

    fn try_admin(&self) -> redis::RedisResult<Connection> {
        let socket = format!("unix://{}", self.socket().display());
        redis::Client::open(socket)?.get_connection()
    }

    /// Starts the server. False if its port was taken.
    fn launch(&mut self) -> bool {
        let log = fs::File::create(self.folder.join("log")).expect("a log");
        let process = children::command(binary())
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(["--port", &self.port.to_string()])
            .arg("--dir")
            .arg(&self.folder)
            .arg("--unixsocket")
            .arg(self.socket())
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stderr(log.try_clone().expect("a log"))
            .stdout(log)
            .spawn();
        let mut process = process.expect("redis-server can be run");
        let mut ended = false;
        wait_until("redis-server is ready", || {
            ended = process.try_wait().expect("its state").is_some();
            ended || self.try_admin().is_ok()
        });
        if ended {
            children::forget(&process);
        } else {
            self.process = Some(process);
        }
        !ended
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        // Files that stay in a temporary folder do no harm.
        let _unneeded = fs::remove_dir_all(&self.folder);
    }
}

/// Runs a command given in words.
pub fn run_on<T: FromRedisValue>(connection: &mut Connection, words: &[&str]) -> T {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    command.query(connection).expect("no error")
}

pub fn redis_at(settings: Settings) -> Target {
    Target::Redis(Box::new(settings))
}

/// Settings for a port of the loopback, where a server or a stand-in listens.
pub fn settings_of(port: u16) -> Settings {
    Settings {
        deployment: Deployment::Server(Address::Tcp { host: "127.0.0.1".into(), port, family: 0 }),
        login: Login::default(),
        database: 0,
        reads_replicas: false,
        nat_map: None,
        connect_timeout: PATIENCE * 2,
        command_timeout: PATIENCE * 2,
    }
}

/// These settings with a command timeout so short that a test can wait for it.
pub fn impatient(settings: Settings, command_timeout: Duration) -> Settings {
    Settings { command_timeout, ..settings }
}

pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    listener.local_addr().expect("its address").port()
}

fn binary() -> OsString {
    let given = env::var_os("REDIS_SERVER").filter(|binary| !binary.is_empty());
    let on_path = || {
        let path = env::var_os("PATH").unwrap_or_default();
        let is_there = |folder: PathBuf| Path::new(&folder).join("redis-server").is_file();
        env::split_paths(&path).any(is_there).then(|| "redis-server".into())
    };
    given
        .or_else(on_path)
        .expect("these tests need a redis-server: install one, or name its binary in REDIS_SERVER")
}
