//! `Produce`: appends record batches as they came, once every record of them was looked at.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, PartitionProduceResponse, TopicProduceResponse,
};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse, TransactionalId};
use tokio::task::JoinHandle;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::handlers::Call;
use crate::limits::RECORD_ERRORS;
use crate::log::batch::Header;
use crate::partition::{AppendError, Appended, RecordError};
use crate::time::now_ms;
use crate::topics::Topic;
use crate::wire::shape::{BYTES, I16, I32, STRING, Shape, UUID, list};

pub(crate) const SHAPE: Shape = Shape::new(
    9,
    &[STRING, I16, I32, list![STRING.until(12), UUID.since(13), list![I32, BYTES]]],
);

/// Why nothing was appended to a partition.
struct Rejected {
    code: i16,
    message: Option<String>,
    /// The records that are the reason (KIP-467).
    records: Vec<RecordError>,
}

impl From<ResponseError> for Rejected {
    fn from(error: ResponseError) -> Self {
        Self { code: error.code(), message: None, records: Vec::new() }
    }
}

impl From<AppendError> for Rejected {
    fn from(error: AppendError) -> Self {
        tracing::debug!("append refused: {error}");
        let (code, message) = (error.error_code(), Some(error.to_string()));
        let records = match error {
            AppendError::Records(records) => records.named,
            _ => Vec::new(),
        };
        Self { code, message, records }
    }
}

fn rejected(error: ResponseError, message: &str) -> Rejected {
    Rejected { message: Some(message.to_owned()), ..error.into() }
}

/// An append that is done, or that waits for the disk beside others of its request.
enum Append {
    Done(Result<Appended, Rejected>),
    Waiting(JoinHandle<Result<Appended, Rejected>>),
}

impl Append {
    async fn done(self) -> Result<Appended, Rejected> {
        match self {
            Self::Done(appended) => appended,
            Self::Waiting(task) => {
                task.await.unwrap_or_else(|_| Err(ResponseError::UnknownServerError.into()))
            }
        }
    }
}

pub(crate) async fn handle(call: &Call, request: ProduceRequest) -> Option<ProduceResponse> {
    let mut begun = Vec::with_capacity(request.topic_data.len());
    // For all partitions together: a request can have very many of them.
    let mut record_errors_left = RECORD_ERRORS;
    for mut data in request.topic_data {
        let topic = find_topic(call, &data);
        let mut appends = Vec::with_capacity(data.partition_data.len());
        for records in std::mem::take(&mut data.partition_data) {
            let index = records.index;
            let append = match &topic {
                Ok(_) if !matches!(request.acks, -1..=1) => {
                    Err(ResponseError::InvalidRequiredAcks.into())
                }
                Ok(topic) => begin(call, request.transactional_id.as_ref(), topic, records).await,
                Err(error) => Err((*error).into()),
            };
            let append = append.unwrap_or_else(|mut rejected| {
                rejected.records.truncate(record_errors_left);
                rejected.records.shrink_to_fit();
                record_errors_left -= rejected.records.len();
                Append::Done(Err(rejected))
            });
            appends.push((index, append));
        }
        begun.push((data, appends));
    }
    let mut failed = false;
    let mut topics = Vec::with_capacity(begun.len());
    for (data, appends) in begun {
        let mut partitions = Vec::with_capacity(appends.len());
        for (index, append) in appends {
            let appended = append.done().await;
            failed |= appended.is_err();
            partitions.push(respond(index, appended));
        }
        topics.push(
            TopicProduceResponse::default()
                .with_name(data.name)
                .with_topic_id(data.topic_id)
                .with_partition_responses(partitions),
        );
    }
    if request.acks == 0 {
        // A client that wants no answers learns of errors by losing its connection.
        call.close.store(failed, Ordering::Relaxed);
        return None;
    }
    Some(ProduceResponse::default().with_responses(topics))
}

fn find_topic(call: &Call, data: &TopicProduceData) -> Result<Arc<Topic>, ResponseError> {
    if call.version >= 13 {
        call.broker.topics.by_id(data.topic_id).ok_or(ResponseError::UnknownTopicId)
    } else {
        call.broker.topics.get(&data.name).ok_or(ResponseError::UnknownTopicOrPartition)
    }
}

/// Checks and appends, or begins to where the disk is waited for: partitions then wait side by side.
async fn begin(
    call: &Call,
    transactional_id: Option<&TransactionalId>,
    topic: &Topic,
    data: PartitionProduceData,
) -> Result<Append, Rejected> {
    let partition = topic.partition(data.index).ok_or(ResponseError::UnknownTopicOrPartition)?;
    let records = data.records.unwrap_or_default();
    let in_transaction = check_batch(call, transactional_id, &topic.name, data.index, &records)?;
    let (topic, index) = (topic.name.clone(), data.index);
    let now_ms = now_ms();
    let batches = partition.check(records, now_ms)?;
    let append = async move {
        let appended = partition.append_checked(batches, now_ms).await;
        drop(in_transaction);
        if partition.began_to_refuse(&appended)
            && let Err(error) = &appended
        {
            tracing::error!(topic = &*topic, partition = index, "records are refused: {error}");
        }
        appended.map_err(Rejected::from)
    };
    if call.broker.settings.fsync_always {
        Ok(Append::Waiting(tokio::spawn(append)))
    } else {
        Ok(Append::Done(append.await))
    }
}

/// What the log cannot know: since version 3 a request carries one batch per partition, and a
/// transaction's batches must belong to one that is going on. It does not end before the token is
/// dropped.
fn check_batch(
    call: &Call,
    transactional_id: Option<&TransactionalId>,
    topic: &str,
    index: i32,
    records: &Bytes,
) -> Result<Option<TaskTrackerToken>, Rejected> {
    // The log says better what is wrong with bytes that are no batch.
    let Ok(header) = Header::read(records) else { return Ok(None) };
    if header.size_bytes != records.len() {
        let message = "more than one record batch for a partition";
        return Err(rejected(ResponseError::InvalidRecord, message));
    }
    if !header.is_transactional() {
        return Ok(None);
    }
    let id = transactional_id.ok_or_else(|| {
        rejected(ResponseError::InvalidTxnState, "a transaction's batch without transactional id")
    })?;
    let transactions = &call.broker.transactions;
    let (producer_id, epoch) = (header.producer_id, header.producer_epoch);
    Ok(Some(transactions.verify(id, producer_id, epoch, topic, index)?))
}

fn respond(index: i32, appended: Result<Appended, Rejected>) -> PartitionProduceResponse {
    let response = PartitionProduceResponse::default().with_index(index);
    match appended {
        Ok(appended) => response
            .with_base_offset(appended.base_offset)
            .with_log_append_time_ms(appended.log_append_time_ms)
            .with_log_start_offset(appended.log_start_offset),
        Err(rejected) => response
            .with_error_code(rejected.code)
            .with_base_offset(-1)
            .with_record_errors(rejected.records.into_iter().map(name).collect())
            .with_error_message(rejected.message.map(Into::into)),
    }
}

fn name(RecordError { index, fault }: RecordError) -> BatchIndexAndErrorMessage {
    BatchIndexAndErrorMessage::default()
        .with_batch_index(index)
        .with_batch_index_error_message(Some(fault.to_string().into()))
}
