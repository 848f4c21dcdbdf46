//! The demo is killed in the middle of load, several times, and the totals are still exact.

use std::path::Path;
use std::time::Duration;

use crate::load::{Acknowledged, Load, agent, get};
use crate::process::{ANY_PORT, Process};
use crate::support::wait::eventually;

const WRITERS: usize = 4;
/// Acknowledgements to wait for before each kill: early, so that a start is hit that has just
/// taken over, and late, so that snapshots stand on the topic.
const ACKNOWLEDGED_BEFORE_KILL: [usize; 5] = [400, 1, 50, 1000, 200];

/// A running demo, and where it is, as it has said.
struct Demo {
    process: Process,
    producer: String,
    board: String,
}

impl Demo {
    fn start(home: &Path) -> Self {
        let mut process = Process::demo(home, &ANY_PORT);
        let mut places = process.places().into_iter().map(|(_, place)| place);
        let (producer, board) = (places.next().unwrap(), places.next().unwrap());
        Self { process, producer, board }
    }

    /// The totals after everything acknowledged has been passed must be exactly that.
    #[track_caller]
    fn check(&self, wanted: &Acknowledged) {
        let (agent, url) = (agent(), format!("{}api/v1/totals", self.board));
        let totals = eventually("the board passes every acknowledged offset", || {
            get(&agent, &url).filter(|totals| wanted.is_in(totals))
        });
        wanted.check(&totals);
    }
}

#[test]
fn kill_9_in_the_middle_of_load_costs_no_rating_and_counts_none_twice() {
    let data = tempfile::tempdir().unwrap();
    let mut demo = Demo::start(data.path());
    let load = Load::new(&[&demo.producer], Duration::ZERO);
    let demo = load.during(WRITERS, || {
        for more in ACKNOWLEDGED_BEFORE_KILL {
            load.wait_for(more);
            demo.process.kill();
            demo = Demo::start(data.path());
            load.redirect(&[&demo.producer]);
        }
        load.wait_for(100);
        demo
    });
    let acknowledged = load.acknowledged();
    assert!(acknowledged.retries > 0, "no kill hit a request in flight");
    demo.check(&acknowledged);

    // And once more with nothing going on: what the board says is what the data says.
    demo.process.kill();
    let demo = Demo::start(data.path());
    demo.check(&acknowledged);
}
