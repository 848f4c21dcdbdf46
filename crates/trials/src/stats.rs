//! Summary statistics.

use std::time::Duration;

/// The median; the lower one of an even number of values, NaN without values.
pub(crate) fn median(values: &[f64]) -> f64 {
    percentile(values, 50)
}

/// The percentile; NaN without values.
pub(crate) fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let index = sorted.len().saturating_sub(1) * percent / 100;
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

/// A duration in milliseconds.
pub(crate) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_is_robust_against_an_outlier() {
        let check = |values: &[f64], expected: &str| {
            assert_eq!(format!("{:?}", median(values)), expected);
        };
        check(&[3.0, 1.0, 900.0], "3.0");
        check(&[3.0, 1.0, 2.0, 900.0], "2.0");
        check(&[], "NaN");
    }

    #[test]
    fn percentiles_of_sorted_values() {
        let values: Vec<f64> = (1..=101).rev().map(f64::from).collect();
        let found = [0, 50, 99, 100].map(|percent| percentile(&values, percent));
        assert_eq!(format!("{found:?}"), "[1.0, 51.0, 100.0, 101.0]");
    }
}
