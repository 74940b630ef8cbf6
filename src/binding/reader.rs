//! Makes the event loop watch the connections of an instance and read replies itself.
//!
//! With few calls in flight, most of the time of an answer is spent on waking threads. By way of the I/O thread, two are
//! woken. A `uv_poll_t` on the event loop wakes the right thread at once. Only the thread of that loop uses this file.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::null_mut;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use napi::bindgen_prelude::{Function, FunctionRef, ToNapiValue as _};
use napi::{Env, JsValue as _, Result, check_status, sys};

use super::busy_poll::BusyPoll;
use super::handle::Handle;
use super::notifier::{Answers, Notifier};
use super::text::Text;
use super::uv::{UV_POLL, UV_READABLE, Uv};

use crate::answers::Outbox;
use crate::inline::Connection;

/// Reads the connections of an instance.
pub(super) struct Reader {
    receiver: Rc<Receiver>,
    watches: Vec<Watch>,
    /// From the first call on.
    busy_poll: Option<BusyPoll>,
}

impl Reader {
    pub fn new(
        env: Env,
        on_read: &Function<'_, Answers, ()>,
        after_read: &Function<'_, (), bool>,
        outbox: Arc<Outbox>,
        notifier: Arc<Notifier>,
    ) -> Result<Self> {
        Uv::load(env);
        let (on_read, after_read) = (on_read.create_ref()?, after_read.create_ref()?);
        let expects = Rc::new(Cell::new(false));
        let receiver = Receiver { env, on_read, after_read, outbox, notifier, expects };
        Ok(Self { receiver: Rc::new(receiver), watches: Vec::new(), busy_poll: None })
    }

    /// Reads these connections from now on. The I/O thread reads all others.
    pub fn follow(&mut self, connections: &[Connection]) {
        self.watches.retain(|watch| connections.contains(&watch.state().connection));
        for connection in connections {
            let known = self.watches.iter().find(|watch| watch.state().connection == *connection);
            if connection.is_busy() {
                known.inspect(|watch| watch.pause());
            } else if let Some(watch) = known {
                if !connection.read_elsewhere(true) {
                    // Reading was paused, or the I/O thread had taken it back.
                    watch.start();
                }
            } else if let Some(watch) = Watch::new(connection.clone(), &self.receiver) {
                connection.read_elsewhere(true);
                self.watches.push(watch);
            }
        }
        let Receiver { env, expects, .. } = &*self.receiver;
        let is_read_here = |watch: &Watch| !watch.state().connection.is_busy();
        expects.set(self.watches.iter().any(is_read_here));
        if expects.get() {
            self.busy_poll.get_or_insert_with(|| BusyPoll::new(*env, expects));
        }
    }

    /// Expects no more answers, because no call is pending.
    pub fn rest(&self) {
        self.receiver.expects.set(false);
    }

    /// Leaves reading to the I/O thread. The handles stay, because the connections may be followed again soon.
    pub fn pause(&self) {
        self.rest();
        self.watches.iter().for_each(Watch::pause);
    }

    /// Closes the handles.
    pub fn close(&mut self) {
        self.rest();
        self.watches.clear();
        self.busy_poll = None;
    }
}

/// Hands answers to JavaScript.
struct Receiver {
    env: Env,
    on_read: FunctionRef<Answers, ()>,
    after_read: FunctionRef<(), bool>,
    outbox: Arc<Outbox>,
    notifier: Arc<Notifier>,
    /// Whether an answer is expected on a connection that is read here.
    expects: Rc<Cell<bool>>,
}

impl Receiver {
    /// Hands answers to JavaScript, and lets the process end when no call is pending any more.
    fn receive(&self, text: String, more: bool) -> Result<()> {
        let idle = self.env.run_in_scope(|| {
            let read = self.call_back(&self.on_read.borrow_back(&self.env)?, text, more);
            let idle = self.after_read.borrow_back(&self.env)?.call(())?;
            read.map(|()| idle)
        })?;
        if idle {
            self.expects.set(false);
            self.notifier.release(self.env);
        }
        Ok(())
    }

