//! Cluster: Apache Kafka, every node broker and controller, as child processes.
//!
//! ```text
//!  directory/broker-1/{server.properties, data/, kafka.log} … broker-N, security/, client.properties
//!
//!            ┌ CLIENTS ◄──────────────── bootstrap()          plain, TLS, SASL
//!  broker n ─┤ LINK_A  ◄──── Link a:n ◄─ bootstrap_via("a")   the same, and advertised at the link
//!            ├ DOOR_…    ◄──────────────── bootstrap_at(door)   with security of its own
//!            ├ BROKERS                   among themselves, plain; only with TLS or SASL
//!            └ CONTROLLER
//! ```
//!
//! A client that starts from `bootstrap_via("a")` is told only the addresses of the links named
//! `a`: cutting one of them cuts this client, and no other, off that broker.

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
use node::{Failure, Node};
use security::Security;
use settings::{Listener, Place};

pub use archive::share_classes;
pub use jvm::java;
pub use settings::{ClusterSettings, Door, Tuning};

use crate::{Link, Signal, random};

/// How often other ports are tried when somebody else has taken one of ours.
const STARTS_MAX: u32 = 3;
/// Enough to see what a broker was about.
const LINES_AFTER_A_PANIC: usize = 15;

/// A running cluster of Apache Kafka. When it is dropped, or when the process that owns it ends
/// in any way, its JVMs get SIGKILL and its temporary directory is removed.
pub struct Cluster {
    settings: ClusterSettings,
    /// Before the directory, so that the JVMs end before their files go.
    nodes: Vec<Node>,
    security: Security,
    directory: Directory,
}

impl Cluster {
    /// Starts a cluster and returns when every broker serves and knows all the others.
    pub fn start(settings: &ClusterSettings) -> Result<Self, String> {
        let mut tries = 0;
        loop {
            tries += 1;
            let cluster = Self::prepare(settings)?;
            match cluster.launch() {
                Ok(()) => return Ok(cluster),
                // Ports that the caller has chosen stay the same.
                Err(Failure::PortTaken(_))
                    if tries < STARTS_MAX && settings.first_port.is_none() => {}
                Err(failure) => return Err(failure.into_reason()),
            }
        }
    }

    /// Does all that comes before a start; every broker is down.
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

    /// Whether clusters can be started here: Java and Kafka's jars are there.
    #[must_use]
    pub fn is_available() -> bool {
        jvm::available().is_ok()
    }

    /// The same, with what is missing and how to get it as the error.
    pub fn available() -> Result<(), String> {
        jvm::available()
    }

