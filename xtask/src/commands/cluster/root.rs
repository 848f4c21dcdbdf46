//! The root: the Kustomization `flux-system`, from which Flux applies everything else.

use super::target::Target;
use crate::{Outcome, process};

/// The path prefix of both installations: `up`, and `flux bootstrap --path=deploy/ops/…`.
const OUR_PATH: &str = "deploy/ops/";

/// The source kind of an installation by `up`.
const UP_SOURCE: &str = "OCIRepository";

/// The source and path of the root.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Root {
    source: String,
    path: String,
}

impl Root {
    /// Reads the root of a cluster; `None` without a root or without Flux.
    pub(super) fn read(target: &Target) -> Result<Option<Self>, String> {
        let mut kubectl = target.kubectl();
        kubectl.args(["--namespace", "flux-system", "get", "--ignore-not-found"]);
        kubectl.args(["kustomizations.kustomize.toolkit.fluxcd.io", "flux-system", "-o"]);
        let output = process::capture(kubectl.arg("jsonpath={.spec.sourceRef.kind} {.spec.path}"));
        match output {
            Ok(output) => Ok(Self::parse(&output)),
            Err(reason) if reason.contains("doesn't have a resource type") => Ok(None),
            Err(reason) => Err(format!("the cluster does not respond: {reason}")),
        }
    }

    fn parse(output: &str) -> Option<Self> {
        let (source, path) = output.trim().split_once(' ')?;
        Some(Self { source: source.to_owned(), path: path.to_owned() })
    }

    /// Refuses to delete the installation of another project.
    pub(super) fn check_deletable(&self) -> Outcome {
        if self.path.contains(OUR_PATH) {
            return Ok(());
        }
        Err(format!(
            "Flux applies `{}` in this cluster, which is not deploy/ops; delete what is not needed \
             yourself",
            self.path
        ))
    }

    /// Refuses to replace another root, or one from a git repository.
    pub(super) fn check_replaceable(&self) -> Outcome {
        self.check_deletable().map_err(|_| {
            format!(
                "Flux applies `{}` in this cluster; add deploy/ops to that by hand, or choose \
                 another cluster",
                self.path
            )
        })?;
        if self.source == UP_SOURCE {
            return Ok(());
        }
        Err("the source of this cluster is a git repository: push your changes there instead \
             (`cargo xtask cluster status` shows the rollout)"
            .to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_root_is_replaced_or_deleted() {
        let root = |output: &str| Root::parse(output).unwrap();
        let ours = root("OCIRepository ./deploy/ops/local");
        assert_eq!((ours.check_deletable(), ours.check_replaceable()), (Ok(()), Ok(())));
        let bootstrapped = root("GitRepository ./deploy/ops/cloud");
        assert_eq!(bootstrapped.check_deletable(), Ok(()));
        assert!(bootstrapped.check_replaceable().unwrap_err().contains("push your changes"));
        let other = root("GitRepository ./clusters/production");
        assert!(other.check_deletable().unwrap_err().contains("./clusters/production"));
        assert!(other.check_replaceable().unwrap_err().contains("by hand"));
        assert_eq!(Root::parse(""), None);
    }
}
