//! Counting: the thread that owns partitions, reads them, and publishes the board.
//!
//! ```text
//!   one turn:  reader ─► records ─► live partitions
//!              member ─► assigned / revoked            take-over thread ─► where to go on
//!              news   ─► what other replicas wrote     acknowledgements ─► group offsets
//!              board  ─► watch channel, newest only
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::dead_letters;
use super::follow::News;
use super::limits::{IDLE_WAIT, RECORDS_PER_TURN, RETRY_LONGEST, REVOKE_TIME, STOP_TIME};
use super::live::Live;
use super::owned::{Owned, Stage};
use super::publish::Publisher;
use super::retry::{Replacements, Retry};
use super::settings::EngineSettings;
use super::takeover::Found;
use super::tasks::{Answer, Outcome, Request};
use crate::consumer::view::BoardView;
use crate::queue::{Event, GroupEvent, KafkaSettings, Member, Reader, SettingsError, Writer};
use crate::totals::Record;

/// Everything that the counting thread works with.
pub(super) struct Counting {
    pub(super) kafka: KafkaSettings,
    pub(super) settings: EngineSettings,
    /// Who signs the snapshots: unique for each start of an engine.
    pub(super) name: String,
    pub(super) reader: Reader,
    pub(super) totals: Writer,
    pub(super) dead_letters: Writer,
    pub(super) requests: SyncSender<Request>,
    pub(super) answers: Receiver<Answer>,
    pub(super) news: Receiver<News>,
    /// None while the group cannot be joined.
    pub(super) member: Option<Member>,
    pub(super) join: Retry,
    pub(super) replacements: Replacements,
    pub(super) commit: Retry,
    pub(super) owned: BTreeMap<i32, Owned>,
    /// Questions to the take-over thread so far.
    pub(super) turns: u64,
    pub(super) publisher: Publisher,
    /// The right without which the ratings cannot be read, while it is missing.
    denied: Option<String>,
}

impl Counting {
    /// Sets up everything but the membership.
    pub(super) fn new(
        kafka: KafkaSettings,
        settings: EngineSettings,
        name: String,
        (requests, answers): (SyncSender<Request>, Receiver<Answer>),
        news: Receiver<News>,
        view: watch::Sender<Arc<BoardView>>,
    ) -> Result<Self, SettingsError> {
        let reader = Reader::connect(&kafka, &settings.group)?;
        let totals = Writer::connect(&kafka, &settings.topics.totals)?;
        let dead_letters = totals.on_topic(&settings.topics.dead_letters);
        let publisher = Publisher::new(view);
        Ok(Self {
            kafka,
            settings,
            name,
            reader,
            totals,
            dead_letters,
            requests,
            answers,
            news,
            member: None,
            join: Retry::default(),
            replacements: Replacements::default(),
            commit: Retry::default(),
            owned: BTreeMap::new(),
            turns: 0,
            publisher,
            denied: None,
        })
    }

    /// One turn.
    pub(super) fn turn(&mut self) {
        self.read();
        self.serve_group();
        self.serve_takeovers();
        self.hear_news();
        self.serve_partitions();
        self.publish(false);
    }

    fn read(&mut self) {
        let ratings = &self.settings.topics.ratings.clone();
        let mut wait = IDLE_WAIT;
        for _ in 0..RECORDS_PER_TURN {
            let Some(event) = self.reader.poll(wait) else {
                self.owned.values_mut().filter_map(Owned::live).for_each(Live::drained);
                break;
            };
            wait = Duration::ZERO;
            match event {
                Event::Record(message) => {
                    let owned = self.owned.get_mut(&message.partition());
                    if let Some(live) = owned.and_then(Owned::live) {
                        let record = Record {
                            offset: message.offset(),
                            timestamp_ms: message.timestamp_ms(),
                            key: message.key(),
                            value: message.value(),
                        };
                        let trace = || dead_letters::trace(&message);
                        if !live.take(ratings, record, trace) {
                            let partition = message.partition();
                            drop(message);
                            self.restore(partition, "the last counted record is another one now");
                        }
                    }
                }
                Event::End(partition) => {
                    self.denied = None;
                    if let Some(live) = self.owned.get_mut(&partition).and_then(Owned::live) {
                        live.end();
                    }
                }
                Event::Lost(reason) => {
                    self.restore_all(&reason);
                    self.reader.renew();
                    return;
                }
                Event::Unreadable(reason) | Event::OutOfRange(reason) => {
                    self.suspect_all(&reason);
                    return;
                }
                Event::Interrupted => {
                    self.read_again();
                    return;
                }
                Event::Denied(reason) => self.denied = Some(reason),
                Event::Problem(reason) => tracing::debug!(reason, "reader"),
            }
        }
        for (partition, position) in self.reader.progress(ratings).unwrap_or_default() {
            if let Some(live) = self.owned.get_mut(&partition).and_then(Owned::live) {
                live.progress(position);
            }
        }
    }

