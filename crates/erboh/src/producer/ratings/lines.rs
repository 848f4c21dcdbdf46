//! Lines: bytes as they arrive, cut into the lines of an NDJSON upload.
//!
//! ```text
//!  buffer  …}\n{"battle":…}\n{"bat        INGEST_READ_BYTES, reused for the whole upload
//!             └── a line ──┘ └ rest: moved to the front before more is read
//! ```
//!
//! A line ends with `\n` or `\r\n`; the last one may do without. Blank lines are counted, not given. A line longer than
//! [`RATING_BYTES_MAX`] is given as [`Line::TooLong`] and passed over without being kept. How the bytes are cut into
//! chunks on their way makes no difference.

use memchr::memchr;

use crate::limits::{INGEST_READ_BYTES, RATING_BYTES_MAX};
use crate::web::byte_order_mark::{BYTE_ORDER_MARK, without_mark};

/// Bytes of a line that may still turn out to be within the limit: a byte order mark and `\r` do not count.
const UNDECIDED_BYTES_MAX: usize = RATING_BYTES_MAX + BYTE_ORDER_MARK.len() + 1;

/// One line, without its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line<'a> {
    /// Its bytes, at most [`RATING_BYTES_MAX`] and not all of them white space.
    Bytes(&'a [u8]),
    /// There were more.
    TooLong,
}

/// Cuts an upload into lines.
#[derive(Debug)]
pub struct Lines {
    buffer: Vec<u8>,
    cut: Cut,
}

/// How far the buffer is cut.
#[derive(Debug, Default)]
struct Cut {
    /// Where the first line that was not given begins.
    start: usize,
    /// Up to where that line is known to have no end, so that each byte is looked at once.
    searched: usize,
    /// Whether the bytes up to the next end belong to a line that is too long.
    skipping: bool,
    /// Lines that have ended, blank ones too.
    number: u64,
}

impl Default for Lines {
    fn default() -> Self {
        Self { buffer: Vec::with_capacity(INGEST_READ_BYTES), cut: Cut::default() }
    }
}

impl Lines {
    /// The buffer to append what has arrived to, and how many bytes it takes without growing: at least
    /// [`INGEST_READ_BYTES`] less one line, once all lines that are there have been taken.
    pub fn room(&mut self) -> (&mut Vec<u8>, usize) {
        self.buffer.drain(..self.cut.start);
        self.cut.searched -= self.cut.start;
        self.cut.start = 0;
        let room = INGEST_READ_BYTES.saturating_sub(self.buffer.len());
        (&mut self.buffer, room)
    }

    /// The lines that are whole, each with its number, from 1. With `ended` the rest is a line too. Who stops in the
    /// middle goes on from there the next time.
    pub fn cut(&mut self, ended: bool) -> impl Iterator<Item = (u64, Line<'_>)> {
        let Self { buffer, cut } = self;
        let buffer: &[u8] = buffer;
        std::iter::from_fn(move || cut.next(buffer, ended))
    }

    /// How many lines have been taken, blank ones too.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.cut.number
    }
}

