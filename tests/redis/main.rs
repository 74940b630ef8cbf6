//! Sessions on real Redis servers, which the tests start. See `common/server.rs`.

#![cfg(unix)]

#[path = "../common/mod.rs"]
mod common;

mod children;
mod connecting;
mod events;
mod faults;
mod order;
mod storage;

conformance_suite!({
    let server = common::server::Server::start();
    (server.sessions(), server)
});
