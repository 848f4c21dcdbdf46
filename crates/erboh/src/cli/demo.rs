//! The flags of `erboh demo`.

use std::net::SocketAddr;

use clap::Args;

use super::{AccessFlags, HitFlags, LossFlags, StorageFlags, ip_and_port, local};

/// Flags of `erboh demo`.
#[derive(Debug, Args)]
pub struct DemoFlags {
    /// Address of the producer's page
    #[arg(long, env = "ERBOH_PRODUCER_LISTEN", default_value_t = local(3000), value_name = "IP:PORT",
          value_parser = ip_and_port)]
    pub producer_listen: SocketAddr,
    /// Address of the board
    #[arg(long, env = "ERBOH_CONSUMER_LISTEN", default_value_t = local(3001), value_name = "IP:PORT",
          value_parser = ip_and_port)]
    pub consumer_listen: SocketAddr,
    /// Address of the embedded broker
    #[arg(long, env = "ERBOH_KAFKA_LISTEN", default_value_t = local(9092), value_name = "IP:PORT",
          value_parser = ip_and_port)]
    pub kafka_listen: SocketAddr,
    /// Where the broker keeps its data
    #[command(flatten)]
    pub storage: StorageFlags,
    /// Partitions of the topics when they are created
    #[arg(long, env = "ERBOH_PARTITIONS", default_value_t = 6, value_parser = clap::value_parser!(i32).range(1..=1000))]
    pub partitions: i32,
    /// What to do about ratings that are gone.
    #[command(flatten)]
    pub loss: LossFlags,
    /// What a hit of the producer's page does.
    #[command(flatten)]
    pub hit: HitFlags,
    /// Who may write.
    #[command(flatten)]
    pub access: AccessFlags,
}
