"""Records: offsets, timestamps, watermarks, seeking, acknowledgements, limits."""

import threading

import confluent_kafka
from confluent_kafka import KafkaError, TopicPartition
from confluent_kafka.admin import OffsetSpec

from clients import Confluent, Record, kcat, numbered, only, refused, send, take
from harness import WAIT_SECONDS_MAX, check, demand, eventually, fresh, same


@check("records: a consumer starts in the middle of a batch")
def middle_of_a_batch(suite):
    topic = suite.topic(fresh("middle"))
    for codec in ["none", "zstd"]:
        Confluent().produce(suite, topic, numbered(100, codec), codec)
    consumer = suite.consumer(fresh_group=True)
    for start in [0, 1, 57, 99, 100, 157, 199]:
        consumer.assign([TopicPartition(topic, 0, start)])
        first = take(consumer, 1)[0]
        same(first.offset(), start, "the first offset")
        stem = "none" if start < 100 else "zstd"
        same(first.value(), f"{stem} {start % 100}".encode(), "the first value")
    consumer.close()


@check("records: order and count per partition, with several partitions and small fetches")
def many(suite):
    topic = suite.topic(fresh("many"), partitions=3)
    producer = suite.producer({"linger.ms": 5, "batch.num.messages": 100})
    for partition in range(3):
        send(producer, topic, numbered(5000, f"p{partition}"), partition)
    consumer = suite.consumer({"fetch.message.max.bytes": 3000}, fresh_group=True)
    consumer.assign([TopicPartition(topic, each, 0) for each in range(3)])
    found = {0: [], 1: [], 2: []}
    for message in take(consumer, 15000):
        found[message.partition()].append((message.offset(), message.value()))
    for partition, pairs in found.items():
        wanted = [(i, each.value) for i, each in enumerate(numbered(5000, f"p{partition}"))]
        same(pairs, wanted, f"partition {partition}")
    consumer.close()


@check("records: a waiting consumer is given a record as soon as there is one")
def long_poll(suite):
    topic = suite.topic(fresh("poll"))
    consumer = suite.consumer({"fetch.wait.max.ms": 20_000, "socket.timeout.ms": 40_000},
                              fresh_group=True)
    consumer.assign([TopicPartition(topic, 0, 0)])
    demand(consumer.poll(1.0) is None, "a record from nowhere")
    send(suite.producer(), topic, numbered(1))
    # Far less than fetch.wait.max.ms: an answer that only comes when the wait is over is wrong.
    take(consumer, 1, seconds=10)
    consumer.close()


@check("records: fetch.min.bytes is waited for")
def fetch_min_bytes(suite):
    topic = suite.topic(fresh("min"))
    consumer = suite.consumer({"fetch.min.bytes": 20_000, "fetch.wait.max.ms": 25_000,
                               "socket.timeout.ms": 60_000}, fresh_group=True)
    consumer.assign([TopicPartition(topic, 0, 0)])
    send(suite.producer(), topic, numbered(1))
    demand(consumer.poll(1.0) is None, "a few bytes were given out at once")
    send(suite.producer(), topic, [Record(None, b"x" * 30_000)])
    take(consumer, 2, seconds=15)  # less than the wait: it is the bytes that end it
    consumer.close()


