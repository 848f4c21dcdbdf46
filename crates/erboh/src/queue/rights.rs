//! Rights: what a cluster with access control lists must let us do, and who it takes us for.
//!
//! Kafka answers a missing right with the code of the kind of thing it is about, and not with the
//! operation: whoever asked knows what for.

use std::fmt;

use rdkafka::error::RDKafkaErrorCode as Code;

use super::security::name_of_certificate;
use super::settings::KafkaSettings;

/// What kind of thing a right is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// The cluster as a whole.
    Cluster,
    /// A topic.
    Topic,
    /// A consumer group.
    Group,
}

/// A right as Kafka's access control lists name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Right {
    /// The operation, for example `DescribeConfigs`.
    pub operation: &'static str,
    /// What kind of thing it is about.
    pub resource: Resource,
    /// Its name; empty for the cluster.
    pub name: String,
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.resource {
            Resource::Cluster => write!(f, "{} on the cluster", self.operation),
            Resource::Topic => write!(f, "{} on topic {}", self.operation, self.name),
            Resource::Group => write!(f, "{} on group {}", self.operation, self.name),
        }
    }
}

impl Right {
    /// A right on a topic.
    #[must_use]
    pub fn on_topic(operation: &'static str, name: &str) -> Self {
        Self { operation, resource: Resource::Topic, name: name.to_owned() }
    }

    /// A right on a group.
    #[must_use]
    pub fn on_group(operation: &'static str, name: &str) -> Self {
        Self { operation, resource: Resource::Group, name: name.to_owned() }
    }

    /// What `kafka-acls.sh` is told to grant it to this user.
    #[must_use]
    pub fn arguments(&self, user: &str) -> String {
        let resource = match self.resource {
            Resource::Cluster => "--cluster".to_owned(),
            Resource::Topic => format!("--topic {}", self.name),
            Resource::Group => format!("--group {}", self.name),
        };
        let principal = quoted(&format!("User:{user}"));
        format!("--add --allow-principal {principal} --operation {} {resource}", self.operation)
    }

    /// That it is missing, and the command that grants it.
    #[must_use]
    pub fn missing(&self, settings: &KafkaSettings) -> String {
        let user = settings.user();
        let config = match settings.security_protocol().as_str() {
            "plaintext" => "",
            // Whoever grants rights is somebody else.
            _ => " --command-config client.properties",
        };
        format!(
            "user {user} lacks the right {self}; grant it with: kafka-acls.sh --bootstrap-server \
             {}{config} {}",
            settings.brokers,
            self.arguments(&user)
        )
    }
}

impl KafkaSettings {
    /// Who the brokers take us for: whoever logs in, else the name in the client's certificate.
    #[must_use]
    pub fn user(&self) -> String {
        let protocol = self.security_protocol();
        let login = self.property("sasl.username").filter(|_| protocol.starts_with("sasl"));
        let shown = self.property("ssl.certificate.location").filter(|_| protocol == "ssl");
        login
            .map(str::to_owned)
            .or_else(|| name_of_certificate(shown?.as_ref()))
            .unwrap_or_else(|| "ANONYMOUS".to_owned())
    }
}

/// Whether this code says that a right is missing.
pub(super) fn is_denial(code: Option<Code>) -> bool {
    matches!(
        code,
        Some(
            Code::TopicAuthorizationFailed
                | Code::GroupAuthorizationFailed
                | Code::ClusterAuthorizationFailed
        )
    )
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:=,/@%+".contains(c);
    if word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_right_comes_with_the_command_that_grants_it() {
        let mut settings = KafkaSettings::new("b:1");
        let right = Right::on_topic("Write", "ratings");
        assert_eq!(
            right.missing(&settings),
            "user ANONYMOUS lacks the right Write on topic ratings; grant it with: kafka-acls.sh \
             --bootstrap-server b:1 --add --allow-principal User:ANONYMOUS --operation Write \
             --topic ratings"
        );
        let properties = [("security.protocol", "sasl_ssl"), ("sasl.username", "ann o'hara")];
        settings.properties = properties.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let text = Right::on_group("Read", "counters").missing(&settings);
        assert!(text.starts_with("user ann o'hara lacks the right Read on group counters;"));
        assert!(text.contains("--command-config client.properties --add"), "{text}");
        assert!(text.ends_with(
            "--allow-principal 'User:ann o'\\''hara' --operation Read --group counters"
        ));
        let cluster =
            Right { operation: "Create", resource: Resource::Cluster, name: String::new() };
        assert_eq!(cluster.to_string(), "Create on the cluster");
    }
}
