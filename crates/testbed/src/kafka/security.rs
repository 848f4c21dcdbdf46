//! Certificates and credentials of a cluster, and the properties derived from them.
//!
//! ```text
//!  directory/security/   ca.pem                               both sides trust it
//!                        server.p12                           brokers
//!                        client.p12  client.pem  client.key   clients, optional
//!                        past.* stranger.* other-host.*       with doors: must be rejected
//!                        store.password  sasl.password  USER.password   generated per cluster
//!  directory/            client.properties                    for Java clients
//!                        librdkafka.properties                for kcat and others
//! ```
//!
//! This only isolates tests from each other. It follows the usual practice nevertheless, because
//! readers copy examples.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::jvm;
use super::settings::{ClusterSettings, Door};
use crate::random;

/// The super user of every cluster with SASL.
pub(super) const USER: &str = "erboh";
const MECHANISM: &str = "SCRAM-SHA-512";
const LOGIN_MODULE: &str = "org.apache.kafka.common.security.scram.ScramLoginModule required";

/// A single-file Java program, which `java` compiles and runs.
const PROGRAM: &str = include_str!("../../java/Certificates.java");
const PROGRAM_NAME: &str = "Certificates.java";
const PROGRAM_OPTIONS: [&str; 4] = [
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "--add-exports",
    "java.base/sun.security.tools.keytool=ALL-UNNAMED",
];

type Properties = Vec<(String, String)>;

/// The TLS and SASL material of a cluster.
#[derive(Clone, Debug)]
pub(super) struct Security {
    directory: PathBuf,
    tls: bool,
    sasl: bool,
    users: Vec<String>,
    doors: Vec<Door>,
}

impl Security {
    /// The material of a cluster; its directory need not exist yet.
    pub(super) fn new(settings: &ClusterSettings, directory: &Path) -> Self {
        Self {
            directory: directory.join("security"),
            tls: settings.tls,
            sasl: settings.sasl,
            users: settings.users.clone(),
            doors: settings.doors.clone(),
        }
    }