@check("records: compaction keeps the last value of each key, and offsets")
def compaction(suite):
    topic = suite.topic(fresh("cleaned"), cleanup_policy="compact", segment_ms=100,
                        min_cleanable_dirty_ratio=0.01, delete_retention_ms=100)
    producer = suite.producer({"enable.idempotence": True})
    for round_ in range(20):
        send(producer, topic, [Record(f"key{i}".encode(), f"{round_} {i}".encode()) for i in range(10)])
    send(producer, topic, [Record(b"key0", None)])

    def kept():
        # A segment is rolled by a record that comes after its time, and only old ones are cleaned.
        send(producer, topic, [Record(b"roll", b"")])
        consumer = suite.consumer({"enable.partition.eof": True}, fresh_group=True)
        consumer.assign([TopicPartition(topic, 0, 0)])
        found = []
        while (message := consumer.poll(WAIT_SECONDS_MAX)) is not None and message.error() is None:
            found.append((message.offset(), message.key(), message.value()))
        consumer.close()
        return [each for each in found if each[1] != b"roll"]

    wanted = [(190 + i, f"key{i}".encode(), f"19 {i}".encode()) for i in range(1, 10)]
    eventually(lambda: [each for each in kept() if each[1] != b"key0"] == wanted,
               lambda: f"kept: {kept()}", seconds=90)
    values = [each[2] for each in kept() if each[1] == b"key0"]
    demand(values in ([], [None]), f"what is left of a deleted key: {values}")


@check("records: acks 0, 1 and all")
def acknowledgements(suite):
    topic = suite.topic(fresh("acks"))
    for acks in ["0", "1", "all"]:
        send(suite.producer({"acks": acks}), topic, numbered(10, acks))
    values = sorted(each.value for each in Confluent().consume(suite, topic, 30))
    same(values, sorted(each.value for acks in ["0", "1", "all"] for each in numbered(10, acks)), "values")


@check("records: an idempotent producer's 20,000 records stand once and in order")
def idempotent(suite):
    topic = suite.topic(fresh("idempotent"))
    producer = suite.producer({"enable.idempotence": True, "linger.ms": 1, "batch.num.messages": 50})
    send(producer, topic, numbered(20_000))
    found = [each.value for each in Confluent().consume(suite, topic, 20_000)]
    same(found, [each.value for each in numbered(20_000)], "values")
    consumer = suite.consumer(fresh_group=True)
    same(consumer.get_watermark_offsets(TopicPartition(topic, 0)), (0, 20_000), "watermarks")
    consumer.close()


@check("records: offsets by timestamp, first, last and newest timestamp", needs={"kcat"})
def timestamps(suite):
    topic = suite.topic(fresh("times"))
    producer = suite.producer()
    base = 1_700_000_000_000
    for i in range(10):
        producer.produce(topic, f"{i}", timestamp=base + 1000 * i)
        producer.flush()
    consumer = suite.consumer(fresh_group=True)
    for asked, wanted in [(base - 1, 0), (base, 0), (base + 1, 1), (base + 4000, 4),
                          (base + 9000, 9), (base + 9001, confluent_kafka.OFFSET_END)]:
        (found,) = consumer.offsets_for_times([TopicPartition(topic, 0, asked)], WAIT_SECONDS_MAX)
        same(found.offset, wanted, f"offset for timestamp base + {asked - base}")
    consumer.close()
    partition = TopicPartition(topic, 0)
    for spec, wanted in [(OffsetSpec.earliest(), 0), (OffsetSpec.latest(), 10),
                         (OffsetSpec.max_timestamp(), 9), (OffsetSpec.for_timestamp(base + 1), 1)]:
        same(only(suite.admin.list_offsets({partition: spec})).offset, wanted, f"{spec}")
    found = kcat(suite, "-Q", "-t", f"{topic}:0:{base + 2500}").decode()
    demand("offset 3" in found, f"kcat -Q: {found}")


@check("records: LogAppendTime is the broker's clock")
def log_append_time(suite):
    topic = suite.topic(fresh("append"), message_timestamp_type="LogAppendTime")
    producer = suite.producer()
    producer.produce(topic, "x", timestamp=1_600_000_000_000)
    producer.flush()
    consumer = suite.consumer(fresh_group=True)
    consumer.assign([TopicPartition(topic, 0, 0)])
    kind, at = take(consumer, 1)[0].timestamp()
    same(kind, confluent_kafka.TIMESTAMP_LOG_APPEND_TIME, "the timestamp's kind")
    demand(at > 1_700_000_000_000, f"the producer's timestamp was kept: {at}")
    consumer.close()


