//! The view: what one replica knows at one moment, as the engine hands it to pages and API.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::totals::board::{Board, Totals};

/// All that the board's page and API show. The engine makes a new one whenever something changes;
/// who looks gets the newest and misses those in between.
#[derive(Debug, Clone, Default)]
pub struct BoardView {
    /// The totals of every partition, added up.
    pub board: Board,
    /// Where the counting stands, by partition number.
    pub partitions: Vec<PartitionView>,
    /// The newest totals that stand in their topic, by partition number.
    pub written: BTreeMap<i32, Written>,
    /// Whether what had been counted before this replica started is on the board. It stays true.
    pub caught_up: bool,
    /// Whether the cluster is reachable now.
    pub connected: bool,
    /// What is wrong with the whole, in a sentence for people; without a cause it is `None`.
    pub problem: Option<String>,
    /// Two snapshots that should be equal and are not: the totals must not be trusted before a
    /// person has looked.
    pub alarm: Option<String>,
}

/// Totals of one partition that stand in the topic of the totals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Written {
    /// How often the log was replaced before.
    pub epoch: u32,
    /// Everything before this offset is in them.
    pub next_offset: i64,
    /// When they were written, in milliseconds since 1970.
    pub timestamp_ms: i64,
}

/// Where the counting of one partition stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionView {
    /// The partition of the ratings' topic.
    pub partition: i32,
    /// Everything before this offset is counted.
    pub position: i64,
    /// The offset that the next rating will get.
    pub end_offset: i64,
    /// Offsets that are still to be counted; never negative.
    pub lag: i64,
    /// Who counts it, or why nobody does.
    pub state: PartitionState,
    /// The replica that counted last; empty before anyone did.
    pub writer: String,
}

/// Who counts a partition, or why nobody does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartitionState {
    /// This replica counts it.
    Owned,
    /// Another replica counts it, or nobody yet.
    Elsewhere,
    /// This replica is taking it over: it looks for where to go on.
    Restoring,
    /// Nobody counts it before the topic of the totals has this partition, too.
    Waiting,
    /// The log has more, and it cannot be read for now; the text says why. It is tried again and again.
    Stalled(String),
    /// Nobody may go on before a person decides; the text says what happened.
    Halted(String),
}

impl PartitionState {
    /// The state's name in the API.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Owned => "owned",
            Self::Elsewhere => "elsewhere",
            Self::Restoring => "restoring",
            Self::Waiting => "waiting",
            Self::Stalled(_) => "stalled",
            Self::Halted(_) => "halted",
        }
    }

    /// The state in words for people.
    #[must_use]
    pub fn words(&self) -> &'static str {
        match self {
            Self::Owned => "counted here",
            Self::Elsewhere => "counted elsewhere",
            Self::Restoring => "being taken over",
            Self::Waiting => "waiting for a place for its totals",
            Self::Stalled(_) => "stalled",
            Self::Halted(_) => "halted",
        }
    }

    /// Why it stands still although there may be more to count, if it does.
    #[must_use]
    pub fn standstill(&self) -> Option<&str> {
        match self {
            Self::Stalled(reason) | Self::Halted(reason) => Some(reason),
            Self::Owned | Self::Elsewhere | Self::Restoring | Self::Waiting => None,
        }
    }
}

/// [`PartitionView`] as the API shows it.
#[derive(Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the fields are the names in the answer")]
pub(super) struct Partition<'a> {
    /// The partition of the ratings' topic.
    #[schema(minimum = 0)]
    partition: i32,
    /// Everything before this offset is counted.
    #[schema(minimum = 0)]
    position: i64,
    /// The offset that the next rating will get.
    #[schema(minimum = 0)]
    end_offset: i64,
    /// Offsets that are still to be counted.
    #[schema(minimum = 0)]
    lag: i64,
    /// Who counts it, or why nobody does: `owned` by this replica, `elsewhere`, `restoring` while
    /// this replica takes it over, `waiting` until the topic of the totals has this partition, too,
    /// `stalled` while its next records cannot be read, `halted` until a person decides.
    #[schema(pattern = "^(owned|elsewhere|restoring|waiting|stalled|halted)$")]
    state: &'static str,
    /// Why it is stalled or halted, where, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<&'a str>,
    /// The replica that counted last; empty before anyone did.
    writer: &'a str,
}

/// One element of `GET /api/v1/partitions`.
impl Serialize for PartitionView {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let answer = Partition {
            partition: self.partition,
            position: self.position,
            end_offset: self.end_offset,
            lag: self.lag,
            state: self.state.name(),
            reason: self.state.standstill(),
            writer: &self.writer,
        };
        answer.serialize(serializer)
    }
}

impl BoardView {
    /// Ratings that are still to be counted, in all partitions.
    #[must_use]
    pub fn lag(&self) -> i64 {
        self.partitions.iter().map(|partition| partition.lag).sum()
    }

    /// Partitions that stand still although there may be more to count, each with the reason.
    pub fn standstills(&self) -> impl Iterator<Item = (&PartitionView, &str)> {
        self.partitions.iter().filter_map(|view| Some((view, view.state.standstill()?)))
    }

    /// Whether the totals can be relied on: nothing was lost before it was counted, and every
    /// partition is counted on.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.board.exact() && self.standstills().next().is_none()
    }

    /// Whether everything is counted that is on the queue now.
    #[must_use]
    pub fn has_counted_all(&self) -> bool {
        let is_well = self.connected && self.problem.is_none() && self.readiness().is_ok();
        is_well && self.lag() == 0 && self.standstills().next().is_none()
    }

    /// The totals as they are answered.
    #[must_use]
    pub fn totals(&self) -> Totals<'_> {
        self.board.totals(self.is_exact())
    }

    /// What is wrong, in one line for operators; nothing if all is well.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        let whole = self.alarm.clone().or_else(|| self.problem.clone());
        let mut standstills = self.standstills();
        let first = standstills.next().map(|(view, reason)| {
            let others = match standstills.count() {
                0 => String::new(),
                others => format!(" (and {others} more)"),
            };
            format!("partition {} is {}{others}: {reason}", view.partition, view.state.words())
        });
        let all: Vec<String> = whole.into_iter().chain(first).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// Whether the totals are complete enough to be shown to people who did not see earlier ones:
    /// every partition is known, what others have counted has been read, and none is being taken
    /// over.
    ///
    /// # Errors
    /// Says what is missing.
    pub fn readiness(&self) -> Result<(), String> {
        if self.partitions.is_empty() {
            let cause = self.problem.as_deref().unwrap_or("the partitions are not known yet");
            return Err(cause.to_owned());
        }
        if !self.caught_up {
            return Err("what has been counted before is still being read".to_owned());
        }
        let restoring = |view: &&PartitionView| view.state == PartitionState::Restoring;
        match self.partitions.iter().find(restoring) {
            Some(view) => Err(format!("partition {} is being taken over", view.partition)),
            None => Ok(()),
        }
    }
}
