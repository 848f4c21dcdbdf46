//! `DescribeLogDirs`: how many bytes each partition takes in the data directory (KIP-113).

use kafka_protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use kafka_protocol::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse, TopicName};

use crate::handlers::{Call, once};
use crate::topics::Topic;
use crate::wire::shape::{Kind, STRING, Shape, list, list_of};

pub(crate) const SHAPE: Shape = Shape::new(2, &[list![STRING, list_of(&Kind::Fixed(4))]]);

/// The sizes of the volume (KIP-827) stay at -1, which means that they are not known.
#[allow(clippy::unused_async, reason = "handlers have one signature")]
pub(crate) async fn handle(
    call: &Call,
    request: DescribeLogDirsRequest,
) -> DescribeLogDirsResponse {
    let topics = &call.broker.topics;
    let described: Vec<_> = match request.topics {
        // Null means all.
        None => {
            topics.all().iter().map(|topic| describe(topic, 0..topic.partition_count())).collect()
        }
        Some(mut named) => {
            once(&mut named, |wanted| wanted.topic.clone());
            let found = named.into_iter().filter_map(|mut wanted| {
                once(&mut wanted.partitions, |index| *index);
                Some(describe(&*topics.get(&wanted.topic)?, wanted.partitions))
            });
            found.collect()
        }
    };
    // What is not in the directory is not in the answer.
    let topics = described.into_iter().filter(|topic| !topic.partitions.is_empty()).collect();
    let result =
        DescribeLogDirsResult::default().with_log_dir(call.broker.log_dir()).with_topics(topics);
    DescribeLogDirsResponse::default().with_results(vec![result])
}

fn describe(topic: &Topic, indexes: impl IntoIterator<Item = i32>) -> DescribeLogDirsTopic {
    let partitions = indexes.into_iter().filter_map(|index| {
        let size_bytes = topic.partition(index)?.size_bytes();
        Some(
            DescribeLogDirsPartition::default()
                .with_partition_index(index)
                .with_partition_size(size_bytes as i64),
        )
    });
    DescribeLogDirsTopic::default()
        .with_name(TopicName(topic.name.clone().into()))
        .with_partitions(partitions.collect())
}
