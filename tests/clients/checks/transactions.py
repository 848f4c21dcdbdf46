"""Transactions: committed, aborted, fenced, timed out, with offsets inside."""

import confluent_kafka
import kafka
from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec

from clients import Record, numbered, only, send, take
from harness import WAIT_SECONDS_MAX, check, demand, eventually, fresh, same


def transactional(suite, name, **settings):
    """A producer that is ready to begin a transaction of that name."""
    named = {key.replace("_", "."): value for key, value in settings.items()}
    producer = suite.producer({"transactional.id": name} | named)
    producer.init_transactions(WAIT_SECONDS_MAX)
    return producer


def read(suite, topic, count, isolation="read_committed"):
    """The values of the first `count` records that a consumer of that isolation sees, and that
    there are no more: it must come to the end of the partition after them."""
    consumer = suite.consumer({"isolation.level": isolation, "enable.partition.eof": True},
                              fresh_group=True)
    consumer.assign([TopicPartition(topic, 0, 0)])
    values, ended = [], False

    def step():
        nonlocal ended
        message = consumer.poll(0.2)
        if message is not None and message.error() is not None:
            same(message.error().code(), KafkaError._PARTITION_EOF, "an error while reading")
            ended = True
        elif message is not None:
            values.append(message.value().decode())
            ended = False
        return ended and len(values) >= count

    eventually(step, lambda: f"{isolation}: {len(values)} of {count} records, at the end: {ended}")
    consumer.close()
    return values


@check("transactions: committed ones are seen, aborted ones are not")
def commit_and_abort(suite):
    topic = suite.topic(fresh("txn"))
    producer = transactional(suite, fresh("txn"))
    for i in range(6):
        producer.begin_transaction()
        send(producer, topic, numbered(3, f"txn{i}"))
        if i % 2 == 0:
            producer.commit_transaction(WAIT_SECONDS_MAX)
        else:
            producer.abort_transaction(WAIT_SECONDS_MAX)
    wanted = [f"txn{i} {j}" for i in (0, 2, 4) for j in range(3)]
    same(read(suite, topic, 9), wanted, "what read_committed sees")
    same(len(read(suite, topic, 18, "read_uncommitted")), 18, "what read_uncommitted sees")
    consumer = suite.consumer(fresh_group=True)
    # Six transactions of three records, each with its marker.
    same(consumer.get_watermark_offsets(TopicPartition(topic, 0)), (0, 24), "watermarks")
    consumer.close()


@check("transactions: an open one holds back what comes after it, until it ends")
def last_stable_offset(suite):
    topic = suite.topic(fresh("stable"))
    plain = suite.producer()
    send(plain, topic, [Record(None, b"before")])
    producer = transactional(suite, fresh("txn"))
    producer.begin_transaction()
    send(producer, topic, [Record(None, b"inside")])
    send(plain, topic, [Record(None, b"after")])
    same(read(suite, topic, 1), ["before"], "while it is open")
    same(read(suite, topic, 3, "read_uncommitted"), ["before", "inside", "after"], "uncommitted")
    for isolation, wanted in [(IsolationLevel.READ_COMMITTED, 1), (IsolationLevel.READ_UNCOMMITTED, 3)]:
        latest = {TopicPartition(topic, 0): OffsetSpec.latest()}
        found = only(suite.admin.list_offsets(latest, isolation_level=isolation)).offset
        same(found, wanted, f"the latest offset, {isolation}")
    waiting = suite.consumer({"isolation.level": "read_committed"}, fresh_group=True)
    waiting.assign([TopicPartition(topic, 0, 1)])
    demand(waiting.poll(0.5) is None, "a record of an open transaction was given out")
    producer.commit_transaction(WAIT_SECONDS_MAX)
    same([each.value() for each in take(waiting, 2)], [b"inside", b"after"], "after the commit")
    waiting.close()


@check("transactions: producers interleaved over partitions, half of them aborted")
def interleaved(suite):
    topic = suite.topic(fresh("interleaved"), partitions=3)
    producers = [transactional(suite, fresh(f"txn{i}")) for i in range(4)]
    for round_ in range(5):
        for producer in producers:
            producer.begin_transaction()
        for part in range(2):
            for i, producer in enumerate(producers):
                for partition in range(3):
                    send(producer, topic, [Record(None, f"{round_} {i} {part}".encode())], partition)
        for i, producer in enumerate(producers):
            end = producer.commit_transaction if i % 2 == 0 else producer.abort_transaction
            end(WAIT_SECONDS_MAX)
    wanted = [f"{r} {i} {part}".encode() for r in range(5) for part in range(2) for i in (0, 2)]
    consumer = suite.consumer({"isolation.level": "read_committed"}, fresh_group=True)
    for partition in range(3):
        consumer.assign([TopicPartition(topic, partition, 0)])
        found = [each.value() for each in take(consumer, len(wanted))]
        same(found, wanted, f"partition {partition}")
        demand(consumer.poll(0.3) is None, "records beyond the committed ones")
    consumer.close()


