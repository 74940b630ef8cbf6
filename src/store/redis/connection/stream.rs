//! The kinds of connection, and how bytes are read and written.
//!
//! A socket without TLS is used directly, from any thread. The runtime watches it, by the same descriptor
//! (`watch.rs`), only while one of its tasks waits for it. Only the runtime uses a TLS stream.

use std::io::{self, Write as _};
use std::net::Shutdown;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWrite, Interest};
use tokio_rustls::client::TlsStream;

use super::read_buffer::ReadBuffer;
use super::watch::Watch;

/// An open connection.
pub(crate) enum Stream {
    Clear(Arc<Socket>),
    Tls(Box<Mutex<TlsStream<tokio::net::TcpStream>>>),
}

/// A socket that any thread may use.
pub(crate) enum Socket {
    Tcp(std::net::TcpStream),
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixStream),
}

/// Does the same with either kind of socket.
macro_rules! either {
    ($socket:expr, $name:ident => $use:expr) => {
        match $socket {
            Socket::Tcp($name) => $use,
            #[cfg(unix)]
            Socket::Unix($name) => $use,
        }
    };
}

impl Stream {
    /// The socket, if it is used without TLS.
    pub fn socket(&self) -> Option<&Socket> {
        match self {
            Self::Clear(socket) => Some(socket),
            Self::Tls(_) => None,
        }
    }

    /// Ends the connection. `has_unanswered`: there are calls that will be sent again elsewhere. What is still unsent
    /// of them is discarded, so that they do not act again later, as far as this side can prevent it.
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
            // It ends when its last owner drops it.
            Self::Tls(_) => {}
        }
    }

    /// Writes what the system takes. If that is nothing, `watch` begins to wait for the socket.
    pub fn poll_write(
        &self,
        watch: &mut Watch,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Clear(socket) => match socket.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    watch.poll_io(socket, Interest::WRITABLE, cx, || socket.write(bytes))
                }
                done => Poll::Ready(done),
            },
            Self::Tls(stream) => Pin::new(&mut *lock(stream)).poll_write(cx, bytes),
        }
    }

    /// Sends bytes that were written and are still buffered.
    pub fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Clear(_) => Poll::Ready(Ok(())),
            Self::Tls(stream) => Pin::new(&mut *lock(stream)).poll_flush(cx),
        }
    }

    /// Reads what has arrived. Returns 0 at the end. Waits by `watch`.
    pub fn poll_read(
        &self,
        watch: &mut Watch,
        cx: &mut Context<'_>,
        incoming: &mut ReadBuffer,
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Clear(socket) => {
                watch.poll_io(socket, Interest::READABLE, cx, || incoming.read(&**socket))
            }
            Self::Tls(stream) => {
                let mut stream = lock(stream);
                let read = pin!(stream.read_buf(incoming.room()));
                read.poll(cx)
            }
        }
    }

    /// Reads what has arrived, whether or not the runtime knows of it. Returns 0 at the end. `Interrupted`: read again.
    pub fn read_now(&self, incoming: &mut ReadBuffer) -> io::Result<usize> {
        let stream = match self {
            Self::Clear(socket) => return incoming.read(&**socket),
            Self::Tls(stream) => stream,
        };
        let mut stream = lock(stream);
        let (socket, session) = stream.get_mut();
        let wants = session.wants_read();
        let came = if wants { session.read_tls(&mut &*SockRef::from(&*socket)) } else { Ok(0) };
        let processed = session.process_new_packets();
        match incoming.read(session.reader()) {
            // What came before an alert is a reply. The next call returns the alert.
            Ok(read @ 1..) => return Ok(read),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        processed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        match came? {
            0 => Ok(0),
            // This was not the end of a record, or the record holds no reply.
            _ => Err(io::ErrorKind::Interrupted.into()),
        }
    }
}

impl Socket {
    /// Takes a socket out of the runtime.
    pub fn tcp(stream: tokio::net::TcpStream) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self::Tcp(stream.into_std()?)))
    }

    /// Takes a socket out of the runtime.
    #[cfg(unix)]
    pub fn unix(stream: tokio::net::UnixStream) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self::Unix(stream.into_std()?)))
    }

    /// Writes what the system takes at once.
    pub fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        either!(self, socket => (&*socket).write(bytes))
    }

    /// Ends the connection, for all other owners of the socket too.
    fn shut_down(&self) {
        // It may have ended already.
        either!(self, socket => socket.shutdown(Shutdown::Both)).ok();
    }

    /// Discards bytes that were written and not sent yet when the socket is closed.
    fn forget_unsent(&self) {
        either!(self, socket => forget_unsent(&SockRef::from(socket)));
    }
}

/// Reads what has arrived. Returns 0 at the end.
impl io::Read for &Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        either!(self, socket => (&*socket).read(buffer))
    }
}

#[cfg(unix)]
impl std::os::fd::AsRawFd for Socket {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        either!(self, socket => socket.as_raw_fd())
    }
}

/// A panic inside TLS breaks the connection at its next use, so a poisoned lock needs no other handling.
fn lock(
    stream: &Mutex<TlsStream<tokio::net::TcpStream>>,
) -> MutexGuard<'_, TlsStream<tokio::net::TcpStream>> {
    stream.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Discards bytes that the system has not sent yet when the last owner closes the socket. A linger time of zero
/// resets the connection (RFC 9293, section 3.10.5, ABORT).
fn forget_unsent(socket: &SockRef<'_>) {
    socket.set_linger(Some(Duration::ZERO)).ok();
}
