//! A partition: a log that many tasks append to and read from.
//!
//! ```text
//!  append ──► check ──► [writing: [log: plan] ─► page cache ─► [log: note]] ──► wake fetches ──► ack
//!                                                                   └─ Fsync::Always: wait for one flush of all
//!  fetch  ──► [lock: locate] ──► read the file
//!  maintain, flush: blocking, from a background task
//! ```
//!
//! The log's lock is never held across an await, nor while records are written, read or flushed.

pub(crate) use crate::log::read::{Fetched, Isolation, Offsets};
pub(crate) use crate::log::record::Marker;
pub(crate) use crate::log::{
    ActiveProducer, AppendError, Appended, FetchError, Fsync, LogConfig, LogError, RecordError,
};

use crate::blocking::may_block;
use crate::limits::{COMPACTION_KEYS_MAX, FETCH_WAITERS_SWEEP};
use crate::log::batch::{Batch, Header};
use crate::log::{Log, Planned, Write, save_start, validate};
use bytes::Bytes;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::Notify;

/// One partition of a topic. Cheap to clone; every clone is the same partition.
#[derive(Debug, Clone)]
pub(crate) struct Partition {
    shared: Arc<Shared>,
    fsync: Fsync,
    /// Held by the append that may write, so that those behind it wait without a thread.
    append_turn: Arc<tokio::sync::Mutex<()>>,
    /// Held by whoever waits for a flush, so that those behind it share the next one.
    flush_turn: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug)]
struct Shared {
    log: Mutex<Log>,
    /// One write at a time, so that what it was planned on still holds when it is noted.
    writing: Mutex<()>,
    /// One flush at a time, so that its result is that of all bytes before it.
    flushing: Mutex<()>,
    /// One maintenance at a time: segments are removed and replaced only by it.
    maintaining: Mutex<()>,
    /// One deletion of records at a time, since the last one written counts.
    deleting: Mutex<()>,
    waiters: Mutex<Vec<Weak<Notify>>>,
    /// The disk refused the last append.
    disk_refuses: AtomicBool,
}

