//! Recent ids: the ids that clients chose lately, what each was the id of, and where that is.
//!
//! ```text
//!  check(id, hash)   New ─────► remembered, to be written          Same(place) ─► answered, not written again
//!                    Open ────► written again, counted once        Other ───────► refused
//!  settle(id, hash, result) ◄── what became of a sending; certain failures make the id free again
//!
//!  two generations: ids go into the young one; when that is full it becomes the old one, and the old one goes
//! ```
//!
//! This is a courtesy of one process, not what exactness rests on: another replica, or this one after a restart, does
//! not know the id, writes the rating again, and the counting drops it as a duplicate.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{iter, mem};

use crate::limits::RECENT_IDS_MAX;
use crate::queue::{Placed, SendError, SendResult};
use crate::rating::{RatingId, RatingView};

/// What is known about an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Not seen lately.
    New,
    /// The same rating was acknowledged; it is here.
    Same(Placed),
    /// The same rating is on its way, or nobody knows what became of it.
    Open,
    /// The id belongs to another rating.
    Other,
}

/// The recent ids of one process. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct RecentIds {
    ids: Arc<Mutex<Ids>>,
    hasher: RandomState,
}

/// The sendings that have begun in [`RecentIds`], each of which is to be settled there: as not sent when this is dropped.
pub struct Promises {
    recent: RecentIds,
    /// Of each record of the batch, if its sender chose its id and so may repeat it: the id and the rating's hash.
    records: Vec<Option<(RatingId, u64)>>,
}

/// What belongs to an id. It is free again when every sending has certainly failed.
#[derive(Debug, Clone, Copy)]
struct Known {
    hash: u64,
    place: Option<Placed>,
    /// Sendings on their way.
    open: u32,
    /// Whether one of them may have succeeded without an answer.
    in_doubt: bool,
}

#[derive(Debug, Default)]
struct Ids {
    young: HashMap<RatingId, Known>,
    old: HashMap<RatingId, Known>,
}

/// The recent ids, locked for the items of one portion.
pub struct Locked<'a>(MutexGuard<'a, Ids>);

impl RecentIds {
    /// What tells this rating from another one with the same id. Differs from process to process.
    #[must_use]
    pub fn hash(&self, rating: &RatingView<'_>) -> u64 {
        let RatingView { id: _, battle, voice1, voice2, score, rater } = rating;
        self.hasher.hash_one((battle, voice1, voice2, score, rater))
    }

    /// Locks the ids; to be held for one portion at most, and never while waiting for anything.
    #[must_use]
    pub fn lock(&self) -> Locked<'_> {
        // A panic elsewhere leaves at worst an id that is forgotten.
        Locked(self.ids.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is to become of the sendings that have begun: of each record of a batch, if its sender chose its id, the id
    /// and the rating's hash.
    #[must_use]
    pub fn promise(&self, records: Vec<Option<(RatingId, u64)>>) -> Promises {
        Promises { recent: self.clone(), records }
    }
}

impl Promises {
    /// Settles each with its result.
    pub fn keep(mut self, results: &[SendResult]) {
        self.settle(results.iter().map(Some));
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

impl Locked<'_> {
    /// What is known about `id`. Unless it is [`Seen::Same`] or [`Seen::Other`], a sending begins, which
    /// [`Locked::settle`] is to end.
    pub fn check(&mut self, id: RatingId, hash: u64) -> Seen {
        match self.0.get(id) {
            None => {
                self.0.insert(id, Known { hash, place: None, open: 1, in_doubt: false });
                Seen::New
            }
            Some(known) if known.hash != hash => Seen::Other,
            Some(Known { place: Some(place), .. }) => Seen::Same(*place),
            Some(known) => {
                known.open += 1;
                Seen::Open
            }
        }
    }

    /// Notes what became of a sending; `None` if it never began.
    pub fn settle(&mut self, id: RatingId, hash: u64, result: Option<&SendResult>) {
        let placed = result.and_then(|result| result.as_ref().ok().copied());
        let Some(known) = self.0.get(id).filter(|known| known.hash == hash) else {
            // So many ids came meanwhile that this one was forgotten.
            if placed.is_some() && self.0.get(id).is_none() {
                self.0.insert(id, Known { hash, place: placed, open: 0, in_doubt: false });
            }
            return;
        };
        known.open = known.open.saturating_sub(1);
        known.place = known.place.or(placed);
        known.in_doubt |= matches!(result, Some(Err(SendError::Unknown(_))));
        if known.open == 0 && known.place.is_none() && !known.in_doubt {
            self.0.remove(id);
        }
    }
}

impl Ids {
    fn get(&mut self, id: RatingId) -> Option<&mut Known> {
        match self.young.get_mut(&id) {
            Some(known) => Some(known),
            None => self.old.get_mut(&id),
        }
    }

