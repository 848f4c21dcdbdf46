//! The reader by itself: partitions that are paused, removed and added again.

use std::time::{Duration, Instant};

use erboh::queue::{Event, Reader};

use super::bench::{Bench, PATIENCE};
use super::broker::{On, on_both};

on_both!(a_partition_that_was_paused_is_read_when_it_is_added_again);

async fn a_partition_that_was_paused_is_read_when_it_is_added_again(on: On) {
    let mut bench = Bench::new(on, 1).await;
    bench.rate(3).await;
    let (kafka, topic) = (bench.kafka.clone(), bench.settings.topics.ratings.clone());
    let read = move || {
        let reader = Reader::connect(&kafka, "test").unwrap();
        for _ in 0..3 {
            reader.add(&topic, 0, 0).unwrap();
            let (mut records, end) = (0, Instant::now() + PATIENCE);
            while records < 3 {
                assert!(Instant::now() < end, "{records} of 3 records came");
                match reader.poll(Duration::from_millis(100)) {
                    Some(Event::Record(_)) => records += 1,
                    Some(Event::Interrupted) => {
                        reader.remove(&topic, 0);
                        reader.add(&topic, 0, 0).unwrap();
                        records = 0;
                    }
                    _ => {}
                }
            }
            reader.pause(&topic, 0).unwrap();
            reader.remove(&topic, 0);
        }
    };
    tokio::task::spawn_blocking(read).await.unwrap();
}
