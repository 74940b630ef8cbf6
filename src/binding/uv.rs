//! The functions of libuv that are called here: <https://docs.libuv.org/en/v1.x/api.html>.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::OnceLock;

use napi::Env;
use napi::bindgen_prelude::{JsObjectValue as _, Object};
use napi::sys::uv_loop_s;

use super::symbols::find;

/// `UV_POLL` of `uv_handle_type`.
pub(super) const UV_POLL: c_int = 8;

/// `UV_PREPARE` of `uv_handle_type`.
pub(super) const UV_PREPARE: c_int = 9;

/// `UV_READABLE` of `uv_poll_event`; the end of a connection can be read as well.
pub(super) const UV_READABLE: c_int = 1;

pub(super) type OnClosed = unsafe extern "C" fn(handle: *mut c_void);
pub(super) type OnPrepare = unsafe extern "C" fn(handle: *mut c_void);
pub(super) type OnEvents = unsafe extern "C" fn(handle: *mut c_void, status: c_int, events: c_int);

static UV: OnceLock<Option<Uv>> = OnceLock::new();

/// Functions of libuv, by their names there without `uv_`.
pub(super) struct Uv {
    pub handle_size: unsafe extern "C" fn(kind: c_int) -> usize,
    pub handle_get_type: unsafe extern "C" fn(handle: *const c_void) -> c_int,
    pub handle_get_data: unsafe extern "C" fn(handle: *const c_void) -> *mut c_void,
    pub handle_set_data: unsafe extern "C" fn(handle: *mut c_void, data: *mut c_void),
    pub poll_init:
        unsafe extern "C" fn(on: *mut uv_loop_s, handle: *mut c_void, fd: c_int) -> c_int,
    pub poll_start: unsafe extern "C" fn(handle: *mut c_void, events: c_int, OnEvents) -> c_int,
    pub poll_stop: unsafe extern "C" fn(handle: *mut c_void) -> c_int,
    pub prepare_init: unsafe extern "C" fn(on: *mut uv_loop_s, handle: *mut c_void) -> c_int,
    pub prepare_start: unsafe extern "C" fn(handle: *mut c_void, OnPrepare) -> c_int,
    pub backend_fd: unsafe extern "C" fn(event_loop: *const uv_loop_s) -> c_int,
    pub backend_timeout: unsafe extern "C" fn(event_loop: *const uv_loop_s) -> c_int,
    pub unref: unsafe extern "C" fn(handle: *mut c_void),
    pub close: unsafe extern "C" fn(handle: *mut c_void, OnClosed),
}

impl Uv {
    /// Finds the functions in the libuv that this runtime runs on. The first call decides for the whole process. It must
    /// come before [`Self::get`].
    pub fn load(env: Env) {
        UV.get_or_init(|| is_nodes_own(env)?.then(Self::find)?);
    }

    /// What [`Self::load`] has found: nothing on a runtime other than Node.
    pub fn get() -> Option<&'static Self> {
        UV.get()?.as_ref()
    }

    fn find() -> Option<Self> {
        // SAFETY: the types above are those of libuv 1.x, which keeps them.
        unsafe {
            Some(Self {
                handle_size: find(c"uv_handle_size")?,
                handle_get_type: find(c"uv_handle_get_type")?,
                handle_get_data: find(c"uv_handle_get_data")?,
                handle_set_data: find(c"uv_handle_set_data")?,
                poll_init: find(c"uv_poll_init")?,
                poll_start: find(c"uv_poll_start")?,
                poll_stop: find(c"uv_poll_stop")?,
                prepare_init: find(c"uv_prepare_init")?,
                prepare_start: find(c"uv_prepare_start")?,
                backend_fd: find(c"uv_backend_fd")?,
                backend_timeout: find(c"uv_backend_timeout")?,
                unref: find(c"uv_unref")?,
                close: find(c"uv_close")?,
            })
        }
    }
}

/// Whether the functions that this process exports are those of the libuv that Node names in `process.versions`. Bun
/// exports functions of the same names, and most of them end the process.
fn is_nodes_own(env: Env) -> Option<bool> {
    let process: Object<'_> = env.get_global().ok()?.get_named_property("process").ok()?;
    let versions: Object<'_> = process.get_named_property("versions").ok()?;
    if versions.has_named_property("bun").ok()? {
        return Some(false);
    }
    let named: String = versions.get_named_property("uv").ok()?;
    // SAFETY: its type in libuv 1.x. It returns a text that is never freed.
    let own = unsafe {
        let version: unsafe extern "C" fn() -> *const c_char = find(c"uv_version_string")?;
        CStr::from_ptr(version())
    };
    Some(own.to_bytes() == named.as_bytes())
}
