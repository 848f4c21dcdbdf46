//! The lock on the data directory: two brokers on the same logs would destroy them.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::Path;

use crate::broker::Error;

/// Held while this lives; the system takes it away from a process that dies, however it dies.
#[derive(Debug)]
pub(crate) struct DataLock {
    _file: File,
}

impl DataLock {
    /// Creates the directory if needed and takes its lock.
    pub(crate) fn take(dir: &Path) -> Result<Self, Error> {
        let failed =
            |error: std::io::Error| Error::Data { dir: dir.to_owned(), reason: error.to_string() };
        fs::create_dir_all(dir).map_err(failed)?;
        let path = dir.join("lock");
        // Not truncated on opening: until the lock is ours, the text is the other broker's.
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let pid = fs::read_to_string(&path).ok().map(|text| text.trim().to_owned());
                let pid = pid.filter(|pid| !pid.is_empty());
                return Err(Error::InUse { dir: dir.to_owned(), pid });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        file.set_len(0).map_err(failed)?;
        writeln!(file, "{}", std::process::id()).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_broker_is_told_who_has_the_directory() {
        let temp = tempfile::tempdir().unwrap();
        let held = DataLock::take(temp.path()).unwrap();
        let refused = DataLock::take(temp.path()).unwrap_err().to_string();
        assert!(refused.contains(&format!("(process {})", std::process::id())), "{refused}");
        assert!(refused.contains(&temp.path().display().to_string()), "{refused}");
        drop(held);
        DataLock::take(temp.path()).unwrap();
    }
}
