//! Properties: whoever folds a log, however often it changes hands, gets what one pass gives; and one pass gives what
//! the definition says.

use proptest::prelude::*;

use super::model::*;
use super::*;

proptest! {
    #[test]
    fn one_pass_gives_what_the_definition_says((from, log) in logs(60)) {
        let mut totals = start(from);
        for entry in &log {
            totals.apply(entry.record());
            let found = snapshot(&totals);
            prop_assert_eq!(&found, &model(from, &log, &[], found.next_offset));
            prop_assert!(accounts(&found, &log));
        }
        // A control record at the end moves the position and nothing else.
        totals.advance_to(end(from, &log) + 1);
        prop_assert_eq!(snapshot(&totals), model(from, &log, &[], end(from, &log) + 1));
    }

    /// Retention may take what the window needs, and what was not counted: then the snapshot names it, and is a function
    /// of the log and of what it names.
    #[test]
    fn what_retention_took_is_named(
        (from, log) in logs(60),
        take_overs in proptest::collection::vec((0..10_usize, 0..14_i64, any::<bool>()), 0..6),
    ) {
        let mut owner = start(from);
        let (mut events, mut log_start) = (Vec::new(), from);
        let end = end(from, &log);
        for (count, reach, record_gap) in take_overs {
            let next_offset = owner.next_offset();
            let next = log.iter().filter(|entry| entry.offset >= next_offset.max(log_start)).take(count);
            next.for_each(|entry| drop(owner.apply(entry.record())));
            // The log start moves to some offset around the position, never back.
            let position = owner.next_offset();
            let latest = if record_gap { end } else { position };
            log_start = (position - WINDOW - 3 + reach).min(latest).max(log_start);
            owner = take_over(snapshot(&owner), &log, log_start);
            events.push((position, Event::TakeOver { log_start }));
            if log_start > position {
                owner.gap(position, log_start);
                events.push((position, Event::Gap { to: log_start }));
            }
            let found = snapshot(&owner);
            prop_assert!(accounts(&found, &log));
        }
        apply(&mut owner, &log);
        let found = snapshot(&owner);
        let expected = model(from, &log, &events, found.next_offset);
        prop_assert_eq!(found.to_json(), merged(expected).to_json());
        prop_assert!(accounts(&found, &log));
        prop_assert_eq!(found.exact(), !events.iter().any(|(_, event)| matches!(event, Event::Gap { .. })));
    }

    /// Cutting the window matters to second copies only: without any, nothing but `window_from` differs.
    #[test]
    fn a_cut_window_changes_nothing_else_where_there_are_no_copies(count in 1..50_u8, at in 0..50_usize, reach in 0..WINDOW) {
        let values: Vec<_> = (0..count).map(|id| rating(id, "a", "b", id % 3)).collect();
        let log = log(0, &values.iter().map(String::as_str).collect::<Vec<_>>());
        let at = at.min(log.len());
        let mut totals = start(0);
        apply(&mut totals, &log[..at]);
        let mut totals = take_over(snapshot(&totals), &log, at as i64 - reach);
        apply(&mut totals, &log[at..]);
        let mut one_pass = start(0);
        apply(&mut one_pass, &log);
        let found = snapshot(&totals);
        prop_assert!(!found.contradicts(&snapshot(&one_pass)));
        prop_assert_eq!(Snapshot { window_from: 0, cuts: None, ..found }, snapshot(&one_pass));
    }

    #[test]
    fn any_bytes_are_no_snapshot_and_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Snapshot::from_json(&bytes).is_err());
    }

    /// Whatever one byte of a snapshot becomes, reading it does not panic, and what is read adds up.
    #[test]
    fn a_damaged_snapshot_does_no_harm((from, log) in logs(60), at in 0..600_usize, byte in any::<u8>()) {
        let mut totals = start(from);
        apply(&mut totals, &log);
        let mut bytes = snapshot(&totals).to_json();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(read) = Snapshot::from_json(&bytes) {
            let mut totals = take_over(read.clone(), &log, from);
            apply(&mut totals, &log);
            let after = totals.snapshot("test", 1);
            prop_assert!(after.counted >= read.counted && after.next_offset >= read.next_offset);
        }
    }
}
