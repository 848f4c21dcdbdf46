//! Roles: `erboh producer` and `erboh consumer` as processes on a cluster, ended with their test.
//!
//! ```text
//!   Roles::set_up(bootstrap, partitions, replication)      topics, empty; a group of its own
//!      ├─ producer(flags) ─► Role: url, ops               listens on a free port, says which
//!      └─ consumer(flags) ─► Role: totals(), counts(), …  kill(), pause(), resume(), stop()
//! ```

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use erboh::queue::{Admin, AdminError, KafkaSettings, OutRecord, Reader, Record, Topics, Writer};
use erboh::totals::Snapshot;
use erboh_testbed::{Child, Signal};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::WAIT_MAX;
use crate::load::{Load, agent, get};
use crate::support::wait::{becomes, eventually};

/// Short, so that the tests wait little for others to take over; a flag of a test may say more.
const PROPERTIES: [&str; 3] = [
    "session.timeout.ms=3000",
    "heartbeat.interval.ms=500",
    // New partitions are noticed as soon as metadata is refreshed.
    "topic.metadata.refresh.interval.ms=500",
];

/// Lines of a role's log that a failed test shows.
const LOG_LINES: usize = 6000;

/// What starts roles on one cluster.
pub(crate) struct Roles {
    bootstrap: String,
    shape: [String; 2],
    /// The group of the consumers.
    pub(crate) group: String,
    directory: tempfile::TempDir,
    started: AtomicUsize,
    /// For what a person does to topics while roles run.
    pub(crate) admin: Admin,
    runtime: tokio::runtime::Runtime,
}

impl Roles {
    /// On a cluster whose topics somebody else makes.
    pub(crate) fn on(bootstrap: &str, partitions: i32, replication: i32) -> Self {
        Self {
            bootstrap: bootstrap.to_owned(),
            shape: [format!("--partitions={partitions}"), format!("--replication={replication}")],
            group: format!("group-{}", Uuid::now_v7().simple()),
            directory: tempfile::tempdir().unwrap(),
            started: AtomicUsize::new(0),
            admin: Admin::connect(&KafkaSettings::new(bootstrap)).unwrap(),
            runtime: tokio::runtime::Runtime::new().unwrap(),
        }
    }

    /// Makes the topics, in place of those that earlier tests may have left.
    pub(crate) fn set_up(bootstrap: &str, partitions: i32, replication: i32) -> Self {
        let roles = Self::on(bootstrap, partitions, replication);
        let topics = Topics::default();
        for topic in [&topics.ratings, &topics.totals, &topics.dead_letters] {
            roles.administer(roles.admin.delete(topic));
            becomes("an old topic is gone", || {
                roles.administer(roles.admin.partitions(topic)) == 0
            });
        }
        // A topic that is gone for the one who asks may still be there for the one who creates.
        becomes("topics", || {
            roles.administer(roles.admin.ensure_topics(&topics, partitions, replication));
            let have = roles.administer(roles.admin.partitions(&topics.ratings));
            have == partitions
        });
        roles
    }

    /// Does something to the topics and waits until it is done.
    #[track_caller]
    pub(crate) fn administer<T>(&self, act: impl Future<Output = Result<T, AdminError>>) -> T {
        self.runtime.block_on(act).unwrap()
    }

    /// Writes ratings to one partition.
    pub(crate) fn rate(&self, partition: i32, count: usize) {
        rate(&self.bootstrap, partition, count);
    }

    /// Starts a consumer, of the same group unless a flag says otherwise; returns when it listens.
    pub(crate) fn consumer(&self, flags: &[&str]) -> Role {
        self.consumer_via(&self.bootstrap, flags)
    }

    /// The same over other addresses of the cluster.
    pub(crate) fn consumer_via(&self, bootstrap: &str, flags: &[&str]) -> Role {
        let group = format!("--group={}", self.group);
        let other = flags.iter().any(|flag| flag.starts_with("--group="));
        let group = if other { &[][..] } else { &[group.as_str()] };
        self.start("consumer", bootstrap, &[group, flags].concat())
    }

    /// So many consumers that share the partitions of the topic.
    pub(crate) fn consumers(&self, count: usize) -> Vec<Role> {
        let consumers: Vec<Role> = (0..count).map(|_| self.consumer(&[])).collect();
        self.until_shared(&consumers.iter().collect::<Vec<_>>());
        consumers
    }

