//! Says which limit of this machine was reached when a connection cannot be opened, and what to do about it.

use std::io;

/// Windows Sockets' `WSAEMFILE`. No other system uses this number.
const TOO_MANY_SOCKETS: i32 = 10_024;

/// The resource that the system ran out of, if that is why no connection could be opened.
pub(crate) fn lack(error: &io::Error) -> Option<&'static str> {
    match error.raw_os_error()? {
        24 | TOO_MANY_SOCKETS => {
            Some("too many open files (raise the limit of this process: ulimit -n)")
        }
        23 if cfg!(unix) => {
            Some("too many open files in the whole system (raise its limit: fs.file-max)")
        }
        28 if cfg!(unix) => {
            Some("too many sockets are watched (raise the limit: fs.epoll.max_user_watches)")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ran_out_is_told_with_what_to_do() {
        for (code, words) in [
            (24, Some("ulimit -n")),
            (TOO_MANY_SOCKETS, Some("ulimit -n")),
            (23, Some("fs.file-max")),
            (28, Some("fs.epoll.max_user_watches")),
            (111, None),
        ] {
            let lack = lack(&io::Error::from_raw_os_error(code));
            assert_eq!(lack.is_some(), words.is_some(), "{code}");
            assert!(lack.unwrap_or_default().contains(words.unwrap_or_default()), "{code}");
        }
        assert_eq!(lack(&io::Error::other("a name that is not known")), None);
    }
}
