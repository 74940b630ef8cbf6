//! Folds the patches of records that have grown long, beside the calls.

use std::time::Duration;

use redis::{RedisResult, Value};

use super::command::LONG;
use super::link::Live;
use super::script::{self, Name};
use crate::record::Record;

/// Folds a record until it is short. Nobody waits for it, and if it fails the record is only longer
/// than it need be.
pub(super) fn fold(live: &Live, key: Vec<u8>, timeout: Duration) {
    let live = live.clone();
    tokio::task::spawn_local(tokio::time::timeout(timeout, async move {
        // While it is folded, updates append more.
        while let Ok(Some(length)) = fold_once(live.clone(), &key).await
            && length >= LONG
        {}
    }));
}

/// Returns the record's new length; nothing if there is nothing to fold, or another was faster.
async fn fold_once(mut live: Live, key: &[u8]) -> RedisResult<Option<u64>> {
    let read = live
        .connection
        .send_packed_command(redis::cmd("GET").arg(key))
        .await?;
    let Value::BulkString(head) = read else {
        return Ok(None);
    };
    let Some(folded) = Record::parse(&head).ok().and_then(|record| record.folded()) else {
        return Ok(None);
    };
    let mut fold = script::command(Name::Fold, true, &[key]);
    fold.arg(&head).arg(&folded);
    match live.connection.send_packed_command(&fold).await? {
        Value::Int(length @ 1..) => Ok(Some(length.unsigned_abs())),
        _ => Ok(None),
    }
}
