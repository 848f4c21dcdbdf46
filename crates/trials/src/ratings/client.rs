//! Client: sends one rating to a producer, and understands the answer.

use std::time::Duration;

use serde::Deserialize;

use super::ledger::Place;

/// How long a client waits for an answer: longer than a producer waits for the queue.
const ANSWER_WAIT: Duration = Duration::from_secs(6);

/// What came of one request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The rating is on the queue.
    Acknowledged(Option<Place>),
    /// No answer, or a part of one.
    Silence,
    /// 503
    Unavailable,
    /// 504
    Unknown,
    /// Another error of the server.
    Failed,
    /// The request is said to be at fault, which it is not.
    Refused(String),
}

#[derive(Deserialize)]
struct Created {
    id: String,
    partition: Option<i32>,
    offset: Option<i64>,
}

/// A client that sends ratings.
pub(crate) struct Client {
    agent: ureq::Agent,
}

impl Client {
    pub(crate) fn new() -> Self {
        let config = ureq::Agent::config_builder();
        let config = config.timeout_global(Some(ANSWER_WAIT)).http_status_as_error(false);
        Self { agent: config.build().into() }
    }

    /// Sends a rating once.
    pub(crate) fn send(&self, url: &str, id: &str, rating: &str) -> Answer {
        let request = self.agent.post(url).header("content-type", "application/json");
        let Ok(mut answer) = request.send(rating) else { return Answer::Silence };
        let status = answer.status().as_u16();
        let Ok(body) = answer.body_mut().read_to_string() else { return Answer::Silence };
        understand(status, &body, id)
    }
}

/// What an answer means.
fn understand(status: u16, body: &str, id: &str) -> Answer {
    match status {
        201 => match serde_json::from_str::<Created>(body) {
            Ok(created) if created.id == id => {
                let place = created.partition.zip(created.offset);
                let place = place.map(|(partition, offset)| Place { partition, offset });
                Answer::Acknowledged(place)
            }
            _ => Answer::Refused(format!("201 with {body:?}")),
        },
        503 => Answer::Unavailable,
        504 => Answer::Unknown,
        500..=599 => Answer::Failed,
        // The client's request took too long to arrive: it may have been frozen on the way.
        408 => Answer::Silence,
        _ => Answer::Refused(format!("{status} with {body:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_means_what_the_api_promises() {
        let created = r#"{"id":"a","partition":3,"offset":9}"#;
        let place = Place { partition: 3, offset: 9 };
        assert_eq!(understand(201, created, "a"), Answer::Acknowledged(Some(place)));
        let naive = r#"{"id":"a","partition":null,"offset":null}"#;
        assert_eq!(understand(201, naive, "a"), Answer::Acknowledged(None));
        assert!(matches!(understand(201, created, "b"), Answer::Refused(_)));
        assert!(matches!(understand(201, "", "a"), Answer::Refused(_)));
        assert!(matches!(understand(422, "{}", "a"), Answer::Refused(_)));
        assert_eq!(understand(503, "", "a"), Answer::Unavailable);
        assert_eq!(understand(504, "", "a"), Answer::Unknown);
        assert_eq!(understand(502, "", "a"), Answer::Failed);
        assert_eq!(understand(408, "", "a"), Answer::Silence);
    }
}
