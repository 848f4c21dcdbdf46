//! `cargo xtask cluster down`: everything goes, and no namespace gets stuck on the way.
//!
//! ```text
//!  root and layers: suspended, so that nothing is made anew and nothing goes too early
//!      ▼
//!  erboh, add-ons ─► topics, users ─► Kafka ─► operator ─► layers, sources ─► namespaces
//! ```
//!
//! Topics and users go while their operator still runs. It alone removes what it has put on them,
//! and a namespace waits for the last of its objects.

use super::options::Options;
use super::plan::{REGISTRY_LABEL, REGISTRY_NAME};
use super::root::Root;
use super::step::{Step, script, take_all};
use super::target::{KIND_NAME, Target};
use crate::{Outcome, process};

/// Where everything that the commands say goes.
const LOG: &str = "target/cluster/down.log";
/// The layers that must not take away what they have made: it goes in an order of its own.
const SUSPENDED: &str = "flux-system|repos|operators|kafka";
/// What a profile may have opted in to.
const ADD_ONS: &str = "keda monitoring";
/// The namespaces that `deploy/` makes.
const NAMESPACES: [&str; 2] = ["appdev", "queuing"];

pub(super) fn run(options: &Options) -> Outcome {
    let target = &options.target;
    let steps = if target.is_own() {
        own()
    } else if options.print {
        given(target, options.flux, |_| true)
    } else {
        Root::read(target)?.map_or(Ok(()), |root| root.may_go())?;
        let known = process::capture(target.kubectl().args(["get", "crd", "-o", "name"]))
            .map_err(|reason| format!("the cluster does not answer: {reason}"))?;
        given(target, options.flux, |kind| known.contains(&format!("/{kind}.")))
    };
    if options.print {
        print!("{}", script(&steps, target));
        return Ok(());
    }
    take_all(&steps, target, LOG).map_err(|reason| {
        let holders = if target.is_own() { String::new() } else { holders(target) };
        format!("{reason}{holders}")
    })?;
    if !target.is_own() {
        println!("\nleft: custom resource definitions, which other releases may use");
    }
    Ok(())
}

/// The cluster that `up` has made, and its registry if `up` has made that too.
fn own() -> Vec<Step> {
    vec![
        Step::run("the kind cluster", [format!("kind delete cluster --name {KIND_NAME}")]),
        Step::run(
            "the registry",
            [format!(
                "docker ps --all --quiet --filter name=^{REGISTRY_NAME}$ --filter label={REGISTRY_LABEL} \
                 | xargs -r docker rm --force --volumes"
            )],
        ),
    ]
}

/// What `up` has put into a cluster that stays; `knows` says whether the cluster has that kind.
fn given(target: &Target, flux: bool, knows: impl Fn(&str) -> bool) -> Vec<Step> {
    let kubectl = target.line("kubectl");
    let all =
        |kind: &str| format!("{kubectl} --namespace queuing delete {kind} --all --timeout=5m");
    let mut steps = Vec::new();
    if knows("kustomizations") {
        let layers = format!("{kubectl} --namespace flux-system get kustomizations --output name");
        steps.push(Step::run(
            "Flux lets go",
            [format!(
                "{layers} | grep -E '/({SUSPENDED})$' | xargs -r {kubectl} --namespace flux-system \
                 patch --type=merge --patch '{{\"spec\":{{\"suspend\":true}}}}'"
            )],
        ));
        steps.push(Step::run(
            "the add-ons go, and erboh",
            [
                format!(
                    "{kubectl} --namespace flux-system delete kustomization {ADD_ONS} erboh \
                     --ignore-not-found --timeout=5m"
                ),
                format!(
                    "{kubectl} --namespace queuing delete helmrelease erboh --ignore-not-found \
                     --timeout=5m"
                ),
            ],
        ));
    }
    if knows("kafkatopics") {
        steps.push(Step::run("topics and users go", ["kafkatopics", "kafkausers"].map(all)));
        steps.push(Step::run(
            "Kafka goes",
            [
                all("kafkas"),
                all("kafkanodepools"),
                format!(
                    "{kubectl} --namespace queuing wait pod --selector strimzi.io/cluster=kafka \
                     --for=delete --timeout=5m"
                ),
            ],
        ));
    }
    if knows("kustomizations") {
        let system = format!("{kubectl} --namespace flux-system delete --ignore-not-found");
        steps.push(Step::run("the operator goes", [all("helmreleases")]));
        steps.push(Step::run(
            "the layers and their sources go",
            [
                format!("{system} kustomization {}", SUSPENDED.replace('|', " ")),
                format!("{system} ocirepository flux-system erboh-chart"),
                format!("{system} gitrepository flux-system"),
            ],
        ));
    }
    steps.push(Step::run(
        "the namespaces go",
        [format!(
            "{kubectl} delete namespace {} --ignore-not-found --timeout=5m",
            NAMESPACES.join(" ")
        )],
    ));
    if flux {
        steps.push(flux_goes(target));
    }
    steps
}

