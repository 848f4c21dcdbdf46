//! Handlers: one file per API, and the one table of what is served.
//!
//! A handler exports `SHAPE`, the layout of its request, and `handle`, which turns a request into
//! an answer; what goes wrong is an error code inside the answer. The table names the versions at
//! which a handler works. Dispatch, `ApiVersions` and the answer to an unknown version all read it,
//! so nothing can be advertised that is not served.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
#[cfg(test)]
use bytes::BytesMut;
use kafka_protocol::ResponseError;
use kafka_protocol::messages as m;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};

use crate::broker::{Broker, LEADER_EPOCH};
use crate::limits::WAITING_REQUEST_BYTES;
use crate::wire::answer::{self, Pieces};
use crate::wire::budget::Share;
use crate::wire::frame::Frame;
use crate::wire::header::{self, Prelude};
use crate::wire::reader::Malformed;
use crate::wire::shape::Shape;

/// The table. Each row: the handler's module, the request it takes, the versions it serves.
macro_rules! apis {
    ($($module:ident($request:ident) $first:literal ..= $last:literal;)*) => {
        $(mod $module;)*

        /// What the broker serves, in the order of the table.
        pub(crate) const APIS: &[Api] = &[$(Api {
            key: <m::$request as Request>::KEY,
            name: stringify!($request),
            first: $first,
            last: $last,
            shape: &$module::SHAPE,
        }),*];

        /// Decodes the body for its handler, lets it work and encodes what it answers.
        async fn dispatch(
            call: &Call,
            prelude: Prelude,
            body: Bytes,
        ) -> Result<Option<Pieces>, Refused> {
            match prelude.api_key {
                $(<m::$request as Request>::KEY => {
                    let request: m::$request = decode(body, prelude.api_version)?;
                    // A handler gives an answer, or an optional one where a request may ask for none.
                    let answer: Option<<m::$request as Request>::Response> =
                        $module::handle(call, request).await.into();
                    encode(answer, prelude)
                })*
                key => Err(Refused::UnknownApi(key)),
            }
        }

        /// A request with every field at its default, encoded by kafka-protocol.
        #[cfg(test)]
        fn default_body(key: i16, version: i16) -> BytesMut {
            let mut body = BytesMut::new();
            match key {
                $(<m::$request as Request>::KEY => {
                    m::$request::default().encode(&mut body, version).unwrap();
                })*
                key => panic!("API key {key} is not in the table"),
            }
            body
        }

        /// How many bytes kafka-protocol's decoder leaves of a body.
        #[cfg(test)]
        fn decode_left(key: i16, version: i16, mut body: Bytes) -> Result<usize, String> {
            let decoded = match key {
                $(<m::$request as Request>::KEY => {
                    m::$request::decode(&mut body, version).map(drop)
                })*
                key => panic!("API key {key} is not in the table"),
            };
            decoded.map(|()| body.len()).map_err(|error| error.to_string())
        }

        /// The versions that kafka-protocol can decode.
        #[cfg(test)]
        fn decodable(key: i16) -> kafka_protocol::protocol::VersionRange {
            match key {
                $(<m::$request as Request>::KEY => {
                    <m::$request as kafka_protocol::protocol::Message>::VERSIONS
                })*
                key => panic!("API key {key} is not in the table"),
            }
        }
    };
}

apis! {
    produce(ProduceRequest) 3..=13;
    fetch(FetchRequest) 4..=17;
    list_offsets(ListOffsetsRequest) 1..=10;
    metadata(MetadataRequest) 0..=13;
    offset_commit(OffsetCommitRequest) 2..=9;
    offset_fetch(OffsetFetchRequest) 1..=9;
    find_coordinator(FindCoordinatorRequest) 0..=5;
    join_group(JoinGroupRequest) 0..=9;
    heartbeat(HeartbeatRequest) 0..=4;
    leave_group(LeaveGroupRequest) 0..=5;
    sync_group(SyncGroupRequest) 0..=5;
    describe_groups(DescribeGroupsRequest) 0..=6;
    list_groups(ListGroupsRequest) 0..=5;
    api_versions(ApiVersionsRequest) 0..=4;
    create_topics(CreateTopicsRequest) 2..=7;
    delete_topics(DeleteTopicsRequest) 1..=6;
    delete_records(DeleteRecordsRequest) 0..=2;
    init_producer_id(InitProducerIdRequest) 0..=5;
    offset_for_leader_epoch(OffsetForLeaderEpochRequest) 2..=4;
    add_partitions_to_txn(AddPartitionsToTxnRequest) 0..=3;
    add_offsets_to_txn(AddOffsetsToTxnRequest) 0..=4;
    end_txn(EndTxnRequest) 0..=4;
    txn_offset_commit(TxnOffsetCommitRequest) 0..=4;
    describe_configs(DescribeConfigsRequest) 1..=4;
    alter_configs(AlterConfigsRequest) 0..=2;
    create_partitions(CreatePartitionsRequest) 0..=3;
    delete_groups(DeleteGroupsRequest) 0..=2;
    incremental_alter_configs(IncrementalAlterConfigsRequest) 0..=1;
    offset_delete(OffsetDeleteRequest) 0..=0;
    describe_cluster(DescribeClusterRequest) 0..=2;
    describe_topic_partitions(DescribeTopicPartitionsRequest) 0..=0;
    describe_log_dirs(DescribeLogDirsRequest) 1..=4;
    describe_producers(DescribeProducersRequest) 0..=0;
    describe_transactions(DescribeTransactionsRequest) 0..=0;
    list_transactions(ListTransactionsRequest) 0..=2;
    list_partition_reassignments(ListPartitionReassignmentsRequest) 0..=0;
    elect_leaders(ElectLeadersRequest) 0..=2;
    describe_client_quotas(DescribeClientQuotasRequest) 0..=1;
    describe_user_scram_credentials(DescribeUserScramCredentialsRequest) 0..=0;
    describe_acls(DescribeAclsRequest) 1..=3;
    list_config_resources(ListConfigResourcesRequest) 0..=1;
}

