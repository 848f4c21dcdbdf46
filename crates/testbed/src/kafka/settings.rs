//! Settings: what a cluster is made of, and the `server.properties` that follow from it.

use std::path::{Path, PathBuf};

use super::{archive, security};

/// The most brokers that one machine is asked to run.
const BROKERS_MAX: u32 = 9;
/// With less the brokers do not start.
const HEAP_MB_MIN: u32 = 128;

/// What a [`Cluster`](super::Cluster) is made of.
#[derive(Clone, Debug)]
pub struct ClusterSettings {
    /// 1 to 9; each is a controller too.
    pub brokers: u32,
    /// Clients must use TLS. The brokers' own listener stays plain.
    pub tls: bool,
    /// Clients must give a name and a password (SCRAM-SHA-512).
    pub sasl: bool,
    /// Users besides the first, who may do nothing until they are granted a right. Needs `sasl`.
    pub users: Vec<String>,
    /// Listeners besides, each with something that a client must get right. They need `tls`.
    pub doors: Vec<Door>,
    /// Names of clients that get a listener of their own on every broker, behind a
    /// [`Link`](crate::Link): letters, digits and `-`.
    pub links: Vec<String>,
    /// Lines for `server.properties`; they go before ours.
    pub properties: Vec<(String, String)>,
    /// Largest heap of each JVM in MB; 128 at least.
    pub heap_mb: u32,
    /// Where data and logs go; `None` is a temporary directory that goes with the cluster.
    pub directory: Option<PathBuf>,
    /// The clients' port of broker 1; the next brokers get the next ones. `None` is any.
    pub first_port: Option<u16>,
    /// What the brokers are tuned for.
    pub tuning: Tuning,
}

/// A listener with security of its own, for clients that shall meet it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Neither TLS nor passwords. Whoever comes by it may do everything, as the brokers may.
    Plain,
    /// TLS for whoever shows a certificate of the cluster's authority, and is who it names.
    Certificate,
    /// TLS, with a broker's certificate that has ended.
    Expired,
    /// TLS, with a broker's certificate for another host.
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
    /// Quick starts, quick fail-over, little memory.
    Tests,
    /// Kafka's own defaults, as far as that many brokers can have them, and the collector that
    /// its start script chooses: for measuring.
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
    /// An error that names the setting, if one is out of its range.
    pub(super) fn check(&self) -> Result<(), String> {
        if !(1..=BROKERS_MAX).contains(&self.brokers) {
            return Err(format!("brokers: {} is not from 1 to {BROKERS_MAX}", self.brokers));
        }
        if self.heap_mb < HEAP_MB_MIN {
            return Err(format!("heap_mb: {} is less than {HEAP_MB_MIN}", self.heap_mb));
        }
        if !self.users.is_empty() && !self.sasl {
            return Err("users: nobody is asked who they are without sasl".to_owned());
        }
        if !self.doors.is_empty() && !self.tls {
            return Err("doors: they need certificates, which tls brings".to_owned());
        }
        for (index, link) in self.links.iter().enumerate() {
            let is_fit = |c: char| c.is_ascii_alphanumeric() || c == '-';
            if link.is_empty() || !link.chars().all(is_fit) {
                return Err(format!("links: `{link}` is not made of letters, digits and `-`"));
            }
            if self.links[..index].iter().any(|other| other.eq_ignore_ascii_case(link)) {
                return Err(format!("links: `{link}` stands there twice"));
            }
        }
        Ok(())
    }

    /// Whether the brokers need a listener that clients do not use.
    pub(super) fn has_own_listener(&self) -> bool {
        self.tls || self.sasl
    }

    /// What goes before the class path.
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
                // Short lives: the optimising compiler would not earn what it costs.
                "-XX:TieredStopAtLevel=1",
                // No threads and no memory besides the heap.
                "-XX:+UseSerialGC",
                // No files in the system's temporary directory that a killed JVM leaves there.
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
    /// What clients are told: the same, or the port of a proxy.
    pub(super) advertised: u16,
    pub(super) protocol: &'static str,
}

/// What `server.properties` of one broker says about where things are.
pub(super) struct Place<'a> {
    pub(super) id: u32,
    pub(super) data: &'a Path,
    pub(super) listeners: &'a [Listener],
    pub(super) between_brokers: &'a str,
    pub(super) controller: u16,
    /// `1@127.0.0.1:port,…`
    pub(super) voters: &'a str,
    /// What TLS and SASL add.
    pub(super) security: &'a [(String, String)],
}

/// The name of the controllers' listener.
const CONTROLLER: &str = "CONTROLLER";

