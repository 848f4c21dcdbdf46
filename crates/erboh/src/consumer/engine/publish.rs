//! Publisher: puts together what the board shows, and hands the newest to whoever watches.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;

use super::doubt::{Place, Watch};
use super::limits::{BOARD_INTERVAL, STALL};
use super::owned::{Owned, Stage};
use crate::consumer::view::{BoardView, PartitionState, PartitionView, Written};
use crate::totals::Snapshot;
use crate::totals::board::{Board, Merged};

/// Puts the board together.
pub(super) struct Publisher {
    view: watch::Sender<Arc<BoardView>>,
    board: Board,
    written: BTreeMap<i32, Written>,
    ends: BTreeMap<i32, i64>,
    watches: BTreeMap<i32, Watch>,
    /// Partitions whose log ends before what the board shows.
    cut_off: BTreeSet<i32>,
    /// Partitions whose log has more, and since when they have been at their position.
    behind: BTreeMap<i32, (i64, Instant)>,
    /// Those of them that have been there for so long that they are not just late.
    stalled: BTreeSet<i32>,
    /// How many partitions the ratings topic has, once that is known.
    exist: Option<i32>,
    /// How many the totals topic has.
    totals: Option<i32>,
    topic_problem: Option<String>,
    pub(super) group_problem: Option<String>,
    lesser_problem: Option<String>,
    alarm: Option<String>,
    caught_up: bool,
    connected: bool,
    changed: bool,
    published: Option<Instant>,
}

impl Publisher {
    pub(super) fn new(view: watch::Sender<Arc<BoardView>>) -> Self {
        Self {
            view,
            board: Board::new(),
            written: BTreeMap::new(),
            ends: BTreeMap::new(),
            watches: BTreeMap::new(),
            cut_off: BTreeSet::new(),
            behind: BTreeMap::new(),
            stalled: BTreeSet::new(),
            exist: None,
            totals: None,
            topic_problem: None,
            group_problem: None,
            lesser_problem: None,
            alarm: None,
            caught_up: false,
            connected: false,
            changed: false,
            published: None,
        }
    }

    /// Notes that the next board differs.
    pub(super) fn changed(&mut self) {
        self.changed = true;
    }

    /// Puts what somebody wrote on the board.
    pub(super) fn merge(&mut self, snapshot: impl Into<Arc<Snapshot>>) {
        let snapshot = snapshot.into();
        let (partition, next_offset) = (snapshot.partition, snapshot.next_offset);
        match self.board.merge(snapshot) {
            Merged::Newer => self.changed = true,
            Merged::Known | Merged::Older => {}
            Merged::Contradiction => self.alarm(format!(
                "partition {partition} up to offset {next_offset}: two replicas counted different \
                 totals from the same log; run `erboh audit`"
            )),
        }
    }

    /// Notes that a snapshot stands in the topic of the totals.
    pub(super) fn written(&mut self, snapshot: &Snapshot, timestamp_ms: i64) {
        let Snapshot { partition, epoch, next_offset, .. } = *snapshot;
        let this = Written { epoch, next_offset, timestamp_ms };
        // A replica that stood still may write an older one late.
        let newest = self.written.entry(partition).or_insert(this);
        *newest = this.max(*newest);
        self.changed = true;
    }

    /// Notes that snapshots may be gone from the topic of the totals.
    pub(super) fn totals_lost(&mut self) {
        self.written.clear();
        self.changed = true;
    }

    /// Notes where the partitions ended when that was asked at `asked`.
    pub(super) fn ends(&mut self, asked: Instant, ends: BTreeMap<i32, i64>) {
        let now = Instant::now();
        for (partition, snapshot) in self.board.snapshots() {
            let Some(end) = ends.get(partition) else { continue };
            let position = snapshot.next_offset;
            if *end >= position {
                self.cut_off.remove(partition);
            }
            // What is not read here cannot be late either.
            let here = Place { position, read_next: i64::MAX };
            let watch = self.watches.entry(*partition).or_default();
            if watch.weigh(here, false, (asked, *end), now).is_some() {
                self.cut_off.insert(*partition);
            }
        }
        self.note_stalled(&ends, now);
        self.changed |= self.ends != ends;
        self.ends = ends;
    }

