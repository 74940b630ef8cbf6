//! Folds the patches of a record into its data. A record that has grown long is folded in the background. A full
//! record is folded before an update that it has no room for.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use redis::Cmd;

use super::call::InFlightCall;
use crate::address::SessionId;
use crate::error::Error;
use crate::protocol::Reply;
use crate::record::Record;
use crate::store::redis::connection::pipe::{Broken, Pipe};
use crate::store::redis::link::Live;
use crate::store::redis::node::Node;
use crate::store::redis::scripts;

/// From this many bytes on, a record is folded on a separate thread, because other calls wait for the thread that
/// asks.
const FOLD_ELSEWHERE_FROM_BYTES: usize = 1024 * 1024;

/// The folded form that replaces a record.
pub(crate) struct Fold {
    /// The record's first line, and how many bytes were read. Patches that were appended since then are kept.
    first_line: String,
    read: usize,
    text: String,
}

impl Fold {
    /// The folded record.
    pub fn record(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// Adds the arguments of the script.
    pub fn add_arguments<'c>(&self, command: &'c mut Cmd) -> &'c mut Cmd {
        command.arg(&self.first_line).arg(self.read).arg(&self.text)
    }
}

/// Folds a record that has grown long, unless another task does. No call waits for it. If it fails, the record is
/// only longer than necessary.
pub(crate) fn fold_beside(node: &Arc<Node>, live: &Live, id: SessionId, key: Vec<u8>) {
    if node.culprits.has_fold(id) || !node.growth.begin_fold(id) {
        return;
    }
    let (node, pipe) = (Arc::clone(node), live.pipe.clone());
    tokio::spawn(async move {
        let fold = fold_in_place(&pipe, &key);
        // A broken connection also breaks off calls. The fold may be the cause, so it is remembered and not tried
        // again soon.
        let folded = tokio::time::timeout(node.link.command_timeout(), fold).await;
        if matches!(folded, Ok(Err(Broken))) && pipe.broke() {
            node.culprits.note_fold(id);
        }
        node.growth.end_fold(id);
    });
}

async fn fold_in_place(pipe: &Pipe, key: &[u8]) -> Result<(), Broken> {
    let read = pipe.send_one(redis::cmd("GET").arg(key)).await?;
    let Some(Reply::Bytes(record)) = read.iter().next() else { return Ok(()) };
    if let Ok(fold) = fold(read.keep(record), "{}", usize::MAX).await {
        let mut command = Cmd::new();
        scripts::begin(&mut command, &scripts::FOLD, true, 1);
        pipe.send_one(fold.add_arguments(command.arg(key))).await?;
    }
    Ok(())
}

/// Reads the records that these updates found full. The first update of each record will replace it by its folded
/// form. Returns the updates that cannot be carried out, with the reasons.
pub(crate) async fn make_room<'c>(
    pipe: &Pipe,
    calls: &mut Vec<InFlightCall<'c>>,
) -> Result<Vec<(InFlightCall<'c>, Error)>, Broken> {
    let mut keys = HashSet::new();
    let mut refused = Vec::new();
    let mut place = 0;
    while place < calls.len() {
        let call = &mut calls[place];
        place += 1;
        let (Some(key), Some((patch, max_bytes))) = (call.session_key(), call.patch()) else {
            continue;
        };
        if !call.is_full || !keys.insert(key.clone()) {
            continue;
        }
        (call.is_full, call.fold) = (false, None);
        let mut commands = Vec::new();
        let asking = call.referred.is_some();
        if asking {
            redis::cmd("ASKING").write_packed_command(&mut commands);
        }
        redis::cmd("GET").arg(key).write_packed_command(&mut commands);
        let replies = pipe.send(&commands, 1 + usize::from(asking)).await?;
        // If there is no such record any more, or the node does not have it, the update finds that out when it is
        // sent again.
        let Some(Reply::Bytes(record)) = replies.iter().last() else { continue };
        match fold(replies.keep(record), patch, max_bytes).await {
            Ok(fold) => call.fold = Some(Box::new(fold)),
            Err(error) => {
                place -= 1;
                let call = calls.remove(place);
                let error = match error {
                    Error::TooLarge { .. } => call.too_large(),
                    other => other,
                };
                refused.push((call, error));
            }
        }
    }
    Ok(refused)
}

async fn fold(record: Bytes, patch: &str, max_bytes: usize) -> Result<Fold, Error> {
    if record.len() < FOLD_ELSEWHERE_FROM_BYTES {
        return fold_here(&record, patch, max_bytes);
    }
    let patch = patch.to_owned();
    let folded = tokio::task::spawn_blocking(move || fold_here(&record, &patch, max_bytes));
    folded.await.unwrap_or(Err(Error::Internal))
}

fn fold_here(record: &[u8], patch: &str, max_bytes: usize) -> Result<Fold, Error> {
    let parsed = Record::parse(record).map_err(|_| Error::Corrupt)?;
    let folded = parsed.folded_with(patch, max_bytes);
    let text = folded.map_err(|unfit| Error::of_unfit(unfit, max_bytes))?;
    Ok(Fold { first_line: parsed.first_line().to_owned(), read: record.len(), text })
}