    fn serve_group(&mut self) {
        let now = Instant::now();
        let Some(member) = &self.member else {
            if self.join.is_due(now) {
                self.join_group(now);
            }
            return;
        };
        match member.poll() {
            Some(GroupEvent::Assigned(partitions)) => {
                tracing::info!(?partitions, "assigned");
                self.join.succeeded();
                self.publisher.group_problem = None;
                member.accept(&partitions);
                for partition in partitions {
                    // What this engine counted before it lost the partition may not have been
                    // written to the end.
                    let shown = self.publisher.shown(partition);
                    let complete = shown.is_none_or(|shown| shown.writer != self.name);
                    self.owned.entry(partition).or_insert_with(|| Owned::new(partition, complete));
                }
                self.publisher.changed();
            }
            Some(GroupEvent::Revoked { partitions, lost }) => {
                tracing::info!(?partitions, lost, "revoked");
                if !lost {
                    self.settle(&partitions, REVOKE_TIME);
                }
                self.forget(&partitions);
                if let Some(member) = &self.member {
                    member.release(&partitions);
                }
            }
            Some(GroupEvent::Fatal { reason, replaced }) => {
                tracing::error!(reason, "the member of the group cannot go on");
                let all: Vec<i32> = self.owned.keys().copied().collect();
                self.forget(&all);
                self.member = None;
                if replaced {
                    self.join.rest(now, self.replacements.note(now));
                } else {
                    self.join.failed(now);
                }
                self.publisher.group_problem = Some(format!(
                    "the member of the group {} cannot go on and joins again: {reason}",
                    self.settings.group
                ));
                self.publisher.changed();
            }
            None => {}
        }
        if self.commit.is_due(now)
            && let Some(member) = &self.member
        {
            if member.take_commit_failure() {
                self.commit.failed(now);
                self.owned.values_mut().filter_map(Owned::counted).for_each(Live::commit_again);
            } else {
                self.commit.succeeded();
            }
        }
    }

    fn join_group(&mut self, now: Instant) {
        let instance = self.settings.instance_id.as_deref();
        let topic = &self.settings.topics.ratings;
        match Member::join(&self.kafka, &self.settings.group, instance, topic) {
            Ok(member) => self.member = Some(member),
            Err(error) => {
                self.publisher.group_problem = Some(error.to_string());
                self.join.failed(now);
            }
        }
    }

    /// Asks where to go on in partitions that do not know, and begins with what was found.
    fn serve_takeovers(&mut self) {
        let now = Instant::now();
        let publisher = &self.publisher;
        let there = self.owned.iter_mut().filter(|(partition, _)| {
            !publisher.is_gone(**partition) && !publisher.lacks_totals(**partition)
        });
        for (partition, owned) in there.filter(|(_, owned)| owned.wants_takeover(now)) {
            self.turns += 1;
            let request = owned.ask(self.turns, publisher.shown(*partition));
            if self.requests.try_send(request).is_err() {
                owned.failed("too many partitions are being restored".into(), now);
            }
        }
        while let Ok(Answer { partition, turn, outcome }) = self.answers.try_recv() {
            if !self.owned.get(&partition).is_some_and(|owned| owned.waits_for(turn)) {
                continue;
            }
            self.publisher.changed();
            match outcome {
                Outcome::Found(Ok(found)) => self.begin(partition, found, now),
                Outcome::Found(Err(failure)) => self.not_found(partition, failure, now),
                Outcome::Checked(checked) => self.checked(partition, checked, now),
            }
        }
    }

    /// Begins to count with what was found.
    fn begin(&mut self, partition: i32, found: Found, now: Instant) {
        let Some(owned) = self.owned.get_mut(&partition) else { return };
        let log_start = found.log_start;
        match Live::begin(partition, found) {
            Ok((live, offset)) => {
                tracing::info!(partition, log_start, read_from = offset, "counting goes on");
                match self.reader.add(&self.settings.topics.ratings, partition, offset) {
                    Ok(()) => owned.begin(live),
                    Err(error) => {
                        // Read already, it could never be begun again.
                        self.reader.remove(&self.settings.topics.ratings, partition);
                        owned.failed(error.to_string(), now);
                    }
                }
            }
            Err(reason) => {
                if owned.halt(reason.clone(), now + RETRY_LONGEST) {
                    tracing::error!(partition, reason, "the partition halts");
                }
            }
        }
    }

    fn forget(&mut self, partitions: &[i32]) {
        for partition in partitions {
            if let Some(Owned { stage: Stage::Live(_), .. }) = self.owned.remove(partition) {
                self.reader.remove(&self.settings.topics.ratings, *partition);
            }
        }
        self.publisher.changed();
    }

    fn publish(&mut self, now: bool) {
        // A reader without partitions does not look for brokers, so that it alone cannot tell.
        let down = self.reader.down().filter(|_| self.totals.health().is_err());
        let down = down.map(|reason| format!("no broker is reachable: {reason}"));
        let problem = down.or_else(|| self.denied.clone());
        self.publisher.publish(&mut self.owned, &self.name, problem, now);
    }

    /// Writes everything, commits, leaves the group and says so on the last board.
    pub(super) fn stop(mut self) {
        let all: Vec<i32> = self.owned.keys().copied().collect();
        self.settle(&all, STOP_TIME);
        // Before anything else is taken down: from now on others may go on with the partitions.
        self.member = None;
        self.publish(true);
    }
}
