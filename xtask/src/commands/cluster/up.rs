//! `cargo xtask cluster up`: from nothing to a page that counts, with one line for each step.

use super::options::Options;
use super::plan;
use super::step::{script, take_all};
use super::{image, preflight};
use crate::Outcome;

/// Where everything that the commands say goes.
const LOG: &str = "target/cluster/up.log";

pub(super) fn run(options: &Options) -> Outcome {
    let tag = if options.image.is_some() { String::new() } else { image::tag()? };
    let steps = plan::up(options, &tag);
    if options.print {
        print!("{}", script(&steps, &options.target));
        return Ok(());
    }
    preflight::check(options)?;
    println!("what the commands say goes to {LOG}; --print shows them\n");
    take_all(&steps, &options.target, LOG)?;
    println!("\n{}", guide(options));
    Ok(())
}

/// What there is now, and what to do with it.
fn guide(options: &Options) -> String {
    let kubectl = options.target.line("kubectl");
    let own = |verb: &str| options.target.own_line(verb);
    let ports = if options.target.is_own() {
        String::new()
    } else {
        "These are node ports 30080, 30081 and 32100; lead them to this machine's 127.0.0.1.\n"
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
