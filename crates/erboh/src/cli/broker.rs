//! The flags of `erboh broker`.

use std::net::{Ipv6Addr, SocketAddr};

use clap::{ArgAction, Args};

use super::{StorageFlags, ip_and_port, local};

/// What its users should know, under the flags of `--help`.
pub(super) const LIMITS: &str = "\
One broker without replication, TLS or log-in, for laptops, tests and demos. Consumer groups use the \
classic protocol, so leave group.protocol at classic: with group.protocol=consumer (KIP-848) Java's client \
fails, and clients built on librdkafka wait without records or an error.";

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

/// A host and a port. Clients get the host of an IPv6 address without its brackets: that is how the
/// protocol has it, and most clients put brackets around it themselves.
fn host_and_port(text: &str) -> Result<(String, u16), String> {
    let form = || "expected HOST:PORT, such as laptop.local:9092 or [::1]:9092".to_owned();
    let (host, port) = text.rsplit_once(':').ok_or_else(form)?;
    if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(format!("{}; the host is empty or has a blank in it", form()));
    }
    let in_brackets = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let host = match in_brackets {
        Some(address) if address.parse::<Ipv6Addr>().is_ok() => address,
        Some(_) => return Err(format!("{}; only an IPv6 address stands in brackets", form())),
        None if host.contains(':') => {
            return Err(format!("{}; put brackets around the IPv6 address", form()));
        }
        None => host,
    };
    match port.parse() {
        Ok(port) if port > 0 => Ok((host.to_owned(), port)),
        _ => Err(format!("{}; the port is a number from 1 to 65535", form())),
    }
}
