//! The I/O thread: batches of calls in, answers out.
//!
//! One thread serves all instances of the process. It is started by the first, sleeps while there
//! is nothing to do, and lives as long as the process.

use std::io;
use std::sync::{Arc, OnceLock};
use std::thread;

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use crate::answers::{Answers, Outbox};
use crate::call::decode;
use crate::store::memory::MemoryStore;
use crate::store::redis::RedisStore;
use crate::store::redis::settings::Settings;
use crate::store::{Minting, Store};

/// Where an instance keeps its sessions.
#[derive(Debug)]
pub enum Target {
    /// Inside this process.
    Memory,
    /// On a Redis server.
    Redis(Box<Settings>),
}

/// An instance's end of the I/O thread. When it is dropped, calls under way still settle; then the
/// connection closes.
#[derive(Debug)]
pub struct Engine {
    batches: UnboundedSender<String>,
}

impl Engine {
    /// Begins to serve an instance; it connects in the background.
    ///
    /// # Errors
    ///
    /// Where the system gives no thread.
    pub fn start(target: Target, minting: Minting, outbox: Arc<Outbox>) -> io::Result<Self> {
        let (batches, inbox) = mpsc::unbounded_channel();
        let start = Start { target, minting, outbox, inbox };
        io_thread()?.send(start).map_err(|_| io::Error::other("the I/O thread has ended"))?;
        Ok(Self { batches })
    }

    /// Takes a batch of calls, as [`crate::call`] describes it. `false` if the thread has ended.
    #[must_use]
    pub fn submit(&self, batch: String) -> bool {
        self.batches.send(batch).is_ok()
    }
}

/// A new instance, on its way to the I/O thread.
struct Start {
    target: Target,
    minting: Minting,
    outbox: Arc<Outbox>,
    inbox: UnboundedReceiver<String>,
}

fn io_thread() -> io::Result<&'static UnboundedSender<Start>> {
    static THREAD: OnceLock<UnboundedSender<Start>> = OnceLock::new();
    if let Some(thread) = THREAD.get() {
        return Ok(thread);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (starts, mut inbox) = mpsc::unbounded_channel();
    thread::Builder::new().name("spots-sessions".into()).spawn(move || {
        // Everything is a task of the runtime: what `block_on` itself polls costs a system call to
        // wake, even from its own thread.
        let starting = runtime.spawn(async move {
            while let Some(start) = inbox.recv().await {
                tokio::spawn(serve(start));
            }
        });
        runtime.block_on(starting)
    })?;
    // Two workers may both come here first; the thread of the one that loses ends at once.
    Ok(THREAD.get_or_init(|| starts))
}

async fn serve(start: Start) {
    let Start { target, minting, outbox, mut inbox } = start;
    let store = Arc::new(match target {
        Target::Memory => Store::Memory(MemoryStore::new(minting)),
        Target::Redis(settings) => Store::Redis(RedisStore::new(*settings, minting)),
    });
    while let Some(batch) = inbox.recv().await {
        // A task of its own: batches overlap, and a panic ends no other.
        tokio::spawn(run(batch, Arc::clone(&store), Arc::clone(&outbox)));
    }
}

async fn run(batch: String, store: Arc<Store>, outbox: Arc<Outbox>) {
    match decode(&batch) {
        Ok(calls) => {
            let mut answers = Answers::new(outbox, calls.iter().map(|call| call.slot));
            store.run(&calls, &mut answers).await;
        }
        // Which slots wait cannot be known, so JavaScript is told to reject them all.
        Err(_) => outbox.give_up(),
    }
}
