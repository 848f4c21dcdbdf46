//! Recount: what the log that is there adds up to, counted anew in the plainest way.

use std::collections::{BTreeMap, BTreeSet};

use erboh::queue::Topics;
use serde_json::{Value, json};

use super::roles::{Role, Roles};
use crate::support::wait::eventually;

/// What a log adds up to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Recount {
    pub(super) counted: u64,
    /// Hated, meh, liked by voice.
    voices: BTreeMap<String, [u64; 3]>,
    /// The offset behind the last record, by partition.
    pub(super) position: BTreeMap<String, i64>,
}

impl Recount {
    /// Counts the first `partitions` partitions of the ratings.
    pub(super) fn of(roles: &Roles, partitions: i32) -> Self {
        let mut recount = Self::default();
        for partition in 0..partitions {
            let mut ids = BTreeSet::new();
            roles.read(&Topics::default().ratings, partition, |record| {
                let rating: Value = serde_json::from_slice(record.value().unwrap()).unwrap();
                recount.position.insert(partition.to_string(), record.offset() + 1);
                if !ids.insert(rating["id"].to_string()) {
                    return;
                }
                recount.counted += 1;
                let score = rating["rating"].as_u64().unwrap() as usize;
                for voice in ["voice1", "voice2"] {
                    let voice = rating[voice].as_str().unwrap().to_owned();
                    recount.voices.entry(voice).or_default()[score] += 1;
                }
            });
        }
        recount
    }

    /// Whether a board shows just that.
    pub(super) fn is_shown(&self, totals: &Value) -> bool {
        let at = |partition: &String| totals["position"][partition].as_i64();
        let voices = totals["voices"].as_array().into_iter().flatten();
        let shown: BTreeMap<&str, [u64; 3]> = voices
            .filter(|row| row["count"] != json!(0))
            .map(|row| {
                let cell = |name: &str| row[name].as_u64().unwrap();
                (row["voice"].as_str().unwrap(), [cell("hated"), cell("meh"), cell("liked")])
            })
            .collect();
        let voices: BTreeMap<&str, [u64; 3]> =
            self.voices.iter().map(|(voice, tally)| (voice.as_str(), *tally)).collect();
        totals["counted"] == json!(self.counted)
            && shown == voices
            && self.position.iter().all(|(partition, next)| at(partition) == Some(*next))
    }

    /// Waits until the consumer shows what the log adds up to.
    #[track_caller]
    pub(super) fn demand(roles: &Roles, partitions: i32, role: &Role) -> Value {
        let recount = Self::of(roles, partitions);
        let what = format!("the board shows what the log adds up to: {recount:?}");
        let (mut last, mut state) = (Value::Null, String::new());
        let totals = eventually(&what, || {
            let view = role.partitions()?;
            let now = format!("{} {}", view["problem"], states(&view));
            if now != state {
                eprintln!("the board: problem {now}");
                state = now;
            }
            let totals = role.totals()?;
            if totals != last {
                eprintln!("the board: counted {} at {}", totals["counted"], totals["position"]);
                last = totals.clone();
            }
            recount.is_shown(&totals).then_some(totals)
        });
        assert_eq!(role.partitions().unwrap()["alarm"], Value::Null);
        totals
    }
}

/// The state of every partition.
fn states(view: &Value) -> String {
    let of = |one: &Value| format!("{}: {}", one["partition"], one["state"]);
    let partitions = view["partitions"].as_array().into_iter().flatten();
    partitions.map(of).collect::<Vec<_>>().join(", ")
}
