// KafkaJS's admin client: what scripts and consoles do with it.
//
//   node admin.mjs console|assignment BOOTSTRAP TOPIC

import assert from "node:assert/strict";
import kafkajs from "kafkajs";

const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ConfigResourceTypes } = kafkajs;
const { Kafka, logLevel, ResourcePatternTypes } = kafkajs;

// Settings that scripts for clusters give their topics, though a single broker has no use for most.
const SETTINGS = {
  "compression.type": "zstd",
  "file.delete.delay.ms": "60000",
  "flush.ms": "1000",
  "index.interval.bytes": "4096",
  "max.compaction.lag.ms": "86400000",
  "message.timestamp.after.max.ms": "86400000",
  "min.insync.replicas": "1",
  "preallocate": "false",
  "segment.index.bytes": "1048576",
};

const [check, bootstrap, topic] = process.argv.slice(2);
const kafka = new Kafka({ brokers: [bootstrap], clientId: "kafkajs", logLevel: logLevel.NOTHING });
const admin = kafka.admin();

async function run() {
  await admin.connect();
  try {
    await { console: consoleView, assignment }[check]();
  } finally {
    await admin.disconnect();
  }
}

/** What a console asks for its overview. */
async function consoleView() {
  const configEntries = Object.entries(SETTINGS).map(([name, value]) => ({ name, value }));
  await admin.createTopics({ topics: [{ topic, configEntries }] });
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: ConfigResourceTypes.TOPIC, name: topic }],
  });
  const shown = Object.fromEntries(resources[0].configEntries
    .filter(({ configName }) => configName in SETTINGS)
    .map(({ configName, configValue }) => [configName, configValue]));
  assert.deepEqual(shown, SETTINGS);

  const moving = await admin.listPartitionReassignments({ topics: [{ topic, partitions: [0] }] });
  assert.deepEqual(moving.topics, []);
  await assert.rejects(admin.describeAcls({
    resourceType: AclResourceTypes.ANY,
    resourcePatternType: ResourcePatternTypes.ANY,
    operation: AclOperationTypes.ANY,
    permissionType: AclPermissionTypes.ANY,
  }), { type: "SECURITY_DISABLED" });
}

/** Lays out the replicas of a topic itself. */
async function assignment() {
  const { brokers } = await admin.describeCluster();
  const own = brokers[0].nodeId;
  const create = (name, replicas) => admin.createTopics({
    topics: [{ topic: name, replicaAssignment: [{ partition: 0, replicas }] }],
  });
  const refused = (error) => error.errors[0].type === "INVALID_REPLICA_ASSIGNMENT";
  await assert.rejects(create(`${topic}-other`, [own + 1]), refused);
  await assert.rejects(create(`${topic}-twice`, [own, own]), refused);
  assert.equal(await create(topic, [own]), true);
  await admin.createPartitions({ topicPartitions: [{ topic, count: 2, assignments: [[own]] }] });
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
  assert.equal(topics[0].partitions.length, 2);
}

await run();
