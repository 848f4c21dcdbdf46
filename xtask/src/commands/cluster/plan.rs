//! The plan: the steps of `up`.
//!
//! ```text
//!  docker build ─► registry ◄─ chart, manifests (with the name of the image)
//!                     ▼
//!  kind ─► Flux ─► repos ─► operators ─► kafka ─► erboh
//! ```

use super::image;
use super::options::{Options, Profile, REGISTRY_INSIDE};
use super::step::{Action, Step, word};
use super::target::KIND_NAME;

/// The registry's container. The label distinguishes it from a container that the user has started
/// under this name.
pub(super) const REGISTRY_NAME: &str = "kind-registry";
pub(super) const REGISTRY_LABEL: &str = "project=erboh";
/// The staged tree that is pushed: the repository's manifests with the built image.
const FLEET: &str = "target/cluster/fleet";
/// Flux's own manifests, exported by the installed version of flux.
const FLUX: &str = "target/cluster/flux";
/// The Kustomizations of `deploy/ops/base`, each of which depends on the previous one.
const LAYERS: [&str; 4] = ["repos", "operators", "kafka", "erboh"];
/// The required controllers of Flux.
const COMPONENTS: &str = "source-controller,kustomize-controller,helm-controller";

/// The steps of `up`; `tag` is the tag of the built image.
pub(super) fn up(options: &Options, tag: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    if options.target.is_own() {
        steps.push(cluster());
        steps.push(registry(options));
    }
    let (outside, inside) = (options.registry(), options.registry_inside());
    let image = options.image.clone().unwrap_or_else(|| {
        let pushed = word(&format!("{outside}/erboh:{tag}"));
        steps.push(Step::run("build the image", [format!("docker build --tag {pushed} .")]));
        steps.push(Step::run("push the image", [format!("docker push {pushed}")]));
        format!("{inside}/erboh:{tag}")
    });
    steps.push(push_chart(outside));
    steps.push(push_tree(outside, &image));
    steps.extend(flux(options));
    steps.extend(
        LAYERS.map(|layer| Step { name: format!("{layer} Ready"), action: Action::Wait(layer) }),
    );
    steps.push(Step { name: "everything Ready".to_owned(), action: Action::WaitAll });
    steps
}

fn cluster() -> Step {
    let line = format!(
        "kind get clusters | grep -qx {KIND_NAME} || \
         kind create cluster --config deploy/kind/cluster.yaml"
    );
    Step::run("create the kind cluster", [line])
}

/// Starts the registry, and configures the nodes to find it under the name in the images.
fn registry(options: &Options) -> Step {
    let (outside, inside) = (options.registry(), options.registry_inside());
    let folder = format!("/etc/containerd/certs.d/{inside}");
    let node = format!(
        "docker exec $node sh -c 'mkdir -p {folder} && \
         echo \"[host.\\\"http://{REGISTRY_NAME}:5000\\\"]\" > {folder}/hosts.toml'"
    );
    Step::run(
        "start the registry",
        [
            format!(
                "docker start {REGISTRY_NAME} || docker run --detach --restart=always \
                 --name {REGISTRY_NAME} --label {REGISTRY_LABEL} --publish {outside}:5000 registry:3"
            ),
            format!(
                "docker network inspect kind | grep -q '\"{REGISTRY_NAME}\"' || \
                 docker network connect kind {REGISTRY_NAME}"
            ),
            format!("for node in $(kind get nodes --name {KIND_NAME}); do {node}; done"),
        ],
    )
}

fn push_chart(outside: &str) -> Step {
    Step::run(
        "push the chart",
        [
            "rm -rf target/cluster/chart".to_owned(),
            "helm package charts/erboh --destination target/cluster/chart".to_owned(),
            format!("helm push --plain-http target/cluster/chart/*.tgz oci://{outside}/charts"),
        ],
    )
}

