//! Handles of libuv. Only the thread of their loop uses this file.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ffi::{c_int, c_void};
use std::marker::PhantomData;

use super::uv::Uv;

/// A handle with a `T` for its callbacks. It does not keep the process alive.
pub(super) struct Handle<T> {
    pub uv: &'static Uv,
    pub raw: *mut c_void,
    data: PhantomData<T>,
}

impl<T> Handle<T> {
    /// Makes a handle. `None` without libuv, or if `init` does not return 0.
    ///
    /// # Safety
    ///
    /// If `init` returns 0, it must have initialised the memory that it is given as a handle of this kind.
    pub unsafe fn new(
        kind: c_int,
        data: T,
        init: impl FnOnce(&Uv, *mut c_void) -> c_int,
    ) -> Option<Self> {
        let uv = Uv::get()?;
        let layout = layout(uv, kind);
        // SAFETY: the memory is as large as libuv asks, is initialised before any other use, and stays where it is until
        // `on_closed`.
        unsafe {
            let raw = alloc_zeroed(layout).cast::<c_void>();
            if raw.is_null() {
                handle_alloc_error(layout);
            }
            if init(uv, raw) != 0 {
                dealloc(raw.cast(), layout);
                return None;
            }
            (uv.handle_set_data)(raw, Box::into_raw(Box::new(data)).cast());
            (uv.unref)(raw);
            Some(Self { uv, raw, data: PhantomData })
        }
    }

    pub fn data(&self) -> &T {
        // SAFETY: `new` has left a `T` there. It stays until the handle is dropped, and longer.
        unsafe { &*(self.uv.handle_get_data)(self.raw).cast::<T>() }
    }

    /// Calls `act` with the data of a handle that libuv has called back for. The borrow ends with `act`.
    ///
    /// # Safety
    ///
    /// [`Self::new`] must have made the handle, and it must not be closed. `act` may drop it: libuv frees nothing before
    /// the callback has returned.
    pub unsafe fn with_data_of<R>(uv: &Uv, raw: *mut c_void, act: impl FnOnce(&T) -> R) -> R {
        // SAFETY: `new` has left a `T` there, and `on_closed` runs in a later callback.
        act(unsafe { &*(uv.handle_get_data)(raw).cast::<T>() })
    }
}

impl<T> Drop for Handle<T> {
    fn drop(&mut self) {
        // SAFETY: it is initialised, and was not closed before. When an environment ends, Node finalizes the instance,
        // which drops this, before it runs the loop for the last time.
        unsafe { (self.uv.close)(self.raw, on_closed::<T>) };
    }
}

fn layout(uv: &Uv, kind: c_int) -> Layout {
    // SAFETY: it takes any kind of handle.
    let size = unsafe { (uv.handle_size)(kind) };
    Layout::from_size_align(size, align_of::<u128>()).expect("a handle is small")
}

unsafe extern "C" fn on_closed<T>(raw: *mut c_void) {
    let Some(uv) = Uv::get() else { return };
    // SAFETY: `new` has made the handle, and nothing uses it after this.
    unsafe {
        let layout = layout(uv, (uv.handle_get_type)(raw));
        drop(Box::from_raw((uv.handle_get_data)(raw).cast::<T>()));
        dealloc(raw.cast(), layout);
    }
}