    /// Notes which partitions do not move although there is more to count, on this replica or another.
    fn note_stalled(&mut self, ends: &BTreeMap<i32, i64>, now: Instant) {
        let snapshots = self.board.snapshots();
        let position = |partition| snapshots.get(partition).map_or(0, |of| of.next_offset);
        let behind = ends.iter().filter(|(partition, end)| **end > position(partition));
        let behind = behind.map(|(partition, _)| {
            let here = position(partition);
            let known = self.behind.get(partition).filter(|(before, _)| *before == here);
            (*partition, known.copied().unwrap_or((here, now)))
        });
        self.behind = behind.collect();
        let still =
            self.behind.iter().filter(|(_, (_, since))| now.duration_since(*since) >= STALL);
        let stalled = still.map(|(partition, _)| *partition).collect();
        self.changed |= self.stalled != stalled;
        self.stalled = stalled;
    }

    /// What the board shows of a partition.
    pub(super) fn shown(&self, partition: i32) -> Option<Arc<Snapshot>> {
        self.board.snapshots().get(&partition).cloned()
    }

    /// Notes how many partitions the topics of the ratings and of the totals have. True if as many ratings' were said
    /// the last time, too.
    pub(super) fn partitions_exist(&mut self, partitions: i32, totals: i32) -> bool {
        let again = self.exist.replace(partitions) == Some(partitions);
        self.changed |= !again | (self.totals.replace(totals) != Some(totals));
        again
    }

    /// Whether a partition is known to have no place for its totals yet.
    pub(super) fn lacks_totals(&self, partition: i32) -> bool {
        self.totals.is_some_and(|totals| partition >= totals)
    }

    /// Whether a partition is known not to exist any more.
    pub(super) fn is_gone(&self, partition: i32) -> bool {
        self.exist.is_some_and(|exist| partition >= exist)
    }

    /// What is on the board of partitions that are gone.
    pub(super) fn leftover(&self) -> impl Iterator<Item = &Snapshot> {
        let beyond = self.board.snapshots().range(self.exist.unwrap_or(i32::MAX)..);
        beyond.map(|(_, snapshot)| &**snapshot).filter(|snapshot| snapshot.last.is_some())
    }

    /// Notes what is wrong with the topics.
    pub(super) fn topic_problem(&mut self, problem: Option<String>) {
        if self.topic_problem == problem {
            return;
        }
        if let Some(problem) = &problem {
            tracing::warn!(problem, "the topics are not as they should be");
        }
        self.topic_problem = problem;
        self.changed = true;
    }

    /// Notes that everything that had been written before this engine started was heard.
    pub(super) fn caught_up(&mut self) {
        self.caught_up = true;
        self.changed = true;
    }

    /// Notes what is to be shown for as long as nothing worse is.
    pub(super) fn lesser_problem(&mut self, problem: Option<String>) {
        if let Some(problem) = problem.as_ref().filter(|_| self.lesser_problem.is_none()) {
            tracing::warn!(problem, "a topic is not as it should be");
        }
        self.changed |= self.lesser_problem != problem;
        self.lesser_problem = problem;
    }

    /// Raises the alarm. It stays until a person has looked and restarted the engine.
    pub(super) fn alarm(&mut self, alarm: String) {
        tracing::error!(alarm, "totals contradict each other");
        self.alarm.get_or_insert(alarm);
        self.changed = true;
    }

