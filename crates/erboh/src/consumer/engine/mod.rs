//! The engine: counts ratings, exactly, whatever happens to it.
//!
//! ```text
//!            ┌ counting thread ────────────────────────────────────┐
//!   group ──►│ owned partitions ─► totals ─► snapshots, dead letters│──► watch: BoardView
//!            └───▲─────────────────────▲──────────────────────────┘
//!                │ where to go on      │ what other replicas wrote, ends
//!            take-over thread       following thread
//! ```
//!
//! Three threads, because the Kafka client blocks: looking for the totals of one partition must not
//! hold up counting, and neither must reading what others wrote. They talk over bounded channels.
//! A message, a broker or a topic can make the engine wait or halt a partition; none can end it. Should a thread
//! end all the same, [`Engine::health`] says so, and the process is to end.

mod counting;
mod dead_letters;
mod doubt;
mod follow;
mod limits;
mod live;
mod news;
mod owned;
mod publish;
mod reading;
mod retry;
mod settings;
mod snapshots;
mod takeover;
mod tasks;
mod threads;
mod unreadable;
mod writing;

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Instant;

use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

pub use settings::{EngineSettings, OnGap, OnLogChange};
pub use threads::{EngineError, Health};

use crate::consumer::view::BoardView;
use crate::queue::{Admin, AdminError, KafkaSettings, Reader, SettingsError};
use counting::Counting;
use follow::Follower;
use limits::{CHANNEL, IDLE_WAIT};
use retry::Retry;
use threads::{Orders, Thread, Threads};

/// A running engine. Dropping it abandons the work as a crash would: nothing is written any more,
/// and the next owner counts from the last snapshot.
pub struct Engine {
    orders: Orders,
    health: Health,
    board: watch::Receiver<Arc<BoardView>>,
    ended: Option<oneshot::Receiver<()>>,
}

/// Starts counting. The engine works until `stop` is cancelled or [`Engine::stop`] is called; an
/// unreachable broker or an unsuitable topic appears on the board and is tried again.
///
/// # Errors
/// Only settings that the Kafka client does not take.
///
/// # Panics
/// When called outside of a Tokio runtime.
pub fn start(
    kafka: KafkaSettings,
    settings: EngineSettings,
    stop: &CancellationToken,
) -> Result<Engine, SettingsError> {
    let orders = Orders::new(stop.child_token());
    let (view, board) = watch::channel(Arc::default());
    let (ask, requests) = sync_channel(CHANNEL);
    let (answer, answers) = sync_channel(CHANNEL);
    let (tell, news) = sync_channel(CHANNEL);
    let (end, ended) = oneshot::channel();
    let name = signature(&settings);
    tracing::info!(name, group = settings.group, "engine starts");

    let takeover = Reader::for_ranges(&kafka, &settings.group)?;
    let mut follower = Follower {
        admin: None,
        reader: Reader::connect(&kafka, &settings.group)?,
        kafka: kafka.clone(),
        runtime: Handle::current(),
        settings: settings.clone(),
        news: tell,
        followed: std::collections::BTreeMap::new(),
        partitions: 0,
        totals: 0,
        unread: Some(std::collections::BTreeSet::new()),
    };
    let first = kafka.clone();
    let mut counting =
        Counting::new(kafka, settings.clone(), name, (ask, answers), news, view.clone())?;
    let runtime = Handle::current();
    let (threads, health) = Threads::new(orders.clone());
    let (looking, following) = (threads.add("engine-takeover"), threads.add("engine-follow"));
    threads.add("engine").spawn(move |thread| {
        let ready = prepare(&first, &settings, &runtime, &view, &thread, || {
            for reader in [&takeover, &follower.reader, &counting.reader] {
                reader.idle();
            }
        });
        if ready {
            if let Some((admin, problem)) = lesser_problem(&first, &settings, &runtime) {
                follower.admin = Some(admin);
                counting.publisher.lesser_problem(Some(problem));
            }
            let looking = looking.spawn(move |thread| {
                takeover::run(thread, takeover, &settings, &requests, &answer);
            });
            let following = following.spawn(move |thread| follower.run(thread));
            for error in [looking, following].into_iter().filter_map(Result::err) {
                tracing::error!(%error, "the engine cannot work");
            }
            count(counting, &thread);
        }
        // Nobody there means that nobody waits for the end.
        let _ = end.send(());
    })?;
    Ok(Engine { orders, health, board, ended: Some(ended) })
}

