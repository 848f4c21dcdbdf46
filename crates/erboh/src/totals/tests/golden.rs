//! Golden vectors: a fixed log and the exact bytes it adds up to.
//!
//! If one of these fails, the meaning of a log has changed: totals that were written before would no longer be those
//! that are counted now. That needs a new `FOLD`, and new vectors next to these.

use super::*;
use crate::totals::FOLD;

#[test]
fn the_version_has_these_vectors() {
    assert_eq!(FOLD, 1);
}

fn check(totals: &PartitionTotals, expected: &str) {
    let bytes = snapshot(totals).to_json();
    assert_eq!(String::from_utf8(bytes).unwrap(), expected.replace('\n', ""));
}

#[test]
fn a_log_with_everything_in_it() {
    let mut totals = PartitionTotals::start(3, 5);
    check(
        &totals,
        r#"{"fold":1,"epoch":0,"log":"","partition":3,"from_offset":5,"next_offset":5,"counted":0,"duplicates":0,
"dead":0,"gaps":[],"last":null,"window_from":5,"voices":{},"writer":"test","generation":1}"#,
    );

    let mut log = log(
        5,
        &[
            &rating(1, "Big Bird", "Macho Man", 2),
            &rating(2, "Macho Man", "Äpfel \\\"&\\\" 😀", 0),
            &rating(1, "Big Bird", "Macho Man", 2),
            "Moses vs Santa Claus|Big Bird|Macho Man|1",
            "Moses vs Santa Claus|Big Bird|Macho Man|1",
            "not a rating",
            &rating(2, "Other", "Content", 1),
            "gone",
        ],
    );
    log[7].value = None;
    log[7].key = None;
    apply(&mut totals, &log);
    totals.advance_to(20);
    check(
        &totals,
        r#"{"fold":1,"epoch":0,"log":"32836d028426fee5","partition":3,"from_offset":5,"next_offset":20,"counted":4,
"duplicates":2,"dead":2,"gaps":[],"last":{"offset":12,"timestamp":1760000000012,"hash":"4c91453cd04ecded"},"window_from":5,
"voices":{"Big Bird":[0,2,1],"Macho Man":[1,2,1],"Äpfel \"&\" 😀":[1,0,0]},"writer":"test","generation":1}"#,
    );

    totals.gap(20, 30);
    apply(&mut totals, &super::log(30, &[&rating(1, "Big Bird", "Macho Man", 2)]));
    check(
        &totals,
        r#"{"fold":1,"epoch":0,"log":"32836d028426fee5","partition":3,"from_offset":5,"next_offset":31,"counted":5,
"duplicates":2,"dead":2,"gaps":[[20,30]],"last":{"offset":30,"timestamp":1760000000030,"hash":"c28fd908fe0f8047"},
"window_from":30,"voices":{"Big Bird":[0,2,2],"Macho Man":[1,2,2],"Äpfel \"&\" 😀":[1,0,0]},"writer":"test",
"generation":1}"#,
    );
}

/// A record of a vector: offset, timestamp, key, value.
type Raw<'a> = (i64, i64, Option<&'a [u8]>, Option<&'a [u8]>);

