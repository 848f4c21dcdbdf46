import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.BooleanSupplier;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** What the Java client itself does, beyond the tools: groups and transactions. */
public final class JavaChecks {
    private static final Duration TICK = Duration.ofMillis(100);
    private static final long WAIT_MS_MAX = 45_000;
    private static final int PARTITIONS = 6;

    private static String bootstrap;
    private static String name;

    /** {@code JavaChecks <check> <bootstrap> <fresh name>}; ends normally if all is well. */
    public static void main(String[] arguments) throws Exception {
        bootstrap = arguments[1];
        name = arguments[2];
        switch (arguments[0]) {
            case "rebalance" -> rebalance(arguments[3]);
            case "transactions" -> transactions();
            case "fencing" -> fencing();
            case "offsets" -> offsetsInside();
            case "partitions" -> manyPartitions();
            case "stale" -> staleMember();
            default -> throw new IllegalArgumentException(arguments[0]);
        }
    }

    /** A consumer in the group, polled by the one thread of this program in turn with the others. */
    private static final class Member implements ConsumerRebalanceListener {
        final KafkaConsumer<String, String> consumer;
        final List<String> read = new ArrayList<>();
        int lost;

        Member(String assignor) {
            consumer = consumer(Map.of(
                "group.id", name, "partition.assignment.strategy", assignor, "heartbeat.interval.ms", "500"));
            consumer.subscribe(List.of(name), this);
        }

        void poll() {
            for (ConsumerRecord<String, String> each : consumer.poll(TICK)) {
                read.add(each.partition() + " " + each.offset());
            }
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
            consumer.commitSync();
        }

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> partitions) {}