impl Cut {
    fn next<'a>(&mut self, buffer: &'a [u8], ended: bool) -> Option<(u64, Line<'a>)> {
        loop {
            let end = memchr(b'\n', &buffer[self.searched..]).map(|at| self.searched + at);
            let Some(end) = end.or((ended && self.start < buffer.len()).then_some(buffer.len()))
            else {
                return if ended { self.end() } else { self.keep(buffer) };
            };
            let bytes = &buffer[self.start..end];
            self.start = buffer.len().min(end + 1);
            self.searched = self.start;
            self.number += 1;
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            let line = if self.number == 1 { without_mark(bytes) } else { bytes };
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.len() > RATING_BYTES_MAX {
                return Some((self.number, Line::TooLong));
            }
            if !line.trim_ascii().is_empty() {
                return Some((self.number, Line::Bytes(line)));
            }
        }
    }

    /// There is nothing left at all. A line that is passed over ends here too.
    fn end<'a>(&mut self) -> Option<(u64, Line<'a>)> {
        self.number += u64::from(std::mem::take(&mut self.skipping));
        None
    }

    /// There is no whole line left. What is there of the next one is kept, unless it is too long already.
    fn keep<'a>(&mut self, buffer: &'a [u8]) -> Option<(u64, Line<'a>)> {
        self.searched = buffer.len();
        if !self.skipping && buffer.len() - self.start <= UNDECIDED_BYTES_MAX {
            return None;
        }
        self.start = buffer.len();
        // It is told once, at the first moment at which it is certain.
        let told = std::mem::replace(&mut self.skipping, true);
        (!told).then_some((self.number + 1, Line::TooLong))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Lines by their numbers; none where one is too long.
    type Found = Vec<(u64, Option<Vec<u8>>)>;

    /// The lines of `bytes` when they arrive in pieces of these sizes, and how many there were.
    fn cut(bytes: &[u8], sizes: &[usize]) -> (Found, u64) {
        let (mut lines, mut found, mut rest) = (Lines::default(), Found::new(), bytes);
        let mut sizes = sizes.iter().cycle();
        let mut collect = |lines: &mut Lines, ended| {
            found.extend(lines.cut(ended).map(|(number, line)| match line {
                Line::Bytes(bytes) => (number, Some(bytes.to_vec())),
                Line::TooLong => (number, None),
            }));
        };
        while !rest.is_empty() {
            let (buffer, room) = lines.room();
            assert!(room >= INGEST_READ_BYTES - UNDECIDED_BYTES_MAX);
            let size = room.min(rest.len()).min(*sizes.next().unwrap_or(&usize::MAX));
            buffer.extend_from_slice(&rest[..size]);
            assert!(buffer.len() <= INGEST_READ_BYTES);
            rest = &rest[size..];
            collect(&mut lines, false);
        }
        collect(&mut lines, true);
        (found, lines.taken())
    }

    fn check(text: &str, expected: &[(u64, &str)], taken: u64) {
        let expected: Vec<_> = expected
            .iter()
            .map(|(number, line)| (*number, Some(line.as_bytes().to_vec())))
            .collect();
        assert_eq!(cut(text.as_bytes(), &[usize::MAX]), (expected.clone(), taken), "{text:?}");
        assert_eq!(cut(text.as_bytes(), &[1]), (expected, taken), "{text:?} byte by byte");
    }

    #[test]
    fn lines_end_with_a_line_feed_or_with_the_upload() {
        check("", &[], 0);
        check("a", &[(1, "a")], 1);
        check("a\n", &[(1, "a")], 1);
        check("a\nb", &[(1, "a"), (2, "b")], 2);
        check("a\r\nb\r", &[(1, "a"), (2, "b")], 2);
    }

    #[test]
    fn blank_lines_are_counted_only() {
        check("\n\r\n \t\na\n\n", &[(4, "a")], 5);
        check("\n\n\n", &[], 3);
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_line() {
        check("\u{feff}a\n\u{feff}b", &[(1, "a"), (2, "\u{feff}b")], 2);
        check("\u{feff}\na", &[(2, "a")], 2);
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over() {
        let fits = "x".repeat(RATING_BYTES_MAX);
        let long = "y".repeat(RATING_BYTES_MAX + 1);
        let huge = "z".repeat(3 * INGEST_READ_BYTES);
        let text = format!("\u{feff}{fits}\r\n{long}\n{huge}\r\na\n{huge}");
        let expected = vec![
            (1, Some(fits.into_bytes())),
            (2, None),
            (3, None),
            (4, Some(b"a".to_vec())),
            (5, None),
        ];
        for size in [usize::MAX, INGEST_READ_BYTES, 4093] {
            assert_eq!(cut(text.as_bytes(), &[size]), (expected.clone(), 5), "in pieces of {size}");
        }
    }

    #[test]
    fn who_stops_in_the_middle_goes_on_from_there() {
        let mut lines = Lines::default();
        lines.room().0.extend_from_slice(b"a\nb\nc\nd");
        assert_eq!(lines.cut(false).take(2).count(), 2);
        assert_eq!(lines.cut(false).next(), Some((3, Line::Bytes(b"c"))));
        assert_eq!(lines.cut(false).next(), None);
        assert_eq!(lines.taken(), 3);
    }

    proptest! {
        #[test]
        fn any_chunks_give_the_same_lines(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b' '), Just(b'a'), any::<u8>()], 0..200),
            long in 0_usize..3,
            sizes in proptest::collection::vec(1_usize..50, 1..10),
        ) {
            let mut text = bytes.clone();
            text.extend(std::iter::repeat_n(b'x', RATING_BYTES_MAX - 1 + long));
            text.extend_from_slice(&bytes);
            prop_assert_eq!(cut(&text, &sizes), cut(&text, &[usize::MAX]));
        }
    }
}
