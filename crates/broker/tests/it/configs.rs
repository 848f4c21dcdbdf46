//! The configuration of topics and of the broker: what can be set, what is kept, what is shown.

use std::collections::BTreeSet;

use erboh_broker::Settings;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::DescribeConfigsResourceResult as Config;
use kafka_protocol::messages::{CreateTopicsRequest, DescribeConfigsRequest};

use crate::support::{Client, Running, settings, topic};

// As the protocol numbers them.
const TOPIC: i8 = 2;
const BROKER: i8 = 4;
/// The source of a value that was set for the topic.
const SET: i8 = 1;

/// A valid value for each setting that Apache Kafka 4.3 documents for topics; not the default, where
/// this broker has another one to give.
const VALUES: [(&str, &str); 33] = [
    ("cleanup.policy", "compact,delete"),
    ("compression.gzip.level", "9"),
    ("compression.lz4.level", "17"),
    ("compression.type", "zstd"),
    ("compression.zstd.level", "-131072"),
    ("delete.retention.ms", "0"),
    ("file.delete.delay.ms", "0"),
    ("flush.messages", "1"),
    ("flush.ms", "1000"),
    ("follower.replication.throttled.replicas", "*"),
    ("index.interval.bytes", "0"),
    ("leader.replication.throttled.replicas", "0:1,1:1"),
    ("local.retention.bytes", "1000"),
    ("local.retention.ms", "-1"),
    ("max.compaction.lag.ms", "86400000"),
    ("max.message.bytes", "2000000"),
    ("message.timestamp.after.max.ms", "9223372036854775807"),
    ("message.timestamp.before.max.ms", "3600000"),
    ("message.timestamp.type", "LogAppendTime"),
    ("min.cleanable.dirty.ratio", "0.01"),
    ("min.compaction.lag.ms", "1"),
    ("min.insync.replicas", "2"),
    ("preallocate", "true"),
    ("remote.log.copy.disable", "true"),
    ("remote.log.delete.on.disable", "true"),
    ("remote.storage.enable", "false"),
    ("retention.bytes", "1073741824"),
    ("retention.ms", "-1"),
    ("segment.bytes", "1048576"),
    ("segment.index.bytes", "4"),
    ("segment.jitter.ms", "500"),
    ("segment.ms", "60000"),
    ("unclean.leader.election.enable", "true"),
];

async fn describe(client: &mut Client, kind: i8, name: &'static str) -> Vec<Config> {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(name.into())
        .with_configuration_keys(None);
    let request = DescribeConfigsRequest::default()
        .with_resources(vec![resource])
        .with_include_documentation(true);
    let result = client.call(&request, 4).await.results[0].clone();
    assert_eq!(result.error_code, 0, "{result:?}");
    result.configs
}

fn value(configs: &[Config], name: &str) -> String {
    let config = configs.iter().find(|config| config.name.as_str() == name);
    config.unwrap_or_else(|| panic!("{name} is not shown")).value.clone().unwrap().to_string()
}

#[tokio::test]
async fn every_setting_of_a_topic_is_kept_across_a_restart_and_shown() {
    let data = tempfile::tempdir().unwrap();
    let broker = Running::start(data.path()).await;
    broker.client().await.create_topic("t", 1, &VALUES).await;
    broker.stop().await;

    let broker = Running::start(data.path()).await;
    let described = describe(&mut broker.client().await, TOPIC, "t").await;
    let shown = described.iter().map(|config| {
        (config.name.as_str(), config.value.as_deref().unwrap(), config.config_source)
    });
    let set = VALUES.map(|(name, value)| (name, value, SET));
    assert_eq!(shown.collect::<Vec<_>>(), set);
    broker.stop().await;
}

#[tokio::test]
async fn a_value_that_cannot_be_is_refused_with_those_that_can() {
    let data = tempfile::tempdir().unwrap();
    let broker = Running::start(data.path()).await;
    let mut client = broker.client().await;
    let mut check = async |name: &'static str, value: &'static str, allowed: &str| {
        let config =
            CreatableTopicConfig::default().with_name(name.into()).with_value(Some(value.into()));
        let topic = CreatableTopic::default()
            .with_name(topic("t"))
            .with_num_partitions(1)
            .with_replication_factor(1)
            .with_configs(vec![config]);
        let request = CreateTopicsRequest::default().with_topics(vec![topic]);
        let result = client.call(&request, 7).await.topics[0].clone();
        let message = result.error_message.unwrap_or_default();
        assert_eq!(result.error_code, ResponseError::InvalidConfig.code(), "{name}={value}");
        assert!(message.contains(name) && message.contains(allowed), "{message}");
    };
    check("compression.type", "brotli", "gzip, lz4, producer, snappy, uncompressed or zstd").await;
    check("compression.gzip.level", "0", "-1 or a number from 1 to 9").await;
    check("compression.lz4.level", "18", "from 1 to 17").await;
    check("compression.zstd.level", "23", "from -131072 to 22").await;
    check("flush.messages", "0", "from 1 to 9223372036854775807").await;
    check("index.interval.bytes", "2147483648", "from 0 to 2147483647").await;
    check("leader.replication.throttled.replicas", "0", "* or a list of partition:broker").await;
    check("local.retention.ms", "-3", "from -2 to").await;
    check("max.compaction.lag.ms", "0", "from 1 to").await;
    check("min.insync.replicas", "0", "from 1 to 2147483647").await;
    check("preallocate", "1", "true or false").await;
    check("remote.storage.enable", "true", "must be false: this broker has no tiered storage")
        .await;
    check("segment.index.bytes", "3", "from 4 to 2147483647").await;
    check("unclean.leader.election.enable", "", "true or false").await;
    check("message.format.version", "3.0", "no such topic configuration").await;
    broker.stop().await;
}

#[tokio::test]
async fn settings_without_effect_are_those_that_the_documentation_names() {
    let page = include_str!("../../../../docs/broker.md");
    let section = page.split("\n## ").find(|text| text.starts_with("Settings without effect"));
    let rows = section.expect("the section is there").lines();
    let named = rows.filter_map(|row| row.strip_prefix("| `")?.split('`').next());
    let named: BTreeSet<_> = named.collect();

    let data = tempfile::tempdir().unwrap();
    let broker = Running::start(data.path()).await;
    let mut client = broker.client().await;
    client.create_topic("t", 1, &[]).await;
    let described = describe(&mut client, TOPIC, "t").await;
    let has_none = |config: &&Config| {
        config.documentation.as_ref().is_some_and(|text| text.contains("No effect here"))
    };
    let without_effect = described.iter().filter(has_none).map(|config| config.name.as_str());
    assert_eq!(without_effect.collect::<BTreeSet<_>>(), named);
    broker.stop().await;
}

#[tokio::test]
async fn the_broker_shows_its_own_settings() {
    let data = tempfile::tempdir().unwrap();
    let broker = Running::start_with(Settings {
        auto_create_topics: false,
        default_partitions: 7,
        advertised_host: Some("::1".to_owned()),
        advertised_port: Some(9092),
        ..settings(data.path())
    })
    .await;
    let described = describe(&mut broker.client().await, BROKER, "1").await;
    assert_eq!(value(&described, "num.partitions"), "7");
    assert_eq!(value(&described, "auto.create.topics.enable"), "false");
    assert_eq!(value(&described, "advertised.listeners"), "PLAINTEXT://[::1]:9092");
    assert_eq!(value(&described, "log.dirs"), data.path().display().to_string());
    broker.stop().await;
}
