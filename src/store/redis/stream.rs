//! The kinds of connection, and how bytes pass through them.
//!
//! A socket in clear is used directly, from any thread; the runtime knows of it, by a descriptor of
//! its own, only while one of its tasks waits for it. TLS is the runtime's alone.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::pin::{Pin, pin};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWrite};
use tokio_rustls::client::TlsStream;

/// An open connection.
pub(super) enum Stream {
    Clear(Socket),
    Tls(Box<Mutex<TlsStream<tokio::net::TcpStream>>>),
}

/// A socket for which nobody waits.
pub(super) enum Socket {
    Tcp(std::net::TcpStream),
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixStream),
}

/// A socket that wakes the task that polls it.
pub(super) enum Watched {
    Tcp(tokio::net::TcpStream),
    #[cfg(unix)]
    Unix(tokio::net::UnixStream),
}

/// Does the same with either kind of socket.
macro_rules! either {
    ($kind:ident, $socket:expr, $name:ident => $use:expr) => {
        match $socket {
            $kind::Tcp($name) => $use,
            #[cfg(unix)]
            $kind::Unix($name) => $use,
        }
    };
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
    /// The socket, if its bytes are those of the protocol.
    pub fn socket(&self) -> Option<&Socket> {
        match self {
            Self::Clear(socket) => Some(socket),
            Self::Tls(_) => None,
        }
    }

    /// Ends the connection. `has_unanswered`: there are calls that will be sent again elsewhere, and
    /// must not act again after that, as far as this side can see to it.
    pub fn end(&self, has_unanswered: bool) {
        match self {
            Self::Clear(socket) => {
                if has_unanswered {
                    socket.forget_unsent();
                }
                socket.shut_down();
            }
            Self::Tls(stream) if has_unanswered => {
                forget_unsent(&SockRef::from(lock(stream).get_ref().0));
            }
            // It ends when the last who holds it drops it.
            Self::Tls(_) => {}
        }
    }

    /// Writes what the system takes. `watched` is begun when that is nothing.
    pub fn poll_write(
        &self,
        watched: &mut Option<Watched>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Clear(socket) => match socket.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    either!(Watched, socket.watch(watched)?, s => when_ready!(cx, s, poll_write_ready, s.try_write(bytes)))
                }
                done => Poll::Ready(done),
            },
            Self::Tls(stream) => Pin::new(&mut *lock(stream)).poll_write(cx, bytes),
        }
    }

    /// Sends on what is written and still held back.
    pub fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Clear(_) => Poll::Ready(Ok(())),
            Self::Tls(stream) => Pin::new(&mut *lock(stream)).poll_flush(cx),
        }
    }

    /// Appends what can be read to a buffer; 0 at the end. Begins `watched`.
    pub fn poll_read(
        &self,
        watched: &mut Option<Watched>,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Clear(socket) => {
                either!(Watched, socket.watch(watched)?, s => when_ready!(cx, s, poll_read_ready, s.try_read_buf(buffer)))
            }
            Self::Tls(stream) => {
                let mut stream = lock(stream);
                let read = pin!(stream.read_buf(buffer));
                read.poll(cx)
            }
        }
    }
}

impl Socket {
    /// Takes a socket out of the runtime.
    pub fn tcp(stream: tokio::net::TcpStream) -> io::Result<Self> {
        stream.into_std().map(Self::Tcp)
    }

    /// Takes a socket out of the runtime.
    #[cfg(unix)]
    pub fn unix(stream: tokio::net::UnixStream) -> io::Result<Self> {
        stream.into_std().map(Self::Unix)
    }

    /// Writes what the system takes at once.
    pub fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        either!(Self, self, socket => (&*socket).write(bytes))
    }

    /// Reads what has come; 0 at the end.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        either!(Self, self, socket => (&*socket).read(buffer))
    }

    /// Ends the connection, for whoever else still holds it too.
    fn shut_down(&self) {
        // It may have ended already.
        either!(Self, self, socket => socket.shutdown(Shutdown::Both)).ok();
    }

    /// Has what was written and is still on its way forgotten when the socket is closed.
    fn forget_unsent(&self) {
        either!(Self, self, socket => forget_unsent(&SockRef::from(socket)));
    }

    #[cfg(unix)]
    pub fn descriptor(&self) -> std::os::fd::RawFd {
        use std::os::fd::AsRawFd as _;
        either!(Self, self, socket => socket.as_raw_fd())
    }

    /// Has the runtime watch the socket, unless it does.
    fn watch<'w>(&self, watched: &'w mut Option<Watched>) -> io::Result<&'w mut Watched> {
        if watched.is_none() {
            *watched = Some(match self {
                Self::Tcp(socket) => {
                    Watched::Tcp(tokio::net::TcpStream::from_std(socket.try_clone()?)?)
                }
                #[cfg(unix)]
                Self::Unix(socket) => {
                    Watched::Unix(tokio::net::UnixStream::from_std(socket.try_clone()?)?)
                }
            });
        }
        watched.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

/// A panic inside TLS breaks the connection at its next use, which is answer enough.
fn lock(
    stream: &Mutex<TlsStream<tokio::net::TcpStream>>,
) -> MutexGuard<'_, TlsStream<tokio::net::TcpStream>> {
    stream.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has what the system has yet to send thrown away when the last holder closes the socket: to linger
/// for no time is to reset (RFC 9293, section 3.10.5, ABORT).
fn forget_unsent(socket: &SockRef<'_>) {
    socket.set_linger(Some(Duration::ZERO)).ok();
}
