//! `cargo xtask cluster status`: what is Ready, and why the rest is not.

use super::objects;
use super::options::Options;
use super::ready::obstacles;
use crate::Outcome;

pub(super) fn run(options: &Options) -> Outcome {
    let objects = objects::read(&options.target)?;
    for object in &objects {
        match object.problem(&objects) {
            None => println!("Ready     {}", object.title()),
            Some(why) => println!("NotReady  {}\n            {why}", object.title()),
        }
    }
    if objects.iter().all(|object| object.kind != "Kustomization") {
        return Err("deploy/ is not installed in this cluster; `cargo xtask cluster up` \
                    installs it"
            .to_owned());
    }
    let left = obstacles(&objects);
    let Some(first) = left.first() else {
        println!("\nall {} are Ready", objects.len());
        return Ok(());
    };
    Err(format!("{} of {} are not Ready; first: {first}", left.len(), objects.len()))
}
