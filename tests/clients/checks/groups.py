"""Groups: members that join, leave, crash and come back; offsets that outlast them."""

import subprocess
import sys

import confluent_kafka
import kafka
from confluent_kafka import (ConsumerGroupState, ConsumerGroupTopicPartitions, KafkaError,
                             TopicPartition)

from clients import kcat, numbered, only, refused, send, take
from harness import WAIT_SECONDS_MAX, check, demand, eventually, fresh, same
from members import Member, PythonMember, shared

PARTITIONS = 6


def filled(suite, count=600):
    """A topic of six partitions with `count` records spread over them."""
    topic = suite.topic(fresh("group"), partitions=PARTITIONS)
    producer = suite.producer()
    for partition in range(PARTITIONS):
        send(producer, topic, numbered(count // PARTITIONS, f"p{partition}"), partition)
    return topic


def everything_read(members, count):
    """Waits until the members together have read each record. They commit when partitions are
    taken from them, so nobody reads one twice."""
    read = lambda: [each[:2] for member in members for each in member.read]
    eventually(lambda: len(set(read())) >= count, lambda: f"{len(set(read()))} of {count} read")
    twice = sorted(each for each in set(read()) if read().count(each) > 1)
    same(twice, [], "records (partition, offset) that were read twice")


def rebalance(suite, strategy):
    topic, group = filled(suite), fresh("rebalance")
    join = lambda: Member(suite, group, topic, partition_assignment_strategy=strategy)
    first = join()
    shared([first], PARTITIONS)
    second, third = join(), join()
    shared([first, second, third], PARTITIONS)
    second.leave()
    shared([first, third], PARTITIONS)
    send(suite.producer(), topic, numbered(300, "later"))
    everything_read([first, second, third], 900)
    fourth = join()
    shared([first, third, fourth], PARTITIONS)
    for member in [first, third, fourth]:
        same(member.error, None, "a member's error")
        same(member.lost, 0, "partitions lost without being revoked")
        member.leave()


@check("groups: three members join and leave, eager (range)")
def eager(suite):
    rebalance(suite, "range")


@check("groups: three members join and leave, eager (roundrobin)")
def eager_round_robin(suite):
    rebalance(suite, "roundrobin")


@check("groups: three members join and leave, cooperative-sticky")
def cooperative(suite):
    rebalance(suite, "cooperative-sticky")


@check("groups: confluent-kafka and kafka-python share one group")
def mixed(suite):
    topic, group = filled(suite), fresh("mixed")
    one = Member(suite, group, topic, partition_assignment_strategy="range")
    # kafka-python 3.0.12 forgets a join when its poll times out while it, as leader, waits for its
    # SyncGroup and has just learnt of the topic's partitions. So somebody else leads at first.
    shared([one], PARTITIONS)
    other = PythonMember(suite, group, topic)
    shared([one, other], PARTITIONS)
    everything_read([one, other], 600)
    one.leave()
    shared([other], PARTITIONS)
    other.leave()


@check("groups: a static member that comes back keeps its partitions, and nobody rebalances")
def static(suite):
    topic, group = filled(suite), fresh("static")
    join = lambda name: Member(suite, group, topic, group_instance_id=name,
                               partition_assignment_strategy="range", session_timeout_ms=30_000)
    first, second = join("first"), join("second")
    shared([first, second], PARTITIONS)
    before, assignments = set(second.assigned), first.assignments
    second.leave()
    again = join("second")
    shared([first, again], PARTITIONS)
    same(again.assigned, before, "the assignment after the return")
    same(first.assignments, assignments, "assignments of the member that stayed")
    first.leave()
    again.leave()


@check("groups: a static member whose name another one takes is fenced")
def fenced(suite):
    topic, group = filled(suite), fresh("fenced")
    join = lambda: Member(suite, group, topic, group_instance_id="same")
    first = join()
    shared([first], PARTITIONS)
    second = join()
    eventually(lambda: first.error, "the first member was not told")
    demand(first.error.code() in (KafkaError.FENCED_INSTANCE_ID, KafkaError._FATAL),
           f"the first member was told {first.error}")
    shared([second], PARTITIONS)
    first.leave()
    second.leave()


CRASHING_MEMBER = """
import sys, confluent_kafka
bootstrap, group, topic = sys.argv[1:]
consumer = confluent_kafka.Consumer({"bootstrap.servers": bootstrap, "group.id": group,
    "session.timeout.ms": 6000, "heartbeat.interval.ms": 500, "auto.offset.reset": "earliest"})
consumer.subscribe([topic], on_assign=lambda _, partitions: print(len(partitions), flush=True))
while True:
    consumer.poll(0.1)
"""


@check("groups: a member that is killed is missed after its session timeout")
def killed_member(suite):
    topic, group = filled(suite), fresh("killed")
    crashing = subprocess.Popen([sys.executable, "-c", CRASHING_MEMBER, suite.bootstrap, group, topic],
                                stdout=subprocess.PIPE)
    try:
        same(crashing.stdout.readline().strip(), b"6", "the lone member's partitions")
        survivor = Member(suite, group, topic, session_timeout_ms=6000)
        eventually(lambda: len(survivor.assigned) == 3, "the partitions were not shared")
    finally:
        crashing.kill()
        crashing.wait()
    shared([survivor], PARTITIONS)
    survivor.leave()


@check("groups: committed offsets are where the next client goes on", needs={"kcat"})
def resume(suite):
    topic, group = suite.topic(fresh("resume")), fresh("resume")
    send(suite.producer(), topic, numbered(40))

    one = suite.consumer({"group.id": group})
    one.subscribe([topic])
    same([each.offset() for each in take(one, 10)], list(range(10)), "confluent-kafka's offsets")
    one.commit(offsets=[TopicPartition(topic, 0, 10, "note")], asynchronous=False)
    one.close()

    two = kafka.KafkaConsumer(topic, bootstrap_servers=suite.bootstrap, group_id=group,
                              enable_auto_commit=False, auto_offset_reset="earliest",
                              max_poll_records=10, consumer_timeout_ms=WAIT_SECONDS_MAX * 1000)
    same([next(two).offset for _ in range(10)], list(range(10, 20)), "kafka-python's offsets")
    partition = kafka.TopicPartition(topic, 0)
    two.commit({partition: kafka.OffsetAndMetadata(20, "from python", -1)})
    same(two.committed(partition), 20, "what kafka-python reads back")
    two.close()

    out = kcat(suite, "-G", group, "-c", "10", "-X", "auto.offset.reset=earliest", "-f", "%o\n", topic)
    same([int(each) for each in out.split()], list(range(20, 30)), "kcat's offsets")

    last = suite.consumer({"group.id": group})
    (found,) = last.committed([TopicPartition(topic, 0)], WAIT_SECONDS_MAX)
    same(found.offset, 30, "what kcat has committed when it left")
    (none,) = last.committed([TopicPartition(topic, 7)], WAIT_SECONDS_MAX)
    same(none.offset, confluent_kafka.OFFSET_INVALID, "an offset that nobody committed")
    last.close()


@check("groups: listed, described, their offsets read, altered and deleted, themselves deleted")
def admin(suite):
    topic, group = filled(suite), fresh("admin")
    member = Member(suite, group, topic, client_id="watched", partition_assignment_strategy="range")
    shared([member], PARTITIONS)
    everything_read([member], 600)

    listed = suite.admin.list_consumer_groups().result(WAIT_SECONDS_MAX)
    states = {each.group_id: each.state for each in listed.valid}
    same(states.get(group), ConsumerGroupState.STABLE, "the listed state")
    described = only(suite.admin.describe_consumer_groups([group]))
    same(described.state, ConsumerGroupState.STABLE, "the described state")
    same(described.partition_assignor, "range", "the assignor")
    (seen,) = described.members
    same(seen.client_id, "watched", "the member's client id")
    same({each.partition for each in seen.assignment.topic_partitions}, set(range(PARTITIONS)),
         "the described assignment")
    refused(lambda: suite.admin.delete_consumer_groups([group]), KafkaError.NON_EMPTY_GROUP,
            "deleting a group with members")

    member.leave()
    offsets = lambda: {each.partition: each.offset for each in only(
        suite.admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])).topic_partitions}
    eventually(lambda: offsets() == {each: 100 for each in range(PARTITIONS)}, offsets)
    same(only(suite.admin.describe_consumer_groups([group])).state, ConsumerGroupState.EMPTY, "state")
    moved = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0, 33)])
    only(suite.admin.alter_consumer_group_offsets([moved]))
    same(offsets()[0], 33, "the altered offset")
    only(suite.admin.delete_consumer_groups([group]))
    refused(lambda: suite.admin.delete_consumer_groups([group]), KafkaError.GROUP_ID_NOT_FOUND,
            "deleting a group twice")
    same(offsets(), {}, "offsets of a deleted group")


