//! The engine as Node sees it: one class. Its methods convert arguments, call the engine, and convert the result. Only
//! `lib/boundary.js` uses it.

#![expect(unsafe_code, reason = "Node-API and libuv are C, and napi-rs does not wrap all of them")]

#[cfg(target_env = "musl")]
mod allocator;
mod busy_poll;
mod handle;
mod notifier;
mod reader;
mod symbols;
mod text;
mod uv;

use std::sync::Arc;
use std::time::Duration;

use napi::bindgen_prelude::Function;
use napi::{Env, Error, JsString, Result, Status};
use napi_derive::napi;

use self::notifier::{Answers, Notifier};
use self::reader::Reader;
use self::text::Text;
use crate::answers::Outbox;
use crate::engine::{Engine, Target};
use crate::inline::InlineIo;
use crate::question::{Ask, Questions};
use crate::store::Policy;
use crate::store::redis::nat_map::NatMap;
use crate::store::redis::password::Password;
use crate::store::redis::settings::{Address, Deployment, Login, Sentinels, Settings, Tls};
use crate::store::redis::tls;
use crate::token::Encoding;

/// The settings of an instance. `lib/options.js` has checked them.
#[napi(object)]
pub struct EngineSettings {
    /// Bytes of a token, 32 to 1024.
    pub token_size: u32,
    /// `base64`, `base64url`, `hex` or `latin1`.
    pub token_encoding: String,
    /// The beginning of all keys.
    pub prefix: String,
    /// Bytes of JSON, 1 KiB to 256 MiB.
    pub max_data_size: u32,
    /// Milliseconds.
    pub command_timeout: u32,
    /// Milliseconds.
    pub connect_timeout: u32,
    /// `primary`, or `replica` if `get` may read from replicas.
    pub read_from: String,
    /// The server. Absent for the embedded store.
    pub server: Option<ServerSettings>,
}

/// A Redis server, or several servers.
#[napi(object)]
pub struct ServerSettings {
    /// A name or an address.
    pub host: String,
    /// 1 to 65535.
    pub port: u16,
    /// Nodes of a cluster, instead of host and port.
    pub cluster: Option<Vec<NodeAddress>>,
    /// The sentinels that name the server, instead of host and port.
    pub sentinels: Option<SentinelSettings>,
    /// 0, 4 or 6.
    pub family: u8,
    /// The path of a Unix socket, instead of host and port.
    pub path: Option<String>,
    /// The number of the database.
    pub db: u32,
    /// For `AUTH`.
    pub username: Option<String>,
    /// For `AUTH`.
    pub password: Option<String>,
    /// Whether the function `password` is asked for it.
    pub asks_password: Option<bool>,
    /// Absent for a connection without TLS.
    pub tls: Option<TlsSettings>,
    /// Where nodes are reached that announce other addresses.
    pub nat_map: Option<Vec<MappedNode>>,
    /// Whether the function `natMap` is asked for it.
    pub asks_nat_map: Option<bool>,
}

/// A node that is not reached at the address that it announces.
#[napi(object)]
pub struct MappedNode {
    /// `host:port`, without brackets if the host is IPv6.
    pub announced: String,
    /// The name or the address where it is reached.
    pub host: String,
    /// 1 to 65535.
    pub port: u16,
}

/// The address of one of several servers.
#[napi(object)]
pub struct NodeAddress {
    /// A name or an address.
    pub host: String,
    /// 1 to 65535.
    pub port: u16,
}

/// Sentinels.
#[napi(object)]
pub struct SentinelSettings {
    /// Their addresses.
    pub nodes: Vec<NodeAddress>,
    /// Their name for the primary and its replicas.
    pub name: String,
    /// For `AUTH` at the sentinels.
    pub username: Option<String>,
    /// For `AUTH` at the sentinels.
    pub password: Option<String>,
    /// Whether the function `sentinelPassword` is asked for it.
    pub asks_password: Option<bool>,
    /// Absent for connections without TLS to the sentinels.
    pub tls: Option<TlsSettings>,
}

