//! Polls the board continuously, on a new connection each time.

use std::time::Duration;

use super::shared::Shared;
use crate::ratings::totals::Totals;

/// Poll interval of the board, and the resolution of the reported outages.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// Timeout of a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);

/// An HTTP client without connection reuse, so that each request may reach another replica.
pub(super) struct BoardClient {
    agent: ureq::Agent,
    board: String,
}

impl BoardClient {
    pub(super) fn new(board_url: &str) -> Self {
        let config = ureq::Agent::config_builder().timeout_global(Some(REQUEST_TIMEOUT));
        let agent = config.max_idle_connections(0).build().into();
        Self { agent, board: format!("{}/api/v1/totals", board_url.trim_end_matches('/')) }
    }

    /// The body of a 200 response.
    ///
    /// # Errors
    /// When there is no such response.
    pub(super) fn get(&self, url: &str) -> Result<String, ureq::Error> {
        self.agent.get(url).call()?.body_mut().read_to_string()
    }

    /// The totals of the board.
    pub(super) fn totals(&self) -> Option<Totals> {
        Totals::parse(&self.get(&self.board).ok()?)
    }
}

/// Polls until the load has stopped.
pub(super) fn watch(shared: &Shared, board_url: &str) {
    let client = BoardClient::new(board_url);
    while !shared.load_stopped() || shared.workers() > 0 {
        if let Some(totals) = client.totals() {
            shared.shown(&totals);
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}
