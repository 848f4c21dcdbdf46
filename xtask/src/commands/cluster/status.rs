//! `cargo xtask cluster status`: what is Ready, what it waits for, and why.

use super::objects;
use super::options::Options;
use super::ready::obstacles;
use crate::Outcome;

pub(super) fn run(options: &Options) -> Outcome {
    let objects = objects::read(&options.target)?;
    for object in &objects {
        match object.trouble(&objects) {
            None => println!("ready  {}", object.title()),
            Some(why) => println!("WAITS  {}\n         {why}", object.title()),
        }
    }
    if objects.iter().all(|object| object.kind != "Kustomization") {
        return Err("nothing of deploy/ is in this cluster; `cargo xtask cluster up` brings it \
                    there"
            .to_owned());
    }
    let left = obstacles(&objects);
    let Some(first) = left.first() else {
        println!("\nall {} are Ready", objects.len());
        return Ok(());
    };
    Err(format!("{} of {} are not Ready; first in the way: {first}", left.len(), objects.len()))
}