/// A panic while the lock was held leaves memory as the file had it (see `log`), so the lock goes on.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Partition {
    /// Opens or creates the partition in a directory of its own. Blocking; milliseconds unless a
    /// crash left much to check.
    pub(crate) fn open(dir: PathBuf, config: LogConfig, fsync: Fsync) -> Result<Self, LogError> {
        let log = Log::open(dir.clone(), config, fsync)?;
        let shared = Shared {
            log: Mutex::new(log),
            writing: Mutex::new(()),
            flushing: Mutex::new(()),
            maintaining: Mutex::new(()),
            deleting: Mutex::new(()),
            waiters: Mutex::new(Vec::new()),
            disk_refuses: AtomicBool::new(false),
        };
        if fsync == Fsync::Always {
            // What a crash left unflushed must not be shown before it is on the disk.
            shared.flush().map_err(|cause| LogError { dir, cause })?;
        }
        let shared = Arc::new(shared);
        Ok(Self { shared, fsync, append_turn: Arc::default(), flush_turn: Arc::default() })
    }

    /// Checks what a client wants to append: one or more whole batches, and every record of them.
    /// `now_ms` is the broker's clock, which timestamps may not be too far from.
    pub(crate) fn check(&self, records: Bytes, now_ms: i64) -> Result<Vec<Batch>, AppendError> {
        let config = self.config();
        // Decompressing takes many times longer than anything else that is checked.
        if Header::read(&records).is_ok_and(|header| header.codec() != 0) {
            may_block(|| validate::batches(records, &config, now_ms))
        } else {
            validate::batches(records, &config, now_ms)
        }
    }

    /// Checks and appends one or more whole batches, all or none.
    pub(crate) async fn append(
        &self,
        records: Bytes,
        now_ms: i64,
    ) -> Result<Appended, AppendError> {
        let batches = self.check(records, now_ms)?;
        self.append_checked(batches, now_ms).await
    }

    /// Appends batches that `check` has passed, all or none, and with `Fsync::Always` waits for the
    /// disk. A duplicate of one of an idempotent producer's last 5 batches answers its original offset.
    /// An idempotent producer sends one batch at a time (KIP-98).
    pub(crate) async fn append_checked(
        &self,
        batches: Vec<Batch>,
        now_ms: i64,
    ) -> Result<Appended, AppendError> {
        let (appended, end) = {
            let _turn = self.append_turn.lock().await;
            may_block(|| self.shared.append(batches, now_ms))?
        };
        self.settle(end).await?;
        Ok(appended)
    }

    /// Whether the disk refused this append and took the one before: clients try again many times a
    /// second, and a full disk is worth one line in the log.
    pub(crate) fn began_to_refuse(&self, appended: &Result<Appended, AppendError>) -> bool {
        let refuses = match appended {
            Ok(_) => false,
            Err(AppendError::Io(_)) => true,
            Err(_) => return false,
        };
        !self.shared.disk_refuses.swap(refuses, Ordering::Relaxed) && refuses
    }

    /// Ends the producer's transaction in this partition. A producer without an open one here needs no
    /// marker, so repeating this after a crash is harmless.
    pub(crate) async fn append_marker(
        &self,
        producer_id: i64,
        producer_epoch: i16,
        marker: Marker,
        now_ms: i64,
    ) -> Result<(), AppendError> {
        let end = {
            let _turn = self.append_turn.lock().await;
            may_block(|| self.shared.append_marker(producer_id, producer_epoch, marker, now_ms))?
        };
        // Also when an earlier attempt wrote it: that one may not have reached the disk.
        self.settle(end).await?;
        Ok(())
    }

    /// Makes what was written visible: at once, or once it is on the disk.
    async fn settle(&self, end_offset: i64) -> io::Result<()> {
        if self.fsync != Fsync::Always {
            self.shared.wake();
            return Ok(());
        }
        let durable = || lock(&self.shared.log).offsets().high_watermark >= end_offset;
        if durable() {
            return Ok(());
        }
        let _turn = self.flush_turn.lock().await;
        if durable() {
            return Ok(());
        }
        let shared = Arc::clone(&self.shared);
        tokio::task::spawn_blocking(move || shared.flush()).await.map_err(io::Error::other)?
    }

    /// Whole batches from the one that holds `offset` on, about `max_bytes` of them; the first may be
    /// larger. Empty at the end. The caller bounds `max_bytes`: it is what this allocates.
    pub(crate) fn fetch(
        &self,
        offset: i64,
        max_bytes: usize,
        isolation: Isolation,
    ) -> Result<Fetched, FetchError> {
        let plan = lock(&self.shared.log).plan_fetch(offset, max_bytes, isolation)?;
        Ok(plan.read()?)
    }

    /// The offsets that readers go by.
    pub(crate) fn offsets(&self) -> Offsets {
        lock(&self.shared.log).offsets()
    }

    /// Offset and timestamp of the first record with at least this timestamp.
    pub(crate) fn offset_for_timestamp(&self, timestamp_ms: i64) -> io::Result<Option<(i64, i64)>> {
        let plan = lock(&self.shared.log).plan_timestamp(timestamp_ms);
        may_block(|| plan.read())
    }

    /// Offset and timestamp of the (first) record with the newest timestamp. `None` too when it cannot
    /// be read.
    pub(crate) fn max_timestamp(&self) -> Option<(i64, i64)> {
        let timestamp_ms = lock(&self.shared.log).max_timestamp_ms()?;
        self.offset_for_timestamp(timestamp_ms).unwrap_or_else(|error| {
            tracing::error!(%error, "the record with the newest timestamp cannot be read");
            None
        })
    }

    /// Deletes the records before an offset (-1: all that readers may see) and returns the new log
    /// start, which survives a crash. The space is freed by `maintain`. Blocking (a small fsync).
    pub(crate) fn delete_records(&self, before: i64) -> Result<i64, FetchError> {
        let _one = lock(&self.shared.deleting);
        let (dir, offsets, closed) = {
            let log = lock(&self.shared.log);
            (log.dir().to_owned(), log.offsets(), log.is_closed())
        };
        let before = if before == -1 { offsets.high_watermark } else { before };
        if before < 0 || before > offsets.high_watermark || closed {
            return Err(FetchError::OutOfRange(offsets));
        }
        if before > offsets.log_start {
            save_start(&dir, before)?;
            lock(&self.shared.log).raise_start(before);
        }
        Ok(self.offsets().log_start)
    }

    /// Has the waiter notified once (`notify_one`) when more can be read, or the partition closes.
    /// Register first, then fetch: what comes in between is not missed.
    pub(crate) fn notify_on_advance(&self, waiter: &Arc<Notify>) {
        let waiter = Arc::downgrade(waiter);
        let mut waiters = lock(&self.shared.waiters);
        if waiters.len() % FETCH_WAITERS_SWEEP == FETCH_WAITERS_SWEEP - 1 {
            waiters.retain(|it| it.strong_count() > 0);
        }
        if !waiters.iter().any(|it| it.ptr_eq(&waiter)) {
            waiters.push(waiter);
        }
    }

    /// Replaces the settings; they apply from the next append or maintenance on.
    pub(crate) fn set_config(&self, config: LogConfig) {
        lock(&self.shared.log).config = config;
    }

    /// The settings.
    pub(crate) fn config(&self) -> LogConfig {
        lock(&self.shared.log).config.clone()
    }

    /// Producers with an open transaction, and their epochs.
    pub(crate) fn open_transactions(&self) -> Vec<(i64, i16)> {
        lock(&self.shared.log).open_transactions()
    }

    /// Producers that the partition remembers, by their ids.
    pub(crate) fn active_producers(&self) -> Vec<ActiveProducer> {
        lock(&self.shared.log).active_producers()
    }

    /// Rolls by time, applies retention, forgets idle producers, compacts. Blocking, and for a large
    /// compacted log long; appends and fetches go on meanwhile.
    pub(crate) fn maintain(&self, now_ms: i64) -> io::Result<()> {
        let _one = lock(&self.shared.maintaining);
        if lock(&self.shared.log).is_closed() {
            return Ok(());
        }
        self.shared.roll_by_time(now_ms)?;
        if self.fsync == Fsync::Always {
            // What an append left that was given up while it waited for its flush.
            self.shared.flush()?;
        }
        self.shared.apply_retention(now_ms)?;
        self.compact(now_ms, COMPACTION_KEYS_MAX)
    }

    /// Compacts, with memory for about this many keys at a time.
    pub(crate) fn compact(&self, now_ms: i64, keys_most: usize) -> io::Result<()> {
        if !self.config().compact {
            return Ok(());
        }
        // Only what is on the disk is compacted; so a crash never leaves the copy without the original.
        self.shared.flush()?;
        let mut again = false;
        loop {
            let plan = lock(&self.shared.log).plan_compaction(now_ms, again);
            let Some(plan) = plan else { return Ok(()) };
            let mut compacted = plan.run(keys_most)?;
            lock(&self.shared.log).install(&mut compacted)?;
            compacted.finish()?;
            again = compacted.partial;
            if !again {
                return Ok(());
            }
        }
    }

    /// Brings everything that was written to the disk. Blocking.
    pub(crate) fn flush(&self) -> io::Result<()> {
        self.shared.flush()
    }

    /// A clean stop: everything on the disk, and the next open has nothing to check. From now on this
    /// partition changes no file, so its directory may be removed and used anew; readers may go on.
    /// Blocking.
    pub(crate) fn close(&self) -> io::Result<()> {
        let Shared { maintaining, deleting, writing, .. } = &*self.shared;
        let _others = (lock(maintaining), lock(deleting), lock(writing));
        lock(&self.shared.log).refuse_appends();
        let flushed = self.shared.flush();
        let sealed = lock(&self.shared.log).seal(flushed.is_ok());
        self.shared.wake();
        flushed.and(sealed)
    }

    /// For tests of the log's inside.
    #[cfg(test)]
    pub(crate) fn with_log<T>(&self, act: impl FnOnce(&mut Log) -> T) -> T {
        act(&mut lock(&self.shared.log))
    }

    /// Seals the active segment.
    #[cfg(test)]
    pub(crate) fn roll(&self) {
        let planned = self.with_log(|log| log.plan_roll(0)).unwrap();
        planned.map(|write| self.shared.carry_out(&write).unwrap());
    }

    /// Writes as `append` does, without waking fetches or waiting for the disk.
    #[cfg(test)]
    pub(crate) fn write(&self, records: Bytes, now_ms: i64) {
        let batches = self.check(records, now_ms).unwrap();
        self.shared.append(batches, now_ms).unwrap();
    }

    /// Bytes of all segments.
    pub(crate) fn size_bytes(&self) -> u64 {
        lock(&self.shared.log).size_bytes()
    }
}

