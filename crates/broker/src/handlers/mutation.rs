//! Hostile requests against a real broker: valid ones with bytes changed, cut off and added.
//!
//! The same seeds run each time, so a failure here is a failure everywhere. The fuzz targets in
//! `fuzz/` go on from where this ends.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes};
use kafka_protocol::messages::{ApiKey, ApiVersionsRequest};
use kafka_protocol::protocol::Request;

use super::{APIS, Api, Refused, answer, default_body};
use crate::broker::Broker;
use crate::settings::Settings;
use crate::wire::sample::{self, Random};

const HOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Handlers may wait for the rest of a group or for records; a hostile client would too.
const PATIENCE: Duration = Duration::from_millis(5);

async fn broker() -> (tempfile::TempDir, Arc<Broker>) {
    let data = tempfile::tempdir().unwrap();
    let settings = Settings { data_dir: data.path().join("data"), ..Settings::default() };
    (data, Broker::open(settings).await.unwrap())
}

fn request(api: &Api, version: i16, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.put_i16(api.key);
    frame.put_i16(version);
    frame.put_i32(77);
    frame.put_i16(2);
    frame.put_slice(b"me");
    if api.shape.is_flexible(version) {
        frame.put_u8(0);
    }
    frame.put_slice(body);
    frame
}

/// An answer, a refusal or still waiting are all fine; what must not be is a panic, or an answer
/// that cannot be encoded.
async fn check(broker: &Arc<Broker>, frame: Vec<u8>) {
    let shown = format!("{frame:?}");
    let answered = answer(broker, HOST, Bytes::from(frame).into());
    if let Ok(Err(Refused::Unencodable(reason))) = tokio::time::timeout(PATIENCE, answered).await {
        panic!("{reason}: {shown}");
    }
}

/// Memory that the process has asked for at most, where the system tells.
pub(super) fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:")).unwrap_or("0");
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
}

fn mutate(frame: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(3) {
        let length = frame.len();
        let at = random.below(length);
        match random.below(6) {
            0 => frame[at] = random.next() as u8,
            1 => frame.truncate(at),
            2 => frame.insert(at, random.next() as u8),
            3 => frame[at] ^= 1 << random.below(8),
            // Numbers that are lengths or counts somewhere.
            4 => frame[at..(at + 4).min(length)].fill(0xff),
            _ => frame[at..(at + 4).min(length)].fill(0x7f),
        }
        if frame.is_empty() {
            frame.push(0);
        }
    }
}

#[tokio::test]
async fn every_version_of_every_api_is_answered() {
    let (_data, broker) = broker().await;
    for api in APIS {
        for version in api.first..=api.last {
            let frame = request(api, version, &default_body(api.key, version));
            let answered = answer(&broker, HOST, Bytes::from(frame).into()).await;
            let (answer, _) = answered.unwrap_or_else(|e| panic!("{} {version}: {e}", api.name));
            let refused = api.key == ApiKey::Produce as i16 && answer.is_none();
            assert!(answer.is_some() || refused, "{} {version}", api.name);
        }
    }
}

#[tokio::test]
async fn an_unknown_version_of_api_versions_is_told_the_known_ones() {
    let (_data, broker) = broker().await;
    let frame = [0, 18, 0, 99, 0, 0, 0, 5, 1, 2, 3];
    let (answer, _) = answer(&broker, HOST, Bytes::copy_from_slice(&frame).into()).await.unwrap();
    let answer = answer.unwrap().join();
    assert_eq!(answer[4..8], [0, 0, 0, 5], "correlation id");
    assert_eq!(answer[8..10], [0, 35], "UNSUPPORTED_VERSION");
    let count = i32::from_be_bytes(answer[10..14].try_into().unwrap());
    assert_eq!(count as usize, APIS.len());
    assert_eq!(<ApiVersionsRequest as Request>::KEY, 18);
}

#[tokio::test]
async fn hostile_requests_do_no_harm() {
    let (_data, broker) = broker().await;
    let before = peak_bytes();
    let mut random = Random::new(2026);
    for round in 0..60 {
        for api in APIS {
            let versions = (api.last - api.first + 1) as usize;
            let version = api.first + random.below(versions) as i16;
            let mut frame = request(api, version, &sample::body(api.shape, version, &mut random));
            if round > 0 {
                mutate(&mut frame, &mut random);
            }
            check(&broker, frame).await;
        }
    }
    let garbage = (0..2_000).map(|length| (0..length % 50).map(|_| random.next() as u8).collect());
    for frame in garbage.collect::<Vec<Vec<u8>>>() {
        check(&broker, frame).await;
    }
    // Other tests run beside this one; the counts tried here ask for hundreds of gigabytes.
    let grown = peak_bytes().saturating_sub(before);
    assert!(grown < 8 << 30, "{grown} bytes more were asked for");
}