@check("transactions: a zombie is fenced by its successor, and its work is aborted")
def zombie(suite):
    topic, name = suite.topic(fresh("zombie")), fresh("txn")
    first = transactional(suite, name)
    first.begin_transaction()
    send(first, topic, [Record(None, b"of the zombie")])
    second = transactional(suite, name)
    second.begin_transaction()
    send(second, topic, [Record(None, b"of the successor")])
    second.commit_transaction(WAIT_SECONDS_MAX)
    try:
        first.commit_transaction(WAIT_SECONDS_MAX)
        demand(False, "the zombie's commit was taken")
    except KafkaException as error:
        demand(error.args[0].fatal(), f"the zombie was told {error}, which is not fatal")
    same(read(suite, topic, 1), ["of the successor"], "what read_committed sees")


@check("transactions: offsets move with the commit and not with the abort")
def offsets_inside(suite):
    source, target = suite.topic(fresh("source")), suite.topic(fresh("target"))
    group = fresh("txn-group")
    send(suite.producer(), source, numbered(20))
    producer = transactional(suite, fresh("txn"))

    def transform(commit):
        consumer = suite.consumer({"group.id": group, "isolation.level": "read_committed"})
        consumer.subscribe([source])
        messages = take(consumer, 10)
        producer.begin_transaction()
        send(producer, target, [Record(None, each.value().upper()) for each in messages])
        producer.send_offsets_to_transaction(
            [TopicPartition(source, 0, messages[-1].offset() + 1)],
            consumer.consumer_group_metadata(), WAIT_SECONDS_MAX)
        end = producer.commit_transaction if commit else producer.abort_transaction
        end(WAIT_SECONDS_MAX)
        (found,) = consumer.committed([TopicPartition(source, 0)], WAIT_SECONDS_MAX)
        consumer.close()
        return messages[0].offset(), found.offset

    same(transform(commit=False), (0, confluent_kafka.OFFSET_INVALID), "first and committed offset")
    same(transform(commit=True), (0, 10), "first and committed offset")
    same(transform(commit=False), (10, 10), "first and committed offset")
    same(transform(commit=True), (10, 20), "first and committed offset")
    same(read(suite, target, 20), [f"RECORD {i}" for i in range(20)], "what read_committed sees")


@check("transactions: one that stays open too long is aborted by the broker")
def timed_out(suite):
    topic = suite.topic(fresh("timeout"))
    producer = transactional(suite, fresh("txn"), transaction_timeout_ms=5000)
    producer.begin_transaction()
    send(producer, topic, [Record(None, b"forgotten")])
    send(suite.producer(), topic, [Record(None, b"plain")])
    same(read(suite, topic, 1), ["plain"], "what read_committed sees in the end")
    try:
        producer.commit_transaction(WAIT_SECONDS_MAX)
        demand(False, "an aborted transaction was committed")
    except KafkaException as error:
        demand(error.args[0].fatal() or error.args[0].txn_requires_abort(), f"told {error}")


@check("transactions: a timeout above the broker's limit is refused")
def timeout_limit(suite):
    producer = suite.producer({"transactional.id": fresh("txn"), "transaction.timeout.ms": 2_000_000})
    try:
        producer.init_transactions(WAIT_SECONDS_MAX)
        demand(False, "33 minutes were accepted; Kafka's transaction.max.timeout.ms is 15")
    except KafkaException as error:
        same(error.args[0].code(), KafkaError.INVALID_TRANSACTION_TIMEOUT, "the error")


@check("transactions: kafka-python commits and aborts")
def kafka_python(suite):
    topic = suite.topic(fresh("txn-python"))
    producer = kafka.KafkaProducer(bootstrap_servers=suite.bootstrap, transactional_id=fresh("txn"))
    producer.init_transactions()
    for i in range(4):
        producer.begin_transaction()
        producer.send(topic, f"txn{i}".encode()).get(WAIT_SECONDS_MAX)
        producer.commit_transaction() if i % 2 == 0 else producer.abort_transaction()
    producer.close()
    same(read(suite, topic, 2), ["txn0", "txn2"], "what read_committed sees")
    consumer = kafka.KafkaConsumer(bootstrap_servers=suite.bootstrap, isolation_level="read_committed",
                                   consumer_timeout_ms=WAIT_SECONDS_MAX * 1000)
    partition = kafka.TopicPartition(topic, 0)
    consumer.assign([partition])
    consumer.seek_to_beginning(partition)
    same([next(consumer).value for _ in range(2)], [b"txn0", b"txn2"], "what kafka-python sees")
    consumer.close()
