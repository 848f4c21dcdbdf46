//! A segment file of a broker, whose batches a test damages: while the broker serves it, and back again.
//!
//! ```text
//!  0        8      12      16 17     21   23                  61
//!  ├────────┼───────┼───────┼──┼──────┼────┼───────────────────┤
//!  │ base   │length │leader │2 │ crc  │attr│ last Δoff, …      │ records…
//!  │ offset │(rest) │ epoch │  │32-C  │    │                   │
//!  └────────┴───────┴───────┴──┴──────┴────┴───────────────────┘
//!    both brokers store a batch as it travels     └─ covered by the crc ──…
//! ```

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

const LENGTH_FROM: usize = 12;
const CRC: std::ops::Range<usize> = 17..21;
const CRC_FROM: usize = 21;
const CODEC: usize = 22;
const CODEC_MASK: u8 = 7;
const LAST_DELTA: std::ops::Range<usize> = 23..27;
const RECORDS_FROM: usize = 61;

/// How a batch is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Damage {
    /// One bit of its records is another one, as after a fault of a disk: its checksum is wrong.
    Bit,
    /// What stands there is no record, and its checksum is right.
    Junk,
    /// What stands there is not what its codec, zstd, makes, and its checksum is right.
    CompressedJunk,
}

/// A batch in a segment file.
#[derive(Debug)]
pub(crate) struct Batch {
    file: File,
    position: u64,
    bytes: Vec<u8>,
    /// The offset of its first record.
    pub(crate) first: i64,
    /// The one after its last.
    pub(crate) next: i64,
}

impl Batch {
    /// The batch that the record at this offset stands in, in the first segment in a partition's directory.
    pub(crate) fn find(partition: &Path, offset: i64) -> Self {
        let path: PathBuf = partition.join("00000000000000000000.log");
        let file = File::options().read(true).write(true).open(&path).expect("a segment");
        let mut position = 0;
        loop {
            let mut header = [0; RECORDS_FROM];
            file.read_exact_at(&mut header, position).expect("the batch is in the file");
            let first = i64::from_be_bytes(header[..8].try_into().expect("8 bytes"));
            let number = |range: std::ops::Range<usize>| {
                i32::from_be_bytes(header[range].try_into().expect("4 bytes"))
            };
            let next = first + i64::from(number(LAST_DELTA)) + 1;
            let size = LENGTH_FROM + number(8..12) as usize;
            if offset < next {
                let mut bytes = vec![0; size];
                file.read_exact_at(&mut bytes, position).expect("a whole batch");
                return Self { file, position, bytes, first, next };
            }
            position += size as u64;
        }
    }

    /// Damages it.
    pub(crate) fn damage(&self, how: Damage) {
        let mut bytes = self.bytes.clone();
        match how {
            Damage::Bit => bytes[RECORDS_FROM + 8] ^= 1,
            Damage::Junk | Damage::CompressedJunk => {
                bytes[RECORDS_FROM..].fill(0xff);
                bytes[CODEC] &= !CODEC_MASK;
                bytes[CODEC] |= if how == Damage::CompressedJunk { 4 } else { 0 };
                let crc = crc32c::crc32c(&bytes[CRC_FROM..]);
                bytes[CRC].copy_from_slice(&crc.to_be_bytes());
            }
        }
        self.file.write_all_at(&bytes, self.position).expect("it is written");
    }

    /// Makes it what it was.
    pub(crate) fn put_back(&self) {
        self.file.write_all_at(&self.bytes, self.position).expect("it is written");
    }
}
