"""Topics: made, described, changed and deleted through a client's admin calls."""

from confluent_kafka import KafkaError, TopicCollection, TopicPartition
from confluent_kafka.admin import (AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions,
                                   NewTopic)

from clients import Confluent, kcat, numbered, only, refused, send
from harness import check, demand, eventually, fresh, same


@check("topics: producing to a topic that is not there makes it", needs={"kcat"})
def auto_create(suite):
    topic = fresh("auto")
    kcat(suite, "-P", "-t", topic, stdin=b"one\n")
    same([each.value for each in Confluent().consume(suite, topic, 1)], [b"one"], "values")


@check("topics: one that exists, one that does not, a bad name, a bad count, a bad config")
def topic_errors(suite):
    topic = suite.topic(fresh("exists"))

    def not_created(code, what, *arguments, **config):
        refused(lambda: suite.admin.create_topics([NewTopic(*arguments, **config)]), code, what)

    not_created(KafkaError.TOPIC_ALREADY_EXISTS, "an existing topic", topic, 1, 1)
    not_created(KafkaError.TOPIC_EXCEPTION, "a name with a space", "bad name", 1, 1)
    not_created(KafkaError.INVALID_PARTITIONS, "no partitions", fresh("none"), 0, 1)
    not_created(KafkaError.INVALID_REPLICATION_FACTOR, "three copies", fresh("copies"), 1, 3)
    for config in [{"retention.ms": "soon"}, {"no.such.config": "1"}]:
        not_created(KafkaError.INVALID_CONFIG, f"{config}", fresh("config"), 1, 1, config=config)
    refused(lambda: suite.admin.delete_topics([fresh("never")]),
            KafkaError.UNKNOWN_TOPIC_OR_PART, "deleting an unknown topic")


@check("topics: deleted and created again is a new topic, empty and with another id")
def recreated(suite):
    topic = suite.topic(fresh("again"))
    send(suite.producer(), topic, numbered(3))
    describe = lambda: only(suite.admin.describe_topics(TopicCollection([topic])))
    first = str(describe().topic_id)
    only(suite.admin.delete_topics([topic]))
    eventually(lambda: topic not in suite.admin.list_topics(timeout=10).topics, "the topic is not gone")
    suite.topic(topic)
    demand(str(describe().topic_id) != first, "the new topic has the old one's id")
    consumer = suite.consumer(fresh_group=True)
    same(consumer.get_watermark_offsets(TopicPartition(topic, 0)), (0, 0), "watermarks")
    consumer.close()


@check("topics: partitions can be added, not taken away; configs set, changed and reset")
def partitions_and_configs(suite):
    topic = suite.topic(fresh("grow"), retention_ms=3_600_000)
    only(suite.admin.create_partitions([NewPartitions(topic, 3)]))
    count = lambda: len(suite.admin.list_topics(topic, timeout=10).topics[topic].partitions)
    eventually(lambda: count() == 3, "no three partitions")
    refused(lambda: suite.admin.create_partitions([NewPartitions(topic, 2)]),
            KafkaError.INVALID_PARTITIONS, "fewer partitions")

    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    value = lambda name: only(suite.admin.describe_configs([resource]))[name].value
    same(value("retention.ms"), "3600000", "retention.ms as created")
    same(value("cleanup.policy"), "delete", "cleanup.policy by default")

    def alter(name, operation, to):
        entry = ConfigEntry(name, to, incremental_operation=operation)
        changed = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])
        only(suite.admin.incremental_alter_configs([changed]))

    alter("retention.ms", AlterConfigOpType.SET, "7200000")
    eventually(lambda: value("retention.ms") == "7200000", "retention.ms has not been changed")
    alter("retention.ms", AlterConfigOpType.DELETE, None)
    eventually(lambda: value("retention.ms") == "604800000", "retention.ms has not been reset")