        @Override
        public void onPartitionsLost(Collection<TopicPartition> partitions) {
            lost++;
        }
    }

    private static void rebalance(String assignor) throws Exception {
        topic(name, PARTITIONS);
        List<Member> members = new ArrayList<>(List.of(new Member(assignor)));
        produce(600);
        settle(members);
        members.add(new Member(assignor));
        members.add(new Member(assignor));
        settle(members);
        Set<String> read = new HashSet<>();
        List<Member> all = new ArrayList<>(members);
        Member leaver = members.remove(1);
        leaver.consumer.close();
        produce(600);
        settle(members);
        eventually("every record read", members, () -> {
            all.forEach(each -> read.addAll(each.read));
            return read.size() == 1200;
        });
        demand(all.stream().mapToInt(each -> each.read.size()).sum() == 1200, "a record was read twice");
        demand(all.stream().allMatch(each -> each.lost == 0), "partitions were lost");
        members.forEach(each -> each.consumer.close());
    }

    private static void settle(List<Member> members) {
        eventually("assignments " + members.size(), members, () -> {
            List<Integer> owned = new ArrayList<>();
            members.forEach(each -> each.consumer.assignment().forEach(one -> owned.add(one.partition())));
            boolean some = members.stream().noneMatch(each -> each.consumer.assignment().isEmpty());
            return some && owned.size() == PARTITIONS && new TreeSet<>(owned).size() == PARTITIONS;
        });
    }

    private static void eventually(String what, List<Member> members, BooleanSupplier condition) {
        long deadline = System.currentTimeMillis() + WAIT_MS_MAX;
        while (!condition.getAsBoolean()) {
            demand(System.currentTimeMillis() < deadline, "not in time: " + what);
            members.forEach(Member::poll);
        }
    }

    private static void transactions() throws Exception {
        topic(name, 1);
        try (KafkaProducer<String, String> producer = producer(Map.of("transactional.id", name))) {
            producer.initTransactions();
            for (int i = 0; i < 10; i++) {
                producer.beginTransaction();
                producer.send(new ProducerRecord<>(name, "key", "value " + i)).get();
                if (i % 2 == 0) {
                    producer.commitTransaction();
                } else {
                    producer.abortTransaction();
                }
            }
        }
        same(values(name, "read_committed", 5), List.of("value 0", "value 2", "value 4", "value 6", "value 8"));
        same(values(name, "read_uncommitted", 10).size(), 10);
    }

    private static void fencing() throws Exception {
        topic(name, 1);
        KafkaProducer<String, String> zombie = producer(Map.of("transactional.id", name));
        zombie.initTransactions();
        zombie.beginTransaction();
        zombie.send(new ProducerRecord<>(name, "k", "of the zombie")).get();
        try (KafkaProducer<String, String> successor = producer(Map.of("transactional.id", name))) {
            successor.initTransactions();
            successor.beginTransaction();
            successor.send(new ProducerRecord<>(name, "k", "of the successor")).get();
            successor.commitTransaction();
        }
        try {
            zombie.commitTransaction();
            demand(false, "the zombie's commit was taken");
        } catch (ProducerFencedException | InvalidProducerEpochException expected) {
            zombie.close(Duration.ZERO);
        }
        same(values(name, "read_committed", 1), List.of("of the successor"));
    }

    private static void offsetsInside() throws Exception {
        topic(name, 1);
        String target = name + "-target";
        topic(target, 1);
        produce(20);
        try (KafkaProducer<String, String> producer = producer(Map.of("transactional.id", name))) {
            producer.initTransactions();
            transform(producer, target, false, 0, -1);
            transform(producer, target, true, 0, 10);
            transform(producer, target, false, 10, 10);
            transform(producer, target, true, 10, 20);
        }
        same(values(target, "read_committed", 20).size(), 20);
    }

    private static void transform(
            KafkaProducer<String, String> producer, String target, boolean commit, long first, long committed) {
        TopicPartition partition = new TopicPartition(name, 0);
        try (KafkaConsumer<String, String> consumer = consumer(Map.of("group.id", name, "max.poll.records", "10"))) {
            consumer.subscribe(List.of(name));
            List<ConsumerRecord<String, String>> batch = take(consumer, 10);
            same(batch.get(0).offset(), first);
            producer.beginTransaction();
            batch.forEach(each -> producer.send(new ProducerRecord<>(target, each.key(), each.value())));
            OffsetAndMetadata next = new OffsetAndMetadata(batch.get(9).offset() + 1);
            producer.sendOffsetsToTransaction(Map.of(partition, next), consumer.groupMetadata());
            if (commit) {
                producer.commitTransaction();
            } else {
                producer.abortTransaction();
            }
            OffsetAndMetadata found = consumer.committed(Set.of(partition)).get(partition);
            same(found == null ? -1 : found.offset(), committed);
        }
    }

    /** Fetch sessions: what is paused leaves the session and comes back, what is sought moves in it. */
    private static void manyPartitions() throws Exception {
        topic(name, 50);
        produce(5000);
        try (KafkaConsumer<String, String> consumer = consumer(Map.of("max.poll.records", "100"))) {
            List<TopicPartition> all = new ArrayList<>();
            for (int i = 0; i < 50; i++) {
                all.add(new TopicPartition(name, i));
            }
            consumer.assign(all);
            consumer.seekToBeginning(all);
            consumer.pause(all.subList(0, 25));
            Map<TopicPartition, Long> ends = consumer.endOffsets(all);
            long second = all.subList(25, 50).stream().mapToLong(ends::get).sum();
            take(consumer, (int) second)
                .forEach(each -> demand(each.partition() >= 25, "a paused partition was read"));
            consumer.resume(all.subList(0, 25));
            same(take(consumer, 5000 - (int) second).size(), 5000 - (int) second);
            all.forEach(each -> same(consumer.position(each), ends.get(each)));
            all.forEach(each -> consumer.seek(each, ends.get(each) - 1));
            Set<Integer> again = new HashSet<>();
            take(consumer, 50).forEach(each -> {
                same(each.offset(), ends.get(new TopicPartition(name, each.partition())) - 1);
                again.add(each.partition());
            });
            same(again.size(), 50);
        }
    }

    /** A transaction may not commit offsets for a member that the group no longer has. */
    private static void staleMember() throws Exception {
        topic(name, 1);
        produce(10);
        ConsumerGroupMetadata stale;
        try (KafkaConsumer<String, String> first = consumer(Map.of("group.id", name))) {
            first.subscribe(List.of(name));
            take(first, 10);
            stale = first.groupMetadata();
        }
        try (KafkaConsumer<String, String> second = consumer(Map.of("group.id", name));
                KafkaProducer<String, String> producer = producer(Map.of("transactional.id", name))) {
            second.subscribe(List.of(name));
            take(second, 10);
            producer.initTransactions();
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(name, "k", "aborted"));
            try {
                TopicPartition partition = new TopicPartition(name, 0);
                producer.sendOffsetsToTransaction(Map.of(partition, new OffsetAndMetadata(10)), stale);
                demand(false, "the offsets of a member that has left were taken");
            } catch (CommitFailedException expected) {
                producer.abortTransaction();
            }
            same(values(name, "read_committed", 10).size(), 10);
        }
    }

    private static void topic(String topic, int partitions) throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1))).all().get();
            // Apache Kafka's partitions start a little after their topic; the admin client waits for them.
            Map<TopicPartition, OffsetSpec> ends = new HashMap<>();
            for (int i = 0; i < partitions; i++) {
                ends.put(new TopicPartition(topic, i), OffsetSpec.latest());
            }
            admin.listOffsets(ends).all().get();
        }
    }

    private static void produce(int count) {
        try (KafkaProducer<String, String> producer = producer(Map.of())) {
            for (int i = 0; i < count; i++) {
                producer.send(new ProducerRecord<>(name, "key " + i, "value " + i));
            }
        }
    }

    private static List<String> values(String topic, String isolation, int count) {
        try (KafkaConsumer<String, String> consumer = consumer(Map.of("isolation.level", isolation))) {
            TopicPartition partition = new TopicPartition(topic, 0);
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            return take(consumer, count).stream().map(ConsumerRecord::value).toList();
        }
    }

    private static List<ConsumerRecord<String, String>> take(KafkaConsumer<String, String> consumer, int count) {
        List<ConsumerRecord<String, String>> taken = new ArrayList<>();
        long deadline = System.currentTimeMillis() + WAIT_MS_MAX;
        while (taken.size() < count) {
            demand(System.currentTimeMillis() < deadline, taken.size() + " of " + count + " records");
            consumer.poll(TICK).forEach(taken::add);
        }
        return taken;
    }

    private static KafkaProducer<String, String> producer(Map<String, Object> settings) {
        Map<String, Object> all = new HashMap<>(settings);
        all.put("bootstrap.servers", bootstrap);
        return new KafkaProducer<>(all, new StringSerializer(), new StringSerializer());
    }

    private static KafkaConsumer<String, String> consumer(Map<String, Object> settings) {
        Map<String, Object> all = new HashMap<>(settings);
        all.put("bootstrap.servers", bootstrap);
        all.put("enable.auto.commit", "false");
        all.put("auto.offset.reset", "earliest");
        return new KafkaConsumer<>(all, new StringDeserializer(), new StringDeserializer());
    }

    private static void same(Object found, Object wanted) {
        demand(found.equals(wanted), found + " instead of " + wanted);
    }

    private static void demand(boolean condition, String otherwise) {
        if (!condition) {
            throw new AssertionError(otherwise);
        }
    }
}
