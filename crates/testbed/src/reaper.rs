//! A reaper process: a shell that outlives this process briefly to kill its remaining children.
//!
//! ```text
//!  owner ──pipe──► sh: "+ 17", "+ 18", "- 17" … end of file ─► SIGKILL to 18
//! ```
//!
//! The kernel closes the pipe when the owner exits, however it exits.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

const SCRIPT: &str = r#"
registered=
while read -r what pid; do
  if [ "$what" = + ]; then registered="$registered $pid"; continue; fi
  rest=
  for each in $registered; do [ "$each" = "$pid" ] || rest="$rest $each"; done
  registered=$rest
done
[ -z "$registered" ] || kill -KILL $registered
"#;

/// One reaper for all children of this process. Without a shell, children are only killed when
/// dropped.
static SHELL: LazyLock<Mutex<Option<Child>>> = LazyLock::new(|| {
    let mut shell = Command::new("sh");
    shell.args(["-c", SCRIPT, "erboh-testbed"]);
    shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    // Ctrl-C goes to the owner only.
    shell.process_group(0);
    Mutex::new(shell.spawn().ok())
});

/// Starts the reaper. Called before a child is spawned, so that a child never runs without it.
pub(crate) fn start() {
    LazyLock::force(&SHELL);
}

/// Registers a process to be killed when this process exits.
pub(crate) fn register(pid: u32) {
    send('+', pid);
}

/// Unregisters a process that has exited; its pid may be reused.
pub(crate) fn unregister(pid: u32) {
    send('-', pid);
}

fn send(what: char, pid: u32) {
    let mut shell = SHELL.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(pipe) = shell.as_mut().and_then(|shell| shell.stdin.as_mut()) {
        // An error means that the reaper was killed; children are then only killed when dropped.
        let _ = pipe.write_all(format!("{what} {pid}\n").as_bytes());
    }
}
