//! The settings of a cluster, and the `server.properties` derived from them.

use std::path::{Path, PathBuf};

use super::{archive, security};

/// Most brokers on one machine.
const BROKERS_MAX: u32 = 9;
/// Brokers do not start with less.
const HEAP_MB_MIN: u32 = 128;

/// Settings of a [`Cluster`](super::Cluster).
#[derive(Clone, Debug)]
pub struct ClusterSettings {
    /// Number of brokers, 1 to 9; each is a controller too.
    pub brokers: u32,
    /// Requires TLS of clients. The inter-broker listener stays plaintext.
    pub tls: bool,
    /// Requires SCRAM-SHA-512 authentication of clients.
    pub sasl: bool,
    /// Users besides the super user, without any ACL. Needs `sasl`.
    pub users: Vec<String>,
    /// Additional listeners with their own security settings. Needs `tls`.
    pub doors: Vec<Door>,
    /// Names of clients that get their own listener on every broker, behind a
    /// [`Link`](crate::Link): letters, digits and `-`.
    pub links: Vec<String>,
    /// Properties that override the generated `server.properties`.
    pub properties: Vec<(String, String)>,
    /// Maximum heap of each JVM in MB, at least 128.
    pub heap_mb: u32,
    /// Directory of data and logs; `None` is a temporary directory, removed with the cluster.
    pub directory: Option<PathBuf>,
    /// Client port of broker 1; the next brokers get the following ports. `None` is any.
    pub first_port: Option<u16>,
    /// What the brokers are tuned for.
    pub tuning: Tuning,
}

/// An additional listener with its own security settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Plaintext without authentication. Its clients are super users, like the brokers.
    Plain,
    /// TLS with a required client certificate, whose name is the principal.
    Certificate,
    /// TLS with an expired broker certificate.
    Expired,
    /// TLS with a broker certificate for another host name.
    OtherHost,
}

impl Door {
    /// The listener's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Plain => "DOOR_PLAIN",
            Self::Certificate => "DOOR_CERTIFICATE",
            Self::Expired => "DOOR_EXPIRED",
            Self::OtherHost => "DOOR_OTHER_HOST",
        }
    }

    pub(super) fn protocol(self) -> &'static str {
        if self == Self::Plain { "PLAINTEXT" } else { "SSL" }
    }
}

/// What brokers and JVMs are tuned for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tuning {
    /// Fast starts, fast failover, little memory.
    Tests,
    /// For benchmarks: Kafka's defaults, as far as the number of brokers permits, and the garbage
    /// collector of its start script.
    Kafka,
}

impl Default for ClusterSettings {
    fn default() -> Self {
        Self {
            brokers: 1,
            tls: false,
            sasl: false,
            users: Vec::new(),
            doors: Vec::new(),
            links: Vec::new(),
            properties: Vec::new(),
            heap_mb: 256,
            directory: None,
            first_port: None,
            tuning: Tuning::Tests,
        }
    }
}

impl ClusterSettings {
    /// Checks the ranges; the error names the setting.
    pub(super) fn check(&self) -> Result<(), String> {
        if !(1..=BROKERS_MAX).contains(&self.brokers) {
            return Err(format!("brokers: {} is not from 1 to {BROKERS_MAX}", self.brokers));
        }
        if self.heap_mb < HEAP_MB_MIN {
            return Err(format!("heap_mb: {} is less than {HEAP_MB_MIN}", self.heap_mb));
        }
        if !self.users.is_empty() && !self.sasl {
            return Err("users: they need sasl, which authenticates them".to_owned());
        }
        if !self.doors.is_empty() && !self.tls {
            return Err("doors: they need tls, which creates the certificates".to_owned());
        }
        for (index, link) in self.links.iter().enumerate() {
            let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
            if link.is_empty() || !link.chars().all(is_allowed) {
                return Err(format!("links: `{link}` must consist of letters, digits and `-`"));
            }
            if self.links[..index].iter().any(|other| other.eq_ignore_ascii_case(link)) {
                return Err(format!("links: `{link}` is listed twice"));
            }
        }
        Ok(())
    }

    /// Whether the brokers need a separate inter-broker listener.
    pub(super) fn has_inter_broker_listener(&self) -> bool {
        self.tls || self.sasl
    }

