//! An Apache Kafka cluster as child processes; every node is a broker and a controller.
//!
//! ```text
//!  directory/broker-1/{server.properties, data/, kafka.log} … broker-N, security/, client.properties
//!
//!            ┌ CLIENTS ◄──────────────── bootstrap()          plain, TLS, SASL
//!  broker n ─┤ LINK_A  ◄──── Link a:n ◄─ bootstrap_via("a")   the same, advertised at the link
//!            ├ DOOR_…    ◄──────────────── bootstrap_at(door)   with its own security settings
//!            ├ BROKERS                   inter-broker, plaintext; only with TLS or SASL
//!            └ CONTROLLER
//! ```
//!
//! A client that bootstraps from `bootstrap_via("a")` sees only the addresses of the links named
//! `a`: cutting one of them disconnects only this client from that broker.

mod archive;
mod directory;
mod jvm;
mod node;
mod plan;
mod security;
mod settings;
mod storage;
mod wire;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use directory::Directory;
use node::{Node, StartError};
use security::Security;
use settings::{Listener, NodeConfig};

pub use archive::share_classes;
pub use jvm::java;
pub use settings::{ClusterSettings, Door, Tuning};

use crate::{Link, Signal, random};

/// How often a start is tried with new ports when another process has taken one.
const STARTS_MAX: u32 = 3;
/// Enough context to diagnose a failed test.
const LOG_LINES_AFTER_PANIC: usize = 15;

/// A running cluster of Apache Kafka. When it is dropped, or when its owner process exits in any
/// way, its JVMs get SIGKILL and its temporary directory is removed.
pub struct Cluster {
    settings: ClusterSettings,
    /// Declared before the directory, so that the JVMs exit before their files are removed.
    nodes: Vec<Node>,
    security: Security,
    directory: Directory,
}

impl Cluster {
    /// Starts a cluster and returns when every broker serves requests and lists all the others.
    pub fn start(settings: &ClusterSettings) -> Result<Self, String> {
        let mut tries = 0;
        loop {
            tries += 1;
            let cluster = Self::prepare(settings)?;
            match cluster.launch() {
                Ok(()) => return Ok(cluster),
                // Ports chosen by the caller stay the same, so a retry is pointless.
                Err(StartError::PortTaken(_))
                    if tries < STARTS_MAX && settings.first_port.is_none() => {}
                Err(failure) => return Err(failure.into_message()),
            }
        }
    }

    /// Prepares a cluster without starting it: all brokers are down.
    pub fn prepare(settings: &ClusterSettings) -> Result<Self, String> {
        settings.check()?;
        Self::available()?;
        let directory = Directory::open(settings.directory.as_deref())?;
        let nodes = plan::nodes(settings, directory.path())?;
        let security = Security::new(settings, directory.path());
        let cluster = Self { settings: settings.clone(), nodes, security, directory };
        cluster.security.prepare()?;
        cluster.security.write_client_files(&cluster.bootstrap())?;
        cluster.write_nodes()?;
        Ok(cluster)
    }

    /// Whether clusters can be started on this machine: Java and Kafka's jars are installed.
    #[must_use]
    pub fn is_available() -> bool {
        jvm::available().is_ok()
    }

    /// Like [`Self::is_available`]; the error names what is missing and how to install it.
    pub fn available() -> Result<(), String> {
        jvm::available()
    }

