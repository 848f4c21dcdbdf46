//! Portion: ratings of one request that travel together.
//!
//! ```text
//!  items ─► parse ─► ids ─► Recent, locked once ─► entries + Batch ─► Intake ─► outcomes, in order
//!                                  (invalid, reused or known ones are not in the batch)
//! ```

use super::answer::Outcome;
use super::key::Key;
use super::lines::Line;
use super::recent::{Recent, Seen};
use crate::limits::RATING_BYTES_MAX;
use crate::producer::intake::{Busy, Intake, Sending};
use crate::queue::{Batch, SendError};
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
}

/// Ratings on their way.
pub(super) struct Sent {
    entries: Vec<(u64, Entry)>,
    sending: Option<Sending>,
}

/// What is known about an item before the queue has answered.
enum Entry {
    /// In the batch. Who chose the id may repeat it, so that its rating's hash is remembered.
    Record(RatingId, Option<u64>),
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
}

impl Naming {
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
        let mut portion = Portion { entries: Vec::with_capacity(read.len()), batch: Batch::new() };
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
                            portion.batch.push_with(key, |value| rating.write_json(id, value));
                            Entry::Record(id, hash)
                        }
                    }
                }
            };
            portion.entries.push((index, entry));
        }
        drop(ids);
        for (name, value) in &self.headers {
            portion.batch.header(name, value);
        }
        portion
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
        let Portion { entries, batch } = portion;
        let sending = if batch.is_empty() {
            None
        } else {
            let accepted = self.intake.accept(batch).await;
            if accepted.is_err() {
                self.forget(&entries);
            }
            Some(accepted?)
        };
        Ok(Sent { entries, sending })
    }

    /// Sends a portion as soon as there is room.
    pub(super) async fn send_waiting(&self, portion: Portion) -> Sent {
        let Portion { entries, batch } = portion;
        let sending =
            if batch.is_empty() { None } else { Some(self.intake.accept_waiting(batch).await) };
        Sent { entries, sending }
    }

    /// Waits for what becomes of each item, with its place in the request.
    pub(super) async fn outcomes(&self, sent: Sent) -> Vec<(u64, Outcome)> {
        let Sent { entries, sending } = sent;
        let results = match sending {
            Some(sending) => sending.results().await,
            None => Vec::new(),
        };
        let chosen = entries.iter().any(|(_, entry)| matches!(entry, Entry::Record(_, Some(_))));
        let mut ids = chosen.then(|| self.recent.lock());
        let mut results = results.into_iter();
        let outcome = |(index, entry)| {
            let (id, hash) = match entry {
                Entry::Decided(outcome) => return (index, outcome),
                Entry::Record(id, hash) => (id, hash),
            };
            let result =
                results.next().unwrap_or_else(|| Err(SendError::Unknown("no result".into())));
            if let (Some(ids), Some(hash)) = (&mut ids, hash) {
                ids.settle(id, hash, Some(&result));
            }
            let outcome = match result {
                Ok(place) => Outcome::Created(id, place),
                Err(error) => Outcome::Failed(id, error),
            };
            (index, outcome)
        };
        entries.into_iter().map(outcome).collect()
    }

    fn forget(&self, entries: &[(u64, Entry)]) {
        let mut ids = self.recent.lock();
        for (_, entry) in entries {
            if let Entry::Record(id, Some(hash)) = entry {
                ids.settle(*id, *hash, None);
            }
        }
    }
}