    /// Publishes a board if it differs and the last one is old enough, or if it must be now.
    pub(super) fn publish(
        &mut self,
        owned: &mut BTreeMap<i32, Owned>,
        name: &str,
        down: Option<String>,
        must: bool,
    ) {
        let now = Instant::now();
        let rested = self.published.is_none_or(|at| now.duration_since(at) >= BOARD_INTERVAL);
        if !rested && !must {
            return;
        }
        for owned in owned.values_mut() {
            let Some(live) = owned.counted() else { continue };
            if live.is_warm() && live.take_changed() {
                let (snapshot, position) = (live.snapshot(name), live.position());
                owned.is_well(position);
                self.changed = true;
                self.merge(snapshot);
            }
        }
        self.changed |= self.connected != down.is_none();
        self.connected = down.is_none();
        if !self.changed && !must {
            return;
        }
        let view = BoardView {
            board: self.board.clone(),
            partitions: self.partitions(owned),
            written: self.written.clone(),
            caught_up: self.caught_up,
            connected: self.connected,
            problem: self.problem(owned, down),
            alarm: self.alarm.clone(),
        };
        self.changed = false;
        self.published = Some(now);
        self.view.send_replace(Arc::new(view));
    }

    /// The first of all problems, the one that explains the others before them.
    fn problem(&self, owned: &BTreeMap<i32, Owned>, cluster: Option<String>) -> Option<String> {
        cluster
            .or_else(|| self.group_problem.clone())
            .or_else(|| self.topic_problem.clone())
            .or_else(|| {
                let partition = self.cut_off.first()?;
                Some(format!(
                    "partition {partition}: the log ends before what the board shows: it was cut off, and its \
                     ratings are counted anew"
                ))
            })
            .or_else(|| {
                owned.iter().find_map(|(partition, owned)| {
                    let problem = owned.problem.as_ref()?;
                    Some(format!("partition {partition}: {problem}"))
                })
            })
            .or_else(|| self.lesser_problem.clone())
    }

    fn partitions(&self, owned: &mut BTreeMap<i32, Owned>) -> Vec<PartitionView> {
        let snapshots = self.board.snapshots();
        let known: BTreeSet<i32> =
            owned.keys().chain(self.ends.keys()).chain(snapshots.keys()).copied().collect();
        let view = |partition| {
            let snapshot = snapshots.get(&partition);
            let position = snapshot.map_or(0, |snapshot| snapshot.next_offset);
            let mut end_offset = self.ends.get(&partition).copied().unwrap_or(0).max(position);
            let mut owned = owned.get_mut(&partition);
            if let Some(live) = owned.as_deref_mut().and_then(Owned::counted) {
                end_offset = end_offset.max(live.log_end());
            }
            let state = self.state(partition, position, owned.as_deref());
            PartitionView {
                partition,
                position,
                end_offset,
                lag: end_offset - position,
                state,
                writer: snapshot.map(|snapshot| snapshot.writer.clone()).unwrap_or_default(),
            }
        };
        known.into_iter().map(view).collect()
    }
    /// The state of a partition, which this engine has or not.
    fn state(&self, partition: i32, position: i64, owned: Option<&Owned>) -> PartitionState {
        let is_idle = owned.is_none_or(|owned| matches!(owned.stage, Stage::Wanted));
        if self.is_gone(partition) {
            return PartitionState::Halted(
                "the partition does not exist any more: the topic was deleted".into(),
            );
        }
        if is_idle && self.lacks_totals(partition) {
            return PartitionState::Waiting;
        }
        let is_stalled = self.stalled.contains(&partition);
        let Some(owned) = owned else {
            return if is_stalled {
                PartitionState::Stalled(format!(
                    "no progress from offset {position}, although there is more to count; the replica that owns \
                     the partition gives the reason on its board and in its log"
                ))
            } else {
                PartitionState::Elsewhere
            };
        };
        match (owned.state(), &owned.problem) {
            (PartitionState::Owned | PartitionState::Restoring, Some(problem)) if is_stalled => {
                PartitionState::Stalled(format!(
                    "no progress from offset {position}, although there is more to count: {problem}"
                ))
            }
            (state, _) => state,
        }
    }
}
