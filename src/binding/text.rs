//! Strings that cross between JavaScript and Rust, with as few copies as possible.

use std::ffi::{c_char, c_void};
use std::ptr::null_mut;
use std::sync::OnceLock;

use napi::bindgen_prelude::ToNapiValue;
use napi::{Error, JsString, JsValue as _, Result, Status, check_status, sys};

use super::symbols::find;
use crate::answers::GIVE_UP;

/// An ASCII text of this length or more is lent to JavaScript and not copied. Then it blocks the event loop for little
/// longer than its `JSON.parse` takes.
const LONG_TEXT_BYTES: usize = 256 * 1024;

/// A text for JavaScript.
#[derive(Default)]
pub struct Text(pub String);

impl ToNapiValue for Text {
    /// Makes the string. If that fails, JavaScript gets the text that rejects every pending call: nobody would catch an
    /// error that is thrown here, and the calls of the text would never settle.
    unsafe fn to_napi_value(env: sys::napi_env, Self(text): Self) -> Result<sys::napi_value> {
        let is_lent = text.len() >= LONG_TEXT_BYTES && text.is_ascii();
        let value = match create_external_string().filter(|_| is_lent) {
            Some(create) => lend(create, env, text),
            // SAFETY: the caller's.
            None => unsafe { String::to_napi_value(env, text) },
        };
        // SAFETY: the caller's.
        value.or_else(|_| unsafe { <&str>::to_napi_value(env, GIVE_UP) })
    }
}

/// `node_api_create_external_string_latin1`, of which Node-API has had a stable form since version 10.
type CreateExternalString = unsafe extern "C" fn(
    env: sys::napi_env,
    start: *const c_char,
    length: usize,
    drop: sys::napi_finalize,
    hint: *mut c_void,
    value: *mut sys::napi_value,
    copied: *mut bool,
) -> sys::napi_status;

fn create_external_string() -> Option<CreateExternalString> {
    static FOUND: OnceLock<Option<CreateExternalString>> = OnceLock::new();
    // SAFETY: its type, in Node 18.18 and later.
    *FOUND.get_or_init(|| unsafe { find(c"node_api_create_external_string_latin1") })
}

/// Makes a string of the text's own memory. V8 frees the memory when it collects the string.
fn lend(create: CreateExternalString, env: sys::napi_env, text: String) -> Result<sys::napi_value> {
    let (start, length) = (text.as_ptr().cast::<c_char>(), text.len());
    let owner = Box::into_raw(Box::new(text)).cast::<c_void>();
    let (mut value, mut copied) = (null_mut(), false);
    // SAFETY: ASCII is Latin-1, and the text does not change until `drop_text`. After an error, for which only a lack of
    // memory is a reason, Node-API does not say who owns the text, so it is leaked.
    check_status!(unsafe {
        create(env, start, length, Some(drop_text), owner, &raw mut value, &raw mut copied)
    })?;
    Ok(value)
}

unsafe extern "C" fn drop_text(_: sys::napi_env, _: *mut c_void, text: *mut c_void) {
    // SAFETY: `lend` has made it, and V8 calls this once.
    drop(unsafe { Box::from_raw(text.cast::<String>()) });
}

/// The bytes of a string of this many characters or more are counted before memory is reserved.
const COUNTED_BYTES: usize = 4 * 1024 * 1024;

/// Reads a JavaScript string, and another one as its last line, mostly in one pass each. napi-rs itself would count the
/// bytes of each string first, and zero the memory.
pub fn read(batch: &JsString<'_>, line: Option<&JsString<'_>>) -> Result<String> {
    let mut bytes = Vec::new();
    append(&mut bytes, batch)?;
    if let Some(line) = line {
        append(&mut bytes, line)?;
        bytes.push(b'\n');
    }
    String::from_utf8(bytes).map_err(|_| Error::from_status(Status::StringExpected))
}

fn append(bytes: &mut Vec<u8>, text: &JsString<'_>) -> Result<()> {
    let (env, text) = (text.value().env, text.value().value);
    let begin = bytes.len();
    let mut length = 0;
    // SAFETY: `text` is a string of `env`. Node-API writes it, and a zero after it, to memory that is reserved here, and so
    // initialises it.
    unsafe {
        // The length in UTF-16, which V8 knows. A unit is at most three bytes of UTF-8.
        check_status!(sys::napi_get_value_string_utf16(env, text, null_mut(), 0, &raw mut length))?;
        if length < COUNTED_BYTES {
            length *= 3;
        } else {
            check_status!(sys::napi_get_value_string_utf8(
                env,
                text,
                null_mut(),
                0,
                &raw mut length
            ))?;
        }
        let room = length + 1;
        // One byte more, for the line break.
        bytes
            .try_reserve_exact(room + 1)
            .map_err(|_| Error::from_reason("not enough memory for a string"))?;
        let place = bytes.as_mut_ptr().add(begin).cast::<c_char>();
        check_status!(sys::napi_get_value_string_utf8(env, text, place, room, &raw mut length))?;
        bytes.set_len(begin + length);
    }
    Ok(())
}
