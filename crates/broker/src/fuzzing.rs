//! What fuzz targets call: the parsers of bytes from outside. Not part of the API.

use crate::log::{AppendError, batch::Batch, record::Records};
use bytes::Bytes;

/// Takes bytes as a client's record batches: splits and checks them and walks their records, as
/// appending to a compacted topic and compaction do. The checksum is not asked for, since no fuzzer
/// would guess it.
pub fn record_batches(bytes: &[u8]) {
    let mut rest = Bytes::copy_from_slice(bytes);
    while let Ok(batch) = Batch::split(&mut rest) {
        let _ = batch.check_from_client().map_err(|error| AppendError::from(error).error_code());
        let Ok(records) = Records::of(&batch) else { continue };
        let count = records.iter().filter(Result::is_ok).count();
        assert!(count <= batch.header.records_count as usize);
    }
}
