//! The files of a partition's directory, and writing small ones so that a crash leaves the old or the
//! new content.
//!
//! ```text
//!  00000000000000000000.log       segment: record batches from this offset on
//!  00000000000000000000.index     its sparse index, present once the segment is on the disk
//!  00000000000000000042.snapshot  state of producers at this offset
//!  log-start                      first offset that readers may see, when records were deleted
//!  cleaner                        how far compaction came
//!  *.tmp, *.cleaned               unfinished work of a crashed process, removed on open
//! ```

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

pub(super) const SEGMENT: &str = "log";
pub(super) const INDEX: &str = "index";
pub(super) const SNAPSHOT: &str = "snapshot";
pub(super) const CLEANED: &str = "cleaned";
pub(super) const TEMPORARY: &str = "tmp";
pub(super) const LOG_START: &str = "log-start";
pub(super) const CLEANER: &str = "cleaner";

/// The file that belongs to an offset; 20 digits, so that names sort as the offsets do.
pub(super) fn path(dir: &Path, offset: i64, extension: &str) -> PathBuf {
    dir.join(format!("{offset:020}.{extension}"))
}

/// The offsets of all files with this extension, ascending.
pub(super) fn offsets(dir: &Path, extension: &str) -> io::Result<Vec<i64>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == extension)
            && let Some(stem) = path.file_stem().and_then(|it| it.to_str())
            && stem.len() == 20
            && let Ok(offset) = stem.parse()
        {
            found.push(offset);
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Removes a file that may be gone already.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes created, renamed and removed files of the directory survive a power loss.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Replaces a small file by `content` and its CRC-32C: a crash leaves the old one, the new one, or
/// (power loss) one that `read_checked` refuses.
pub(super) fn write_checked(path: &Path, content: &[u8]) -> io::Result<()> {
    fs::rename(write_temporary(path, content)?, path)
}

fn write_temporary(path: &Path, content: &[u8]) -> io::Result<PathBuf> {
    let temporary = path.with_extension(TEMPORARY);
    let mut bytes = Vec::with_capacity(content.len() + 4);
    bytes.extend_from_slice(content);
    bytes.extend_from_slice(&crc32c::crc32c(content).to_be_bytes());
    fs::write(&temporary, bytes)?;
    Ok(temporary)
}

/// As `write_checked`, and on the disk when it returns. Before that, also a power loss leaves the old
/// or the new content.
pub(super) fn write_durable(path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = write_temporary(path, content)?;
    File::open(&temporary)?.sync_all()?;
    fs::rename(temporary, path)?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// The content of such a file; `None` when it is missing or damaged.
pub(super) fn read_checked(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = fs::read(path).ok()?;
    let (content, crc) = bytes.split_last_chunk::<4>()?;
    if crc32c::crc32c(content) != u32::from_be_bytes(*crc) {
        return None;
    }
    bytes.truncate(bytes.len() - 4);
    Some(bytes)
}
