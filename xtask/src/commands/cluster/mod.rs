//! `cargo xtask cluster`: Kafka and both services on Kubernetes.
//!
//! ```text
//!  up ──► preflight ──► plan: kind, registry, image, chart, Flux, push ──► wait until everything is Ready
//!  status ──► objects: what is Ready, and why the rest is not
//!  e2e ──► trials cluster, under load
//!  down ──► plan: in an order in which no namespace gets stuck
//! ```
//!
//! Each step is a command line, run by `sh` and printed by `--print`, from one definition.

mod down;
mod e2e;
mod image;
mod objects;
mod options;
mod plan;
mod preflight;
mod ready;
mod root;
mod status;
mod step;
mod target;
mod up;

use super::Command;
use crate::Outcome;
use options::Options;

pub(crate) const COMMAND: Command = Command {
    name: "cluster",
    summary: "Kafka and erboh on Kubernetes: up, status, e2e, down (`cluster help` lists the options)",
    run,
};

const USAGE: &str = "\
Usage: cargo xtask cluster <up|status|e2e|down> [options]

  up       create a kind cluster, build and push, install Flux, wait until everything is Ready
             --profile local|scale    local: one Kafka node; scale: three, and KEDA (default local)
             --image REF              use an existing image instead of building one
  status   show what is Ready, and why the rest is not; fails unless everything is
  e2e      run the scenario under load: scaling, updates, faults, audit (`e2e --help` lists its options)
  down     remove everything
             --flux                   uninstall Flux too, from an existing cluster

for all commands:
  --kubeconfig PATH, --context NAME   use an existing cluster; none is created or deleted
for up and e2e:
  --registry HOST:PORT                a registry with plain HTTP, as reached from this machine
  --registry-inside HOST:PORT         the same registry as reached from pods (default: as --registry)
for up and down:
  --print                             print all commands instead of running them
";

fn run(arguments: &[String]) -> Outcome {
    let Some((verb, rest)) = arguments.split_first() else {
        return Err("`cluster` needs up, status, e2e or down; see `cluster help`".to_owned());
    };
    match verb.as_str() {
        "up" => up::run(&Options::parse("up", rest)?),
        "status" => status::run(&Options::parse("status", rest)?),
        "down" => down::run(&Options::parse("down", rest)?),
        "e2e" => e2e::run(rest),
        "help" | "-h" | "--help" => {
            print!("{USAGE}");
            Ok(())
        }
        other => Err(format!(
            "`cluster` takes up, status, e2e or down, not `{other}`; see `cluster help`"
        )),
    }
}
