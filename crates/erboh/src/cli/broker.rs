//! The flags of `erboh broker`.

use std::net::SocketAddr;

use clap::{ArgAction, Args};

use super::{StorageFlags, ip_and_port, local};

/// Flags of `erboh broker`.
#[derive(Debug, Args)]
pub struct BrokerFlags {
    /// Address to accept Kafka clients on
    #[arg(long, env = "ERBOH_LISTEN", default_value_t = local(9092), value_name = "IP:PORT",
          value_parser = ip_and_port)]
    pub listen: SocketAddr,
    /// Address that clients are told to use, when it differs from the one listened on
    #[arg(long, env = "ERBOH_ADVERTISE", value_name = "HOST:PORT", value_parser = host_and_port)]
    pub advertise: Option<(String, u16)>,
    /// Partitions of topics whose creator does not say how many (Kafka's num.partitions)
    #[arg(long, env = "ERBOH_NUM_PARTITIONS", default_value_t = 1, value_name = "COUNT",
          value_parser = clap::value_parser!(i32).range(1..=10_000))]
    pub num_partitions: i32,
    /// Create a topic that a client uses before it exists (Kafka's auto.create.topics.enable)
    #[arg(long, env = "ERBOH_AUTO_CREATE_TOPICS", default_value_t = true, action = ArgAction::Set,
          value_name = "BOOL")]
    pub auto_create_topics: bool,
    /// Where the broker keeps its data
    #[command(flatten)]
    pub storage: StorageFlags,
}

fn host_and_port(text: &str) -> Result<(String, u16), String> {
    text.rsplit_once(':')
        .filter(|(host, _)| !host.is_empty())
        .and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)))
        .ok_or_else(|| "expected HOST:PORT".to_owned())
}
