"""Group members: consumers on threads of their own, that can be watched, stopped and lost."""

import threading

import confluent_kafka
import kafka

from harness import WAIT_SECONDS_MAX, demand, eventually


class Member:
    """A confluent-kafka consumer in a group. It remembers its assignment and what it has read."""

    def __init__(self, suite, group, topic, **settings):
        named = {name.replace("_", "."): value for name, value in settings.items()}
        self.consumer = suite.consumer(
            {"group.id": group, "session.timeout.ms": 10_000, "heartbeat.interval.ms": 500} | named)
        self.cooperative = named.get("partition.assignment.strategy") == "cooperative-sticky"
        self.assigned, self.assignments, self.lost = set(), 0, 0
        self.read, self.error = [], None
        self.stopping = threading.Event()
        self.leaves = True
        self.consumer.subscribe([topic], on_assign=self._on_assign, on_revoke=self._on_revoke,
                                on_lost=self._on_lost)
        self.thread = threading.Thread(target=self._poll, daemon=True)
        self.thread.start()

    def _on_assign(self, consumer, partitions):
        self.assignments += 1
        if not self.cooperative:
            self.assigned = set()
        self.assigned |= {each.partition for each in partitions}

    def _on_revoke(self, consumer, partitions):
        try:
            consumer.commit(asynchronous=False)
        except (confluent_kafka.KafkaException, confluent_kafka.KafkaError) as error:
            error = error.args[0] if isinstance(error, confluent_kafka.KafkaException) else error
            if error.code() != confluent_kafka.KafkaError._NO_OFFSET:  # nothing read since
                self.error = error
        self.assigned -= {each.partition for each in partitions}

    def _on_lost(self, consumer, partitions):
        self.lost += 1
        self.assigned -= {each.partition for each in partitions}

    def _poll(self):
        try:
            while not self.stopping.is_set():
                message = self.consumer.poll(0.1)
                if message is not None and message.error() is not None:
                    self.error = message.error()
                elif message is not None:
                    self.read.append((message.partition(), message.offset(), message.value()))
        except confluent_kafka.KafkaException as error:
            self.error = error.args[0]
        if self.leaves:
            self.consumer.close()

    def leave(self):
        """Leaves the group (a static member only stops; its place is kept) and stops."""
        self.stopping.set()
        self.thread.join(WAIT_SECONDS_MAX)
        demand(not self.thread.is_alive(), "a member did not stop")


class PythonMember:
    """A kafka-python consumer in a group, for groups of different clients."""

    def __init__(self, suite, group, topic):
        self.consumer = kafka.KafkaConsumer(
            topic, bootstrap_servers=suite.bootstrap, group_id=group, auto_offset_reset="earliest",
            enable_auto_commit=False, heartbeat_interval_ms=500, session_timeout_ms=10_000,
            partition_assignment_strategy=[kafka.coordinator.assignors.range.RangePartitionAssignor])
        self.assigned, self.read = set(), []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._poll, daemon=True)
        self.thread.start()

    def _poll(self):
        while not self.stopping.is_set():
            for messages in self.consumer.poll(timeout_ms=100).values():
                self.read += [(each.partition, each.offset, each.value) for each in messages]
            self.assigned = {each.partition for each in self.consumer.assignment()}
        self.consumer.close()

    def leave(self):
        """Leaves the group and stops."""
        self.stopping.set()
        self.thread.join(WAIT_SECONDS_MAX)
        demand(not self.thread.is_alive(), "a member did not stop")


def shared(members, partitions):
    """Waits until every partition belongs to exactly one of the members and each has some."""

    def settled():
        owned = sorted(partition for member in members for partition in member.assigned)
        return owned == list(range(partitions)) and all(member.assigned for member in members)

    eventually(settled, lambda: "assignments are " + ", ".join(str(m.assigned) for m in members))
