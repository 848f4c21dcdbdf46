//! Who may write, and that nobody else can by accident.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser as _};

use super::Unusable;
use super::variables::{TOKEN_FILE, token_file};
use crate::producer::access::Guard;

/// Who may put ratings on the queue.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Who may write")]
pub struct AccessFlags {
    /// File with the tokens of those who may write, one line name:token for each; changes of it take effect within
    /// two seconds
    #[arg(long, env = TOKEN_FILE, value_name = "PATH",
          value_parser = OsStringValueParser::new().try_map(token_file))]
    pub token_file: Option<PathBuf>,
    /// Let whoever reaches the service write, also from other machines
    #[arg(long, env = "ERBOH_ANYONE_MAY_WRITE")]
    pub anyone_may_write: bool,
}

impl AccessFlags {
    /// The guard of a producer that listens on `listen`, as `flag` says.
    ///
    /// # Errors
    /// A token file that cannot be used; both flags; or neither, where other machines can reach
    /// the service.
    pub fn guard(&self, listen: SocketAddr, flag: &str) -> Result<Guard, Unusable> {
        let beyond = !listen.ip().to_canonical().is_loopback();
        match (&self.token_file, self.anyone_may_write) {
            (Some(_), true) => Err(Unusable(
                "--token-file says who may write, and --anyone-may-write that everybody may: \
                 leave one of them out"
                    .to_owned(),
            )),
            (Some(path), false) => {
                Guard::by_file(path.clone()).map_err(|error| Unusable(error.to_string()))
            }
            (None, true) if beyond => {
                tracing::warn!("whoever reaches {listen} may write ratings: --anyone-may-write");
                Ok(Guard::open())
            }
            (None, false) if beyond => Err(Unusable(format!(
                "{flag} {listen}: other machines can reach this address, and nothing says who may \
                 write. Give the writers tokens with --token-file, or let everybody write with \
                 --anyone-may-write, or listen on 127.0.0.1"
            ))),
            (None, _) => Ok(Guard::open()),
        }
    }
}
