//! A buffer is memory that log files are read into, and that is used again.
//!
//! A busy broker reads megabytes at a time. Fresh memory for each read would cost as much again:
//! the system has to find the pages, and clear them.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use crate::limits::{READ_BUFFER_BYTES_MAX, READ_BUFFER_BYTES_MIN, READ_BUFFERS_KEPT};

/// Buffers that nobody uses, with whatever was read last.
static KEPT: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// See the module.
pub(super) struct Buffer {
    memory: Vec<u8>,
    length: usize,
}

impl Buffer {
    /// A buffer of `length` bytes, whose content means nothing.
    pub(super) fn new(length: usize) -> Self {
        let mut memory = if is_kept(length) { kept().pop() } else { None }.unwrap_or_default();
        if memory.is_empty() {
            memory = vec![0; length];
        } else if memory.len() < length {
            memory.resize(length, 0);
        }
        Self { memory, length }
    }

    pub(super) fn as_mut(&mut self) -> &mut [u8] {
        &mut self.memory[..self.length]
    }

    /// The first `length` bytes. The buffer can be used again when nobody has them any more.
    pub(super) fn freeze(mut self, length: usize) -> Bytes {
        self.length = length;
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.memory[..self.length]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if is_kept(self.memory.len()) {
            let mut kept = kept();
            if kept.len() < READ_BUFFERS_KEPT {
                kept.push(std::mem::take(&mut self.memory));
            }
        }
    }
}

fn is_kept(length: usize) -> bool {
    (READ_BUFFER_BYTES_MIN..=READ_BUFFER_BYTES_MAX).contains(&length)
}

fn kept() -> std::sync::MutexGuard<'static, Vec<Vec<u8>>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_has_the_length_that_was_asked_for_whatever_it_was_before() {
        for length in [READ_BUFFER_BYTES_MAX, 10, READ_BUFFER_BYTES_MIN, READ_BUFFER_BYTES_MAX] {
            let mut buffer = Buffer::new(length);
            assert_eq!(buffer.as_mut().len(), length);
            buffer.as_mut().fill(7);
            assert_eq!(buffer.freeze(length - 1), vec![7; length - 1]);
        }
    }

    #[test]
    fn bytes_stay_as_they_are_while_somebody_has_them() {
        let held: Vec<Bytes> = (0..2 * READ_BUFFERS_KEPT)
            .map(|value| {
                let mut buffer = Buffer::new(READ_BUFFER_BYTES_MIN);
                buffer.as_mut().fill(value as u8);
                buffer.freeze(READ_BUFFER_BYTES_MIN)
            })
            .collect();
        for (value, bytes) in held.iter().enumerate() {
            assert!(bytes.iter().all(|byte| *byte == value as u8));
        }
        drop(held);
        assert!(kept().len() <= READ_BUFFERS_KEPT);
    }
}
