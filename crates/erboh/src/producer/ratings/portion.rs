//! Portion: ratings of one request that travel together.
//!
//! ```text
//!  items ─► parse ─► ids ─► Recent, locked once ─► entries + Batch ─► Intake ─► outcomes, in order
//!                                  (invalid, reused or known ones are not in the batch)
//!                         Promises ─► Recent, settled by the results, even if the client has gone
//! ```

use std::{iter, mem};

use super::answer::Outcome;
use super::key::Key;
use super::lines::Line;
use super::recent::{Recent, Seen};
use crate::limits::RATING_BYTES_MAX;
use crate::producer::intake::{Busy, Intake, Sending};
use crate::queue::{Batch, SendError, SendResult};
use crate::rating::{ID_CHARS, Invalid, RatingId, RatingView};

/// How the ratings of one request are sent.
pub(super) struct Dispatch {
    pub(super) intake: Intake,
    pub(super) recent: Recent,
    pub(super) naming: Naming,
    /// What every record carries besides: where the request stands in its sender's trace.
    pub(super) headers: Vec<(&'static str, Vec<u8>)>,
}

/// Where ids come from that the ratings do not bring.
#[derive(Debug, Clone)]
pub(super) enum Naming {
    /// They are made.
    Fresh,
    /// From the key of a request with one rating.
    One(Key),
    /// From the key of a request with many.
    Many(Key),
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

/// The sendings that have begun in [`Recent`], each of which is to be settled there: as not sent when this is dropped.
struct Promises {
    recent: Recent,
    /// Of each record of the batch, if its sender chose its id and so may repeat it: the id and the rating's hash.
    records: Vec<Option<(RatingId, u64)>>,
}

/// An item that is read but not yet looked up.
struct Read<'a> {
    rating: RatingView<'a>,
    id: RatingId,
    hash: Option<u64>,
}

impl Promises {
    /// Settles each with its result.
    fn keep(mut self, results: &[SendResult]) {
        let unknown = Err(SendError::Unknown("no result".into()));
        self.settle(results.iter().chain(iter::repeat(&unknown)).map(Some));
    }

    fn settle<'a>(&mut self, results: impl Iterator<Item = Option<&'a SendResult>>) {
        let records = mem::take(&mut self.records);
        if records.is_empty() {
            return;
        }
        let mut ids = self.recent.lock();
        for (record, result) in records.into_iter().zip(results) {
            if let Some((id, hash)) = record {
                ids.settle(id, hash, result);
            }
        }
    }
}

impl Drop for Promises {
    fn drop(&mut self) {
        self.settle(iter::repeat(None));
    }
}

impl Portion {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether there is anything to be sent.
    pub(super) fn has_records(&self) -> bool {
        !self.batch.is_empty()
    }

    /// The line of its first item, from 1.
    pub(super) fn first_line(&self) -> Option<u64> {
        self.entries.first().map(|(index, _)| index + 1)
    }
}

impl Naming {
    /// What a client is to do whose lines were taken up to this one.
    pub(super) fn go_on(&self, line: u64) -> String {
        match self {
            Self::Many(_) => {
                format!("{}, or the lines after line {line} with another one", self.again())
            }
            _ => format!("go on after line {line}"),
        }
    }

    /// What a client is to do that does not know what became of its lines. Ids that come from a key follow from
    /// places, so that a part of the lines would have those of others.
    pub(super) fn again(&self) -> &'static str {
        match self {
            Self::Many(_) => "send the whole upload again with the same Idempotency-Key",
            _ => "send them again with the same ids",
        }
    }

    /// The id of the item at `index`, and whether its sender can name it again.
    fn id(
        &self,
        index: u64,
        own: Option<RatingId>,
        fresh: &mut Option<RatingId>,
    ) -> Result<(RatingId, bool), Invalid> {
        match (self, own) {
            (Self::One(key), Some(own)) if own != key.id() => Err(Invalid::new(
                "id",
                "is not the id that Idempotency-Key stands for; send one of the two",
            )),
            (_, Some(own)) => Ok((own, true)),
            (Self::One(key), None) => Ok((key.id(), true)),
            (Self::Many(key), None) => Ok((key.id_of_item(index), true)),
            (Self::Fresh, None) => {
                let id = fresh.map_or_else(RatingId::new, RatingId::next);
                *fresh = Some(id);
                Ok((id, false))
            }
        }
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
        let promises = chosen.then(|| Promises { recent: self.recent.clone(), records });
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
        let outcome = |(index, entry)| {
            let id = match entry {
                Entry::Decided(outcome) => return (index, outcome),
                Entry::Record(id) => id,
            };
            let outcome = match results.next() {
                Some(Ok(place)) => Outcome::Created(id, place),
                Some(Err(error)) => Outcome::Failed(id, error),
                None => Outcome::Failed(id, SendError::Unknown("no result".into())),
            };
            (index, outcome)
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
    use crate::queue::{KafkaSettings, Writer};

    const ID: &str = "0198c5a0-1b2c-7d3e-8f40-5a6b7c8d9e0f";

    /// Sends to a port that nothing listens on.
    pub(in crate::producer::ratings) fn dispatch() -> Dispatch {
        let writer = Writer::connect(&KafkaSettings::new("127.0.0.1:1"), "t").expect("a writer");
        let intake = Intake::new(writer, Metrics::default());
        Dispatch { intake, recent: Recent::default(), naming: Naming::Fresh, headers: Vec::new() }
    }

    /// Ratings without an id, and with one, about this battle.
    fn read(dispatch: &Dispatch, battle: &str) -> Portion {
        let fields = format!(r#""battle":"{battle}","voice1":"v","voice2":"w","rating":1}}"#);
        let lines = [format!("{{{fields}"), format!(r#"{{"id":"{ID}",{fields}"#)];
        dispatch.read((0..).zip(lines.iter().map(|line| Line::Bytes(line.as_bytes()))))
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
