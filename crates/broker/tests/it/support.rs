//! A broker that runs for a test, and a client that is honest unless told otherwise.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::LazyLock;
use std::time::SystemTime;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use erboh_broker::{Broker, Error, Settings};
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::{
    CreateTopicsRequest, DeleteTopicsRequest, FetchRequest, ProduceRequest, RequestHeader,
    ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Message, Request};
use kafka_protocol::records::{
    Compression, NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, Record,
    RecordBatchDecoder, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Timestamp of a batch's first record: about now, so that retention leaves it alone and the broker
/// takes it.
pub(crate) static FIRST_TIMESTAMP_MS: LazyLock<i64> = LazyLock::new(|| {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    now.as_millis() as i64
});

/// A broker in this process, on a port of its own.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    stop: CancellationToken,
    served: JoinHandle<Result<(), Error>>,
}

impl Running {
    /// Starts with the defaults of a laptop on this directory.
    pub(crate) async fn start(data: &Path) -> Self {
        Self::start_with(settings(data)).await
    }

    pub(crate) async fn start_with(settings: Settings) -> Self {
        let broker = Broker::open(settings).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let served = tokio::spawn(broker.serve(listener, stop.clone()));
        Self { address, stop, served }
    }

    /// Stops cleanly.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.served.await.unwrap().unwrap();
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.address).await
    }
}

pub(crate) fn settings(data: &Path) -> Settings {
    Settings { data_dir: data.to_owned(), ..Settings::default() }
}

/// One connection.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    correlation_id: i32,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), correlation_id: 0 }
    }

    /// Sends a request and receives its answer.
    pub(crate) async fn call<R: Request>(&mut self, request: &R, version: i16) -> R::Response {
        self.send(request, version).await;
        self.receive::<R::Response>(version).await
    }

    pub(crate) async fn send<R: Request>(&mut self, request: &R, version: i16) {
        self.correlation_id += 1;
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation_id);
        let mut frame = BytesMut::new();
        frame.put_i32(0);
        header.encode(&mut frame, R::header_version(version)).unwrap();
        request.encode(&mut frame, version).unwrap();
        let length = frame.len() as i32 - 4;
        frame[..4].copy_from_slice(&length.to_be_bytes());
        self.stream.write_all(&frame).await.unwrap();
    }

    pub(crate) async fn receive<R: Decodable + HeaderVersion>(&mut self, version: i16) -> R {
        let length = self.stream.read_i32().await.unwrap();
        let mut payload = vec![0; length as usize];
        self.stream.read_exact(&mut payload).await.unwrap();
        let mut payload = Bytes::from(payload);
        let header = ResponseHeader::decode(&mut payload, R::header_version(version)).unwrap();
        assert_eq!(header.correlation_id, self.correlation_id);
        let response = R::decode(&mut payload, version).unwrap();
        assert!(!payload.has_remaining(), "the answer has {} bytes too many", payload.len());
        response
    }

    /// Whether the broker closed this connection without a word.
    pub(crate) async fn is_closed(&mut self) -> bool {
        let mut byte = [0];
        // A reset is what a close becomes when bytes were still under way.
        !matches!(self.stream.read(&mut byte).await, Ok(1..))
    }

    pub(crate) async fn create_topic(
        &mut self,
        name: &str,
        partitions: i32,
        config: &[(&str, &str)],
    ) {
        let configs = config.iter().map(|(key, value)| {
            CreatableTopicConfig::default()
                .with_name((*key).to_owned().into())
                .with_value(Some((*value).to_owned().into()))
        });
        let topic = CreatableTopic::default()
            .with_name(topic(name))
            .with_num_partitions(partitions)
            .with_replication_factor(-1)
            .with_configs(configs.collect());
        let request = CreateTopicsRequest::default().with_topics(vec![topic]);
        let response = self.call(&request, CreateTopicsRequest::VERSIONS.max).await;
        assert_eq!(response.topics[0].error_code, 0, "{response:?}");
    }

    pub(crate) async fn delete_topic(&mut self, name: &str) {
        let request = DeleteTopicsRequest::default().with_topic_names(vec![topic(name)]);
        let response = self.call(&request, 5).await;
        assert_eq!(response.responses[0].error_code, 0, "{response:?}");
    }

    /// Produces to partition 0 with all acknowledgements.
    pub(crate) async fn produce(
        &mut self,
        name: &str,
        values: &[&str],
    ) -> PartitionProduceResponse {
        self.produce_batch(name, batch(values), 9).await
    }

    /// Produces bytes to partition 0 with all acknowledgements.
    pub(crate) async fn produce_batch(
        &mut self,
        name: &str,
        records: Bytes,
        version: i16,
    ) -> PartitionProduceResponse {
        let response = self.call(&produce(name, -1, records), version).await;
        response.responses[0].partition_responses[0].clone()
    }

    /// Fetches from partition 0, waiting at most this long for the first byte.
    pub(crate) async fn fetch(&mut self, name: &str, offset: i64, wait_ms: i32) -> PartitionData {
        let response = self.call(&fetch(name, offset, wait_ms), 12).await;
        assert_eq!(response.error_code, 0);
        response.responses[0].partitions[0].clone()
    }
}

pub(crate) fn topic(name: &str) -> TopicName {
    TopicName(name.to_owned().into())
}

pub(crate) fn produce(name: &str, acks: i16, records: Bytes) -> ProduceRequest {
    let data = PartitionProduceData::default().with_records(Some(records));
    let data = TopicProduceData::default().with_name(topic(name)).with_partition_data(vec![data]);
    ProduceRequest::default().with_acks(acks).with_timeout_ms(1_000).with_topic_data(vec![data])
}

pub(crate) fn fetch(name: &str, offset: i64, wait_ms: i32) -> FetchRequest {
    let partition =
        FetchPartition::default().with_fetch_offset(offset).with_partition_max_bytes(1 << 20);
    let wanted = FetchTopic::default().with_topic(topic(name)).with_partitions(vec![partition]);
    FetchRequest::default()
        .with_max_wait_ms(wait_ms)
        .with_min_bytes(1)
        .with_max_bytes(1 << 20)
        .with_session_epoch(-1)
        .with_topics(vec![wanted])
}

/// A record batch of these values.
pub(crate) fn batch(values: &[&str]) -> Bytes {
    let records: Vec<_> = values
        .iter()
        .enumerate()
        .map(|(index, value)| Record {
            transactional: false,
            control: false,
            delete_horizon: false,
            partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: NO_PRODUCER_EPOCH,
            timestamp_type: TimestampType::Creation,
            offset: index as i64,
            // The encoder begins another batch where these do not go on by one.
            sequence: NO_SEQUENCE + index as i32,
            timestamp: *FIRST_TIMESTAMP_MS + index as i64,
            key: None,
            value: Some(Bytes::copy_from_slice(value.as_bytes())),
            headers: std::iter::empty().collect(),
        })
        .collect();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    let mut buffer = BytesMut::new();
    RecordBatchEncoder::encode(&mut buffer, &records, &options).unwrap();
    buffer.freeze()
}

/// Offsets and values of what was fetched.
pub(crate) fn records(data: &PartitionData) -> Vec<(i64, String)> {
    assert_eq!(data.error_code, 0, "{data:?}");
    let mut bytes = data.records.clone().unwrap();
    let sets = RecordBatchDecoder::decode_all(&mut bytes).unwrap();
    let records = sets.into_iter().flat_map(|set| set.records);
    records.map(|r| (r.offset, String::from_utf8(r.value.unwrap().to_vec()).unwrap())).collect()
}