@check("groups: a member whose assignors nobody shares is refused, and the others stay")
def inconsistent_protocol(suite):
    topic, group = filled(suite), fresh("protocol")
    first = Member(suite, group, topic, partition_assignment_strategy="range")
    shared([first], PARTITIONS)
    assignments = first.assignments
    other = Member(suite, group, topic, partition_assignment_strategy="cooperative-sticky")
    eventually(lambda: other.error, "the second member was not told")
    same(other.error.code(), KafkaError.INCONSISTENT_GROUP_PROTOCOL, "the error")
    other.leave()
    same((first.assignments, first.error), (assignments, None), "the first member")
    first.leave()


@check("groups: a commit by somebody who is no member of the generation is refused")
def stale_commit(suite):
    topic, group = filled(suite), fresh("stale")
    member = Member(suite, group, topic)
    shared([member], PARTITIONS)
    outsider = suite.consumer({"group.id": group})
    try:
        outsider.commit(offsets=[TopicPartition(topic, 0, 1)], asynchronous=False)
        demand(False, "the outsider's commit was taken")
    except confluent_kafka.KafkaException as error:
        demand(error.args[0].code() in (KafkaError.UNKNOWN_MEMBER_ID, KafkaError.ILLEGAL_GENERATION),
               f"refused with {error}")
    outsider.close()
    member.leave()