    /// Calls `onRead` as Node calls back, so the continuations of the answers run before this returns. It must be called
    /// in a handle scope.
    fn call_back(
        &self,
        on_read: &Function<'_, Answers, ()>,
        text: String,
        more: bool,
    ) -> Result<()> {
        let env = self.env.raw();
        let (mut this, mut exception) = (null_mut(), null_mut());
        // SAFETY: this is the thread of `env`, and the values were made in this handle scope.
        unsafe {
            check_status!(sys::napi_get_global(env, &raw mut this))?;
            let arguments =
                [Text::to_napi_value(env, Text(text))?, bool::to_napi_value(env, more)?];
            let (count, values) = (arguments.len(), arguments.as_ptr());
            let (context, function, unused) = (null_mut(), on_read.raw(), null_mut());
            let status =
                sys::napi_make_callback(env, context, this, function, count, values, unused);
            if status != sys::Status::napi_ok {
                // The next call of Node-API would find an exception that stays, and take it for its own.
                check_status!(sys::napi_get_and_clear_last_exception(env, &raw mut exception))?;
            }
            if status == sys::Status::napi_pending_exception {
                sys::napi_fatal_exception(env, exception);
            }
        }
        Ok(())
    }
}

/// The data of a handle.
struct State {
    connection: Connection,
    /// Weak, because it must not outlive its environment, and a handle may.
    receiver: Weak<Receiver>,
}

/// A `uv_poll_t` that watches a connection. The connection stays open at least as long.
struct Watch(Handle<State>);

impl Watch {
    /// `None` if the connection cannot be watched.
    fn new(connection: Connection, receiver: &Rc<Receiver>) -> Option<Self> {
        let socket = connection.descriptor()?;
        let event_loop = receiver.env.get_uv_event_loop().ok()?;
        let state = State { connection, receiver: Rc::downgrade(receiver) };
        // SAFETY: `uv_poll_init` initialises it, on the thread of the loop.
        let handle = unsafe {
            Handle::new(UV_POLL, state, |uv, raw| (uv.poll_init)(event_loop, raw, socket))
        };
        let watch = Self(handle?);
        watch.start().then_some(watch)
    }

    /// Begins to watch. `false` if the connection has ended.
    fn start(&self) -> bool {
        // SAFETY: the handle is initialised and not closed.
        unsafe { (self.0.uv.poll_start)(self.0.raw, UV_READABLE, on_readable) == 0 }
    }

    fn pause(&self) {
        if self.state().connection.read_elsewhere(false) {
            // SAFETY: as in `start`.
            unsafe { (self.0.uv.poll_stop)(self.0.raw) };
        }
    }

    fn state(&self) -> &State {
        self.0.data()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.state().connection.read_elsewhere(false);
    }
}

unsafe extern "C" fn on_readable(handle: *mut c_void, status: c_int, _events: c_int) {
    let Some(uv) = Uv::get() else { return };
    // SAFETY: libuv calls this for handles that are not closed.
    let answers = unsafe {
        Handle::<State>::with_data_of(uv, handle, |State { connection, receiver }| {
            let receiver = receiver.upgrade()?;
            let mut here = false;
            // Nothing may unwind into libuv. After a panic, which is a bug, the I/O thread reads.
            let read = || catch_unwind(AssertUnwindSafe(|| connection.read())).unwrap_or(false);
            let answers = receiver.outbox.take_after(|| here = read());
            // With an error libuv has stopped to watch, even if there still was something to read.
            if !here || status != 0 {
                receiver.expects.set(false);
                connection.read_elsewhere(false);
                (uv.poll_stop)(handle);
            }
            answers.map(|answers| (receiver, answers))
        })
    };
    if let Some((receiver, (text, more))) = answers {
        // `onRead` does not throw; if it did, Node would have the exception.
        receiver.receive(text, more).ok();
    }
}
