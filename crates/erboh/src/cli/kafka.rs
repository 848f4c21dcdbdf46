//! How to reach a Kafka cluster: addresses, security, and any property of the client library.

use anyhow::Context as _;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args};

use super::SecurityFlags;
use crate::queue::KafkaSettings;

/// Where the cluster is and how to talk to it.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Kafka")]
pub struct KafkaFlags {
    /// The cluster's bootstrap addresses, separated by commas
    #[arg(long, env = "ERBOH_BROKERS", default_value = "127.0.0.1:9092", value_name = "HOST:PORT",
          value_parser = brokers)]
    pub brokers: String,
    /// Any librdkafka property, for example client.rack=a (repeat it; in the variable one per line)
    #[arg(long, env = "ERBOH_KAFKA_PROPERTIES", hide_env_values = true, value_delimiter = '\n',
          value_name = "KEY=VALUE", value_parser = property)]
    pub kafka_property: Vec<Property>,
    /// A property whose value is the content of a file: the place for passwords
    #[arg(long, env = "ERBOH_KAFKA_PROPERTY_FILES", value_delimiter = '\n',
          value_name = "KEY=PATH", value_parser = property)]
    pub kafka_property_file: Vec<Property>,
    /// How both sides make sure of each other.
    #[command(flatten)]
    pub security: SecurityFlags,
}

impl KafkaFlags {
    /// The settings of a Kafka client, with the files of certificates, keys and secrets read and
    /// checked. Properties come last, so that they override what follows from other flags.
    ///
    /// # Errors
    /// Names the flag, the file, what is wrong with it, and what to do.
    pub fn settings(&self) -> anyhow::Result<KafkaSettings> {
        let security = self.security.security();
        let mut settings = KafkaSettings::new(&self.brokers);
        settings.properties = security.properties()?;
        if let Some(warning) = security.warning() {
            tracing::warn!(user = security.username, "{warning}");
        }
        for property in &self.kafka_property {
            settings.properties.push((property.name.clone(), property.value.clone()));
        }
        for property in &self.kafka_property_file {
            let text = std::fs::read_to_string(&property.value).with_context(|| {
                format!("--kafka-property-file: {} for {}", property.value, property.name)
            })?;
            // Files end in a line break that is no part of a password.
            let value = text.trim_end_matches(['\r', '\n']).to_owned();
            settings.properties.push((property.name.clone(), value));
        }
        Ok(settings)
    }
}

/// A name with a value, from `name=value`. Values may be secret, so they are not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Property {
    /// The property's name.
    pub name: String,
    /// Its value, or the path of the file that holds it.
    pub value: String,
}

impl std::fmt::Debug for Property {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}=…", self.name)
    }
}

/// The first property given by `--kafka-property` whose name says that its value is secret.
pub(super) fn secret_on_command_line(matches: &ArgMatches) -> Option<String> {
    let (_, matches) = matches.subcommand()?;
    let source = matches
        .try_contains_id("kafka_property")
        .ok()
        .filter(|given| *given)
        .and_then(|_| matches.value_source("kafka_property"))?;
    if source != ValueSource::CommandLine {
        return None;
    }
    let properties = matches.get_many::<Property>("kafka_property")?;
    properties.map(|property| &property.name).find(|name| is_secret(name)).cloned()
}

/// librdkafka's secret properties are the passwords, client secrets and private keys themselves;
/// a `.location` is only the path of a file.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["password", "secret", ".pem", "private.key", "sasl.oauthbearer.config"]
        .iter()
        .any(|part| name.contains(part))
        && !name.ends_with(".location")
        && !name.ends_with("certificate.pem")
        && !name.ends_with("ca.pem")
}

/// librdkafka would take an empty list, and never reach anything.
fn brokers(text: &str) -> Result<String, String> {
    if text.split(',').all(|address| address.trim().is_empty()) {
        return Err("expected HOST:PORT,HOST:PORT".to_owned());
    }
    Ok(text.to_owned())
}

fn property(text: &str) -> Result<Property, String> {
    match text.trim().split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok(Property { name: name.trim().to_owned(), value: value.to_owned() })
        }
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}
