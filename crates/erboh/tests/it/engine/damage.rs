//! Damage: records that do not come as they were written, because a disk or a wire has changed them.
//!
//! ```text
//!   batch: header, 61 bytes, with a checksum │ records ── one bit is another one ──► an error of the client library
//! ```

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::bench::{Bench, until, until_counted};
use super::broker::{On, on_embedded};

on_embedded!(a_damaged_batch_is_not_passed_and_counts_once_it_is_whole_again);

/// A byte behind the header of the first batch.
const PLACE: u64 = 70;

/// Changes a bit; the second time it is as before.
fn flip(file: &Path) {
    let file = File::options().read(true).write(true).open(file).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, PLACE).unwrap();
    file.write_all_at(&[byte[0] ^ 1], PLACE).unwrap();
}

async fn a_damaged_batch_is_not_passed_and_counts_once_it_is_whole_again(on: On) {
    let mut bench = Bench::new(on, 1).await;
    for _ in 0..3 {
        // A batch each, of which the later ones are whole.
        bench.rate(10).await;
    }
    let file = bench.broker.first_segment(&bench.settings.topics.ratings, 0);
    flip(&file);
    let engine = bench.start();
    for _ in 0..3 {
        let damaged = |view: &erboh::consumer::view::BoardView| {
            assert_eq!(
                view.board.counted(),
                0,
                "it went on without the damaged records: {view:#?}"
            );
            view.problem.as_ref().is_some_and(|it| it.contains("CRC32C"))
        };
        until(&mut engine.board(), "the damage is named", damaged).await;
        // The next board is about the next try.
        until(&mut engine.board(), "another try", |view| view.problem.is_none()).await;
    }
    flip(&file);
    let view = until_counted(&engine, bench.sent).await;
    assert!(view.board.exact());
    engine.stop().await;
}
