//! Variables that are set and empty: as good as not set. Compose (`${X:-}`), Helm and CI make them of settings that
//! nobody gave.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::Resettable;
use clap::{Arg, Command};

/// Without its tokens a producer would be open to whoever reaches it, so this one is not passed over.
pub(super) const TOKEN_FILE: &str = "ERBOH_TOKEN_FILE";

/// The command without the variables that are empty now.
pub(super) fn without_empty(command: Command) -> Command {
    command.mut_args(unless_empty).mut_subcommands(|of| of.mut_args(unless_empty))
}

fn unless_empty(arg: Arg) -> Arg {
    let value = arg.get_env().filter(|name| *name != TOKEN_FILE).and_then(std::env::var_os);
    if value.is_some_and(|value| value.is_empty()) { arg.env(Resettable::Reset) } else { arg }
}

pub(super) fn token_file(path: OsString) -> Result<PathBuf, String> {
    if path.is_empty() {
        return Err(format!(
            "it, or {TOKEN_FILE}, is empty. Give the path of a file with one line name:token for each writer, or leave \
             the setting out"
        ));
    }
    Ok(path.into())
}
