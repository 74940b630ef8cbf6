//! The runtime's part of a connection: a future that reads replies and writes requests.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use bytes::Buf as _;

use super::pipe::{LONG_REQUESTS_BYTES, Shared};
use super::read_buffer::let_go;
use super::tls::explain;
use super::watch::Watch;
use crate::protocol::is_strange;

/// How a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The peer closed it, or it broke. `answered`: after the beginning of a reply.
    Closed { answered: bool },
    /// The peer sent this error, and closed it.
    Said(String),
    /// The peer sent bytes that are not a reply. These are the first of them.
    Strange(Vec<u8>),
    /// TLS failed. The text is our explanation.
    Failed(String),
}

/// How many bytes are kept of what is not a reply.
const MAX_STRANGE_BYTES: usize = 16;

/// Why nothing can be written any more.
enum Written {
    /// A thread that reads has found the end of the connection.
    Ended,
    /// A write has failed. What has arrived is not read yet.
    Failed,
}

/// How often a connection is read whose other direction has failed. It has ended, so at most a receive buffer is full, of
/// which TLS reads 4 KiB at a time.
const MAX_LAST_READS: usize = 4096;

/// Reads replies, unless another thread does, and writes requests that could not be written at once. It must be
/// polled for that, and is ready when the connection has ended.
pub(crate) struct Driver {
    shared: Arc<Shared>,
    watch: Watch,
}

impl Driver {
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared, watch: Watch::default() }
    }
}

impl Future for Driver {
    type Output = Ending;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ending> {
        let driver = self.get_mut();
        // Both directions at each poll: if both peers only wrote, neither would make progress.
        let written = driver.poll_write(cx);
        let mut ended = written.is_ready();
        let mut failure = None;
        if let Poll::Ready(Written::Failed) = written {
            failure = driver.read_rest().and_then(|error| explain(&error));
        // After the waker is registered. Otherwise a change of the flag would not wake the driver.
        } else if driver.shared.read_elsewhere.load(Ordering::Acquire) {
            if driver.shared.outgoing().unsent.is_empty() {
                driver.watch = Watch::default();
            }
        } else if let Poll::Ready(error) = driver.poll_read(cx) {
            ended = true;
            failure = error.and_then(|error| explain(&error));
        }
        if !ended {
            return Poll::Pending;
        }
        driver.shared.broke.store(true, Ordering::Relaxed);
        Poll::Ready(driver.ending(failure))
    }
}

impl Drop for Driver {
    /// Tells the waiters that no more replies come.
    fn drop(&mut self) {
        self.shared.outgoing().ended = true;
        let mut waiting = self.shared.waiting();
        let has_unanswered = !waiting.is_empty();
        waiting.clear();
        drop(waiting);
        self.shared.stream.end(has_unanswered);
    }
}

impl Driver {
    /// Ready when nothing can be written any more.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Written> {
        let mut outgoing = self.shared.outgoing();
        if outgoing.ended {
            return Poll::Ready(Written::Ended);
        }
        if outgoing.driver.as_ref().is_none_or(|driver| !driver.will_wake(cx.waker())) {
            outgoing.driver = Some(cx.waker().clone());
        }
        let stream = &self.shared.stream;
        while !outgoing.unsent.is_empty() {
            match ready!(stream.poll_write(&mut self.watch, cx, &outgoing.unsent)) {
                Ok(written @ 1..) => {
                    if outgoing.unsent.len() >= LONG_REQUESTS_BYTES {
                        self.shared.moved(written);
                    }
                    outgoing.unsent.advance(written);
                }
                Ok(0) | Err(_) => return Poll::Ready(Written::Failed),
            }
        }
        let_go(&mut outgoing.unsent);
        match ready!(stream.poll_flush(cx)) {
            Ok(()) => Poll::Pending,
            Err(_) => Poll::Ready(Written::Failed),
        }
    }

    /// Reads what the peer has sent before a write failed, which the runtime may not know of yet: replies, and why the
    /// peer hung up. Returns the error that ends it.
    fn read_rest(&self) -> Option<io::Error> {
        let mut incoming = self.shared.incoming();
        for _ in 0..MAX_LAST_READS {
            match self.shared.stream.read_now(&mut incoming) {
                Ok(came @ 1..) if self.shared.deliver(&mut incoming, came).is_ok() => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) => return None,
                Err(error) => return Some(error),
            }
        }
        None
    }

    /// How the connection ended, judging by the unread bytes.
    fn ending(&self, failure: Option<String>) -> Ending {
        let incoming = self.shared.incoming();
        match (failure, incoming.last_words(), incoming.unread()) {
            (Some(words), ..) => Ending::Failed(words),
            (_, Some(words), _) => Ending::Said(words),
            (.., unread) if is_strange(unread) => {
                Ending::Strange(unread[..unread.len().min(MAX_STRANGE_BYTES)].to_vec())
            }
            (.., unread) => Ending::Closed { answered: !unread.is_empty() },
        }
    }

    /// Ready when nothing can be read any more.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Error>> {
        let mut incoming = self.shared.incoming();
        loop {
            let stream = &self.shared.stream;
            match ready!(stream.poll_read(&mut self.watch, cx, &mut incoming)) {
                Ok(came @ 1..) if self.shared.deliver(&mut incoming, came).is_ok() => {}
                Ok(_) => return Poll::Ready(None),
                Err(error) => return Poll::Ready(Some(error)),
            }
        }
    }
}

