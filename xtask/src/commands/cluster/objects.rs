//! The objects in the cluster, and why they are not Ready, in the words of their controllers.
//!
//! ```text
//!  kubectl get … -o go-template ──► one line per object ──► Object ──► problem(): why it is not Ready
//! ```

use super::target::Target;
use crate::process;

/// The kinds of objects, in the order of their dependencies.
const KINDS: [&str; 7] = [
    "gitrepositories.source.toolkit.fluxcd.io",
    "ocirepositories.source.toolkit.fluxcd.io",
    "kustomizations.kustomize.toolkit.fluxcd.io",
    "helmreleases.helm.toolkit.fluxcd.io",
    "kafkas.kafka.strimzi.io",
    "kafkatopics.kafka.strimzi.io",
    "kafkausers.kafka.strimzi.io",
];

/// The namespaces created by `deploy/`, and Flux's own.
pub(super) const NAMESPACES: [&str; 3] = ["flux-system", "queuing", "appdev"];

/// One line per object: kind, namespace, name, generation, observed generation, suspended, deletion
/// timestamp, phase, source, revision; then its conditions, and the waiting reasons of its
/// containers.
const TEMPLATE: &str = "{{range .items}}{{.kind}}\t{{.metadata.namespace}}\t{{.metadata.name}}\t\
    {{.metadata.generation}}\t{{with .status}}{{.observedGeneration}}{{end}}\t{{.spec.suspend}}\t\
    {{.metadata.deletionTimestamp}}\t{{with .status}}{{.phase}}{{end}}\t\
    {{with .spec.sourceRef}}{{.kind}}/{{.name}}{{end}}{{with .spec.chartRef}}{{.kind}}/{{.name}}{{end}}\
    {{with .spec.chart}}{{.spec.sourceRef.kind}}/{{.spec.sourceRef.name}}{{end}}\t\
    {{with .status}}{{with .artifact}}{{.revision}}{{else}}{{with .lastAppliedRevision}}{{.}}{{else}}\
    {{.lastAttemptedRevision}}{{end}}{{end}}\
    {{range .conditions}}\t{{.type}} {{.status}} {{with .reason}}{{.}}{{else}}-{{end}} \
    {{with .message}}{{printf \"%q\" .}}{{end}}{{end}}\
    {{range .initContainerStatuses}}{{$name := .name}}{{with .state.waiting}}\tWaiting True {{.reason}} \
    {{with .message}}{{printf \"%q\" .}}{{else}}\"container {{$name}}\"{{end}}{{end}}{{end}}\
    {{range .containerStatuses}}{{$name := .name}}{{with .state.waiting}}\tWaiting True {{.reason}} \
    {{with .message}}{{printf \"%q\" .}}{{else}}\"container {{$name}}\"{{end}}{{end}}{{end}}\
    {{end}}\n{{end}}";

/// The output of kubectl for a missing field.
const NO_VALUE: &str = "<no value>";

/// An object in the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) kind: String,
    pub(super) namespace: String,
    pub(super) name: String,
    /// Its controller has observed the current generation.
    observed: bool,
    suspended: bool,
    /// Terminating, or a completed pod: not waited for.
    finished: bool,
    /// The source that it is built from, as `Kind/name`.
    source: String,
    /// The revision that it has applied, or that it has (of a source).
    revision: String,
    conditions: Vec<Condition>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Condition {
    kind: String,
    status: String,
    reason: String,
    message: String,
}

/// Reads all objects. Kinds whose definitions are not installed are skipped.
pub(super) fn read(target: &Target) -> Result<Vec<Object>, String> {
    let known = process::capture(target.kubectl().args(["get", "crd", "-o", "name"]));
    let known = known.map_err(|reason| {
        format!("the cluster does not respond ({reason}); `cargo xtask cluster up` creates one")
    })?;
    let is_known = |kind: &&str| known.lines().any(|line| line.ends_with(&format!("/{kind}")));
    let kinds: Vec<&str> = KINDS.into_iter().filter(is_known).chain(["pods"]).collect();
    let mut kubectl = target.kubectl();
    kubectl.args(["get", &kinds.join(","), "--all-namespaces", "-o"]);
    let lines = process::capture(kubectl.arg(format!("go-template={TEMPLATE}")))
        .map_err(|reason| format!("listing the objects: {reason}"))?;
    parse(&lines)
}

