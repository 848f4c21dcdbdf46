//! Tree: the manifests where Flux looks for them, and how a change gets there.
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

/// Who commits.
const AUTHOR: [&str; 4] = ["-c", "user.name=erboh e2e", "-c", "user.email=e2e@erboh.invalid"];

/// The file with the image of the release.
pub(super) const IMAGE: &str = "deploy/releases/erboh/base/image.yaml";
/// The folder of the topics' files.
pub(super) const TOPICS: &str = "deploy/releases/kafka/base/topics";

/// Where Flux looks.
enum Source {
    Git { branch: String },
    Registry { url: String },
}

/// The manifests that the cluster runs.
pub(super) struct Tree {
    root: PathBuf,
    source: Source,
    profile: String,
    /// What the files said that were changed and are to be put back.
    before: BTreeMap<String, String>,
    commits: u32,
}

impl Tree {
    /// The tree that this cluster takes its manifests from.
    ///
    /// # Errors
    /// When it cannot be had here.
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
                    "{} is not there: what this cluster runs was pushed from another place; \
                     `cargo xtask cluster up` pushes it from here",
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

    /// Where the tree is.
    pub(super) fn kind(&self) -> &'static str {
        match self.source {
            Source::Git { .. } => "a git repository",
            Source::Registry { .. } => "a registry",
        }
    }

    pub(super) fn profile(&self) -> &str {
        &self.profile
    }

    /// The file with the profile's values of the release.
    pub(super) fn values(&self) -> String {
        format!("deploy/releases/erboh/{}/values.yaml", self.profile)
    }

    /// Puts a merge patch into a file, which is put back at the end.
    pub(super) fn edit(&mut self, file: &str, patch: &str) -> anyhow::Result<()> {
        let old = std::fs::read_to_string(self.root.join(file));
        let old = old.with_context(|| format!("reading {file}"))?;
        self.before.entry(file.to_owned()).or_insert(old);
        self.change(file, patch)
    }

    /// Puts a merge patch into a file, for good.
    pub(super) fn change(&self, file: &str, patch: &str) -> anyhow::Result<()> {
        let at = self.root.join(file);
        let mut kubectl = Command::new("kubectl");
        kubectl.args(["patch", "--local", "--type=merge", "--output=yaml"]);
        kubectl.args(["--filename", text(&at)?, "--patch", patch]);
        let new = output(&mut kubectl).with_context(|| format!("changing {file}"))?;
        std::fs::write(&at, new).with_context(|| format!("writing {file}"))
    }

    /// Puts one file back as it was.
    pub(super) fn revert(&mut self, file: &str) -> anyhow::Result<()> {
        let Some(old) = self.before.remove(file) else { return Ok(()) };
        std::fs::write(self.root.join(file), old).with_context(|| format!("writing {file}"))
    }

    /// Puts everything back, except what was changed for good; says whether there was anything.
    pub(super) fn revert_all(&mut self) -> anyhow::Result<bool> {
        let files: Vec<String> = self.before.keys().cloned().collect();
        files.iter().try_for_each(|file| self.revert(file))?;
        Ok(!files.is_empty())
    }

    /// Brings the changes to where Flux looks, and lets it look at once. What stood there is
    /// replaced as a whole, so that without a change nothing happens.
    pub(super) fn commit(&mut self, kube: &Kube, message: &str) -> anyhow::Result<()> {
        self.commits += 1;
        let root = text(&self.root)?;
        let source = match &self.source {
            Source::Git { branch } => {
                let git = |words: &[&str]| {
                    output(Command::new("git").args(["-C", root]).args(AUTHOR).args(words))
                };
                // Without a change there is nothing to commit, and nothing to wait for.
                if git(&["status", "--porcelain"])?.is_empty() {
                    return Ok(());
                }
                git(&["commit", "--quiet", "--all", "--message", message])?;
                git(&["push", "--quiet", "origin", &format!("HEAD:{branch}")])
                    .context("pushing to the repository that Flux looks at")?;
                "git"
            }
            Source::Registry { url } => {
                let mut flux = Command::new("flux");
                flux.args(["push", "artifact", url, "--path", root, "--insecure-registry"]);
                flux.args(["--source", "local"]);
                flux.arg(format!("--revision=e2e-{}", self.commits));
                output(&mut flux).context("pushing to the registry that Flux looks at")?;
                "oci"
            }
        };
        kube.flux(&format!("reconcile source {source} flux-system"))?;
        Ok(())
    }
}

/// A clone of the repository that Flux looks at.
fn clone(kube: &Kube, directory: &Path) -> anyhow::Result<(PathBuf, Source)> {
    let repository = kube.get("gitrepository flux-system --namespace flux-system")?;
    let spec = &repository["spec"];
    let url = spec["url"].as_str().context("the GitRepository flux-system has no url")?;
    let branch = spec["ref"]["branch"].as_str();
    let branch = branch.context("the GitRepository flux-system follows no branch")?.to_owned();
    crate::start::empty(directory)?;
    let mut git = Command::new("git");
    git.args(["clone", "--quiet", "--depth=1", "--branch", &branch, url, text(directory)?]);
    output(&mut git).with_context(|| {
        format!("cloning {url}, which Flux looks at; it must be reachable from here, with a right to push")
    })?;
    Ok((directory.to_owned(), Source::Git { branch }))
}
