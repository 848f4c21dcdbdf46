//! `cargo xtask cluster down`: removes everything in an order in which no namespace gets stuck.
//!
//! ```text
//!  root and layers: suspended, so that nothing is recreated or pruned out of order
//!      ▼
//!  erboh, add-ons ─► topics, users ─► Kafka ─► operator ─► layers, sources ─► namespaces
//! ```
//!
//! Topics and users are deleted while their operator is running: only the operator removes its
//! finalizers, and a namespace cannot be deleted before its objects.

use super::options::Options;
use super::plan::{REGISTRY_LABEL, REGISTRY_NAME};
use super::root::Root;
use super::step::{Step, run_all, script};
use super::target::{KIND_NAME, Target};
use crate::{Outcome, process};

/// The output of the commands.
const LOG: &str = "target/cluster/down.log";
/// The Kustomizations that must not prune their objects, which are deleted in a defined order.
const SUSPENDED: &str = "flux-system|repos|operators|kafka";
/// The optional Kustomizations of the profiles.
const ADD_ONS: &str = "keda monitoring";
/// The namespaces created by `deploy/`.
const NAMESPACES: [&str; 2] = ["appdev", "queuing"];

pub(super) fn run(options: &Options) -> Outcome {
    let target = &options.target;
    let steps = if target.is_own() {
        own_cluster()
    } else if options.print {
        existing_cluster(target, options.flux, |_| true)
    } else {
        Root::read(target)?.map_or(Ok(()), |root| root.check_deletable())?;
        let kinds = process::capture(target.kubectl().args(["get", "crd", "-o", "name"]))
            .map_err(|reason| format!("the cluster does not respond: {reason}"))?;
        existing_cluster(target, options.flux, |kind| kinds.contains(&format!("/{kind}.")))
    };
    if options.print {
        print!("{}", script(&steps, target));
        return Ok(());
    }
    run_all(&steps, target, LOG).map_err(|reason| {
        let stuck = if target.is_own() { String::new() } else { stuck_namespaces(target) };
        format!("{reason}{stuck}")
    })?;
    if !target.is_own() {
        println!("\nkept: custom resource definitions, which other releases may use");
    }
    Ok(())
}

/// The kind cluster, and the registry if `up` has created it.
fn own_cluster() -> Vec<Step> {
    vec![
        Step::run("delete the kind cluster", [format!("kind delete cluster --name {KIND_NAME}")]),
        Step::run(
            "delete the registry",
            [format!(
                "docker ps --all --quiet --filter name=^{REGISTRY_NAME}$ --filter label={REGISTRY_LABEL} \
                 | xargs -r docker rm --force --volumes"
            )],
        ),
    ]
}

/// The objects that `up` has created in an existing cluster; `has` tells whether the cluster has a
/// kind of objects.
fn existing_cluster(target: &Target, flux: bool, has: impl Fn(&str) -> bool) -> Vec<Step> {
    let kubectl = target.line("kubectl");
    let all =
        |kind: &str| format!("{kubectl} --namespace queuing delete {kind} --all --timeout=5m");
    let mut steps = Vec::new();
    if has("kustomizations") {
        let layers = format!("{kubectl} --namespace flux-system get kustomizations --output name");
        steps.push(Step::run(
            "suspend Flux",
            [format!(
                "{layers} | grep -E '/({SUSPENDED})$' | xargs -r {kubectl} --namespace flux-system \
                 patch --type=merge --patch '{{\"spec\":{{\"suspend\":true}}}}'"
            )],
        ));
        steps.push(Step::run(
            "delete the add-ons and erboh",
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
    if has("kafkatopics") {
        steps.push(Step::run("delete topics and users", ["kafkatopics", "kafkausers"].map(all)));
        steps.push(Step::run(
            "delete Kafka",
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
    if has("kustomizations") {
        let system = format!("{kubectl} --namespace flux-system delete --ignore-not-found");
        steps.push(Step::run("delete the operator", [all("helmreleases")]));
        steps.push(Step::run(
            "delete the layers and their sources",
            [
                format!("{system} kustomization {}", SUSPENDED.replace('|', " ")),
                format!("{system} ocirepository flux-system erboh-chart"),
                format!("{system} gitrepository flux-system"),
            ],
        ));
    }
    steps.push(Step::run(
        "delete the namespaces",
        [format!(
            "{kubectl} delete namespace {} --ignore-not-found --timeout=5m",
            NAMESPACES.join(" ")
        )],
    ));
    if flux {
        steps.push(uninstall_flux(target));
    }
    steps
}

/// Uninstalls Flux. `flux uninstall` does not wait for its namespace, and Flux cannot be installed
/// again before that is gone.
fn uninstall_flux(target: &Target) -> Step {
    let [kubectl, flux] = ["kubectl", "flux"].map(|program| target.line(program));
    Step::run(
        "uninstall Flux",
        [
            format!("{flux} uninstall --silent"),
            format!("{kubectl} wait namespace/flux-system --for=delete --timeout=5m"),
        ],
    )
}

/// The namespaces that are stuck and the reasons in their conditions.
fn stuck_namespaces(target: &Target) -> String {
    let template = "{{range .items}}{{if .metadata.deletionTimestamp}}{{$name := .metadata.name}}\
                    {{range .status.conditions}}{{if eq .status \"True\"}}{{$name}}: {{.message}}\n\
                    {{end}}{{end}}{{end}}{{end}}";
    let mut kubectl = target.kubectl();
    kubectl.args(["get", "namespaces", "-o", &format!("go-template={template}")]);
    let output = process::capture(&mut kubectl).unwrap_or_default();
    let lines: Vec<&str> = output
        .lines()
        .filter(|line| NAMESPACES.iter().any(|name| line.starts_with(&format!("{name}: "))))
        .collect();
    if lines.is_empty() {
        return String::new();
    }
    format!(
        "\n  stuck:\n    {}\n  If no controller can remove a finalizer any more, `kubectl patch KIND NAME \
         --type=merge --patch '{{\"metadata\":{{\"finalizers\":null}}}}'` removes it",
        lines.join("\n    ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kind_cluster_is_deleted_with_its_registry() {
        let text = script(&own_cluster(), &Target::default());
        assert!(text.contains("kind delete cluster --name erboh"), "{text}");
        assert!(text.contains("label=project=erboh"), "{text}");
    }

    #[test]
    fn objects_are_deleted_before_what_they_need() {
        let target = Target { kubeconfig: Some("k".to_owned()), context: None };
        let text = script(&existing_cluster(&target, true, |_| true), &target);
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
    fn unknown_kinds_are_not_deleted() {
        let target = Target { kubeconfig: None, context: Some("c".to_owned()) };
        let text = script(&existing_cluster(&target, false, |_| false), &target);
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.contains("delete namespace"), "{text}");
    }
}
