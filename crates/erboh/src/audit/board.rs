//! A board: one replica's address, and what it answers there.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::limits::{BOARD_ANSWER, BOARD_ANSWER_BYTES_MAX};
use super::recount::Totals;
use super::report::Difference;
use super::statement::{Snapshot, Statement};

/// One replica of the board.
pub(super) struct Board {
    /// Its address, without a slash at the end.
    pub(super) url: String,
    agent: ureq::Agent,
}

/// The answer of `GET /api/v1/totals`: what people see.
#[derive(Debug, Deserialize)]
pub(super) struct Served {
    voices: Vec<Row>,
    counted: i64,
    duplicates: i64,
    dead: i64,
    /// Up to where every partition is counted.
    pub(super) position: BTreeMap<i32, i64>,
}

#[derive(Debug, Deserialize)]
struct Row {
    voice: String,
    sum: i64,
    count: i64,
    hated: i64,
    meh: i64,
    liked: i64,
}

/// The answer of `GET /api/v1/partitions`, as far as it matters here.
#[derive(Debug, Default, Deserialize)]
pub(super) struct States {
    #[serde(default)]
    pub(super) topic: String,
    pub(super) alarm: Option<String>,
    #[serde(default)]
    pub(super) partitions: Vec<State>,
}

/// Where one partition stands.
#[derive(Debug, Deserialize)]
pub(super) struct State {
    pub(super) partition: i32,
    /// Why nobody counts it, if nobody may.
    pub(super) reason: Option<String>,
}

impl States {
    /// Why a partition is halted, if this replica says so.
    pub(super) fn halted(&self, partition: i32) -> Option<&str> {
        self.partitions.iter().find(|state| state.partition == partition)?.reason.as_deref()
    }
}

impl Served {
    /// The totals in the form in which they are counted.
    pub(super) fn totals(&self) -> Totals {
        let mut voices: BTreeMap<String, [i64; 3]> = BTreeMap::new();
        for row in &self.voices {
            // A voice that is listed twice is read as what a person would add up.
            let tally = voices.entry(row.voice.clone()).or_default();
            for (sum, served) in tally.iter_mut().zip([row.hated, row.meh, row.liked]) {
                *sum = sum.saturating_add(served);
            }
        }
        let Self { counted, duplicates, dead, .. } = *self;
        Totals { counted, duplicates, dead, voices }
    }

    /// Rows whose sum or number of ratings is not what their own columns add up to.
    pub(super) fn crooked_rows(&self) -> Vec<Difference> {
        let mut found = Vec::new();
        for row in &self.voices {
            let sum = row.meh.saturating_add(row.liked.saturating_mul(2));
            let count = row.hated.saturating_add(row.meh).saturating_add(row.liked);
            for (what, stated, counted) in [("sum", row.sum, sum), ("count", row.count, count)] {
                if stated != counted {
                    let what = format!("{what} of {}", row.voice);
                    found.push(Difference { what, stated: vec![stated], counted: vec![counted] });
                }
            }
        }
        found
    }
}

impl Board {
    pub(super) fn new(url: &str) -> Self {
        let config = ureq::Agent::config_builder();
        let config = config.timeout_global(Some(BOARD_ANSWER)).http_status_as_error(false);
        Self { url: url.to_owned(), agent: config.build().into() }
    }

    /// What people see.
    ///
    /// # Errors
    /// Says what could not be read, and why.
    pub(super) fn totals(&self) -> Result<Served, String> {
        self.get("/api/v1/totals")?.ok_or_else(|| self.failed("/api/v1/totals", "status 404"))
    }

    /// Where the counting stands.
    ///
    /// # Errors
    /// As [`Board::totals`].
    pub(super) fn states(&self) -> Result<States, String> {
        let path = "/api/v1/partitions";
        self.get(path)?.ok_or_else(|| self.failed(path, "status 404"))
    }

    /// What this replica says of one partition; nothing if it knows nothing of it.
    ///
    /// # Errors
    /// As [`Board::totals`].
    pub(super) fn of_partition(&self, partition: i32) -> Result<Option<Statement>, String> {
        let snapshot: Option<Snapshot> =
            self.get(&format!("/api/v1/partitions/{partition}/totals"))?;
        let statement = |snapshot| Statement {
            source: format!("the board {}", self.url),
            served: true,
            snapshot,
        };
        Ok(snapshot.map(statement))
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, String> {
        let failed = |error: ureq::Error| self.failed(path, error);
        let mut answer = self.agent.get(format!("{}{path}", self.url)).call().map_err(failed)?;
        let status = answer.status();
        let body = answer.body_mut().with_config().limit(BOARD_ANSWER_BYTES_MAX);
        let body = body.read_to_vec().map_err(failed)?;
        match status.as_u16() {
            200 => {
                serde_json::from_slice(&body).map(Some).map_err(|error| self.failed(path, error))
            }
            404 => Ok(None),
            other => Err(self.failed(path, format!("status {other}"))),
        }
    }

    fn failed(&self, path: &str, cause: impl std::fmt::Display) -> String {
        format!(
            "the board cannot be asked: {}{path}: {cause}; --board names others, --no-board asks none",
            self.url
        )
    }
}
