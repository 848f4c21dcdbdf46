//! A batch that is damaged on the disk of Apache Kafka, which does not look into the batches that it serves.

use super::super::stage::Stage;
use super::super::unreadable::one_partition_halts;
use crate::support::segment::Damage;

fn on_kafka(damage: Damage) {
    let stage = Stage::enter();
    let data = stage.cluster().data_directory(1);
    one_partition_halts(&stage.roles(2), |name| data.join(name), damage);
}

#[test]
#[ignore = "needs Apache Kafka: run by cargo xtask test"]
fn bytes_that_a_disk_has_changed_halt_one_partition() {
    on_kafka(Damage::Bit);
}

#[test]
#[ignore = "needs Apache Kafka: run by cargo xtask test"]
fn junk_with_a_right_checksum_halts_one_partition() {
    on_kafka(Damage::Junk);
}