fn push_tree(outside: &str, image: &str) -> Step {
    let file = format!("{FLEET}/deploy/releases/erboh/base/image.yaml");
    Step::run(
        "push the manifests",
        [
            format!("rm -rf {FLEET}"),
            format!("mkdir -p {FLEET}"),
            format!("cp -r deploy charts {FLEET}"),
            // Written by `flux bootstrap` for a git repository.
            format!("rm -rf {FLEET}/deploy/ops/*/flux-system"),
            format!(
                "kubectl patch --local --type=merge --filename deploy/releases/erboh/base/image.yaml \
                 --patch {} --output yaml > {file}",
                word(&image::patch(image))
            ),
            push(outside, FLEET),
        ],
    )
}

/// The command that pushes a tree to the source of Flux.
fn push(outside: &str, tree: &str) -> String {
    format!(
        "flux push artifact oci://{outside}/fleet:local --path={tree} --insecure-registry \
         --source=\"$(git config --get remote.origin.url || echo local)\" \
         --revision=\"$(git rev-parse --abbrev-ref HEAD)@sha1:$(git rev-parse HEAD)\""
    )
}

/// Installs Flux and its root.
fn flux(options: &Options) -> Vec<Step> {
    let (kubectl, flux) = (options.target.line("kubectl"), options.target.line("flux"));
    let mut changes = Vec::new();
    if options.registry_inside() != REGISTRY_INSIDE {
        changes.push(format!("s#{REGISTRY_INSIDE}#{}#", options.registry_inside()));
    }
    if options.profile != Profile::Local {
        changes.push(format!("s#deploy/ops/local#deploy/ops/{}#", options.profile.name()));
    }
    let root = "deploy/kind/flux-system.yaml";
    let apply = if changes.is_empty() {
        format!("{kubectl} apply --filename {root}")
    } else {
        let changes: Vec<String> =
            changes.iter().map(|change| format!("-e {}", word(change))).collect();
        format!("sed {} {root} | {kubectl} apply --filename -", changes.join(" "))
    };
    vec![
        Step::run(
            "install Flux",
            [
                format!("mkdir -p {FLUX}"),
                format!("cp deploy/kind/controllers.yaml {FLUX}/kustomization.yaml"),
                format!(
                    "flux install --components={COMPONENTS} --export > {FLUX}/gotk-components.yaml"
                ),
                format!("{kubectl} apply --server-side --force-conflicts --kustomize {FLUX}"),
                format!(
                    "{kubectl} --namespace flux-system wait deployment --all \
                     --for=condition=Available --timeout=10m"
                ),
            ],
        ),
        Step::run(
            "point Flux to the registry",
            [
                apply,
                format!("{flux} reconcile kustomization flux-system --with-source"),
                format!("{flux} reconcile source oci erboh-chart"),
            ],
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::step::script;
    use super::*;

    fn planned(text: &str) -> String {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        let options = Options::parse("up", &words).unwrap();
        script(&up(&options, "abc1234"), &options.target)
    }

    #[test]
    fn plan_for_a_new_kind_cluster() {
        assert_eq!(planned(""), include_str!("plan.kind.txt"));
    }

    #[test]
    fn plan_for_an_existing_cluster_and_image() {
        let text =
            "--kubeconfig k.yaml --registry 10.0.0.1:5000 --image r:5000/erboh:7 --profile scale";
        assert_eq!(planned(text), include_str!("plan.given.txt"));
    }

    #[test]
    fn image_is_pushed_and_pulled_by_different_addresses() {
        let text = planned("--context c --registry 127.0.0.1:5000 --registry-inside r.example:80");
        assert!(text.contains("docker push 127.0.0.1:5000/erboh:abc1234"), "{text}");
        assert!(text.contains(r#""repository":"r.example:80/erboh""#), "{text}");
        assert!(text.contains("s#kind-registry:5000#r.example:80#"), "{text}");
        assert!(!text.contains("kind create"), "{text}");
    }
}
