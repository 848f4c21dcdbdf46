//! Preflight checks of `up`: all missing prerequisites at once, each with its remedy.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _};
use std::process::Command;
use std::time::Duration;

use super::options::{Options, Profile};
use super::plan::REGISTRY_NAME;
use super::root::Root;
use super::target::KIND_NAME;
use crate::{Outcome, process};

/// A program, the arguments that test whether it works, and how to install it.
type Program = (&'static str, &'static [&'static str], &'static str);

const KUBECTL: Program =
    ("kubectl", &["version", "--client"], "https://kubernetes.io/docs/tasks/tools/");
const FLUX: Program = ("flux", &["version", "--client"], "https://fluxcd.io/flux/installation/");
const HELM: Program = ("helm", &["version"], "https://helm.sh/docs/intro/install/");
const GIT: Program = ("git", &["--version"], "https://git-scm.com/downloads");
const KIND: Program = ("kind", &["version"], "https://kind.sigs.k8s.io/docs/user/quick-start/");
const DOCKER: Program = (
    "docker",
    &["info"],
    "install Docker, start it, and let this user use it: https://docs.docker.com/get-docker/",
);

/// The ports of `deploy/kind/cluster.yaml`.
const PORTS: [u16; 9] = [30_080, 30_081, 32_100, 32_000, 32_001, 32_002, 32_003, 32_004, 32_005];
/// Memory of four nodes with Kafka and the rest, rounded up.
const MEMORY_GB: [(Profile, u64); 2] = [(Profile::Local, 6), (Profile::Scale, 12)];
/// kind's recommendation for several nodes per machine.
const INOTIFY: [(&str, u64); 2] =
    [("fs.inotify.max_user_watches", 524_288), ("fs.inotify.max_user_instances", 512)];
/// A registry on this machine or in its network responds quickly.
const REGISTRY_TIMEOUT: Duration = Duration::from_secs(3);

/// Checks all prerequisites; the error names every one that is missing.
pub(super) fn check(options: &Options) -> Outcome {
    let own = options.target.is_own();
    let mut missing: Vec<String> =
        programs(options).into_iter().filter_map(missing_program).collect();
    // The checks below need docker.
    if missing.is_empty() {
        let is_up =
            own && stdout_of("kind", &["get", "clusters"]).lines().any(|name| name == KIND_NAME);
        if own && !is_up {
            missing.extend(memory(options.profile));
            missing.extend(inotify(|name| {
                std::fs::read_to_string(format!("/proc/sys/{}", name.replace('.', "/"))).ok()
            }));
            missing.extend(PORTS.into_iter().filter_map(taken));
        }
        if own
            && stdout_of(
                "docker",
                &["ps", "--all", "--filter", &format!("name=^{REGISTRY_NAME}$"), "--quiet"],
            )
            .is_empty()
        {
            let port = options.registry().rsplit_once(':').and_then(|(_, port)| port.parse().ok());
            missing.extend(port.and_then(taken));
        }
        if !own {
            missing.extend(unreachable_registry(options.registry()));
            missing.extend(match Root::read(&options.target) {
                Ok(root) => root.and_then(|root| root.check_replaceable().err()),
                Err(reason) => Some(format!("{reason}; check --kubeconfig and --context")),
            });
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!("`cluster up` cannot begin:\n  {}", missing.join("\n  ")))
}

/// The programs that these options need.
fn programs(options: &Options) -> Vec<Program> {
    let mut programs = vec![KUBECTL, FLUX, HELM, GIT];
    if options.target.is_own() {
        programs.push(KIND);
    }
    if options.target.is_own() || options.image.is_none() {
        programs.push(DOCKER);
    }
    programs
}

fn missing_program((name, arguments, get): Program) -> Option<String> {
    (!process::succeeds(name.as_ref(), arguments)).then(|| format!("{name} does not work; {get}"))
}

fn stdout_of(program: &str, arguments: &[&str]) -> String {
    process::capture(Command::new(program).args(arguments)).unwrap_or_default().trim().to_owned()
}

fn memory(profile: Profile) -> Option<String> {
    let (_, needed_gb) = MEMORY_GB.into_iter().find(|(of, _)| *of == profile)?;
    // On a Mac, MemTotal is the size of the virtual machine. On Linux, available memory is less.
    let whole: Option<u64> =
        stdout_of("docker", &["info", "--format", "{{.MemTotal}}"]).parse().ok();
    let available = std::fs::read_to_string("/proc/meminfo").ok();
    let available = available.as_deref().and_then(available_bytes);
    let gb = [whole, available].into_iter().flatten().min()? >> 30;
    (gb < needed_gb).then(|| {
        format!(
            "memory: {gb} GB available for containers, profile `{}` needs {needed_gb}; close \
             programs, or give Docker's virtual machine more (Settings, Resources)",
            profile.name()
        )
    })
}

fn available_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? << 10)
}

