//! `cargo xtask kafka`: a one-node Apache Kafka from the jars, to hold the embedded broker against.

use std::path::Path;
use std::process::{Child, Command as Process, Stdio};

use super::Command;
use crate::{Outcome, process, repository, tools};

pub(crate) const COMMAND: Command = Command {
    name: "kafka",
    summary: "run a one-node Apache Kafka on 127.0.0.1:<port> until Ctrl-C (default 9092)",
    run,
};

/// Any fixed id will do: the data directory is new and nobody else joins this cluster.
const CLUSTER_ID: &str = "ZXJib2gtY29tcGFyaXNvbg";

const SETTINGS: &str = "server.properties";
const JVM_OPTIONS: &[&str] = &[
    "-Xmx1g",
    "-Xms1g",
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-Djava.awt.headless=true",
];

fn run(arguments: &[String]) -> Outcome {
    let port = match arguments.first() {
        None => 9092,
        Some(text) => text.parse().map_err(|_| format!("`{text}` is not a port"))?,
    };
    let directory = repository::target(&format!("kafka-{port}"));
    prepare(&directory, port)?;
    let mut broker = start(&directory)?;
    println!("Apache Kafka on 127.0.0.1:{port}, data and log in {}", directory.display());
    let status = broker.wait().map_err(|error| format!("waiting for Apache Kafka: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("Apache Kafka ended with {status}")) }
}

/// Writes the settings into `directory` and formats it, if it is new. The controller listens on
/// `port + 1`. The settings are Kafka's defaults, except for the replication factors, which one
/// node cannot have, and the wait before a group's first rebalance, which the embedded broker
/// does not have either.
pub(crate) fn prepare(directory: &Path, port: u16) -> Outcome {
    if !(tools::JAVA.present)() {
        return Err(format!("Apache Kafka's jars are missing: {}", tools::JAVA.install));
    }
    let shown = directory.display();
    std::fs::create_dir_all(directory).map_err(|error| format!("creating {shown}: {error}"))?;
    let settings = directory.join(SETTINGS);
    std::fs::write(&settings, server_properties(directory, port))
        .map_err(|error| format!("writing {}: {error}", settings.display()))?;
    if !directory.join("data").exists() {
        let mut format = java(&["-Xmx256m"], "kafka.tools.StorageTool");
        format.args(["format", "-t", CLUSTER_ID, "-c"]).arg(&settings);
        process::capture(&mut format)?;
    }
    Ok(())
}

/// Starts the broker of a prepared directory, with the heap and the collector that Kafka's own
/// start script chooses; what it logs goes to `kafka.log`.
pub(crate) fn start(directory: &Path) -> Result<Child, String> {
    let shown = directory.display();
    let log = std::fs::File::create(directory.join("kafka.log"))
        .map_err(|error| format!("creating Kafka's log file in {shown}: {error}"))?;
    let errors = log.try_clone().map_err(|error| format!("Kafka's log file: {error}"))?;
    let mut broker = java(JVM_OPTIONS, "kafka.Kafka");
    broker.arg(directory.join(SETTINGS)).stdin(Stdio::null()).stdout(log).stderr(errors);
    broker.spawn().map_err(|error| format!("could not start `{}`: {error}", process::line(&broker)))
}

/// A JVM with Kafka's jars that will run `class`.
pub(crate) fn java(options: &[&str], class: &str) -> Process {
    let mut java = Process::new("java");
    java.args(options).arg("-cp").arg(tools::kafka_jars().join("*")).arg(class);
    java
}

fn server_properties(directory: &Path, port: u16) -> String {
    let controller = port + 1;
    format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{port}\n\
         controller.listener.names=CONTROLLER\n\
         controller.quorum.voters=1@127.0.0.1:{controller}\n\
         log.dirs={}\n\
         offsets.topic.replication.factor=1\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n\
         group.initial.rebalance.delay.ms=0\n",
        directory.join("data").display()
    )
}
