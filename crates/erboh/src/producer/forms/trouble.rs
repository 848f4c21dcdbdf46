//! What went wrong with the queue, in words for people: what, why, and what to do now.

use crate::producer::intake::Busy;
use crate::queue::SendError;

/// One thing that went wrong.
#[derive(Debug)]
pub(in crate::producer) struct Trouble {
    pub(in crate::producer) title: &'static str,
    pub(in crate::producer) cause: String,
    pub(in crate::producer) way_out: &'static str,
}

impl Trouble {
    /// For a page that shows several ratings, of which `error` is the worst.
    pub(in crate::producer) fn of_hit(error: &SendError) -> Self {
        let way_out = match error {
            SendError::Unavailable(_) => {
                "Nothing was sent that is not shown with an offset. Start the broker or wait until \
                 it is back, then reload this page."
            }
            SendError::Unknown(_) => {
                "What is marked as unknown may or may not be on the queue; the board shows what \
                 has arrived."
            }
            SendError::TooLarge | SendError::Refused(_) => ASK_THE_OPERATOR,
        };
        Self::new(error, way_out)
    }

    /// For the form, whose rating keeps its id.
    pub(in crate::producer) fn of_form(error: &SendError) -> Self {
        let way_out = match error {
            SendError::Unavailable(_) => {
                "Your rating was not sent. All that you entered is still here: try again when the \
                 broker is back."
            }
            SendError::Unknown(_) => {
                "Your rating may or may not be on the queue. Try again: it will be counted once, \
                 not twice."
            }
            SendError::TooLarge | SendError::Refused(_) => ASK_THE_OPERATOR,
        };
        Self::new(error, way_out)
    }

    /// For the form, when the producer has as much on its way as it may.
    pub(in crate::producer) fn busy(busy: Busy) -> Self {
        Self {
            title: "Too many ratings at once",
            cause: format!("{busy}."),
            way_out: "Your rating was not sent. All that you entered is still here: try again in \
                      a moment.",
        }
    }

    /// For the form, when its id belongs to what it was before somebody changed it.
    pub(in crate::producer) fn changed() -> Self {
        Self {
            title: "You have sent this form before",
            cause: "It was another rating then, and what is on the queue cannot be changed."
                .to_owned(),
            way_out: "If you want this one to count as well, send it now.",
        }
    }

    fn new(error: &SendError, way_out: &'static str) -> Self {
        let (title, cause) = match error {
            SendError::Unavailable(cause) => ("The queue is out of reach", cause.to_string()),
            SendError::Unknown(cause) => {
                ("The queue did not say what became of it", cause.to_string())
            }
            SendError::TooLarge | SendError::Refused(_) => {
                ("The queue refused what was sent", error.to_string())
            }
        };
        Self { title, cause, way_out }
    }
}

const ASK_THE_OPERATOR: &str = "Whoever runs the cluster can tell why; the topic's settings are \
                                the first place to look.";
