//! Batches of calls in, answers out; and the I/O thread.
//!
//! One thread serves all instances of the process. It is started by the first, sleeps while there
//! is nothing to do, and lives as long as the process.

use std::future::{pending, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::thread;

use tokio::runtime::Handle;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use crate::answers::{Answers, Outbox};
use crate::call::decode;
use crate::event::{Event, Observer};
use crate::inline;
use crate::store::memory::MemoryStore;
use crate::store::redis::settings::Settings;
use crate::store::redis::{Pipe, RedisStore, lack};
use crate::store::{Policy, Store};

/// Where an instance keeps its sessions.
#[derive(Debug)]
pub enum Target {
    /// Inside this process.
    Memory,
    /// On a Redis server.
    Redis(Box<Settings>),
}

/// Which thread turns a batch into commands and writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// The one that submits it: the answer comes sooner.
    Inline,
    /// The I/O thread: the one that submits it is free sooner.
    IoThread,
}

/// An instance. When it is dropped, calls under way still settle; then the connection closes.
pub struct Engine {
    runtime: &'static Handle,
    server: Server,
    /// To the I/O thread. A channel wakes it only if it sleeps, a new task always.
    batches: UnboundedSender<(String, Unbegun)>,
    unbegun: Arc<AtomicUsize>,
}

impl Engine {
    /// Begins to serve an instance; it connects in the background.
    ///
    /// # Errors
    ///
    /// Where the system gives no thread, or no descriptors for it.
    pub fn start(target: Target, policy: Policy, outbox: Arc<Outbox>) -> io::Result<Self> {
        let runtime = io_thread().map_err(|e| lack(&e).map_or(e, io::Error::other))?;
        let _tasks = runtime.enter();
        let observer: Observer = {
            let outbox = Arc::clone(&outbox);
            Arc::new(move |event| outbox.tell(event))
        };
        let store = Arc::new(match target {
            Target::Memory => {
                observer(&Event::Ready);
                Store::Memory(MemoryStore::new(policy))
            }
            Target::Redis(settings) => Store::Redis(RedisStore::new(*settings, policy, observer)),
        });
        let server = Server { store, outbox };
        let (batches, inbox) = mpsc::unbounded_channel();
        tokio::spawn(server.clone().serve(inbox));
        Ok(Self { runtime, server, batches, unbegun: Arc::default() })
    }

    /// The open connections to the servers, if they are few enough to be watched.
    #[must_use]
    pub fn connections(&self) -> Vec<Connection> {
        let pipes = self.server.store.connections().into_iter();
        pipes.map(|pipe| Connection { runtime: self.runtime, pipe }).collect()
    }

    /// Takes a batch of calls, as [`crate::call`] describes it. Batches are carried out in the order
    /// in which they come, whoever writes them.
    pub fn submit(&self, batch: String, writer: Writer) {
        // The I/O thread must not be overtaken.
        if writer == Writer::Inline && self.unbegun.load(Ordering::Acquire) == 0 {
            inline::run(self.runtime, self.server.clone().run(batch));
        } else {
            let sent = self.batches.send((batch, Unbegun::new(&self.unbegun)));
            debug_assert!(sent.is_ok(), "it is received as long as this lives");
        }
    }
}

/// An open connection to a server, for a thread that would rather read it itself.
#[derive(Clone)]
pub struct Connection {
    runtime: &'static Handle,
    pipe: Pipe,
}

impl Connection {
    /// The socket to watch; nothing where the I/O thread alone can read.
    #[cfg(unix)]
    #[must_use]
    pub fn descriptor(&self) -> Option<std::os::fd::RawFd> {
        self.pipe.descriptor()
    }

    /// The socket to watch; nothing, as they are no descriptors here.
    #[cfg(not(unix))]
    #[must_use]
    pub fn descriptor(&self) -> Option<i32> {
        None
    }

    /// Says whether another thread watches for replies, or the I/O thread does. Returns what it was.
    #[expect(clippy::must_use_candidate, reason = "what it was does not matter to most")]
    pub fn read_elsewhere(&self, elsewhere: bool) -> bool {
        self.pipe.read_elsewhere(elsewhere)
    }

    /// Whether a reply is coming in that is too long for a thread with other work.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.pipe.is_busy()
    }

    /// Reads what has come and settles the calls that it answers. `false` if the I/O thread must go
    /// on: the connection has ended, or is busy.
    #[must_use]
    pub fn read(&self) -> bool {
        inline::wake(self.runtime, || self.pipe.read().is_ok()) && !self.is_busy()
    }
}

impl PartialEq for Connection {
    fn eq(&self, other: &Self) -> bool {
        self.pipe.is(&other.pipe)
    }
}

/// Carries out the batches of an instance.
#[derive(Clone)]
struct Server {
    store: Arc<Store>,
    outbox: Arc<Outbox>,
}

impl Server {
    async fn serve(self, mut inbox: UnboundedReceiver<(String, Unbegun)>) {
        while let Some((batch, unbegun)) = inbox.recv().await {
            let run = self.clone().run(batch);
            // A task of its own: batches overlap, and a panic ends no other.
            tokio::spawn(async move {
                let mut run = pin!(run);
                let first = poll_fn(|cx| Poll::Ready(run.as_mut().poll(cx))).await;
                drop(unbegun);
                if first.is_pending() {
                    run.await;
                }
            });
        }
    }

    async fn run(self, batch: String) {
        match decode(&batch) {
            Ok(calls) => {
                let mut answers = Answers::new(self.outbox, calls.iter().map(|call| call.id));
                self.store.run(&calls, &mut answers).await;
            }
            // Which ids wait cannot be known, so JavaScript is told to reject them all.
            Err(_) => self.outbox.give_up(),
        }
    }
}

/// Counts a batch that the I/O thread has not begun, for as long as that is so.
struct Unbegun(Arc<AtomicUsize>);

impl Unbegun {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Unbegun {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

fn io_thread() -> io::Result<&'static Handle> {
    static THREAD: OnceLock<Handle> = OnceLock::new();
    if let Some(runtime) = THREAD.get() {
        return Ok(runtime);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    thread::Builder::new()
        .name("spots-sessions".into())
        // What `block_on` itself polls costs a system call to wake, even from its own thread: it
        // polls nothing, and everything else is a task.
        .spawn(move || runtime.block_on(pending::<()>()))?;
    // Two workers may both come here first; the thread of the one that loses sleeps on.
    Ok(THREAD.get_or_init(|| handle))
}
