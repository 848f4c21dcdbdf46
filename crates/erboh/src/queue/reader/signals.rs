//! Signals: what a reader's client says besides the records, out of its callbacks.
//!
//! ```text
//!   log, errors, statistics ─► State ─► event(): made anew, stranded, interrupted
//!                                    └► progress, and why no broker is reachable
//! ```

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use super::Event;
use crate::queue::log;
use crate::queue::progress::{self, Progress};
use crate::queue::stranded::{self, Stranded};

#[derive(Default)]
struct State {
    progress: Option<Progress>,
    /// The reason why no broker is reachable.
    down: Option<String>,
    last_error: String,
    /// A topic that was deleted and made anew under the same name.
    made_anew: Option<String>,
    interrupted: bool,
    stranded: Stranded,
    /// Something came that is no event.
    heard: bool,
}

#[derive(Clone, Default)]
pub(super) struct Signals(Arc<Mutex<State>>);

impl Signals {
    /// What the client has said besides. It makes void what was polled.
    pub(super) fn event(&self) -> Option<Event<'static>> {
        let mut state = self.lock();
        if let Some(topic) = state.made_anew.take() {
            // What was polled may stand in the new log already.
            return Some(Event::Lost(format!("topic {topic} was deleted and made anew")));
        }
        if state.stranded.is_certain(Instant::now()) {
            return Some(Event::Lost(stranded::REASON.to_owned()));
        }
        std::mem::take(&mut state.interrupted).then_some(Event::Interrupted)
    }

    /// What was reported since the last call, but for what was forgotten.
    pub(super) fn take_progress(&self) -> Option<Progress> {
        self.lock().progress.take()
    }

    /// Forgets what was reported of a partition before its end was delivered: the report may be
    /// about an earlier reading, even of a longer log.
    pub(super) fn forget_progress(&self, partition: i32) {
        for positions in
            self.lock().progress.iter_mut().flat_map(|progress| progress.topics.values_mut())
        {
            positions.remove(&partition);
        }
    }

    /// The reason why no broker is reachable, if none is.
    pub(super) fn down(&self) -> Option<String> {
        self.lock().down.clone()
    }

    /// What went wrong last with a connection; empty if nothing did.
    pub(super) fn last_error(&self) -> String {
        self.lock().last_error.clone()
    }

    /// Whether something came since the last call that is no event.
    pub(super) fn take_heard(&self) -> bool {
        std::mem::take(&mut self.lock().heard)
    }

    /// Whether the client will be taken for stranded if its next reports are like the last one.
    #[cfg(test)]
    pub(super) fn is_stranded_after(&self, time: std::time::Duration) -> bool {
        self.lock().stranded.is_certain(Instant::now() + time)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Signals {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log::forward(level, facility, message);
        let mut state = self.lock();
        state.heard = true;
        match log::sign(message) {
            Some(log::Sign::MadeAnew(topic)) => state.made_anew = Some(topic.to_owned()),
            Some(log::Sign::Interrupted) => state.interrupted = true,
            None => {}
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code();
        if code == Some(Code::PartitionEOF) {
            // An event like any other, and no reason for anything.
            return;
        }
        let mut state = self.lock();
        if code == Some(Code::AllBrokersDown) {
            let reason = state.last_error.clone();
            state.down = Some(if reason.is_empty() { "connection lost".into() } else { reason });
        } else {
            log::lasting(reason).clone_into(&mut state.last_error);
        }
    }

    fn stats_raw(&self, json: &[u8]) {
        let mut state = self.lock();
        state.heard = true;
        state.stranded.note(json, Instant::now());
        let Some(progress) = progress::parse(json) else { return };
        if progress.connected {
            state.down = None;
            // The next failure has reasons of its own.
            state.last_error.clear();
        }
        state.progress = Some(progress);
    }
}

impl ConsumerContext for Signals {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::queue::Position;

    #[test]
    fn a_report_from_before_an_end_is_forgotten() {
        let position = Position { reached_end: 7, log_end: 9 };
        let positions = BTreeMap::from([(0, position), (1, position)]);
        let topics = [("ratings".to_owned(), positions)].into();
        let progress = Some(Progress { connected: true, topics });
        let signals = Signals(Arc::new(Mutex::new(State { progress, ..State::default() })));
        signals.forget_progress(1);
        let left = &signals.take_progress().unwrap().topics["ratings"];
        assert_eq!(*left, BTreeMap::from([(0, position)]));
    }
}
