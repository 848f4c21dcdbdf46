//! `erboh broker` as a process: what its flags mean to clients.

use erboh::queue::KafkaSettings;
use erboh::queue::inspect::Inspector;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};

use crate::WAIT_MAX;
use crate::process::Process;

/// Partitions of a topic that a consumer asks for before it exists.
fn partitions_by_use(broker: &str, topic: &str) -> usize {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", broker)
        .set("allow.auto.create.topics", "true")
        .create()
        .expect("settings that the client takes");
    let metadata = consumer.fetch_metadata(Some(topic), WAIT_MAX).expect("metadata");
    metadata.topics()[0].partitions().len()
}

#[test]
fn topics_come_into_being_by_use_as_its_flags_say() {
    let check = |flags: &[&str], partitions| {
        let home = tempfile::tempdir().unwrap();
        let mut broker = Process::broker(home.path(), flags);
        assert_eq!(partitions_by_use(&broker.address(), "used"), partitions, "{flags:?}");
    };
    check(&[], 1);
    check(&["--num-partitions=4"], 4);
    check(&["--num-partitions=4", "--auto-create-topics=false"], 0);
}

#[test]
fn an_ipv6_address_is_advertised_without_its_brackets() {
    let home = tempfile::tempdir().unwrap();
    let mut broker = Process::broker(home.path(), &["--advertise=[::1]:7777"]);
    let settings = KafkaSettings::new(broker.address());
    let inspector = Inspector::connect(&settings, "any").expect("settings that the client takes");
    let advertised = inspector.brokers().expect("metadata");
    assert_eq!(advertised.brokers, [(1, "::1".to_owned(), 7777)]);
}
