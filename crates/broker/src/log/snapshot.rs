//! The snapshot file of a log's producers at an offset, so that opening replays only what follows.
//!
//! ```text
//!  <offset>.snapshot
//!  version u32 │ count u32 │ id i64, epoch i16, last write i64, open since i64 or -1,
//!              │           │    count u8 × (first seq i32, last seq i32, offset i64, time i64) …
//!              │ count u32 │ aborted: id, first, last, stable after (i64) … │ crc u32 of all
//! ```

use super::aborted::Aborted;
use super::files;
use super::producers::{Producer, Producers, Remembered};
use bytes::{Buf, BufMut, BytesMut, TryGetError};
use std::io;
use std::path::Path;

const VERSION: u32 = 1;
/// A torn newest snapshot falls back on the one before.
const KEPT: usize = 2;

/// Writes the snapshot at `offset`, as `encode` made it, and removes all but the newest ones.
pub(super) fn save(dir: &Path, offset: i64, snapshot: &[u8]) -> io::Result<()> {
    files::write_checked(&files::path(dir, offset, files::SNAPSHOT), snapshot)?;
    let old = files::offsets(dir, files::SNAPSHOT)?;
    for &offset in old.iter().rev().skip(KEPT) {
        files::remove(&files::path(dir, offset, files::SNAPSHOT))?;
    }
    Ok(())
}

/// The newest readable snapshot at or before `end_offset`, and its offset; those after it are of data
/// that was lost, and are removed.
pub(super) fn load(dir: &Path, end_offset: i64) -> io::Result<Option<(i64, Producers)>> {
    for &offset in files::offsets(dir, files::SNAPSHOT)?.iter().rev() {
        let path = files::path(dir, offset, files::SNAPSHOT);
        if offset <= end_offset
            && let Some(bytes) = files::read_checked(&path)
            && let Ok(producers) = decode(&bytes)
        {
            return Ok(Some((offset, producers)));
        }
        tracing::warn!(path = %path.display(), "a producer snapshot is not usable, removing it");
        files::remove(&path)?;
    }
    Ok(None)
}

/// The content of a snapshot file, but for its checksum.
pub(super) fn encode(producers: &Producers) -> BytesMut {
    let mut out = BytesMut::new();
    out.put_u32(VERSION);
    out.put_u32(producers.known.len() as u32);
    for (id, producer) in &producers.known {
        out.put_i64(*id);
        out.put_i16(producer.epoch);
        out.put_i64(producer.last_write_ms);
        out.put_i64(producer.open_since.unwrap_or(-1));
        out.put_u8(producer.batches.len() as u8);
        for batch in &producer.batches {
            out.put_i32(batch.base_sequence);
            out.put_i32(batch.last_sequence);
            out.put_i64(batch.base_offset);
            out.put_i64(batch.log_append_time_ms);
        }
    }
    out.put_u32(producers.aborted.iter().len() as u32);
    for aborted in producers.aborted.iter() {
        out.put_i64(aborted.producer_id);
        out.put_i64(aborted.first_offset);
        out.put_i64(aborted.last_offset);
        out.put_i64(aborted.stable_after);
    }
    out
}

fn decode(mut at: &[u8]) -> Result<Producers, TryGetError> {
    let mut producers = Producers::default();
    if at.try_get_u32()? != VERSION {
        return Err(TryGetError { requested: 4, available: 0 });
    }
    for _ in 0..at.try_get_u32()? {
        let id = at.try_get_i64()?;
        let mut producer = Producer {
            epoch: at.try_get_i16()?,
            last_write_ms: at.try_get_i64()?,
            open_since: Some(at.try_get_i64()?).filter(|&offset| offset >= 0),
            batches: std::collections::VecDeque::new(),
        };
        for _ in 0..at.try_get_u8()? {
            producer.batches.push_back(Remembered {
                base_sequence: at.try_get_i32()?,
                last_sequence: at.try_get_i32()?,
                base_offset: at.try_get_i64()?,
                log_append_time_ms: at.try_get_i64()?,
            });
        }
        producers.restore(id, producer);
    }
    for _ in 0..at.try_get_u32()? {
        producers.aborted.push(Aborted {
            producer_id: at.try_get_i64()?,
            first_offset: at.try_get_i64()?,
            last_offset: at.try_get_i64()?,
            stable_after: at.try_get_i64()?,
        });
    }
    Ok(producers)
}
