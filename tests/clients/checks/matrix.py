"""Produce with each client, consume with each: every codec, keys, nulls, headers, large records."""

import concurrent.futures
import threading

from clients import CLIENTS, CODECS, Record
from harness import check, fresh, same

# Just below the million bytes that clients and brokers allow unless told otherwise.
LARGE_BYTES = 900 * 1024

_lock = threading.Lock()


def batch(producer, codec):
    """Records that compress well, one without a key, one without a value, headers repeated."""
    headers = (("codec", codec.encode()), ("codec", b"again"))
    text = f"{producer.name} {codec} ".encode()
    return [Record(b"first", text + b"a" * 300, headers), Record(None, text + b"no key", headers),
            Record(b"tombstone", None, headers), Record(b"last", text + b"z" * 300, headers)]


def produced(suite, producer):
    """A topic with a batch of each codec by that producer; made once for all consumers."""
    with _lock:
        if not hasattr(producer, "produced"):
            producer.produced = concurrent.futures.Future()
            make = True
        else:
            make = False
    if make:
        try:
            topic = suite.topic(fresh("matrix"))
            for codec in CODECS:
                producer.produce(suite, topic, batch(producer, codec), codec)
            producer.produced.set_result(topic)
        except Exception as error:
            producer.produced.set_exception(error)
    return producer.produced.result()


def register(producer, consumer):
    @check(f"matrix: {producer.name} produces with every codec, {consumer.name} consumes",
           needs=producer.needs | consumer.needs)
    def pair(suite):
        wanted = [record for codec in CODECS for record in batch(producer, codec)]
        found = consumer.consume(suite, produced(suite, producer), len(wanted))
        same(found, wanted, "records")


for one in CLIENTS:
    for other in CLIENTS:
        register(one, other)


@check("matrix: a record of 900 KB by each client, read by each", needs={"kcat", "java"})
def large(suite):
    topic = suite.topic(fresh("large"))
    wanted = []
    for client in CLIENTS:
        value = (client.name.encode() + b" ") * (LARGE_BYTES // (len(client.name) + 1))
        wanted.append(Record(b"large", value, (("size", b"large"),)))
        client.produce(suite, topic, wanted[-1:], "none")
    for client in CLIENTS:
        same(client.consume(suite, topic, len(wanted)), wanted, f"what {client.name} read")
