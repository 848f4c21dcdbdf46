//! `cargo xtask cluster`: the queue and its services on Kubernetes, from nothing to a page that counts.
//!
//! ```text
//!  up ──► preflight ──► plan: kind, registry, image, chart, Flux, push ──► wait until all is Ready
//!  status ──► objects: what is Ready, what it waits for, and why
//!  e2e ──► trials cluster, under load
//!  down ──► plan: in an order in which no namespace gets stuck
//! ```
//!
//! Each step is an ordinary command line, run by `sh` and printed by `--print`: one definition.

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
    summary: "the whole on Kubernetes: up, status, e2e, down (`cluster help` lists the options)",
    run,
};

const USAGE: &str = "\
Usage: cargo xtask cluster <up|status|e2e|down> [options]

  up       make a kind cluster, build and push, install Flux, wait until all is Ready
             --profile local|scale    local: one Kafka node; scale: three, and KEDA (default local)
             --image REF              an image that is there already: nothing is built
  status   what is Ready, what it waits for, and why; fails unless all is
  e2e      the story under load: scaling, updates, faults, audit (`e2e --help` lists its options)
  down     take everything away
             --flux                   of a cluster that is kept: Flux too

of all:
  --kubeconfig PATH, --context NAME   a cluster that is there already; none is made or deleted
of up and e2e:
  --registry HOST:PORT                a registry that speaks plain HTTP, as this machine reaches it
  --registry-inside HOST:PORT         the same registry as pods reach it (default: as --registry)
of up and down:
  --print                             print every command instead of running it
";

fn run(arguments: &[String]) -> Outcome {
    let Some((verb, rest)) = arguments.split_first() else {
        return Err("`cluster` needs up, status, e2e or down; `cluster help` explains".to_owned());
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
            "`cluster` takes up, status, e2e or down, not `{other}`; `cluster help` explains"
        )),
    }
}
