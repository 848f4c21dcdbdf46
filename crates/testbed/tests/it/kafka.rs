//! Clusters of Apache Kafka: started, broken, ended.

use std::process::Command;

use erboh_testbed::{Cluster, ClusterSettings};

/// Whether a process with that id exists.
fn exists(pid: u32) -> bool {
    let probe = Command::new("sh").args(["-c", "kill -0 \"$0\" 2>&-", &pid.to_string()]).status();
    probe.unwrap().success()
}

#[test]
#[ignore = "needs Apache Kafka: run by cargo xtask test"]
fn one_broker_serves_and_ends_with_its_owner() {
    let started = std::time::Instant::now();
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
    let started = std::time::Instant::now();
    let settings = ClusterSettings { brokers: 3, ..Default::default() };
    let mut cluster = Cluster::start(&settings).unwrap();
    println!("three brokers: {:?}", started.elapsed());
    let first = cluster.active_controller().unwrap();
    cluster.kill(first).unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_mins(1);
    while cluster.active_controller().is_ok_and(|now| now == first) {
        assert!(std::time::Instant::now() < deadline, "no other controller");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    cluster.restart(first).unwrap();
    println!("lost and back: {:?}", started.elapsed());
    let paused = first % 3 + 1;
    cluster.pause(paused).unwrap();
    cluster.resume(paused).unwrap();
    cluster.stop(paused).unwrap();
    println!("stopped: {:?}", started.elapsed());
    assert!(!cluster.is_up(paused));
}
