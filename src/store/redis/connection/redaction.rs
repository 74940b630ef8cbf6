//! Which words of a server's error are shown: enough to understand it, and no secret that was sent.
//!
//! A server, or a proxy before it, words its errors as it likes. It may repeat any part of any command, cut off
//! anywhere. A text that servers are known to use is shown unchanged. In any other text, each word that shares a
//! piece with what was sent is hidden.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem::find_iter;

use super::password::Password;
use super::settings::{Login, Secret};

/// How many bytes of a server's error are read. The longest error of Redis itself has about 400.
const MAX_READ_BYTES: usize = 1024;

/// How many characters of it are shown.
pub(crate) const MAX_SHOWN_CHARS: usize = 200;

/// Longer data is not searched. Instead, each word that servers are not known to use is hidden.
const MAX_SEARCHED_BYTES: usize = 64 * 1024;

/// A word that shares this many characters in a row with a password is hidden. Servers cut off what they repeat.
const SHARED_CHARS: usize = 4;

/// Replaces a hidden word.
const HIDDEN: &str = "***";

/// Errors of Redis, Valkey and proxies, as far as they are the same for everybody. They are shown whatever was sent.
/// Hiding a word of one would only reveal that the password contains that word.
const KNOWN: [&str; 40] = [
    "WRONGPASS invalid username-password pair or user is disabled.",
    "NOAUTH Authentication required.",
    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH \
     <user> <pass> option can be used to authenticate the client and select the RESP protocol version at \
     the same time",
    "ERR Client sent AUTH, but no password is set",
    "ERR AUTH <password> called without any password configured for the default user. Are you sure your \
     configuration is correct?",
    "ERR invalid password",
    "NOPERM this user has no permissions to run the 'evalsha' command or its subcommand",
    "NOPERM this user has no permissions to run the 'get' command or its subcommand",
    "NOPERM this user has no permissions to access one of the keys used as arguments",
    "NOPERM No permissions to access a key",
    "OOM command not allowed when used memory > 'maxmemory'.",
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. \
     Commands that may modify the data set are disabled, because this instance is configured to report \
     errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check \
     the Redis logs for details about the RDB error.",
    "MISCONF Errors writing to the AOF file: No space left on device",
    "NOREPLICAS Not enough good replicas to write.",
    "READONLY You can't write against a read only replica.",
    "LOADING Redis is loading the dataset in memory",
    "LOADING Valkey is loading the dataset in memory",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    "BUSY Valkey is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    "NOSCRIPT No matching script. Please use EVAL.",
    "CLUSTERDOWN Hash slot not served",
    "CLUSTERDOWN The cluster is down",
    "TRYAGAIN Multiple keys request during rehashing of slot",
    "CROSSSLOT Keys in request don't hash to the same slot",
    "ERR This instance has cluster support disabled",
    "ERR unknown command 'EVALSHA'",
    "ERR syntax error",
    "ERR DB index is out of range",
    "ERR SELECT is not allowed in cluster mode",
    "ERR max number of clients reached",
    "ERR max number of clients + cluster connections reached",
    "upstream failure",
    "no upstream host",
    "upstream protocol error",
    "ERR Connection refused",
    "ERR Connection reset by peer",
    "ERR Connection timed out",
    "ERR No route to host",
    "ERR proxy upstream connection not available",
];

/// The texts that were sent to a server, and must not come back in a message.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sent<'a> {
    /// The login, with its passwords.
    pub login: Option<&'a Login>,
    /// The call's token or owner, and its data.
    pub texts: [&'a [u8]; 2],
    /// The command was shared with other calls, whose texts are not here.
    pub with_others: bool,
}

impl<'a> Sent<'a> {
    /// The texts that are sent before there is a call.
    pub fn to_log_in(login: &'a Login) -> Self {
        Self { login: Some(login), ..Self::default() }
    }

