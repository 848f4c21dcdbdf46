//! How to reach Kafka: the brokers, and any property of librdkafka.

use std::fmt;

use rdkafka::ClientConfig;

/// How to reach Kafka.
#[derive(Clone, PartialEq, Eq)]
pub struct KafkaSettings {
    /// `host:port,host:port`: where to ask first.
    pub brokers: String,
    /// What the broker's logs and quotas call this program.
    pub client_id: String,
    /// Properties of librdkafka, in order; the last one of a name wins. They override what erboh
    /// chooses, except for what exactness needs.
    pub properties: Vec<(String, String)>,
}

/// A property that librdkafka does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Kafka client settings are not valid: {0}; see --kafka-property and --brokers")]
pub struct SettingsError(pub(crate) String);

impl KafkaSettings {
    /// Settings for `brokers` and nothing else.
    #[must_use]
    pub fn new(brokers: impl Into<String>) -> Self {
        Self { brokers: brokers.into(), client_id: "erboh".into(), properties: Vec::new() }
    }

    /// The bootstrap addresses one by one; without a port it is Kafka's usual one.
    #[must_use]
    pub fn addresses(&self) -> Vec<(String, u16)> {
        let given = self.brokers.split(',').map(str::trim).filter(|address| !address.is_empty());
        given.map(address).collect()
    }

    /// `security.protocol` in small letters, as librdkafka compares it.
    #[must_use]
    pub fn security_protocol(&self) -> String {
        self.property("security.protocol").unwrap_or("plaintext").to_ascii_lowercase()
    }

    /// The SASL mechanism that is used; librdkafka's default is Kerberos.
    #[must_use]
    pub fn mechanism(&self) -> String {
        let set = self.property("sasl.mechanism").or_else(|| self.property("sasl.mechanisms"));
        set.unwrap_or("GSSAPI").to_owned()
    }

    /// The time, in milliseconds, after which the group takes a silent member for dead.
    #[must_use]
    pub fn session_timeout_ms(&self) -> u64 {
        let set = self.property("session.timeout.ms").and_then(|value| value.trim().parse().ok());
        set.unwrap_or(super::limits::SESSION_TIMEOUT_MS)
    }

    /// The user's properties, without the values of those that are secret.
    #[must_use]
    pub fn visible_properties(&self) -> Vec<(String, String)> {
        let visible =
            |key: &str, value: &str| if is_secret(key) { "***" } else { value }.to_owned();
        let properties = self.properties.iter();
        properties.map(|(key, value)| (key.clone(), visible(key, value))).collect()
    }

    /// The value of a property, if the user has set it.
    pub(super) fn property(&self, name: &str) -> Option<&str> {
        let set = self.properties.iter().rev().find(|(key, _)| key == name);
        set.map(|(_, value)| value.as_str())
    }

    /// The parts of librdkafka's debug log that a client needs, and those that the user wants.
    pub(super) fn debug(&self, needed: &str) -> String {
        match self.property("debug") {
            Some(wanted) => format!("{wanted},{needed}"),
            None => needed.to_owned(),
        }
    }

    /// The configuration of one client: erboh's choices, then the user's properties, then what
    /// exactness demands.
    pub(super) fn client(
        &self,
        choices: &[(&str, &str)],
        demands: &[(&str, &str)],
    ) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("client.id", &self.client_id);
        // A laptop's broker comes back within moments; waiting longer than a second to look for
        // it again only makes the pages stale.
        config.set("reconnect.backoff.ms", "50").set("reconnect.backoff.max.ms", "1000");
        config.set("socket.keepalive.enable", "true");
        for (key, value) in choices {
            config.set(*key, *value);
        }
        for (key, value) in &self.properties {
            config.set(key, value);
        }
        config.set("bootstrap.servers", &self.brokers);
        for (key, value) in demands {
            config.set(*key, *value);
        }
        config
    }
}

/// `[protocol://]host[:port]`, the host in brackets if it is an IPv6 address.
fn address(text: &str) -> (String, u16) {
    const USUAL_PORT: u16 = 9092;
    let text = text.rsplit_once("://").map_or(text, |(_, address)| address);
    let split =
        text.rsplit_once(':').filter(|(host, _)| !host.contains(':') || host.ends_with(']'));
    let (host, port) = split.map_or((text, None), |(host, port)| (host, port.parse().ok()));
    (host.trim_matches(['[', ']']).to_owned(), port.unwrap_or(USUAL_PORT))
}

/// Properties whose values must not be seen in a log.
fn is_secret(key: &str) -> bool {
    ["password", "secret", "jaas", "pem", "token", "private"].iter().any(|part| key.contains(part))
}

impl fmt::Debug for KafkaSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSettings")
            .field("brokers", &self.brokers)
            .field("client_id", &self.client_id)
            .field("properties", &self.visible_properties())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_reach_the_log() {
        let mut settings = KafkaSettings::new("localhost:9092");
        settings.properties = vec![
            ("sasl.password".into(), "hunter2".into()),
            ("ssl.key.pem".into(), "hunter3".into()),
            ("security.protocol".into(), "SASL_SSL".into()),
        ];
        let text = format!("{settings:?}");
        assert!(!text.contains("hunter"), "{text}");
        assert!(text.contains("SASL_SSL"), "{text}");
    }

    #[test]
    fn addresses_are_what_librdkafka_takes() {
        let check = |brokers: &str, expected: &[(&str, u16)]| {
            let found = KafkaSettings::new(brokers).addresses();
            let found: Vec<(&str, u16)> = found.iter().map(|(h, p)| (h.as_str(), *p)).collect();
            assert_eq!(found, expected);
        };
        check("a:1, b,", &[("a", 1), ("b", 9092)]);
        check("PLAINTEXT://a:1", &[("a", 1)]);
        check("[::1]:2,::1", &[("::1", 2), ("::1", 9092)]);
    }

    #[test]
    fn a_user_overrides_choices_but_not_demands() {
        let mut settings = KafkaSettings::new("localhost:9092");
        settings.properties = vec![("linger.ms".into(), "9".into()), ("acks".into(), "0".into())];
        let config = settings.client(&[("linger.ms", "2")], &[("acks", "all")]);
        assert_eq!(config.get("linger.ms"), Some("9"));
        assert_eq!(config.get("acks"), Some("all"));
    }
}
