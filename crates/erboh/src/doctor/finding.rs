//! A finding: something about a cluster that a person should know, and how to mend it.

use serde::Serialize;

use super::state::{ClusterState, Topic};

/// How bad a finding is, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// Ratings may be lost, or may go uncounted until they are lost.
    Danger,
    /// Something could not be looked at, so nothing is known about it.
    Blind,
    /// Nothing is lost, but a single further fault stops the roles, or a limit is near.
    Warning,
    /// It works, and there is a better way.
    Advice,
    /// Good to know.
    Note,
}

/// How to mend something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum Fix {
    /// A command to copy.
    Command {
        /// The line.
        run: String,
    },
    /// What to merge into a resource of Strimzi.
    Yaml {
        /// The resource, for example `KafkaTopic/erboh-ratings`.
        resource: String,
        /// The YAML, in one line.
        merge: String,
    },
    /// What a person does, where no single command does it.
    Text {
        /// The sentence.
        what: String,
    },
}

/// Something that a person should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The stable name of the check.
    pub check: &'static str,
    /// What it is about, for example `topic erboh-ratings`.
    pub subject: String,
    /// The setting or the property; empty where something did not answer.
    pub setting: String,
    /// Its value.
    pub value: String,
    /// Where the value comes from, if it is a setting.
    pub source: Option<String>,
    /// Why it matters.
    pub why: String,
    /// How to mend it, the simplest way first. Empty where there is nothing to mend.
    pub fixes: Vec<Fix>,
}

impl Finding {
    /// A finding without a source or a fix.
    pub(crate) fn new(
        severity: Severity,
        check: &'static str,
        subject: impl Into<String>,
        (setting, value): (impl Into<String>, impl ToString),
        why: impl Into<String>,
    ) -> Self {
        Self {
            severity,
            check,
            subject: subject.into(),
            setting: setting.into(),
            value: value.to_string(),
            source: None,
            why: why.into(),
            fixes: Vec::new(),
        }
    }

    /// The same with where the value comes from.
    #[must_use]
    pub(crate) fn from(mut self, source: impl Into<String>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same with one more way to mend it.
    #[must_use]
    pub(crate) fn fix(mut self, fix: Fix) -> Self {
        self.fixes.push(fix);
        self
    }

    /// The same with several more ways to mend it.
    #[must_use]
    pub(crate) fn fix_all(mut self, fixes: impl IntoIterator<Item = Fix>) -> Self {
        self.fixes.extend(fixes);
        self
    }

    /// The same with a sentence on what to do.
    #[must_use]
    pub(crate) fn advise(self, what: impl Into<String>) -> Self {
        self.fix(Fix::Text { what: what.into() })
    }
}

/// A call of one of Kafka's tools on this cluster.
pub(crate) fn tool(state: &ClusterState, tool: &str, arguments: &str) -> Fix {
    // A tool needs the same credentials as a role; where they are is for the user to say.
    let config = match state.ours.security.as_str() {
        "plaintext" => "",
        _ => " --command-config client.properties",
    };
    let brokers = &state.ours.brokers;
    Fix::Command { run: format!("{tool} --bootstrap-server {brokers}{config} {arguments}") }
}

/// Both ways to set a setting of a topic.
pub(crate) fn set_on_topic(
    state: &ClusterState,
    topic: &Topic,
    name: &str,
    value: &str,
) -> [Fix; 2] {
    let command = tool(
        state,
        "kafka-configs.sh",
        &format!(
            "--alter --entity-type topics --entity-name {} --add-config {name}={}",
            topic.name,
            listed(value)
        ),
    );
    let merge = format!("spec: {{config: {{{name}: {}}}}}", scalar(value));
    [command, Fix::Yaml { resource: format!("KafkaTopic/{}", topic.name), merge }]
}

/// Both ways to set a setting of all brokers while they run.
pub(crate) fn set_on_brokers(state: &ClusterState, name: &str, value: &str) -> [Fix; 2] {
    let command = tool(
        state,
        "kafka-configs.sh",
        &format!("--alter --entity-type brokers --entity-default --add-config {name}={value}"),
    );
    [command, brokers_yaml(name, value)]
}

/// How to set a setting that a broker reads only when it starts.
pub(crate) fn set_in_files(name: &str, value: &str) -> [Fix; 2] {
    let what = format!("set {name}={value} in the configuration of every broker and restart it");
    [Fix::Text { what }, brokers_yaml(name, value)]
}

fn brokers_yaml(name: &str, value: &str) -> Fix {
    let merge = format!("spec: {{kafka: {{config: {{{name}: {}}}}}}}", scalar(value));
    Fix::Yaml { resource: "Kafka".to_owned(), merge }
}

/// A value for `--add-config`, where a comma would begin the next setting.
fn listed(value: &str) -> String {
    if value.contains(',') { format!("[{value}]") } else { value.to_owned() }
}

/// A value for YAML's flow style, where a comma would end it.
fn scalar(value: &str) -> String {
    if value.contains(',') { format!("\"{value}\"") } else { value.to_owned() }
}
