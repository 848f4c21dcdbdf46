//! Token: the one that a command of this project writes with.

use std::fmt;
use std::path::Path;

use super::tokens;
use super::watch::{FileError, read};

/// A token in the clear. It is not printed.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// The first token of a token file.
    ///
    /// # Errors
    /// Names the path, and the line where one is at fault; never what stands in it.
    pub fn first_of(path: &Path) -> Result<Self, FileError> {
        let token = read(path).and_then(|content| Ok(tokens::first(&content)?));
        token.map(Self).map_err(|cause| FileError { path: path.to_owned(), cause })
    }

    /// The value of the header `authorization`.
    #[must_use]
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}
