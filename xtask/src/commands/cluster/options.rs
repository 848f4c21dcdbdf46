//! Options: what a person typed after `cluster up`, `status` or `down`.

use super::target::Target;

/// The registry that `up` starts for its own cluster, as this machine reaches it.
pub(super) const REGISTRY: &str = "127.0.0.1:5001";
/// The same registry as pods and nodes of that cluster reach it; `deploy/kind/flux-system.yaml` names it.
pub(super) const REGISTRY_INSIDE: &str = "kind-registry:5000";

/// What runs in the cluster: a folder below `deploy/ops`.
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

/// What was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) target: Target,
    pub(super) profile: Profile,
    pub(super) print: bool,
    pub(super) registry: Option<String>,
    pub(super) registry_inside: Option<String>,
    pub(super) image: Option<String>,
    /// Take Flux away too.
    pub(super) flux: bool,
}

impl Options {
    /// Reads the options of a verb; one that the verb does not have is an error.
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
            return Err("`--registry-inside` needs `--registry`, the same registry as this \
                        machine reaches it"
                .to_owned());
        }
        if verb == "up" && !self.target.is_own() && self.registry.is_none() {
            return Err("a cluster that is there already needs `--registry HOST:PORT`, one that \
                        its pods can reach; it takes the manifests from there"
                .to_owned());
        }
        if self.flux && self.target.is_own() {
            return Err("`--flux` is for a cluster that is kept (--kubeconfig, --context); the \
                        kind cluster goes as a whole"
                .to_owned());
        }
        Ok(self)
    }

    /// The registry as this machine reaches it.
    pub(super) fn registry(&self) -> &str {
        self.registry.as_deref().unwrap_or(REGISTRY)
    }

    /// The registry as pods reach it.
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
            "`--profile {text}`: there are local and scale; `cloud` is for `flux bootstrap` \
             (docs/kubernetes.md)"
        )),
    }
}

/// `HOST:PORT`: a scheme or a path would be silently wrong in some of the commands.
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
    fn without_options_it_is_the_kind_cluster() {
        let options = parse("up", "").unwrap();
        assert!(options.target.is_own());
        assert_eq!(options.registry(), "127.0.0.1:5001");
        assert_eq!(options.registry_inside(), "kind-registry:5000");
        assert_eq!(options.profile, Profile::Local);
    }

    #[test]
    fn a_registry_is_the_same_inside_unless_said_otherwise() {
        let options = parse("up", "--kubeconfig k --registry 10.0.0.1:5000").unwrap();
        assert_eq!(options.registry_inside(), "10.0.0.1:5000");
        let both = "--context c --registry 10.0.0.1:5000 --registry-inside r:5000";
        assert_eq!(parse("up", both).unwrap().registry_inside(), "r:5000");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let refused = |verb: &str, text: &str, part: &str| {
            let reason = parse(verb, text).unwrap_err();
            assert!(reason.contains(part), "{reason}");
        };
        refused("up", "--profile huge", "local and scale");
        refused("up", "--image", "needs a value");
        refused("up", "--image --print", "`--image` needs a value");
        refused("up", "--registry http://r:5000", "HOST:PORT");
        refused("up", "--registry r", "HOST:PORT");
        refused("up", "--registry-inside r:1", "needs `--registry`");
        refused("up", "--context c", "needs `--registry");
        refused("status", "--print", "no option `--print`");
        refused("down", "--image a", "no option `--image`");
        refused("down", "--flux", "for a cluster that is kept");
    }
}