/// Removes Flux itself. Its own command does not wait for its namespace, in which it could not be
/// installed again at once.
fn flux_goes(target: &Target) -> Step {
    let [kubectl, flux] = ["kubectl", "flux"].map(|program| target.line(program));
    Step::run(
        "Flux goes",
        [
            format!("{flux} uninstall --silent"),
            format!("{kubectl} wait namespace/flux-system --for=delete --timeout=5m"),
        ],
    )
}

/// Which namespaces are stuck, and what holds them, in the words of Kubernetes.
fn holders(target: &Target) -> String {
    let template = "{{range .items}}{{if .metadata.deletionTimestamp}}{{$name := .metadata.name}}\
                    {{range .status.conditions}}{{if eq .status \"True\"}}{{$name}}: {{.message}}\n\
                    {{end}}{{end}}{{end}}{{end}}";
    let mut kubectl = target.kubectl();
    kubectl.args(["get", "namespaces", "-o", &format!("go-template={template}")]);
    let said = process::capture(&mut kubectl).unwrap_or_default();
    let lines: Vec<&str> = said
        .lines()
        .filter(|line| NAMESPACES.iter().any(|name| line.starts_with(&format!("{name}: "))))
        .collect();
    if lines.is_empty() {
        return String::new();
    }
    format!(
        "\n  stuck:\n    {}\n  Once nothing can end it properly any more, `kubectl patch KIND NAME \
         --type=merge --patch '{{\"metadata\":{{\"finalizers\":null}}}}'` frees what is named there",
        lines.join("\n    ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_kind_cluster_nothing_is_left() {
        let text = script(&own(), &Target::default());
        assert!(text.contains("kind delete cluster --name erboh"), "{text}");
        assert!(text.contains("label=project=erboh"), "{text}");
    }

    #[test]
    fn nothing_goes_before_what_needs_it() {
        let target = Target { kubeconfig: Some("k".to_owned()), context: None };
        let text = script(&given(&target, true, |_| true), &target);
        let order = [
            "\"suspend\":true",
            "delete helmrelease erboh",
            "delete kafkatopics",
            "delete kafkausers",
            "delete kafkas",
            "wait pod",
            "delete helmreleases",
            "kustomization flux-system repos operators kafka",
            "delete namespace appdev queuing",
            "uninstall --silent",
        ];
        let at = |part: &str| text.find(part).unwrap_or_else(|| panic!("no {part} in {text}"));
        assert!(order.windows(2).all(|pair| at(pair[0]) < at(pair[1])), "{text}");
        assert!(
            text.lines()
                .filter(|line| line.starts_with("kubectl"))
                .all(|line| line.contains("--kubeconfig k"))
        );
    }

    #[test]
    fn what_the_cluster_has_never_had_is_not_deleted() {
        let target = Target { kubeconfig: None, context: Some("c".to_owned()) };
        let text = script(&given(&target, false, |_| false), &target);
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.contains("delete namespace"), "{text}");
    }
}
