"""The four clients, behind one interface: produce records, consume records."""

import functools
import json
import logging
import subprocess
import time
from typing import NamedTuple, Optional

import confluent_kafka
import kafka
from confluent_kafka.admin import AdminClient, NewTopic

import go
import java
from harness import WAIT_SECONDS_MAX, Failed, demand, eventually, fresh

# librdkafka writes to standard error what a check that kills brokers expects anyway.
QUIET = logging.getLogger("librdkafka")
QUIET.addHandler(logging.NullHandler())
QUIET.propagate = False

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]


class Record(NamedTuple):
    """What a client writes and what the next one must read."""

    key: Optional[bytes]
    value: Optional[bytes]
    headers: tuple = ()


class Kcat:
    """kcat; its records of one call share their headers, and its empty fields are nulls."""

    name, needs = "kcat", {"kcat"}

    def produce(self, suite, topic, records, codec):
        headers = [part for name, value in records[0].headers
                   for part in ("-H", f"{name}={value.decode()}")]
        lines = [(each.key or b"") + b"\t" + (each.value or b"") for each in records]
        kcat(suite, "-P", "-t", topic, "-z", codec, "-Z", "-K", "\t", *headers,
             "-X", "message.max.bytes=2000000", stdin=b"\n".join(lines) + b"\n")

    def consume(self, suite, topic, count):
        out = kcat(suite, "-C", "-t", topic, "-o", "beginning", "-c", count, "-J",
                   "-X", "message.max.bytes=2000000")
        records = []
        for line in out.splitlines():
            fields = json.loads(line)
            pairs = fields.get("headers", [])
            encode = lambda text: None if text is None else text.encode()
            headers = tuple(zip(pairs[::2], map(encode, pairs[1::2])))
            records.append(Record(encode(fields["key"]), encode(fields["payload"]), headers))
        return records


class Confluent:
    """confluent-kafka, which is librdkafka, as is most of what is not written in Java."""

    name, needs = "confluent-kafka", set()

    def produce(self, suite, topic, records, codec):
        producer = suite.producer({"compression.type": codec, "linger.ms": 50,
                                   "message.max.bytes": 2_000_000})
        send(producer, topic, records)

    def consume(self, suite, topic, count):
        consumer = suite.consumer(fresh_group=True)
        consumer.assign([confluent_kafka.TopicPartition(topic, 0, confluent_kafka.OFFSET_BEGINNING)])
        records = [Record(each.key(), each.value(), tuple(each.headers() or ()))
                   for each in take(consumer, count)]
        consumer.close()
        return records


class KafkaPython:
    """kafka-python, which speaks the protocol by itself."""

    name, needs = "kafka-python", set()

    def produce(self, suite, topic, records, codec):
        producer = kafka.KafkaProducer(
            bootstrap_servers=suite.bootstrap, linger_ms=50, max_request_size=2_000_000,
            compression_type=None if codec == "none" else codec)
        sent = [producer.send(topic, key=each.key, value=each.value, headers=list(each.headers))
                for each in records]
        for each in sent:
            each.get(timeout=WAIT_SECONDS_MAX)
        producer.close()

    def consume(self, suite, topic, count):
        consumer = kafka.KafkaConsumer(
            bootstrap_servers=suite.bootstrap, consumer_timeout_ms=WAIT_SECONDS_MAX * 1000)
        partition = kafka.TopicPartition(topic, 0)
        consumer.assign([partition])
        consumer.seek_to_beginning(partition)
        records = []
        while len(records) < count:
            each = next(consumer, None)
            demand(each is not None, f"kafka-python got {len(records)} of {count} records")
            records.append(Record(each.key, each.value, tuple(each.headers)))
        consumer.close()
        return records


class Console:
    """Apache Kafka's console producer and consumer."""

    name, needs = "Java console", {"java"}
    null = "NULL"

    def produce(self, suite, topic, records, codec):
        lines = []
        for each in records:
            headers = ",".join(f"{name}:{value.decode()}" for name, value in each.headers)
            fields = [self.null if part is None else part.decode() for part in each[:2]]
            lines.append("\t".join([headers, *fields]))
        properties = {"parse.key": "true", "parse.headers": "true", "null.marker": self.null}
        suite.java.run(
            java.CONSOLE_PRODUCER, "--bootstrap-server", suite.bootstrap, "--topic", topic,
            "--compression-codec", codec, "--command-property", "max.request.size=2000000",
            *flags("--reader-property", properties), stdin="\n".join(lines).encode() + b"\n")

    def consume(self, suite, topic, count):
        properties = {"print.key": "true", "print.headers": "true", "null.literal": self.null}
        out = suite.java.run(
            java.CONSOLE_CONSUMER, "--bootstrap-server", suite.bootstrap, "--topic", topic,
            "--from-beginning", "--max-messages", count, "--timeout-ms", WAIT_SECONDS_MAX * 1000,
            *flags("--formatter-property", properties))
        records = []
        for line in out.splitlines():
            headers, key, value = line.split("\t")
            pairs = [] if headers == "NO_HEADERS" else [each.split(":") for each in headers.split(",")]
            decode = lambda text: None if text == self.null else text.encode()
            records.append(Record(decode(key), decode(value),
                                  tuple((name, text.encode()) for name, text in pairs)))
        return records