    /// Creates certificates and passwords, unless they exist already.
    pub(super) fn prepare(&self) -> Result<(), String> {
        if !self.tls && !self.sasl {
            return Ok(());
        }
        let shown = self.directory.display();
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.directory)
            .map_err(|error| format!("creating {shown}: {error}"))?;
        if self.sasl && !self.sasl_password_file().exists() {
            self.make_users()?;
        }
        if self.tls && !self.file("client.key").exists() {
            self.make_certificates()
                .map_err(|error| format!("certificates in {shown}: {error}"))?;
        }
        Ok(())
    }

    fn make_users(&self) -> Result<(), String> {
        let first = (USER, self.sasl_password_file());
        let others =
            self.users.iter().map(|user| (user.as_str(), self.file(&format!("{user}.password"))));
        let mut arguments = String::new();
        for (user, file) in std::iter::once(first).chain(others) {
            let password = password();
            write_secret(&file, &password)?;
            let user = format!("{MECHANISM}=[name={user},password={password}]");
            arguments.extend(["--add-scram\n", &user, "\n"]);
        }
        // The storage tool reads these arguments from a file, so that no password appears on a
        // command line.
        write_secret(&self.scram_arguments(), &arguments)
    }

    fn make_certificates(&self) -> Result<(), String> {
        write_secret(&self.store_password_file(), &password())?;
        write_secret(&self.file(PROGRAM_NAME), PROGRAM)?;
        let mut arguments: Vec<String> = PROGRAM_OPTIONS.map(str::to_owned).into();
        arguments.push(PROGRAM_NAME.to_owned());
        if !self.doors.is_empty() {
            arguments.push("doors".to_owned());
        }
        jvm::run_in(&self.directory, &arguments)?;
        let entries = fs::read_dir(&self.directory).map_err(|error| error.to_string())?;
        entries.flatten().try_for_each(|entry| {
            let private = fs::Permissions::from_mode(0o600);
            fs::set_permissions(entry.path(), private).map_err(|error| error.to_string())
        })
    }

    /// The security protocol of the client listeners.
    pub(super) fn protocol(&self) -> &'static str {
        match (self.tls, self.sasl) {
            (false, false) => "PLAINTEXT",
            (true, false) => "SSL",
            (false, true) => "SASL_PLAINTEXT",
            (true, true) => "SASL_SSL",
        }
    }

    /// A file with further arguments for the storage tool.
    pub(super) fn scram_arguments_file(&self) -> Option<PathBuf> {
        self.sasl.then(|| self.scram_arguments())
    }

    /// The broker properties; `listeners` are the client listeners.
    pub(super) fn for_brokers(&self, listeners: &[String]) -> Result<Properties, String> {
        let mut properties = Vec::new();
        if self.tls {
            let password = read(&self.store_password_file())?;
            properties.extend([
                line("ssl.keystore.type", "PKCS12"),
                line("ssl.keystore.location", &self.shown("server.p12")),
                line("ssl.keystore.password", &password),
                line("ssl.key.password", &password),
                line("ssl.truststore.type", "PEM"),
                line("ssl.truststore.location", &self.shown("ca.pem")),
            ]);
            // With SASL the brokers apply this only if the property names the listener.
            let requested = |name: &String| {
                line(&format!("listener.name.{}.ssl.client.auth", name.to_lowercase()), "requested")
            };
            properties.extend(listeners.iter().map(requested));
            properties.extend(self.doors.iter().filter_map(|door| self.for_door(*door)));
        }
        if !self.users.is_empty() {
            let authorizer = "org.apache.kafka.metadata.authorizer.StandardAuthorizer";
            properties.push(line("authorizer.class.name", authorizer));
            // The inter-broker listener does not authenticate.
            properties.push(line("super.users", &format!("User:{USER};User:ANONYMOUS")));
        }
        if self.sasl {
            properties.push(line("sasl.enabled.mechanisms", MECHANISM));
            properties.extend(listeners.iter().map(|name| {
                let (name, mechanism) = (name.to_lowercase(), MECHANISM.to_lowercase());
                let key = format!("listener.name.{name}.{mechanism}.sasl.jaas.config");
                line(&key, &format!("{LOGIN_MODULE};"))
            }));
        }
        Ok(properties)
    }

    /// The property in which a door differs from the other TLS listeners.
    fn for_door(&self, door: Door) -> Option<(String, String)> {
        let (setting, value) = match door {
            Door::Plain => return None,
            Door::Certificate => ("ssl.client.auth", "required".to_owned()),
            Door::Expired => ("ssl.keystore.location", self.shown("past.p12")),
            Door::OtherHost => ("ssl.keystore.location", self.shown("other-host.p12")),
        };
        Some(line(&format!("listener.name.{}.{setting}", door.name().to_lowercase()), &value))
    }

    /// The properties of a librdkafka client, without the password, which is in
    /// [`Self::sasl_password_file`].
    pub(super) fn for_librdkafka(&self) -> Properties {
        let mut properties = vec![line("security.protocol", &self.protocol().to_lowercase())];
        if self.tls {
            properties.extend([
                line("ssl.ca.location", &self.shown("ca.pem")),
                line("ssl.certificate.location", &self.shown("client.pem")),
                line("ssl.key.location", &self.shown("client.key")),
            ]);
        }
        if self.sasl {
            properties.extend([line("sasl.mechanism", MECHANISM), line("sasl.username", USER)]);
        }
        properties
    }

    fn for_java(&self) -> Result<Properties, String> {
        let mut properties = vec![line("security.protocol", self.protocol())];
        if self.tls {
            let password = read(&self.store_password_file())?;
            properties.extend([
                line("ssl.truststore.type", "PEM"),
                line("ssl.truststore.location", &self.shown("ca.pem")),
                line("ssl.keystore.type", "PKCS12"),
                line("ssl.keystore.location", &self.shown("client.p12")),
                line("ssl.keystore.password", &password),
                line("ssl.key.password", &password),
            ]);
        }
        if self.sasl {
            let password = self.sasl_password()?;
            let login = format!("{LOGIN_MODULE} username=\"{USER}\" password=\"{password}\";");
            properties
                .extend([line("sasl.mechanism", MECHANISM), line("sasl.jaas.config", &login)]);
        }
        Ok(properties)
    }

    /// Writes the properties files for clients.
    pub(super) fn write_client_files(&self, bootstrap: &str) -> Result<(), String> {
        let start = line("bootstrap.servers", bootstrap);
        let mut java = self.for_java()?;
        java.insert(0, start.clone());
        write_secret(&self.client_properties(), &text(&java))?;
        let mut librdkafka = self.for_librdkafka();
        librdkafka.insert(0, start);
        if self.sasl {
            librdkafka.push(line("sasl.password", &self.sasl_password()?));
        }
        write_secret(&self.librdkafka_properties(), &text(&librdkafka))
    }

    pub(super) fn client_properties(&self) -> PathBuf {
        self.directory.with_file_name("client.properties")
    }

    pub(super) fn librdkafka_properties(&self) -> PathBuf {
        self.directory.with_file_name("librdkafka.properties")
    }

    pub(super) fn sasl_password_file(&self) -> PathBuf {
        self.file("sasl.password")
    }

    fn store_password_file(&self) -> PathBuf {
        self.file("store.password")
    }

    fn scram_arguments(&self) -> PathBuf {
        self.file("users")
    }

    fn sasl_password(&self) -> Result<String, String> {
        read(&self.sasl_password_file())
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn shown(&self, name: &str) -> String {
        self.file(name).to_string_lossy().into_owned()
    }
}

/// Formats a properties file.
pub(super) fn text(properties: &[(String, String)]) -> String {
    properties.iter().flat_map(|(key, value)| [key, "=", value, "\n"]).collect()
}

/// Writes a file that is readable only by its owner from its creation on.
pub(super) fn write_secret(path: &Path, content: &str) -> Result<(), String> {
    let write = || -> std::io::Result<()> {
        let mut options = fs::OpenOptions::new();
        let mut file = options.create(true).write(true).truncate(true).mode(0o600).open(path)?;
        // The mode above applies only to a new file.
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        file.write_all(content.as_bytes())
    };
    write().map_err(|error| format!("writing {}: {error}", path.display()))
}

fn read(path: &Path) -> Result<String, String> {
    let text = fs::read_to_string(path);
    let text = text.map_err(|error| format!("reading {}: {error}", path.display()))?;
    Ok(text.trim_end().to_owned())
}

fn password() -> String {
    format!("{:016x}{:016x}", random::number(), random::number())
}

fn line(key: &str, value: &str) -> (String, String) {
    (key.to_owned(), value.to_owned())
}
