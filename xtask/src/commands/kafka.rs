//! `cargo xtask kafka`: Apache Kafka on this machine for interactive use, until it is stopped.
//!
//! ```text
//!  up ──► testbed ──► target/kafka-cluster/{broker-N/, client.properties, cluster}
//!                                                               │ bootstrap servers, pids
//!  status, down ◄───────────────────────────────────────────────┘
//! ```

use std::path::{Path, PathBuf};
use std::process::Command as Process;
use std::time::{Duration, Instant};

use erboh_testbed::{Cluster, ClusterSettings, Signal};

use super::Command;
use crate::{Outcome, process, repository};

pub(crate) const COMMAND: Command = Command {
    name: "kafka",
    summary: "Apache Kafka: up [--brokers N] [--tls] [--sasl] [--port P], status, down",
    run,
};

const USAGE: &str = "`kafka` takes up [--brokers N] [--tls] [--sasl] [--port P], status or down";
/// Most brokers that the testbed starts.
const BROKERS_MAX: u16 = 9;
/// The file that describes the running cluster.
const RECORD: &str = "cluster";
/// Kafka 4 checks SCRAM nonces as RFC 5802 requires; older clients send them wrong.
const NOTES: &str = "\n\nWith --sasl, kcat needs librdkafka 2.6.1 or newer (see `kcat -V`).";
/// In a controlled shutdown the last brokers find no other leader and would wait for minutes. Their
/// data is removed anyway.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
const KILL_TIMEOUT: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(100);

fn run(arguments: &[String]) -> Outcome {
    match arguments.split_first() {
        Some((word, rest)) if word == "up" => up(&parse(rest)?),
        Some((word, [])) if word == "down" => down(),
        Some((word, [])) if word == "status" => status(),
        _ => Err(USAGE.to_owned()),
    }
}

fn directory() -> PathBuf {
    repository::target("kafka-cluster")
}

fn parse(arguments: &[String]) -> Result<ClusterSettings, String> {
    let mut settings = ClusterSettings {
        first_port: Some(9092),
        directory: Some(directory()),
        heap_mb: 512,
        // Convenient for interactive use; tests need a mistyped name to fail.
        properties: vec![("auto.create.topics.enable".to_owned(), "true".to_owned())],
        ..ClusterSettings::default()
    };
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let mut number = |most: u16| {
            let text = words.next().ok_or_else(|| format!("`{word}` needs a number"))?;
            let number = text.parse().ok().filter(|number| (1..=most).contains(number));
            number.ok_or_else(|| format!("`{word}`: `{text}` is not a number from 1 to {most}"))
        };
        match word.as_str() {
            "--brokers" => settings.brokers = number(BROKERS_MAX)?.into(),
            "--port" => settings.first_port = Some(number(u16::MAX)?),
            "--tls" => settings.tls = true,
            "--sasl" => settings.sasl = true,
            _ => return Err(format!("`{word}` is not an option; {USAGE}")),
        }
    }
    Ok(settings)
}

fn up(settings: &ClusterSettings) -> Outcome {
    let directory = directory();
    if let Some(record) = Record::read(&directory)?
        && record.brokers.iter().any(Broker::is_running)
    {
        return Err(format!(
            "a cluster is running already, at {}; stop it with `cargo xtask kafka down`",
            record.bootstrap
        ));
    }
    // Left behind by a cluster that ended with the machine.
    remove(&directory)?;
    println!("starting {}; this takes a few seconds", brokers(settings.brokers as usize));
    let cluster = Cluster::start(settings).map_err(|reason| {
        if reason.contains("is taken") {
            format!(
                "{reason}; stop the process that listens there, or choose another port with --port"
            )
        } else {
            reason
        }
    })?;
    let guide = guide(&cluster, settings);
    let bootstrap = cluster.bootstrap();
    let pid = |id| cluster.pid(id).map(|pid| Broker { id, pid });
    let brokers = (1..=settings.brokers).filter_map(pid).collect();
    // Written before the brokers are detached, so that a failure here stops them.
    Record { bootstrap, brokers }.write(&directory)?;
    cluster.leave_running()?;
    println!("{guide}");
    Ok(())
}

/// How to connect to the cluster.
fn guide(cluster: &Cluster, settings: &ClusterSettings) -> String {
    let bootstrap = cluster.bootstrap();
    let (java, librdkafka) = (cluster.client_properties(), cluster.librdkafka_properties());
    let [java, librdkafka] = [&java, &librdkafka].map(|path| shown(path));
    let mut flags = vec![format!("--brokers {bootstrap}")];
    let mut file = |flag: &str, path: &Path| flags.push(format!("{flag} {}", shown(path)));
    if settings.tls {
        // The listener accepts client certificates, but does not require them.
        file("--kafka-ca-file", &cluster.security_file("ca.pem"));
    }
    if let Some(password) = cluster.sasl_password_file() {
        file("--kafka-password-file", &password);
        flags.push(format!("--kafka-username {}", cluster.user()));
    }
    let flags = flags.join(" ");
    let jars = shown(&repository::path("target/kafka/*"));
    format!(
        "Apache Kafka, {}: {bootstrap}\n\
         \n\
         for Java clients     {java}\n\
         for librdkafka       {librdkafka}\n\
         kcat                 kcat -F {librdkafka} -L\n\
         Kafka's own tools    java -cp '{jars}' org.apache.kafka.tools.TopicCommand \
         --bootstrap-server {bootstrap} --command-config {java} --list\n\
         erboh                cargo run -- producer {flags}\n\
         the same flags for   consumer, doctor (is the cluster safe?), audit (are the totals exact?)\n\
         stop it              cargo xtask kafka down{}",
        brokers(settings.brokers as usize),
        if settings.sasl { NOTES } else { "" },
    )
}