    /// `host:port,…` of all brokers, as clients without a link use them.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        joined(self.nodes.iter().map(|node| local(node.ports.clients)))
    }

    /// `host:port,…` of that door of all brokers.
    ///
    /// # Panics
    /// If the settings have no such door.
    #[must_use]
    pub fn bootstrap_at(&self, door: Door) -> String {
        let index = self.settings.doors.iter().position(|other| *other == door);
        let index = index.unwrap_or_else(|| panic!("the settings have no door {door:?}"));
        joined(self.nodes.iter().map(|node| local(node.ports.doors[index])))
    }

    /// `host:port,…` of all brokers behind the links of that name.
    ///
    /// # Panics
    /// If the settings have no such link.
    #[must_use]
    pub fn bootstrap_via(&self, link: &str) -> String {
        joined((1..=self.settings.brokers).map(|broker| self.link(link, broker).address()))
    }

    /// The link of that name in front of that broker.
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

    /// SIGKILL to that broker; it has ended when this returns.
    pub fn kill(&mut self, broker: u32) -> Result<(), String> {
        self.find(broker)?.kill()
    }

    /// SIGTERM to that broker; waits until it has handed over what it led, and has ended.
    pub fn stop(&mut self, broker: u32) -> Result<(), String> {
        self.find(broker)?.stop()
    }

    /// SIGSTOP: the broker keeps its connections and answers nothing.
    pub fn pause(&mut self, broker: u32) -> Result<(), String> {
        self.find(broker)?.signal(Signal::Stop)
    }

    /// SIGCONT: a paused broker goes on, and finds out by itself what it has missed.
    pub fn resume(&mut self, broker: u32) -> Result<(), String> {
        self.find(broker)?.signal(Signal::Continue)
    }

    /// Starts a broker that is down, on its data and its ports, and waits until it serves.
    pub fn restart(&mut self, broker: u32) -> Result<(), String> {
        self.start_without_waiting(broker)?;
        self.wait_until_serving(broker)
    }

    /// Starts a broker that is down.
    pub fn start_without_waiting(&mut self, broker: u32) -> Result<(), String> {
        self.find(broker)?.start(&self.settings.jvm_options(), self.directory.leftovers())
    }

    /// Waits until that broker has caught up and takes part.
    pub fn wait_until_serving(&self, broker: u32) -> Result<(), String> {
        let served = self.find(broker)?.wait_until_it_lists(&[broker]);
        served.map_err(Failure::into_reason)
    }

    /// Whether that broker's process runs; a paused one does.
    ///
    /// # Panics
    /// If there is no such broker.
    #[must_use]
    pub fn is_up(&self, broker: u32) -> bool {
        self.node(broker).is_running()
    }

    /// The process id of a broker that has been started.
    #[must_use]
    pub fn pid(&self, broker: u32) -> Option<u32> {
        self.find(broker).ok()?.pid()
    }

    /// Where that broker keeps its logs.
    ///
    /// # Panics
    /// If there is no such broker.
    #[must_use]
    pub fn data_directory(&self, broker: u32) -> &Path {
        &self.node(broker).data
    }

    /// The broker that is the active controller, as the first broker that answers knows it.
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

    /// What that broker logs.
    ///
    /// # Panics
    /// If there is no such broker.
    #[must_use]
    pub fn log(&self, broker: u32) -> PathBuf {
        self.node(broker).log()
    }

    /// The directory of all of the cluster's files.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A properties file with which Java clients reach this cluster: bootstrap servers, TLS, user.
    #[must_use]
    pub fn client_properties(&self) -> PathBuf {
        self.security.client_properties()
    }

    /// The same for librdkafka and what is built on it, such as kcat (`-F`).
    #[must_use]
    pub fn librdkafka_properties(&self) -> PathBuf {
        self.security.librdkafka_properties()
    }

    /// The user that every cluster with passwords knows.
    #[must_use]
    pub fn user(&self) -> &'static str {
        security::USER
    }

    /// The file with the password of [`Self::user`], if there are passwords.
    #[must_use]
    pub fn sasl_password_file(&self) -> Option<PathBuf> {
        self.settings.sasl.then(|| self.security.sasl_password_file())
    }

    /// A file that clients may use, made for this cluster: `ca.pem` of the brokers' authority,
    /// `client.pem` and `client.key`, and with doors also `other-ca.pem`, `stranger.pem` and
    /// `stranger.key` of another authority, `past.pem` and `past.key` that have ended; and
    /// `NAME.password` for each of the users.
    #[must_use]
    pub fn security_file(&self, name: &str) -> PathBuf {
        self.security.file(name)
    }

    /// Grants a right on a topic to one of the users, or to whom a certificate names (`CN=…`), by
    /// the operation's name.
    ///
    /// # Errors
    /// When the cluster does not answer or refuses.
    ///
    /// # Panics
    /// For an operation that this does not know.
    pub fn allow_topic(&self, user: &str, operation: &str, topic: &str) -> Result<(), String> {
        self.allow(user, operation, (wire::TOPIC, topic))
    }

    /// The same for a consumer group.
    ///
    /// # Errors
    /// When the cluster does not answer or refuses.
    ///
    /// # Panics
    /// For an operation that this does not know.
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
        let (_, number) =
            known.unwrap_or_else(|| panic!("the operation `{operation}` is not known"));
        let done = wire::allow(self.nodes[0].ports.brokers, user, *number, resource);
        done.map_err(|error| format!("granting {operation} on {} to {user}: {error}", resource.1))
    }

    /// Runs one of Kafka's own command-line tools against this cluster, by the name of its class,
    /// and answers what it printed.
    ///
    /// # Errors
    /// What the tool said, if it failed.
    pub fn tool(&self, class: &str, arguments: &[&str]) -> Result<String, String> {
        let bootstrap = self.bootstrap();
        let tool = [class, "--bootstrap-server", &bootstrap];
        let all = tool.iter().chain(arguments).map(|argument| (*argument).to_owned());
        let options = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"].map(ToOwned::to_owned);
        let java = jvm::class_path().into_iter().chain(options).chain(all);
        jvm::run(&java.collect::<Vec<_>>()).map_err(|error| format!("running {class}: {error}"))
    }

    /// Lets the brokers run on without an owner, and answers their process ids. An error if the
    /// cluster is in a temporary directory, which would be taken away from them.
    pub fn leave_running(self) -> Result<Vec<u32>, String> {
        if self.directory.leftovers().is_some() {
            return Err("a cluster in a temporary directory cannot be left running".to_owned());
        }
        let pids = self.nodes.iter().filter_map(Node::pid).collect();
        self.nodes.iter().try_for_each(Node::release)?;
        Ok(pids)
    }

    /// Starts all nodes at once, and waits for them.
    fn launch(&self) -> Result<(), Failure> {
        for node in &self.nodes {
            node.start(&self.settings.jvm_options(), self.directory.leftovers())
                .map_err(Failure::Other)?;
        }
        let all: Vec<u32> = self.nodes.iter().map(|node| node.id).collect();
        self.nodes.iter().try_for_each(|node| node.wait_until_it_lists(&all))
    }

    /// Writes what the nodes start from.
    fn write_nodes(&self) -> Result<(), String> {
        let voter = |node: &Node| format!("{}@{}", node.id, local(node.ports.controller));
        let voters = self.nodes.iter().map(voter).collect::<Vec<_>>().join(",");
        for node in &self.nodes {
            let properties = self.properties(node, &voters)?;
            std::fs::create_dir_all(&node.directory)
                .map_err(|error| format!("creating {}: {error}", node.directory.display()))?;
            // The password of the key store stands in it.
            security::write_secret(&node.properties(), &properties)?;
            let first = &self.nodes[0];
            if storage::is_formatted(&node.data) {
                continue;
            }
            if node.id == first.id {
                let users = self.security.users_file();
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
        let mut between_brokers = CLIENTS;
        if self.settings.has_own_listener() {
            between_brokers = BROKERS;
            let brokers = node.ports.brokers;
            listeners.push(listener(BROKERS, brokers, brokers, "PLAINTEXT"));
        }
        let place = Place {
            id: node.id,
            data: &node.data,
            listeners: &listeners,
            between_brokers,
            controller: node.ports.controller,
            voters,
            security: &self.security.for_brokers(&names)?,
        };
        Ok(settings::server_properties(&self.settings, &place))
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
        // The logs go with the directory, and a failed test is looked into afterwards.
        if std::thread::panicking() && self.directory.leftovers().is_some() {
            for node in &self.nodes {
                let lines = jvm::last_lines(&node.log(), LINES_AFTER_A_PANIC);
                eprintln!("the log of broker {} ends with:\n{lines}", node.id);
            }
        }
    }
}

/// The listeners' names.
const CLIENTS: &str = "CLIENTS";
const BROKERS: &str = "BROKERS";

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn joined(addresses: impl Iterator<Item = SocketAddr>) -> String {
    addresses.map(|address| address.to_string()).collect::<Vec<_>>().join(",")
}