impl Shared {
    /// Writes batches; says what they were given, and where the log ends now.
    fn append(&self, batches: Vec<Batch>, now_ms: i64) -> Result<(Appended, i64), AppendError> {
        let _one = lock(&self.writing);
        let planned = lock(&self.log).plan_append(batches, now_ms)?;
        let appended = match planned {
            Planned::Duplicate(first) => first,
            Planned::Write(write) => self.carry_out(&write)?,
        };
        Ok((appended, lock(&self.log).end_offset()))
    }

    /// Ends a transaction; says where the log ends now.
    fn append_marker(
        &self,
        producer_id: i64,
        producer_epoch: i16,
        marker: Marker,
        now_ms: i64,
    ) -> Result<i64, AppendError> {
        let _one = lock(&self.writing);
        let planned = lock(&self.log).plan_marker(producer_id, producer_epoch, marker, now_ms)?;
        if let Some(write) = planned {
            self.carry_out(&write)?;
        }
        Ok(lock(&self.log).end_offset())
    }

    fn roll_by_time(&self, now_ms: i64) -> io::Result<()> {
        let _one = lock(&self.writing);
        let planned = {
            let mut log = lock(&self.log);
            log.expire_producers(now_ms);
            log.plan_roll_by_time(now_ms)?
        };
        planned.map_or(Ok(()), |write| self.carry_out(&write).map(drop))
    }

