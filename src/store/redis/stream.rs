//! The kinds of connection, and how bytes pass through them from any thread.

use std::io;
use std::pin::{Pin, pin};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWrite};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio_rustls::client::TlsStream;

/// An open connection.
pub(super) enum Stream {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
    Tls(Box<Mutex<TlsStream<TcpStream>>>),
}

/// Tries until the socket is found not to be ready, which has the task woken when it is.
macro_rules! when_ready {
    ($cx:expr, $stream:expr, $ready:ident, $try:expr) => {
        loop {
            ready!($stream.$ready($cx))?;
            match $try {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
    };
}

impl Stream {
    /// Writes what the system takes at once, from any thread.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write(bytes),
            #[cfg(unix)]
            Self::Unix(stream) => stream.try_write(bytes),
            // It may have to read first, which is the I/O thread's.
            Self::Tls(_) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    pub fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => {
                when_ready!(cx, stream, poll_write_ready, stream.try_write(bytes))
            }
            #[cfg(unix)]
            Self::Unix(stream) => {
                when_ready!(cx, stream, poll_write_ready, stream.try_write(bytes))
            }
            Self::Tls(stream) => Pin::new(&mut *lock(stream)).poll_write(cx, bytes),
        }
    }

    /// Sends on what is written and still held back.
    pub fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tls(stream) => Pin::new(&mut *lock(stream)).poll_flush(cx),
            _ => Poll::Ready(Ok(())),
        }
    }

    /// Appends what can be read to a buffer; 0 at the end.
    pub fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => {
                when_ready!(cx, stream, poll_read_ready, stream.try_read_buf(buffer))
            }
            #[cfg(unix)]
            Self::Unix(stream) => {
                when_ready!(cx, stream, poll_read_ready, stream.try_read_buf(buffer))
            }
            Self::Tls(stream) => {
                let mut stream = lock(stream);
                let read = pin!(stream.read_buf(buffer));
                read.poll(cx)
            }
        }
    }
}

/// A panic inside TLS breaks the connection at its next use, which is answer enough.
fn lock(stream: &Mutex<TlsStream<TcpStream>>) -> MutexGuard<'_, TlsStream<TcpStream>> {
    stream.lock().unwrap_or_else(PoisonError::into_inner)
}