    /// The bootstrap servers (`host:port,…`) of all brokers, without a link.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        joined(self.nodes.iter().map(|node| local(node.ports.clients)))
    }

    /// The bootstrap servers at this door of all brokers.
    ///
    /// # Panics
    /// If the settings do not include this door.
    #[must_use]
    pub fn bootstrap_at(&self, door: Door) -> String {
        let index = self.settings.doors.iter().position(|other| *other == door);
        let index = index.unwrap_or_else(|| panic!("the settings have no door {door:?}"));
        joined(self.nodes.iter().map(|node| local(node.ports.doors[index])))
    }

    /// The bootstrap servers through the links of this name.
    ///
    /// # Panics
    /// If the settings do not include this link.
    #[must_use]
    pub fn bootstrap_via(&self, link: &str) -> String {
        joined((1..=self.settings.brokers).map(|broker| self.link(link, broker).address()))
    }

    /// The link of this name in front of a broker.
    ///
    /// # Panics
    /// If there is no such link or no such broker.
    #[must_use]
    pub fn link(&self, link: &str, broker: u32) -> &Link {
        let index = self.settings.links.iter().position(|name| name == link);
        let index = index.unwrap_or_else(|| {
            panic!("there is no link `{link}`; the settings have {:?}", self.settings.links)
        });
        &self.node(broker).links[index]
    }

    /// Sends SIGKILL to a broker and waits for its exit.
    pub fn kill(&mut self, broker: u32) -> Result<(), String> {
        self.find(broker)?.kill()
    }

    /// Sends SIGTERM to a broker and waits until it has moved its leaders and exited.
    pub fn stop(&mut self, broker: u32) -> Result<(), String> {
        self.find(broker)?.stop()
    }

    /// SIGSTOP: the broker keeps its connections open but does not respond.
    pub fn pause(&mut self, broker: u32) -> Result<(), String> {
        self.find(broker)?.signal(Signal::Stop)
    }

    /// SIGCONT: resumes a paused broker.
    pub fn resume(&mut self, broker: u32) -> Result<(), String> {
        self.find(broker)?.signal(Signal::Continue)
    }

    /// Starts a stopped broker with its data and ports, and waits until it serves requests.
    pub fn restart(&mut self, broker: u32) -> Result<(), String> {
        self.start_without_waiting(broker)?;
        self.wait_until_serving(broker)
    }

    /// Starts a stopped broker without waiting.
    pub fn start_without_waiting(&mut self, broker: u32) -> Result<(), String> {
        self.find(broker)?.start(&self.settings.jvm_options(), self.directory.temporary_path())
    }

    /// Waits until a broker has caught up and is unfenced.
    pub fn wait_until_serving(&self, broker: u32) -> Result<(), String> {
        let serving = self.find(broker)?.wait_until_it_lists(&[broker]);
        serving.map_err(StartError::into_message)
    }

    /// Whether the process of a broker is running. A paused broker counts as running.
    ///
    /// # Panics
    /// If there is no such broker.
    #[must_use]
    pub fn is_up(&self, broker: u32) -> bool {
        self.node(broker).is_running()
    }

    /// The process id of a broker that was started.
    #[must_use]
    pub fn pid(&self, broker: u32) -> Option<u32> {
        self.find(broker).ok()?.pid()
    }

    /// The log directory (`log.dirs`) of a broker.
    ///
    /// # Panics
    /// If there is no such broker.
    #[must_use]
    pub fn data_directory(&self, broker: u32) -> &Path {
        &self.node(broker).data
    }

    /// The active controller, according to the first broker that responds.
    pub fn active_controller(&self) -> Result<u32, String> {
        let mut last = "no broker runs".to_owned();
        for node in self.nodes.iter().filter(|node| node.is_running()) {
            match wire::active_controller(node.ports.brokers) {
                Ok(controller) => return Ok(controller),
                Err(error) => last = format!("broker {}: {error}", node.id),
            }
        }
        Err(format!("the active controller is not known: {last}"))
    }

    /// The log file of a broker process.
    ///
    /// # Panics
    /// If there is no such broker.
    #[must_use]
    pub fn log(&self, broker: u32) -> PathBuf {
        self.node(broker).log()
    }

    /// The directory of all files of the cluster.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A properties file for Java clients: bootstrap servers, TLS, credentials.
    #[must_use]
    pub fn client_properties(&self) -> PathBuf {
        self.security.client_properties()
    }

    /// The same for librdkafka and clients built on it, such as kcat (`-F`).
    #[must_use]
    pub fn librdkafka_properties(&self) -> PathBuf {
        self.security.librdkafka_properties()
    }

    /// The super user of every cluster with SASL.
    #[must_use]
    pub fn user(&self) -> &'static str {
        security::USER
    }

    /// The file with the password of [`Self::user`], if SASL is enabled.
    #[must_use]
    pub fn sasl_password_file(&self) -> Option<PathBuf> {
        self.settings.sasl.then(|| self.security.sasl_password_file())
    }

    /// A file for clients: `ca.pem` of the brokers' CA, `client.pem` and `client.key`; with doors
    /// also `other-ca.pem`, `stranger.pem` and `stranger.key` of a CA that the brokers do not
    /// trust, and the expired `past.pem` and `past.key`; and `NAME.password` for each of the users.
    #[must_use]
    pub fn security_file(&self, name: &str) -> PathBuf {
        self.security.file(name)
    }

    /// Adds an ACL that allows a principal an operation on a topic. `user` is one of the users, or
    /// the distinguished name of a certificate (`CN=…`).
    ///
    /// # Errors
    /// When the cluster does not respond or rejects the request.
    ///
    /// # Panics
    /// For an unknown operation.
    pub fn allow_topic(&self, user: &str, operation: &str, topic: &str) -> Result<(), String> {
        self.allow(user, operation, (wire::TOPIC, topic))
    }

    /// The same for a consumer group.
    ///
    /// # Errors
    /// When the cluster does not respond or rejects the request.
    ///
    /// # Panics
    /// For an unknown operation.
    pub fn allow_group(&self, user: &str, operation: &str, group: &str) -> Result<(), String> {
        self.allow(user, operation, (wire::GROUP, group))
    }

    fn allow(&self, user: &str, operation: &str, resource: (u8, &str)) -> Result<(), String> {
        const OPERATIONS: [(&str, u8); 6] = [
            ("Read", 3),
            ("Write", 4),
            ("Create", 5),
            ("Alter", 7),
            ("Describe", 8),
            ("DescribeConfigs", 10),
        ];
        let known = OPERATIONS.iter().find(|(name, _)| *name == operation);
        let (_, code) = known.unwrap_or_else(|| panic!("unknown operation `{operation}`"));
        let created = wire::create_acl(self.nodes[0].ports.brokers, user, *code, resource);
        created.map_err(|error| format!("allowing {user} {operation} on {}: {error}", resource.1))
    }

    /// Runs one of Kafka's command-line tools, named by its class, against this cluster and returns
    /// its standard output.
    ///
    /// # Errors
    /// The output of the tool, if it failed.
    pub fn tool(&self, class: &str, arguments: &[&str]) -> Result<String, String> {
        let bootstrap = self.bootstrap();
        let tool = [class, "--bootstrap-server", &bootstrap];
        let all = tool.iter().chain(arguments).map(|argument| (*argument).to_owned());
        let options = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"].map(ToOwned::to_owned);
        let java = jvm::class_path().into_iter().chain(options).chain(all);
        jvm::run(&java.collect::<Vec<_>>()).map_err(|error| format!("running {class}: {error}"))
    }

    /// Detaches the brokers from this process and returns their process ids. An error if the
    /// cluster is in a temporary directory, which is removed with the cluster.
    pub fn leave_running(self) -> Result<Vec<u32>, String> {
        if self.directory.temporary_path().is_some() {
            return Err("a cluster in a temporary directory cannot be left running".to_owned());
        }
        let pids = self.nodes.iter().filter_map(Node::pid).collect();
        self.nodes.iter().try_for_each(Node::detach)?;
        Ok(pids)
    }

    /// Starts all nodes concurrently and waits for them.
    fn launch(&self) -> Result<(), StartError> {
        for node in &self.nodes {
            node.start(&self.settings.jvm_options(), self.directory.temporary_path())
                .map_err(StartError::Other)?;
        }
        let all: Vec<u32> = self.nodes.iter().map(|node| node.id).collect();
        self.nodes.iter().try_for_each(|node| node.wait_until_it_lists(&all))
    }

    /// Writes the configuration and formats the storage of all nodes.
    fn write_nodes(&self) -> Result<(), String> {
        let voter = |node: &Node| format!("{}@{}", node.id, local(node.ports.controller));
        let voters = self.nodes.iter().map(voter).collect::<Vec<_>>().join(",");
        for node in &self.nodes {
            let properties = self.properties(node, &voters)?;
            std::fs::create_dir_all(&node.directory)
                .map_err(|error| format!("creating {}: {error}", node.directory.display()))?;
            // It contains the password of the key store.
            security::write_secret(&node.properties(), &properties)?;
            let first = &self.nodes[0];
            if storage::is_formatted(&node.data) {
                continue;
            }
            if node.id == first.id {
                let users = self.security.scram_arguments_file();
                storage::format(&node.properties(), &random::kafka_id(), users.as_deref())?;
            } else {
                storage::derive(&first.data, &node.data, node.id)?;
            }
        }
        Ok(())
    }

    fn properties(&self, node: &Node, voters: &str) -> Result<String, String> {
        let protocol = self.security.protocol();
        let listener = |name: &str, port: u16, advertised: u16, protocol| Listener {
            name: name.to_owned(),
            port,
            advertised,
            protocol,
        };
        let clients = node.ports.clients;
        let mut listeners = vec![listener(CLIENTS, clients, clients, protocol)];
        for (index, name) in self.settings.links.iter().enumerate() {
            let name = format!("LINK_{}", name.to_ascii_uppercase().replace('-', "_"));
            let advertised = node.links[index].address().port();
            listeners.push(listener(&name, node.ports.behind_links[index], advertised, protocol));
        }
        let names: Vec<String> = listeners.iter().map(|each| each.name.clone()).collect();
        for (door, port) in self.settings.doors.iter().zip(&node.ports.doors) {
            listeners.push(listener(door.name(), *port, *port, door.protocol()));
        }
        let mut inter_broker = CLIENTS;
        if self.settings.has_inter_broker_listener() {
            inter_broker = BROKERS;
            let brokers = node.ports.brokers;
            listeners.push(listener(BROKERS, brokers, brokers, "PLAINTEXT"));
        }
        let config = NodeConfig {
            id: node.id,
            data: &node.data,
            listeners: &listeners,
            inter_broker,
            controller: node.ports.controller,
            voters,
            security: &self.security.for_brokers(&names)?,
        };
        Ok(settings::server_properties(&self.settings, &config))
    }

    fn node(&self, broker: u32) -> &Node {
        self.find(broker).unwrap_or_else(|reason| panic!("{reason}"))
    }

    fn find(&self, broker: u32) -> Result<&Node, String> {
        self.nodes.iter().find(|node| node.id == broker).ok_or_else(|| {
            format!("there is no broker {broker}; there are 1 to {}", self.settings.brokers)
        })
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The logs are removed with the directory, so print their ends for a failed test.
        if std::thread::panicking() && self.directory.temporary_path().is_some() {
            for node in &self.nodes {
                let lines = jvm::last_lines(&node.log(), LOG_LINES_AFTER_PANIC);
                eprintln!("the log of broker {} ends with:\n{lines}", node.id);
            }
        }
    }
}

/// Listener names.
const CLIENTS: &str = "CLIENTS";
const BROKERS: &str = "BROKERS";

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn joined(addresses: impl Iterator<Item = SocketAddr>) -> String {
    addresses.map(|address| address.to_string()).collect::<Vec<_>>().join(",")
}
