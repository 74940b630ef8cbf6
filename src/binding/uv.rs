//! What is called of libuv (<https://docs.libuv.org/en/v1.x/poll.html>), found where Node exports it:
//! another runtime may load this addon and have none of it.

use std::ffi::{c_int, c_void};
use std::sync::OnceLock;

use napi::sys::uv_loop_s;

/// `UV_POLL` of `uv_handle_type`.
pub(super) const UV_POLL: c_int = 8;

/// `UV_READABLE` of `uv_poll_event`; the end of a connection can be read as well.
pub(super) const UV_READABLE: c_int = 1;

pub(super) type OnClosed = unsafe extern "C" fn(handle: *mut c_void);
pub(super) type OnEvents = unsafe extern "C" fn(handle: *mut c_void, status: c_int, events: c_int);

/// Functions of libuv, by their names there without `uv_`.
pub(super) struct Uv {
    pub handle_size: unsafe extern "C" fn(kind: c_int) -> usize,
    pub handle_get_data: unsafe extern "C" fn(handle: *const c_void) -> *mut c_void,
    pub handle_set_data: unsafe extern "C" fn(handle: *mut c_void, data: *mut c_void),
    pub poll_init:
        unsafe extern "C" fn(on: *mut uv_loop_s, handle: *mut c_void, fd: c_int) -> c_int,
    pub poll_start: unsafe extern "C" fn(handle: *mut c_void, events: c_int, OnEvents) -> c_int,
    pub poll_stop: unsafe extern "C" fn(handle: *mut c_void) -> c_int,
    pub unref: unsafe extern "C" fn(handle: *mut c_void),
    pub close: unsafe extern "C" fn(handle: *mut c_void, OnClosed),
}

impl Uv {
    /// The process' libuv, if it has one that can watch what we have: sockets that are descriptors.
    pub fn get() -> Option<&'static Self> {
        static UV: OnceLock<Option<Uv>> = OnceLock::new();
        UV.get_or_init(Self::find).as_ref()
    }

    #[cfg(unix)]
    fn find() -> Option<Self> {
        let process = libloading::os::unix::Library::this();
        /// The function of that name, which has the type of the field.
        macro_rules! function {
            ($name:literal) => {
                // SAFETY: the types above are those of libuv 1.x, which keeps them.
                *unsafe { process.get($name) }.ok()?
            };
        }
        Some(Self {
            handle_size: function!(c"uv_handle_size"),
            handle_get_data: function!(c"uv_handle_get_data"),
            handle_set_data: function!(c"uv_handle_set_data"),
            poll_init: function!(c"uv_poll_init"),
            poll_start: function!(c"uv_poll_start"),
            poll_stop: function!(c"uv_poll_stop"),
            unref: function!(c"uv_unref"),
            close: function!(c"uv_close"),
        })
    }

    #[cfg(not(unix))]
    fn find() -> Option<Self> {
        None
    }
}
