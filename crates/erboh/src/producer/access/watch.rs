//! The token file, and the tokens of it that are in force.
//!
//! ```text
//!  start      read ─► tokens          cannot be used ─► the process does not start
//!  each look  read ─► as before ─► nothing
//!                  ─► changed, and the next look sees the same ─► in force
//!                                     cannot be used, or gone ─► those of before go on, one error
//! ```
//!
//! The content itself is looked at, again and again. Kubernetes replaces a mounted secret by
//! turning a symbolic link of the directory above; a watch on the file would stay with the old
//! file, and a time of change can be set back by whoever writes it. The file is small.
//!
//! Two looks must agree, because a file that is being written is often well-formed up to where
//! the writer is, and its last token cut short.

use std::convert::Infallible;
use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use sha2::{Digest as _, Sha256};
use tokio::time::MissedTickBehavior;

use super::metrics::Metrics;
use super::tokens::{Fault, Tokens};
use crate::limits;

/// A token file that was readable at the start.
#[derive(Debug)]
pub(super) struct TokenFile {
    path: PathBuf,
    tokens: RwLock<Arc<Tokens>>,
    /// What the content was when it was opened.
    opened: Look,
}

/// Why a token file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("--token-file {}: {cause}", path.display())]
pub struct FileError {
    pub(super) path: PathBuf,
    pub(super) cause: Cause,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Cause {
    #[error(
        "it cannot be read ({0}). Give the path of a file with one line for each writer, name:token"
    )]
    Unreadable(#[from] io::Error),
    #[error(
        "it is no regular file, and a token file is read again and again. Write the tokens to a file"
    )]
    NotAFile,
    #[error("{0}")]
    Fault(#[from] Fault),
}

/// What one look at the file has seen. The content itself is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Look {
    /// A content with this digest.
    Content([u8; 32]),
    /// None, for this reason.
    Failed(String),
}

impl Look {
    fn of(content: &Result<Vec<u8>, Cause>) -> Self {
        match content {
            Ok(content) => Self::Content(Sha256::digest(content).into()),
            Err(cause) => Self::Failed(cause.to_string()),
        }
    }
}

/// Tells what is new in a sequence of looks.
struct Looker {
    /// What was last put in force or complained about.
    handled: Look,
    before: Look,
}

impl Looker {
    fn new(opened: Look) -> Self {
        Self { handled: opened.clone(), before: opened }
    }

    /// Whether this look differs from what is handled, and is the second in a row to do so alike.
    /// It counts as handled then.
    fn is_news(&mut self, look: Look) -> bool {
        let settled = look == self.before;
        self.before = look;
        let news = settled && self.before != self.handled;
        if news {
            self.handled = self.before.clone();
        }
        news
    }
}

impl TokenFile {
    /// Reads a token file.
    ///
    /// # Errors
    /// Names the path, and the line where one is at fault; never what stands in it.
    pub(super) fn open(path: PathBuf) -> Result<Self, FileError> {
        let content = read(&path);
        let opened = Look::of(&content);
        let parsed = content.and_then(|content| Ok(Tokens::parse(&content)?));
        match parsed {
            Ok(tokens) => {
                warn_if_exposed(&path);
                Ok(Self { path, tokens: RwLock::new(Arc::new(tokens)), opened })
            }
            Err(cause) => Err(FileError { path, cause }),
        }
    }

    /// The tokens in force.
    pub(super) fn tokens(&self) -> Arc<Tokens> {
        // Replacing the Arc cannot be left half done by a panic.
        Arc::clone(&self.tokens.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Follows the changes of the file for as long as it is polled.
    pub(super) async fn follow(&self, metrics: &Metrics) -> Infallible {
        metrics.taken(self.tokens().len());
        let mut looker = Looker::new(self.opened.clone());
        let mut looks = tokio::time::interval(limits::TOKEN_FILE_LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let path = self.path.clone();
            let Ok(content) = tokio::task::spawn_blocking(move || read(&path)).await else {
                continue;
            };
            if looker.is_news(Look::of(&content)) {
                self.take(content, metrics);
            }
        }
    }

    /// Puts a new content in force, or says why it cannot be.
    fn take(&self, content: Result<Vec<u8>, Cause>, metrics: &Metrics) {
        match content.and_then(|content| Ok(Tokens::parse(&content)?)) {
            Ok(tokens) => {
                metrics.taken(tokens.len());
                tracing::info!(tokens = tokens.len(), "the token file has changed and is in force");
                warn_if_exposed(&self.path);
                *self.tokens.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(tokens);
            }
            Err(cause) => {
                metrics.faulty();
                let error = FileError { path: self.path.clone(), cause };
                tracing::error!(%error, "the changed token file cannot be used; the tokens of before go on");
            }
        }
    }
}

/// The content of a regular file, up to what a token file may have and one byte more, by which
/// the excess is seen.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Cause> {
    // Before it is opened: opening a pipe waits for somebody to write.
    if !std::fs::metadata(path)?.is_file() {
        return Err(Cause::NotAFile);
    }
    let mut content = Vec::new();
    File::open(path)?.take(limits::TOKEN_FILE_BYTES_MAX as u64 + 1).read_to_end(&mut content)?;
    Ok(content)
}

/// Says so when other users of the machine can read the tokens, or its group can write them.
/// That a group can read is how Kubernetes gives a secret to a process that is not root.
fn warn_if_exposed(path: &Path) {
    let mode = std::fs::metadata(path).map_or(0, |metadata| mode(&metadata));
    if mode & 0o027 != 0 {
        tracing::warn!(
            path = %path.display(),
            mode = format!("{:04o}", mode & 0o7777),
            "other users can read the token file, or its group can write it; chmod 600 mends that"
        );
    }
}

fn mode(metadata: &Metadata) -> u32 {
    std::os::unix::fs::MetadataExt::mode(metadata)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_two_looks_agree_on_is_news_and_that_once() {
        let check = |looks: &str, expected: &str| {
            let look = |name: char| match name {
                '-' => Look::Failed("gone".to_owned()),
                name => Look::Content([name as u8; 32]),
            };
            let mut looker = Looker::new(look('a'));
            let news = |name: char| if looker.is_news(look(name)) { name } else { ' ' };
            assert_eq!(looks.chars().map(news).collect::<String>(), expected, "{looks}");
        };
        check("aaaa", "    ");
        check("abbbb", "  b  ");
        check("abcdd", "    d");
        check("abaab", "     ");
        check("a---bb--", "  -  b -");
        check("a--aab", "  - a ");
        check("abbaa", "  b a");
    }

    #[test]
    fn an_error_names_the_file_and_the_cause() {
        let directory = tempfile::tempdir().unwrap();
        let check = |path: PathBuf, expected: &str| {
            let error = TokenFile::open(path.clone()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(error.contains(&format!("--token-file {}", path.display())), "{error}");
        };
        check(directory.path().join("nowhere"), "No such file");
        check(directory.path().to_owned(), "no regular file");
        check(PathBuf::from("/dev/zero"), "no regular file");
        let file = directory.path().join("tokens");
        std::fs::write(&file, "lab:0123456789abcdef\nlib\n").unwrap();
        check(file, "line 2: there is no colon");
    }
}
