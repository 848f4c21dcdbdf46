//! The options of `cluster up`, `status` and `down`.

use super::target::Target;

/// The registry of the kind cluster, as reached from this machine.
pub(super) const REGISTRY: &str = "127.0.0.1:5001";
/// The same registry as reached from pods and nodes of that cluster; named in
/// `deploy/kind/flux-system.yaml`.
pub(super) const REGISTRY_INSIDE: &str = "kind-registry:5000";

/// A deployment profile: a directory below `deploy/ops`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Profile {
    #[default]
    Local,
    Scale,
}

impl Profile {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Scale => "scale",
        }
    }
}

/// The parsed options.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) target: Target,
    pub(super) profile: Profile,
    pub(super) print: bool,
    pub(super) registry: Option<String>,
    pub(super) registry_inside: Option<String>,
    pub(super) image: Option<String>,
    /// Uninstall Flux too.
    pub(super) flux: bool,
}

impl Options {
    /// Parses the options of a verb; an unknown one is an error.
    pub(super) fn parse(verb: &str, arguments: &[String]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let mut value = || {
                let value = words.next().filter(|value| !value.starts_with("--"));
                value.cloned().ok_or_else(|| format!("`{word}` needs a value"))
            };
            match (word.as_str(), verb) {
                ("--kubeconfig", _) => options.target.kubeconfig = Some(value()?),
                ("--context", _) => options.target.context = Some(value()?),
                ("--print", "up" | "down") => options.print = true,
                ("--registry", "up") => options.registry = Some(address(word, &value()?)?),
                ("--registry-inside", "up") => {
                    options.registry_inside = Some(address(word, &value()?)?);
                }
                ("--image", "up") => options.image = Some(value()?),
                ("--profile", "up") => options.profile = profile(&value()?)?,
                ("--flux", "down") => options.flux = true,
                _ => {
                    return Err(format!(
                        "`cluster {verb}` has no option `{word}`; `cargo xtask cluster help` lists them"
                    ));
                }
            }
        }
        options.check(verb)
    }

    fn check(self, verb: &str) -> Result<Self, String> {
        if self.registry_inside.is_some() && self.registry.is_none() {
            return Err("`--registry-inside` needs `--registry`, the same registry as reached \
                        from this machine"
                .to_owned());
        }
        if verb == "up" && !self.target.is_own() && self.registry.is_none() {
            return Err("an existing cluster needs `--registry HOST:PORT`, a registry that its \
                        pods can reach, as the source of the manifests"
                .to_owned());
        }
        if self.flux && self.target.is_own() {
            return Err("`--flux` is for an existing cluster (--kubeconfig, --context); the kind \
                        cluster is deleted as a whole"
                .to_owned());
        }
        Ok(self)
    }

    /// The registry as reached from this machine.
    pub(super) fn registry(&self) -> &str {
        self.registry.as_deref().unwrap_or(REGISTRY)
    }

    /// The registry as reached from pods.
    pub(super) fn registry_inside(&self) -> &str {
        let same = self.registry.as_deref().unwrap_or(REGISTRY_INSIDE);
        self.registry_inside.as_deref().unwrap_or(same)
    }
}

fn profile(text: &str) -> Result<Profile, String> {
    match text {
        "local" => Ok(Profile::Local),
        "scale" => Ok(Profile::Scale),
        _ => Err(format!(
            "`--profile {text}`: expected local or scale; `cloud` is for `flux bootstrap` \
             (docs/kubernetes.md)"
        )),
    }
}

/// Parses `HOST:PORT`. A scheme or a path would silently break some of the commands.
fn address(flag: &str, text: &str) -> Result<String, String> {
    let parts = text.rsplit_once(':');
    match parts {
        Some((host, port))
            if !host.is_empty() && !text.contains('/') && port.parse::<u16>().is_ok() =>
        {
            Ok(text.to_owned())
        }
        _ => Err(format!("`{flag} {text}`: expected HOST:PORT, such as {REGISTRY}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(verb: &str, text: &str) -> Result<Options, String> {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        Options::parse(verb, &words)
    }

    #[test]
    fn default_target_is_the_kind_cluster() {
        let options = parse("up", "").unwrap();
        assert!(options.target.is_own());
        assert_eq!(options.registry(), "127.0.0.1:5001");
        assert_eq!(options.registry_inside(), "kind-registry:5000");
        assert_eq!(options.profile, Profile::Local);
    }

    #[test]
    fn registry_inside_defaults_to_the_registry() {
        let options = parse("up", "--kubeconfig k --registry 10.0.0.1:5000").unwrap();
        assert_eq!(options.registry_inside(), "10.0.0.1:5000");
        let both = "--context c --registry 10.0.0.1:5000 --registry-inside r:5000";
        assert_eq!(parse("up", both).unwrap().registry_inside(), "r:5000");
    }

    #[test]
    fn invalid_options_are_rejected() {
        let rejected = |verb: &str, text: &str, part: &str| {
            let reason = parse(verb, text).unwrap_err();
            assert!(reason.contains(part), "{reason}");
        };
        rejected("up", "--profile huge", "expected local or scale");
        rejected("up", "--image", "needs a value");
        rejected("up", "--image --print", "`--image` needs a value");
        rejected("up", "--registry http://r:5000", "HOST:PORT");
        rejected("up", "--registry r", "HOST:PORT");
        rejected("up", "--registry-inside r:1", "needs `--registry`");
        rejected("up", "--context c", "needs `--registry");
        rejected("status", "--print", "no option `--print`");
        rejected("down", "--image a", "no option `--image`");
        rejected("down", "--flux", "for an existing cluster");
    }
}
