//! Every setting: one flag, one `ERBOH_*` variable, one default, one line of help.
//!
//! Settings are read here and nowhere else, before anything is opened. What must stay secret is
//! never taken from the command line, where every user of the machine can read it.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

pub use self::access::AccessFlags;
pub use self::audit::AuditFlags;
pub use self::broker::BrokerFlags;
pub use self::demo::DemoFlags;
pub use self::kafka::{KafkaFlags, Property};
pub use self::producer::{HitFlags, ProducerFlags};
pub use self::security::{SaslMechanism, SecurityFlags};
use crate::telemetry::{self, Format};

mod access;
mod audit;
mod broker;
mod convert;
mod demo;
mod kafka;
mod producer;
mod security;
mod traces;
mod variables;

/// Ratings through a Kafka topic to exact totals: a message queue that you can see working.
#[derive(Debug, Parser)]
#[command(name = "erboh", version, max_term_width = 100, subcommand_required = true)]
pub struct Cli {
    /// How the process logs.
    #[command(flatten)]
    pub log: LogFlags,
    /// What to run.
    #[command(subcommand)]
    pub command: Command,
}

/// What a person or a pod runs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run it all on this machine: an embedded broker, the producer and the board
    Demo(DemoFlags),
    /// Run the embedded broker alone
    #[command(after_help = broker::LIMITS)]
    Broker(BrokerFlags),
    /// Run the service that puts ratings on the queue
    Producer(ProducerFlags),
    /// Run the service that takes ratings off the queue and shows the totals
    Consumer(ConsumerFlags),
    /// Send three messages through a cluster, or a rating through the services, and say pass or fail
    #[command(after_help = "Exit codes: 0 pass, 1 fail or stopped, 2 wrong flags")]
    Smoke(SmokeFlags),
    /// Look at a cluster and say what endangers exactness, and how to mend it
    #[command(after_help = "Exit codes: 0 nothing endangers exactness, 1 something does, 2 not \
                            everything could be looked at (or wrong flags), 130 stopped")]
    Doctor(DoctorFlags),
    /// Recount the log and compare it with the boards and the snapshots: exact, or where not
    #[command(after_help = "Exit codes: 0 exact, 1 not exact, 2 could not tell (or wrong flags), \
                            130 stopped")]
    Audit(AuditFlags),
}

/// How the process logs.
#[derive(Debug, Args)]
#[command(next_help_heading = "Logging")]
pub struct LogFlags {
    /// Form of the log on standard error: auto is text on a terminal and JSON elsewhere
    #[arg(
        long,
        env = "ERBOH_LOG_FORMAT",
        global = true,
        display_order = 900,
        value_enum,
        default_value = "auto"
    )]
    pub log_format: Format,
    /// What is logged: a level, or targets with levels such as info,erboh=debug; default: info
    /// for broker, producer and consumer, warn for the other commands
    #[arg(
        long,
        env = "ERBOH_LOG_FILTER",
        global = true,
        display_order = 901,
        value_name = "FILTER"
    )]
    pub log_filter: Option<String>,
    /// Address of a collector of traces (OTLP over HTTP, usually port 4318); only in an erboh that
    /// was built with --features otlp
    #[arg(
        long,
        env = "ERBOH_OTLP_ENDPOINT",
        global = true,
        display_order = 902,
        value_name = "URL",
        value_parser = traces::collector
    )]
    pub otlp_endpoint: Option<String>,
}

/// Who makes the topics, and the shape of those that do not exist yet.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Topics")]
pub struct TopicFlags {
    /// Create topics that are missing and give erboh-totals as many partitions as erboh-ratings; with
    /// false this role changes no topic and waits until others have done so
    #[arg(long, env = "ERBOH_MANAGE_TOPICS", default_value_t = true, action = ArgAction::Set,
          value_name = "BOOL")]
    pub manage_topics: bool,
    /// Partitions of topics that are created. Of existing topics only erboh-totals is changed: it
    /// gets as many partitions as erboh-ratings
    #[arg(long, env = "ERBOH_PARTITIONS", default_value_t = 6, value_parser = clap::value_parser!(i32).range(1..=1000))]
    pub partitions: i32,
    /// Replicas of topics that are created; -1 leaves the number to the cluster
    #[arg(long, env = "ERBOH_REPLICATION", default_value_t = -1, allow_negative_numbers = true, value_parser = replication)]
    pub replication: i32,
}

