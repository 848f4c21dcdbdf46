//! The tokens that may write: what a token file says.
//!
//! ```text
//!  # the text-to-voice lab                   a comment; blank lines are nothing either
//!  lab:5f0c2a90e6b14d7f8a3b1c9d7e2f4a60      name:token
//!  lab:c3a1f7…                               a second token of a name: the next one, while
//!                                            its users change over
//! ```
//!
//! A name has 1 to 64 of `A-Z a-z 0-9 . _ -`, a token 16 to 256 visible ASCII characters. Only the
//! SHA-256 digest of a token is kept. Errors name the line and never what stands in it: whoever
//! mixes up the two sides of the colon would find the token in the log.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};

use crate::limits;

/// The tokens of one file.
#[derive(Clone, Default)]
pub(super) struct Tokens {
    entries: Vec<Entry>,
}

#[derive(Clone)]
struct Entry {
    name: Arc<str>,
    digest: [u8; 32],
}

/// What is wrong with a token file, and in which line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// More than [`limits::TOKEN_FILE_BYTES_MAX`].
    #[error("it has more than {} bytes", limits::TOKEN_FILE_BYTES_MAX)]
    TooLarge,
    /// Nothing but comments. It would lock everybody out, and is what a file looks like that is
    /// being written.
    #[error("it holds no token; a line is name:token")]
    Empty,
    /// One line cannot be read.
    #[error("line {line}: {cause}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        cause: LineFault,
    },
}

/// What is wrong with one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum LineFault {
    /// Not `name:token`.
    #[error("there is no colon; expected name:token")]
    NoColon,
    /// The part before the colon is no name.
    #[error("the name must have 1 to {} of A-Z a-z 0-9 . _ -", limits::TOKEN_NAME_BYTES_MAX)]
    Name,
    /// The token is too short or too long.
    #[error("the token has {0} bytes; it must have {min} to {max}. `openssl rand -hex 32` makes a good one",
            min = limits::TOKEN_BYTES_MIN, max = limits::TOKEN_BYTES_MAX)]
    Length(usize),
    /// The token has a space, a control character or something beyond ASCII.
    #[error("the token must be visible ASCII without spaces")]
    Characters,
    /// The token stands in another line too, so that it would not tell who writes.
    #[error("its token stands in line {0} already; every line needs a token of its own")]
    SameToken(usize),
    /// A third token of one name.
    #[error(
        "its name stands in two lines before; a name has one token, and a second one while its users change over"
    )]
    ThirdOfName,
    /// More tokens than the limit.
    #[error("this is more than {} tokens", limits::TOKENS_MAX)]
    TooMany,
}

impl Tokens {
    /// Reads the content of a token file.
    ///
    /// # Errors
    /// The first line that is wrong, or that there is no token at all.
    pub(super) fn parse(content: &[u8]) -> Result<Self, Fault> {
        if content.len() > limits::TOKEN_FILE_BYTES_MAX {
            return Err(Fault::TooLarge);
        }
        let mut tokens = Self::default();
        let mut lines_of = Vec::new();
        for (number, line) in lines(content) {
            let fault = |cause| Fault::Line { line: number, cause };
            let entry = entry(line).map_err(fault)?;
            tokens.admits(&entry, &lines_of).map_err(fault)?;
            tokens.entries.push(entry);
            lines_of.push(number);
        }
        if tokens.entries.is_empty() { Err(Fault::Empty) } else { Ok(tokens) }
    }

    /// Whether one more entry goes with those that are there, which stand in `lines`.
    fn admits(&self, entry: &Entry, lines: &[usize]) -> Result<(), LineFault> {
        let same_token = self.entries.iter().position(|other| other.digest == entry.digest);
        if let Some(index) = same_token {
            return Err(LineFault::SameToken(lines[index]));
        }
        if self.entries.iter().filter(|other| other.name == entry.name).count() > 1 {
            return Err(LineFault::ThirdOfName);
        }
        if self.entries.len() == limits::TOKENS_MAX { Err(LineFault::TooMany) } else { Ok(()) }
    }

    /// The name of a token, if it is one of these. The time that this takes tells nothing about
    /// how near the token comes to one of them, nor which one it is: every digest is compared,
    /// to its end.
    #[must_use]
    pub(super) fn name_of(&self, token: &[u8]) -> Option<&Arc<str>> {
        let digest = Sha256::digest(token);
        let nothing = u32::MAX;
        let mut found = nothing;
        for (index, entry) in (0_u32..).zip(&self.entries) {
            found.conditional_assign(&index, entry.digest.as_slice().ct_eq(digest.as_slice()));
        }
        self.entries.get(found as usize).map(|entry| &entry.name)
    }