#[cfg(all(test, unix))] // elsewhere a reset may discard what has arrived
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::thread;
    use std::time::Duration;

    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
    use rustls::server::WebPkiClientVerifier;
    use rustls::{RootCertStore, ServerConfig, ServerConnection};
    use socket2::SockRef;
    use tokio_rustls::TlsConnector;

    use super::super::open::ask;
    use super::super::pipe::pipe;
    use super::super::stream::{Socket, Stream};
    use super::super::tls::configure;
    use super::*;

    const PING: &[u8] = b"PING\r\n";

    fn file(name: &str) -> String {
        let path = format!("{}/__test__/certificates/{name}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).unwrap()
    }

    /// Connects to a server that does `act` and resets the connection.
    async fn connect_to<T: Send + 'static>(
        act: impl FnOnce(&mut TcpStream) -> T + Send + 'static,
    ) -> (tokio::net::TcpStream, thread::JoinHandle<T>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let mut socket = listener.accept().unwrap().0;
            let done = act(&mut socket);
            // Its end resets the connection.
            SockRef::from(&socket).set_linger(Some(Duration::ZERO)).unwrap();
            done
        });
        (tokio::net::TcpStream::connect(address).await.unwrap(), server)
    }

    // In these tests the runtime learns nothing of what the server has sent, because its only thread waits for the server.

    #[tokio::test]
    async fn what_a_server_says_before_it_resets_is_heard() {
        let (stream, server) = connect_to(|socket| socket.write_all(b"-ERR full\r\n")).await;
        let mut opened = pipe(Stream::Clear(Socket::tcp(stream).unwrap()));
        server.join().unwrap().unwrap();
        let ending = ask(&mut opened, &PING.repeat(2), 2).await.err();
        assert_eq!(ending, Some(Ending::Said("ERR full".into())));
    }

    #[tokio::test]
    async fn replies_before_a_reset_reach_their_callers() {
        let (stream, server) = connect_to(|socket| {
            let came = socket.read_exact(&mut [0; PING.len()]);
            socket.write_all(b"+PONG\r\n").and(came)
        })
        .await;
        let (pipe, driver) = pipe(Stream::Clear(Socket::tcp(stream).unwrap()));
        let answered = super::super::pipe::writing_directly(|| pipe.send(PING, 1));
        server.join().unwrap().unwrap();
        let unanswered = pipe.send(PING, 1);
        assert_eq!(driver.await, Ending::Closed { answered: false });
        assert!(answered.await.is_ok());
        assert!(unanswered.await.is_err());
    }

    #[tokio::test]
    async fn why_a_server_refuses_tls_is_heard_before_its_reset() {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(file("authority.crt").as_bytes()).unwrap())
            .unwrap();
        let certificate = CertificateDer::from_pem_slice(file("server.crt").as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(file("server.key").as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let (stream, server) = connect_to(|socket| {
            let mut tls = ServerConnection::new(Arc::new(config)).unwrap();
            tls.complete_io(socket).unwrap_err()
        })
        .await;
        let tls = TlsConnector::from(configure(&[file("authority.crt")], None, true).unwrap());
        let name = ServerName::try_from("localhost").unwrap();
        let stream = tls.connect(name, stream).await.unwrap();
        let mut opened = pipe(Stream::Tls(Box::new(stream.into())));
        server.join().unwrap();
        let ending = ask(&mut opened, PING, 1).await.err();
        let Some(Ending::Failed(words)) = ending else { panic!("{ending:?}") };
        assert!(words.contains("asks for a client's certificate"), "{words}");
    }
}