#[cfg(test)]
mod agreement;
mod assignment;
mod committed;
#[cfg(test)]
mod coordination;
#[cfg(test)]
mod long_poll;
#[cfg(test)]
mod mutation;
mod operations;

/// A row of the table.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) key: i16,
    pub(crate) name: &'static str,
    pub(crate) first: i16,
    pub(crate) last: i16,
    pub(crate) shape: &'static Shape,
}

/// What a handler knows about a request besides its body.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) broker: Arc<Broker>,
    pub(crate) version: i16,
    pub(crate) client_id: Option<StrBytes>,
    pub(crate) client_host: IpAddr,
    /// Memory that the request takes.
    request_share: Mutex<Option<Share>>,
    /// Memory that the answer takes. Like the request's, it is given back after the answer is
    /// written.
    answer_shares: Mutex<Vec<Share>>,
    /// Set by a handler that cannot tell the client about an error in any other way.
    pub(crate) close: AtomicBool,
}

impl Call {
    /// Keeps memory counted until the answer is written.
    pub(crate) fn keep(&self, share: Share) {
        self.answer_shares.lock().unwrap_or_else(PoisonError::into_inner).push(share);
    }

    /// Gives memory back before a handler waits for others, so that those who wait do not take it
    /// from those who work. A large request goes on to count: it is held while it waits.
    pub(crate) fn release(&self) {
        self.answer_shares.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let mut share = self.request_share.lock().unwrap_or_else(PoisonError::into_inner);
        let is_small = |share: &mut Share| share.num_permits() <= WAITING_REQUEST_BYTES;
        share.take_if(is_small);
    }
}

/// Keeps the first of equal things: what is asked for twice is answered once. Otherwise a request
/// could name the largest thing that there is a hundred thousand times.
pub(crate) fn once<T, K: Hash + Eq>(items: &mut Vec<T>, key: impl Fn(&T) -> K) {
    let mut seen = HashSet::new();
    items.retain(|item| seen.insert(key(item)));
}

/// A client may say which leader it means. There is one, so any other epoch is not ours.
pub(crate) fn check_leader_epoch(epoch: i32) -> Result<(), ResponseError> {
    match epoch.cmp(&LEADER_EPOCH) {
        _ if epoch == -1 => Ok(()),
        Ordering::Less => Err(ResponseError::FencedLeaderEpoch),
        Ordering::Equal => Ok(()),
        Ordering::Greater => Err(ResponseError::UnknownLeaderEpoch),
    }
}

/// Why a request gets no answer and its connection is closed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("API key {0} is not served")]
    UnknownApi(i16),
    #[error("{api} version {version} is not served, {first} to {last} are")]
    UnknownVersion { api: &'static str, version: i16, first: i16, last: i16 },
    #[error("the request is malformed: {0}")]
    Malformed(#[from] Malformed),
    #[error("the request is malformed: {0}")]
    Undecodable(String),
    #[error("the answer could not be encoded: {0}")]
    Unencodable(String),
}

/// Answers one request. `None`: the client wants no answer. The call comes back with the answer,
/// because it holds the memory that the answer counts for.
pub(crate) async fn answer(
    broker: &Arc<Broker>,
    client_host: IpAddr,
    frame: Frame,
) -> Result<(Option<Pieces>, Call), Refused> {
    let Frame { payload: mut frame, share } = frame;
    let prelude = header::prelude(&mut frame)?;
    let key = prelude.api_key;
    let api = APIS.iter().find(|api| api.key == key).ok_or(Refused::UnknownApi(key))?;
    let mut call = Call {
        broker: Arc::clone(broker),
        version: prelude.api_version,
        client_id: None,
        client_host,
        request_share: Mutex::new(share),
        answer_shares: Mutex::default(),
        close: AtomicBool::default(),
    };
    if !(api.first..=api.last).contains(&prelude.api_version) {
        return Ok((Some(unknown_version(api, prelude)?), call));
    }
    call.client_id = header::client_id(&mut frame, api.shape.is_flexible(prelude.api_version))?;
    api.shape.check(&frame, prelude.api_version)?;
    tracing::trace!(api = api.name, version = prelude.api_version, bytes = frame.len(), "request");
    let answer = dispatch(&call, prelude, frame).await?;
    Ok((answer, call))
}

/// Only `ApiVersions` has an answer to a version that the broker does not know: version 0 of the
/// answer with the list of what it does (KIP-511), so that the client can ask again.
fn unknown_version(api: &Api, prelude: Prelude) -> Result<Pieces, Refused> {
    if api.key != <m::ApiVersionsRequest as Request>::KEY {
        return Err(Refused::UnknownVersion {
            api: api.name,
            version: prelude.api_version,
            first: api.first,
            last: api.last,
        });
    }
    answer::encode(api_versions::unsupported(), 0, prelude.correlation_id)
        .map_err(Refused::Unencodable)
}

fn decode<R: Decodable>(mut body: Bytes, version: i16) -> Result<R, Refused> {
    R::decode(&mut body, version).map_err(|error| Refused::Undecodable(error.to_string()))
}

fn encode<R: Encodable + HeaderVersion + 'static>(
    answer: Option<R>,
    prelude: Prelude,
) -> Result<Option<Pieces>, Refused> {
    answer
        .map(|answer| answer::encode(answer, prelude.api_version, prelude.correlation_id))
        .transpose()
        .map_err(Refused::Unencodable)
}
