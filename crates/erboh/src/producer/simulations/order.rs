//! Order: what a simulation is asked to do, checked.

use std::time::Duration;

use serde_json::{Map, Number, Value};
use utoipa::ToSchema;

use super::limits::{COUNT_MAX, DURATION_MAX, RESEARCHERS_MAX};
use super::rate::Rate;

/// What a simulation is asked to do: `count` ratings, or as many as are due in `duration_ms`, or
/// without both of them until it is stopped.
#[derive(Debug, Clone, PartialEq, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SimulationOrder, example = json!({"count": 1000, "rate": 100}))]
pub struct Order {
    /// Ratings to send, if it is to end by their number. Not together with `duration_ms`.
    #[schema(nullable = false, minimum = 1, maximum = 1_000_000_000)]
    pub count: Option<u64>,
    /// Time in ms, if it is to end by time. Not together with `count`.
    #[schema(nullable = false, minimum = 1, maximum = 86_400_000)]
    pub duration_ms: Option<u64>,
    /// Ratings per second, in thousandths.
    #[schema(value_type = f64, minimum = 0.1, maximum = 200_000)]
    pub rate: Rate,
    /// What the ratings are drawn from: the same seed and the same researchers give the same
    /// ratings. Each rating has an id of its own all the same. Without one it is drawn, and answered.
    #[schema(
        nullable = false,
        minimum = 0,
        maximum = 18_446_744_073_709_551_615_u64,
        format = "uint64"
    )]
    pub seed: Option<u64>,
    /// Researchers who sign as "researcher 1" and so on, in turns; without, all sign as "simulated".
    #[schema(nullable = false, minimum = 1, maximum = 1_000_000)]
    pub researchers: Option<u32>,
}

/// Why something is no order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Invalid {
    /// The field at fault; `value` for the whole. May be a name that came from outside.
    pub field: String,
    /// What is wrong with it, to be read after the name of the field.
    pub reason: String,
}

impl Invalid {
    pub(super) fn new(field: &str, reason: impl Into<String>) -> Self {
        Self { field: field.to_owned(), reason: reason.into() }
    }
}

impl Order {
    /// An endless order at this rate.
    #[must_use]
    pub fn until_stopped(rate: Rate) -> Self {
        Self { count: None, duration_ms: None, rate, seed: None, researchers: None }
    }

    /// Reads a JSON object. Fields that are not known are an error: a mistyped `duration` would
    /// otherwise start a simulation without an end.
    ///
    /// # Errors
    /// Names the first field that is wrong.
    pub fn from_json(value: Value) -> Result<Self, Invalid> {
        let mut fields = Fields::new(value)?;
        let order = Self {
            count: fields.whole("count", 1, COUNT_MAX)?,
            duration_ms: fields.whole("duration_ms", 1, DURATION_MAX.as_millis() as u64)?,
            rate: fields.rate()?,
            seed: fields.whole("seed", 0, u64::MAX)?,
            researchers: fields
                .whole("researchers", 1, RESEARCHERS_MAX.into())?
                .map(|researchers| researchers as u32),
        };
        fields.end("count, duration_ms, rate, seed and researchers")?;
        // Two ends would leave open which one is meant.
        if order.count.is_some() && order.duration_ms.is_some() {
            let reason = "cannot be given together with count: a simulation ends by one of them";
            return Err(Invalid::new("duration_ms", reason));
        }
        Ok(order)
    }

    pub(super) fn duration(&self) -> Option<Duration> {
        self.duration_ms.map(Duration::from_millis)
    }
}

/// The new speed of a simulation that runs.
#[derive(Debug, Clone, Copy, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SimulationChange, example = json!({"rate": 250}))]
pub(super) struct Change {
    /// Ratings per second, in thousandths.
    #[schema(value_type = f64, minimum = 0.1, maximum = 200_000)]
    pub(super) rate: Rate,
}

impl Change {
    /// Reads a JSON object; strictly, as [`Order::from_json`].
    pub(super) fn from_json(value: Value) -> Result<Self, Invalid> {
        let mut fields = Fields::new(value)?;
        let change = Self { rate: fields.rate()? };
        fields.end("rate")?;
        Ok(change)
    }
}

/// The fields of an object that have not been read yet.
struct Fields(Map<String, Value>);