fn status() -> Outcome {
    let Some(record) = Record::read(&directory())? else {
        println!("no cluster is running; `cargo xtask kafka up` starts one");
        return Ok(());
    };
    println!("bootstrap servers: {}", record.bootstrap);
    for broker in &record.brokers {
        let state = if broker.is_running() { "is running" } else { "is DOWN" };
        let log = shown(&broker.directory().join("kafka.log"));
        println!("broker {} {state}: process {}, log {log}", broker.id, broker.pid);
    }
    Ok(())
}

fn down() -> Outcome {
    let directory = directory();
    let Some(record) = Record::read(&directory)? else {
        println!("no cluster is running");
        return Ok(());
    };
    stop(&record.brokers, Signal::Terminate, STOP_TIMEOUT);
    stop(&record.brokers, Signal::Kill, KILL_TIMEOUT);
    if let Some(left) = record.brokers.iter().find(|broker| broker.is_running()) {
        return Err(format!("broker {}, process {}, does not exit", left.id, left.pid));
    }
    remove(&directory)?;
    println!("{} stopped, and their data removed", brokers(record.brokers.len()));
    Ok(())
}

/// Sends the signal to the running brokers and waits for their exit, up to `timeout`.
fn stop(brokers: &[Broker], signal: Signal, timeout: Duration) {
    for broker in brokers.iter().filter(|broker| broker.is_running()) {
        // An error may mean that it has just exited, which is checked below.
        let _ = signal.send(broker.pid);
    }
    let deadline = Instant::now() + timeout;
    while brokers.iter().any(Broker::is_running) && Instant::now() < deadline {
        std::thread::sleep(POLL_INTERVAL);
    }
}

fn remove(directory: &Path) -> Outcome {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("removing {}: {error}", directory.display()))
        }
        _ => Ok(()),
    }
}

fn brokers(count: usize) -> String {
    if count == 1 { "1 broker".to_owned() } else { format!("{count} brokers") }
}

/// A path relative to the repository's root.
fn shown(path: &Path) -> String {
    path.strip_prefix(repository::root()).unwrap_or(path).display().to_string()
}

/// A broker that was started.
#[derive(Debug, PartialEq)]
struct Broker {
    id: u32,
    pid: u32,
}

impl Broker {
    fn directory(&self) -> PathBuf {
        directory().join(format!("broker-{}", self.id))
    }

    /// Whether the process is running and is this broker: after a reboot the pid may belong to
    /// another program.
    fn is_running(&self) -> bool {
        let mut ps = Process::new("ps");
        let line = process::capture(ps.args(["-ww", "-o", "args=", "-p", &self.pid.to_string()]));
        let settings = self.directory().join("server.properties");
        line.is_ok_and(|line| line.trim_end().ends_with(&settings.display().to_string()))
    }
}

/// The running cluster, as recorded by `up`.
#[derive(Debug, PartialEq)]
struct Record {
    bootstrap: String,
    brokers: Vec<Broker>,
}

impl Record {
    /// `bootstrap=…`, then a line `broker=id pid` per broker.
    fn text(&self) -> String {
        let brokers = self.brokers.iter().map(|each| format!("broker={} {}\n", each.id, each.pid));
        format!("bootstrap={}\n{}", self.bootstrap, brokers.collect::<String>())
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let bootstrap = lines.next()?.strip_prefix("bootstrap=")?.to_owned();
        let broker = |line: &str| {
            let (id, pid) = line.strip_prefix("broker=")?.split_once(' ')?;
            Some(Broker { id: id.parse().ok()?, pid: pid.parse().ok()? })
        };
        Some(Self { bootstrap, brokers: lines.map(broker).collect::<Option<_>>()? })
    }

    fn write(&self, directory: &Path) -> Outcome {
        let path = directory.join(RECORD);
        std::fs::write(&path, self.text())
            .map_err(|error| format!("writing {}: {error}", path.display()))
    }

    fn read(directory: &Path) -> Result<Option<Self>, String> {
        let path = directory.join(RECORD);
        let Ok(text) = std::fs::read_to_string(&path) else { return Ok(None) };
        let record = Self::parse(&text);
        record.map(Some).ok_or_else(|| {
            format!("{} is malformed; stop the brokers by hand and remove it", path.display())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Broker, Record, parse};

    #[test]
    fn record_round_trips() {
        let brokers = vec![Broker { id: 1, pid: 17 }, Broker { id: 2, pid: 4_000_000 }];
        let record = Record { bootstrap: "127.0.0.1:9092".to_owned(), brokers };
        assert_eq!(Record::parse(&record.text()), Some(record));
        assert_eq!(Record::parse("bootstrap=x\nbroker=1\n"), None);
        assert_eq!(Record::parse(""), None);
    }

    #[test]
    fn process_that_is_not_a_broker_is_ignored() {
        assert!(!Broker { id: 1, pid: std::process::id() }.is_running());
    }

    #[test]
    fn options_are_parsed_or_rejected() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let settings = parse(&words("--brokers 3 --tls --port 19092")).unwrap();
        assert_eq!((settings.brokers, settings.tls, settings.sasl), (3, true, false));
        assert_eq!(settings.first_port, Some(19_092));
        let rejected = |text: &str| parse(&words(text)).unwrap_err();
        assert!(rejected("--brokers").contains("needs a number"));
        assert!(rejected("--port many").contains("`many`"));
        assert!(rejected("--port 0").contains("from 1 to 65535"));
        assert!(rejected("--brokers 0").contains("from 1 to 9"));
        assert!(rejected("--brokers 10").contains("from 1 to 9"));
        assert!(rejected("--fast").contains("`--fast`"));
    }
}