    /// How many there are.
    #[must_use]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

/// The lines that are neither blank nor comments, with their numbers.
fn lines(content: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    // Windows' editors write a byte order mark.
    let content = content.strip_prefix("\u{feff}".as_bytes()).unwrap_or(content);
    let lines = content.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    (1..).zip(lines).filter(|(_, line)| !line.is_empty() && !line.starts_with(b"#"))
}

/// The first token of a file, as it stands there.
///
/// # Errors
/// As [`Tokens::parse`].
pub(super) fn first(content: &[u8]) -> Result<String, Fault> {
    Tokens::parse(content)?;
    let (_, line) = lines(content).next().ok_or(Fault::Empty)?;
    let (_, token) = divided(line).ok_or(Fault::Empty)?;
    Ok(String::from_utf8_lossy(token).into_owned())
}

/// The name and the token of a line: the first colon divides.
fn divided(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    Some((&line[..colon], &line[colon + 1..]))
}

/// One line that is neither blank nor a comment.
fn entry(line: &[u8]) -> Result<Entry, LineFault> {
    let (name, token) = divided(line).ok_or(LineFault::NoColon)?;
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    let name = std::str::from_utf8(name)
        .ok()
        .filter(|name| (1..=limits::TOKEN_NAME_BYTES_MAX).contains(&name.len()))
        .filter(|name| name.bytes().all(|byte| is_part(&byte)))
        .ok_or(LineFault::Name)?;
    if !token.iter().all(u8::is_ascii_graphic) {
        return Err(LineFault::Characters);
    }
    if !(limits::TOKEN_BYTES_MIN..=limits::TOKEN_BYTES_MAX).contains(&token.len()) {
        return Err(LineFault::Length(token.len()));
    }
    Ok(Entry { name: name.into(), digest: Sha256::digest(token).into() })
}

/// How many and whose; digests are nobody's business either.
impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.entries.iter().map(|entry| &entry.name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ONE: &str = "0123456789abcdef";
    const OTHER: &str = "fedcba9876543210";

    #[test]
    fn a_file_is_names_tokens_comments_and_blank_lines() {
        let text =
            format!("\u{feff}# the lab\r\n\r\n  lab:{ONE}\t\n\nlab:{OTHER}\nA.b_c-9:#:{ONE}");
        let tokens = Tokens::parse(text.as_bytes()).unwrap();
        let name = |token: &str| tokens.name_of(token.as_bytes()).map(|name| &**name);
        assert_eq!(tokens.len(), 3);
        assert_eq!(name(ONE), Some("lab"));
        assert_eq!(name(OTHER), Some("lab"), "two tokens of a name work, so that it can change");
        assert_eq!(name(&format!("#:{ONE}")), Some("A.b_c-9"), "the first colon divides");
        assert_eq!(first(text.as_bytes()).as_deref(), Ok(ONE));
        for wrong in ["", "lab", "0123456789abcdeF", "0123456789abcde", "0123456789abcdef "] {
            assert_eq!(name(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_fault_names_the_line_and_the_cause() {
        let check = |text: &str, expected: &str| {
            let fault = Tokens::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(fault.contains(expected), "{text}: {fault}");
        };
        check("", "no token");
        check("# nothing\n\n", "no token");
        check(&format!("\n{ONE}"), "line 2: there is no colon");
        check(&format!(":{ONE}"), "line 1: the name must");
        check(&format!("my lab:{ONE}"), "line 1: the name must");
        check(&format!("{}:{ONE}", "n".repeat(65)), "line 1: the name must");
        check("lab:short", "line 1: the token has 5 bytes");
        check(&format!("lab:{}", "x".repeat(257)), "line 1: the token has 257 bytes");
        check(&format!("lab:{ONE} {ONE}"), "visible ASCII");
        check(&format!("lab:{ONE}é"), "visible ASCII");
        check(&format!("lab:{ONE}\n#\nlib:{ONE}"), "line 3: its token stands in line 1");
        let third = format!("lab:{ONE}\nlab:{OTHER}\nlab:{ONE}{OTHER}");
        check(&third, "line 3: its name stands in two lines");
        let many: Vec<_> = (0..=limits::TOKENS_MAX).map(|n| format!("n{n}:{n:016}\n")).collect();
        check(&many.concat(), "more than 256 tokens");
        check(&"#\n".repeat(limits::TOKEN_FILE_BYTES_MAX), "more than 131072 bytes");
    }

    #[test]
    fn what_is_printed_of_tokens_is_their_names() {
        let tokens = Tokens::parse(format!("lab:{ONE}").as_bytes()).unwrap();
        assert_eq!(format!("{tokens:?}"), r#"{"lab"}"#);
    }

    proptest! {
        #[test]
        fn no_content_makes_it_panic(content in any::<Vec<u8>>()) {
            drop(Tokens::parse(&content));
        }

        /// Lines that are nearly right, in which a secret stands on either side of the colon.
        #[test]
        fn no_fault_shows_what_stands_in_the_file(
            lines in prop::collection::vec("(SECRET[a-z0-9 ]{0,20}|[a-z]{0,3})[:\t#]?(SECRET[!-~é]{0,300}|)", 0..6),
        ) {
            match Tokens::parse(lines.join("\n").as_bytes()) {
                Ok(tokens) => prop_assert_ne!(tokens.len(), 0),
                Err(fault) => {
                    let said = format!("{fault} {fault:?}");
                    prop_assert!(!said.contains("SECRET"), "{}", said);
                }
            }
        }

        #[test]
        fn what_was_written_is_found_and_nothing_else(
            tokens in prop::collection::hash_set("[!-~]{16,40}", 1..20), other in "[!-~]{16,40}",
        ) {
            let lines: Vec<_> =
                tokens.iter().enumerate().map(|(n, token)| format!("n{n}:{token}\n")).collect();
            let parsed = Tokens::parse(lines.concat().as_bytes()).unwrap();
            for (n, token) in tokens.iter().enumerate() {
                let name = format!("n{n}");
                prop_assert_eq!(parsed.name_of(token.as_bytes()).map(|n| &**n), Some(&*name));
            }
            prop_assert_eq!(parsed.name_of(other.as_bytes()).is_some(), tokens.contains(&other));
        }
    }
}
