//! Sends a rating to a producer and classifies the response.

use std::time::Duration;

use serde::Deserialize;

use super::ledger::RecordLocation;

/// Request timeout of a client: longer than a producer waits for the broker.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(6);

/// The outcome of one request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SendOutcome {
    /// 201: the rating is in the log. A naive producer does not know where.
    Acknowledged(Option<RecordLocation>),
    /// No response, or an incomplete one.
    NoResponse,
    /// 503
    Unavailable,
    /// 504
    Unknown,
    /// Any other 5xx.
    ServerError,
    /// A valid rating was rejected.
    Rejected(String),
}

#[derive(Deserialize)]
struct Created {
    id: String,
    partition: Option<i32>,
    offset: Option<i64>,
}

/// An HTTP client of a producer.
pub(crate) struct Client {
    agent: ureq::Agent,
}

impl Client {
    pub(crate) fn new() -> Self {
        let config = ureq::Agent::config_builder();
        let config = config.timeout_global(Some(REQUEST_TIMEOUT)).http_status_as_error(false);
        Self { agent: config.build().into() }
    }

    /// Sends a rating once.
    pub(crate) fn send(&self, url: &str, id: &str, rating: &str) -> SendOutcome {
        let request = self.agent.post(url).header("content-type", "application/json");
        let Ok(mut response) = request.send(rating) else { return SendOutcome::NoResponse };
        let status = response.status().as_u16();
        let Ok(body) = response.body_mut().read_to_string() else {
            return SendOutcome::NoResponse;
        };
        classify(status, &body, id)
    }
}

/// The outcome according to a response.
fn classify(status: u16, body: &str, id: &str) -> SendOutcome {
    match status {
        201 => match serde_json::from_str::<Created>(body) {
            Ok(created) if created.id == id => {
                let location = created.partition.zip(created.offset);
                let location =
                    location.map(|(partition, offset)| RecordLocation { partition, offset });
                SendOutcome::Acknowledged(location)
            }
            _ => SendOutcome::Rejected(format!("201 with {body:?}")),
        },
        503 => SendOutcome::Unavailable,
        504 => SendOutcome::Unknown,
        500..=599 => SendOutcome::ServerError,
        // Request timeout: the producer may have been frozen while the request arrived.
        408 => SendOutcome::NoResponse,
        _ => SendOutcome::Rejected(format!("{status} with {body:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_are_classified() {
        let created = r#"{"id":"a","partition":3,"offset":9}"#;
        let location = RecordLocation { partition: 3, offset: 9 };
        assert_eq!(classify(201, created, "a"), SendOutcome::Acknowledged(Some(location)));
        let naive = r#"{"id":"a","partition":null,"offset":null}"#;
        assert_eq!(classify(201, naive, "a"), SendOutcome::Acknowledged(None));
        assert!(matches!(classify(201, created, "b"), SendOutcome::Rejected(_)));
        assert!(matches!(classify(201, "", "a"), SendOutcome::Rejected(_)));
        assert!(matches!(classify(422, "{}", "a"), SendOutcome::Rejected(_)));
        assert_eq!(classify(503, "", "a"), SendOutcome::Unavailable);
        assert_eq!(classify(504, "", "a"), SendOutcome::Unknown);
        assert_eq!(classify(502, "", "a"), SendOutcome::ServerError);
        assert_eq!(classify(408, "", "a"), SendOutcome::NoResponse);
    }
}
