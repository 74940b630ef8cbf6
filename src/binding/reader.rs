//! Has the event loop watch an instance's connections and read replies itself.
//!
//! With few calls in flight an answer is a matter of waking a thread, and by way of the I/O thread it
//! takes two. A `uv_poll_t` on the loop that Node-API hands out wakes the right one at once. All that
//! is here belongs to the thread of that loop.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::null_mut;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use napi::bindgen_prelude::{FromNapiValue as _, Function, FunctionRef, ToNapiValue as _};
use napi::{Env, JsValue as _, Result, check_status, sys};

use super::bell::{Answers, Bell};
use super::text::Text;
use super::uv::{UV_POLL, UV_READABLE, Uv};

use crate::answers::Outbox;
use crate::engine::Connection;

/// Reads the connections that it was last told to.
pub(super) struct Reader {
    receiver: Rc<Receiver>,
    watches: Vec<Watch>,
}

impl Reader {
    pub fn new(
        env: Env,
        on_read: &Function<'_, Answers, bool>,
        outbox: Arc<Outbox>,
        bell: Arc<Bell>,
    ) -> Result<Self> {
        let on_read = on_read.create_ref()?;
        let receiver = Receiver { env, on_read, outbox, bell, batches: Cell::new(0) };
        Ok(Self { receiver: Rc::new(receiver), watches: Vec::new() })
    }

    /// Takes note that another batch is pending.
    pub fn count_batch(&self) {
        let batches = &self.receiver.batches;
        batches.set(batches.get().wrapping_add(1));
    }

    /// Reads these connections from now on, and the I/O thread all others.
    pub fn follow(&mut self, connections: &[Connection]) {
        self.watches.retain(|watch| connections.contains(&watch.state().connection));
        for connection in connections {
            let known = self.watches.iter().find(|watch| watch.state().connection == *connection);
            if connection.is_busy() {
                known.inspect(|watch| watch.pause());
            } else if let Some(watch) = known {
                if !connection.read_elsewhere(true) {
                    // It was paused, or the I/O thread had taken it back.
                    watch.start();
                }
            } else if let Some(watch) = Watch::new(connection.clone(), &self.receiver) {
                connection.read_elsewhere(true);
                self.watches.push(watch);
            }
        }
    }

    /// Leaves them to the I/O thread. They may be followed again soon, so the handles stay.
    pub fn pause(&self) {
        self.watches.iter().for_each(Watch::pause);
    }

    /// Lets go of the connections.
    pub fn close(&mut self) {
        self.watches.clear();
    }
}

/// Where answers go.
struct Receiver {
    env: Env,
    on_read: FunctionRef<Answers, bool>,
    outbox: Arc<Outbox>,
    bell: Arc<Bell>,
    /// How many batches there were.
    batches: Cell<u64>,
}

impl Receiver {
    /// Hands answers to JavaScript, and lets the process end when no call is pending any more.
    fn receive(&self, text: String, more: bool) -> Result<()> {
        let batches = self.batches.get();
        let idle = self.env.run_in_scope(|| {
            let on_read = self.on_read.borrow_back(&self.env)?;
            match self.call_back(&on_read, text, more)? {
                Some(idle) => Ok(idle),
                // What went on within has thrown, and Node was told. It may go on all the same.
                None => on_read.call((Text::default(), false).into()),
            }
        })?;
        // What went on may have made calls since.
        if idle && self.batches.get() == batches {
            self.bell.release(self.env);
        }
        Ok(())
    }

    /// Calls `onRead` as Node calls back: what waited for the answers goes on within. Must be called
    /// in a handle scope.
    fn call_back(
        &self,
        on_read: &Function<'_, Answers, bool>,
        text: String,
        more: bool,
    ) -> Result<Option<bool>> {
        let env = self.env.raw();
        let (mut this, mut idle, mut exception) = (null_mut(), null_mut(), null_mut());
        // SAFETY: on the thread of `env`, with values that were made in this handle scope.
        unsafe {
            check_status!(sys::napi_get_global(env, &raw mut this))?;
            let arguments =
                [Text::to_napi_value(env, Text(text))?, bool::to_napi_value(env, more)?];
            let (count, values) = (arguments.len(), arguments.as_ptr());
            let (context, function) = (null_mut(), on_read.raw());
            let status =
                sys::napi_make_callback(env, context, this, function, count, values, &raw mut idle);
            if status == sys::Status::napi_ok {
                return bool::from_napi_value(env, idle).map(Some);
            }
            // An exception that stays would be found, and mistaken, by whatever comes next.
            check_status!(sys::napi_get_and_clear_last_exception(env, &raw mut exception))?;
            if status == sys::Status::napi_pending_exception {
                sys::napi_fatal_exception(env, exception);
            }
        }
        Ok(None)
    }
}

