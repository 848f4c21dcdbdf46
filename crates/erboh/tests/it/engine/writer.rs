//! The writer: what it says of a record is true.

use std::time::{Duration, Instant};

use erboh::queue::{KafkaSettings, OutRecord, SendError, Writer};

use super::bench::{Bench, PATIENCE, rating, until_counted};
use super::broker::{On, on_both};

on_both!(
    notices_that_the_broker_goes_and_comes,
    a_topic_that_does_not_exist_is_named_and_not_created,
    a_record_that_is_too_large_is_told_apart_from_its_neighbours,
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_broker_nothing_is_written_and_that_is_certain() {
    let writer = Writer::connect(&KafkaSettings::new("127.0.0.1:1"), "ratings").unwrap();
    let results = writer.send(vec![rating("a"), rating("b")], Duration::from_millis(500)).await;
    assert_eq!(results.len(), 2);
    for result in results {
        assert!(matches!(result, Err(SendError::Unavailable(_))), "{result:?}");
    }
    assert!(writer.health().is_err());
}

async fn notices_that_the_broker_goes_and_comes(on: On) {
    let mut bench = Bench::with_own_broker(on, 1).await;
    bench.rate(1).await;
    assert_eq!(bench.ratings.health(), Ok(()));
    bench.broker.halt().await;
    let mut refused = 0;
    // Until the closed connection is noticed the outcome is unknown, from then on it is certain.
    let end = Instant::now() + PATIENCE;
    while bench.ratings.health().is_ok() {
        assert!(Instant::now() < end, "nobody notices that the broker is gone");
        tokio::task::yield_now().await;
    }
    let results = bench.ratings.send(vec![rating("x")], Duration::from_millis(100)).await;
    refused += usize::from(matches!(results[0], Err(SendError::Unavailable(_))));
    assert_eq!(refused, 1, "{results:?}");
    bench.broker.serve().await;
    // It is back before the writer has connected again, which until then refuses for certain.
    let end = Instant::now() + PATIENCE;
    loop {
        let id = uuid::Uuid::now_v7().to_string();
        match bench.ratings.send(vec![rating(&id)], PATIENCE).await.remove(0) {
            Ok(_) => break,
            Err(SendError::Unavailable(reason)) => assert!(Instant::now() < end, "{reason}"),
            Err(other) => panic!("{other:?}"),
        }
    }
    let engine = bench.start();
    until_counted(&engine, 2).await;
    engine.stop().await;
}

async fn a_topic_that_does_not_exist_is_named_and_not_created(on: On) {
    let bench = Bench::new(on, 1).await;
    let writer = Writer::connect(&bench.kafka, "nowhere").unwrap();
    let end = Instant::now() + PATIENCE;
    loop {
        let results = writer.send(vec![rating("a")], Duration::from_secs(2)).await;
        let Err(SendError::Unavailable(reason)) = &results[0] else { panic!("{results:?}") };
        if reason.contains("nowhere does not exist") {
            break;
        }
        // On a busy machine the writer has not met the broker yet.
        assert!(Instant::now() < end, "{reason}");
    }
    assert_eq!(bench.admin.partitions("nowhere").await.unwrap(), 0);
}

async fn a_record_that_is_too_large_is_told_apart_from_its_neighbours(on: On) {
    let bench = Bench::new(on, 1).await;
    let large = OutRecord::new("large", vec![0; 9 * 1024 * 1024]);
    let results = bench.ratings.send(vec![rating("a"), large, rating("b")], PATIENCE).await;
    assert!(results[0].is_ok() && results[2].is_ok(), "{results:?}");
    assert_eq!(results[1], Err(SendError::TooLarge));
}