/// Where and how an embedded broker stores.
#[derive(Debug, Clone, Args)]
pub struct StorageFlags {
    /// Where data is kept.
    #[arg(
        long,
        env = "ERBOH_DATA_DIR",
        value_name = "DIR",
        help = "Where data is kept; default: erboh in $XDG_DATA_HOME or ~/.local/share"
    )]
    pub data_dir: Option<PathBuf>,
    /// When a record counts as written: periodic survives a killed process, always a power cut too
    #[arg(long, env = "ERBOH_FSYNC", value_enum, default_value = "periodic")]
    pub fsync: Fsync,
}

/// When the embedded broker forces data to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Fsync {
    /// Acknowledge from the page cache, write to the disk every so often
    Periodic,
    /// Acknowledge only what is on the disk
    Always,
}

/// Flags of `erboh consumer`.
#[derive(Debug, Args)]
pub struct ConsumerFlags {
    /// Address of the board and the API
    #[arg(long, env = "ERBOH_LISTEN", default_value_t = local(3001), value_name = "IP:PORT",
          value_parser = ip_and_port)]
    pub listen: SocketAddr,
    /// Address of /livez, /readyz and /metrics
    #[arg(long, env = "ERBOH_OPS_LISTEN", default_value_t = local(3101), value_name = "IP:PORT",
          value_parser = ip_and_port)]
    pub ops_listen: SocketAddr,
    /// Consumer group that shares the partitions out
    #[arg(long, env = "ERBOH_GROUP", default_value = "voiceRatingConsumer", value_name = "NAME")]
    pub group: String,
    /// Name of this member across restarts: with one, a quick restart moves no partitions
    #[arg(long, env = "ERBOH_INSTANCE_ID", value_name = "NAME")]
    pub instance_id: Option<String>,
    /// What to do about ratings that are gone.
    #[command(flatten)]
    pub loss: LossFlags,
    /// Address of the producer as browsers reach it; the board links to it
    #[arg(long, env = "ERBOH_PRODUCER_URL", value_name = "URL", value_parser = web_url)]
    pub producer_url: Option<String>,
    /// How the role stops.
    #[command(flatten)]
    pub stop: StopFlags,
    /// Where the cluster is.
    #[command(flatten)]
    pub kafka: KafkaFlags,
    /// The shape of new topics.
    #[command(flatten)]
    pub topics: TopicFlags,
}

/// What a consumer does about ratings that are gone.
#[derive(Debug, Clone, Copy, Args)]
pub struct LossFlags {
    /// What to do when the ratings' log is not the one that was counted before
    #[arg(long, env = "ERBOH_ON_LOG_CHANGE", value_enum, default_value = "halt")]
    pub on_log_change: OnLogChange,
    /// What to do when retention took ratings before they were counted
    #[arg(long, env = "ERBOH_ON_GAP", value_enum, default_value = "halt")]
    pub on_gap: OnGap,
}

/// What a consumer does about a log that was replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnLogChange {
    /// Stop counting that partition and say so
    Halt,
    /// Count the new log from its start
    Restart,
}

/// What a consumer does about ratings that are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnGap {
    /// Stop counting that partition and say so
    Halt,
    /// Go on, write the gap down and answer "exact": false
    Record,
}

/// Flags of `erboh smoke`.
#[derive(Debug, Args)]
pub struct SmokeFlags {
    /// Address of a producer: send it one rating and wait until the board has counted it; needs no
    /// cluster address
    #[arg(long, env = "ERBOH_SMOKE_PRODUCER_URL", value_name = "URL", value_parser = plain_web_url,
          requires = "board_url")]
    pub producer_url: Option<String>,
    /// Address of the board that counts what the producer takes
    #[arg(long, env = "ERBOH_SMOKE_BOARD_URL", value_name = "URL", value_parser = plain_web_url,
          requires = "producer_url")]
    pub board_url: Option<String>,
    /// File with a token that may write, in the form of the producer's; the first one is used
    #[arg(long, env = "ERBOH_SMOKE_TOKEN_FILE", value_name = "PATH", requires = "producer_url")]
    pub token_file: Option<PathBuf>,
    /// Topic to use; created with one partition when missing
    #[arg(
        long,
        env = "ERBOH_SMOKE_TOPIC",
        default_value = "manual-add-topic",
        value_name = "NAME"
    )]
    pub topic: String,
    /// The whole test fails after this time
    #[arg(long, env = "ERBOH_SMOKE_TIME_LIMIT_MS", default_value_t = 30_000, value_name = "MS",
          value_parser = clap::value_parser!(u64).range(100..=3_600_000))]
    pub time_limit_ms: u64,
    /// Where the cluster is.
    #[command(flatten)]
    pub kafka: KafkaFlags,
}