    fn passwords(self) -> Vec<Secret> {
        let password = self.login.and_then(|login| login.password.as_ref());
        password.map(Password::sent).unwrap_or_default()
    }
}

/// The part of a server's error that is read.
pub(crate) fn head(words: &str) -> &str {
    let mut end = words.len().min(MAX_READ_BYTES);
    while !words.is_char_boundary(end) {
        end -= 1;
    }
    let words = &words[..end];
    // A server repeats the arguments of a command that it does not know.
    words.split(", with args beginning with").next().unwrap_or_default()
}

/// The part of a server's error that may be shown: one line of at most `max_chars` printable characters.
pub(crate) fn shown(words: &str, sent: Sent<'_>, max_chars: usize) -> String {
    let printable = |c| if is_control(c) { ' ' } else { c };
    let words: String = head(words).chars().map(printable).collect();
    let words = words.trim();
    let signs = |secret: &Secret| has_signs_of(secret.expose(), words);
    if is_known(words) && !sent.passwords().iter().any(signs) {
        return cut(words, max_chars);
    }
    let search = Search::new(sent);
    let shown = search.hide_in(words);
    // The password may be spelt out letter by letter, with anything in between.
    if search.is_spelt_in(&shown) { HIDDEN.to_owned() } else { cut(&shown, max_chars) }
}

/// Whether a word of a server, such as its code, repeats nothing that was sent.
pub(crate) fn is_harmless(word: &str, sent: Sent<'_>) -> bool {
    is_known(word) || Search::new(sent).hide_in(word) == word
}

/// Whether it is a control character, or changes the direction of the text.
fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn cut(words: &str, max_chars: usize) -> String {
    match words.char_indices().nth(max_chars) {
        None => words.to_owned(),
        Some(_) => words.chars().take(max_chars - 1).chain(['…']).collect(),
    }
}

/// The pieces of a text: letters and digits in a row, each with the characters between it and the next piece.
fn pieces(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = text.trim_start_matches(is_between);
    std::iter::from_fn(move || {
        let piece = rest.split(is_between).next().filter(|piece| !piece.is_empty())?;
        let after = &rest[piece.len()..];
        rest = after.trim_start_matches(is_between);
        Some((piece, &after[..after.len() - rest.len()]))
    })
}

fn is_letter(c: char) -> bool {
    c.is_alphanumeric()
}

fn is_between(c: char) -> bool {
    !is_letter(c)
}

/// Whether a text is a known error, or a part of one.
pub(crate) fn is_known(words: &str) -> bool {
    static BARE: LazyLock<Vec<String>> =
        LazyLock::new(|| KNOWN.iter().map(|known| bare(known)).collect());
    let words = bare(words);
    BARE.iter().any(|known| known.contains(&words))
}

/// The letters and digits of a text, in lower case, with spaces around each piece.
fn bare(words: &str) -> String {
    let pieces = pieces(words).flat_map(|(piece, _)| [" ", piece]);
    pieces.chain([" "]).collect::<String>().to_ascii_lowercase()
}

/// Whether words repeat a password that has no letters or digits.
fn has_signs_of(password: &str, words: &str) -> bool {
    !password.is_empty() && password.chars().all(is_between) && words.contains(password)
}

/// A password that is searched for.
struct Sought {
    whole: Secret,
    lower: String,
    /// Its letters and digits alone.
    bare: String,
}

impl Sought {
    fn new(whole: Secret) -> Self {
        let lower = whole.expose().to_ascii_lowercase();
        let bare = lower.chars().filter(|c| is_letter(*c)).collect();
        Self { whole, lower, bare }
    }

    /// Whether a piece may come from it. `is_last`: the piece may have been cut off.
    fn has(&self, piece: &str, is_last: bool) -> bool {
        let password = &self.bare;
        if password.is_empty() {
            return false;
        }
        let length = password.chars().count().min(SHARED_CHARS);
        let shares = |(begin, _)| {
            let shared = password[begin..].chars().take(length);
            let shared: String = shared.collect();
            shared.chars().count() == length && length >= 3 && piece.contains(&shared)
        };
        pieces(&self.lower).any(|(known, _)| known == piece)
            || piece == password
            || (piece.len() >= 3 && password.contains(piece))
            || (is_last && password.starts_with(piece))
            || password.char_indices().any(shares)
    }
}