    /// Starts a producer; returns when its queue is reachable.
    pub(crate) fn producer(&self, flags: &[&str]) -> Role {
        self.producer_via(&self.bootstrap, flags)
    }

    /// The same over other addresses of the cluster.
    pub(crate) fn producer_via(&self, bootstrap: &str, flags: &[&str]) -> Role {
        let role = self.start("producer", bootstrap, flags);
        let ready = format!("{}readyz", role.ops);
        eventually("the producer is ready", || {
            role.agent.get(&ready).call().ok().filter(|answer| answer.status() == 200)
        });
        role
    }

    /// Starts a role, and returns when it listens.
    pub(crate) fn start(&self, role: &str, bootstrap: &str, flags: &[&str]) -> Role {
        self.start_with(role, bootstrap, flags, &[])
    }

    /// The same with variables in its environment, which is empty else.
    pub(crate) fn start_with(
        &self,
        role: &str,
        bootstrap: &str,
        flags: &[&str],
        variables: &[(&str, &OsStr)],
    ) -> Role {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let name = format!("{role}-{number}");
        let log = self.directory.path().join(&name);
        let mut command = Command::new(env!("CARGO_BIN_EXE_erboh"));
        command.args([role, "--listen=127.0.0.1:0", "--ops-listen=127.0.0.1:0"]);
        command.args(["--brokers", bootstrap]).args(&self.shape);
        command.args(PROPERTIES.map(|property| format!("--kafka-property={property}")));
        command.args(flags).env_clear().envs(variables.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log).unwrap());
        let child = Child::spawn(command).unwrap();
        let (url, ops) = (String::new(), String::new());
        let mut role = Role { name, child, url, ops, log, agent: agent() };
        (role.url, role.ops) = eventually("a role says where it is", || {
            assert!(role.child.is_running(), "{} ended: {}", role.name, role.log());
            addresses(&role.log())
        });
        role
    }

    /// Waits until these consumers, and nobody else, own all partitions, none of them nothing and
    /// none twice; answers who has what.
    #[track_caller]
    pub(crate) fn until_shared(&self, consumers: &[&Role]) -> Vec<BTreeSet<i64>> {
        let topic = &Topics::default().ratings;
        let partitions = self.administer(self.admin.partitions(topic)) as usize;
        eventually("the consumers share the partitions", || {
            let counted: Vec<_> = consumers.iter().map(|role| role.counts()).collect();
            let all: BTreeSet<i64> = counted.iter().flatten().copied().collect();
            let sum: usize = counted.iter().map(BTreeSet::len).sum();
            let none_idle = counted.iter().all(|own| !own.is_empty());
            (none_idle && sum == partitions && all.len() == partitions).then_some(counted)
        })
    }

    /// Every snapshot that was ever written of a partition, in the order of the log.
    pub(crate) fn snapshots(&self, partition: i32) -> Vec<Snapshot> {
        let mut found = Vec::new();
        self.read(&Topics::default().totals, partition, |record| {
            found.push(Snapshot::from_json(record.value().unwrap()).unwrap());
        });
        found
    }

    /// Gives `each` every record of a partition of a topic.
    pub(crate) fn read(&self, topic: &str, partition: i32, each: impl FnMut(&Record<'_>)) {
        let reader = Reader::for_ranges(&KafkaSettings::new(&*self.bootstrap), "test").unwrap();
        // A topic that was just made has no leaders yet.
        let range = eventually("a partition's ends", || reader.watermarks(topic, partition).ok());
        reader.range(topic, partition, range, each).unwrap();
    }
}

/// A role that is running.
pub(crate) struct Role {
    name: String,
    child: Child,
    /// Where its page and its API are, with a `/` at the end.
    pub(crate) url: String,
    /// Where its ops port is, with a `/` at the end.
    pub(crate) ops: String,
    /// A file, because a pipe that nobody reads would stop a role with much to say.
    log: PathBuf,
    agent: ureq::Agent,
}

impl Role {
    /// kill -9
    pub(crate) fn kill(mut self) {
        self.child.signal(Signal::Kill).unwrap();
        self.child.wait(WAIT_MAX).unwrap();
    }

    /// Stops it as an operator does; it must end well.
    #[track_caller]
    pub(crate) fn stop(mut self) {
        self.child.signal(Signal::Terminate).unwrap();
        let ended = self.child.wait(WAIT_MAX).unwrap();
        assert!(ended.success(), "{} ended with {ended}: {}", self.name, self.log());
    }

