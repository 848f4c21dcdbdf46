//! Pace: how many ratings are due by a moment, exact over any time.
//!
//! ```text
//!  credit(t) = the rate, integrated from the start to t      (a new rate changes only what follows)
//!  due by t  = credit(t), rounded up: the k-th rating (k = 0, 1, …) is due at k/rate
//! ```
//!
//! A second at 1000 ratings/s is therefore 1000 ratings, however uneven the moments are at which
//! somebody looks. What a stall has kept back is made good up to [`limits::CATCH_UP`]; the rest is
//! dropped from the schedule, because a burst would be no simulation of people. There is no clock
//! in here: whoever asks says how much time has passed since the start.

use std::time::Duration;

use super::limits;
use super::rate::Rate;

/// Credit that one rating costs: a rating/s for a second, in thousandths of a rating/s times
/// nanoseconds. In these units all of it is whole numbers, so that nothing is ever rounded away.
const RATING: u128 = 1_000 * 1_000_000_000;

/// A schedule and how much of it has been taken.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    rate: Rate,
    /// The moment up to which `credit` has been added up.
    at: Duration,
    credit: u128,
    taken: u64,
}

impl Pace {
    /// A schedule at this rate from the moment 0.
    pub(super) fn new(rate: Rate) -> Self {
        Self { rate, at: Duration::ZERO, credit: 0, taken: 0 }
    }

    /// The rate at which it goes on.
    pub(super) fn rate(&self) -> Rate {
        self.rate
    }

    /// How many ratings are due at `now` and not taken. Moments before the last one asked for
    /// count as that one.
    pub(super) fn due(&mut self, now: Duration) -> u64 {
        self.advance(now);
        let behind = self.credit.saturating_sub(u128::from(self.taken) * RATING);
        let most = (self.worth(limits::CATCH_UP)).max(RATING);
        if behind > most {
            self.credit -= behind - most;
        }
        (behind.min(most)).div_ceil(RATING) as u64
    }

    /// Notes that so many of those that were due are on their way.
    pub(super) fn take(&mut self, ratings: u64) {
        self.taken += ratings;
    }

    /// The schedule starts afresh at `now`, with one rating due: nothing is made good.
    pub(super) fn slip(&mut self, now: Duration) {
        self.advance(now);
        self.credit = self.credit.min(u128::from(self.taken) * RATING + 1);
    }

    /// Goes on at another rate from `now` on. A rating that was half due stays half due.
    pub(super) fn change(&mut self, rate: Rate, now: Duration) {
        self.advance(now);
        self.rate = rate;
    }