    /// The JVM options before the class path.
    pub(super) fn jvm_options(&self) -> Vec<String> {
        let heap_mb = self.heap_mb;
        let mut options = vec![
            format!("-Xmx{heap_mb}m"),
            "-Djava.awt.headless=true".to_owned(),
            "-Dorg.slf4j.simpleLogger.showDateTime=true".to_owned(),
            "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS".to_owned(),
        ];
        let tuned: &[&str] = match self.tuning {
            Tuning::Tests => &[
                // The processes are short-lived: C2 compilation does not pay off.
                "-XX:TieredStopAtLevel=1",
                // No collector threads, little memory besides the heap.
                "-XX:+UseSerialGC",
                // Otherwise a killed JVM leaves files in the system's temporary directory.
                "-XX:-UsePerfData",
            ],
            Tuning::Kafka => &[
                "-server",
                "-XX:+UseG1GC",
                "-XX:MaxGCPauseMillis=20",
                "-XX:InitiatingHeapOccupancyPercent=35",
                "-XX:+ExplicitGCInvokesConcurrent",
            ],
        };
        options.extend(tuned.iter().map(|option| (*option).to_owned()));
        match self.tuning {
            Tuning::Tests => options.extend(archive::option()),
            Tuning::Kafka => options.push(format!("-Xms{heap_mb}m")),
        }
        options
    }
}

/// A listener of one broker.
pub(super) struct Listener {
    pub(super) name: String,
    pub(super) port: u16,
    /// The advertised port: the same, or the port of a proxy.
    pub(super) advertised: u16,
    pub(super) protocol: &'static str,
}

/// The node-specific part of `server.properties`.
pub(super) struct NodeConfig<'a> {
    pub(super) id: u32,
    pub(super) data: &'a Path,
    pub(super) listeners: &'a [Listener],
    pub(super) inter_broker: &'a str,
    pub(super) controller: u16,
    /// `1@127.0.0.1:port,…`
    pub(super) voters: &'a str,
    /// The properties of TLS and SASL.
    pub(super) security: &'a [(String, String)],
}

/// The name of the controller listener.
const CONTROLLER: &str = "CONTROLLER";

