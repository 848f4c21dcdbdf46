//! Who may write: the names and tokens of a file, asked for by every route that puts ratings on
//! the queue.
//!
//! ```text
//!  token file ──► tokens.rs  (names and SHA-256 digests) ──► guard.rs ──► the route, with the
//!       ▲                                                     ▲            Caller's name
//!  watch.rs looks twice a second                      credentials.rs       or 401
//!                                                  (Authorization: Bearer, Basic)
//! ```
//!
//! Without a token file whoever reaches the service may write, so it is reached from this machine
//! only unless its operator says otherwise (`--anyone-may-write`). Reading needs no token.
//!
//! A token is known to this process as its digest. It stands in no log, error or number.

mod credentials;
mod guard;
mod metrics;
mod token;
mod tokens;
mod watch;

pub use guard::Guard;
pub(super) use guard::{Caller, check};
pub use token::Token;