    fn carry_out(&self, write: &Write) -> io::Result<Appended> {
        let written = write.run();
        lock(&self.log).note(write, written)
    }

    /// Raises the log start to what retention lets go, and removes the segments below it.
    fn apply_retention(&self, now_ms: i64) -> io::Result<()> {
        let _one = lock(&self.deleting);
        let (dir, present, start) = {
            let log = lock(&self.log);
            (log.dir().to_owned(), log.offsets().log_start, log.start_by_retention(now_ms))
        };
        if start > present {
            // Before a reader can see it: after a crash the log must not begin earlier again. On a full
            // disk it may, since only what is removed now makes room.
            if let Err(error) = save_start(&dir, start) {
                tracing::warn!(dir = %dir.display(), %error, "the log start was not written");
            }
            lock(&self.log).raise_start(start);
        }
        let retired = lock(&self.log).retire();
        retired.remove()
    }

    fn flush(&self) -> io::Result<()> {
        let _one = lock(&self.flushing);
        let Some(plan) = lock(&self.log).plan_flush()? else { return Ok(()) };
        let done = plan.run();
        {
            let mut log = lock(&self.log);
            if done.is_err() {
                log.flush_failed();
            }
            done?;
            // The records are on the disk, and that is what is answered for. Without an index file
            // the next start reads the segment.
            if let Err(error) = log.flushed(&plan) {
                tracing::warn!(dir = %log.dir().display(), %error, "an index was not written");
            }
        }
        self.wake();
        Ok(())
    }

    fn wake(&self) {
        let waiters = std::mem::take(&mut *lock(&self.waiters));
        for waiter in waiters.iter().filter_map(Weak::upgrade) {
            waiter.notify_one();
        }
    }
}

#[cfg(test)]
mod tests;
