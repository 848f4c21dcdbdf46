//! What `OffsetCommit` and `TxnOffsetCommit` have in common: one offset to remember.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_commit_request::OffsetCommitRequestPartition;
use kafka_protocol::messages::txn_offset_commit_request::TxnOffsetCommitRequestPartition;
use kafka_protocol::protocol::StrBytes;

use crate::groups::{Committed, OffsetKey};
use crate::handlers::Call;
use crate::limits::OFFSET_METADATA_BYTES;
use crate::time::now_ms;

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

    pub(super) fn commit(&self, group: &str, topic: &str) -> (OffsetKey, Committed) {
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
