//! Polls for a moment before the event loop sleeps, while an answer is expected.
//!
//! A server on the same machine answers sooner than the system wakes a sleeping thread. To put a thread to sleep and to
//! wake it takes as much processor time as to poll meanwhile. So the loop's own descriptor is polled for a short time
//! before the loop sleeps. Any event, from the server or from elsewhere, ends the poll at once. If polls find nothing,
//! they become rare.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::rc::Rc;
use std::sync::OnceLock;
use std::thread::available_parallelism;
#[cfg(target_os = "linux")]
use std::time::{Duration, Instant};

use napi::Env;
use napi::sys::uv_loop_s;

use super::handle::Handle;
use super::uv::{UV_PREPARE, Uv};

/// The longest poll. A sleep and a wake-up take about as long, and a server on the same machine answers in half of this.
#[cfg(target_os = "linux")]
const MAX_POLL_TIME: Duration = Duration::from_micros(50);

/// After this many polls in a row that found nothing, only one of `2^MAX_POLLS_IN_VAIN` sleeps has a poll before it.
const MAX_POLLS_IN_VAIN: u32 = 10;

/// Polls before the event loop sleeps, while calls are pending, until it is dropped.
pub(super) struct BusyPoll {
    _prepare: Option<Handle<State>>,
}

struct State {
    event_loop: *mut uv_loop_s,
    /// Whether an answer is expected.
    expects: Rc<Cell<bool>>,
}

thread_local! {
    /// How many polls in a row found nothing, for all instances on this thread's loop, and how many sleeps to skip.
    static VAIN: Cell<(u32, u32)> = const { Cell::new((0, 0)) };
}

impl BusyPoll {
    /// Begins to poll while `expects` is true. It does nothing on a machine with one processor, because the server may
    /// need that.
    pub fn new(env: Env, expects: &Rc<Cell<bool>>) -> Self {
        let event_loop = env.get_uv_event_loop().ok().filter(|_| may_pay());
        let prepare = event_loop.and_then(|event_loop| {
            let expects = Rc::clone(expects);
            let state = State { event_loop, expects };
            // SAFETY: `uv_prepare_init` initialises it, on the thread of the loop.
            let handle = unsafe {
                Handle::new(UV_PREPARE, state, |uv, raw| (uv.prepare_init)(event_loop, raw))
            };
            handle.inspect(|handle| {
                // SAFETY: the handle is initialised and not closed. It cannot fail.
                unsafe { (handle.uv.prepare_start)(handle.raw, on_prepare) };
            })
        });
        Self { _prepare: prepare }
    }
}

impl State {
    fn before_sleep(&self, uv: &Uv) {
        // SAFETY: the loop lives as long as its handles.
        let (timeout, descriptor) =
            unsafe { ((uv.backend_timeout)(self.event_loop), (uv.backend_fd)(self.event_loop)) };
        if timeout == 0 {
            return; // it has work to do
        }
        VAIN.set(match VAIN.get() {
            (vain, skips @ 1..) => (vain, skips - 1),
            (_, 0) if comes_soon(descriptor) => (0, 0),
            (vain, 0) => {
                let vain = MAX_POLLS_IN_VAIN.min(vain + 1);
                (vain, 1 << vain)
            }
        });
    }
}

/// Whether this thread has another processor beside it.
fn may_pay() -> bool {
    static MAY: OnceLock<bool> = OnceLock::new();
    let has_others = || available_parallelism().is_ok_and(|count| count.get() > 1);
    *MAY.get_or_init(|| cfg!(target_os = "linux") && has_others())
}

/// Polls. Returns whether an event came in time.
#[cfg(target_os = "linux")]
fn comes_soon(descriptor: c_int) -> bool {
    let begin = Instant::now();
    loop {
        let mut asked = libc::pollfd { fd: descriptor, events: libc::POLLIN, revents: 0 };
        // SAFETY: one structure, which is there.
        if unsafe { libc::poll(&raw mut asked, 1, 0) } != 0 {
            return true; // an error is the loop's to find
        }
        if begin.elapsed() > MAX_POLL_TIME {
            return false;
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn comes_soon(_descriptor: c_int) -> bool {
    true
}

unsafe extern "C" fn on_prepare(raw: *mut c_void) {
    let Some(uv) = Uv::get() else { return };
    // SAFETY: libuv calls this for handles that are not closed, and frees none before it returns.
    unsafe {
        Handle::<State>::with_data_of(uv, raw, |state| {
            if state.expects.get() {
                state.before_sleep(uv);
            }
        });
    }
}