/// TLS. Certificates and keys are in PEM.
#[napi(object)]
pub struct TlsSettings {
    /// The certificates to trust.
    pub ca: Vec<String>,
    /// The client's certificate chain.
    pub cert: Option<String>,
    /// The client's private key.
    pub key: Option<String>,
    /// The name in the servers' certificates, if it is not the host.
    pub servername: Option<String>,
    /// Whether to verify the server's certificate.
    pub reject_unauthorized: bool,
}

/// An instance.
#[napi(js_name = "Engine")]
pub struct NodeEngine {
    io: Option<InlineIo>,
    outbox: Arc<Outbox>,
    notifier: Arc<Notifier>,
    questions: Arc<Questions>,
    reader: Reader,
    weight: Option<Weight>,
}

#[napi]
impl NodeEngine {
    /// Starts an instance. `onAnswers(text, more)` is called with answers that the I/O thread has read, and
    /// `onRead(text, more)` with answers that this thread has read. `afterRead()` is called when the continuations of the
    /// latter have run, and returns whether no call is pending.
    #[napi(constructor)]
    #[allow(clippy::needless_pass_by_value, reason = "napi-rs hands arguments over by value")]
    pub fn new(
        env: Env,
        settings: EngineSettings,
        #[napi(ts_arg_type = "(text: string, more: boolean) => void")] on_answers: Function<
            '_,
            Answers,
            (),
        >,
        #[napi(ts_arg_type = "(text: string, more: boolean) => void")] on_read: Function<
            '_,
            Answers,
            (),
        >,
        #[napi(ts_arg_type = "() => boolean")] after_read: Function<'_, (), bool>,
    ) -> Result<Self> {
        let policy = Policy {
            prefix: settings.prefix.clone(),
            token_size: settings.token_size as usize,
            token_encoding: Encoding::from_name(&settings.token_encoding)
                .ok_or_else(|| bad("tokenEncoding"))?,
            max_data_bytes: settings.max_data_size as usize,
        };
        let (notifier, outbox) = Notifier::connect(&on_answers)?;
        let questions = Questions::new(Arc::clone(&outbox));
        let target = target(settings, &questions.ask())?;
        let engine = Engine::start(target, policy, Arc::clone(&outbox))
            .map_err(|e| Error::new(Status::GenericFailure, e.to_string()))?;
        let reader =
            Reader::new(env, &on_read, &after_read, Arc::clone(&outbox), Arc::clone(&notifier))?;
        let weight = Some(Weight::put_on(env)?);
        Ok(Self { io: Some(InlineIo::new(engine)), outbox, notifier, questions, reader, weight })
    }

    /// Submits a batch of calls, and keeps the process alive. `here`: this thread writes the requests and reads the
    /// replies, so the answers come sooner. Otherwise the I/O thread does, and this thread has time for other work.
    /// `line`: the last line of the batch, if it is long. Returns `false` if the instance is closed.
    #[napi]
    pub fn submit(
        &mut self,
        env: Env,
        batch: JsString<'_>,
        here: bool,
        line: Option<JsString<'_>>,
    ) -> Result<bool> {
        let Some(io) = &self.io else { return Ok(false) };
        let batch = text::read(&batch, line.as_ref())?;
        self.notifier.hold(env);
        if here {
            self.reader.follow(&io.connections());
            io.submit(batch);
        } else {
            self.reader.pause();
            io.engine().submit(batch);
        }
        Ok(true)
    }

    /// Takes the next batch of answers, a turn of the event loop after `onAnswers` was told that there are more.
    #[napi(ts_return_type = "string | null")]
    pub fn take(&self) -> Option<Text> {
        self.outbox.take_later().map(Text)
    }

    /// Lets the process end, because no call is pending.
    #[napi]
    pub fn release(&self, env: Env) {
        self.reader.rest();
        self.notifier.release(env);
    }

    /// Answers a question that came as an event: `["asks", number, function, argument]`. `null` if the function failed.
    #[napi]
    pub fn answer(&self, number: u32, answer: Option<String>) {
        self.questions.answer(number, answer);
    }

