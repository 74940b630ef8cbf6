//! Inline I/O: a thread outside the runtime, such as Node's event loop, writes batches to the connections and reads their
//! replies itself. To hand either over costs a system call and a wake-up. The engine, below, has only its I/O thread.
//!
//! A future is polled first on the thread that submits it. Later it is polled on the thread whose reading wakes it, or
//! else on the runtime.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use tokio::runtime::Handle;

use crate::engine::Engine;
use crate::store::redis::{Pipe, writing_directly};

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

thread_local! {
    /// The tasks that were woken on this thread while it reads, in that order.
    static WOKEN: RefCell<Option<VecDeque<Task>>> = const { RefCell::new(None) };
}

/// An instance whose batches may be carried out inline.
pub struct InlineIo {
    engine: Engine,
}

impl InlineIo {
    /// Adds inline I/O to an instance.
    #[must_use]
    pub fn new(engine: Engine) -> Self {
        Self { engine }
    }

    /// The instance. What is submitted there is carried out by the I/O thread.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Takes a batch of calls, and carries it out on this thread as far as it need not wait. If the I/O thread has not
    /// begun earlier batches yet, it gets this one too, so that it does not overtake them.
    pub fn submit(&self, batch: String) {
        if self.engine.has_begun_all() {
            run(self.engine.runtime(), self.engine.run(batch));
        } else {
            self.engine.submit(batch);
        }
    }

    /// The open connections to the servers, or none if there are too many to be watched.
    #[must_use]
    pub fn connections(&self) -> Vec<Connection> {
        let runtime = self.engine.runtime();
        self.engine.connections().into_iter().map(|pipe| Connection { runtime, pipe }).collect()
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
        wake(self.runtime, || self.pipe.read().is_ok()) && !self.is_busy()
    }
}

impl PartialEq for Connection {
    fn eq(&self, other: &Self) -> bool {
        self.pipe.is(&other.pipe)
    }
}

/// Runs a future: on this thread as far as it need not wait.
fn run(runtime: &Handle, future: impl Future<Output = ()> + Send + 'static) {
    poll(runtime, Box::pin(future));
}

/// Calls `wake`, and polls the futures that it wakes on this thread.
fn wake<T>(runtime: &Handle, wake: impl FnOnce() -> T) -> T {
    WOKEN.set(Some(VecDeque::new()));
    let offer = Offer(runtime);
    let done = wake();
    while let Some(task) = WOKEN.with_borrow_mut(|woken| woken.as_mut()?.pop_front()) {
        poll(runtime, task);
    }
    drop(offer);
    done
}

/// A thread's offer to poll the futures that it wakes.
struct Offer<'a>(&'a Handle);

impl Drop for Offer<'_> {
    fn drop(&mut self) {
        // Tasks are left only after a panic.
        for task in WOKEN.take().into_iter().flatten() {
            self.0.spawn(task);
        }
    }
}

fn poll(runtime: &Handle, mut task: Task) {
    let parked = Arc::new(Parked { runtime: runtime.clone(), state: Mutex::default() });
    let waker = Waker::from(Arc::clone(&parked));
    let _timers = runtime.enter();
    let mut context = Context::from_waker(&waker);
    // A panic ends this future alone, as it would on the runtime.
    let polled =
        catch_unwind(AssertUnwindSafe(|| writing_directly(|| task.as_mut().poll(&mut context))));
    if let Ok(Poll::Pending) = polled {
        parked.park(task);
    }
}

/// A future between a poll and its next wake.
struct Parked {
    runtime: Handle,
    state: Mutex<State>,
}

#[derive(Default)]
enum State {
    #[default]
    Polling,
    Waiting(Task),
    Woken,
}

impl Parked {
    fn park(&self, task: Task) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match *state {
            State::Polling => *state = State::Waiting(task),
            State::Waiting(_) | State::Woken => drop(self.runtime.spawn(task)),
        }
    }
}

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State::Waiting(task) = std::mem::replace(&mut *state, State::Woken) else { return };
        drop(state);
        let task = WOKEN.with_borrow_mut(|woken| match woken {
            Some(woken) => {
                woken.push_back(task);
                None
            }
            None => Some(task),
        });
        task.map(|task| self.runtime.spawn(task));
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use tokio::sync::oneshot;

    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    #[test]
    fn a_future_that_need_not_wait_is_done_on_this_thread() {
        let runtime = runtime();
        let (done, mut here) = oneshot::channel();
        run(runtime.handle(), async move { done.send(thread::current().id()).unwrap() });
        assert_eq!(here.try_recv(), Ok(thread::current().id()));
    }

    #[test]
    fn a_future_that_waits_is_polled_by_the_runtime_whenever_it_is_woken() {
        let runtime = runtime();
        for round in 0..2000_u32 {
            let (begin, signal) = oneshot::channel();
            let (done, ended) = oneshot::channel();
            let waker = thread::spawn(move || begin.send(round));
            run(runtime.handle(), async move { done.send(signal.await.unwrap()).unwrap() });
            assert_eq!(runtime.block_on(ended), Ok(round));
            waker.join().unwrap().unwrap();
        }
    }

    #[test]
    fn the_future_that_is_woken_first_is_polled_first() {
        let runtime = runtime();
        let (went_on, order) = std::sync::mpsc::channel();
        let begin = |number: u32| {
            let (begin, signal) = oneshot::channel();
            let went_on = went_on.clone();
            run(runtime.handle(), async move {
                signal.await.unwrap();
                went_on.send(number).unwrap();
            });
            begin
        };
        let waiting: Vec<_> = (0..3).map(begin).collect();
        wake(runtime.handle(), || waiting.into_iter().for_each(|begin| begin.send(()).unwrap()));
        assert_eq!(order.try_iter().collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn a_panic_is_not_passed_on() {
        let runtime = runtime();
        let (guard, dropped) = oneshot::channel::<()>();
        run(runtime.handle(), async move {
            let _guard = guard;
            panic!("on purpose");
        });
        assert!(runtime.block_on(dropped).is_err(), "the future is dropped");
    }
}
