//! Root: the Kustomization `flux-system`, from which Flux makes everything else.

use super::target::Target;
use crate::{Outcome, process};

/// What both ways of installing have in their path: `up`, and `flux bootstrap --path=deploy/ops/…`.
const OUR_PATH: &str = "deploy/ops/";

/// The kind of the source that `up` makes.
const UP_SOURCE: &str = "OCIRepository";

/// Where the root takes everything from: the kind of its source, and the path in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Root {
    source: String,
    path: String,
}

impl Root {
    /// The root of that cluster; none if there is none, or no Flux.
    pub(super) fn read(target: &Target) -> Result<Option<Self>, String> {
        let mut kubectl = target.kubectl();
        kubectl.args(["--namespace", "flux-system", "get", "--ignore-not-found"]);
        kubectl.args(["kustomizations.kustomize.toolkit.fluxcd.io", "flux-system", "-o"]);
        let said = process::capture(kubectl.arg("jsonpath={.spec.sourceRef.kind} {.spec.path}"));
        match said {
            Ok(said) => Ok(Self::parse(&said)),
            Err(reason) if reason.contains("doesn't have a resource type") => Ok(None),
            Err(reason) => Err(format!("the cluster does not answer: {reason}")),
        }
    }

    fn parse(said: &str) -> Option<Self> {
        let (source, path) = said.trim().split_once(' ')?;
        Some(Self { source: source.to_owned(), path: path.to_owned() })
    }

    /// Refuses to take away what is not ours.
    pub(super) fn may_go(&self) -> Outcome {
        if self.path.contains(OUR_PATH) {
            return Ok(());
        }
        Err(format!(
            "Flux runs `{}` in this cluster and nothing of deploy/ops; what else is to go there is \
             yours to delete",
            self.path
        ))
    }

    /// Refuses to put itself in the place of another.
    pub(super) fn may_be_replaced(&self) -> Outcome {
        self.may_go().map_err(|_| {
            format!(
                "Flux runs `{}` in this cluster; add deploy/ops to that by hand, or name another \
                 cluster",
                self.path
            )
        })?;
        if self.source == UP_SOURCE {
            return Ok(());
        }
        Err("this cluster takes its manifests from a git repository: push there, it rolls out by \
             itself (`cargo xtask cluster status` shows it)"
            .to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_ours_is_replaced_or_taken_away() {
        let root = |said: &str| Root::parse(said).unwrap();
        let ours = root("OCIRepository ./deploy/ops/local");
        assert_eq!((ours.may_go(), ours.may_be_replaced()), (Ok(()), Ok(())));
        let bootstrapped = root("GitRepository ./deploy/ops/cloud");
        assert_eq!(bootstrapped.may_go(), Ok(()));
        assert!(bootstrapped.may_be_replaced().unwrap_err().contains("push there"));
        let other = root("GitRepository ./clusters/production");
        assert!(other.may_go().unwrap_err().contains("./clusters/production"));
        assert!(other.may_be_replaced().unwrap_err().contains("by hand"));
        assert_eq!(Root::parse(""), None);
    }
}