    /// Takes no more batches. The connection closes when the calls in flight have settled.
    #[napi]
    pub fn close(&mut self) {
        self.reader.close();
        self.notifier.close();
        self.io = None;
        self.weight = None;
    }
}

/// The memory that V8 counts for an instance until it is dropped. Without it V8 would see a small object. It would collect
/// instances that nobody closed only after thousands of them, and the process would have run out of descriptors before.
struct Weight(Env);

impl Weight {
    /// 104 KiB of the process, measured in November 2026 with a connection to Redis, and the buffers of the socket, 128
    /// KiB and more on Linux.
    const BYTES: i64 = 256 * 1024;

    fn put_on(env: Env) -> Result<Self> {
        env.adjust_external_memory(Self::BYTES)?;
        Ok(Self(env))
    }
}

impl Drop for Weight {
    fn drop(&mut self) {
        // It fails only while the environment ends, and then it does not matter.
        self.0.adjust_external_memory(-Self::BYTES).ok();
    }
}

fn target(settings: EngineSettings, ask: &Ask) -> Result<Target> {
    let Some(server) = settings.server else {
        return Ok(Target::Memory);
    };
    let family = server.family;
    let addresses = |nodes: Vec<NodeAddress>| {
        nodes
            .into_iter()
            .map(|NodeAddress { host, port }| Address::Tcp { host, port, family })
            .collect()
    };
    let deployment = match (server.cluster, server.sentinels, server.path) {
        (Some(nodes), ..) => Deployment::Cluster(addresses(nodes)),
        (_, Some(sentinels), _) => Deployment::Sentinel(Sentinels {
            addresses: addresses(sentinels.nodes),
            name: sentinels.name,
            login: login(
                sentinels.username,
                password(sentinels.password, sentinels.asks_password, ask, "sentinelPassword"),
                sentinels.tls,
            )?,
        }),
        (.., Some(path)) => Deployment::Server(Address::Unix(path)),
        _ => Deployment::Server(Address::Tcp { host: server.host, port: server.port, family }),
    };
    Ok(Target::Redis(Box::new(Settings {
        deployment,
        login: login(
            server.username,
            password(server.password, server.asks_password, ask, "password"),
            server.tls,
        )?,
        database: server.db,
        reads_replicas: settings.read_from == "replica",
        nat_map: nat_map(server.nat_map, server.asks_nat_map, ask),
        connect_timeout: Duration::from_millis(settings.connect_timeout.into()),
        command_timeout: Duration::from_millis(settings.command_timeout.into()),
    })))
}

fn login(
    username: Option<String>,
    password: Option<Password>,
    tls: Option<TlsSettings>,
) -> Result<Login> {
    Ok(Login { username, password, tls: tls.map(read_tls).transpose()? })
}

fn nat_map(table: Option<Vec<MappedNode>>, is_asked: Option<bool>, ask: &Ask) -> Option<NatMap> {
    let asked = is_asked.unwrap_or(false).then(|| NatMap::asked(ask.clone()));
    let entry = |node: MappedNode| (node.announced, (node.host, node.port));
    asked.or_else(|| table.map(|nodes| NatMap::new(nodes.into_iter().map(entry))))
}

fn password(
    fixed: Option<String>,
    is_asked: Option<bool>,
    ask: &Ask,
    function: &'static str,
) -> Option<Password> {
    let asked = is_asked.unwrap_or(false).then(|| Password::asked(ask.clone(), function));
    asked.or_else(|| fixed.map(Password::fixed))
}

fn read_tls(settings: TlsSettings) -> Result<Tls> {
    let identity = settings.cert.as_deref().zip(settings.key.as_deref());
    let config = tls::configure(&settings.ca, identity, settings.reject_unauthorized)
        .map_err(|e| Error::new(Status::InvalidArg, e.to_string()))?;
    Ok(Tls { config, server_name: settings.servername })
}

fn bad(option: &str) -> Error {
    Error::new(Status::InvalidArg, format!("`{option}` was not checked"))
}