/// Compares words with the texts that were sent, in lower case.
struct Search {
    passwords: Vec<Sought>,
    /// `None` if the texts are too long to search, or are not all known.
    texts: Option<[Vec<u8>; 2]>,
}

impl Search {
    fn new(sent: Sent<'_>) -> Self {
        let passwords = sent.passwords().into_iter().map(Sought::new).collect();
        let length: usize = sent.texts.iter().map(|text| text.len()).sum();
        let texts = (!sent.with_others && length <= MAX_SEARCHED_BYTES)
            .then(|| sent.texts.map(<[u8]>::to_ascii_lowercase));
        Self { passwords, texts }
    }

    /// Whether a text contains all letters of a password in order.
    fn is_spelt_in(&self, words: &str) -> bool {
        let letters: String =
            words.to_ascii_lowercase().chars().filter(|c| is_letter(*c)).collect();
        let is_in =
            |Sought { bare, .. }: &Sought| bare.len() >= SHARED_CHARS && letters.contains(bare);
        self.passwords.iter().any(is_in)
    }

    fn hide_in(&self, words: &str) -> String {
        let mut words = Cow::Borrowed(words);
        for Sought { whole, .. } in self.passwords.iter().filter(|sought| !sought.lower.is_empty())
        {
            words = Cow::Owned(words.replace(whole.expose(), HIDDEN));
        }
        let begin = words.len() - words.trim_start_matches(is_between).len();
        let mut shown = words[..begin].to_owned();
        let mut rest = pieces(&words).peekable();
        while let Some((piece, after)) = rest.next() {
            // A server escapes characters that it cannot print, as `\x1b` or `\"`.
            let is_escaped = shown.ends_with('\\') || after.starts_with('\\');
            let hides = is_escaped || self.repeats(piece, rest.peek().is_none());
            shown.push_str(if hides { HIDDEN } else { piece });
            shown.push_str(after);
        }
        shown
    }

    /// Whether a piece may come from what was sent. `is_last`: it may have been cut off.
    fn repeats(&self, piece: &str, is_last: bool) -> bool {
        let piece = piece.to_ascii_lowercase();
        self.passwords.iter().any(|sought| sought.has(&piece, is_last)) || self.is_of_texts(&piece)
    }

    fn is_of_texts(&self, piece: &str) -> bool {
        let Some(texts) = &self.texts else { return !is_known(piece) };
        texts.iter().any(|text| has(text, piece))
    }
}