/// Kernel limits that are too low; nodes would fail for unclear reasons. Not all systems have them.
fn inotify(read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let low = |(name, needed): (&str, u64)| {
        let is: u64 = read(name)?.trim().parse().ok()?;
        (is < needed).then(|| {
            format!("{name} is {is}, four nodes need {needed}; sudo sysctl --write {name}={needed}")
        })
    };
    INOTIFY.into_iter().filter_map(low).collect()
}

fn taken(port: u16) -> Option<String> {
    let error = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).err()?;
    Some(format!(
        "port {port}: {error}; stop the process that listens on 127.0.0.1:{port} (`ss -ltnp` names it)"
    ))
}

fn unreachable_registry(registry: &str) -> Option<String> {
    let connect =
        |address: SocketAddr| TcpStream::connect_timeout(&address, REGISTRY_TIMEOUT).is_ok();
    let is_reachable = registry.to_socket_addrs().is_ok_and(|mut addresses| addresses.any(connect));
    (!is_reachable).then(|| {
        format!(
            "registry: no connection to {registry}; start one (`docker run --detach --publish \
             5000:5000 registry:3`) and name its address with --registry"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_required_programs_are_checked() {
        let names = |text: &str| -> Vec<&str> {
            let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
            let options = Options::parse("up", &words).unwrap();
            programs(&options).into_iter().map(|(name, ..)| name).collect()
        };
        assert_eq!(names(""), ["kubectl", "flux", "helm", "git", "kind", "docker"]);
        assert_eq!(
            names("--context c --registry r:1"),
            ["kubectl", "flux", "helm", "git", "docker"]
        );
        assert_eq!(
            names("--context c --registry r:1 --image i"),
            ["kubectl", "flux", "helm", "git"]
        );
    }

    #[test]
    fn missing_program_is_named_with_its_installation() {
        let found = missing_program(("no-such-program", &[], "https://example.org/")).unwrap();
        assert_eq!(found, "no-such-program does not work; https://example.org/");
        assert_eq!(missing_program(GIT), None);
    }

    #[test]
    fn low_limits_are_named_with_the_command_that_raises_them() {
        let found = inotify(|name| {
            Some(if name.ends_with("watches") { "8192\n" } else { "512" }.to_owned())
        });
        assert_eq!(found.len(), 1);
        assert!(
            found[0].contains("sudo sysctl --write fs.inotify.max_user_watches=524288"),
            "{}",
            found[0]
        );
        assert!(inotify(|_| None).is_empty());
    }

    #[test]
    fn used_ports_and_unreachable_registries_are_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert!(taken(address.port()).unwrap().contains("stop the process"));
        assert_eq!(unreachable_registry(&address.to_string()), None);
        drop(listener);
        assert_eq!(taken(address.port()), None);
        assert!(unreachable_registry(&address.to_string()).unwrap().contains("no connection"));
        assert_eq!(available_bytes("MemTotal: 9 kB\nMemAvailable:    2048 kB\n"), Some(2 << 20));
    }
}
