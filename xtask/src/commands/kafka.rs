//! `cargo xtask kafka`: Apache Kafka on this machine, for a person, until that person stops it.
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
/// The most brokers that the testbed starts.
const BROKERS_MAX: u16 = 9;
/// The file that says what is up.
const RECORD: &str = "cluster";
/// Kafka 4 compares nonces as the standard says, and older clients send them wrong.
const NOTES: &str = "\n\nWith --sasl, kcat needs librdkafka 2.6.1 or newer (`kcat -V` tells).";
/// Brokers hand over what they lead before they end; the last ones find nobody to hand it to and
/// would wait for minutes. Their data goes anyway.
const STOP_MAX: Duration = Duration::from_secs(5);
const KILL_MAX: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(100);

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
        // Tests want a mistyped name refused; people type the name of a topic to have it.
        properties: vec![("auto.create.topics.enable".to_owned(), "true".to_owned())],
        ..ClusterSettings::default()
    };
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let mut number = |most: u16| {
            let text = words.next().ok_or_else(|| format!("`{word}` needs a number"))?;
            let number = text.parse().ok().filter(|number| (1..=most).contains(number));
            number.ok_or_else(|| format!("`{word}`: `{text}` is no number from 1 to {most}"))
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
        && record.brokers.iter().any(Broker::runs)
    {
        return Err(format!(
            "a cluster is up already, at {}; `cargo xtask kafka down` ends it",
            record.bootstrap
        ));
    }
    // What is left of a cluster that the machine has ended.
    remove(&directory)?;
    println!("starting {}; this takes some seconds", brokers(settings.brokers as usize));
    let cluster = Cluster::start(settings).map_err(|reason| {
        if reason.contains("is taken") {
            format!("{reason}; end what listens there, or choose another with --port")
        } else {
            reason
        }
    })?;
    let guide = guide(&cluster, settings);
    let bootstrap = cluster.bootstrap();
    let pid = |id| cluster.pid(id).map(|pid| Broker { id, pid });
    let brokers = (1..=settings.brokers).filter_map(pid).collect();
    // Before they are let go, so that a failure here ends them.
    Record { bootstrap, brokers }.write(&directory)?;
    cluster.leave_running()?;
    println!("{guide}");
    Ok(())
}

/// What there is now, and lines to copy.
fn guide(cluster: &Cluster, settings: &ClusterSettings) -> String {
    let bootstrap = cluster.bootstrap();
    let (java, librdkafka) = (cluster.client_properties(), cluster.librdkafka_properties());
    let [java, librdkafka] = [&java, &librdkafka].map(|path| shown(path));
    let mut flags = vec![format!("--brokers {bootstrap}")];
    let mut file = |flag: &str, path: &Path| flags.push(format!("{flag} {}", shown(path)));
    if settings.tls {
        // A certificate of the client's own is welcome there, but not demanded.
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
         to end it            cargo xtask kafka down{}",
        brokers(settings.brokers as usize),
        if settings.sasl { NOTES } else { "" },
    )
}

fn status() -> Outcome {
    let Some(record) = Record::read(&directory())? else {
        println!("no cluster is up; `cargo xtask kafka up` starts one");
        return Ok(());
    };
    println!("bootstrap servers: {}", record.bootstrap);
    for broker in &record.brokers {
        let state = if broker.runs() { "runs" } else { "is DOWN" };
        let log = shown(&broker.directory().join("kafka.log"));
        println!("broker {} {state}: process {}, log {log}", broker.id, broker.pid);
    }
    Ok(())
}

fn down() -> Outcome {
    let directory = directory();
    let Some(record) = Record::read(&directory)? else {
        println!("no cluster is up");
        return Ok(());
    };
    end(&record.brokers, Signal::Terminate, STOP_MAX);
    end(&record.brokers, Signal::Kill, KILL_MAX);
    if let Some(left) = record.brokers.iter().find(|broker| broker.runs()) {
        return Err(format!("broker {}, process {}, does not end", left.id, left.pid));
    }
    remove(&directory)?;
    println!("{} ended, and their data removed", brokers(record.brokers.len()));
    Ok(())
}

/// Sends the signal to those that run, and waits for their end, at most that long.
fn end(brokers: &[Broker], signal: Signal, at_most: Duration) {
    for broker in brokers.iter().filter(|broker| broker.runs()) {
        // Whether it has ended is looked at below; it may just have done so by itself.
        let _ = signal.send(broker.pid);
    }
    let deadline = Instant::now() + at_most;
    while brokers.iter().any(Broker::runs) && Instant::now() < deadline {
        std::thread::sleep(LOOK_EVERY);
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

/// A path as it is typed in the repository's root.
fn shown(path: &Path) -> String {
    path.strip_prefix(repository::root()).unwrap_or(path).display().to_string()
}

/// One broker that has been started.
#[derive(Debug, PartialEq)]
struct Broker {
    id: u32,
    pid: u32,
}

impl Broker {
    fn directory(&self) -> PathBuf {
        directory().join(format!("broker-{}", self.id))
    }

    /// Whether the process is there and still is that broker: after a restart of the machine
    /// its id may be that of any other program.
    fn runs(&self) -> bool {
        let mut ps = Process::new("ps");
        let line = process::capture(ps.args(["-ww", "-o", "args=", "-p", &self.pid.to_string()]));
        let settings = self.directory().join("server.properties");
        line.is_ok_and(|line| line.trim_end().ends_with(&settings.display().to_string()))
    }
}

/// What is up, as `up` has written it down.
#[derive(Debug, PartialEq)]
struct Record {
    bootstrap: String,
    brokers: Vec<Broker>,
}

impl Record {
    /// `bootstrap=…`, then `broker=id pid` for each.
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
            format!("{} is damaged; end the brokers by hand and remove it", path.display())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Broker, Record, parse};

    #[test]
    fn the_record_is_read_as_it_was_written() {
        let brokers = vec![Broker { id: 1, pid: 17 }, Broker { id: 2, pid: 4_000_000 }];
        let record = Record { bootstrap: "127.0.0.1:9092".to_owned(), brokers };
        assert_eq!(Record::parse(&record.text()), Some(record));
        assert_eq!(Record::parse("bootstrap=x\nbroker=1\n"), None);
        assert_eq!(Record::parse(""), None);
    }

    #[test]
    fn a_process_that_is_no_broker_is_left_alone() {
        assert!(!Broker { id: 1, pid: std::process::id() }.runs());
    }

    #[test]
    fn options_are_read_or_refused() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let settings = parse(&words("--brokers 3 --tls --port 19092")).unwrap();
        assert_eq!((settings.brokers, settings.tls, settings.sasl), (3, true, false));
        assert_eq!(settings.first_port, Some(19_092));
        let refused = |text: &str| parse(&words(text)).unwrap_err();
        assert!(refused("--brokers").contains("needs a number"));
        assert!(refused("--port many").contains("`many`"));
        assert!(refused("--port 0").contains("from 1 to 65535"));
        assert!(refused("--brokers 0").contains("from 1 to 9"));
        assert!(refused("--brokers 10").contains("from 1 to 9"));
        assert!(refused("--fast").contains("`--fast`"));
    }
}
