//! What is sent when, again, and until when: a batch becomes one pipeline per node, and a call that was not answered
//! is sent again until its deadline. It knows calls and their operations, and asks `topology/` which node serves a
//! slot. It does not know how nodes are found or how connections are opened.

pub(crate) mod batch;
pub(crate) mod call;
pub(crate) mod fold;
pub(crate) mod ping;
pub(crate) mod pipeline;
pub(crate) mod recent_writes;
mod replies;
pub(crate) mod retry;
pub(crate) mod routing;
