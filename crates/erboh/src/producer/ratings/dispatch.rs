//! Dispatch: how the ratings of one request are read and sent, portion by portion.
//!
//! ```text
//!  items ─► parse ─► ids ─► RecentIds, locked once ─► entries + Batch ─► Intake ─► outcomes, in order
//!                                    (invalid, reused or known ones are not in the batch)
//!                           Promises ─► RecentIds, settled by the results, even if the client has gone
//! ```

use super::answer::Outcome;
use super::key::Naming;
use super::lines::Line;
use super::recent::{Promises, RecentIds, Seen};
use crate::limits::RATING_BYTES_MAX;
use crate::producer::intake::{Busy, Intake, Sending};
use crate::queue::Batch;
use crate::rating::{ID_CHARS, Invalid, RatingId, RatingView};

/// How the ratings of one request are sent.
pub(super) struct Dispatch {
    pub(super) intake: Intake,
    pub(super) recent: RecentIds,
    pub(super) naming: Naming,
    /// What every record carries besides: where the request stands in its sender's trace.
    pub(super) headers: Vec<(&'static str, Vec<u8>)>,
}

/// Ratings that are read, with their places in the request.
pub(super) struct Portion {
    entries: Vec<(u64, Entry)>,
    batch: Batch,
    promises: Option<Promises>,
}

/// Ratings on their way.
pub(super) struct Sent {
    entries: Vec<(u64, Entry)>,
    sending: Option<Sending>,
}

/// What is known about an item before the queue has answered.
enum Entry {
    /// In the batch.
    Record(RatingId),
    /// There is nothing to send.
    Decided(Outcome),
}

/// An item that is read but not yet looked up.
struct Read<'a> {
    rating: RatingView<'a>,
    id: RatingId,
    hash: Option<u64>,
}

impl Portion {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether there is anything to be sent.
    pub(super) fn has_records(&self) -> bool {
        !self.batch.is_empty()
    }

    /// Whether there is any rating in it, known ones too.
    pub(super) fn has_ratings(&self) -> bool {
        self.entries.iter().any(|(_, entry)| {
            matches!(entry, Entry::Record(_) | Entry::Decided(Outcome::Created(..)))
        })
    }

    /// The line of its first item, from 1.
    pub(super) fn first_line(&self) -> Option<u64> {
        self.entries.first().map(|(index, _)| index + 1)
    }
}

impl Dispatch {
    /// Reads items, each with its place in the request from 0, and prepares those to be sent that can be.
    pub(super) fn read<'a>(&self, items: impl Iterator<Item = (u64, Line<'a>)>) -> Portion {
        let mut fresh = None;
        let read: Vec<_> =
            items.map(|(index, line)| (index, self.read_one(index, line, &mut fresh))).collect();
        let chosen =
            read.iter().any(|(_, read)| read.as_ref().is_ok_and(|read| read.hash.is_some()));
        let mut ids = chosen.then(|| self.recent.lock());
        let (mut entries, mut batch) = (Vec::with_capacity(read.len()), Batch::new());
        let mut records = Vec::new();
        for (index, read) in read {
            let entry = match read {
                Err(invalid) => Entry::Decided(Outcome::Invalid(invalid)),
                Ok(Read { rating, id, hash }) => {
                    let seen = match (&mut ids, hash) {
                        (Some(ids), Some(hash)) => ids.check(id, hash),
                        _ => Seen::New,
                    };
                    match seen {
                        Seen::Same(place) => Entry::Decided(Outcome::Created(id, place)),
                        Seen::Other => Entry::Decided(Outcome::Reused),
                        Seen::New | Seen::Open => {
                            let mut key = [0; ID_CHARS];
                            let key = id.encode(&mut key).as_bytes();
                            batch.push_with(key, |value| rating.write_json(id, value));
                            if chosen {
                                records.push(hash.map(|hash| (id, hash)));
                            }
                            Entry::Record(id)
                        }
                    }
                }
            };
            entries.push((index, entry));
        }
        drop(ids);
        for (name, value) in &self.headers {
            batch.header(name, value);
        }
        let promises = chosen.then(|| self.recent.promise(records));
        Portion { entries, batch, promises }
    }

    fn read_one<'a>(
        &self,
        index: u64,
        line: Line<'a>,
        fresh: &mut Option<RatingId>,
    ) -> Result<Read<'a>, Invalid> {
        let Line::Bytes(bytes) = line else {
            return Err(Invalid::new("value", format!("is longer than {RATING_BYTES_MAX} bytes")));
        };
        let rating = RatingView::from_request(bytes)?;
        let (id, chosen) = self.naming.id(index, rating.id, fresh)?;
        let hash = chosen.then(|| self.recent.hash(&rating));
        Ok(Read { rating, id, hash })
    }

    /// Sends one rating, as JSON, and waits for what becomes of it.
    pub(super) async fn send_one(&self, bytes: &[u8]) -> Result<Outcome, Busy> {
        let portion = self.read(std::iter::once((0, Line::Bytes(bytes))));
        let sent = self.send(portion).await?;
        let (_, outcome) = self.outcomes(sent).await.pop().expect("an item has an outcome");
        Ok(outcome)
    }

    /// Sends a portion, or says that there is no room for it now; then nothing of it was sent.
    pub(super) async fn send(&self, portion: Portion) -> Result<Sent, Busy> {
        let Portion { entries, batch, promises } = portion;
        if batch.is_empty() {
            return Ok(Sent { entries, sending: None });
        }
        Ok(Sent::new(entries, self.intake.accept(batch).await?, promises))
    }

    /// Sends a portion as soon as there is room.
    pub(super) async fn send_waiting(&self, portion: Portion) -> Sent {
        let Portion { entries, batch, promises } = portion;
        if batch.is_empty() {
            return Sent { entries, sending: None };
        }
        Sent::new(entries, self.intake.accept_waiting(batch).await, promises)
    }

    /// Waits for what becomes of each item, with its place in the request.
    pub(super) async fn outcomes(&self, sent: Sent) -> Vec<(u64, Outcome)> {
        let Sent { entries, sending } = sent;
        let results = match sending {
            Some(sending) => sending.results().await,
            None => Vec::new(),
        };
        let mut results = results.into_iter();
        let outcome = |(index, entry)| match entry {
            Entry::Decided(outcome) => (index, outcome),
            Entry::Record(id) => match results.next().expect("every record has a result") {
                Ok(place) => (index, Outcome::Created(id, place)),
                Err(error) => (index, Outcome::Failed(id, error)),
            },
        };
        entries.into_iter().map(outcome).collect()
    }
}

