//! Security: the app on Apache Kafka with TLS, client certificates, SCRAM and access control lists.
//!
//! ```text
//!   cluster() ─┬─ clients' listener   TLS and SCRAM; the user `erboh` may do everything, others nothing
//!              ├─ Door::Certificate   TLS for whoever shows a certificate
//!              ├─ Door::Expired, Door::OtherHost   brokers that must not be trusted
//!              └─ Door::Plain         for the test itself, to make topics
//! ```

use erboh_testbed::Cluster;

use crate::process;

mod kafka;

/// What a command said on both streams, and its exit code.
struct Said {
    text: String,
    exit_code: i32,
}

/// Runs a command of erboh to its end.
fn erboh(command: &str, brokers: &str, flags: &[String]) -> Said {
    let flags = flags.iter().map(String::as_str);
    let output = process::erboh([command, "--brokers", brokers].into_iter().chain(flags));
    let text = String::from_utf8([output.stdout, output.stderr].concat()).expect("text");
    Said { text, exit_code: output.status.code().expect("it ended by itself") }
}

/// `--flag PATH` for a file of the cluster.
fn file(cluster: &Cluster, flag: &str, name: &str) -> String {
    format!("{flag}={}", cluster.security_file(name).display())
}

/// The flags of a user who logs in by SCRAM over TLS.
fn login(cluster: &Cluster, user: &str, password_file: &str) -> Vec<String> {
    vec![
        file(cluster, "--kafka-ca-file", "ca.pem"),
        format!("--kafka-username={user}"),
        file(cluster, "--kafka-password-file", password_file),
    ]
}

/// The flags of a client that shows a certificate.
fn certificate(cluster: &Cluster, name: &str) -> Vec<String> {
    vec![
        file(cluster, "--kafka-ca-file", "ca.pem"),
        file(cluster, "--kafka-cert-file", &format!("{name}.pem")),
        file(cluster, "--kafka-key-file", &format!("{name}.key")),
    ]
}
