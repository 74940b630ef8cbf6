//! One connection to one server: opens it (names, sockets, TLS, the handshake), writes commands and reads replies. It
//! knows Redis' protocol, and nothing about sessions, calls or other servers. A connection that ends stays ended:
//! `link/` opens the next one.

pub(crate) mod driver;
pub(crate) mod exhaustion;
pub(crate) mod handshake;
pub(crate) mod known_servers;
mod lookup;
pub mod nat_map;
pub(crate) mod open;
pub mod password;
pub(crate) mod pipe;
mod read_buffer;
pub(crate) mod redaction;
pub(crate) mod server_error;
pub mod settings;
mod stream;
pub mod tls;
mod watch;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// Polls a future once. Returns its output if it is ready.
pub(crate) async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}