    /// SIGSTOP: it stands still, and its connections stay open.
    pub(crate) fn pause(&self) {
        self.child.signal(Signal::Stop).unwrap();
    }

    /// SIGCONT
    pub(crate) fn resume(&self) {
        self.child.signal(Signal::Continue).unwrap();
    }

    /// The memory that it has now, in bytes (`VmRSS`).
    #[cfg(target_os = "linux")]
    pub(crate) fn memory_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        1024 * line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// What `/readyz` says, if it answers.
    pub(crate) fn readiness(&self) -> Option<String> {
        let mut answer = self.agent.get(format!("{}readyz", self.ops)).call().ok()?;
        answer.body_mut().read_to_string().ok()
    }

    /// What `/livez` says, if it answers: the status and the text.
    pub(crate) fn liveness(&self) -> Option<(u16, String)> {
        let mut answer = self.agent.get(format!("{}livez", self.ops)).call().ok()?;
        Some((answer.status().as_u16(), answer.body_mut().read_to_string().ok()?))
    }

    /// The board as a page, if it answers.
    pub(crate) fn page(&self) -> Option<String> {
        self.agent.get(&*self.url).call().ok()?.body_mut().read_to_string().ok()
    }

    /// Whether its process runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.is_running()
    }

    /// Waits until it ends, and answers its exit code.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        self.child.wait(WAIT_MAX).unwrap().code()
    }

    /// What the board says is wrong.
    pub(crate) fn problem(&self) -> Option<String> {
        self.partitions()?["problem"].as_str().map(str::to_owned)
    }

    /// `GET /api/v1/totals`, if it answers.
    pub(crate) fn totals(&self) -> Option<Value> {
        get(&self.agent, &format!("{}api/v1/totals", self.url))
    }

    /// `GET /api/v1/partitions`, if it answers.
    pub(crate) fn partitions(&self) -> Option<Value> {
        get(&self.agent, &format!("{}api/v1/partitions", self.url))
    }

    /// The partitions that it counts.
    pub(crate) fn counts(&self) -> BTreeSet<i64> {
        let view = self.partitions().unwrap_or_default();
        let partitions = view["partitions"].as_array().into_iter().flatten();
        let owned = partitions.filter(|partition| partition["state"] == "owned");
        owned.filter_map(|partition| partition["partition"].as_i64()).collect()
    }

    /// Waits until its board has passed everything acknowledged; it must show exactly that, and
    /// no alarm.
    #[track_caller]
    pub(crate) fn demand_exact(&self, load: &Load) -> Value {
        let what = format!("{} passes every acknowledged offset", self.name);
        let wanted = load.acknowledged();
        let totals = eventually(&what, || self.totals().filter(|totals| wanted.is_in(totals)));
        wanted.check(&totals);
        assert_eq!(self.partitions().unwrap()["alarm"], Value::Null, "{}", self.name);
        totals
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let last = &lines[lines.len().saturating_sub(LOG_LINES)..];
            eprintln!("{} said last:\n{}", self.name, last.join("\n"));
        }
    }
}

/// Writes ratings with ids of their own to one partition, as one batch; all of them must be acknowledged.
pub(crate) fn rate(bootstrap: &str, partition: i32, count: usize) {
    let rating = || {
        let id = Uuid::now_v7().to_string();
        let value = json!({
            "id": id, "battle": "One vs Two", "voice1": "One", "voice2": "Two", "rating": 2,
        });
        OutRecord { partition: Some(partition), ..OutRecord::new(id, value.to_string()) }
    };
    let kafka = KafkaSettings::new(bootstrap);
    let writer = Writer::connect(&kafka, &Topics::default().ratings).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let results = runtime.block_on(writer.send((0..count).map(|_| rating()).collect(), WAIT_MAX));
    assert!(results.iter().all(Result::is_ok), "{results:?}");
}

/// Where a role listens, from the line of its log that says so: the service, then the ops port.
fn addresses(log: &str) -> Option<(String, String)> {
    let line = log.lines().find(|line| line.contains("ops on http://"))?;
    let mut found = line.match_indices("http://").map(|(at, _)| {
        let url = &line[at..];
        url[..=url[7..].find('/').unwrap() + 7].to_owned()
    });
    Some((found.next()?, found.next()?))
}