/// Everything that `server.properties` says. Of two lines for the same key the last one counts,
/// so those that the settings bring come last.
pub(super) fn server_properties(settings: &ClusterSettings, place: &Place<'_>) -> String {
    let listed = |of: &dyn Fn(&Listener) -> String| {
        place.listeners.iter().map(of).collect::<Vec<_>>().join(",")
    };
    let listening = listed(&|each| format!("{}://127.0.0.1:{}", each.name, each.port));
    let advertised = listed(&|each| format!("{}://127.0.0.1:{}", each.name, each.advertised));
    let protocols = listed(&|each| format!("{}:{}", each.name, each.protocol));
    let mut lines: Vec<(String, String)> = [
        ("process.roles", "broker,controller".to_owned()),
        ("node.id", place.id.to_string()),
        ("log.dirs", place.data.to_string_lossy().into_owned()),
        ("listeners", format!("{listening},{CONTROLLER}://127.0.0.1:{}", place.controller)),
        ("advertised.listeners", advertised),
        ("listener.security.protocol.map", format!("{protocols},{CONTROLLER}:PLAINTEXT")),
        ("inter.broker.listener.name", place.between_brokers.to_owned()),
        ("controller.listener.names", CONTROLLER.to_owned()),
        ("controller.quorum.voters", place.voters.to_owned()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into();
    lines.extend(replication(settings.brokers));
    // The embedded broker does not wait either for members that a test does not start.
    lines.push(line("group.initial.rebalance.delay.ms", &0));
    if settings.tuning == Tuning::Tests {
        lines.extend(for_tests());
    }
    lines.extend_from_slice(place.security);
    lines.extend_from_slice(&settings.properties);
    security::text(&lines)
}

fn line(key: &str, value: &impl ToString) -> (String, String) {
    (key.to_owned(), value.to_string())
}

/// Kafka's defaults want three brokers for its own topics. With three or more, two must have what
/// is acknowledged with acks=all: less would make "acknowledged" mean little, as one broker does.
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

fn for_tests() -> Vec<(String, String)> {
    vec![
        // A dead broker is noticed after 3 s instead of 9; its heartbeats must then be closer.
        line("broker.session.timeout.ms", &3_000),
        line("broker.heartbeat.interval.ms", &500),
        // A follower that is slow leaves the in-sync replicas after 5 s instead of 30.
        line("replica.lag.time.max.ms", &5_000),
        // Tests create what they need; a mistyped name must not make a topic.
        line("auto.create.topics.enable", &false),
        // Each partition of these costs files and start-up time; 50 are for large clusters.
        line("offsets.topic.num.partitions", &1),
        line("transaction.state.log.num.partitions", &1),
        line("share.coordinator.state.topic.num.partitions", &1),
        // So that tests may let members die quickly.
        line("group.min.session.timeout.ms", &1_000),
        // A transaction whose producer is gone ends a second after its time-out instead of ten.
        line("transaction.abort.timed.out.transaction.cleanup.interval.ms", &1_000),
        // The cleaner takes 128 MB of heap by default, which is half of ours.
        line("log.cleaner.dedupe.buffer.size", &(8 << 20)),
    ]
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{ClusterSettings, Door, Listener, Place, Tuning, server_properties};

    fn properties(settings: &ClusterSettings) -> String {
        let listener = |name: &str, port, advertised| Listener {
            name: name.to_owned(),
            port,
            advertised,
            protocol: "PLAINTEXT",
        };
        let listeners = [listener("CLIENTS", 1001, 1001), listener("LINK_A", 1002, 5000)];
        let place = Place {
            id: 2,
            data: Path::new("/data"),
            listeners: &listeners,
            between_brokers: "CLIENTS",
            controller: 1003,
            voters: "1@127.0.0.1:1003",
            security: &[],
        };
        server_properties(settings, &place)
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
    fn three_brokers_acknowledge_twice_and_one_cannot() {
        let with = |brokers| properties(&ClusterSettings { brokers, ..Default::default() });
        assert!(with(1).contains("\nmin.insync.replicas=1\n"));
        assert!(with(3).contains("\nmin.insync.replicas=2\n"));
        assert!(with(5).contains("\noffsets.topic.replication.factor=3\n"));
    }

    #[test]
    fn the_callers_properties_come_last() {
        let properties_own = vec![("min.insync.replicas".to_owned(), "1".to_owned())];
        let settings =
            ClusterSettings { brokers: 3, properties: properties_own, ..Default::default() };
        assert!(properties(&settings).ends_with("\nmin.insync.replicas=1\n"));
    }

    #[test]
    fn measured_brokers_have_kafkas_own_settings() {
        let settings = ClusterSettings { tuning: Tuning::Kafka, ..Default::default() };
        assert!(!properties(&settings).contains("broker.session.timeout.ms"));
        assert!(settings.jvm_options().contains(&"-XX:+UseG1GC".to_owned()));
    }

    #[test]
    fn what_is_out_of_range_is_named() {
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
