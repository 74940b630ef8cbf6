//! A network that fails on demand, between the engine and a server.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// A fault that hits the connection on which the engine sends next.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// The server acts, but only so many bytes of its reply come back. Then both ends are closed.
    CutReplyAfter(usize),
    /// The reply comes back; then both ends are closed.
    CloseAfterReply,
    /// Nothing comes back from now on, and nothing is closed.
    Silence,
    /// The request never reaches the server. Both ends are closed.
    LoseRequest,
}

/// A proxy that passes bytes on, until a fault is set.
pub struct Proxy {
    pub port: u16,
    next_fault: Arc<Mutex<Option<Fault>>>,
    connections: Arc<AtomicUsize>,
    refuses: Arc<AtomicBool>,
}

impl Proxy {
    /// Listens on a free port, for as long as the process lives.
    pub fn to(server_port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let proxy = Self {
            port: listener.local_addr().expect("its address").port(),
            next_fault: Arc::default(),
            connections: Arc::default(),
            refuses: Arc::default(),
        };
        let (next_fault, connections) =
            (Arc::clone(&proxy.next_fault), Arc::clone(&proxy.connections));
        let refuses = Arc::clone(&proxy.refuses);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if refuses.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(server) = TcpStream::connect(("127.0.0.1", server_port)) else {
                    continue;
                };
                connections.fetch_add(1, Ordering::SeqCst);
                pass_on(client, server, Arc::clone(&next_fault));
            }
        });
        proxy
    }

    /// Sets a fault for the connection that is used next, once.
    pub fn fail_next(&self, fault: Fault) {
        *self.next_fault.lock().unwrap() = Some(fault);
    }

    /// Closes every further connection at once.
    pub fn refuse_connections(&self) {
        self.refuses.store(true, Ordering::SeqCst);
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn pass_on(client: TcpStream, server: TcpStream, next_fault: Arc<Mutex<Option<Fault>>>) {
    let fault: Arc<Mutex<Option<Fault>>> = Arc::default();
    let (to_server, from_server) = (server.try_clone().unwrap(), server);
    let (from_client, to_client) = (client.try_clone().unwrap(), client);
    let befalls = Arc::clone(&fault);
    thread::spawn(move || {
        copy(&from_client, &to_server, |bytes| {
            if let Some(fault) = next_fault.lock().unwrap().take() {
                *befalls.lock().unwrap() = Some(fault);
            }
            match *befalls.lock().unwrap() {
                Some(Fault::LoseRequest) => (0, Then::Close),
                _ => (bytes, Then::GoOn),
            }
        });
        close([&from_client, &to_server]);
    });
    thread::spawn(move || {
        copy(&from_server, &to_client, |bytes| match &mut *fault.lock().unwrap() {
            None => (bytes, Then::GoOn),
            Some(Fault::Silence) => (0, Then::GoOn),
            Some(end @ Fault::CloseAfterReply) => {
                // Whatever the engine sends after this reply is too late.
                *end = Fault::LoseRequest;
                (bytes, Then::Close)
            }
            Some(Fault::LoseRequest) => (0, Then::Close),
            Some(Fault::CutReplyAfter(left)) => {
                let passed = bytes.min(*left);
                *left -= passed;
                (passed, if *left == 0 { Then::Close } else { Then::GoOn })
            }
        });
        close([&from_server, &to_client]);
    });
}

enum Then {
    GoOn,
    Close,
}

/// Passes on as many of the received bytes as `judge` says, until it says to close.
fn copy(mut from: &TcpStream, mut to: &TcpStream, mut judge: impl FnMut(usize) -> (usize, Then)) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(bytes @ 1..) = from.read(&mut buffer) {
        let (passed, then) = judge(bytes);
        if to.write_all(&buffer[..passed]).is_err() || matches!(then, Then::Close) {
            return;
        }
    }
}

fn close(ends: [&TcpStream; 2]) {
    for end in ends {
        // It may be closed already, from the other side.
        let _closed = end.shutdown(Shutdown::Both);
    }
}