CLIENTS = [Kcat(), Confluent(), KafkaPython(), Console()]


class Suite:
    """What a check is given: the broker, and clients that are set up for it."""

    def __init__(self, server, go_command="go"):
        self.server = server
        self.java = java.Java()
        self.go = go.Go(go_command)

    @property
    def bootstrap(self):
        return self.server.bootstrap

    @functools.cached_property
    def admin(self):
        # Kept: an admin client that is dropped takes its unanswered calls with it.
        return AdminClient(quiet(self.bootstrap))

    def topic(self, name, partitions=1, **config):
        """Creates a topic and waits until it can be used."""
        config = {key.replace("_", "."): str(value) for key, value in config.items()}
        admin = self.admin
        admin.create_topics([NewTopic(name, partitions, 1, config=config)])[name].result(WAIT_SECONDS_MAX)
        eventually(lambda: led(admin, name) == partitions, f"{name} has no leaders")
        return name

    def producer(self, settings=None):
        return confluent_kafka.Producer(quiet(self.bootstrap) | (settings or {}))

    def consumer(self, settings=None, fresh_group=False):
        defaults = {"enable.auto.commit": False, "auto.offset.reset": "earliest",
                    "fetch.wait.max.ms": 100}
        if fresh_group:
            defaults["group.id"] = fresh("group")
        return confluent_kafka.Consumer(quiet(self.bootstrap) | defaults | (settings or {}))


def quiet(bootstrap):
    """Settings that every librdkafka client has."""
    return {"bootstrap.servers": bootstrap, "logger": QUIET, "topic.metadata.refresh.interval.ms": 5000}


def led(admin, topic):
    """How many of the topic's partitions have a leader."""
    found = admin.list_topics(topic, timeout=10).topics.get(topic)
    return 0 if found is None else sum(each.leader >= 0 for each in found.partitions.values())


def flags(flag, properties):
    """`--flag name=value` for each property."""
    return [part for name, value in properties.items() for part in (flag, f"{name}={value}")]


def kcat(suite, *arguments, stdin=b"", expect=0):
    """Runs kcat to its end and answers its standard output."""
    line = ["kcat", "-b", suite.bootstrap, *map(str, arguments)]
    done = subprocess.run(line, input=stdin, capture_output=True, timeout=WAIT_SECONDS_MAX)
    if done.returncode != expect:
        raise Failed(f"{' '.join(line)}: status {done.returncode}\n{done.stderr.decode()[-2000:]}")
    return done.stdout if expect == 0 else done.stdout + done.stderr


def send(producer, topic, records, partition=None):
    """Produces all records and waits for every acknowledgement; answers (partition, offset)s."""
    placed, errors = [], []

    def delivered(error, message):
        if error is not None:
            errors.append(error)
        else:
            placed.append((message.partition(), message.offset()))

    where = {} if partition is None else {"partition": partition}
    for each in records:
        producer.produce(topic, key=each.key, value=each.value, headers=list(each.headers),
                         on_delivery=delivered, **where)
    left = producer.flush(WAIT_SECONDS_MAX)
    demand(not errors, f"not acknowledged: {errors[:3]}")
    demand(left == 0, f"{left} of {len(records)} records without an answer")
    return placed


def take(consumer, count, seconds=WAIT_SECONDS_MAX):
    """Polls `count` messages; errors of the broker are failures."""
    messages, deadline = [], time.monotonic() + seconds
    while len(messages) < count:
        message = consumer.poll(0.2)
        if message is not None and message.error() is not None:
            raise Failed(f"the consumer was given {message.error()}")
        if message is not None:
            messages.append(message)
        demand(time.monotonic() < deadline, f"{len(messages)} of {count} messages in {seconds} s")
    return messages


def only(results):
    """The answer of an admin call about one thing."""
    (result,) = results.values()
    return result.result(WAIT_SECONDS_MAX)


def refused(call, code, what):
    """Demands that an admin call about one thing is refused with that error code."""
    try:
        only(call())
    except confluent_kafka.KafkaException as error:
        found = error.args[0]
        demand(found.code() == code, f"{what}: refused with {found}, not with {code}")
    else:
        raise Failed(f"{what}: not refused")


def numbered(count, stem="record"):
    """Records that say which they are."""
    return [Record(f"{stem}-{i}".encode(), f"{stem} {i}".encode()) for i in range(count)]
