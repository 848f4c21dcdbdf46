//! Starting, breaking and stopping clusters of Apache Kafka.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use erboh_testbed::{Cluster, ClusterSettings, Tuning, free_ports, java, share_classes};

/// Whether a process with this id exists.
fn exists(pid: u32) -> bool {
    let probe = Command::new("sh").args(["-c", "kill -0 \"$0\" 2>&-", &pid.to_string()]).status();
    probe.unwrap().success()
}

#[test]
#[ignore = "needs Apache Kafka: run by cargo xtask test"]
fn single_broker_restarts_and_ends_with_its_owner() {
    share_classes().unwrap();
    let started = Instant::now();
    let mut cluster = Cluster::start(&ClusterSettings::default()).unwrap();
    println!("one broker: {:?}", started.elapsed());
    assert_eq!(cluster.active_controller(), Ok(1));
    cluster.kill(1).unwrap();
    assert!(!cluster.is_up(1));
    assert!(cluster.active_controller().is_err());
    cluster.restart(1).unwrap();
    println!("restarted: {:?}", started.elapsed());
    let (pid, directory) = (cluster.pid(1).unwrap(), cluster.directory().to_owned());
    assert!(exists(pid) && directory.exists());
    drop(cluster);
    assert!(!exists(pid), "the JVM outlives its owner");
    assert!(!directory.exists(), "{} is left over", directory.display());
}

#[test]
#[ignore = "needs Apache Kafka: run by cargo xtask test"]
fn three_brokers_survive_the_loss_of_their_controller() {
    let started = Instant::now();
    let settings = ClusterSettings { brokers: 3, ..Default::default() };
    let mut cluster = Cluster::start(&settings).unwrap();
    println!("three brokers: {:?}", started.elapsed());
    let first = cluster.active_controller().unwrap();
    cluster.kill(first).unwrap();
    let deadline = Instant::now() + Duration::from_mins(1);
    // There is no controller during the election.
    while cluster.active_controller().map_or(true, |now| now == first) {
        assert!(Instant::now() < deadline, "no other controller");
        std::thread::sleep(Duration::from_millis(50));
    }
    cluster.restart(first).unwrap();
    println!("killed and restarted: {:?}", started.elapsed());
    let paused = first % 3 + 1;
    cluster.pause(paused).unwrap();
    cluster.resume(paused).unwrap();
    cluster.stop(paused).unwrap();
    println!("stopped: {:?}", started.elapsed());
    assert!(!cluster.is_up(paused));
}

/// A `Metadata` request, version 1, without topics.
const METADATA: [u8; 18] = [0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 7, 0xff, 0xff, 0, 0, 0, 0];

fn response(client: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut size = [0; 4];
    client.read_exact(&mut size)?;
    let mut response = vec![0; u32::from_be_bytes(size) as usize];
    client.read_exact(&mut response)?;
    Ok(response)
}

#[test]
#[ignore = "needs Apache Kafka: run by cargo xtask test"]
fn clients_of_a_link_learn_only_the_addresses_of_that_link() {
    let links = vec!["one".to_owned(), "other-1".to_owned()];
    let cluster = Cluster::start(&ClusterSettings { links, ..Default::default() }).unwrap();
    let link = cluster.link("one", 1);
    assert_eq!(cluster.bootstrap_via("one"), link.address().to_string());
    let mut client = TcpStream::connect(link.address()).unwrap();
    client.write_all(&METADATA).unwrap();
    let metadata = response(&mut client).unwrap();
    let names = |address: SocketAddr| {
        let port = u32::from(address.port()).to_be_bytes();
        let host_and_port = [&[0, 9][..], b"127.0.0.1", &port].concat();
        metadata.windows(host_and_port.len()).any(|window| window == host_and_port)
    };
    assert!(names(link.address()));
    assert!(!names(cluster.link("other-1", 1).address()));
    assert!(!names(cluster.bootstrap().parse().unwrap()));

    link.cut();
    client.write_all(&METADATA).unwrap();
    client.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(response(&mut client).is_err(), "a response through a cut link");
    link.heal();
    client.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    assert_eq!(response(&mut client).unwrap(), metadata);
}

/// Runs one of Kafka's tools with these client properties; its standard output, or all output of a
/// failure.
fn tool(class: &str, properties: &Path, input: &str, arguments: &[&str]) -> Result<String, String> {
    let mut tool = java(&["-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"], class);
    tool.args(arguments).arg("--command-config").arg(properties);
    tool.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = tool.spawn().unwrap();
    running.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = running.wait_with_output().unwrap();
    let all_output = [output.stdout.clone(), output.stderr].concat();
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap())
    } else {
        Err(String::from_utf8_lossy(&all_output).into_owned())
    }
}

#[test]
#[ignore = "needs Apache Kafka: run by cargo xtask test"]
fn tls_and_sasl_are_required_and_sufficient() {
    const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
    let links = vec!["a".to_owned()];
    let settings = ClusterSettings { tls: true, sasl: true, links, ..Default::default() };
    let cluster = Cluster::start(&settings).unwrap();
    let properties = cluster.client_properties();
    let to = ["--bootstrap-server", &cluster.bootstrap()];
    let create = [&to[..], &["--create", "--topic", "tls"]].concat();
    tool(TOPICS, &properties, "", &create).unwrap();
    let topic = [&to[..], &["--topic", "tls"]].concat();
    let producer = "org.apache.kafka.tools.ConsoleProducer";
    tool(producer, &properties, "in confidence\n", &topic).unwrap();
    // The listener behind the link has the same requirements.
    let (via, consumer) =
        (cluster.bootstrap_via("a"), "org.apache.kafka.tools.consumer.ConsoleConsumer");
    let arguments =
        ["--bootstrap-server", &via, "--topic", "tls", "--from-beginning", "--max-messages", "1"];
    assert_eq!(tool(consumer, &properties, "", &arguments).unwrap(), "in confidence\n");

    let text = std::fs::read_to_string(&properties).unwrap();
    let password = std::fs::read_to_string(cluster.sasl_password_file().unwrap()).unwrap();
    assert!(text.contains(&password));
    let wrong = cluster.directory().join("wrong.properties");
    std::fs::write(&wrong, text.replace(&password, "wrong")).unwrap();
    let list = [&to[..], &["--list"]].concat();
    let error = tool(TOPICS, &wrong, "", &list).unwrap_err();
    assert!(error.contains("SaslAuthenticationException"), "{error}");
}

#[test]
#[ignore = "needs Apache Kafka: run by cargo xtask test"]
fn benchmark_broker_uses_the_requested_port() {
    let port = free_ports(1).unwrap()[0];
    let settings = ClusterSettings {
        first_port: Some(port),
        tuning: Tuning::Kafka,
        heap_mb: 512,
        ..ClusterSettings::default()
    };
    let mut cluster = Cluster::prepare(&settings).unwrap();
    assert!(!cluster.is_up(1));
    cluster.start_without_waiting(1).unwrap();
    cluster.wait_until_serving(1).unwrap();
    assert_eq!(cluster.bootstrap(), format!("127.0.0.1:{port}"));

    // The port is taken now, which is reported before any JVM starts.
    let error = Cluster::start(&settings).err().unwrap();
    assert!(error.contains(&port.to_string()), "{error}");
}
