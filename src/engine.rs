//! Takes batches of calls, returns answers, and runs the I/O thread.
//!
//! One thread serves all instances of the process. The first instance starts it. It sleeps while there is nothing to
//! do, and lives as long as the process.

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

/// The store of an instance.
#[derive(Debug)]
pub enum Target {
    /// Inside this process.
    Memory,
    /// In Redis.
    Redis(Box<Settings>),
}

/// Which thread turns a batch into commands and writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// The thread that submits the batch: the answer comes sooner.
    Inline,
    /// The I/O thread: the submitting thread is free sooner.
    IoThread,
}

/// An instance. When it is dropped, calls in flight are still answered. Then the connections close.
pub struct Engine {
    runtime: &'static Handle,
    server: Server,
    /// Sends batches to the I/O thread. A channel wakes the thread only if it sleeps; a new task always does.
    batches: UnboundedSender<(String, Unbegun)>,
    unbegun: Arc<AtomicUsize>,
}

impl Engine {
    /// Starts an instance. It connects in the background.
    ///
    /// # Errors
    ///
    /// If the system gives no thread, or no descriptors for it.
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

    /// The open connections to the servers, or none if there are too many to be watched.
    #[must_use]
    pub fn connections(&self) -> Vec<Connection> {
        let pipes = self.server.store.connections().into_iter();
        pipes.map(|pipe| Connection { runtime: self.runtime, pipe }).collect()
    }

    /// Takes a batch of calls, as [`crate::call`] describes it. Batches are carried out in the order in which they
    /// are submitted, whichever thread writes them.
    pub fn submit(&self, batch: String, writer: Writer) {
        // A batch must not overtake those that the I/O thread has not begun.
        if writer == Writer::Inline && self.unbegun.load(Ordering::Acquire) == 0 {
            inline::run(self.runtime, self.server.clone().run(batch));
        } else {
            let sent = self.batches.send((batch, Unbegun::new(&self.unbegun)));
            debug_assert!(sent.is_ok(), "it is received as long as this lives");
        }
    }
}

/// An open connection to a server, for a thread that reads it itself.
#[derive(Clone)]
pub struct Connection {
    runtime: &'static Handle,
    pipe: Pipe,
}

impl Connection {
    /// The socket to watch. `None` if only the I/O thread can read.
    #[cfg(unix)]
    #[must_use]
    pub fn descriptor(&self) -> Option<std::os::fd::RawFd> {
        self.pipe.descriptor()
    }

    /// Always `None`, because sockets have no descriptors on this system.
    #[cfg(not(unix))]
    #[must_use]
    pub fn descriptor(&self) -> Option<i32> {
        None
    }

    /// Sets whether another thread reads replies instead of the I/O thread. Returns the value before.
    #[expect(clippy::must_use_candidate, reason = "what it was does not matter to most")]
    pub fn read_elsewhere(&self, elsewhere: bool) -> bool {
        self.pipe.read_elsewhere(elsewhere)
    }

    /// Whether a reply is arriving that is too long for a thread with other work.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.pipe.is_busy()
    }

    /// Reads what has arrived, and answers the calls whose replies are complete. `false` if the I/O thread must
    /// continue, because the connection has ended or a long reply is arriving.
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
            // A task of its own, so that batches overlap and a panic does not end the others.
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
            // The ids of the calls are unknown, so JavaScript is told to reject all calls.
            Err(_) => self.outbox.give_up(),
        }
    }
}

/// Counts a batch until the I/O thread has begun it.
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
        // A future that `block_on` itself polls costs a system call to wake, even from its own thread. So it polls
        // nothing, and everything else is a task.
        .spawn(move || runtime.block_on(pending::<()>()))?;
    // Two workers may both get here first. The thread of the second one sleeps and is never used.
    Ok(THREAD.get_or_init(|| handle))
}
