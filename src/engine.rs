//! Takes batches of calls, returns answers, and runs the I/O thread.
//!
//! One thread serves all instances of the process. The first instance starts it. It sleeps while there is nothing to
//! do, and lives as long as the process.

use std::future::{Future, pending, poll_fn};
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
            Target::Redis(settings) => {
                Store::Redis(Box::new(RedisStore::new(*settings, policy, observer)))
            }
        });
        let server = Server { store, outbox };
        let (batches, inbox) = mpsc::unbounded_channel();
        tokio::spawn(server.clone().serve(inbox));
        Ok(Self { runtime, server, batches, unbegun: Arc::default() })
    }

    /// Takes a batch of calls, as [`crate::call`] describes it. The I/O thread carries it out, after those that were
    /// submitted before.
    pub fn submit(&self, batch: String) {
        let sent = self.batches.send((batch, Unbegun::new(&self.unbegun)));
        debug_assert!(sent.is_ok(), "it is received as long as this lives");
    }

    /// Whether the I/O thread has begun every batch that it was given.
    pub(crate) fn has_begun_all(&self) -> bool {
        self.unbegun.load(Ordering::Acquire) == 0
    }

    /// Carries a batch out, on the thread that polls this.
    pub(crate) fn run(&self, batch: String) -> impl Future<Output = ()> + Send + use<> {
        self.server.clone().run(batch)
    }

    /// The open connections to the servers, or none if there are too many to be watched.
    pub(crate) fn connections(&self) -> Vec<Pipe> {
        self.server.store.connections()
    }

    /// Where futures run.
    pub(crate) fn runtime(&self) -> &'static Handle {
        self.runtime
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
