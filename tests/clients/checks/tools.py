"""Apache Kafka's own tools: topics, configs, groups, records, verifiable clients, performance."""

import json
import re
import tempfile

import java
from clients import numbered, send, take
from harness import WAIT_SECONDS_MAX, check, demand, eventually, fresh, same
from members import Member, shared

NEEDS = {"java"}


def tool(suite, name, *arguments, **options):
    """Runs a tool against the broker under test."""
    return suite.java.run(name, "--bootstrap-server", suite.bootstrap, *arguments, **options)


def table(text):
    """The rows of a tool's table, each as a dictionary by column name."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    head = next(i for i, words in enumerate(lines) if words[0] in ("GROUP", "TOPIC"))
    return [dict(zip(lines[head], words)) for words in lines[head + 1:]
            if len(words) >= len(lines[head])]


@check("tools: topics are created, described, altered, listed and deleted", NEEDS)
def topics(suite):
    topic = fresh("tool")
    run = lambda *arguments, **options: tool(suite, java.TOPICS, *arguments, **options)
    run("--create", "--topic", topic, "--partitions", 2, "--config", "retention.ms=60000")
    described = lambda: run("--describe", "--topic", topic)
    eventually(lambda: "PartitionCount: 2" in described(), described)
    demand("retention.ms=60000" in described(), described())
    demand(re.search(r"TopicId: \S{22}", described()) is not None, described())
    demand(re.search(r"Partition: 1\s+Leader: \d+\s+Replicas: \d+\s+Isr: \d+", described()) is not None,
           described())
    run("--alter", "--topic", topic, "--partitions", 4)
    eventually(lambda: "PartitionCount: 4" in described(), described)
    demand(topic in run("--list").split(), "not listed")
    out = run("--create", "--topic", topic, expect=1)
    demand("TopicExistsException" in out, out)
    run("--create", "--topic", topic, "--if-not-exists")
    usual = fresh("tool-default")
    run("--create", "--topic", usual)
    eventually(lambda: "PartitionCount: 1" in run("--describe", "--topic", usual), "default partitions")
    run("--delete", "--topic", topic)
    eventually(lambda: topic not in run("--list").split(), "still listed")
    demand("does not exist" in run("--describe", "--topic", topic, expect=1), "described after all")


@check("tools: configs of topics are described, set and deleted; those of brokers described", NEEDS)
def configs(suite):
    topic = suite.topic(fresh("tool-config"), retention_ms=60000)
    where = ("--entity-type", "topics", "--entity-name", topic)
    run = lambda *arguments, **options: tool(suite, java.CONFIGS, *where, *arguments, **options)
    demand("retention.ms=60000" in run("--describe"), "as created")
    run("--alter", "--add-config", "retention.ms=120000,cleanup.policy=[compact,delete]")
    eventually(lambda: "retention.ms=120000" in run("--describe"), "not set")
    demand("cleanup.policy=compact,delete" in run("--describe"), run("--describe"))
    run("--alter", "--delete-config", "retention.ms")
    eventually(lambda: "retention.ms" not in run("--describe"), "not deleted")
    every = run("--describe", "--all")
    for line in ["segment.bytes=", "retention.ms=604800000", "max.message.bytes=1048588"]:
        demand(line in every, f"no {line} in\n{every}")
    out = run("--alter", "--add-config", "retention.ms=soon", expect=1)
    demand("retention.ms" in out, out)
    brokers = tool(suite, java.CONFIGS, "--entity-type", "brokers", "--describe", "--all")
    demand("log.retention" in brokers or "auto.create.topics.enable" in brokers, brokers[:500])


@check("tools: groups are listed, described, reset and deleted", NEEDS)
def groups(suite):
    topic, group = suite.topic(fresh("tool-group"), partitions=2), fresh("tool-group")
    for partition in range(2):
        send(suite.producer(), topic, numbered(10), partition)
    member = Member(suite, group, topic, client_id="tool-member")
    shared([member], 2)
    eventually(lambda: len(member.read) == 20, "the records were not read")
    run = lambda *arguments, **options: tool(suite, java.GROUPS, *arguments, **options)
    demand(group in run("--list").split(), "not listed")
    demand("Stable" in run("--describe", "--group", group, "--state"), "the state is not Stable")
    (row,) = table(run("--describe", "--group", group, "--members"))
    same((row["CLIENT-ID"], row["#PARTITIONS"]), ("tool-member", "2"), "the member")
    out = run("--delete", "--group", group)
    demand("not empty" in out or "GroupNotEmpty" in out, out)
    member.leave()

    def offsets():
        rows = table(run("--describe", "--group", group))
        return sorted((int(each["PARTITION"]), each["CURRENT-OFFSET"], each["LOG-END-OFFSET"],
                       each["LAG"]) for each in rows)

    eventually(lambda: offsets() == [(0, "10", "10", "0"), (1, "10", "10", "0")], offsets)
    reset = ("--reset-offsets", "--group", group, "--topic", topic)
    run(*reset, "--to-earliest", "--dry-run")
    same([each[1] for each in offsets()], ["10", "10"], "after a dry run")
    run(*reset, "--to-earliest", "--execute")
    same([each[1] for each in offsets()], ["0", "0"], "after --to-earliest")
    run(*reset, "--shift-by", 4, "--execute")
    same([each[1] for each in offsets()], ["4", "4"], "after --shift-by 4")
    run(*reset, "--to-datetime", "2020-01-01T00:00:00.000", "--execute")
    same([each[1] for each in offsets()], ["0", "0"], "after --to-datetime")
    run(*reset, "--to-latest", "--execute")
    same([each[3] for each in offsets()], ["0", "0"], "the lag after --to-latest")
    run("--delete-offsets", "--group", group, "--topic", f"{topic}:1")
    eventually(lambda: [each[0] for each in offsets()] == [0], offsets)
    run("--delete", "--group", group)
    eventually(lambda: group not in run("--list").split(), "still listed")


@check("tools: kafka-delete-records, kafka-get-offsets, api versions, cluster id", NEEDS)
def records(suite):
    topic = suite.topic(fresh("tool-records"), partitions=2)
    for partition in range(2):
        send(suite.producer(), topic, numbered(10), partition)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"version": 1, "partitions": [{"topic": topic, "partition": 1, "offset": 7}]}, file)
        file.flush()
        out = tool(suite, java.DELETE_RECORDS, "--offset-json-file", file.name)
    demand("low_watermark: 7" in out, out)
    offsets = lambda time: tool(suite, java.OFFSETS, "--topic", topic, "--time", time).split()
    same(offsets("earliest"), [f"{topic}:0:0", f"{topic}:1:7"], "earliest offsets")
    same(offsets("latest"), [f"{topic}:0:10", f"{topic}:1:10"], "latest offsets")
    demand("Produce(0)" in tool(suite, java.API_VERSIONS), "no Produce among the versions")
    out = suite.java.run(java.CLUSTER, "cluster-id", "--bootstrap-server", suite.bootstrap)
    demand(re.search(r"Cluster ID: \S+", out) is not None, out)


@check("tools: log directories have sizes; nothing is elected, moved, limited or a user", NEEDS)
def overview(suite):
    topic = suite.topic(fresh("tool-overview"))
    send(suite.producer(), topic, numbered(10))
    out = tool(suite, java.LOG_DIRS, "--describe", "--topic-list", topic)
    (broker,) = json.loads(next(line for line in out.splitlines() if line.startswith("{")))["brokers"]
    (partition,) = [each for directory in broker["logDirs"] for each in directory["partitions"]]
    same(partition["partition"], f"{topic}-0", "the partition")
    demand(partition["size"] > 0 and not partition["isFuture"], partition)
    out = tool(suite, java.LEADER_ELECTION, "--election-type", "preferred", "--topic", topic,
               "--partition", 0)
    demand("Valid replica already elected" in out, out)
    out = tool(suite, java.REASSIGN, "--list")
    demand("No partition reassignments found" in out, out)
    for kind in ["users", "clients"]:
        same(tool(suite, java.CONFIGS, "--entity-type", kind, "--describe").strip(), "", kind)


@check("tools: an open transaction is listed and described, its producer too", NEEDS)
def open_transaction(suite):
    topic, name = suite.topic(fresh("tool-transaction")), fresh("tool-transaction")
    producer = suite.producer({"transactional.id": name})
    producer.init_transactions(WAIT_SECONDS_MAX)
    producer.begin_transaction()
    send(producer, topic, numbered(1))
    run = lambda *arguments: tool(suite, java.TRANSACTIONS, *arguments)
    state = lambda: next(line.split() for line in run("list").splitlines() if name in line)[-1]
    same(state(), "Ongoing", "the state as listed")
    out = run("describe", "--transactional-id", name)
    demand("Ongoing" in out and f"{topic}-0" in out, out)
    producers = run("describe-producers", "--topic", topic, "--partition", 0).splitlines()
    same(len(producers), 2, "a head and a producer")
    # It has just begun, so it does not hang.
    out = run("find-hanging", "--broker-id", next(iter(suite.admin.list_topics(timeout=10).brokers)))
    demand(topic not in out, out)
    producer.commit_transaction(WAIT_SECONDS_MAX)
    eventually(lambda: state() == "CompleteCommit", state)


@check("tools: verifiable producer and consumer agree", NEEDS)
def verifiable(suite):
    topic = suite.topic(fresh("verifiable"))
    events = lambda out: [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    sent = events(tool(suite, java.VERIFIABLE_PRODUCER, "--topic", topic, "--max-messages", 500,
                       "--acks", -1))
    acknowledged = [each["value"] for each in sent if each["name"] == "producer_send_success"]
    same(acknowledged, [str(i) for i in range(500)], "what was acknowledged")
    same([each["acked"] for each in sent if each["name"] == "tool_data"], [500], "acked")
    got = events(tool(suite, java.VERIFIABLE_CONSUMER, "--topic", topic, "--max-messages", 500,
                      "--group-id", fresh("verifiable"), "--reset-policy", "earliest", "--verbose"))
    values = [each["value"] for each in got if each["name"] == "record_data"]
    same(values, acknowledged, "what was consumed")
    same([each["success"] for each in got if each["name"] == "offsets_committed"][-1:], [True], "commit")


@check("tools: performance tests run, compressed and not", NEEDS)
def performance(suite):
    topic = suite.topic(fresh("performance"), partitions=3)
    for codec in ["none", "lz4"]:
        out = suite.java.run(
            java.PRODUCER_PERFORMANCE, "--topic", topic, "--num-records", 20_000, "--record-size", 100,
            "--throughput", -1, "--command-property", f"bootstrap.servers={suite.bootstrap}",
            "acks=all", f"compression.type={codec}")
        demand("20000 records sent" in out, out)
    out = tool(suite, java.CONSUMER_PERFORMANCE, "--topic", topic, "--num-records", 40_000)
    demand(re.search(r",\s*40000,", out) is not None, out)
    consumer = suite.consumer(fresh_group=True)
    consumer.subscribe([topic])
    same({len(each.value()) for each in take(consumer, 40_000)}, {100}, "sizes of the records")
    consumer.close()
