//! Addresses: whether the bootstrap addresses and those that the brokers advertise lead to them.

use crate::doctor::finding::{Finding, Severity};
use crate::doctor::state::{Broker, ClusterState, Ours};
use crate::queue::probe::{Probe, Spoken};

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
        if let Some((value, why, advice)) = problem(state, probe) {
            let finding = Finding::new(severity, "bootstrap", subject, ("", value), why);
            findings.push(finding.advise(advice));
        }
    }
    findings
}

fn advertised(state: &ClusterState, broker: &Broker) -> Option<Finding> {
    let (value, why, advice) = problem(state, &broker.probe)?;
    let address = format!("{}:{}", broker.host, broker.port);
    let why = format!(
        "clients take the bootstrap address only to ask where the brokers are, and this one says \
         {address}: {why}"
    );
    let finding = Finding::new(
        Severity::Blind,
        "advertised-listeners",
        format!("broker {}", broker.id),
        ("advertised.listeners", format!("{address}, {value}")),
        why,
    );
    let inside = matches!(broker.probe, Probe::Unresolved(_) | Probe::Unreachable(_));
    let finding = finding.advise(advice);
    Some(if inside { finding.advise(add_listener(OUTSIDE)) } else { finding })
}

/// What was found, why that is a problem, and what to do.
fn problem(state: &ClusterState, probe: &Probe) -> Option<(String, &'static str, String)> {
    let ours = state.ours.security.as_str();
    let we_use_tls = matches!(ours, "ssl" | "sasl_ssl");
    Some(match probe {
        Probe::Unresolved(reason) => (
            format!("cannot be resolved: {reason}"),
            "this machine does not know the name. Names such as *.svc exist only inside of the \
             Kubernetes cluster",
            "run this inside of the cluster, or give the brokers a listener whose advertised \
             address is known here (a nodeport or loadbalancer listener)"
                .to_owned(),
        ),
        Probe::Unreachable(reason) => (
            format!("cannot be reached: {reason}"),
            "nobody accepts connections there, as seen from here",
            "look whether the broker runs, whether host and port are right, and whether a \
             firewall stands in between"
                .to_owned(),
        ),
        Probe::Tls if we_use_tls => return None,
        Probe::Tls => (
            format!("speaks TLS, we speak {ours}"),
            "a client without TLS is disconnected without a word",
            format!(
                "use the port of a listener without TLS, or --kafka-property security.protocol={}",
                if ours.starts_with("sasl") { "SASL_SSL" } else { "SSL" }
            ),
        ),
        Probe::Stranger(said) => (
            format!("answers \"{said}\""),
            "that is not the Kafka protocol",
            "look whether the port is right; Kafka's usual one is 9092".to_owned(),
        ),
        Probe::Silent => (
            "accepts connections and does not answer".to_owned(),
            "a broker answers at once; this is not one, or a proxy whose broker is gone, or one \
             that hangs",
            "look whether the port is right (a KRaft controller's port takes no clients) and at \
             the broker's log"
                .to_owned(),
        ),
        Probe::Kafka(_) if we_use_tls => (
            format!("speaks without TLS, we speak {ours}"),
            "a TLS greeting means nothing to a plain listener",
            "use the port of a TLS listener, or leave --kafka-property security.protocol away"
                .to_owned(),
        ),
        Probe::Kafka(spoken) => return sasl(&state.ours, spoken),
    })
}

/// What is wrong about saying who we are.
fn sasl(ours: &Ours, spoken: &Spoken) -> Option<(String, &'static str, String)> {
    let protocol = &ours.security;
    let we_do = protocol.starts_with("sasl");
    let Some(offered) = &spoken.sasl else {
        return we_do.then(|| {
            (
                format!("wants no SASL, we speak {protocol}"),
                "the listener does not know what a password is for, and disconnects",
                "use the port of a listener with SASL, or leave --kafka-property \
                 security.protocol away"
                    .to_owned(),
            )
        });
    };
    let list = offered.join(", ");
    let mechanism = offered.first().map_or("PLAIN", String::as_str);
    if !we_do {
        return Some((
            format!("wants SASL ({list}), we speak {protocol}"),
            "the listener disconnects everybody who does not say who they are",
            format!(
                "--kafka-property security.protocol=SASL_PLAINTEXT --kafka-property \
                 sasl.mechanism={mechanism} --kafka-property sasl.username=NAME \
                 --kafka-property-file sasl.password=PATH"
            ),
        ));
    }
    let used = ours.mechanism();
    (!offered.iter().any(|offered| offered == used)).then(|| {
        (
            format!("offers SASL by {list}, we use {used}"),
            "the listener refuses a mechanism that it does not offer",
            format!("--kafka-property sasl.mechanism={mechanism}"),
        )
    })
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
    use crate::doctor::rules::sample::{check, good, kafka};

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
            assert_eq!(security(&state).map(|finding| finding.severity), expected);
        };
        check("10.0.0.1", "plaintext", Some(Severity::Advice));
        check("10.0.0.1", "sasl_plaintext", Some(Severity::Warning));
        check("kafka", "ssl", None);
        check("::1", "plaintext", None);
        check("localhost", "sasl_plaintext", None);
    }
}
