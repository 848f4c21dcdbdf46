//! What is still there after a restart, and who may use the data.

use erboh_broker::{Broker, Error};
use kafka_protocol::messages::MetadataRequest;

use crate::support::{Running, records, settings};

#[tokio::test]
async fn topics_and_records_survive_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let broker = Running::start(data.path()).await;
    let mut client = broker.client().await;
    client.create_topic("kept", 3, &[("retention.ms", "-1")]).await;
    client.create_topic("gone", 1, &[]).await;
    client.produce("kept", &["a"]).await;
    client.delete_topic("gone").await;
    let before = client.call(&MetadataRequest::default().with_topics(None), 12).await;
    broker.stop().await;

    let broker = Running::start(data.path()).await;
    let mut client = broker.client().await;
    let after = client.call(&MetadataRequest::default().with_topics(None), 12).await;
    assert_eq!((before.topics, before.cluster_id), (after.topics, after.cluster_id));
    assert_eq!(client.produce("kept", &["b"]).await.base_offset, 1);
    let found = records(&client.fetch("kept", 0, 0).await);
    assert_eq!(found, [(0, "a".to_owned()), (1, "b".to_owned())]);
    broker.stop().await;
}

#[tokio::test]
async fn a_topic_made_again_is_empty() {
    let data = tempfile::tempdir().unwrap();
    let broker = Running::start(data.path()).await;
    let mut client = broker.client().await;
    for _ in 0..2 {
        client.create_topic("t", 2, &[]).await;
        assert_eq!(client.produce("t", &["a"]).await.base_offset, 0);
        client.delete_topic("t").await;
    }
    let left = std::fs::read_dir(data.path().join("topics")).unwrap().count();
    assert_eq!(left, 0, "directories are left");
    broker.stop().await;
}

#[tokio::test]
async fn a_second_broker_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let broker = Running::start(data.path()).await;
    let error = Broker::open(settings(data.path())).await.unwrap_err();
    assert!(matches!(error, Error::InUse { .. }), "{error}");
    broker.stop().await;
    let again = Running::start(data.path()).await;
    again.stop().await;
}
