//! Rate: ratings per second, in thousandths, so that a schedule can be kept in whole numbers.

use std::fmt;

use serde::{Serialize, Serializer};

use super::limits::{RATE_MAX, RATE_MIN};
use crate::web::grouped;

/// Ratings per second, from [`RATE_MIN`] to [`RATE_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate(u64);

impl Rate {
    /// [`RATE_MIN`], for patterns of what is to be filled in.
    pub(super) const SLOWEST: Self = Self(100);

    /// The rate, rounded to thousandths; none if it is no number within the limits.
    #[must_use]
    pub fn new(per_s: f64) -> Option<Self> {
        (RATE_MIN..=RATE_MAX).contains(&per_s).then(|| Self((per_s * 1_000.0).round() as u64))
    }

    /// The rate in thousandths of a rating per second; never 0.
    pub(super) fn thousandths(self) -> u64 {
        self.0
    }

    /// The rate in ratings per second.
    #[must_use]
    pub fn per_s(self) -> f64 {
        self.0 as f64 / 1_000.0
    }

    /// The rate as pages show it: `1,000`, `0.5`.
    pub(super) fn grouped(self) -> String {
        let text = self.to_string();
        let whole = grouped(self.0 / 1_000);
        text.split_once('.').map_or(whole.clone(), |(_, rest)| format!("{whole}.{rest}"))
    }

    /// What is said about a number that is not a rate.
    #[must_use]
    pub fn expected() -> String {
        format!("must be a number from {RATE_MIN} to {RATE_MAX} (ratings per second)")
    }
}

/// As a person writes it: `1000`, `0.5`.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.per_s().fmt(f)
    }
}

/// A whole number where it is one.
impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_multiple_of(1_000) {
            serializer.serialize_u64(self.0 / 1_000)
        } else {
            serializer.serialize_f64(self.per_s())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_within_its_limits() {
        let check = |per_s: f64, expected: Option<&str>| {
            let text = Rate::new(per_s).map(|rate| serde_json::to_string(&rate).expect("a number"));
            assert_eq!(text.as_deref(), expected, "{per_s}");
        };
        check(0.1, Some("0.1"));
        check(0.099, None);
        check(1_000.0, Some("1000"));
        check(12.3456, Some("12.346"));
        check(RATE_MAX, Some("200000"));
        check(RATE_MAX + 0.001, None);
        check(f64::NAN, None);
        check(-1.0, None);
    }

    #[test]
    fn a_rate_is_shown_with_its_thousands_set_apart() {
        let check = |per_s, text| assert_eq!(Rate::new(per_s).unwrap().grouped(), text);
        check(1_234.5, "1,234.5");
        check(200_000.0, "200,000");
        check(0.1, "0.1");
        assert_eq!(Rate::new(RATE_MIN), Some(Rate::SLOWEST));
    }
}
