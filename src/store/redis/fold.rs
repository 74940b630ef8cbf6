//! Folds the patches of records that have grown long, beside the calls.

use std::time::Duration;

use super::command::LONG;
use super::link::Live;
use super::pipe::{Broken, Pipe};
use super::script::{self, Name};
use super::wire::Reply;
use crate::record::Record;

/// Folds a record until it is short. Nobody waits for it, and if it fails the record is only longer
/// than it need be.
pub(super) fn fold(live: &Live, key: Vec<u8>, timeout: Duration) {
    let pipe = live.pipe.clone();
    tokio::spawn(tokio::time::timeout(timeout, async move {
        // While it is folded, updates append more.
        while let Ok(Some(length)) = fold_once(&pipe, &key).await
            && length >= LONG
        {}
    }));
}

/// Returns the record's new length; nothing if there is nothing to fold, or another was faster.
async fn fold_once(pipe: &Pipe, key: &[u8]) -> Result<Option<u64>, Broken> {
    let read = pipe.send_one(redis::cmd("GET").arg(key)).await?;
    let Some(Reply::Bytes(head)) = read.iter().next() else { return Ok(None) };
    let Some(folded) = Record::parse(head).ok().and_then(|record| record.folded()) else {
        return Ok(None);
    };
    let mut fold = redis::Cmd::new();
    script::begin(&mut fold, Name::Fold, true, 1);
    match pipe.send_one(fold.arg(key).arg(head).arg(&folded)).await?.iter().next() {
        Some(Reply::Int(length @ 1..)) => Ok(Some(length.unsigned_abs())),
        _ => Ok(None),
    }
}
