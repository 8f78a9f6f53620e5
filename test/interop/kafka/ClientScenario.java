import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.DescribeProducersResult;
import org.apache.kafka.clients.admin.ListOffsetsResult;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Kafka's own Java client in test/interop/clients: `scenario BOOTSTRAP PREFIX`, `member BOOTSTRAP GROUP TOPIC PROTOCOL`,
 * `fill BOOTSTRAP TOPIC COUNT PARTITIONS`, `create BOOTSTRAP TOPIC...`. The README there says what each step does. One JSON object a line.
 */
public final class ClientScenario {
    private static final long T0 = 1_700_000_000_000L;
    private static final int PARTITIONS = 4;
    private static final int PER_ACKS = 100;
    private static final int IDEMPOTENT_RECORDS = 100_000;
    private static final Duration POLL = Duration.ofMillis(300);
    private static final long WAIT_MS = 30_000;
    private static final List<String> BROKER_CONFIGS = List.of(
        "auto.create.topics.enable", "compression.type", "group.max.session.timeout.ms",
        "group.min.session.timeout.ms", "log.cleanup.policy", "log.retention.hours", "log.segment.bytes",
        "message.max.bytes", "num.partitions", "offsets.retention.minutes");

    private final String bootstrap;
    private final String prefix;
    private final Admin admin;

    private ClientScenario(String bootstrap, String prefix) {
        this.bootstrap = bootstrap;
        this.prefix = prefix;
        this.admin = Admin.create(Map.of("bootstrap.servers", bootstrap, "default.api.timeout.ms", "30000"));
    }

    public static void main(String[] args) throws Exception {
        switch (args[0]) {
            case "scenario" -> new ClientScenario(args[1], args[2]).run();
            case "member" -> member(args[1], args[2], args[3], args[4]);
            case "create" -> createAll(args[1], Arrays.copyOfRange(args, 2, args.length));
            default -> fill(args[1], args[2], Integer.parseInt(args[3]), Integer.parseInt(args[4]));
        }
    }

