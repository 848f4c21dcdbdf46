//! The manifests in the source of Flux, and how changes are committed to it.
//!
//! ```text
//!  edit ─► commit ─┬─► git push            ─► GitRepository ─┬─► Flux rolls it out
//!                  └─► flux push artifact  ─► OCIRepository ─┘
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use super::kube::{Kube, text};
use crate::start::output;

/// The author of the commits.
const AUTHOR: [&str; 4] = ["-c", "user.name=erboh e2e", "-c", "user.email=e2e@erboh.invalid"];

/// The file with the image of the Helm release.
pub(super) const IMAGE: &str = "deploy/releases/erboh/base/image.yaml";
/// The directory of the topic manifests.
pub(super) const TOPICS: &str = "deploy/releases/kafka/base/topics";

/// The source of Flux.
enum Source {
    Git { branch: String },
    Registry { url: String },
}

/// The manifests of the cluster.
pub(super) struct Tree {
    root: PathBuf,
    source: Source,
    profile: String,
    /// The original content of the files to revert at the end.
    before: BTreeMap<String, String>,
    commits: u32,
}

impl Tree {
    /// Opens the tree from which the cluster takes its manifests.
    ///
    /// # Errors
    /// When it is not accessible from here.
    pub(super) fn open(kube: &Kube, directory: &Path, registry: &str) -> anyhow::Result<Self> {
        let root = kube.get("kustomization flux-system --namespace flux-system")?;
        let path = root["spec"]["path"].as_str().unwrap_or_default();
        let profile = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
        let (root, source) = if root["spec"]["sourceRef"]["kind"] == "GitRepository" {
            clone(kube, &directory.join("e2e-git"))?
        } else {
            let staged = directory.join("fleet");
            if !staged.is_dir() {
                bail!(
                    "{} does not exist: the manifests of this cluster were pushed from another \
                     checkout; push them from here with `cargo xtask cluster up`",
                    staged.display()
                );
            }
            (staged, Source::Registry { url: format!("oci://{registry}/fleet:local") })
        };
        let tree = Self { root, source, profile, before: BTreeMap::new(), commits: 0 };
        if !tree.root.join(tree.values()).is_file() {
            bail!("profile {:?} has no {}", tree.profile, tree.values());
        }
        Ok(tree)
    }

    /// The kind of source, for the report.
    pub(super) fn kind(&self) -> &'static str {
        match self.source {
            Source::Git { .. } => "a git repository",
            Source::Registry { .. } => "a registry",
        }
    }

    pub(super) fn profile(&self) -> &str {
        &self.profile
    }

    /// The file with the profile's values of the Helm release.
    pub(super) fn values(&self) -> String {
        format!("deploy/releases/erboh/{}/values.yaml", self.profile)
    }

    /// Applies a merge patch to a file, which is reverted at the end.
    pub(super) fn edit(&mut self, file: &str, patch: &str) -> anyhow::Result<()> {
        let old = std::fs::read_to_string(self.root.join(file));
        let old = old.with_context(|| format!("reading {file}"))?;
        self.before.entry(file.to_owned()).or_insert(old);
        self.change(file, patch)
    }

    /// Applies a merge patch to a file permanently.
    pub(super) fn change(&self, file: &str, patch: &str) -> anyhow::Result<()> {
        let at = self.root.join(file);
        let mut kubectl = Command::new("kubectl");
        kubectl.args(["patch", "--local", "--type=merge", "--output=yaml"]);
        kubectl.args(["--filename", text(&at)?, "--patch", patch]);
        let new = output(&mut kubectl).with_context(|| format!("changing {file}"))?;
        std::fs::write(&at, new).with_context(|| format!("writing {file}"))
    }

    /// Reverts one file.
    pub(super) fn revert(&mut self, file: &str) -> anyhow::Result<()> {
        let Some(old) = self.before.remove(file) else { return Ok(()) };
        std::fs::write(self.root.join(file), old).with_context(|| format!("writing {file}"))
    }

    /// Reverts all files but permanent changes; returns whether there were any.
    pub(super) fn revert_all(&mut self) -> anyhow::Result<bool> {
        let files: Vec<String> = self.before.keys().cloned().collect();
        files.iter().try_for_each(|file| self.revert(file))?;
        Ok(!files.is_empty())
    }

    /// Commits or pushes the changes and requests a reconciliation. An artifact replaces the
    /// previous one as a whole, so pushing it without a change has no effect.
    pub(super) fn commit(&mut self, kube: &Kube, message: &str) -> anyhow::Result<()> {
        self.commits += 1;
        let root = text(&self.root)?;
        let source = match &self.source {
            Source::Git { branch } => {
                let git = |words: &[&str]| {
                    output(Command::new("git").args(["-C", root]).args(AUTHOR).args(words))
                };
                // Nothing to commit.
                if git(&["status", "--porcelain"])?.is_empty() {
                    return Ok(());
                }
                git(&["commit", "--quiet", "--all", "--message", message])?;
                git(&["push", "--quiet", "origin", &format!("HEAD:{branch}")])
                    .context("pushing to the git repository of Flux")?;
                "git"
            }
            Source::Registry { url } => {
                let mut flux = Command::new("flux");
                flux.args(["push", "artifact", url, "--path", root, "--insecure-registry"]);
                flux.args(["--source", "local"]);
                flux.arg(format!("--revision=e2e-{}", self.commits));
                output(&mut flux).context("pushing to the registry of Flux")?;
                "oci"
            }
        };
        kube.flux(&format!("reconcile source {source} flux-system"))?;
        Ok(())
    }
}

/// Clones the git repository of Flux.
fn clone(kube: &Kube, directory: &Path) -> anyhow::Result<(PathBuf, Source)> {
    let repository = kube.get("gitrepository flux-system --namespace flux-system")?;
    let spec = &repository["spec"];
    let url = spec["url"].as_str().context("the GitRepository flux-system has no url")?;
    let branch = spec["ref"]["branch"].as_str();
    let branch = branch.context("the GitRepository flux-system has no branch")?.to_owned();
    crate::start::empty(directory)?;
    let mut git = Command::new("git");
    git.args(["clone", "--quiet", "--depth=1", "--branch", &branch, url, text(directory)?]);
    output(&mut git).with_context(|| {
        format!(
            "cloning {url}, the source of Flux; it must be reachable from here, with push access"
        )
    })?;
    Ok((directory.to_owned(), Source::Git { branch }))
}