/// Parses kubectl's output into the unfinished objects of our namespaces.
fn parse(lines: &str) -> Result<Vec<Object>, String> {
    let objects = lines.lines().map(|line| {
        Object::parse(line).ok_or_else(|| format!("unexpected line of kubectl: {line:?}"))
    });
    let ours = |one: &Object| !one.finished && NAMESPACES.contains(&one.namespace.as_str());
    Ok(objects.collect::<Result<Vec<_>, _>>()?.into_iter().filter(ours).collect())
}

impl Object {
    fn parse(line: &str) -> Option<Self> {
        let mut cells = line.split('\t').map(|cell| cell.replace(NO_VALUE, ""));
        let [kind, namespace, name] = [cells.next()?, cells.next()?, cells.next()?];
        let [generation, observed, suspended] = [cells.next()?, cells.next()?, cells.next()?];
        let [deleted, phase] = [cells.next()?, cells.next()?];
        Some(Self {
            kind,
            namespace,
            name,
            observed: observed.is_empty() || observed == generation,
            suspended: suspended == "true",
            finished: !deleted.is_empty() || phase == "Succeeded",
            source: cells.next()?,
            revision: cells.next()?,
            conditions: cells.map(|cell| Condition::parse(&cell)).collect::<Option<_>>()?,
        })
    }

    /// `Kind namespace/name`
    pub(super) fn title(&self) -> String {
        format!("{} {}/{}", self.kind, self.namespace, self.name)
    }

    fn condition(&self, kind: &str) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.kind == kind)
    }

    /// Why it is not Ready, if it is not. `all` contains the source to compare its revision with.
    pub(super) fn problem(&self, all: &[Self]) -> Option<String> {
        if self.suspended {
            return Some("is suspended; `flux resume` resumes it".to_owned());
        }
        let is = |kind: &str, status: &str| {
            self.condition(kind).filter(|condition| condition.status == status)
        };
        // Strimzi sets NotReady and never Ready=False.
        let bad = is("Waiting", "True")
            .or_else(|| is("PodScheduled", "False"))
            .or_else(|| is("NotReady", "True"))
            .or_else(|| is("Ready", "False"))
            .or_else(|| is("Ready", "Unknown"));
        if let Some(bad) = bad {
            return Some(bad.text());
        }
        if self.condition("Ready").is_none() || !self.observed {
            return Some("not yet observed by its controller".to_owned());
        }
        self.behind(all)
    }

    /// Whether its source has a newer revision than the applied one.
    fn behind(&self, all: &[Self]) -> Option<String> {
        let of = |one: &&Self| format!("{}/{}", one.kind, one.name) == self.source;
        let source = all.iter().find(of)?;
        // The version of a chart ends with a prefix of its digest or commit: 0.1.0+0123456789ab.
        let own = self.revision.rsplit_once('+').map_or(self.revision.as_str(), |(_, hash)| hash);
        let newer = !source.revision.is_empty() && !source.revision.contains(own);
        newer.then(|| {
            format!("applied {}, but {} has {}", self.revision, self.source, source.revision)
        })
    }
}

impl Condition {
    fn parse(cell: &str) -> Option<Self> {
        let mut parts = cell.splitn(4, ' ');
        let [kind, status, reason] = [parts.next()?, parts.next()?, parts.next()?];
        let quoted = parts.next()?;
        let message =
            quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or("");
        let message = message.replace("\\n", " ").replace("\\\"", "\"").replace("\\t", " ");
        Some(Self {
            kind: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: message.replace("\\\\", "\\"),
        })
    }

