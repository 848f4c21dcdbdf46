//! From flags to what each part of the program is told.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;

use super::{
    BrokerFlags, ConsumerFlags, DemoFlags, DoctorFlags, Fsync, LossFlags, OnGap, OnLogChange,
    ProducerFlags, SmokeFlags, StopFlags, StorageFlags, Unusable,
};
use crate::consumer::{self, engine};
use crate::ops::Stopping;
use crate::producer::access::Token;
use crate::queue::Topics;
use crate::{broker, demo, doctor, producer, smoke};

impl StorageFlags {
    /// The directory to use.
    ///
    /// # Errors
    /// When neither the flag nor a home directory is there to tell.
    pub fn directory(&self) -> anyhow::Result<PathBuf> {
        if let Some(directory) = &self.data_dir {
            return Ok(directory.clone());
        }
        // The XDG rules: a relative path in the variable is to be ignored.
        let base = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|p| p.is_absolute());
        let home = || Some(std::env::home_dir()?.join(".local/share"));
        let base = base.or_else(home);
        let base =
            base.context("no place for the data: HOME is not set. Give one with --data-dir")?;
        Ok(base.join("erboh"))
    }

    /// The settings of an embedded broker.
    ///
    /// # Errors
    /// As [`StorageFlags::directory`].
    pub fn broker(&self) -> anyhow::Result<broker::Settings> {
        Ok(broker::Settings {
            data_dir: self.directory()?,
            fsync_always: self.fsync == Fsync::Always,
            advertise: None,
            new_topics: broker::NewTopics::default(),
        })
    }
}

impl BrokerFlags {
    /// The settings of the broker.
    ///
    /// # Errors
    /// As [`StorageFlags::directory`].
    pub fn settings(&self) -> anyhow::Result<broker::Settings> {
        Ok(broker::Settings {
            advertise: self.advertise.clone(),
            new_topics: broker::NewTopics {
                partitions: self.num_partitions,
                auto_create: self.auto_create_topics,
            },
            ..self.storage.broker()?
        })
    }
}

impl StopFlags {
    fn stopping(&self) -> Stopping {
        Stopping { wait: Duration::from_millis(self.stop_wait_ms), ..Stopping::default() }
    }
}

impl ProducerFlags {
    /// The settings of the producer.
    ///
    /// # Errors
    /// As [`KafkaFlags::settings`](super::KafkaFlags::settings) and
    /// [`AccessFlags::guard`](super::AccessFlags::guard).
    pub fn role(self) -> anyhow::Result<producer::run::Role> {
        Ok(producer::run::Role {
            guard: self.access.guard(self.listen, "--listen")?,
            kafka: self.kafka.settings()?,
            listen: self.listen,
            ops_listen: self.ops_listen,
            manage_topics: self.topics.manage_topics,
            partitions: self.topics.partitions,
            replication: self.topics.replication,
            simulate: self.simulate,
            settings: producer::Settings {
                topic: Topics::default().ratings,
                ratings_per_hit: self.hit.ratings_per_hit,
                board_url: self.board_url,
                stopping: self.stop.stopping(),
            },
        })
    }
}

impl LossFlags {
    fn on_log_change(self) -> engine::OnLogChange {
        match self.on_log_change {
            OnLogChange::Halt => engine::OnLogChange::Halt,
            OnLogChange::Restart => engine::OnLogChange::Restart,
        }
    }

    fn on_gap(self) -> engine::OnGap {
        match self.on_gap {
            OnGap::Halt => engine::OnGap::Halt,
            OnGap::Record => engine::OnGap::Record,
        }
    }
}

impl ConsumerFlags {
    /// The settings of the consumer.
    ///
    /// # Errors
    /// As [`KafkaFlags::settings`](super::KafkaFlags::settings).
    pub fn role(self) -> anyhow::Result<consumer::run::Role> {
        let topics = Topics::default();
        Ok(consumer::run::Role {
            kafka: self.kafka.settings()?,
            listen: self.listen,
            ops_listen: self.ops_listen,
            settings: consumer::Settings {
                topic: topics.ratings.clone(),
                producer_url: self.producer_url,
                stopping: self.stop.stopping(),
            },
            engine: engine::EngineSettings {
                topics,
                group: self.group,
                instance_id: self.instance_id,
                manage_topics: self.topics.manage_topics,
                partitions: self.topics.partitions,
                replication: self.topics.replication,
                on_log_change: self.loss.on_log_change(),
                on_gap: self.loss.on_gap(),
                ..engine::EngineSettings::default()
            },
        })
    }
}

impl DemoFlags {
    /// The settings of the demo.
    ///
    /// # Errors
    /// As [`StorageFlags::directory`] and [`AccessFlags::guard`](super::AccessFlags::guard).
    pub fn settings(&self) -> anyhow::Result<demo::Settings> {
        Ok(demo::Settings {
            guard: self.access.guard(self.producer_listen, "--producer-listen")?,
            producer_listen: self.producer_listen,
            consumer_listen: self.consumer_listen,
            kafka_listen: self.kafka_listen,
            broker: self.storage.broker()?,
            partitions: self.partitions,
            on_log_change: self.loss.on_log_change(),
            on_gap: self.loss.on_gap(),
            ratings_per_hit: self.hit.ratings_per_hit,
        })
    }
}

impl SmokeFlags {
    /// The settings of the smoke test.
    ///
    /// # Errors
    /// As [`KafkaFlags::settings`](super::KafkaFlags::settings); a token file that cannot be used.
    pub fn settings(self) -> anyhow::Result<smoke::Settings> {
        let target = if let Some((producer, board)) = self.producer_url.zip(self.board_url) {
            let token = self.token_file.as_deref().map(Token::first_of).transpose();
            let token = token.map_err(|error| Unusable(error.to_string()))?;
            smoke::Target::Services(smoke::Services { producer, board, token })
        } else {
            let (kafka, topic) = (self.kafka.settings()?, self.topic);
            smoke::Target::Queue(smoke::Queue { kafka, topic })
        };
        Ok(smoke::Settings { target, time_limit: Duration::from_millis(self.time_limit_ms) })
    }
}

impl DoctorFlags {
    /// The settings of the doctor.
    ///
    /// # Errors
    /// As [`KafkaFlags::settings`](super::KafkaFlags::settings).
    pub fn settings(self) -> anyhow::Result<doctor::Settings> {
        Ok(doctor::Settings {
            kafka: self.kafka.settings()?,
            topics: Topics::default(),
            group: self.group,
            json: self.json,
        })
    }
}