@check("records: an offset out of range is an error, or resets, as the consumer wishes")
def out_of_range(suite):
    topic = suite.topic(fresh("range"))
    send(suite.producer(), topic, numbered(5))
    strict = suite.consumer({"auto.offset.reset": "error"}, fresh_group=True)
    strict.assign([TopicPartition(topic, 0, 77)])
    message = eventually(lambda: strict.poll(0.2), "no error for offset 77 of 5")
    same(message.error().code(), KafkaError._AUTO_OFFSET_RESET, "the error")
    strict.close()
    lenient = suite.consumer(fresh_group=True)
    lenient.assign([TopicPartition(topic, 0, 77)])
    same(take(lenient, 1)[0].offset(), 0, "the offset after a reset")
    lenient.close()


@check("records: one larger than max.message.bytes is refused, and the next one is not")
def too_large(suite):
    topic = suite.topic(fresh("limit"), max_message_bytes=10_000)
    producer = suite.producer()
    errors = []
    producer.produce(topic, b"x" * 20_000, on_delivery=lambda error, _: errors.append(error))
    producer.flush(WAIT_SECONDS_MAX)
    same([each and each.code() for each in errors], [KafkaError.MSG_SIZE_TOO_LARGE], "the errors")
    send(producer, topic, [Record(None, b"x" * 5000)])


@check("records: DeleteRecords moves the log's start")
def delete_records(suite):
    topic = suite.topic(fresh("delete"))
    send(suite.producer(), topic, numbered(10))
    deleted = only(suite.admin.delete_records([TopicPartition(topic, 0, 4)]))
    same(deleted.low_watermark, 4, "the low watermark")
    consumer = suite.consumer(fresh_group=True)
    same(consumer.get_watermark_offsets(TopicPartition(topic, 0)), (4, 10), "watermarks")
    consumer.assign([TopicPartition(topic, 0, confluent_kafka.OFFSET_BEGINNING)])
    same([each.offset() for each in take(consumer, 6)], [4, 5, 6, 7, 8, 9], "offsets")
    consumer.close()
    # -1 stands for the high watermark.
    same(only(suite.admin.delete_records([TopicPartition(topic, 0, -1)])).low_watermark, 10, "all")
    refused(lambda: suite.admin.delete_records([TopicPartition(topic, 0, 11)]),
            KafkaError.OFFSET_OUT_OF_RANGE, "deleting beyond the log's end")


@check("records: a compacted topic refuses a record without a key")
def key_required(suite):
    topic = suite.topic(fresh("compact"), cleanup_policy="compact")
    producer = suite.producer()
    errors = []
    producer.produce(topic, b"no key", on_delivery=lambda error, _: errors.append(error))
    producer.flush(WAIT_SECONDS_MAX)
    same([each and each.code() for each in errors], [KafkaError.INVALID_RECORD], "the errors")
    send(producer, topic, [Record(b"k", b"v"), Record(b"k", None)])


@check("records: several consumers fetch while several producers write")
def busy(suite):
    topic = suite.topic(fresh("busy"), partitions=2)
    errors = []

    def write(stem):
        try:
            send(suite.producer({"enable.idempotence": True}), topic, numbered(3000, stem))
        except Exception as error:
            errors.append(error)

    writers = [threading.Thread(target=write, args=(f"writer{i}",)) for i in range(3)]
    for writer in writers:
        writer.start()
    wanted = sorted(each.value for i in range(3) for each in numbered(3000, f"writer{i}"))
    for _ in range(2):
        consumer = suite.consumer(fresh_group=True)
        consumer.assign([TopicPartition(topic, each, 0) for each in range(2)])
        same(sorted(each.value() for each in take(consumer, 9000)), wanted, "values")
        consumer.close()
    for writer in writers:
        writer.join()
    same(errors, [], "errors of the writers")
