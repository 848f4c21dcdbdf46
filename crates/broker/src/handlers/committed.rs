//! What `OffsetCommit` and `TxnOffsetCommit` have in common: one offset to remember.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_commit_request::OffsetCommitRequestPartition;
use kafka_protocol::messages::txn_offset_commit_request::TxnOffsetCommitRequestPartition;
use kafka_protocol::protocol::StrBytes;

use crate::groups::{Committed, OffsetKey};
use crate::handlers::Call;
use crate::limits::{OFFSET_METADATA_BYTES, OFFSETS_PER_WRITE_BYTES};
use crate::time::now_ms;

/// The offsets that can be committed, unless they are more than one write may carry. A short
/// request can name something long many times, so that is found out while they are copied.
pub(super) fn collect<'a>(
    call: &Call,
    group: &str,
    sent: impl Iterator<Item = (&'a str, Sent<'a>)>,
) -> Result<Vec<(OffsetKey, Committed)>, ResponseError> {
    let mut offsets = Vec::new();
    let mut size_bytes = 0;
    for (topic, sent) in sent.filter(|(topic, sent)| sent.check(call, topic).is_ok()) {
        let (key, committed) = sent.commit(group, topic);
        size_bytes += committed.journal_bytes(&key);
        if size_bytes > OFFSETS_PER_WRITE_BYTES {
            return Err(ResponseError::InvalidCommitOffsetSize);
        }
        offsets.push((key, committed));
    }
    Ok(offsets)
}

/// A partition's offset as either request sends it.
pub(super) struct Sent<'a> {
    partition: i32,
    offset: i64,
    leader_epoch: i32,
    metadata: Option<&'a StrBytes>,
}

impl<'a> From<&'a OffsetCommitRequestPartition> for Sent<'a> {
    fn from(sent: &'a OffsetCommitRequestPartition) -> Self {
        Self {
            partition: sent.partition_index,
            offset: sent.committed_offset,
            leader_epoch: sent.committed_leader_epoch,
            metadata: sent.committed_metadata.as_ref(),
        }
    }
}

impl<'a> From<&'a TxnOffsetCommitRequestPartition> for Sent<'a> {
    fn from(sent: &'a TxnOffsetCommitRequestPartition) -> Self {
        Self {
            partition: sent.partition_index,
            offset: sent.committed_offset,
            leader_epoch: sent.committed_leader_epoch,
            metadata: sent.committed_metadata.as_ref(),
        }
    }
}

impl Sent<'_> {
    /// Whether it can be committed, whoever asks.
    pub(super) fn check(&self, call: &Call, topic: &str) -> Result<(), ResponseError> {
        if call.broker.topics.partition(topic, self.partition).is_none() {
            return Err(ResponseError::UnknownTopicOrPartition);
        }
        if self.metadata.is_some_and(|it| it.len() > OFFSET_METADATA_BYTES) {
            return Err(ResponseError::OffsetMetadataTooLarge);
        }
        Ok(())
    }

    fn commit(&self, group: &str, topic: &str) -> (OffsetKey, Committed) {
        let (group, topic) = (group.to_owned(), topic.to_owned());
        let key = OffsetKey { group, topic, partition: self.partition };
        let committed = Committed {
            offset: self.offset,
            leader_epoch: self.leader_epoch,
            metadata: self.metadata.map(ToString::to_string).unwrap_or_default(),
            at_ms: now_ms(),
        };
        (key, committed)
    }
}
