//! Watch: looks at the board all the time, as somebody who opens the page anew would.

use std::time::Duration;

use super::books::Books;
use crate::ratings::totals::Totals;

/// How often the board is looked at: the resolution of what is said about it.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long a board may take to answer.
const ANSWER_WAIT: Duration = Duration::from_secs(2);

/// A client that looks at pages. Each look is a new connection, and so may meet another replica.
pub(super) struct Browser {
    agent: ureq::Agent,
    board: String,
}

impl Browser {
    pub(super) fn new(board_url: &str) -> Self {
        let config = ureq::Agent::config_builder().timeout_global(Some(ANSWER_WAIT));
        let agent = config.max_idle_connections(0).build().into();
        Self { agent, board: format!("{}/api/v1/totals", board_url.trim_end_matches('/')) }
    }

    /// The body of an answer with status 200.
    ///
    /// # Errors
    /// When there is no such answer.
    pub(super) fn get(&self, url: &str) -> Result<String, ureq::Error> {
        self.agent.get(url).call()?.body_mut().read_to_string()
    }

    /// What the board shows.
    pub(super) fn totals(&self) -> Option<Totals> {
        Totals::parse(&self.get(&self.board).ok()?)
    }
}

/// Looks until the load has ended.
pub(super) fn watch(books: &Books, board_url: &str) {
    let browser = Browser::new(board_url);
    while !books.ends() || books.workers() > 0 {
        if let Some(totals) = browser.totals() {
            books.shown(&totals);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}