/// The content of `server.properties`. Kafka uses the last line of a key, so the properties of the
/// settings come last.
pub(super) fn server_properties(settings: &ClusterSettings, config: &NodeConfig<'_>) -> String {
    let listed = |of: &dyn Fn(&Listener) -> String| {
        config.listeners.iter().map(of).collect::<Vec<_>>().join(",")
    };
    let listening = listed(&|each| format!("{}://127.0.0.1:{}", each.name, each.port));
    let advertised = listed(&|each| format!("{}://127.0.0.1:{}", each.name, each.advertised));
    let protocols = listed(&|each| format!("{}:{}", each.name, each.protocol));
    let mut lines: Vec<(String, String)> = [
        ("process.roles", "broker,controller".to_owned()),
        ("node.id", config.id.to_string()),
        ("log.dirs", config.data.to_string_lossy().into_owned()),
        ("listeners", format!("{listening},{CONTROLLER}://127.0.0.1:{}", config.controller)),
        ("advertised.listeners", advertised),
        ("listener.security.protocol.map", format!("{protocols},{CONTROLLER}:PLAINTEXT")),
        ("inter.broker.listener.name", config.inter_broker.to_owned()),
        ("controller.listener.names", CONTROLLER.to_owned()),
        ("controller.quorum.voters", config.voters.to_owned()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into();
    lines.extend(replication(settings.brokers));
    // Tests do not wait for further members, and neither does the embedded broker.
    lines.push(line("group.initial.rebalance.delay.ms", &0));
    if settings.tuning == Tuning::Tests {
        lines.extend(test_tuning());
    }
    lines.extend_from_slice(config.security);
    lines.extend_from_slice(&settings.properties);
    security::text(&lines)
}

fn line(key: &str, value: &impl ToString) -> (String, String) {
    (key.to_owned(), value.to_string())
}

/// Replication for the number of brokers: Kafka's internal topics need three by default. With three
/// or more brokers, acks=all requires two in-sync replicas; with one, an acknowledgement would
/// guarantee no more than a single broker does.
fn replication(brokers: u32) -> Vec<(String, String)> {
    let factor = brokers.min(3);
    let in_sync = if brokers >= 3 { 2 } else { 1 };
    vec![
        line("default.replication.factor", &factor),
        line("min.insync.replicas", &in_sync),
        line("offsets.topic.replication.factor", &factor),
        line("transaction.state.log.replication.factor", &factor),
        line("transaction.state.log.min.isr", &in_sync),
        line("share.coordinator.state.topic.replication.factor", &factor),
        line("share.coordinator.state.topic.min.isr", &in_sync),
    ]
}

fn test_tuning() -> Vec<(String, String)> {
    vec![
        // A dead broker is fenced after 3 s instead of 9, which needs more frequent heartbeats.
        line("broker.session.timeout.ms", &3_000),
        line("broker.heartbeat.interval.ms", &500),
        // A slow follower leaves the in-sync replicas after 5 s instead of 30.
        line("replica.lag.time.max.ms", &5_000),
        // A mistyped topic name must fail.
        line("auto.create.topics.enable", &false),
        // Each partition costs files and start-up time; 50 are for large clusters.
        line("offsets.topic.num.partitions", &1),
        line("transaction.state.log.num.partitions", &1),
        line("share.coordinator.state.topic.num.partitions", &1),
        // Short session timeouts for tests of dead members.
        line("group.min.session.timeout.ms", &1_000),
        // The broker aborts a timed-out transaction within 1 s instead of 10.
        line("transaction.abort.timed.out.transaction.cleanup.interval.ms", &1_000),
        // The log cleaner takes 128 MB of heap by default, half of the heap here.
        line("log.cleaner.dedupe.buffer.size", &(8 << 20)),
    ]
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{ClusterSettings, Door, Listener, NodeConfig, Tuning, server_properties};

    fn properties(settings: &ClusterSettings) -> String {
        let listener = |name: &str, port, advertised| Listener {
            name: name.to_owned(),
            port,
            advertised,
            protocol: "PLAINTEXT",
        };
        let listeners = [listener("CLIENTS", 1001, 1001), listener("LINK_A", 1002, 5000)];
        let config = NodeConfig {
            id: 2,
            data: Path::new("/data"),
            listeners: &listeners,
            inter_broker: "CLIENTS",
            controller: 1003,
            voters: "1@127.0.0.1:1003",
            security: &[],
        };
        server_properties(settings, &config)
    }

    #[test]
    fn proxied_listeners_are_advertised_at_the_proxy() {
        let text = properties(&ClusterSettings::default());
        assert!(text.contains(
            "\nlisteners=CLIENTS://127.0.0.1:1001,LINK_A://127.0.0.1:1002,CONTROLLER://127.0.0.1:1003\n"
        ));
        assert!(
            text.contains(
                "\nadvertised.listeners=CLIENTS://127.0.0.1:1001,LINK_A://127.0.0.1:5000\n"
            )
        );
    }

    #[test]
    fn min_insync_replicas_follow_the_number_of_brokers() {
        let with = |brokers| properties(&ClusterSettings { brokers, ..Default::default() });
        assert!(with(1).contains("\nmin.insync.replicas=1\n"));
        assert!(with(3).contains("\nmin.insync.replicas=2\n"));
        assert!(with(5).contains("\noffsets.topic.replication.factor=3\n"));
    }

    #[test]
    fn properties_of_the_caller_come_last() {
        let properties_own = vec![("min.insync.replicas".to_owned(), "1".to_owned())];
        let settings =
            ClusterSettings { brokers: 3, properties: properties_own, ..Default::default() };
        assert!(properties(&settings).ends_with("\nmin.insync.replicas=1\n"));
    }

    #[test]
    fn benchmark_tuning_keeps_kafkas_defaults() {
        let settings = ClusterSettings { tuning: Tuning::Kafka, ..Default::default() };
        assert!(!properties(&settings).contains("broker.session.timeout.ms"));
        assert!(settings.jvm_options().contains(&"-XX:+UseG1GC".to_owned()));
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let check = |settings: ClusterSettings, wanted: &str| {
            let error = settings.check().unwrap_err();
            assert!(error.contains(wanted), "{error}");
        };
        let plain = ClusterSettings::default;
        check(ClusterSettings { brokers: 0, ..plain() }, "brokers: 0");
        check(ClusterSettings { heap_mb: 1, ..plain() }, "heap_mb: 1");
        check(ClusterSettings { users: vec!["ann".to_owned()], ..plain() }, "users");
        check(ClusterSettings { doors: vec![Door::Plain], ..plain() }, "doors");
        check(ClusterSettings { links: vec!["a b".to_owned()], ..plain() }, "`a b`");
        check(ClusterSettings { links: vec!["a".to_owned(), "A".to_owned()], ..plain() }, "twice");
    }
}
