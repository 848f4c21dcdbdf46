//! Keeper: a shell that outlives its owner for a moment, to end the children that it leaves behind.
//!
//! ```text
//!  owner ──pipe──► sh: "+ 17", "+ 18", "- 17" … the end of the pipe ─► SIGKILL to 18
//! ```
//!
//! The system closes the pipe when the owner ends, however it ends.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

const KEEPER: &str = r#"
held=
while read -r what pid; do
  if [ "$what" = + ]; then held="$held $pid"; continue; fi
  rest=
  for each in $held; do [ "$each" = "$pid" ] || rest="$rest $each"; done
  held=$rest
done
[ -z "$held" ] || kill -KILL $held
"#;

/// One for all children of this process. Without a shell they end only with those who own them.
static SHELL: LazyLock<Mutex<Option<Child>>> = LazyLock::new(|| {
    let mut shell = Command::new("sh");
    shell.args(["-c", KEEPER, "erboh-testbed"]);
    shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    // Ctrl-C is for the owner.
    shell.process_group(0);
    Mutex::new(shell.spawn().ok())
});

/// Starts the shell. A child that is started after this cannot be ready before there is somebody
/// to hold it.
pub(crate) fn start() {
    LazyLock::force(&SHELL);
}

/// This process ends with us.
pub(crate) fn hold(pid: u32) {
    tell('+', pid);
}

/// This process has ended, and its pid may soon be that of another one.
pub(crate) fn release(pid: u32) {
    tell('-', pid);
}

fn tell(what: char, pid: u32) {
    let mut shell = SHELL.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(line) = shell.as_mut().and_then(|shell| shell.stdin.as_mut()) {
        // A keeper that somebody has ended keeps nothing any more.
        let _ = line.write_all(format!("{what} {pid}\n").as_bytes());
    }
}
