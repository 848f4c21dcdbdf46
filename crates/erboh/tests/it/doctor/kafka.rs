//! The doctor on Apache Kafka: what it finds in bad clusters, and whether its fixes work when they
//! are run as they are printed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use erboh::queue::{Admin, KafkaSettings, OutRecord, Topics, Writer};
use erboh_testbed::{Cluster, ClusterSettings, java};
use serde_json::Value;
use tempfile::TempDir;

use super::{doctor, json, names};
use crate::WAIT_MAX;

/// What the fixes call, and the class that Apache Kafka's script of that name runs.
const TOOLS: [(&str, &str); 4] = [
    ("kafka-acls.sh", "org.apache.kafka.tools.AclCommand"),
    ("kafka-configs.sh", "kafka.admin.ConfigCommand"),
    ("kafka-reassign-partitions.sh", "org.apache.kafka.tools.reassign.ReassignPartitionsCommand"),
    ("kafka-topics.sh", "org.apache.kafka.tools.TopicCommand"),
];

/// A directory with Kafka's tools in it, in which fixes are run.
pub(crate) struct Tools(TempDir);

impl Tools {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        for (name, class) in TOOLS {
            let tool = java(&["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"], class);
            let words = std::iter::once(tool.get_program()).chain(tool.get_args());
            let words: Vec<String> =
                words.map(|word| format!("'{}'", word.to_string_lossy())).collect();
            let script = directory.path().join(name);
            fs::write(&script, format!("#!/bin/sh\nexec {} \"$@\"\n", words.join(" "))).unwrap();
            fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self(directory)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Runs a line as a person would who has copied it.
    pub(crate) fn run(&self, line: &str) {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = format!("{}:{}", self.path().display(), path.display());
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).current_dir(self.path()).env("PATH", path);
        let output = shell.output().expect("sh runs");
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{line}\n{}", String::from_utf8_lossy(&said));
    }

    /// Runs the first command of every finding that is at least a warning, and of the checks in
    /// `also`; says how many. What the group lacks is mended by consumers and by the topic's own
    /// findings.
    fn mend(&self, report: &Value, also: &[&str]) -> usize {
        let findings = report["findings"].as_array().expect("a list").iter();
        let bad = findings.filter(|finding| {
            let serious = ["danger", "blind", "warning"];
            let text = |key: &str| finding[key].as_str().expect("a text");
            also.contains(&text("check"))
                || serious.contains(&text("severity")) && !text("subject").starts_with("group")
        });
        let command = |finding: &Value| {
            let fixes = finding["fixes"].as_array().expect("a list");
            fixes.iter().find_map(|fix| fix["run"].as_str().map(str::to_owned))
        };
        let commands: Vec<String> = bad.filter_map(command).collect();
        for line in &commands {
            self.run(line);
        }
        commands.len()
    }
}

/// Asks until the report is as wanted; what was done to a cluster shows a moment later.
#[track_caller]
fn until(
    what: &str,
    mut ask: impl FnMut() -> (Value, i32),
    good: impl Fn(&Value) -> bool,
) -> Value {
    let started = Instant::now();
    loop {
        let (report, _) = ask();
        if good(&report) {
            return report;
        }
        assert!(started.elapsed() < 2 * WAIT_MAX, "{what}: {report:#}");
    }
}

fn has(report: &Value, name: &str) -> bool {
    names(report).iter().any(|found| found == name)
}

const BAD: [&str; 9] = [
    "note topic-missing topic erboh-dead-letters",
    "danger replication topic erboh-ratings",
    "danger unclean-election topic erboh-ratings",
    "danger min-insync topic erboh-totals",
    "danger cleanup-policy topic erboh-totals",
    "danger retention-time topic erboh-ratings",
    "danger lag-against-retention group voiceRatingConsumer",
    "warning partitions topic erboh-totals",
    "warning group-members group voiceRatingConsumer",
];

/// Makes everything wrong that a topic can have wrong, and puts a rating on it.
async fn spoil(brokers: &str) {
    let settings = KafkaSettings::new(brokers);
    let admin = Admin::connect(&settings).unwrap();
    let Topics { ratings, totals, .. } = Topics::default();
    let set = |name, value: &str| (name, value.to_owned());
    let one = set("min.insync.replicas", "1");
    let unclean = set("unclean.leader.election.enable", "true");
    let short = set("retention.ms", "1000");
    admin.create(&ratings, 3, 1, &[one.clone(), unclean, short]).await.unwrap();
    let large = set("max.message.bytes", "10000000");
    admin.create(&totals, 2, 3, &[one, large, set("cleanup.policy", "delete")]).await.unwrap();
    let writer = Writer::connect(&settings, &ratings).unwrap();
    for result in writer.send(vec![OutRecord::new("key", "no rating")], WAIT_MAX).await {
        result.unwrap();
    }
}