/// Whether a text contains a piece. A short piece counts only as a whole word.
fn has(text: &[u8], piece: &str) -> bool {
    let is_letter =
        |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || !b.is_ascii());
    find_iter(text, piece).any(|begin| {
        let before = begin.checked_sub(1).and_then(|before| text.get(before));
        piece.len() >= 3 || !(is_letter(before) || is_letter(text.get(begin + piece.len())))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown_after(words: &str, password: &str, data: &str) -> String {
        let login = Login { password: Some(Password::fixed(password.into())), ..Login::default() };
        let sent = Sent { texts: [b"\"ann\"", data.as_bytes()], ..Sent::to_log_in(&login) };
        shown(words, sent, MAX_SHOWN_CHARS)
    }

    #[test]
    fn a_password_is_hidden_however_it_is_repeated() {
        for (label, words, password, expected) in [
            ("whole", "ERR bad AUTH user hunter2secret", "hunter2secret", "ERR bad AUTH user ***"),
            ("quoted", "ERR 'hunter2secret'?", "hunter2secret", "ERR '***'?"),
            ("cut off", "ERR bad AUTH user hunt", "hunter2secret", "ERR bad AUTH user ***"),
            ("cut off early", "ERR bad AUTH user h", "hunter2secret", "ERR bad AUTH user ***"),
            ("its end", "ERR bad …cret in AUTH", "hunter2secret", "ERR bad …*** in AUTH"),
            ("in a word", "ERR xhunter2secretx in AUTH", "hunter2secret", "ERR x***x in AUTH"),
            ("in capitals", "ERR HUNTER2SECRET in AUTH", "hunter2secret", "ERR *** in AUTH"),
            ("short", "ERR bad AUTH user ab", "ab", "ERR bad AUTH user ***"),
            ("one letter", "ERR bad AUTH user k", "k", "ERR bad AUTH user ***"),
            ("with signs", "ERR p4ss w0rd/#:@ in AUTH", "p4ss w0rd/#:@", "ERR *** in AUTH"),
            ("of signs alone", "ERR !?! in AUTH", "!?!", "ERR *** in AUTH"),
            ("as bytes", r"ERR p\xc3\xa9 in AUTH", "pé", r"ERR ***\***\*** in AUTH"),
            (
                "with a code in it",
                "ERR hun\x1bter2secret in AUTH",
                "hunter2secret",
                "ERR *** *** in AUTH",
            ),
            ("letter by letter", "ERR hu nt er 2s ec re t in AUTH", "hunter2secret", "***"),
        ] {
            assert_eq!(shown_after(words, password, ""), expected, "{label}");
        }
    }

    #[test]
    fn what_a_call_has_sent_is_hidden() {
        let data = r#"{"card":"d4ta-v4lue","pin":42,"name":"Zoë"}"#;
        for (label, words, expected) in [
            ("escaped", r#"ERR bad '{\"card\":\"d4ta-v4l"#, r#"ERR bad '{\"***\":\"***-***"#),
            ("a number", "ERR 42 is too many", "ERR *** is too many"),
            ("not ASCII", "ERR bad Zoë", "ERR bad ***"),
            ("not ASCII, as bytes", r"ERR bad Zo\xc3\xab", r"ERR bad ***\***\***"),
            ("the owner", "ERR ann is not welcome", "ERR *** is not welcome"),
            ("nothing of it", "ERR try another plan", "ERR try another plan"),
        ] {
            assert_eq!(shown_after(words, "hunter2secret", data), expected, "{label}");
        }
        let long = format!("{{\"text\":\"{}d4ta\"}}", "x".repeat(MAX_SEARCHED_BYTES));
        assert_eq!(shown_after("ERR bad d4ta", "hunter2secret", &long), "ERR *** ***");
        let several = Sent { with_others: true, ..Sent::default() };
        assert_eq!(shown("ERR bad d4ta", several, MAX_SHOWN_CHARS), "ERR *** ***");
    }

    #[test]
    fn what_a_server_says_to_everybody_is_shown_whatever_was_sent() {
        for words in KNOWN {
            let whole = words.chars().count() <= MAX_SHOWN_CHARS;
            for password in ["password", "memory", "ERR", "a", "'", "script"] {
                let data = r#"{"command":"memory","keys":["is"]}"#;
                let shown = shown_after(words, password, data);
                assert!(!whole || shown == words || password == "'", "{words}: {shown}");
            }
        }
    }

    #[test]
    fn a_text_is_one_short_line_that_can_be_printed() {
        let long = format!("ERR {}", "long ".repeat(12_000));
        let shown = shown_after(&long, "hunter2secret", "");
        assert_eq!(shown.chars().count(), MAX_SHOWN_CHARS);
        assert!(shown.ends_with('…'), "{shown}");
        assert_eq!(
            shown_after("ERR \x1b[31mred\x1b[0m\x07 \u{202e}fdp\u{9b}2J", "hunter2secret", ""),
            "ERR  [31mred [0m   fdp 2J"
        );
        assert_eq!(shown_after("", "hunter2secret", ""), "");
    }
}
