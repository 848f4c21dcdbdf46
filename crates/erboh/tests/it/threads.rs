//! A thread of the engine that ends: the process must not look well and stand still, it must end, so that its
//! supervisor starts it again.
//!
//! In the program itself, with the help of builds with debug assertions (see `consumer/engine/threads.rs`).

use std::path::Path;

use tokio::runtime::Runtime;

use crate::hazards::roles::{Role, Roles};
use crate::process::{ANY_PORT, Process};
use crate::support::broker::Broker;
use crate::support::wait::{becomes, eventually};

const VARIABLE: &str = "ERBOH_TEST_END_THREADS";

/// Lets a thread end in that way, while the consumer works.
fn end(folder: &Path, thread: &str, how: &str) {
    // As a whole, because it is looked for all the time.
    let whole = folder.join("whole");
    std::fs::write(&whole, how).expect("a file");
    std::fs::rename(&whole, folder.join(thread)).expect("a file");
}

/// Ends that thread of a consumer that works; the process must follow it.
fn check(roles: &Roles, bootstrap: &str, (thread, how): (&str, &str), said: &str) {
    let folder = tempfile::tempdir().expect("a directory");
    let variables = [(VARIABLE, folder.path().as_os_str())];
    let group = format!("--group=threads-{thread}-{how}");
    let mut consumer: Role = roles.start_with("consumer", bootstrap, &[&group], &variables);
    becomes("it is ready", || consumer.readiness().is_some_and(|text| text.starts_with("ready")));
    assert_eq!(consumer.liveness(), Some((200, "alive\n".to_owned())));
    end(folder.path(), thread, how);
    let (status, text) = eventually("it says that it is not alive", || {
        assert!(consumer.is_running(), "it has ended before: {}", consumer.log());
        consumer.liveness().filter(|(status, _)| *status != 200)
    });
    assert_eq!(status, 503, "{text}");
    assert!(text.contains(said), "{text}");
    assert_eq!(consumer.exit_code(), Some(1), "{}", consumer.log());
    let log = consumer.log();
    assert!(log.contains(&format!("erboh: the counting engine has failed: its {said}")), "{log}");
}

#[test]
fn a_consumer_of_which_a_thread_ends_is_not_alive_and_ends() {
    let runtime = Runtime::new().expect("a runtime");
    let broker = runtime.block_on(Broker::start());
    let bootstrap = &broker.kafka.brokers;
    let roles = Roles::on(bootstrap, 3, 1);
    for thread in ["engine", "engine-takeover", "engine-follow"] {
        let said = format!("thread {thread} panicked");
        check(&roles, bootstrap, (thread, "panic"), &said);
    }
    check(&roles, bootstrap, ("engine-follow", "end"), "thread engine-follow has ended");
    runtime.block_on(broker.close());
}

#[test]
fn a_demo_of_which_a_thread_ends_ends() {
    let home = tempfile::tempdir().expect("a directory");
    let variables = [(VARIABLE, home.path().as_os_str())];
    let mut demo = Process::start_with("demo", home.path(), &ANY_PORT, &variables);
    demo.places();
    end(home.path(), "engine", "panic");
    assert_eq!(demo.exit_code(), Some(1), "{}", demo.errors());
    assert!(demo.errors().contains("its thread engine panicked"), "{}", demo.errors());
}