    fn remove(&mut self, id: RatingId) {
        if self.young.remove(&id).is_none() {
            self.old.remove(&id);
        }
    }

    fn insert(&mut self, id: RatingId, known: Known) {
        if self.young.len() >= RECENT_IDS_MAX / 2 {
            // The old generation's memory is used again.
            self.old.clear();
            mem::swap(&mut self.young, &mut self.old);
        }
        self.young.insert(id, known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Placed = Placed { partition: 1, offset: 7 };

    #[test]
    fn an_id_belongs_to_one_rating() {
        let (recent, id) = (RecentIds::default(), RatingId::new());
        let mut ids = recent.lock();
        assert_eq!(ids.check(id, 1), Seen::New);
        assert_eq!(ids.check(id, 1), Seen::Open);
        assert_eq!(ids.check(id, 2), Seen::Other);
        ids.settle(id, 1, Some(&Ok(PLACE)));
        assert_eq!(ids.check(id, 1), Seen::Same(PLACE));
        assert_eq!(ids.check(id, 2), Seen::Other);
    }

    #[test]
    fn an_id_is_free_again_when_every_sending_has_failed_for_certain() {
        let (recent, id) = (RecentIds::default(), RatingId::new());
        let unavailable = Err(SendError::Unavailable("no".into()));
        let mut ids = recent.lock();
        assert_eq!((ids.check(id, 1), ids.check(id, 1)), (Seen::New, Seen::Open));
        ids.settle(id, 1, Some(&unavailable));
        assert_eq!(ids.check(id, 2), Seen::Other, "one sending is still on its way");
        ids.settle(id, 1, None);
        assert_eq!(ids.check(id, 2), Seen::New);
        ids.settle(id, 2, Some(&Err(SendError::Unknown("late".into()))));
        assert_eq!(ids.check(id, 2), Seen::Open);
        ids.settle(id, 2, Some(&unavailable));
        assert_eq!(ids.check(id, 3), Seen::Other, "the first sending may have succeeded");
    }

    #[test]
    fn a_failure_after_a_success_changes_nothing() {
        let (recent, id) = (RecentIds::default(), RatingId::new());
        let mut ids = recent.lock();
        assert_eq!((ids.check(id, 1), ids.check(id, 1)), (Seen::New, Seen::Open));
        ids.settle(id, 1, Some(&Ok(PLACE)));
        ids.settle(id, 1, Some(&Err(SendError::TooLarge)));
        assert_eq!(ids.check(id, 1), Seen::Same(PLACE));
    }

    #[test]
    fn memory_is_bounded_and_the_newest_half_is_always_known() {
        let recent = RecentIds::default();
        let mut ids = recent.lock();
        let all: Vec<_> = std::iter::successors(Some(RatingId::new()), |id| Some(id.next()))
            .take(3 * RECENT_IDS_MAX)
            .collect();
        for id in &all {
            assert_eq!(ids.check(*id, 1), Seen::New);
            ids.settle(*id, 1, Some(&Ok(PLACE)));
            assert!(ids.0.young.len() + ids.0.old.len() <= RECENT_IDS_MAX);
        }
        let newest = &all[all.len() - RECENT_IDS_MAX / 2..];
        assert!(newest.iter().all(|id| ids.check(*id, 1) == Seen::Same(PLACE)));
        assert_eq!(ids.check(all[0], 1), Seen::New);
    }

    #[test]
    fn every_field_but_the_id_makes_another_rating() {
        let recent = RecentIds::default();
        let hash =
            |json: &str| recent.hash(&RatingView::from_request(json.as_bytes()).expect("a rating"));
        let one = r#"{"battle":"b","voice1":"v","voice2":"w","rating":1,"rater":"r"}"#;
        assert_eq!(hash(one), hash(&one.replace("\"b\"", "\" b \"")));
        assert_eq!(
            hash(one),
            hash(&one.replace('{', r#"{"id":"0198c5a0-1b2c-7d3e-8f40-5a6b7c8d9e0f","#))
        );
        for (from, to) in [
            ("\"b\"", "\"c\""),
            ("\"v\"", "\"x\""),
            ("\"w\"", "\"x\""),
            ("1,", "2,"),
            (":\"r\"", ":null"),
        ] {
            assert_ne!(hash(one), hash(&one.replace(from, to)), "{from} {to}");
        }
    }
}