    fn text(&self) -> String {
        if self.message.is_empty() {
            self.reason.clone()
        } else {
            format!("{}: {}", self.reason, self.message)
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// kubectl's output for a cluster during an installation.
    pub(in super::super) const KUBECTL_OUTPUT: &str = "\
OCIRepository\tflux-system\tflux-system\t1\t1\t<no value>\t<no value>\t<no value>\t\tlocal@sha256:aaa111\tReady True Succeeded \"stored artifact\"
Kustomization\tflux-system\tkafka\t2\t2\t<no value>\t<no value>\t<no value>\tOCIRepository/flux-system\tlocal@sha256:aaa111\tReady True ReconciliationSucceeded \"Applied\"
Kustomization\tflux-system\terboh\t2\t2\t<no value>\t<no value>\t<no value>\tOCIRepository/flux-system\tlocal@sha256:000fff\tReady True ReconciliationSucceeded \"Applied\"
HelmRelease\tqueuing\terboh\t3\t2\tfalse\t<no value>\t<no value>\tOCIRepository/erboh-chart\t0.1.0+aaa\tReady True UpgradeSucceeded \"done\"
HelmRelease\tqueuing\tstrimzi\t1\t1\ttrue\t<no value>\t<no value>\t\t1.2.0\tReady True InstallSucceeded \"done\"
Kafka\tqueuing\tkafka\t1\t1\t<no value>\t<no value>\t<no value>\t\t<no value>\tWarning True UnsupportedVersion \"w\"\tNotReady True Creating \"two\\nlines with \\\"quotes\\\"\"
KafkaTopic\tqueuing\terboh-ratings\t1\t\t<no value>\t<no value>\t\t\t
KafkaUser\tqueuing\terboh-producer\t1\t1\t<no value>\t<no value>\t<no value>\t\t<no value>\tReady True - 
Pod\tappdev\terboh-consumer-1\t1\t1\t<no value>\t<no value>\tRunning\t\t<no value>\tReady False ContainersNotReady \"containers\"\tWaiting True ImagePullBackOff \"Back-off pulling image\"
Pod\tappdev\terboh-test\t1\t1\t<no value>\t<no value>\tSucceeded\t\t<no value>\tReady False PodCompleted 
Pod\tappdev\told\t1\t1\t<no value>\t2026-01-01T00:00:00Z\tRunning\t\t<no value>\tReady False ContainersNotReady \"x\"
Pod\tqueuing\tkafka-dual-0\t1\t1\t<no value>\t<no value>\tPending\t\t<no value>\tPodScheduled False Unschedulable \"no node fits\"
Pod\tqueuing\toperator\t1\t1\t<no value>\t<no value>\tPending\t\t<no value>\tWaiting True ContainerCreating \"container operator\"
";

    pub(in super::super) fn parsed(output: &str) -> Vec<Object> {
        parse(output).unwrap()
    }

    #[test]
    fn every_object_has_its_reason() {
        let objects = parsed(KUBECTL_OUTPUT);
        let problems: Vec<Option<String>> =
            objects.iter().map(|object| object.problem(&objects)).collect();
        let expected = [
            None,
            None,
            Some(
                "applied local@sha256:000fff, but OCIRepository/flux-system has local@sha256:aaa111",
            ),
            Some("not yet observed by its controller"),
            Some("is suspended; `flux resume` resumes it"),
            Some("Creating: two lines with \"quotes\""),
            Some("not yet observed by its controller"),
            None,
            Some("ImagePullBackOff: Back-off pulling image"),
            Some("Unschedulable: no node fits"),
            Some("ContainerCreating: container operator"),
        ];
        assert_eq!(problems, expected.map(|text| text.map(str::to_owned)));
        assert_eq!(objects[1].title(), "Kustomization flux-system/kafka");
    }

    #[test]
    fn chart_revision_is_compared_with_its_source() {
        let release =
            "HelmRelease\tqueuing\ta\t1\t1\t\t\t\tOCIRepository/c\t0.1.0+abc\tReady True X \"\"";
        let source =
            "OCIRepository\tflux-system\tc\t1\t1\t\t\t\t\t0.1.0@sha256:abcdef\tReady True X \"\"";
        let newer = source.replace("abcdef", "fedcba");
        let problem = |source: &str| {
            let objects = parsed(&format!("{release}\n{source}"));
            objects[0].problem(&objects)
        };
        assert_eq!(problem(source), None);
        assert!(problem(&newer).is_some_and(|text| text.contains("fedcba")));
    }

    #[test]
    fn malformed_line_is_an_error() {
        let error = parse("Kustomization\tflux-system").unwrap_err();
        assert!(error.contains("unexpected line"), "{error}");
    }
}