/// Folds bytes from offset 0 of partition 0, and demands these bytes.
fn check_bytes(log: &[Raw<'_>], expected: &str) {
    let mut totals = PartitionTotals::start(0, 0);
    for &(offset, timestamp_ms, key, value) in log {
        totals.apply(Record { offset, timestamp_ms, key, value });
    }
    check(&totals, expected);
}

const ID_1: &str = "0198c5a0-0000-7000-8000-000000000001";
const ID_2: &str = "0198c5a0-0000-7000-8000-000000000002";

#[test]
fn duplicates() {
    let of = |id: &str, rest: &str| format!(r#"{{"id":"{id}","battle":"t",{rest}}}"#);
    let first = of(ID_1, r#""voice1":"a","voice2":"b","rating":2"#);
    let other_content = of(ID_1, r#""voice1":"c","voice2":"d","rating":0"#);
    let other_case = of(&ID_1.to_uppercase(), r#""voice1":"a","voice2":"b","rating":2"#);
    let other_id = of(ID_2, r#""voice1":"a","voice2":"b","rating":2,"rater":"me","new":[{}]"#);
    let no_rating =
        of("0198c5a0-0000-7000-8000-000000000003", r#""voice1":"a","voice2":"a","rating":2"#);
    let now_a_rating =
        of("0198c5a0-0000-7000-8000-000000000003", r#""voice1":"a","voice2":"b","rating":1"#);
    let values =
        [&first, &first, &other_content, &other_case, &other_id, &no_rating, &now_a_rating];
    let mut log: Vec<Raw<'_>> = Vec::new();
    for (offset, value) in (0..).zip(values) {
        log.push((offset, 1_760_000_000_000, Some(ID_1.as_bytes()), Some(value.as_bytes())));
    }
    // Copies at the last offset of the window of the copy at offset 3, and one further from that.
    log.push((3 + 131_072, 1_760_000_000_001, None, Some(first.as_bytes())));
    log.push((3 + 131_072 + 131_073, 1_760_000_000_002, None, Some(first.as_bytes())));
    check_bytes(
        &log,
        r#"{"fold":1,"epoch":0,"log":"8c248376efb21e24","partition":0,"from_offset":0,"next_offset":262149,"counted":4,"duplicates":4,
"dead":1,"gaps":[],"last":{"offset":262148,"timestamp":1760000000002,"hash":"86147923af658472"},
"window_from":0,
"voices":{"a":[0,1,3],"b":[0,1,3]},
"writer":"test","generation":1}"#,
    );
}

#[test]
fn dead_letters() {
    let large = format!(
        r#"{{"id":"{ID_1}","battle":"t","voice1":"a","voice2":"b","rating":1,"x":"{}"}}"#,
        "x".repeat(16_384)
    );
    let longest_name = format!("t|{}|b|1", "n".repeat(101));
    let values: [Option<&[u8]>; 20] = [
        None,
        Some(b""),
        Some(b" "),
        Some(b"\xff\xfe"),
        Some(large.as_bytes()),
        Some(longest_name.as_bytes()),
        Some(b"t|a|b|3"),
        Some(b"t|a|b|-1"),
        Some(b"t|a|b|1.0"),
        Some(b"t|a|b"),
        Some(b"t|a|b|1|"),
        Some(b"t|a|a|1"),
        Some(b"t||b|1"),
        Some(b"t|a\x07|b|1"),
        Some(b"{}"),
        Some(b"[]"),
        Some(br#"{"id":"0198c5a0-0000-7000-8000-000000000001","battle":"t","voice1":"a","voice2":"b","rating":3}"#),
        Some(br#"{"id":"1","battle":"t","voice1":"a","voice2":"b","rating":1}"#),
        Some(br#"{"battle":"t","voice1":"a","voice2":"b","rating":1}"#),
        Some(br#"{"id":"0198c5a0-0000-7000-8000-000000000001","battle":"t","voice1":"a","voice2":"b","rating":1}}"#),
    ];
    let log: Vec<Raw<'_>> =
        (0..).zip(values).map(|(offset, value)| (offset, -1, None, value)).collect();
    check_bytes(
        &log,
        r#"{"fold":1,"epoch":0,"log":"1d2cd281cde4eaeb","partition":0,"from_offset":0,"next_offset":20,"counted":0,"duplicates":0,
"dead":20,"gaps":[],"last":{"offset":19,"timestamp":-1,"hash":"0c760a4560955534"},
"window_from":0,
"voices":{},
"writer":"test","generation":1}"#,
    );
}

#[test]
fn the_text_form() {
    let values: [&[u8]; 6] = [
        b"Moses vs Santa Claus|Moses|Santa Claus|0",
        b"Moses vs Santa Claus|Moses|Santa Claus|0",
        b" Moses vs Santa Claus | Moses\t| Santa Claus | 2 \r\n",
        b"t|moses|Moses|1",
        b"t|{}|\"|1",
        b"\xc2\xa0t|\xe2\x80\x83a\xe2\x80\x83|b|2",
    ];
    let log: Vec<Raw<'_>> = (0..)
        .zip(values)
        .map(|(at, value)| (at * 3, at, Some(b"".as_slice()), Some(value)))
        .collect();
    check_bytes(
        &log,
        r#"{"fold":1,"epoch":0,"log":"25a04faab2d05381","partition":0,"from_offset":0,"next_offset":16,"counted":6,"duplicates":0,
"dead":0,"gaps":[],"last":{"offset":15,"timestamp":5,"hash":"b3a353d4bf2982a7"},
"window_from":0,
"voices":{"\"":[0,1,0],"Moses":[2,1,1],"Santa Claus":[2,0,1],"a":[0,0,1],"b":[0,0,1],"moses":[0,1,0],"{}":[0,1,0]},
"writer":"test","generation":1}"#,
    );
}

#[test]
fn names_in_many_scripts() {
    let longest = "𝕏".repeat(100);
    let pairs = [
        // Composed and decomposed, escaped and plain: two names, not four.
        ("é", "e\\u0301"),
        ("\\u00e9", "e\u{301}"),
        ("Дарт Вейдер", "ダース・ベイダー"),
        ("\\ud83d\\ude00", "😀\u{200d}🚀"),
        ("\u{202e}left", "\u{2028}"),
        ("\\\"", "\\\\"),
        ("\\u0000", "b"),
        ("\\ud83d", "b"),
        (&longest, "</script>"),
    ];
    let mut values = Vec::new();
    for (number, (one, other)) in (0..).zip(pairs) {
        values.push(rating(number, one, other, number % 3));
    }
    let log: Vec<Raw<'_>> =
        (0..).zip(&values).map(|(at, value)| (at, 7, None, Some(value.as_bytes()))).collect();
    let expected = r#"{"fold":1,"epoch":0,"log":"24adfadf9ec742c7","partition":0,"from_offset":0,"next_offset":9,"counted":6,"duplicates":0,
"dead":3,"gaps":[],"last":{"offset":8,"timestamp":7,"hash":"c4bc5e9dac238c4a"},
"window_from":0,
"voices":{"\"":[0,0,1],"</script>":[0,0,1],"\\":[0,0,1],"DECOMPOSED":[1,1,0],"é":[1,1,0],"Дарт Вейдер":[0,0,1],"ダース・ベイダー":[0,0,1],"LONG":[0,0,1],"😀":[1,0,0],"😀JOINER🚀":[1,0,0]},
"writer":"test","generation":1}"#;
    let invisible = [("LONG", &*longest), ("DECOMPOSED", "e\u{301}"), ("JOINER", "\u{200d}")];
    let fill = |text: String, (from, to): (&str, &str)| text.replace(from, to);
    check_bytes(&log, &invisible.into_iter().fold(expected.to_owned(), fill));
}

/// What retention took from a window is named by an offset and by a hash over all such cuts.
#[test]
fn cuts_of_the_window() {
    let mut totals = PartitionTotals::start(0, 0);
    apply(&mut totals, &log(0, &["t|a|b|1"; 10]));
    let mut totals = PartitionTotals::resume(snapshot(&totals));
    totals.begin_warm(4);
    check(
        &totals,
        r#"{"fold":1,"epoch":0,"log":"a20ee228d53e146b","partition":0,"from_offset":0,"next_offset":10,"counted":10,"duplicates":0,
"dead":0,"gaps":[],"last":{"offset":9,"timestamp":1760000000009,"hash":"bf01ae3ae277eef3"},
"window_from":4,"cuts":"49083f3357ca976a",
"voices":{"a":[0,10,0],"b":[0,10,0]},
"writer":"test","generation":1}"#,
    );
    let mut totals = PartitionTotals::resume(snapshot(&totals));
    totals.begin_warm(10);
    check(
        &totals,
        r#"{"fold":1,"epoch":0,"log":"a20ee228d53e146b","partition":0,"from_offset":0,"next_offset":10,"counted":10,"duplicates":0,
"dead":0,"gaps":[],"last":{"offset":9,"timestamp":1760000000009,"hash":"bf01ae3ae277eef3"},
"window_from":10,"cuts":"02752a73224bf186",
"voices":{"a":[0,10,0],"b":[0,10,0]},
"writer":"test","generation":1}"#,
    );
}

/// The number of offsets in which a second copy is a duplicate is a part of the meaning too.
#[test]
fn the_window_is_131_072_offsets() {
    for (offset, counted, duplicates) in [(131_072, 1, 1), (131_073, 2, 0)] {
        let mut totals = PartitionTotals::start(0, 0);
        apply(&mut totals, &log(0, &[&rating(1, "a", "b", 1)]));
        apply(&mut totals, &log(offset, &[&rating(1, "a", "b", 1)]));
        let snapshot = snapshot(&totals);
        assert_eq!((snapshot.counted, snapshot.duplicates), (counted, duplicates), "{offset}");
    }
}