impl Fields {
    fn new(value: Value) -> Result<Self, Invalid> {
        match value {
            Value::Object(fields) => Ok(Self(fields)),
            _ => Err(Invalid::new("value", "is not a JSON object")),
        }
    }

    fn rate(&mut self) -> Result<Rate, Invalid> {
        let value = self.0.remove("rate").ok_or_else(|| Invalid::new("rate", "is missing"))?;
        let rate = value.as_f64().and_then(Rate::new);
        rate.ok_or_else(|| Invalid::new("rate", Rate::expected()))
    }

    fn whole(&mut self, field: &str, min: u64, max: u64) -> Result<Option<u64>, Invalid> {
        let Some(value) = self.0.remove(field) else { return Ok(None) };
        let number = value.as_number().and_then(whole).filter(|n| (min..=max).contains(n));
        number.map(Some).ok_or_else(|| Invalid::new(field, expected(min, max)))
    }

    /// Nothing may be left.
    fn end(self, known: &str) -> Result<(), Invalid> {
        match self.0.into_iter().next() {
            Some((field, _)) => {
                Err(Invalid { field, reason: format!("is not known here; the fields are {known}") })
            }
            None => Ok(()),
        }
    }
}

/// What is said about a number that is not between these two.
pub(super) fn expected(min: u64, max: u64) -> String {
    format!("must be a whole number from {min} to {max}")
}

/// A number that is whole, also when it is written as `5.0` or `5e0`.
fn whole(number: &Number) -> Option<u64> {
    /// Up to here, floating point numbers are exact.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let float = || number.as_f64().filter(|n| n.fract() == 0.0 && (0.0..=EXACT).contains(n));
    number.as_u64().or_else(|| float().map(|n| n as u64))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_order_is_read_strictly() {
        let read = Order::from_json(json!({"count": 5.0, "rate": 0.5, "seed": u64::MAX}));
        let rate = Rate::new(0.5).unwrap();
        let expected = Order { count: Some(5), seed: Some(u64::MAX), ..Order::until_stopped(rate) };
        assert_eq!(read, Ok(expected));

        let check = |value: Value, field: &str, reason: &str| {
            let invalid = Order::from_json(value.clone()).unwrap_err();
            assert_eq!(invalid.field, field, "{value}");
            assert!(invalid.reason.contains(reason), "{value}: {invalid}");
        };
        check(json!([1]), "value", "not a JSON object");
        check(json!({}), "rate", "is missing");
        check(json!({"rate": "5"}), "rate", "from 0.1 to 200000");
        check(json!({"rate": 0}), "rate", "from 0.1 to 200000");
        check(json!({"rate": 200_001}), "rate", "from 0.1 to 200000");
        check(json!({"rate": 1, "count": 0}), "count", "from 1 to 1000000000");
        check(json!({"rate": 1, "count": 1.5}), "count", "whole number");
        check(json!({"rate": 1, "count": null}), "count", "whole number");
        check(json!({"rate": 1, "count": 1, "duration_ms": 1}), "duration_ms", "together with");
        check(json!({"rate": 1, "duration_ms": 86_400_001}), "duration_ms", "to 86400000");
        check(json!({"rate": 1, "seed": -1}), "seed", "from 0");
        check(json!({"rate": 1, "seed": 1e300}), "seed", "from 0");
        check(json!({"rate": 1, "researchers": 1_000_001}), "researchers", "from 1 to 1000000");
        check(json!({"rate": 1, "duration": 1}), "duration", "the fields are count, duration_ms");
    }

    /// The document says the same limits as the code; attributes take only literals.
    #[test]
    fn the_schema_has_the_limits_of_the_code() {
        use utoipa::PartialSchema as _;
        let schema = serde_json::to_value(Order::schema()).unwrap();
        let of = |field: &str| &schema["properties"][field];
        assert_eq!(of("count")["maximum"], json!(COUNT_MAX));
        assert_eq!(of("duration_ms")["maximum"], json!(DURATION_MAX.as_millis() as u64));
        assert_eq!(of("researchers")["maximum"], json!(RESEARCHERS_MAX));
        assert_eq!(of("rate")["minimum"], json!(super::super::limits::RATE_MIN));
        assert_eq!(of("rate")["maximum"].as_f64(), Some(super::super::limits::RATE_MAX));
        assert_eq!(schema["required"], json!(["rate"]));
        assert_eq!(schema["additionalProperties"], json!(false));
    }
}
