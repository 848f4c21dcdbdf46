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
    let left = obstacles(&objects);
    match left.first() {
        None => {
            println!("\nall {} are Ready", objects.len());
            Ok(())
        }
        Some(first) => {
            let count = left.len();
            Err(format!("{count} of {} are not Ready; first in the way: {first}", objects.len()))
        }
    }
}
