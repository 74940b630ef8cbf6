//! What Node sees of the engine: one class, whose methods convert, call and convert.
//!
//! `lib/boundary.js` is its only user.

#![expect(unsafe_code, reason = "napi-rs has no safe way to ref and unref a threadsafe function")]

use std::sync::Arc;
use std::time::Duration;

use napi::bindgen_prelude::{FnArgs, Function};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Error, Result, Status, sys};
use napi_derive::napi;

use crate::answers::Outbox;
use crate::engine::{Engine, Target, Writer};
use crate::store::Minting;
use crate::store::redis::settings::{Address, Secret, Settings, Tls};
use crate::store::redis::tls;
use crate::token::Encoding;

/// Calls `onAnswers` on the event loop, and does not hold the process unless told to.
type Bell = ThreadsafeFunction<(), (), FnArgs<(String, bool)>, Status, false, true>;

/// Where sessions are kept and how tokens are made; checked by `lib/options.js`.
#[napi(object)]
pub struct EngineSettings {
    /// Bytes of a token, 16 to 1024.
    pub token_size: u32,
    /// `base64`, `base64url`, `hex` or `latin1`.
    pub token_encoding: String,
    /// Milliseconds.
    pub command_timeout: u32,
    /// Milliseconds.
    pub connect_timeout: u32,
    /// Left out for the embedded store.
    pub server: Option<ServerSettings>,
}

/// A Redis server.
#[napi(object)]
pub struct ServerSettings {
    /// A name or an address.
    pub host: String,
    /// 1 to 65535.
    pub port: u16,
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
    /// Left out for a connection in clear.
    pub tls: Option<TlsSettings>,
}

/// TLS, all in PEM.
#[napi(object)]
pub struct TlsSettings {
    /// The certificates to trust.
    pub ca: Vec<String>,
    /// The client's certificate chain.
    pub cert: Option<String>,
    /// The client's private key.
    pub key: Option<String>,
    /// The name that the server's certificate must bear, if it is not the host.
    pub servername: Option<String>,
    /// Whether to verify the server's certificate.
    pub reject_unauthorized: bool,
}

/// One instance's end of the session engine.
#[napi(js_name = "Engine")]
pub struct NodeEngine {
    engine: Option<Engine>,
    outbox: Arc<Outbox>,
    bell: Arc<Bell>,
}

#[napi]
impl NodeEngine {
    /// Starts to serve an instance. `onAnswers(text, more)` is called with a batch of answers.
    #[napi(constructor)]
    pub fn new(
        settings: EngineSettings,
        on_answers: Function<'_, FnArgs<(String, bool)>, ()>,
    ) -> Result<Self> {
        let minting = Minting {
            size: settings.token_size as usize,
            encoding: Encoding::from_name(&settings.token_encoding)
                .ok_or_else(|| bad("tokenEncoding"))?,
        };
        let target = target(settings)?;
        let (outbox, bell) = connect_outbox(on_answers)?;
        let engine = Engine::start(target, minting, Arc::clone(&outbox))
            .map_err(|e| Error::new(Status::GenericFailure, e.to_string()))?;
        Ok(Self { engine: Some(engine), outbox, bell })
    }

    /// Hands a batch of calls to the engine. `here`: this thread turns it into commands and writes
    /// them, so that the answer comes sooner; else the I/O thread does. `false` if it is closed.
    #[napi]
    pub fn submit(&self, batch: String, here: bool) -> bool {
        let Some(engine) = &self.engine else { return false };
        engine.submit(batch, if here { Writer::Here } else { Writer::IoThread });
        true
    }

    /// Takes the next batch of answers, a turn after `onAnswers` was told that there are more.
    #[napi]
    pub fn take(&self) -> Option<String> {
        self.outbox.take_later()
    }

    /// Keeps the process alive: calls are pending.
    #[napi(js_name = "ref")]
    pub fn hold(&self, env: Env) {
        // SAFETY: on the event loop's thread, as Node asks, with a function that `bell` keeps.
        unsafe { sys::napi_ref_threadsafe_function(env.raw(), self.bell.raw()) };
    }

    /// Lets the process end: no call is pending.
    #[napi]
    pub fn unref(&self, env: Env) {
        // SAFETY: as in `hold`.
        unsafe { sys::napi_unref_threadsafe_function(env.raw(), self.bell.raw()) };
    }

    /// Takes no more batches; the connection closes when what is under way has settled.
    #[napi]
    pub fn close(&mut self) {
        self.engine = None;
    }
}

/// Makes the outbox, and the bell that it rings when there are answers.
#[expect(clippy::needless_pass_by_value, reason = "napi-rs hands arguments over by value")]
fn connect_outbox(
    on_answers: Function<'_, FnArgs<(String, bool)>, ()>,
) -> Result<(Arc<Outbox>, Arc<Bell>)> {
    let slot: Arc<std::sync::OnceLock<Arc<Bell>>> = Arc::default();
    let ringer = Arc::clone(&slot);
    let outbox = Arc::new(Outbox::new(move || {
        if let Some(bell) = ringer.get() {
            // Fails only while the environment is torn down, when nobody listens any more.
            bell.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }));
    // Weak, or the bell and the outbox would keep each other for ever.
    let source = Arc::downgrade(&outbox);
    let bell: Arc<Bell> = Arc::new(
        on_answers.build_threadsafe_function::<()>().weak::<true>().build_callback(move |_| {
            let batch = source.upgrade().and_then(|outbox| outbox.take());
            Ok(FnArgs::from(batch.unwrap_or_default()))
        })?,
    );
    // A fresh cell, so it takes the bell.
    let _filled = slot.set(Arc::clone(&bell));
    Ok((outbox, bell))
}

fn target(settings: EngineSettings) -> Result<Target> {
    let Some(server) = settings.server else {
        return Ok(Target::Memory);
    };
    let host = server.host.clone();
    let address = match server.path {
        Some(path) => Address::Unix(path),
        None => Address::Tcp { host: server.host, port: server.port, family: server.family },
    };
    Ok(Target::Redis(Box::new(Settings {
        address,
        username: server.username,
        password: server.password.map(Secret::new),
        database: server.db,
        tls: server.tls.map(|tls| read_tls(tls, host)).transpose()?,
        connect_timeout: Duration::from_millis(settings.connect_timeout.into()),
        command_timeout: Duration::from_millis(settings.command_timeout.into()),
    })))
}

fn read_tls(settings: TlsSettings, host: String) -> Result<Tls> {
    let identity = settings.cert.as_deref().zip(settings.key.as_deref());
    let config = tls::configure(&settings.ca, identity, settings.reject_unauthorized)
        .map_err(|e| Error::new(Status::InvalidArg, e.to_string()))?;
    Ok(Tls { config, server_name: settings.servername.unwrap_or(host) })
}

fn bad(option: &str) -> Error {
    Error::new(Status::InvalidArg, format!("`{option}` was not checked"))
}
