//! Sends calls and retries them: a batch becomes one pipeline per node, and a call that was not answered is sent
//! again until its deadline. It does not find nodes or open connections: `topology/` says which node serves a slot.
//! `RedisStore` hands it each batch.

pub(crate) mod batch;
pub(crate) mod call;
pub(crate) mod fold;
pub(crate) mod follow_ups;
pub(crate) mod ping;
pub(crate) mod pipeline;
mod quarantine;
pub(crate) mod recent_writes;
mod replies;
pub(crate) mod retry;
pub(crate) mod routing;
pub(crate) mod sliding;
