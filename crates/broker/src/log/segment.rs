//! A segment: one file of record batches, in offset order, and its sparse index.

use super::batch::{Batch, BatchError, HEADER_BYTES, Header};
use super::buffers::Buffer;
use super::files;
use super::index::Index;
use crate::blocking::may_block;
use crate::limits::SCAN_CHUNK_BYTES;
use bytes::Bytes;
use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use thiserror::Error;

/// One segment. Readers hold the file on their own, so it can be replaced or removed meanwhile.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) base_offset: i64,
    pub(super) file: Arc<File>,
    /// Bytes that were written whole; what lies beyond is the rest of a failed write.
    pub(super) size_bytes: u64,
    pub(super) index: Index,
    /// Bytes that are known to be on the disk.
    pub(super) synced_bytes: u64,
    /// The index file beside it is that of all its bytes.
    pub(super) index_saved: bool,
}

impl Segment {
    /// Makes an empty segment; an old file of the same name loses its content.
    pub(super) fn create(dir: &Path, base_offset: i64) -> io::Result<Self> {
        files::remove(&files::path(dir, base_offset, files::INDEX))?;
        let path = files::path(dir, base_offset, files::SEGMENT);
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        Ok(Self {
            base_offset,
            file: Arc::new(file),
            size_bytes: 0,
            index: Index::new(base_offset),
            synced_bytes: 0,
            index_saved: false,
        })
    }

    /// Opens an existing segment with a valid index file, or `None` when it has none.
    pub(super) fn open_indexed(dir: &Path, base_offset: i64) -> io::Result<Option<Self>> {
        let file = open_file(dir, base_offset)?;
        let size_bytes = file.metadata()?.len();
        let path = files::path(dir, base_offset, files::INDEX);
        Ok(Index::load(&path, base_offset, size_bytes).map(|index| Self {
            base_offset,
            file: Arc::new(file),
            size_bytes,
            index,
            synced_bytes: size_bytes,
            index_saved: true,
        }))
    }

    /// Opens a segment by reading and checking all of it; says what is wrong with the first batch
    /// that does not belong, and ends before it.
    pub(super) fn open_checked(
        dir: &Path,
        base_offset: i64,
    ) -> io::Result<(Self, Option<BatchError>)> {
        let file = Arc::new(open_file(dir, base_offset)?);
        let mut index = Index::new(base_offset);
        let mut scan = Scan::new(Arc::clone(&file), 0, file.metadata()?.len());
        let wrong = loop {
            let position = scan.position;
            let batch = match scan.next() {
                Ok(Some(batch)) => batch,
                Ok(None) => break None,
                Err(ScanError::Batch(error)) => break Some(error),
                Err(ScanError::Io(error)) => return Err(error),
            };
            let wrong = batch.check_crc().err().or_else(|| {
                (batch.header.base_offset < index.next_offset)
                    .then_some(BatchError::Invalid("offset is not above the one before"))
            });
            if wrong.is_some() {
                scan.position = position;
                break wrong;
            }
            index.add(&batch.header, position);
        };
        let size_bytes = scan.position;
        index.first_append_ms = index.max_timestamp_ms;
        let segment =
            Self { base_offset, file, size_bytes, index, synced_bytes: 0, index_saved: false };
        Ok((segment, wrong))
    }

    /// Where the next batch goes.
    pub(super) fn tail(&self) -> Tail {
        Tail { file: Arc::clone(&self.file), size_bytes: self.size_bytes }
    }

    /// Notes a batch that was written at the tail.
    pub(super) fn written(&mut self, header: &Header, now_ms: i64) {
        if self.size_bytes == 0 {
            self.index.first_append_ms = now_ms;
        }
        self.index.add(header, self.size_bytes);
        self.size_bytes += header.size_bytes as u64;
        self.index_saved = false;
    }

    /// A scan from the start of a batch to the end.
    pub(super) fn scan_from_position(&self, position: u64) -> Scan {
        Scan::new(Arc::clone(&self.file), position, self.size_bytes)
    }

    /// The same segment once more.
    pub(super) fn share(&self) -> Self {
        Self { file: Arc::clone(&self.file), index: self.index.clone(), ..*self }
    }

    /// Removes the segment's files. Readers that hold the file keep it.
    pub(super) fn remove(&self, dir: &Path) -> io::Result<()> {
        remove_files(dir, self.base_offset)
    }
}

