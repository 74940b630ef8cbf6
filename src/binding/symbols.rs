//! Functions that Node exports, and that other runtimes may not export. They are found at run time, because the addon
//! could not be loaded if one were missing.

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