/// What a callback of libuv finds at its handle.
struct State {
    connection: Connection,
    /// Not kept: it must not outlive its environment, as a handle may.
    receiver: Weak<Receiver>,
}

/// A `uv_poll_t` that watches a connection, which stays open at least as long.
struct Watch {
    uv: &'static Uv,
    handle: *mut c_void,
}

impl Watch {
    /// Nothing where the connection cannot be watched.
    fn new(connection: Connection, receiver: &Rc<Receiver>) -> Option<Self> {
        let uv = Uv::get()?;
        let socket = connection.descriptor()?;
        let event_loop = receiver.env.get_uv_event_loop().ok()?;
        let state = Box::new(State { connection, receiver: Rc::downgrade(receiver) });
        let layout = layout(uv);
        // SAFETY: the handle is as large as libuv asks, is initialised before any other use, and stays
        // where it is until `on_closed`.
        unsafe {
            let handle = alloc_zeroed(layout).cast::<c_void>();
            if handle.is_null() {
                handle_alloc_error(layout);
            }
            if (uv.poll_init)(event_loop, handle, socket) != 0 {
                dealloc(handle.cast(), layout);
                return None;
            }
            (uv.handle_set_data)(handle, Box::into_raw(state).cast());
            // An idle connection does not hold the process.
            (uv.unref)(handle);
            let watch = Self { uv, handle };
            watch.start().then_some(watch)
        }
    }

    /// Whether it watches, as it does not any more when the connection has ended.
    fn start(&self) -> bool {
        // SAFETY: the handle is initialised and not closed.
        unsafe { (self.uv.poll_start)(self.handle, UV_READABLE, on_readable) == 0 }
    }

    fn pause(&self) {
        if self.state().connection.read_elsewhere(false) {
            // SAFETY: as in `start`.
            unsafe { (self.uv.poll_stop)(self.handle) };
        }
    }

    fn state(&self) -> &State {
        // SAFETY: not dropped, so not closed.
        unsafe { state_of(self.uv, self.handle) }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.state().connection.read_elsewhere(false);
        // SAFETY: initialised, and not closed before. When an environment ends, Node finalizes the
        // instance, and so drops this, before it runs the loop for the last time.
        unsafe { (self.uv.close)(self.handle, on_closed) };
    }
}

fn layout(uv: &Uv) -> Layout {
    // SAFETY: any kind of handle can be asked for.
    let size = unsafe { (uv.handle_size)(UV_POLL) };
    Layout::from_size_align(size, align_of::<u128>()).expect("a handle is small")
}

/// # Safety
///
/// Only for a handle that [`Watch::new`] made and [`on_closed`] has not had, for no longer than that.
unsafe fn state_of<'a>(uv: &Uv, handle: *mut c_void) -> &'a State {
    // SAFETY: `new` has left a `State` there.
    unsafe { &*(uv.handle_get_data)(handle).cast::<State>() }
}

unsafe extern "C" fn on_readable(handle: *mut c_void, status: c_int, _events: c_int) {
    let Some(uv) = Uv::get() else { return };
    // SAFETY: libuv calls this for handles that are not closed, and frees none before it returns.
    let State { connection, receiver } = unsafe { state_of(uv, handle) };
    let Some(receiver) = receiver.upgrade() else { return };
    let mut here = false;
    // Nothing may unwind into libuv. After a panic, which is a bug, the I/O thread reads.
    let read = || catch_unwind(AssertUnwindSafe(|| connection.read())).unwrap_or(false);
    let answers = receiver.outbox.take_after(|| here = read());
    // With an error libuv has stopped to watch, even if there still was something to read.
    if !here || status != 0 {
        connection.read_elsewhere(false);
        // SAFETY: as above.
        unsafe { (uv.poll_stop)(handle) };
    }
    if let Some((text, more)) = answers {
        // `onRead` does not throw; if it did, Node would have the exception.
        receiver.receive(text, more).ok();
    }
}

unsafe extern "C" fn on_closed(handle: *mut c_void) {
    let Some(uv) = Uv::get() else { return };
    // SAFETY: the last use of a handle that `new` has made.
    unsafe {
        drop(Box::from_raw((uv.handle_get_data)(handle).cast::<State>()));
        dealloc(handle.cast(), layout(uv));
    }
}