#[test]
#[ignore = "needs Apache Kafka: run by cargo xtask test"]
fn what_is_wrong_with_a_cluster_is_found_and_its_fixes_mend_it() {
    let mut cluster =
        Cluster::start(&ClusterSettings { brokers: 3, ..Default::default() }).unwrap();
    let brokers = cluster.bootstrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(spoil(&brokers));

    let bad = until(
        "the bad cluster",
        || json(&brokers),
        |report| BAD.iter().all(|name| has(report, name)),
    );
    assert_eq!(json(&brokers).1, 1, "{bad:#}");

    let tools = Tools::new();
    tools.mend(&bad, &["topic-missing"]);
    // With more copies there is more to ask of them, so there is a second round.
    let serious = |report: &Value| {
        let found = names(report).into_iter().filter(|name| !name.contains("group-members"));
        found.filter(|name| name.starts_with("danger") || name.starts_with("warning")).count()
    };
    let better = until(
        "the first round",
        || json(&brokers),
        |report| {
            let found = names(report);
            !found.iter().any(|name| name.contains("under-") || BAD[..8].contains(&name.as_str()))
        },
    );
    assert_eq!(serious(&better), 1, "{better:#}");
    assert!(has(&better, "danger min-insync topic erboh-ratings"), "{better:#}");
    assert_eq!(tools.mend(&better, &[]), 1);
    let good = until("the second round", || json(&brokers), |report| serious(report) == 0);
    assert_eq!(good["verdict"], "safe", "{good:#}");
    assert!(!names(&good).concat().contains("erboh-dead-letters"), "{good:#}");
    assert_eq!(json(&brokers).1, 0);

    cluster.kill(3).unwrap();
    let name = "warning under-replicated topic erboh-ratings";
    until("a broker is gone", || json(&brokers), |report| has(report, name));
}

#[test]
#[ignore = "needs Apache Kafka: run by cargo xtask test"]
fn a_user_without_rights_is_told_which_are_missing() {
    let users = vec!["ann".to_owned()];
    let settings = ClusterSettings { tls: true, sasl: true, users, ..Default::default() };
    let cluster = Cluster::start(&settings).unwrap();
    let brokers = cluster.bootstrap();

    let ca = format!("--kafka-ca-file={}", cluster.security_file("ca.pem").display());
    let said = doctor(&brokers, &[&ca]);
    assert_eq!(said.exit_code, 2, "{}", said.text);
    assert!(said.text.contains("wants SASL (SCRAM-SHA-512)"), "{}", said.text);

    let tools = Tools::new();
    let password = tools.path().join("password");
    let file = format!("--kafka-password-file={}", password.display());
    let flags = [&*ca, "--kafka-username=ann", &file, "--json"];
    let ask = || {
        let said = doctor(&brokers, &flags);
        (serde_json::from_str(&said.text).expect("JSON"), said.exit_code)
    };
    fs::write(&password, "wrong\n").unwrap();
    let (report, exit_code): (Value, i32) = ask();
    assert_eq!(exit_code, 2);
    let said = report.to_string();
    assert!(said.contains("Authentication failed") && said.contains("--kafka-password-file"));

    let secret = fs::read_to_string(cluster.security_file("ann.password")).unwrap();
    fs::write(&password, format!("{secret}\n")).unwrap();
    // Whoever grants rights is somebody else.
    fs::copy(cluster.client_properties(), tools.path().join("client.properties")).unwrap();
    let create = "kafka-topics.sh --command-config client.properties --create --topic \
                  erboh-ratings --partitions 2 --bootstrap-server";
    tools.run(&format!("{create} {brokers}"));
    let (report, exit_code) = ask();
    assert_eq!(exit_code, 2, "{report:#}");
    let demand = |report: &Value, right: &str| {
        assert!(report.to_string().contains(right), "{right}: {report:#}");
        assert!(!report.to_string().contains(&secret), "{report:#}");
    };
    demand(&report, "Describe on topic erboh-ratings");
    demand(&report, "DescribeConfigs on the cluster");
    tools.mend(&report, &[]);
    // What is seen now leads to further questions.
    let hidden = |report: &Value| report.to_string().contains("Describe on topic");
    let report = until("topics are seen", ask, |report| !hidden(report));
    demand(&report, "DescribeConfigs on topic erboh-ratings");
    demand(&report, "Describe on group voiceRatingConsumer");
    tools.mend(&report, &[]);
    let blind = |report: &Value| names(report).concat().contains("blind");
    let report = until("everything is seen", ask, |report| !blind(report));
    assert_eq!(report["verdict"], "safe", "{report:#}");
    assert!(has(&report, "note group-members group voiceRatingConsumer"), "{report:#}");
}

#[test]
#[ignore = "needs Apache Kafka: run by cargo xtask test"]
fn a_listener_with_tls_is_named() {
    let cluster = Cluster::start(&ClusterSettings { tls: true, ..Default::default() }).unwrap();
    let said = doctor(&cluster.bootstrap(), &[]);
    assert_eq!(said.exit_code, 2, "{}", said.text);
    assert!(said.text.contains("speaks TLS, we speak plaintext"), "{}", said.text);
}
