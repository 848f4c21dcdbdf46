//! Addresses: whether the bootstrap addresses and those that the brokers advertise lead to them.

use crate::doctor::finding::{Finding, Severity};
use crate::doctor::state::{Broker, ClusterState};
use crate::queue::Refusal;
use crate::queue::probe::Probe;

pub(super) fn judge(state: &ClusterState) -> Vec<Finding> {
    let mut findings = bootstrap(state);
    for broker in &state.brokers {
        findings.extend(advertised(state, broker));
        findings.extend(other_cluster(state, broker));
    }
    findings.extend(security(state));
    findings
}

/// Listeners are a list, so one is added and not merged.
fn add_listener(listener: &str) -> String {
    format!("with Strimzi, add to spec.kafka.listeners of the Kafka resource: {listener}")
}

const OUTSIDE: &str = "{name: external, port: 9094, type: nodeport, tls: false}";
const ENCRYPTED: &str = "{name: tls, port: 9093, type: internal, tls: true}";

fn bootstrap(state: &ClusterState) -> Vec<Finding> {
    // One good address is enough to find the others, as long as it is up.
    let some = state.bootstrap.iter().any(|(_, probe)| problem(state, probe).is_none());
    let severity = if some { Severity::Warning } else { Severity::Blind };
    let mut findings = Vec::new();
    for (address, probe) in &state.bootstrap {
        let subject = format!("bootstrap address {address}");
        if let Some(Refusal { cause, why, cure }) = problem(state, probe) {
            let finding = Finding::new(severity, "bootstrap", subject, ("", cause), why);
            findings.push(finding.advise(cure));
        }
    }
    findings
}

fn advertised(state: &ClusterState, broker: &Broker) -> Option<Finding> {
    let Refusal { cause, why, cure } = problem(state, &broker.probe)?;
    let address = format!("{}:{}", broker.host, broker.port);
    let why = format!(
        "clients take the bootstrap address only to ask where the brokers are, and this one says \
         {address}: {why}"
    );
    let finding = Finding::new(
        Severity::Blind,
        "advertised-listeners",
        format!("broker {}", broker.id),
        ("advertised.listeners", format!("{address}, {cause}")),
        why,
    );
    let inside = matches!(broker.probe, Probe::Unresolved(_) | Probe::Unreachable(_));
    let finding = finding.advise(cure);
    Some(if inside { finding.advise(add_listener(OUTSIDE)) } else { finding })
}

/// What was found, why that is a problem, and what to do.
fn problem(state: &ClusterState, probe: &Probe) -> Option<Refusal> {
    Refusal::of(probe, &state.ours.security, state.ours.mechanism())
}

fn other_cluster(state: &ClusterState, broker: &Broker) -> Option<Finding> {
    let Probe::Kafka(spoken) = &broker.probe else { return None };
    let (expected, found) = (state.cluster.as_ref()?, spoken.cluster.as_ref()?);
    if expected == found {
        return None;
    }
    let why = format!(
        "the bootstrap address leads to cluster {expected}, and this broker's address leads to \
         cluster {found}: ratings would be written to one cluster and looked for in another"
    );
    let finding = Finding::new(
        Severity::Danger,
        "advertised-cluster",
        format!("broker {}", broker.id),
        ("advertised.listeners", format!("{}:{}", broker.host, broker.port)),
        why,
    );
    Some(finding.advise("advertise an address that leads to this broker from here, not localhost"))
}