/// The end of a segment's file.
#[derive(Debug, Clone)]
pub(super) struct Tail {
    file: Arc<File>,
    size_bytes: u64,
}

impl Tail {
    /// Cuts everything off that was not written whole, and puts the next write there.
    pub(super) fn truncate(&self) -> io::Result<()> {
        self.file.set_len(self.size_bytes)?;
        (&*self.file).seek(SeekFrom::Start(self.size_bytes)).map(drop)
    }

    /// Writes one batch at the end of the file: `head`, and then the records.
    pub(super) fn write(&self, head: &[u8; HEADER_BYTES], body: &[u8]) -> io::Result<()> {
        let mut slices = [IoSlice::new(head), IoSlice::new(body)];
        let mut left = &mut slices[..];
        while left.iter().any(|slice| !slice.is_empty()) {
            match (&*self.file).write_vectored(left) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => IoSlice::advance_slices(&mut left, written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Removes the files of a segment, index first: an index without its segment means nothing.
pub(super) fn remove_files(dir: &Path, base_offset: i64) -> io::Result<()> {
    files::remove(&files::path(dir, base_offset, files::INDEX))?;
    files::remove(&files::path(dir, base_offset, files::SEGMENT))
}

fn open_file(dir: &Path, base_offset: i64) -> io::Result<File> {
    let path = files::path(dir, base_offset, files::SEGMENT);
    OpenOptions::new().read(true).write(true).open(path)
}

/// Why a scan ended early.
#[derive(Debug, Error)]
pub(super) enum ScanError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Batch(#[from] BatchError),
}

impl From<ScanError> for io::Error {
    fn from(error: ScanError) -> Self {
        match error {
            ScanError::Io(error) => error,
            ScanError::Batch(error) => Self::new(io::ErrorKind::InvalidData, error),
        }
    }
}

/// Reads batch after batch from a file, a chunk at a time.
pub(super) struct Scan {
    file: Arc<File>,
    /// Where the next batch begins.
    pub(super) position: u64,
    end: u64,
    chunk: Bytes,
}

impl Scan {
    pub(super) fn new(file: Arc<File>, position: u64, end: u64) -> Self {
        Self { file, position, end, chunk: Bytes::new() }
    }

    /// The next batch, or `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Batch>, ScanError> {
        if self.position >= self.end {
            return Ok(None);
        }
        self.fill(HEADER_BYTES)?;
        let header = Header::read(&self.chunk)?;
        self.fill(header.size_bytes)?;
        let batch = Batch::split(&mut self.chunk)?;
        self.position += header.size_bytes as u64;
        Ok(Some(batch))
    }

    /// Makes the chunk hold at least `needed` bytes, or all that are left.
    fn fill(&mut self, needed: usize) -> io::Result<()> {
        if self.chunk.len() < needed {
            let length = (needed.max(SCAN_CHUNK_BYTES) as u64).min(self.end - self.position);
            if length as usize > self.chunk.len() {
                self.chunk = read_at(&self.file, self.position, length as usize)?;
            }
        }
        Ok(())
    }
}

/// Reads up to `length` bytes; fewer only at the end of the file. What the page cache does not have is
/// read where it may block.
pub(super) fn read_at(file: &File, position: u64, length: usize) -> io::Result<Bytes> {
    let mut buffer = Buffer::new(length);
    let mut filled = read_cached(file, position, buffer.as_mut());
    if filled < length {
        let (position, rest) = (position + filled as u64, &mut buffer.as_mut()[filled..]);
        filled += may_block(|| read_all(file, position, rest))?;
    }
    Ok(buffer.freeze(filled))
}

/// Reads what the page cache has, without waiting for the disk; says how much that was. Nothing where
/// the file system cannot tell: then the disk is asked.
#[cfg(target_os = "linux")]
fn read_cached(file: &File, position: u64, out: &mut [u8]) -> usize {
    let mut slices = [io::IoSliceMut::new(out)];
    let nowait = rustix::io::ReadWriteFlags::NOWAIT;
    rustix::io::preadv2(file, &mut slices, position, nowait).unwrap_or(0)
}

#[cfg(not(target_os = "linux"))]
fn read_cached(_file: &File, _position: u64, _out: &mut [u8]) -> usize {
    0
}

/// Fills `out`, if the file is that long; says how much it read.
fn read_all(file: &File, position: u64, out: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < out.len() {
        match file.read_at(&mut out[filled..], position + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
