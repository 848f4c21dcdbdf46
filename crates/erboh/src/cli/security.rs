//! How clients and brokers make sure of each other: TLS, client certificates, users.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::queue::{Mechanism, Security};

/// TLS and login. Passwords and keys are files: a command line can be read by every user of the
/// machine.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Kafka security")]
pub struct SecurityFlags {
    /// Talk TLS to the brokers and trust the system's authorities; a CA or certificate file implies it
    #[arg(long, env = "ERBOH_KAFKA_TLS")]
    pub kafka_tls: bool,
    /// PEM file of the authorities that the brokers' certificates are signed by
    #[arg(long, env = "ERBOH_KAFKA_CA_FILE", value_name = "PATH")]
    pub kafka_ca_file: Option<PathBuf>,
    /// PEM file of this client's certificate, where the brokers demand one (mTLS)
    #[arg(long, env = "ERBOH_KAFKA_CERT_FILE", value_name = "PATH")]
    pub kafka_cert_file: Option<PathBuf>,
    /// PEM file of that certificate's private key
    #[arg(long, env = "ERBOH_KAFKA_KEY_FILE", value_name = "PATH")]
    pub kafka_key_file: Option<PathBuf>,
    /// File with the password of the private key, if it is encrypted
    #[arg(long, env = "ERBOH_KAFKA_KEY_PASSWORD_FILE", value_name = "PATH")]
    pub kafka_key_password_file: Option<PathBuf>,
    /// User to log in as (SASL)
    #[arg(long, env = "ERBOH_KAFKA_USERNAME", value_name = "NAME")]
    pub kafka_username: Option<String>,
    /// File with that user's password
    #[arg(long, env = "ERBOH_KAFKA_PASSWORD_FILE", value_name = "PATH")]
    pub kafka_password_file: Option<PathBuf>,
    /// How the password is proven [default: scram-sha-512]
    #[arg(long, env = "ERBOH_KAFKA_SASL_MECHANISM", value_enum, value_name = "MECHANISM")]
    pub kafka_sasl_mechanism: Option<SaslMechanism>,
}

/// How a password is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "kebab-case")]
pub enum SaslMechanism {
    /// The password is never sent; what Strimzi's users have
    #[value(name = "scram-sha-512")]
    ScramSha512,
    /// The same with a shorter hash
    #[value(name = "scram-sha-256")]
    ScramSha256,
    /// The password is sent, so TLS must hide it
    Plain,
}

impl SecurityFlags {
    pub(super) fn security(&self) -> Security {
        let mechanism = self.kafka_sasl_mechanism.map(|mechanism| match mechanism {
            SaslMechanism::ScramSha512 => Mechanism::ScramSha512,
            SaslMechanism::ScramSha256 => Mechanism::ScramSha256,
            SaslMechanism::Plain => Mechanism::Plain,
        });
        Security {
            tls: self.kafka_tls,
            ca_file: self.kafka_ca_file.clone(),
            cert_file: self.kafka_cert_file.clone(),
            key_file: self.kafka_key_file.clone(),
            key_password_file: self.kafka_key_password_file.clone(),
            username: self.kafka_username.clone(),
            password_file: self.kafka_password_file.clone(),
            mechanism,
        }
    }
}
