//! Authorized operations: everybody may do everything here, and this says so as a bit field.

/// One bit per operation, numbered as in Kafka's `AclOperation`.
const fn bits(operations: &[u32]) -> i32 {
    let (mut bits, mut at) = (0, 0);
    while at < operations.len() {
        bits |= 1 << operations[at];
        at += 1;
    }
    bits
}

/// Read, write, create, delete, alter, describe, describe configs, alter configs.
pub(crate) const TOPIC: i32 = bits(&[3, 4, 5, 6, 7, 8, 10, 11]);

/// Create, alter, describe, cluster action, describe configs, alter configs, idempotent write.
pub(crate) const CLUSTER: i32 = bits(&[5, 7, 8, 9, 10, 11, 12]);

/// Read, delete, describe, describe configs, alter configs.
pub(crate) const GROUP: i32 = bits(&[3, 6, 8, 10, 11]);
