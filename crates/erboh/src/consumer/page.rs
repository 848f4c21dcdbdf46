//! `GET /`: the board, and in words what is wrong where something is.
//!
//! The page is complete without a script. `page.js` then follows `/api/v1/events` and changes the
//! same rows in place; it makes new ones from the patterns in the page's `<template>`s.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::Consumer;
use super::view::{BoardView, PartitionState, PartitionView};
use crate::totals::board::{Board, Row};
use crate::web::{self, Nav};

/// One thing that people should know: what it is, why, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Notice {
    /// `bad` or `note`.
    #[schema(pattern = "^(bad|note)$")]
    kind: &'static str,
    /// What it is.
    title: String,
    /// Why it is so.
    cause: String,
    /// What to do.
    way_out: &'static str,
}

/// All that people should know about a view, the worst first.
#[must_use]
pub fn notices(view: &BoardView) -> Vec<Notice> {
    let mut notices = Vec::new();
    if let Some(alarm) = &view.alarm {
        notices.push(Notice {
            kind: "bad",
            title: "Do not trust these totals".to_owned(),
            cause: alarm.clone(),
            way_out: "Two counts of the same ratings differ, which must never happen. Keep the \
                      topics as they are and report it.",
        });
    }
    if !view.connected {
        notices.push(Notice {
            kind: "bad",
            title: "The queue is out of reach".to_owned(),
            cause: view.problem.clone().unwrap_or_else(|| "Not connected yet.".to_owned()),
            way_out: "These are the last totals known. Counting goes on by itself, from where it \
                      stopped, as soon as the broker is back.",
        });
    } else if let Some(problem) = &view.problem {
        notices.push(Notice {
            kind: "bad",
            title: "Counting is disturbed".to_owned(),
            cause: problem.clone(),
            way_out: "What is counted stays counted; the service keeps trying.",
        });
    }
    notices.extend(view.standstills().map(standstill));
    notices.extend(gaps(&view.board));
    // Where something is wrong nobody can promise a moment.
    if view.connected
        && view.problem.is_none()
        && let Err(cause) = view.readiness()
    {
        notices.push(Notice {
            kind: "note",
            title: "Not caught up yet".to_owned(),
            cause: format!("Counting starts: {cause}."),
            way_out: "The totals are complete in a moment.",
        });
    }
    notices
}

fn standstill((partition, reason): (&PartitionView, &str)) -> Notice {
    let (what, way_out) = match partition.state {
        PartitionState::Halted(_) => (
            "is halted",
            "Its ratings are not counted until this is resolved; those of the other partitions are. \
             If the log was replaced or lost ratings, the settings --on-log-change and --on-gap \
             decide how to continue.",
        ),
        _ => (
            "is stalled",
            "The engine retries. Its ratings are not counted meanwhile; those of the other partitions \
             are.",
        ),
    };
    Notice {
        kind: "bad",
        title: format!("Partition {} {what}", partition.partition),
        cause: reason.to_owned(),
        way_out,
    }
}

fn gaps(board: &Board) -> Option<Notice> {
    let gap = |partition: i32, [from, to]: &[i64; 2]| {
        format!("partition {partition} offsets {from} to {}", to - 1)
    };
    let gaps: Vec<String> = board
        .snapshots()
        .iter()
        .flat_map(|(partition, of)| of.gaps.iter().map(|range| gap(*partition, range)))
        .collect();
    (!gaps.is_empty()).then(|| Notice {
        kind: "bad",
        title: "The totals are not exact".to_owned(),
        cause: format!("Ratings were gone before they could be counted: {}.", gaps.join(", ")),
        way_out: "They cannot be brought back. A longer retention of the topic keeps this from \
                  happening again.",
    })
}

/// The board as a page.
#[derive(Debug, Template)]
#[template(path = "board.html")]
pub struct Page<'a> {
    nav: Nav,
    view: &'a BoardView,
    topic: &'a str,
}

impl<'a> Page<'a> {
    /// The page that shows `view`.
    #[must_use]
    pub fn new(view: &'a BoardView, topic: &'a str, producer_url: Option<&'a str>) -> Self {
        Self { nav: Nav::of_board("/", producer_url), view, topic }
    }

    fn board(&self) -> &Board {
        &self.view.board
    }

    fn notices(&self) -> Vec<Notice> {
        notices(self.view)
    }

    fn voices(&self) -> impl Iterator<Item = VoiceRow<'_>> {
        self.board().rows().iter().zip(1..).map(|(row, rank)| VoiceRow::new(row, rank))
    }

    fn status(&self) -> &'static str {
        if self.view.connected { "Connected" } else { "Not connected" }
    }

    /// What is left to do, to be read after [`Page::status`]. It stands apart, because it changes
    /// too often to be read out each time.
    fn progress(&self) -> String {
        match self.view.lag() {
            _ if !self.view.connected => String::new(),
            0 if self.view.has_counted_all() => ", caught up".to_owned(),
            0 => String::new(),
            lag => format!(", {} to go", web::grouped(lag)),
        }
    }

    /// What the page shows, for the script: it takes nothing older.
    fn position(&self) -> String {
        serde_json::to_string(&self.board().position()).unwrap_or_default()
    }

    fn blank_partition() -> PartitionView {
        PartitionView {
            partition: 0,
            position: 0,
            end_offset: 0,
            lag: 0,
            state: PartitionState::Elsewhere,
            writer: String::new(),
        }
    }
}

/// One voice as the page shows it; the default is the pattern for rows to come.
#[derive(Debug, Default)]
struct VoiceRow<'a> {
    rank: usize,
    voice: &'a str,
    sum: u64,
    count: u64,
    hated: u64,
    meh: u64,
    liked: u64,
}

impl<'a> VoiceRow<'a> {
    fn new(row: &'a Row, rank: usize) -> Self {
        let Row { voice, sum, count, hated, meh, liked } = row;
        let (sum, count, hated, meh, liked) = (*sum, *count, *hated, *meh, *liked);
        Self { rank, voice: voice.as_str(), sum, count, hated, meh, liked }
    }

    /// The widths of hated, meh and liked in a bar that is 1000 wide; all 0 without ratings.
    fn widths(&self) -> [u64; 3] {
        let width = |part: u64| (part as f64 * 1000.0 / self.count as f64).round() as u64;
        if self.count == 0 {
            return [0; 3];
        }
        let (hated, meh) = (width(self.hated), width(self.meh));
        [hated, meh, 1000_u64.saturating_sub(hated + meh)]
    }
}

pub(super) async fn show(State(consumer): State<Consumer>) -> Response {
    let view = consumer.view();
    let settings = &consumer.settings;
    let page = Page::new(&view, &settings.topic, settings.producer_url.as_deref());
    web::html(StatusCode::OK, &page)
}