/// Flags of `erboh doctor`.
#[derive(Debug, Args)]
pub struct DoctorFlags {
    /// Consumer group that counts the ratings
    #[arg(long, env = "ERBOH_GROUP", default_value = "voiceRatingConsumer", value_name = "NAME")]
    pub group: String,
    /// Print JSON instead of text
    #[arg(long, env = "ERBOH_DOCTOR_JSON")]
    pub json: bool,
    /// Where the cluster is.
    #[command(flatten)]
    pub kafka: KafkaFlags,
}

/// How a role stops.
#[derive(Debug, Clone, Args)]
pub struct StopFlags {
    /// How long a stopping role stays reachable while saying "not ready", so that load balancers move on
    #[arg(long, env = "ERBOH_STOP_WAIT_MS", default_value_t = 0, value_name = "MS")]
    pub stop_wait_ms: u64,
}

impl Cli {
    /// What is logged. The demo, the smoke test and the doctor are looked at by a person, who wants to see
    /// where it is and what goes wrong; services are looked at afterwards.
    #[must_use]
    pub fn log_filter(&self) -> &str {
        let by_a_person = matches!(
            self.command,
            Command::Audit(_) | Command::Demo(_) | Command::Smoke(_) | Command::Doctor(_)
        );
        let default = if by_a_person { "warn" } else { "info" };
        self.log.log_filter.as_deref().unwrap_or(default)
    }

    /// What is said, and how.
    #[must_use]
    pub fn telemetry(&self) -> telemetry::Settings<'_> {
        telemetry::Settings {
            format: self.log.log_format,
            filter: self.log_filter(),
            collector: self.log.otlp_endpoint.as_deref(),
            service: self.service(),
        }
    }

    /// The name under which this command's traces are found.
    fn service(&self) -> &'static str {
        match self.command {
            Command::Demo(_) => "erboh-demo",
            Command::Broker(_) => "erboh-broker",
            Command::Producer(_) => "erboh-producer",
            Command::Consumer(_) => "erboh-consumer",
            Command::Smoke(_) | Command::Doctor(_) | Command::Audit(_) => "erboh",
        }
    }

    /// Reads the command line and the environment.
    ///
    /// # Errors
    /// What clap found wrong, or a secret on the command line. `--help` and `--version` arrive
    /// this way too.
    pub fn read(
        arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    ) -> Result<Self, clap::Error> {
        let mut command = variables::without_empty(Self::command());
        let matches = command.try_get_matches_from_mut(arguments)?;
        if let Some(name) = kafka::secret_on_command_line(&matches) {
            return Err(command.error(
                ErrorKind::InvalidValue,
                format!(
                    "{name} is secret, and other users can read command lines. Write it to a file \
                     and use --kafka-property-file {name}=PATH, or set ERBOH_KAFKA_PROPERTIES"
                ),
            ));
        }
        let mut cli =
            Self::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
        if cli.log.otlp_endpoint.is_none() {
            let usual = traces::usual_collector();
            let usual = usual.map_err(|reason| command.error(ErrorKind::InvalidValue, reason))?;
            cli.log.otlp_endpoint = usual;
        }
        Ok(cli)
    }
}

/// Settings that could be read but not be used: as much a wrong command line as one that cannot be
/// read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(String);

const fn local(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// Only web addresses: a link with another scheme could run a script.
fn web_url(text: &str) -> Result<String, String> {
    if text.starts_with("http://") || text.starts_with("https://") {
        Ok(text.to_owned())
    } else {
        Err("expected an address that starts with http:// or https://".to_owned())
    }
}

/// Commands that ask the services stay without TLS: they are run next to them.
fn plain_web_url(text: &str) -> Result<String, String> {
    if text.starts_with("http://") {
        Ok(text.trim_end_matches('/').to_owned())
    } else {
        Err("expected an address that starts with http://, of a service or a replica itself; in a \
             cluster, kubectl port-forward gives one"
            .to_owned())
    }
}

fn ip_and_port(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "expected an IP address and a port, such as 127.0.0.1:3000".to_owned())
}

fn replication(text: &str) -> Result<i32, String> {
    match text.parse() {
        Ok(count @ (-1 | 1..=9)) => Ok(count),
        _ => Err("expected -1 or a number from 1 to 9".to_owned()),
    }
}
