//! What `erboh audit` can be told.

use std::time::Duration;

use clap::Args;

use super::{KafkaFlags, plain_web_url};
use crate::audit;
use crate::queue::Topics;

/// Flags of `erboh audit`.
#[derive(Debug, Args)]
pub struct AuditFlags {
    /// Address of a board to compare with; several, separated by commas, for several replicas
    #[arg(long, env = "ERBOH_AUDIT_BOARD", default_value = "http://127.0.0.1:3001",
          value_name = "URL", value_delimiter = ',', value_parser = plain_web_url)]
    pub board: Vec<String>,
    /// Ask no board, compare with the snapshots only
    #[arg(long, env = "ERBOH_AUDIT_NO_BOARD")]
    pub no_board: bool,
    /// Only these partitions, separated by commas
    #[arg(long, env = "ERBOH_AUDIT_PARTITION", value_name = "NUMBER", value_delimiter = ',',
          value_parser = clap::value_parser!(i32).range(0..))]
    pub partition: Vec<i32>,
    /// Print the report as one line of JSON
    #[arg(long, env = "ERBOH_AUDIT_JSON")]
    pub json: bool,
    /// Stop after this time and say what was found until then; without it there is no limit
    #[arg(long, env = "ERBOH_AUDIT_TIME_LIMIT_MS", value_name = "MS",
          value_parser = clap::value_parser!(u64).range(100..))]
    pub time_limit_ms: Option<u64>,
    /// Where the cluster is.
    #[command(flatten)]
    pub kafka: KafkaFlags,
}

impl AuditFlags {
    /// The settings of the audit.
    ///
    /// # Errors
    /// As [`KafkaFlags::settings`].
    pub fn settings(self) -> anyhow::Result<audit::Settings> {
        Ok(audit::Settings {
            kafka: self.kafka.settings()?,
            topics: Topics::default(),
            boards: if self.no_board { Vec::new() } else { self.board },
            partitions: self.partition,
            time_limit: self.time_limit_ms.map(Duration::from_millis),
            json: self.json,
        })
    }
}
