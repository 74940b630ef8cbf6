//! Looks up host names: each name once at a time for all instances of the process, and only a few names at once.
//!
//! The system looks a name up on a thread that blocks, for half a minute if its name servers do not answer. If each
//! attempt to connect took a thread, a few dead names would take all threads, and names that can be looked up would
//! wait behind them (head-of-line blocking).

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// A lookup that takes longer than this does not hold up others.
const SLOW_LOOKUP_AFTER: Duration = Duration::from_secs(1);

/// How many fresh lookups, younger than that, may run at once while fewer than [`MANY_LOOKUPS`] run.
const MAX_FRESH_LOOKUPS: usize = 8;

/// When this many lookups run, only one fresh lookup may run, so one begins each second. A name that had no answer
/// the last time has to wait.
const MANY_LOOKUPS: usize = 32;

/// How many lookups may run at once, fresh or slow.
const MAX_RUNNING_LOOKUPS: usize = 96;

/// How many names may wait. More names are refused, because a cluster could name any number of nodes.
const MAX_WAITING_NAMES: usize = 1024;

/// The addresses of a name, or why there are none.
type Answer = Result<Arc<[SocketAddr]>, (io::ErrorKind, Arc<str>)>;

/// The addresses of a name, in the system's order, without a port.
///
/// # Errors
///
/// The error of the system. It waits until the system answers.
pub(crate) async fn look_up(name: &str) -> io::Result<Arc<[SocketAddr]>> {
    let alone = |ip: IpAddr| SocketAddr::new(ip, 0);
    if let Ok(ip) = name.parse() {
        return Ok([alone(ip)].into());
    }
    // This name needs no name server (RFC 6761, section 6.3), and must not wait for one.
    if name.eq_ignore_ascii_case("localhost") {
        return Ok([Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()].map(alone).into());
    }
    let mut answer = lookups().join(name)?;
    let answer = answer.wait_for(Option::is_some).await;
    let answer = answer.ok().and_then(|answer| answer.clone());
    let answer = answer.ok_or_else(|| io::Error::other("the name was not looked up"))?;
    answer.map_err(|(kind, words)| io::Error::new(kind, words.to_string()))
}

/// All lookups of the process.
static LOOKUPS: LazyLock<Mutex<Lookups>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Lookups {
    /// The waiters for each name that is being looked up, or waits to be.
    asked: HashMap<String, watch::Sender<Option<Answer>>>,
    /// Names that wait for a lookup. The last one is next: the calls of a name that has waited longer have less time
    /// left.
    next: Vec<String>,
    /// Names that had no answer the last time, in order. They come after all others.
    later: VecDeque<String>,
    /// The names that had no answer the last time.
    unanswered: BTreeSet<String>,
    running: usize,
    young: usize,
}

impl Lookups {
    /// Waits for the lookup of a name, which begins if it is not in flight.
    fn join(&mut self, name: &str) -> io::Result<watch::Receiver<Option<Answer>>> {
        if let Some(asked) = self.asked.get(name) {
            return Ok(asked.subscribe());
        }
        if self.next.len() + self.later.len() >= MAX_WAITING_NAMES {
            self.forget_unwanted();
        }
        if self.next.len() + self.later.len() >= MAX_WAITING_NAMES {
            return Err(io::Error::other("too many host names are being looked up"));
        }
        let (asked, answer) = watch::channel(None);
        self.asked.insert(name.to_owned(), asked);
        if self.unanswered.contains(name) {
            self.later.push_back(name.to_owned());
        } else {
            self.next.push(name.to_owned());
        }
        self.begin();
        Ok(answer)
    }

    /// Begins as many lookups as may run now.
    fn begin(&mut self) {
        while self.may_begin() {
            let has_room = self.running < MANY_LOOKUPS;
            let later = || if has_room { self.later.pop_front() } else { None };
            let Some(name) = self.next.pop().or_else(later) else { return };
            if self.is_wanted(&name) {
                self.running += 1;
                self.young += 1;
                tokio::spawn(run(name));
            } else {
                self.asked.remove(&name);
            }
        }
    }

