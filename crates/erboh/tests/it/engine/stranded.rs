//! A broker that says for a moment that its cluster has no brokers, as one does that stood still.
//!
//! ```text
//!   clients ──► Liar ──► embedded broker        hold():    metadata wait here
//!                 └ metadata without brokers    release(): all of them at once, then the truth
//! ```
//!
//! Clients that believe it have nobody left to ask. All of them must find back.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use erboh::consumer::engine::{self, EngineSettings};
use erboh::queue::{Admin, KafkaSettings, Topics, Writer};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::bench::{PATIENCE, rating, until_counted};

/// The number of the request for metadata.
const METADATA: [u8; 2] = [0, 3];

/// Answers that are held before they are released: several from each client of an engine.
const HELD: usize = 60;

/// A proxy in front of a broker.
#[derive(Clone)]
struct Liar(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    holding: bool,
    /// Answers without brokers, and to whom they go.
    held: Vec<(TcpStream, Vec<u8>)>,
}

impl Liar {
    fn start(listener: TcpListener, broker: SocketAddr) -> Self {
        let liar = Self(Arc::default());
        let own = liar.clone();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(broker).unwrap());
                let (liar, asked) = (own.clone(), Arc::<Mutex<BTreeSet<Vec<u8>>>>::default());
                let (from, to, seen) =
                    (client.try_clone().unwrap(), server.try_clone().unwrap(), Arc::clone(&asked));
                std::thread::spawn(move || up(from, to, &seen));
                std::thread::spawn(move || liar.down(server, client, &asked));
            }
        });
        liar
    }

    fn hold(&self) {
        self.0.lock().unwrap().holding = true;
    }

    fn held(&self) -> usize {
        self.0.lock().unwrap().held.len()
    }

    fn release(&self) {
        let mut state = self.0.lock().unwrap();
        state.holding = false;
        for (mut client, frame) in std::mem::take(&mut state.held) {
            // It may have given up.
            let _ = client.write_all(&frame);
        }
    }

    fn down(&self, mut server: TcpStream, mut client: TcpStream, asked: &Mutex<BTreeSet<Vec<u8>>>) {
        while let Some(frame) = frame(&mut server) {
            let of_metadata = asked.lock().unwrap().remove(&frame[4..8]);
            let mut state = self.0.lock().unwrap();
            if of_metadata && state.holding {
                state.held.push((client.try_clone().unwrap(), without_brokers(&frame)));
            } else if client.write_all(&frame).is_err() {
                return;
            }
        }
    }
}

/// Passes requests on, and notes the numbers of those for metadata.
fn up(mut client: TcpStream, mut server: TcpStream, asked: &Mutex<BTreeSet<Vec<u8>>>) {
    while let Some(frame) = frame(&mut client) {
        if frame[4..6] == METADATA {
            asked.lock().unwrap().insert(frame[8..12].to_vec());
        }
        if server.write_all(&frame).is_err() {
            return;
        }
    }
    let _ = server.shutdown(std::net::Shutdown::Both);
}

/// One request or answer: its length in four bytes, then so many.
fn frame(from: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length).ok()?;
    let mut frame = length.to_vec();
    frame.resize(4 + u32::from_be_bytes(length) as usize, 0);
    from.read_exact(&mut frame[4..]).ok()?;
    Some(frame)
}

/// The same metadata (version 9 or later) with no broker in it.
///
/// ```text
///   length 4 │ number 4 │ tags 1 │ throttle 4 │ brokers + 1 │ id 4, host, port 4, rack, tags 1 … │ rest
/// ```
fn without_brokers(frame: &[u8]) -> Vec<u8> {
    let brokers = 4 + 4 + 1 + 4;
    assert!(frame[brokers] < 0x80, "few brokers");
    let mut rest = brokers + 1;
    for _ in 1..frame[brokers] {
        let host = usize::from(frame[rest + 4]);
        let rack = rest + 4 + host + 4;
        rest = rack + usize::from(frame[rack]).max(1) + 1;
    }
    let mut lie = [&frame[..brokers], &[1], &frame[rest..]].concat();
    let length = u32::try_from(lie.len() - 4).unwrap();
    lie[..4].copy_from_slice(&length.to_be_bytes());
    lie
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_find_back_to_a_broker_that_knew_no_brokers() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = proxy.local_addr().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let liar = Liar::start(proxy, listener.local_addr().unwrap());
    let data = tempfile::tempdir().unwrap();
    let settings = erboh_broker::Settings {
        data_dir: data.path().to_owned(),
        advertised_port: Some(address.port()),
        auto_create_topics: false,
        group_initial_rebalance_delay_ms: 0,
        ..erboh_broker::Settings::default()
    };
    let stop = CancellationToken::new();
    let serving = tokio::spawn(erboh_broker::serve(listener, settings, stop.clone()));

    let mut kafka = KafkaSettings::new(address.to_string());
    // So that several answers are under way when the first of them comes.
    kafka.properties = vec![("topic.metadata.refresh.interval.ms".into(), "50".into())];
    let topics = Topics::default();
    Admin::connect(&kafka).unwrap().ensure_topics(&topics, 2, 1).await.unwrap();
    let writer = Writer::connect(&kafka, &topics.ratings).unwrap();
    let settings = EngineSettings { replication: 1, ..EngineSettings::default() };
    let engine = engine::start(kafka, settings, &CancellationToken::new()).unwrap();
    let mut sent = 0;
    for _ in 0..3 {
        write(&writer, &mut sent).await;
        until_counted(&engine, sent).await;
        liar.hold();
        let end = Instant::now() + PATIENCE;
        while liar.held() < HELD {
            assert!(Instant::now() < end, "only {} questions were asked", liar.held());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        liar.release();
    }
    write(&writer, &mut sent).await;
    until_counted(&engine, sent).await;
    engine.stop().await;
    stop.cancel();
    serving.await.unwrap().unwrap();
}

/// Writes one rating, however often it takes.
async fn write(writer: &Writer, sent: &mut u64) {
    let id = Uuid::now_v7().to_string();
    let written = async { while writer.send(vec![rating(&id)], PATIENCE).await[0].is_err() {} };
    tokio::time::timeout(PATIENCE, written).await.expect("the writer finds a broker");
    *sent += 1;
}