    /// The first moment from the last one asked for at which a rating is due.
    pub(super) fn next(&self) -> Duration {
        // One more than what the ratings taken have cost makes the next one due.
        let missing = (u128::from(self.taken) * RATING + 1).saturating_sub(self.credit);
        let nanos = missing.div_ceil(u128::from(self.rate.thousandths()));
        self.at + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn advance(&mut self, now: Duration) {
        if let Some(passed) = now.checked_sub(self.at) {
            self.credit += self.worth(passed);
            self.at = now;
        }
    }

    fn worth(&self, time: Duration) -> u128 {
        u128::from(self.rate.thousandths()) * time.as_nanos()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rate(per_s: f64) -> Rate {
        Rate::new(per_s).expect("a rate within its limits")
    }

    /// Takes all that is due at each of these moments, in ms; answers how many that is in all.
    fn taken(pace: &mut Pace, moments_ms: impl IntoIterator<Item = u64>) -> u64 {
        let take = |moment| {
            let due = pace.due(Duration::from_millis(moment));
            pace.take(due);
            due
        };
        moments_ms.into_iter().map(take).sum()
    }

    #[test]
    fn a_time_is_worth_the_rate_times_the_time() {
        let check = |per_s: f64, step_ms: usize, end_ms: u64, expected: u64| {
            let moments = (0..end_ms).step_by(step_ms).chain([end_ms]);
            assert_eq!(taken(&mut Pace::new(rate(per_s)), moments), expected, "{per_s}/s");
        };
        check(0.1, 10, 30_000, 3);
        check(1.0, 10, 10_000, 10);
        check(3.0, 7, 1_000, 3);
        check(1_000.0, 10, 60_000, 60_000);
        check(200_000.0, 13, 60_000, 12_000_000);
        check(1_234.567, 11, 100_000, 123_457);
    }

    #[test]
    fn the_first_rating_is_due_at_once_and_the_next_when_its_time_has_come() {
        let mut pace = Pace::new(rate(0.5));
        assert_eq!(pace.due(Duration::ZERO), 0);
        assert_eq!(pace.next(), Duration::from_nanos(1));
        assert_eq!(taken(&mut pace, [1, 1_999, 2_000]), 1);
        assert_eq!(pace.next(), Duration::from_secs(2) + Duration::from_nanos(1));
        assert_eq!(taken(&mut pace, [2_001]), 1);
    }

    #[test]
    fn a_stall_is_no_burst() {
        let mut pace = Pace::new(rate(1_000.0));
        assert_eq!(taken(&mut pace, [0, 1_000]), limits::CATCH_UP.as_millis() as u64);
        // Afterwards the schedule is what it was.
        assert_eq!(taken(&mut pace, (1_000..=2_000).step_by(10)), 1_000);
        // However slow the rate, one rating is never dropped.
        assert_eq!(taken(&mut Pace::new(rate(0.1)), [3_600_000]), 1);
    }

    #[test]
    fn after_a_slip_one_rating_is_due() {
        let mut pace = Pace::new(rate(1_000.0));
        assert_eq!(taken(&mut pace, [0, 100]), 100);
        pace.slip(Duration::from_millis(300));
        assert_eq!(taken(&mut pace, [300]), 1);
        assert_eq!(taken(&mut pace, [310]), 10);
    }

    #[test]
    fn a_new_rate_changes_only_what_follows() {
        let mut pace = Pace::new(rate(100.0));
        assert_eq!(taken(&mut pace, (0..=1_000).step_by(10)), 100);
        pace.change(rate(10.0), Duration::from_secs(1));
        assert_eq!(taken(&mut pace, (1_000..=3_000).step_by(10)), 20);
        // The old rate holds up to the change, also when nobody has looked just before.
        let mut pace = Pace::new(rate(10.0));
        pace.change(rate(100.0), Duration::from_millis(200));
        assert_eq!(taken(&mut pace, [200]), 2);
        assert_eq!(taken(&mut pace, [300]), 10);
        // Whoever moves a slider to and fro gets nothing for it.
        let mut pace = Pace::new(rate(0.1));
        assert_eq!(taken(&mut pace, [1]), 1);
        for moment in 2..9_999 {
            pace.change(
                rate(if moment % 2 == 0 { 0.1 } else { 0.2 }),
                Duration::from_millis(moment),
            );
            assert_eq!(pace.due(Duration::from_millis(moment)), u64::from(moment > 6_667));
        }
    }

    proptest! {
        /// Whoever looks often enough gets what the whole time is worth, whenever that is.
        #[test]
        fn nothing_is_lost_between_two_looks(
            thousandths in 100_u64..=200_000_000,
            steps_us in prop::collection::vec(1_u64..200_000, 1..200),
        ) {
            let mut pace = Pace::new(rate(thousandths as f64 / 1_000.0));
            let (mut now, mut all) = (Duration::ZERO, 0);
            for step in steps_us {
                now += Duration::from_micros(step);
                let due = pace.due(now);
                pace.take(due);
                all += due;
                prop_assert_eq!(pace.due(now), 0);
                prop_assert!(pace.next() > now);
            }
            let exact = (u128::from(thousandths) * now.as_nanos()).div_ceil(RATING);
            prop_assert_eq!(u128::from(all), exact);
        }

        /// At the moment that is called the next one, something is due, and not a nanosecond before.
        #[test]
        fn the_next_moment_is_the_first(thousandths in 100_u64..=200_000_000, look_ns in 1_u64..u64::MAX >> 20) {
            let mut pace = Pace::new(rate(thousandths as f64 / 1_000.0));
            let due = pace.due(Duration::from_nanos(look_ns));
            pace.take(due);
            let next = pace.next();
            prop_assert_eq!(pace.clone().due(next.checked_sub(Duration::from_nanos(1)).unwrap()), 0);
            prop_assert!(pace.due(next) > 0);
        }
    }
}