impl Sent {
    fn new(entries: Vec<(u64, Entry)>, sending: Sending, promises: Option<Promises>) -> Self {
        let sending = match promises {
            Some(promises) => sending.noted(|results| promises.keep(results)),
            None => sending,
        };
        Self { entries, sending: Some(sending) }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::*;
    use crate::limits;
    use crate::producer::metrics::Metrics;
    use crate::queue::{KafkaSettings, SendResult, Writer};

    const ID: &str = "0198c5a0-1b2c-7d3e-8f40-5a6b7c8d9e0f";

    /// Sends to a port that nothing listens on.
    pub(in crate::producer::ratings) fn dispatch() -> Dispatch {
        let writer = Writer::connect(&KafkaSettings::new("127.0.0.1:1"), "t").expect("a writer");
        let intake = Intake::new(writer, Metrics::default());
        Dispatch {
            intake,
            recent: RecentIds::default(),
            naming: Naming::Fresh,
            headers: Vec::new(),
        }
    }

    /// Ratings without an id, and with one, about this battle.
    fn read(dispatch: &Dispatch, battle: &str) -> Portion {
        let fields = format!(r#""battle":"{battle}","voice1":"v","voice2":"w","rating":1}}"#);
        let lines = [format!("{{{fields}"), format!(r#"{{"id":"{ID}",{fields}"#)];
        dispatch.read((0..).zip(lines.iter().map(|line| Line::Bytes(line.as_bytes()))))
    }

    #[test]
    fn an_element_of_an_array_fits_into_its_place() {
        let invalid =
            Invalid::new("rating", format!("{} is not 0 (hated), 1 (meh) or 2 (liked)", u64::MAX));
        let read =
            size_of::<&[u8]>() + size_of::<(u64, Entry)>() + size_of::<Option<(RatingId, u64)>>();
        let told = size_of::<SendResult>() + size_of::<(u64, Outcome)>() + invalid.reason.len();
        assert!(read + told <= limits::ARRAY_ITEM_BYTES, "{read} and {told}");
    }

    #[tokio::test]
    async fn a_client_that_goes_away_leaves_no_id_in_use() {
        let dispatch = dispatch();
        let is_free = |battle| read(&dispatch, battle).batch.len() == 2;
        let portion = read(&dispatch, "one");
        assert!(!is_free("two"), "the id is another rating's");
        drop(portion);
        assert!(is_free("two"), "that was never sent");
        let sent = dispatch.send(read(&dispatch, "three")).await.expect("there is room");
        drop(sent);
        assert!(!is_free("four"), "it is on its way");
        let freed = async {
            while !is_free("four") {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(2 * limits::SEND, freed).await.expect("it was certainly not written");
    }
}