    private void run() {
        String main = prefix + "-main";
        step("cluster", this::cluster);
        step("create", () -> create(main, PARTITIONS, topicConfigs()));
        step("create-again", () -> create(main, PARTITIONS, Map.of()));
        step("describe", () -> describe(main));
        step("configs", () -> topicConfigsOf(main));
        step("configs-broker", this::brokerConfigs);
        step("configs-alter", () -> alterConfigs(main));
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            step("produce-" + codec, () -> produce(codec));
            step("consume-" + codec, () -> consume(codec));
        }
        step("idempotent", this::idempotent);
        step("log-append-time", this::logAppendTime);
        step("commit-resume", this::commitAndResume);
        step("offsets-for-times", this::offsetsForTimes);
        step("groups-list", this::groupsList);
        step("group-describe", this::groupDescribe);
        step("group-reset", this::groupReset);
        step("producers", this::producers);
        step("delete-records", this::deleteRecords);
        step("add-partitions", () -> addPartitions(main));
        step("group-delete", this::groupDelete);
        step("log-dirs", this::logDirs);
        step("topic-delete", () -> topicDelete(main));
        step("error-unknown-topic", this::unknownTopic);
        step("error-too-large", this::tooLarge);
        step("error-invalid-config", this::invalidConfig);
        step("error-illegal-name", this::illegalNames);
        step("error-create", this::illegalCreations);
        admin.close(Duration.ofSeconds(5));
    }

    // -- steps

    private Object cluster() throws Exception {
        var described = admin.describeCluster();
        int controller = described.controller().get().id();
        var nodes = described.nodes().get();
        return object("nodes", nodes.size(),
            "controllerIsNode", nodes.stream().anyMatch(node -> node.id() == controller),
            "clusterId", described.clusterId().get().length() == 22);
    }

    private Object describe(String topic) throws Exception {
        TopicDescription described = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic);
        List<Object> partitions = new ArrayList<>();
        described.partitions().forEach(p -> partitions.add(object("partition", p.partition(),
            "leader", p.leader() != null, "replicas", p.replicas().size(), "isr", p.isr().size(),
            "elr", p.elr() == null ? null : p.elr().size())));
        return object("listed", admin.listTopics().names().get().contains(topic), "internal", described.isInternal(),
            "partitions", partitions,
            "sameById", admin.describeTopics(org.apache.kafka.common.TopicCollection.ofTopicIds(
                List.of(described.topicId()))).allTopicIds().get().containsKey(described.topicId()));
    }

    private Object topicConfigsOf(String topic) throws Exception {
        Map<String, Object> all = new TreeMap<>();
        for (ConfigEntry entry : configs(ConfigResource.Type.TOPIC, topic).entries()) {
            all.put(entry.name(), List.of(String.valueOf(entry.value()), entry.source().name(), entry.isReadOnly(),
                entry.isSensitive(), entry.type().name()));
        }
        return all;
    }

    private Object brokerConfigs() throws Exception {
        String node = admin.describeCluster().nodes().get().iterator().next().idString();
        Config config = configs(ConfigResource.Type.BROKER, node);
        Map<String, Object> chosen = new TreeMap<>();
        for (String name : BROKER_CONFIGS) {
            chosen.put(name, config.get(name) == null ? "(none)" : config.get(name).value());
        }
        return chosen;
    }

    private Object alterConfigs(String topic) throws Exception {
        alter(topic, op("retention.bytes", "123456", AlterConfigOp.OpType.SET),
            op("segment.bytes", null, AlterConfigOp.OpType.DELETE),
            op("cleanup.policy", "compact", AlterConfigOp.OpType.APPEND));
        until("altered configuration", () ->
            configs(ConfigResource.Type.TOPIC, topic).get("retention.bytes").value().equals("123456"));
        Config config = configs(ConfigResource.Type.TOPIC, topic);
        Map<String, Object> after = new TreeMap<>();
        for (String name : List.of("retention.bytes", "segment.bytes", "cleanup.policy")) {
            after.put(name, List.of(config.get(name).value(), config.get(name).source().name()));
        }
        return object("after", after,
            "unknown", outcomeOf(() -> alter(topic, op("no.such.config", "1", AlterConfigOp.OpType.SET))),
            "invalid", outcomeOf(() -> alter(topic, op("retention.ms", "soon", AlterConfigOp.OpType.SET))));
    }

    private Object produce(String codec) throws Exception {
        String topic = prefix + "-" + codec;
        create(topic, PARTITIONS, Map.of("retention.ms", "-1"));
        Map<String, Object> outcome = new LinkedHashMap<>();
        int n = 0;
        for (String acks : List.of("1", "all", "0")) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            try (KafkaProducer<byte[], byte[]> producer = producer(Map.of(
                "acks", acks, "compression.type", codec, "enable.idempotence", "false"))) {
                for (int i = 0; i < PER_ACKS; i++) sent.add(producer.send(record(codec, topic, n++)));
            }
            Map<String, long[]> offsets = new TreeMap<>();
            for (Future<RecordMetadata> each : sent) {
                RecordMetadata metadata = each.get();
                if (!metadata.hasOffset()) continue; // acks=0: no offset is known
                long[] range = offsets.computeIfAbsent("" + metadata.partition(),
                    p -> new long[] {metadata.offset(), metadata.offset()});
                range[0] = Math.min(range[0], metadata.offset());
                range[1] = Math.max(range[1], metadata.offset());
            }
            outcome.put(acks, object("delivered", sent.size(), "offsets", offsets));
        }
        return outcome;
    }

    private Object consume(String codec) throws Exception {
        Map<Integer, List<ConsumerRecord<byte[], byte[]>>> byPartition = new TreeMap<>();
        Set<String> types = new HashSet<>();
        int total = 0;
        for (ConsumerRecord<byte[], byte[]> record : readAll(prefix + "-" + codec, PARTITIONS, 3 * PER_ACKS)) {
            byPartition.computeIfAbsent(record.partition(), p -> new ArrayList<>()).add(record);
            types.add(record.timestampType().name());
            total++;
        }
        int wrong = 0;
        Map<String, Object> partitions = new TreeMap<>();
        for (var each : byPartition.entrySet()) {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            var records = each.getValue();
            for (int position = 0; position < records.size(); position++) {
                // Partition p has the records p, p + 4, p + 8, ... in the order written.
                var expected = record(codec, prefix + "-" + codec, each.getKey() + position * PARTITIONS);
                var have = records.get(position);
                String line = text(have.key()) + text(have.value()) + have.timestamp() + headersText(have.headers());
                String wanted = text(expected.key()) + text(expected.value()) + expected.timestamp()
                    + headersText(expected.headers());
                if (have.offset() != position || !line.equals(wanted)) {
                    if (++wrong <= 3) System.err.println(codec + ": expected " + wanted + ", have " + line);
                }
                digest.update((have.offset() + line).getBytes(StandardCharsets.UTF_8));
            }
            partitions.put("" + each.getKey(), object("first", records.get(0).offset(),
                "last", records.get(records.size() - 1).offset(),
                "digest", HexFormat.of().formatHex(digest.digest()).substring(0, 16)));
        }
        return object("records", total, "wrong", wrong, "timestampTypes", types, "partitions", partitions);
    }

    private Object idempotent() throws Exception {
        String topic = prefix + "-idem";
        create(topic, 3, Map.of("retention.ms", "-1"));
        List<String> failed = Collections.synchronizedList(new ArrayList<>());
        try (KafkaProducer<byte[], byte[]> producer = producer(Map.of(
            "acks", "all", "enable.idempotence", "true", "compression.type", "lz4", "batch.size", "65536"))) {
            for (int i = 0; i < IDEMPOTENT_RECORDS; i++) {
                producer.send(new ProducerRecord<>(topic, bytes("k" + i), bytes("" + i)), (metadata, error) -> {
                    if (error != null) failed.add(error.getClass().getSimpleName());
                });
            }
        }
        Map<Integer, long[]> last = new TreeMap<>();
        Set<Long> seen = new HashSet<>();
        int unordered = 0;
        int records = 0;
        for (ConsumerRecord<byte[], byte[]> record : readAll(topic, 3, IDEMPOTENT_RECORDS)) {
            long number = Long.parseLong(new String(record.value(), StandardCharsets.UTF_8));
            long[] before = last.get(record.partition());
            if (before != null && (number <= before[1] || record.offset() != before[0] + 1)) unordered++;
            last.put(record.partition(), new long[] {record.offset(), number});
            seen.add(number);
            records++;
        }
        Map<String, Object> lastOffsets = new TreeMap<>();
        last.forEach((partition, each) -> lastOffsets.put("" + partition, each[0]));
        return object("failed", failed.size(), "records", records, "distinct", seen.size(), "unordered", unordered,
            "lastOffsets", lastOffsets);
    }

    private Object logAppendTime() throws Exception {
        String topic = prefix + "-append-time";
        create(topic, 1, Map.of("message.timestamp.type", "LogAppendTime"));
        RecordMetadata metadata;
        try (KafkaProducer<byte[], byte[]> producer = producer(Map.of("acks", "all"))) {
            metadata = producer.send(new ProducerRecord<>(topic, null, T0, null, bytes("v"))).get();
        }
        ConsumerRecord<byte[], byte[]> record = readAll(topic, 1, 1).get(0);
        return object("type", record.timestampType().name(), "byTheBroker", record.timestamp() > T0,
            "reportedToProducer", metadata.timestamp() == record.timestamp());
    }

    private Object commitAndResume() throws Exception {
        TopicPartition partition = new TopicPartition(prefix + "-none", 0);
        TopicPartition other = new TopicPartition(prefix + "-none", 1);
        String group = prefix + "-g";
        try (KafkaConsumer<byte[], byte[]> first = consumer(Map.of("group.id", group, "max.poll.records", "30"))) {
            first.assign(List.of(partition));
            first.seekToBeginning(List.of(partition));
            int read = pollOne(first).size();
            first.commitSync(Map.of(partition, new OffsetAndMetadata(read, Optional.of(0), "thirty")));
        }
        try (KafkaConsumer<byte[], byte[]> second = consumer(Map.of("group.id", group))) {
            second.assign(List.of(partition));
            Map<TopicPartition, OffsetAndMetadata> committed = second.committed(Set.of(partition, other));
            OffsetAndMetadata of = committed.get(partition);
            return object("committed", of.offset(), "metadata", of.metadata(),
                "epoch", of.leaderEpoch().orElse(-1), "uncommitted", String.valueOf(committed.get(other)),
                "resumedAt", pollOne(second).get(0).offset());
        }
    }

    private Object offsetsForTimes() throws Exception {
        TopicPartition partition = new TopicPartition(prefix + "-none", 0);
        Map<String, Object> offsets = new LinkedHashMap<>();
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(Map.of())) {
            consumer.assign(List.of(partition));
            Map<String, Long> times = new LinkedHashMap<>();
            times.put("before", 0L);
            times.put("exact", T0 + 40_000);
            times.put("between", T0 + 40_001);
            times.put("after", T0 + 1_000_000_000L);
            for (var each : times.entrySet()) {
                OffsetAndTimestamp found = consumer.offsetsForTimes(Map.of(partition, each.getValue())).get(partition);
                offsets.put(each.getKey(), found == null ? null : List.of(found.offset(), found.timestamp()));
                if (each.getKey().equals("between")) {
                    consumer.seek(partition, found.offset());
                    offsets.put("timestampThere", pollOne(consumer).get(0).timestamp());
                }
            }
            offsets.put("beginning", consumer.beginningOffsets(List.of(partition)).get(partition));
            offsets.put("end", consumer.endOffsets(List.of(partition)).get(partition));
        }
        Map<String, OffsetSpec> specs = new LinkedHashMap<>();
        specs.put("earliest", OffsetSpec.earliest());
        specs.put("latest", OffsetSpec.latest());
        specs.put("max", OffsetSpec.maxTimestamp());
        specs.put("earliestLocal", OffsetSpec.earliestLocal());
        specs.put("latestTiered", OffsetSpec.latestTiered());
        for (var each : specs.entrySet()) {
            ListOffsetsResult.ListOffsetsResultInfo found =
                admin.listOffsets(Map.of(partition, each.getValue())).partitionResult(partition).get();
            offsets.put(each.getKey(), List.of(found.offset(), found.timestamp(), found.leaderEpoch().isPresent()));
        }
        return offsets;
    }

    private Object groupsList() throws Exception {
        List<String> found = new ArrayList<>();
        admin.listGroups().all().get().forEach(group -> {
            if (group.groupId().equals(prefix + "-g")) {
                found.add(group.groupId() + " " + group.type().map(Enum::name).orElse("") + " "
                    + group.groupState().map(Enum::name).orElse("") + " '" + group.protocol() + "'");
            }
        });
        return found;
    }

    private Object groupDescribe() throws Exception {
        String group = prefix + "-g";
        ConsumerGroupDescription of = admin.describeConsumerGroups(List.of(group)).all().get().get(group);
        return object("state", of.groupState().name(), "type", of.type().name(), "members", of.members().size(),
            "assignor", of.partitionAssignor(), "simple", of.isSimpleConsumerGroup(),
            "coordinator", of.coordinator() != null,
            "missing", outcomeOf(() -> admin.describeConsumerGroups(List.of(prefix + "-missing")).all().get()));
    }

    private Object groupReset() throws Exception {
        String group = prefix + "-g";
        TopicPartition zero = new TopicPartition(prefix + "-none", 0);
        TopicPartition one = new TopicPartition(prefix + "-none", 1);
        admin.alterConsumerGroupOffsets(group, Map.of(zero, new OffsetAndMetadata(10), one, new OffsetAndMetadata(5)))
            .all().get();
        Map<String, Object> listed = committedOf(group);
        admin.deleteConsumerGroupOffsets(group, Set.of(one)).all().get();
        TopicPartition unknown = new TopicPartition(prefix + "-missing", 0);
        return object("listed", listed, "afterDeletion", committedOf(group),
            "unknownTopic", outcomeOf(() ->
                admin.alterConsumerGroupOffsets(group, Map.of(unknown, new OffsetAndMetadata(1))).all().get()));
    }

    private Map<String, Object> committedOf(String group) throws Exception {
        Map<String, Object> listed = new TreeMap<>();
        admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get()
            .forEach((partition, offset) -> listed.put("" + partition.partition(), offset.offset()));
        return listed;
    }

    private Object producers() throws Exception {
        TopicPartition partition = new TopicPartition(prefix + "-idem", 0);
        DescribeProducersResult.PartitionProducerState state =
            admin.describeProducers(List.of(partition)).all().get().get(partition);
        List<Object> active = new ArrayList<>();
        state.activeProducers().forEach(each -> active.add(object("epoch", each.producerEpoch(),
            "sequenceIsLastOffset", each.lastSequence() >= 0, "transaction", each.currentTransactionStartOffset())));
        return active;
    }

    private Object deleteRecords() throws Exception {
        TopicPartition partition = new TopicPartition(prefix + "-none", 0);
        long low = admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(20)))
            .lowWatermarks().get(partition).get().lowWatermark();
        long first;
        Object beginning;
        try (KafkaConsumer<byte[], byte[]> lenient = consumer(Map.of("auto.offset.reset", "earliest"))) {
            lenient.assign(List.of(partition));
            lenient.seek(partition, 3);
            first = pollOne(lenient).get(0).offset();
            beginning = lenient.beginningOffsets(List.of(partition)).get(partition);
        }
        try (KafkaConsumer<byte[], byte[]> strict = consumer(Map.of())) {
            strict.assign(List.of(partition));
            strict.seek(partition, 3);
            return object("lowWatermark", low, "first", first, "beginning", beginning,
                "outOfRange", outcomeOf(() -> pollOne(strict)),
                "beyond", outcomeOf(() -> admin.deleteRecords(
                    Map.of(partition, RecordsToDelete.beforeOffset(1_000_000))).all().get()));
        }
    }

    private Object addPartitions(String topic) throws Exception {
        admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(6))).all().get();
        until("6 partitions", () -> partitionsOf(topic) == 6);
        return object("partitions", partitionsOf(topic),
            "fewer", outcomeOf(() ->
                admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(2))).all().get()),
            "assigned", outcomeOf(() -> admin.createPartitions(
                Map.of(topic, NewPartitions.increaseTo(7, List.of(List.of(9999))))).all().get()),
            "unknown", outcomeOf(() ->
                admin.createPartitions(Map.of(prefix + "-missing", NewPartitions.increaseTo(2))).all().get()));
    }

    private int partitionsOf(String topic) throws Exception {
        return admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size();
    }

    private Object groupDelete() {
        List<String> group = List.of(prefix + "-g");
        return object("deleted", outcomeOf(() -> admin.deleteConsumerGroups(group).all().get()),
            "again", outcomeOf(() -> admin.deleteConsumerGroups(group).all().get()));
    }

    private Object logDirs() throws Exception {
        int node = admin.describeCluster().nodes().get().iterator().next().id();
        var dirs = admin.describeLogDirs(List.of(node)).allDescriptions().get().get(node);
        List<Object> found = new ArrayList<>();
        for (var dir : dirs.values()) {
            new TreeMap<>(keyedByText(dir.replicaInfos())).forEach((partition, info) -> {
                if (partition.startsWith(prefix + "-lz4-")) {
                    found.add(object("partition", partition, "hasSize", info.size() > 0, "lag", info.offsetLag(),
                        "future", info.isFuture()));
                }
            });
        }
        boolean hasSizes = dirs.values().stream().allMatch(dir -> dir.totalBytes().isPresent());
        return object("dirs", dirs.size(), "hasVolumeSizes", hasSizes, "partitions", found);
    }

    private static <V> Map<String, V> keyedByText(Map<TopicPartition, V> map) {
        Map<String, V> result = new HashMap<>();
        map.forEach((partition, value) -> result.put(partition.toString(), value));
        return result;
    }

    private Object topicDelete(String topic) throws Exception {
        admin.deleteTopics(List.of(topic)).all().get();
        until("topic gone", () -> !admin.listTopics().names().get().contains(topic));
        return object("again", outcomeOf(() -> admin.deleteTopics(List.of(topic)).all().get()));
    }

    private Object unknownTopic() {
        String missing = prefix + "-missing";
        return object(
            "produce", deliver(missing, 1, Map.of("max.block.ms", "3000")),
            "describe", outcomeOf(() -> admin.describeTopics(List.of(missing)).allTopicNames().get()),
            "configs", outcomeOf(() -> configs(ConfigResource.Type.TOPIC, missing)),
            "byId", outcomeOf(() -> admin.describeTopics(org.apache.kafka.common.TopicCollection.ofTopicIds(
                List.of(org.apache.kafka.common.Uuid.randomUuid()))).allTopicIds().get()));
    }

    private Object tooLarge() throws Exception {
        String topic = prefix + "-small";
        create(topic, 1, Map.of("max.message.bytes", "2000"));
        return object("plain", deliver(topic, 3000, Map.of()), "allowed", deliver(topic, 1000, Map.of()),
            "compressedBelow", deliver(topic, 3000, Map.of("compression.type", "gzip")));
    }

    private Object invalidConfig() throws Exception {
        String topic = prefix + "-bad";
        Map<String, Object> outcome = new LinkedHashMap<>();
        for (Map<String, String> bad : badConfigs()) {
            outcome.put(bad.toString(), outcomeOf(() -> create(topic, 1, bad)));
        }
        outcome.put("listed", admin.listTopics().names().get().contains(topic));
        return outcome;
    }

    private Object illegalNames() {
        Map<String, Object> outcome = new LinkedHashMap<>();
        for (String name : List.of("a b", "..", ".", "a/b", "x".repeat(250), "caf\u00e9")) {
            outcome.put(name.substring(0, Math.min(10, name.length())), outcomeOf(() -> create(name, 1, Map.of())));
        }
        return outcome;
    }

    private Object illegalCreations() throws Exception {
        String topic = prefix + "-bad";
        create(prefix + "-co.lide", 1, Map.of());
        CreateTopicsOptions validate = new CreateTopicsOptions().validateOnly(true);
        Map<Integer, List<Integer>> holes = Map.of(0, List.of(1), 2, List.of(1));
        return object(
            "noPartitions", outcomeOf(() -> create(topic, 0, Map.of())),
            "replication", outcomeOf(() ->
                admin.createTopics(List.of(new NewTopic(topic, 1, (short) 3))).all().get()),
            "assignmentWithHole", outcomeOf(() ->
                admin.createTopics(List.of(new NewTopic(topic, holes))).all().get()),
            "unknownBroker", outcomeOf(() ->
                admin.createTopics(List.of(new NewTopic(topic, Map.of(0, List.of(9999))))).all().get()),
            "validateOnly", outcomeOf(() ->
                admin.createTopics(List.of(new NewTopic(topic, 1, (short) 1)), validate).all().get()),
            "validateOnlyBad", outcomeOf(() -> admin.createTopics(
                List.of(new NewTopic(topic, 1, (short) 1).configs(badConfigs().get(0))), validate).all().get()),
            "collision", outcomeOf(() -> create(prefix + "-co_lide", 1, Map.of())),
            "listed", admin.listTopics().names().get().contains(topic));
    }

    // -- small tools

    private static Map<String, String> topicConfigs() {
        return Map.of("retention.ms", "-1", "segment.bytes", "1048576", "max.message.bytes", "200000",
            "cleanup.policy", "delete");
    }

    private static List<Map<String, String>> badConfigs() {
        return List.of(Map.of("retention.ms", "soon"), Map.of("no.such.config", "1"),
            Map.of("cleanup.policy", "burn"), Map.of("segment.bytes", "1"));
    }

    private String create(String topic, int partitions, Map<String, String> configs) throws Exception {
        NewTopic wanted = new NewTopic(topic, partitions, (short) 1).configs(configs);
        admin.createTopics(List.of(wanted)).all().get();
        return "ok";
    }

    private Config configs(ConfigResource.Type type, String name) throws Exception {
        ConfigResource resource = new ConfigResource(type, name);
        return admin.describeConfigs(List.of(resource)).all().get().get(resource);
    }

    private static AlterConfigOp op(String name, String value, AlterConfigOp.OpType type) {
        return new AlterConfigOp(new ConfigEntry(name, value), type);
    }

    private Object alter(String topic, AlterConfigOp... ops) throws Exception {
        Map<ConfigResource, Collection<AlterConfigOp>> changes =
            Map.of(new ConfigResource(ConfigResource.Type.TOPIC, topic), Arrays.asList(ops));
        return admin.incrementalAlterConfigs(changes).all().get();
    }

    private KafkaProducer<byte[], byte[]> producer(Map<String, Object> config) {
        return producer(bootstrap, config);
    }

    private static KafkaProducer<byte[], byte[]> producer(String bootstrap, Map<String, Object> config) {
        Map<String, Object> all = new HashMap<>(Map.of("bootstrap.servers", bootstrap, "linger.ms", "20",
            "retries", "5", "delivery.timeout.ms", "30000", "request.timeout.ms", "20000"));
        all.putAll(config);
        return new KafkaProducer<>(all, new ByteArraySerializer(), new ByteArraySerializer());
    }

    private KafkaConsumer<byte[], byte[]> consumer(Map<String, Object> config) {
        Map<String, Object> all = new HashMap<>(Map.of("bootstrap.servers", bootstrap,
            "enable.auto.commit", "false", "auto.offset.reset", "none", "check.crcs", "true"));
        all.putAll(config);
        return new KafkaConsumer<>(all, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private List<ConsumerRecord<byte[], byte[]>> readAll(String topic, int partitions, int count) throws Exception {
        List<TopicPartition> assigned = new ArrayList<>();
        for (int p = 0; p < partitions; p++) assigned.add(new TopicPartition(topic, p));
        List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(Map.of())) {
            consumer.assign(assigned);
            consumer.seekToBeginning(assigned);
            until(count + " records", () -> {
                consumer.poll(POLL).forEach(records::add);
                return records.size() >= count;
            });
            consumer.poll(POLL).forEach(records::add);
        }
        return records;
    }

    private static List<ConsumerRecord<byte[], byte[]>> pollOne(KafkaConsumer<byte[], byte[]> consumer)
        throws Exception {
        List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
        until("records", () -> {
            consumer.poll(POLL).forEach(records::add);
            return !records.isEmpty();
        });
        return records;
    }

    private String deliver(String topic, int size, Map<String, Object> config) {
        return outcomeOf(() -> {
            try (KafkaProducer<byte[], byte[]> producer = producer(config)) {
                return producer.send(new ProducerRecord<>(topic, 0, null, new byte[size])).get();
            }
        });
    }

    private static ProducerRecord<byte[], byte[]> record(String codec, String topic, int n) {
        int i = n % PER_ACKS;
        byte[] key = i % 7 == 0 ? null : bytes("key-" + i % 10);
        byte[] value = bytes("value-" + codec + "-" + n + "-" + "x".repeat(3 * i));
        if (i % 13 == 0) value = new byte[0];
        if (i % 11 == 0) value = null;
        List<Header> headers = new ArrayList<>();
        if (i % 5 != 0) {
            headers.add(new RecordHeader("h1", bytes("a" + n)));
            headers.add(new RecordHeader("h1", bytes("b")));
            headers.add(new RecordHeader("empty", new byte[0]));
            headers.add(new RecordHeader("null", (byte[]) null));
        }
        return new ProducerRecord<>(topic, n % PARTITIONS, T0 + n * 1000L, key, value, headers);
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static String text(byte[] value) {
        return value == null ? "null" : HexFormat.of().formatHex(value);
    }

    private static String headersText(Iterable<Header> headers) {
        StringBuilder text = new StringBuilder();
        headers.forEach(header -> text.append(' ').append(header.key()).append('=').append(text(header.value())));
        return text.toString();
    }

    private static void until(String what, Callable<Boolean> condition) throws Exception {
        long deadline = System.nanoTime() + WAIT_MS * 1_000_000;
        while (!condition.call()) {
            if (System.nanoTime() > deadline) throw new IllegalStateException("no " + what);
            Thread.sleep(20);
        }
    }

    private static void step(String name, Callable<Object> run) {
        long started = System.nanoTime();
        Object outcome;
        try {
            outcome = run.call();
        } catch (Exception error) {
            System.err.println(name + ": " + error);
            outcome = object("error", nameOf(error));
        }
        double seconds = (System.nanoTime() - started) / 10_000_000 / 100.0;
        say(object("step", name, "outcome", outcome, "seconds", seconds));
    }

    private static String outcomeOf(Callable<Object> run) {
        try {
            run.call();
            return "ok";
        } catch (Exception error) {
            System.err.println(error);
            return nameOf(error);
        }
    }

    private static String nameOf(Throwable error) {
        boolean isWrapped = error instanceof ExecutionException && error.getCause() != null;
        return (isWrapped ? error.getCause() : error).getClass().getSimpleName();
    }

    private static Map<String, Object> object(Object... pairs) {
        Map<String, Object> result = new LinkedHashMap<>();
        for (int i = 0; i < pairs.length; i += 2) result.put((String) pairs[i], pairs[i + 1]);
        return result;
    }

    private static synchronized void say(Object line) {
        System.out.println(json(line));
        System.out.flush();
    }

    private static String json(Object value) {
        if (value == null || value instanceof Number || value instanceof Boolean) return String.valueOf(value);
        List<String> parts = new ArrayList<>();
        if (value instanceof Map<?, ?> map) {
            map.forEach((name, each) -> parts.add(json(String.valueOf(name)) + ":" + json(each)));
            return "{" + String.join(",", parts) + "}";
        }
        if (value instanceof long[] longs) {
            for (long each : longs) parts.add("" + each);
            return "[" + String.join(",", parts) + "]";
        }
        if (value instanceof Iterable<?> all) {
            all.forEach(each -> parts.add(json(each)));
            return "[" + String.join(",", parts) + "]";
        }
        return "\"" + value.toString().replace("\\", "\\\\").replace("\"", "\\\"") + "\"";
    }

    // -- the other verbs

    private static void member(String bootstrap, String group, String topic, String protocol) {
        Map<String, Object> config = new HashMap<>(Map.of("bootstrap.servers", bootstrap, "group.id", group,
            "group.protocol", protocol, "auto.offset.reset", "earliest", "enable.auto.commit", "false"));
        if (protocol.equals("classic")) {
            config.putAll(Map.of("session.timeout.ms", "6000", "heartbeat.interval.ms", "500",
                "partition.assignment.strategy", "org.apache.kafka.clients.consumer.RangeAssignor"));
        }
        KafkaConsumer<byte[], byte[]> consumer =
            new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        Thread main = Thread.currentThread();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            consumer.wakeup();
            try {
                main.join(4000);
            } catch (InterruptedException interrupted) {
                Thread.currentThread().interrupt();
            }
        }));
        consumer.subscribe(List.of(topic));
        List<Integer> assigned = null;
        try {
            while (true) {
                List<Object> seen = new ArrayList<>();
                consumer.poll(Duration.ofMillis(100))
                    .forEach(record -> seen.add(List.of(record.partition(), record.offset())));
                List<Integer> now = consumer.assignment().stream().map(TopicPartition::partition).sorted().toList();
                if (!now.equals(assigned)) {
                    assigned = now;
                    say(object("assigned", assigned));
                }
                if (seen.isEmpty()) continue;
                consumer.commitSync();
                say(object("seen", seen));
            }
        } catch (org.apache.kafka.common.errors.WakeupException asked) {
            consumer.close();
        }
    }

    /** For clients that cannot: topics, each as NAME:PARTITIONS or NAME:PARTITIONS:KEY=VALUE. */
    private static void createAll(String bootstrap, String[] topics) throws Exception {
        List<NewTopic> wanted = new ArrayList<>();
        for (String each : topics) {
            String[] parts = each.split("[:=]");
            Map<String, String> configs = parts.length > 2 ? Map.of(parts[2], parts[3]) : Map.of();
            wanted.add(new NewTopic(parts[0], Integer.parseInt(parts[1]), (short) 1).configs(configs));
        }
        try (Admin admin = Admin.create(Map.<String, Object>of("bootstrap.servers", bootstrap))) {
            Set<String> there = admin.listTopics().names().get();
            wanted.removeIf(topic -> there.contains(topic.name()));
            admin.createTopics(wanted).all().get();
        }
        say(object("created", wanted.size()));
    }

    /** Writes to all partitions in turn; makes the topic if it is not there. */
    private static void fill(String bootstrap, String topic, int count, int partitions) throws Exception {
        try (Admin admin = Admin.create(Map.<String, Object>of("bootstrap.servers", bootstrap))) {
            if (!admin.listTopics().names().get().contains(topic)) {
                admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1))).all().get();
            }
        }
        try (KafkaProducer<byte[], byte[]> producer = producer(bootstrap, Map.of("acks", "all"))) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                sent.add(producer.send(new ProducerRecord<>(topic, i % partitions, null, bytes("" + i))));
            }
            for (Future<RecordMetadata> each : sent) each.get();
        }
        say(object("filled", count));
    }
}
