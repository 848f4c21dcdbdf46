//! Every limit of the simulations, each with its reason.

use std::time::Duration;

/// The slowest rate, in ratings per second: one in ten seconds, below which nothing seems to happen.
pub const RATE_MIN: f64 = 0.1;

/// The fastest rate, in ratings per second: more than the service reaches on a large machine, so
/// that its limit is found by trying and not by this number.
pub const RATE_MAX: f64 = 200_000.0;

/// Most ratings of one simulation: two weeks at 800 a second. It bounds what a slip of the pen
/// puts on a topic.
pub const COUNT_MAX: u64 = 1_000_000_000;

/// The longest time of one simulation with an end.
pub const DURATION_MAX: Duration = Duration::from_hours(24);

/// Most researchers with names of their own. They are only a number, so this bounds what whoever
/// groups ratings by their raters has to hold.
pub const RESEARCHERS_MAX: u32 = 1_000_000;

/// Simulations that run at once. Each holds up to [`IN_FLIGHT`] batches.
pub const RUNNING_MAX: usize = 8;

/// Simulations that are remembered, those that run included; the oldest that has ended goes first.
pub const KEPT_MAX: usize = 32;

/// Forms that are remembered as sent after their simulation has been forgotten: enough for a
/// double click or a reload, whatever happened in between.
pub const KEYS_MAX: usize = 1024;

/// Time between two looks at the schedule. At 100 ratings a second and less every rating goes at
/// its moment; above that batches form, which cost the queue less than single ratings.
pub const TICK: Duration = Duration::from_millis(10);

/// What a stall may have kept back and is made good. Long enough for a pause of the machine, short
/// enough that nobody would call it a burst.
pub const CATCH_UP: Duration = Duration::from_millis(250);

/// Ratings in one batch. Half a megabyte, so that several simulations get their turns.
pub const BATCH_RATINGS: u64 = 2_500;

/// Batches of one simulation that wait for their acknowledgement. At the fastest rate and 2,000
/// ratings a tick it covers 160 ms, which is several times what a cluster takes.
pub const IN_FLIGHT: u32 = 16;

/// Pause after the queue has taken nothing: the first one, then each twice as long as the one
/// before, up to [`PAUSE_MAX`].
pub const PAUSE_MIN: Duration = Duration::from_millis(250);

/// The longest pause; also how soon after an outage a simulation goes on at the latest.
pub const PAUSE_MAX: Duration = Duration::from_secs(2);

/// Time that the chart shows, in seconds.
pub const HISTORY_S: usize = 300;

/// Shortest time between two events with the history: it changes once a second.
pub const HISTORY_INTERVAL: Duration = Duration::from_secs(1);

/// How often a simulation that was started with the process says in the log what it did.
pub const REPORT_INTERVAL: Duration = Duration::from_mins(1);

/// Pause before a simulation that was started with the process is started again after it failed.
pub const RESTART_PAUSE: Duration = Duration::from_secs(5);