    fn may_begin(&self) -> bool {
        let max_young = if self.running < MANY_LOOKUPS { MAX_FRESH_LOOKUPS } else { 1 };
        self.running < MAX_RUNNING_LOOKUPS && self.young < max_young
    }

    /// Whether a caller still waits for a name.
    fn is_wanted(&self, name: &str) -> bool {
        self.asked.get(name).is_some_and(|asked| !asked.is_closed())
    }

    /// Removes the names that no caller waits for any more.
    fn forget_unwanted(&mut self) {
        let asked = &mut self.asked;
        let mut is_wanted = |name: &String| {
            let is_wanted = asked.get(name).is_some_and(|asked| !asked.is_closed());
            if !is_wanted {
                asked.remove(name);
            }
            is_wanted
        };
        self.next.retain(&mut is_wanted);
        self.later.retain(is_wanted);
    }

    /// Records that a lookup is slow, and begins others.
    fn grow_old(&mut self) {
        self.young -= 1;
        self.begin();
    }

    /// Gives the answer to the waiters, and begins other lookups.
    fn end(&mut self, name: &str, answer: Answer, is_young: bool) {
        self.running -= 1;
        self.young -= usize::from(is_young);
        if answer.is_ok() {
            self.unanswered.remove(name);
        } else if self.unanswered.len() < MAX_WAITING_NAMES {
            self.unanswered.insert(name.to_owned());
        }
        if let Some(asked) = self.asked.remove(name) {
            asked.send_replace(Some(answer));
        }
        self.begin();
    }
}

/// Looks a name up.
async fn run(name: String) {
    let host = name.clone();
    let mut addresses = spawn_blocking(move || {
        let addresses = (host.as_str(), 0).to_socket_addrs()?;
        io::Result::Ok(addresses.collect())
    });
    let in_time = timeout(SLOW_LOOKUP_AFTER, &mut addresses).await;
    let is_young = in_time.is_ok();
    let found = if let Ok(found) = in_time {
        found
    } else {
        lookups().grow_old();
        addresses.await
    };
    let found = found.unwrap_or_else(|_| Err(io::Error::other("the name was not looked up")));
    let answer = found.map_err(|error| (error.kind(), error.to_string().into()));
    lookups().end(&name, answer, is_young);
}

fn lookups() -> MutexGuard<'static, Lookups> {
    LOOKUPS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lookups of which no other can begin.
    fn busy() -> Lookups {
        Lookups { running: MAX_RUNNING_LOOKUPS, ..Lookups::default() }
    }

    #[test]
    fn more_names_than_may_wait_are_refused_and_those_that_nobody_waits_for_are_not_counted() {
        let mut lookups = busy();
        let names = || (0..MAX_WAITING_NAMES).map(|n| n.to_string());
        let waiting: Vec<_> = names().map(|name| lookups.join(&name).unwrap()).collect();
        assert!(lookups.join("one more").is_err());
        assert!(lookups.join("7").is_ok(), "it is asked for already");
        drop(waiting);
        assert!(lookups.join("one more").is_ok());
        assert_eq!(lookups.next, ["one more"]);
        assert_eq!(lookups.asked.len(), 1);
    }

    #[test]
    fn a_name_without_an_answer_waits_behind_all_others_until_it_has_one() {
        let mut lookups = busy();
        let unknown = || Err((io::ErrorKind::Other, "unknown".into()));
        lookups.running += 1;
        lookups.end("dead", unknown(), false);
        let _waiting = ["dead", "first", "last"].map(|name| lookups.join(name).unwrap());
        assert_eq!((lookups.next.pop().as_deref(), lookups.later.len()), (Some("last"), 1));
        lookups.running += 1;
        lookups.end("dead", Ok([].into()), false);
        assert!(lookups.unanswered.is_empty());
    }
}
