//! Lets the runtime wake the task that waits for a socket.
//!
//! It opens no descriptor, so a connection keeps working when the process has no free descriptors.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::Interest;
use tokio::time::{Instant, Sleep, sleep};

use super::stream::Socket;

/// The pause between attempts on a socket that the system does not watch, for example because all of
/// `fs.epoll.max_user_watches` are taken. The connection works, so it is slow and is not ended.
const RETRY_PAUSE: Duration = Duration::from_millis(10);

/// A socket's registration, from its first use until this is dropped. A socket has one at a time, because the system
/// refuses a second one of the same descriptor.
#[derive(Default)]
pub(crate) struct Watch {
    registered: Option<Registered>,
    /// The time of the next attempt, if the socket could not be registered.
    again: Option<Pin<Box<Sleep>>>,
}

#[cfg(unix)]
type Registered = tokio::io::unix::AsyncFd<Arc<Socket>>;

#[cfg(unix)]
#[expect(
    deprecated,
    reason = "what replaces it is unsafe, as a type may change its descriptor; this one does not"
)]
fn register(socket: &Arc<Socket>) -> io::Result<Registered> {
    Registered::new(Arc::clone(socket))
}

/// A second handle of the socket. It is made with the connection and kept, because only the I/O thread reads here.
#[cfg(not(unix))]
type Registered = tokio::net::TcpStream;

#[cfg(not(unix))]
fn register(socket: &Arc<Socket>) -> io::Result<Registered> {
    let Socket::Tcp(socket) = &**socket;
    Registered::from_std(socket.try_clone()?)
}

impl Watch {
    /// Makes an attempt whenever the socket may be ready for it, until the attempt no longer reports that it would
    /// block.
    pub fn poll_io<T>(
        &mut self,
        socket: &Arc<Socket>,
        interest: Interest,
        cx: &mut Context<'_>,
        mut attempt: impl FnMut() -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        if self.registered.is_none() {
            self.registered = register(socket).ok();
        }
        let Some(registered) = &self.registered else { return self.poll_blindly(cx, attempt) };
        loop {
            if interest.is_readable() {
                ready!(registered.poll_read_ready(cx)).map(drop)?;
            } else {
                ready!(registered.poll_write_ready(cx)).map(drop)?;
            }
            #[cfg(unix)]
            let done = registered.try_io(interest, |_| attempt());
            #[cfg(not(unix))]
            let done = registered.try_io(interest, &mut attempt);
            if !would_block(&done) {
                return Poll::Ready(done);
            }
        }
    }

    /// Makes an attempt now, and wakes the task for the next one after a pause.
    fn poll_blindly<T>(
        &mut self,
        cx: &mut Context<'_>,
        attempt: impl FnOnce() -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        let done = attempt();
        if !would_block(&done) {
            return Poll::Ready(done);
        }
        let again = self.again.get_or_insert_with(|| Box::pin(sleep(RETRY_PAUSE)));
        while again.as_mut().poll(cx).is_ready() {
            again.as_mut().reset(Instant::now() + RETRY_PAUSE);
        }
        Poll::Pending
    }
}

fn would_block<T>(done: &io::Result<T>) -> bool {
    done.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

#[cfg(all(test, unix))]
mod tests {
    use std::future::poll_fn;
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;

    use super::*;

    fn pair() -> (Arc<Socket>, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        (Arc::new(Socket::Unix(ours)), theirs)
    }

    async fn read(watch: &mut Watch, socket: &Arc<Socket>) -> Vec<u8> {
        let mut buffer = [0; 16];
        let attempt = |cx: &mut Context<'_>| {
            watch.poll_io(socket, Interest::READABLE, cx, || (&**socket).read(&mut buffer))
        };
        let length = poll_fn(attempt).await.unwrap();
        buffer[..length].to_vec()
    }

    #[tokio::test]
    async fn a_socket_is_watched_again_and_again_by_the_same_descriptor() {
        let (socket, mut server) = pair();
        for round in 0..3_u8 {
            let mut watch = Watch::default();
            server.write_all(&[round]).unwrap();
            assert_eq!(read(&mut watch, &socket).await, [round]);
            assert!(watch.registered.is_some());
        }
    }

    #[tokio::test]
    async fn a_socket_that_the_system_does_not_watch_is_read_all_the_same() {
        let (socket, mut server) = pair();
        // The system refuses to watch one descriptor twice.
        let other = register(&socket).unwrap();
        let mut watch = Watch::default();
        let late = tokio::task::spawn_blocking({
            let mut server = server.try_clone().unwrap();
            move || server.write_all(b"late")
        });
        assert_eq!(read(&mut watch, &socket).await, b"late");
        assert!(watch.registered.is_none());
        late.await.unwrap().unwrap();
        drop(other);
        server.write_all(b"soon").unwrap();
        assert_eq!(read(&mut watch, &socket).await, b"soon");
        assert!(watch.registered.is_some());
    }
}
