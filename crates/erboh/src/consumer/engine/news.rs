//! News: what the counting thread makes of what others say: snapshots of other replicas, ends of the
//! logs, partitions that come and go.

use std::time::Instant;

use super::counting::Counting;
use super::follow::News;
use super::live::Live;
use super::owned::Owned;
use super::settings::OnLogChange;
use super::snapshots::snapshot_record;
use crate::totals::PartitionTotals;

impl Counting {
    /// Takes note of everything that was told since the last turn.
    pub(super) fn hear_news(&mut self) {
        while let Ok(news) = self.news.try_recv() {
            match news {
                News::Snapshot { offset, timestamp_ms, snapshot } => {
                    self.publisher.written(&snapshot, timestamp_ms);
                    let owned = self.owned.get_mut(&snapshot.partition);
                    if snapshot.writer != self.name
                        && let Some(owned) = owned
                        && owned
                            .counted()
                            .is_some_and(|live| live.is_overtaken_by(offset, &snapshot))
                    {
                        let partition = snapshot.partition;
                        tracing::warn!(
                            partition,
                            writer = snapshot.writer,
                            next_offset = snapshot.next_offset,
                            "somebody else is ahead; looking again"
                        );
                        self.reader.remove(&self.settings.topics.ratings, partition);
                        owned.restore(Instant::now());
                    }
                    self.publisher.merge(snapshot);
                }
                News::CaughtUp => self.publisher.caught_up(),
                News::Ends { asked, ends } => {
                    self.weigh_ends(asked, &ends);
                    self.publisher.ends(asked, ends);
                }
                News::TotalsLost => {
                    self.publisher.totals_lost();
                    let counted = self.owned.values_mut().filter_map(Owned::counted);
                    counted.for_each(Live::repeat_snapshot);
                }
                News::Partitions { ratings, totals } => self.hear_partitions(ratings, totals),
                News::Problem(problem) => self.publisher.topic_problem(problem),
                News::LesserProblem(problem) => self.publisher.lesser_problem(problem),
                News::Alarm(alarm) => self.publisher.alarm(alarm),
            }
        }
    }

    /// Takes note of how many partitions there are. When the log that is there is to be counted, the totals of
    /// partitions that are gone are superseded by none, as nobody will ever own such a partition.
    fn hear_partitions(&mut self, partitions: i32, totals: i32) {
        // A broker that stood still may say once how many there were before: that is not enough to drop totals.
        let again = self.publisher.partitions_exist(partitions, totals);
        if !again || partitions == 0 || self.settings.on_log_change != OnLogChange::Restart {
            return;
        }
        for newest in self.publisher.leftover() {
            let mut none = PartitionTotals::start(newest.partition, 0);
            none.supersede(newest);
            tracing::warn!(
                partition = newest.partition,
                "dropping totals of a partition that is gone"
            );
            let snapshot = none.snapshot(&self.name, newest.generation.saturating_add(1));
            // Should it fail, the next look finds the totals again.
            drop(self.totals.post(&[snapshot_record(0, &snapshot)]));
        }
    }
}
