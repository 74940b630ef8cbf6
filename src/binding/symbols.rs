//! Functions that Node exports and other runtimes that load addons may not: found at run time, as one
//! that was missing would keep the addon from loading.

use std::ffi::CStr;

/// The function of that name, if this process has one.
///
/// # Safety
///
/// `F` must be its type.
#[cfg(unix)]
pub(super) unsafe fn find<F: Copy>(name: &CStr) -> Option<F> {
    // SAFETY: the caller's.
    unsafe { libloading::os::unix::Library::this().get::<F>(name) }.ok().map(|symbol| *symbol)
}

/// None: what is asked for here is used on Unix only.
#[cfg(not(unix))]
pub(super) unsafe fn find<F: Copy>(_name: &CStr) -> Option<F> {
    None
}