fn security(state: &ClusterState) -> Option<Finding> {
    let beyond = state.brokers.iter().any(|broker| !is_loopback(&broker.host));
    if !beyond {
        return None;
    }
    let finding = |severity, why: &str| {
        let setting = ("security.protocol", state.ours.security.to_uppercase());
        Finding::new(severity, "transport", "connections", setting, why)
    };
    match state.ours.security.as_str() {
        "sasl_plaintext" => Some(
            finding(
                Severity::Warning,
                "everybody on the way between here and the brokers can read the password, and \
                 then write ratings",
            )
            .advise("use a listener with TLS")
            .advise(add_listener(ENCRYPTED)),
        ),
        "plaintext" => Some(
            finding(
                Severity::Advice,
                "everybody on the network can read and write ratings; fine only where the network \
                 itself keeps others out",
            )
            .advise("use a listener with TLS and users where others share the network")
            .advise(add_listener(ENCRYPTED)),
        ),
        _ => None,
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::rules::sample::{check, checks, good, kafka};
    use crate::queue::probe::Spoken;

    #[test]
    fn every_address_must_lead_to_a_broker() {
        check(judge, |_| {}, &[]);
        let blind = [("bootstrap", Severity::Blind)];
        for probe in [
            Probe::Unresolved("x".into()),
            Probe::Unreachable("x".into()),
            Probe::Tls,
            Probe::Silent,
            Probe::Stranger("HTTP/1.1 400".into()),
        ] {
            check(judge, |state| state.bootstrap[0].1 = probe.clone(), &blind);
            check(
                judge,
                |state| state.brokers[1].probe = probe.clone(),
                &[("advertised-listeners", Severity::Blind)],
            );
        }
        check(
            judge,
            |state| state.bootstrap.push(("b:1".into(), Probe::Silent)),
            &[("bootstrap", Severity::Warning)],
        );
    }

    #[test]
    fn both_sides_must_speak_the_same() {
        let sasl = || Spoken { sasl: Some(vec!["PLAIN".into()]), ..Spoken::default() };
        let blind = [("bootstrap", Severity::Blind)];
        check(judge, |state| state.bootstrap[0].1 = Probe::Kafka(sasl()), &blind);
        let speak = |protocol: &'static str, probe: Probe| {
            move |state: &mut ClusterState| {
                state.ours.security = protocol.into();
                state.bootstrap[0].1 = probe.clone();
                state.brokers.iter_mut().for_each(|broker| broker.probe = probe.clone());
            }
        };
        let plain = |state: &mut ClusterState| {
            state.ours.properties.push(("sasl.mechanism".into(), "PLAIN".into()));
            speak("sasl_plaintext", Probe::Kafka(sasl()))(state);
        };
        check(judge, plain, &[]);
        let advertised = [("advertised-listeners", Severity::Blind); 3];
        let all = [&blind[..], &advertised].concat();
        check(judge, speak("sasl_plaintext", Probe::Kafka(sasl())), &all);
        check(judge, speak("sasl_plaintext", kafka()), &all);
        check(judge, speak("sasl_ssl", Probe::Tls), &[]);
        let through_tls = Probe::Kafka(Spoken { tls: true, ..Spoken::default() });
        check(judge, speak("ssl", through_tls), &[]);
        for probe in [Probe::Untrusted, Probe::Refused, Probe::Denied].map(|of| of("x".into())) {
            check(judge, speak("ssl", probe), &all);
        }
        check(judge, speak("ssl", kafka()), &all);
    }

    #[test]
    fn a_broker_of_another_cluster_is_found() {
        let of = |cluster: &str| {
            Probe::Kafka(Spoken { cluster: Some(cluster.into()), ..Spoken::default() })
        };
        check(judge, |state| state.brokers[0].probe = of("C"), &[]);
        check(
            judge,
            |state| state.brokers[0].probe = of("D"),
            &[("advertised-cluster", Severity::Danger)],
        );
    }

    #[test]
    fn what_others_can_read_is_said() {
        let check = |host: &str, protocol: &str, expected: Option<Severity>| {
            let mut state = good();
            state.ours.security = protocol.into();
            state.brokers[0].host = host.into();
            let found: Vec<Finding> = security(&state).into_iter().collect();
            let expected: Vec<_> =
                expected.map(|severity| ("transport", severity)).into_iter().collect();
            assert_eq!(checks(&found), expected);
        };
        check("10.0.0.1", "plaintext", Some(Severity::Advice));
        check("10.0.0.1", "sasl_plaintext", Some(Severity::Warning));
        check("kafka", "ssl", None);
        check("::1", "plaintext", None);
        check("localhost", "sasl_plaintext", None);
    }
}
