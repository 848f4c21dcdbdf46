//! `cargo xtask cluster up`: installs everything on a new or existing cluster, with one line per
//! step.

use super::options::Options;
use super::plan;
use super::step::{run_all, script};
use super::{image, preflight};
use crate::Outcome;

/// The output of the commands.
const LOG: &str = "target/cluster/up.log";

pub(super) fn run(options: &Options) -> Outcome {
    let tag = if options.image.is_some() { String::new() } else { image::tag()? };
    let steps = plan::up(options, &tag);
    if options.print {
        print!("{}", script(&steps, &options.target));
        return Ok(());
    }
    preflight::check(options)?;
    println!("the output of the commands goes to {LOG}; --print shows the commands\n");
    run_all(&steps, &options.target, LOG)?;
    println!("\n{}", guide(options));
    Ok(())
}

/// The addresses of the services, and commands to try next.
fn guide(options: &Options) -> String {
    let kubectl = options.target.line("kubectl");
    let own = |verb: &str| options.target.own_line(verb);
    let ports = if options.target.is_own() {
        String::new()
    } else {
        "These are node ports 30080, 30081 and 32100; forward them to 127.0.0.1 of this machine.\n"
            .to_owned()
    };
    format!(
        "rate           http://127.0.0.1:30080/\n\
         the board      http://127.0.0.1:30081/\n\
         Kafka          127.0.0.1:32100\n\
         {ports}\n\
         Try next:\n\
         \x20 cargo run --release -- smoke --brokers 127.0.0.1:32100\n\
         \x20 {kubectl} --namespace appdev delete pod --selector app.kubernetes.io/component=consumer\n\
         \x20 {}\n\
         \x20 {}\n\
         \x20 {}",
        own("status"),
        own("e2e"),
        own("down"),
    )
}
