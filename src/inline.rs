//! Runs futures on the threads that come by: each is polled first on the thread that makes it, and
//! where it then waits, on the one that wakes it, if that offers itself; else on the runtime.
//!
//! A batch that can be written to its connection at once is written by the thread that submits it,
//! and one whose replies that thread reads is settled by it. Handing either over costs a system call
//! and a wake-up.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use tokio::runtime::Handle;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

thread_local! {
    /// What was woken on this thread, in that order, while it offers itself.
    static WOKEN: RefCell<Option<VecDeque<Task>>> = const { RefCell::new(None) };
}

/// Runs a future: here, as far as it goes without waiting, then elsewhere.
pub fn run(runtime: &Handle, future: impl Future<Output = ()> + Send + 'static) {
    poll(runtime, Box::pin(future));
}

/// Does what may wake futures, and goes on with those here.
pub fn wake<T>(runtime: &Handle, wake: impl FnOnce() -> T) -> T {
    WOKEN.set(Some(VecDeque::new()));
    let offer = Offer(runtime);
    let done = wake();
    while let Some(task) = WOKEN.with_borrow_mut(|woken| woken.as_mut()?.pop_front()) {
        poll(runtime, task);
    }
    drop(offer);
    done
}

/// A thread's offer to go on with what it wakes.
struct Offer<'a>(&'a Handle);

impl Drop for Offer<'_> {
    fn drop(&mut self) {
        // Something is left only after a panic.
        for task in WOKEN.take().into_iter().flatten() {
            self.0.spawn(task);
        }
    }
}

fn poll(runtime: &Handle, mut task: Task) {
    let parked = Arc::new(Parked { runtime: runtime.clone(), state: Mutex::default() });
    let waker = Waker::from(Arc::clone(&parked));
    let _timers = runtime.enter();
    // A panic ends this future alone, as it would on the runtime.
    let polled =
        catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(&mut Context::from_waker(&waker))));
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
    fn what_need_not_wait_is_done_here() {
        let runtime = runtime();
        let (done, mut here) = oneshot::channel();
        run(runtime.handle(), async move { done.send(thread::current().id()).unwrap() });
        assert_eq!(here.try_recv(), Ok(thread::current().id()));
    }

    #[test]
    fn what_waits_goes_on_on_the_runtime_whenever_it_is_woken() {
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
    fn what_is_woken_first_goes_on_first() {
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
