//! The flags of `erboh producer`, and those of them that the demo has too.

use std::net::SocketAddr;

use clap::Args;

use super::{AccessFlags, KafkaFlags, StopFlags, TopicFlags, ip_and_port, local, web_url};
use crate::limits;
use crate::producer::simulations::Rate;

/// Flags of `erboh producer`.
#[derive(Debug, Args)]
pub struct ProducerFlags {
    /// Address of the page and the API
    #[arg(long, env = "ERBOH_LISTEN", default_value_t = local(3000), value_name = "IP:PORT",
          value_parser = ip_and_port)]
    pub listen: SocketAddr,
    /// Address of /livez, /readyz and /metrics
    #[arg(long, env = "ERBOH_OPS_LISTEN", default_value_t = local(3100), value_name = "IP:PORT",
          value_parser = ip_and_port)]
    pub ops_listen: SocketAddr,
    /// What a hit of the page does.
    #[command(flatten)]
    pub hit: HitFlags,
    /// Start simulated researchers with the process, at this many ratings per second (0.1 to
    /// 200000)
    #[arg(long, env = "ERBOH_SIMULATE", value_name = "RATE", value_parser = rate)]
    pub simulate: Option<Rate>,
    /// Address of the board as browsers reach it; the page links to it
    #[arg(long, env = "ERBOH_BOARD_URL", value_name = "URL", value_parser = web_url)]
    pub board_url: Option<String>,
    /// How the role stops.
    #[command(flatten)]
    pub stop: StopFlags,
    /// Who may write.
    #[command(flatten)]
    pub access: AccessFlags,
    /// Where the cluster is.
    #[command(flatten)]
    pub kafka: KafkaFlags,
    /// The shape of new topics.
    #[command(flatten)]
    pub topics: TopicFlags,
}

/// What a hit of the producer's page does.
#[derive(Debug, Clone, Args)]
pub struct HitFlags {
    /// Ratings that one hit of the page generates
    #[arg(long, env = "ERBOH_RATINGS_PER_HIT", default_value_t = 20, value_parser = ratings_per_hit)]
    pub ratings_per_hit: usize,
}

fn ratings_per_hit(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if (1..=limits::RATINGS_PER_HIT_MAX).contains(&count) => Ok(count),
        _ => Err(format!("expected a number from 1 to {}", limits::RATINGS_PER_HIT_MAX)),
    }
}

fn rate(text: &str) -> Result<Rate, String> {
    text.parse().ok().and_then(Rate::new).ok_or_else(Rate::expected)
}
