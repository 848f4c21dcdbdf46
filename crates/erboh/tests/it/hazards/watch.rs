//! Watch: somebody who looks at one consumer all the time. Whatever happens, its board must not go
//! back; and where nothing should move, it must keep what it has.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use super::roles::Role;
use crate::load::{agent, get};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(25);

/// A board that stands still does not answer; it is asked again before long.
const ANSWER_WAIT: Duration = Duration::from_secs(2);

/// Somebody who looks at one board all the time.
pub(crate) struct Watch {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<usize>>,
}

impl Watch {
    /// Looks at the board of a consumer from now on.
    pub(crate) fn board(role: &Role) -> Self {
        let url = role.url.clone();
        Self::start(move |over| look(&url, over))
    }

    fn start(look: impl FnOnce(&AtomicBool) -> usize + Send + 'static) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&over);
        let thread = std::thread::spawn(move || look(&end));
        Self { over, thread: Some(thread) }
    }

    /// Ends it. Fails if the board has gone back or raised the alarm, or was never seen.
    #[track_caller]
    pub(crate) fn end(mut self) {
        self.over.store(true, Ordering::Relaxed);
        let seen = self.thread.take().unwrap().join().expect("what was seen is as it must be");
        assert!(seen > 0, "nobody has seen anything");
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// Somebody who looks at the partitions that a consumer counts.
pub(crate) struct Keeper(Watch);

impl Keeper {
    /// From now on the consumer must count what it counts now, all the time.
    pub(crate) fn of(role: &Role) -> Self {
        let url = format!("{}api/v1/partitions", role.url);
        let keep = move |over: &AtomicBool| {
            let (agent, mut first, mut seen) = (agent(), None, 0);
            while !over.load(Ordering::Relaxed) {
                let mut view = get(&agent, &url).unwrap();
                let rows = view["partitions"].as_array_mut().unwrap().iter_mut();
                let states: Vec<Value> = rows.map(|row| row["state"].take()).collect();
                assert_eq!(*first.get_or_insert_with(|| states.clone()), states, "{url}");
                seen += 1;
                std::thread::sleep(PAUSE);
            }
            seen
        };
        Self(Watch::start(keep))
    }

    /// Ends it. Fails if anything has moved.
    #[track_caller]
    pub(crate) fn end(self) {
        self.0.end();
    }
}

/// Looks until it is over; answers how often there was something to see.
fn look(url: &str, over: &AtomicBool) -> usize {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().timeout_global(Some(ANSWER_WAIT)).build().into();
    let (mut totals_before, mut partitions_before, mut seen) = (Value::Null, Value::Null, 0);
    while !over.load(Ordering::Relaxed) {
        if let Some(totals) = get(&agent, &format!("{url}api/v1/totals")) {
            demand_no_less(&totals_before["counted"], &totals["counted"], url);
            demand_no_less(&totals_before["duplicates"], &totals["duplicates"], url);
            for (partition, before) in totals_before["position"].as_object().into_iter().flatten() {
                demand_no_less(before, &totals["position"][partition], url);
            }
            totals_before = totals;
            seen += 1;
        }
        if let Some(view) = get(&agent, &format!("{url}api/v1/partitions")) {
            assert_eq!(view["alarm"], Value::Null, "{url}");
            let rows = partitions_before["partitions"].as_array().into_iter().flatten();
            for before in rows {
                let now = view["partitions"].as_array().into_iter().flatten();
                let now = now.clone().find(|now| now["partition"] == before["partition"]);
                let now = now.unwrap_or_else(|| panic!("{url} has lost {before}: {view}"));
                demand_no_less(&before["position"], &now["position"], url);
            }
            partitions_before = view;
        }
        std::thread::sleep(PAUSE);
    }
    seen
}

fn demand_no_less(before: &Value, now: &Value, url: &str) {
    let before = before.as_i64().unwrap_or(0);
    let now = now.as_i64().unwrap_or_else(|| panic!("{url} does not show it any more: {before}"));
    assert!(now >= before, "{url} went back from {before} to {now}");
}
