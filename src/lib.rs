//! The session engine of `@spots-tech/sessions`: users' sessions in Redis, or in memory.
//!
//! `binding → inline → engine → store → operation → {record, keys, token} → address`; nothing points back, and only `binding` knows Node. `call`
//! and `answers` are the two sides of the boundary with JavaScript.

pub mod address;
pub mod answers;
#[cfg(feature = "node")]
mod binding;
pub mod call;
mod compact;
pub mod engine;
pub mod error;
pub mod event;
pub mod inline;
pub mod keys;
mod line;
pub mod operation;
pub mod protocol;
pub mod question;
pub mod record;
pub mod store;
pub mod token;
