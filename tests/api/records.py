"""Whether the AsyncAPI document describes what really stands in the topics."""

import json
import time
import urllib.request

import confluent_kafka

import documents
from demo import WAIT_SECONDS_MAX, Failed

RATING = {"battle": "Moses vs Santa Claus", "voice1": "Big Bird", "voice2": "Macho Man", "rating": 2}
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def check(demo):
    """Puts records of every kind on the topics, then reads all topics and compares."""
    post(demo.places["producer"])
    write_old(demo.places["kafka"])
    document = documents.read(demo.places["board"], "asyncapi")
    kinds = set()
    for name, channel in document["channels"].items():
        for record in read(demo.places["kafka"], channel["address"]):
            kinds.add(kind_of(document, name, channel, record))
    wanted = set(document["components"]["messages"])
    if kinds != wanted:
        raise Failed(f"the topics hold {sorted(kinds)}, the document names {sorted(wanted)}")


def post(producer):
    """A rating with a trace, by the API."""
    request = urllib.request.Request(
        f"{producer}/api/v1/ratings", json.dumps({**RATING, "rater": "Ann"}).encode(),
        {"content-type": "application/json", "traceparent": TRACE, "tracestate": "a=1"})
    with urllib.request.urlopen(request) as answer:
        if answer.status != 201:
            raise Failed(f"a rating was answered {answer.status}")


def write_old(bootstrap):
    """A rating in the old form, and two records that are none: one is too long to be kept whole."""
    producer = confluent_kafka.Producer({"bootstrap.servers": bootstrap})
    for value in (b"Moses vs Santa Claus|Big Bird|Macho Man|1", b"no rating", b"x" * 100_000):
        producer.produce("erboh-ratings", value)
    if producer.flush(WAIT_SECONDS_MAX):
        raise Failed("records could not be written")


def read(bootstrap, topic):
    """All records of a topic; waits until there is one, since counting takes a moment."""
    consumer = confluent_kafka.Consumer({
        "bootstrap.servers": bootstrap, "group.id": "api-check", "enable.auto.commit": False,
        "enable.partition.eof": True, "auto.offset.reset": "earliest"})
    try:
        end = time.monotonic() + WAIT_SECONDS_MAX
        while time.monotonic() < end:
            records = read_once(consumer, topic)
            if records:
                return records
        raise Failed(f"nothing stands in {topic}")
    finally:
        consumer.close()


def read_once(consumer, topic):
    """All records from the start of the topic to its present end."""
    partitions = consumer.list_topics(topic, WAIT_SECONDS_MAX).topics[topic].partitions
    starts = [confluent_kafka.TopicPartition(topic, each, confluent_kafka.OFFSET_BEGINNING)
              for each in partitions]
    consumer.assign(starts)
    records, left = [], set(partitions)
    while left:
        record = consumer.poll(WAIT_SECONDS_MAX)
        if record is None:
            raise Failed(f"{topic} cannot be read")
        if record.error():
            left.discard(record.partition())
        else:
            records.append(record)
    return records


def kind_of(document, name, channel, record):
    """The one message of the channel that the record fits."""
    found, reasons = [], []
    for kind, reference in channel["messages"].items():
        message = document["components"]["messages"][reference["$ref"].rpartition("/")[2]]
        try:
            fits(document, message, record)
            found.append(kind)
        except Failed as failed:
            reasons.append(f"{kind}: {failed}")
    if name == "ratings" and not found and is_dead(record):
        return "deadLetter"
    if len(found) != 1:
        raise Failed(f"{name} at {record.offset()} is {found}:\n" + "\n".join(reasons))
    return found[0]


def is_dead(record):
    """Whether this is one of the records that were written to be no ratings."""
    return record.value() == b"no rating" or record.value().startswith(b"xxx")


def fits(document, message, record):
    """Raises an error unless key, headers and value are as the message says."""
    value = record.value().decode(errors="replace")
    if message.get("contentType", document["defaultContentType"]) == "application/json":
        try:
            value = json.loads(value)
        except ValueError as error:
            raise Failed(f"not JSON: {error}") from error
    key = message.get("bindings", {}).get("kafka", {}).get("key")
    if key:
        text = None if record.key() is None else record.key().decode()
        documents.fits(document, key, text, "the key")
    headers = {name: value.decode() for name, value in record.headers() or []}
    documents.fits(document, message.get("headers", {}), headers, "the headers")
    documents.fits(document, message["payload"], value, "the value")
