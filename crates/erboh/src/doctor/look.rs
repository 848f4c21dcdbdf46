//! Looking: everything that is asked of a cluster, in the order in which one answer leads on.
//!
//! ```text
//!   --brokers ─probe─► who listens ─list─► brokers ─probe, settings─► each of them
//!                                        └► topics ─► copies, settings ─► group ─► how far it is
//! ```

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::runtime::Handle;

use super::Settings;
use super::state::{Broker, ClusterState, Look, Ours, Progress, Role, Topic};
use crate::queue::inspect::{Inspector, Trouble};
use crate::queue::probe::{self, Probe};

/// Looks at the cluster. Blocks, so it wants a thread of its own; `runtime` is for the client.
pub(crate) fn look(settings: &Settings, runtime: &Handle) -> ClusterState {
    let kafka = &settings.kafka;
    let mut state = nothing(settings);
    let addresses = kafka.addresses();
    let probes = probe::all(&addresses, kafka);
    let named = addresses.iter().map(|(host, port)| format!("{host}:{port}"));
    state.bootstrap = named.zip(probes).collect();

    let inspector = match Inspector::connect(kafka, &settings.group) {
        Ok(inspector) => inspector,
        Err(error) => {
            state.trouble = Some(trouble("use the client's settings", error.to_string()));
            return state;
        }
    };
    // librdkafka waits for addresses that will not answer; the probes have already told.
    if !state.bootstrap.iter().any(|(_, probe)| is_worth_asking(probe, &state.ours.security)) {
        return state;
    }
    let advertised = match inspector.brokers() {
        Ok(advertised) => advertised,
        Err(error) => {
            state.trouble = Some(error);
            return state;
        }
    };
    state.cluster = advertised.cluster;
    let addresses: Vec<_> =
        advertised.brokers.iter().map(|(_, host, port)| (host.clone(), *port)).collect();
    let probes = probe::all(&addresses, kafka);
    for ((id, host, port), probe) in advertised.brokers.into_iter().zip(probes) {
        let settings = if is_worth_asking(&probe, &state.ours.security) {
            runtime.block_on(inspector.broker_settings(id))
        } else {
            Err(trouble(&format!("read the settings of broker {id}"), "it is not reachable".into()))
        };
        state.brokers.push(Broker { id, host, port, probe, settings });
    }
    topics(settings, &inspector, runtime, &mut state);
    state
}

/// A state in which nothing has been seen.
fn nothing(settings: &Settings) -> ClusterState {
    let kafka = &settings.kafka;
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let not_seen = || trouble("look at the group", "the brokers could not be listed".to_owned());
    ClusterState {
        ours: Ours {
            brokers: kafka.brokers.clone(),
            security: kafka.security_protocol(),
            user: kafka.user(),
            properties: kafka.visible_properties(),
            session_timeout_ms: kafka.session_timeout_ms(),
            group: settings.group.clone(),
        },
        bootstrap: Vec::new(),
        cluster: None,
        brokers: Vec::new(),
        trouble: None,
        topics: Vec::new(),
        offsets_topic: Ok(None),
        group: Err(not_seen()),
        progress: Err(not_seen()),
        now_ms: since_1970.as_millis() as i64,
    }
}

/// Whether a client with this `security` could get an answer there.
fn is_worth_asking(probe: &Probe, security: &str) -> bool {
    let Probe::Kafka(spoken) = probe else {
        // A probe that cannot do TLS as the client does it.
        return *probe == Probe::Tls && security.ends_with("ssl");
    };
    spoken.tls == security.ends_with("ssl") && spoken.sasl.is_some() == security.starts_with("sasl")
}

fn topics(settings: &Settings, inspector: &Inspector, runtime: &Handle, state: &mut ClusterState) {
    let named = [
        (Role::Ratings, &settings.topics.ratings),
        (Role::Totals, &settings.topics.totals),
        (Role::DeadLetters, &settings.topics.dead_letters),
    ];
    for (role, name) in named {
        let copies = inspector.copies(name);
        let settings = match copies {
            Ok(Some(_)) => runtime.block_on(inspector.topic_settings(name)),
            _ => Ok(BTreeMap::new()),
        };
        state.topics.push(Topic { role, name: name.clone(), copies, settings });
    }
    state.offsets_topic = inspector.copies("__consumer_offsets");
    state.group = inspector.group();
    let ratings = &state.topics[0];
    let partitions = ratings.partitions().map_or(0, |copies| copies.len() as i32);
    state.progress = match partitions {
        0 => Ok(Vec::new()),
        count => progress(inspector, &ratings.name, count),
    };
}

fn progress(inspector: &Inspector, topic: &str, partitions: i32) -> Look<Vec<Progress>> {
    let committed = inspector.committed(topic, partitions)?;
    let bounds = inspector.bounds(topic, partitions)?;
    let mut progress: Vec<Progress> = bounds
        .into_iter()
        .map(|(partition, (start, end))| Progress {
            partition,
            start,
            end,
            committed: committed.get(&partition).copied(),
            oldest_ms: None,
        })
        .collect();
    let behind: BTreeMap<i32, i64> = progress
        .iter()
        .map(|p| (p.partition, p.committed.unwrap_or(p.start).max(p.start), p.end))
        .filter(|(_, next, end)| next < end)
        .map(|(partition, next, _)| (partition, next))
        .collect();
    let times = inspector.times(topic, &behind)?;
    for one in &mut progress {
        one.oldest_ms = times.get(&one.partition).copied();
    }
    Ok(progress)
}

fn trouble(what: &str, reason: String) -> Trouble {
    Trouble { what: what.to_owned(), reason, missing: None }
}