impl Engine {
    /// The newest view, and a way to wait for the next. Slow watchers skip views.
    #[must_use]
    pub fn board(&self) -> watch::Receiver<Arc<BoardView>> {
        self.board.clone()
    }

    /// Whether all threads of the engine run, without which it counts no further.
    #[must_use]
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// Writes the last snapshots, commits, and leaves the group; returns when that is done.
    pub async fn stop(mut self) {
        self.orders.stop.cancel();
        if let Some(ended) = self.ended.take() {
            // An error means that the thread panicked; either way it has ended.
            let _ = ended.await;
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if self.ended.is_some() {
            self.orders.abandon();
            self.orders.stop.cancel();
        }
    }
}

/// Makes the topics ready, however long that takes, and calls `idle` meanwhile. False if the engine is to end before.
fn prepare(
    kafka: &KafkaSettings,
    settings: &EngineSettings,
    runtime: &Handle,
    view: &watch::Sender<Arc<BoardView>>,
    thread: &Thread,
    idle: impl Fn(),
) -> bool {
    let mut retry = Retry::default();
    let mut said = String::new();
    while thread.goes_on() {
        idle();
        let now = Instant::now();
        if !retry.is_due(now) {
            std::thread::sleep(IDLE_WAIT);
            continue;
        }
        // A client for each try: one that has lost its brokers would fail for ever.
        let made = async {
            let admin = Admin::connect(kafka).map_err(|error| (false, error.to_string()))?;
            let EngineSettings { topics, partitions, replication, .. } = settings;
            let made = if settings.manage_topics {
                admin.ensure_topics(topics, *partitions, *replication).await
            } else {
                admin.check_topics(topics).await
            };
            made.map_err(|error| (!matches!(error, AdminError::Failed { .. }), error.to_string()))
        };
        match runtime.block_on(thread.orders.stop.run_until_cancelled(made)) {
            None => return false,
            Some(Ok(())) => return true,
            Some(Err((connected, error))) => {
                // Somebody may take his time to create them.
                if error != said {
                    tracing::warn!(error, "the topics are not ready; trying again");
                    said.clone_from(&error);
                }
                let problem = Some(error);
                let board = BoardView { connected, problem, ..BoardView::default() };
                view.send_replace(Arc::new(board));
                retry.failed(Instant::now());
            }
        }
    }
    false
}

/// What will be wrong with the totals topic some day, and who can look whether it still is.
fn lesser_problem(
    kafka: &KafkaSettings,
    settings: &EngineSettings,
    runtime: &Handle,
) -> Option<(Admin, String)> {
    let admin = Admin::connect(kafka).ok()?;
    // Some clusters let nobody read settings; the topic may well be right.
    let problem = runtime.block_on(admin.small_messages(&settings.topics.totals)).ok()??;
    Some((admin, problem))
}

fn count(mut counting: Counting, thread: &Thread) {
    while thread.goes_on() {
        counting.turn();
    }
    if !thread.orders.is_abandoned() {
        counting.stop();
    }
}

/// Who signs the snapshots: the instance, and something that no other start of it has.
fn signature(settings: &EngineSettings) -> String {
    let id = uuid::Uuid::now_v7().simple().to_string();
    // The last digits are the random ones.
    let start = &id[id.len() - 8..];
    format!("{}-{start}", settings.instance_id.as_deref().unwrap_or("consumer"))
}
