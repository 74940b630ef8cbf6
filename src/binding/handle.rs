//! Handles of libuv. All that is here belongs to the thread of their loop.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ffi::{c_int, c_void};
use std::marker::PhantomData;

use super::uv::Uv;

/// A handle that callbacks find a `T` at. It does not hold the process.
pub(super) struct Handle<T> {
    pub uv: &'static Uv,
    pub raw: *mut c_void,
    data: PhantomData<T>,
}

impl<T> Handle<T> {
    /// Nothing if libuv is not there, or `init` does not return 0.
    ///
    /// # Safety
    ///
    /// `init` must initialise what it is given, if it returns 0, as a handle of this kind.
    pub unsafe fn new(
        kind: c_int,
        data: T,
        init: impl FnOnce(&Uv, *mut c_void) -> c_int,
    ) -> Option<Self> {
        let uv = Uv::get()?;
        let layout = layout(uv, kind);
        // SAFETY: the handle is as large as libuv asks, is initialised before any other use, and stays
        // where it is until `on_closed`.
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
        // SAFETY: initialised, and not closed before. When an environment ends, Node finalizes the
        // instance, and so drops this, before it runs the loop for the last time.
        unsafe { (self.uv.close)(self.raw, on_closed::<T>) };
    }
}

fn layout(uv: &Uv, kind: c_int) -> Layout {
    // SAFETY: any kind of handle can be asked for.
    let size = unsafe { (uv.handle_size)(kind) };
    Layout::from_size_align(size, align_of::<u128>()).expect("a handle is small")
}

unsafe extern "C" fn on_closed<T>(raw: *mut c_void) {
    let Some(uv) = Uv::get() else { return };
    // SAFETY: the last use of a handle that `new` has made.
    unsafe {
        let layout = layout(uv, (uv.handle_get_type)(raw));
        drop(Box::from_raw((uv.handle_get_data)(raw).cast::<T>()));
        dealloc(raw.cast(), layout);
    }
}
