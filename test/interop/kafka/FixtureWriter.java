import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Fills a broker with what a reader of Kafka's files must be able to read. The data are the same on each run; producer
 * ids, topic ids and LogAppendTime timestamps are the broker's.
 *
 *   codecs (5 partitions)  none, gzip, snappy, lz4, zstd, in this order; partition 0 without idempotence
 *   edges                  nulls, empties, header oddities, sizes around the varint steps, timestamps out of order
 *   rolled                 small segments, several index entries each
 *   log-append             message.timestamp.type=LogAppendTime
 *   txn (2 partitions)     commits and aborts of two interleaved producers, over several segments
 *   open-txn               a transaction that nobody ends
 *   trimmed                DeleteRecords moved its start into the middle of a segment
 *   compacted              cleaned at least once: holes, tombstones with a delete horizon
 *   empty                  no record
 *
 * Also two groups' offsets: `plain-group` committed by a consumer, `txn-group` within a transaction.
 *
 * Arguments: bootstrap servers, then the topics to write (all when none is named).
 */
public final class FixtureWriter {
    private static final long START_MS = 1_700_000_000_000L;
    private static final List<String> CODECS = List.of("none", "gzip", "snappy", "lz4", "zstd");

    private interface Fill {
        void run() throws Exception;
    }

    private final String bootstrap;
    private final Admin admin;

    private FixtureWriter(String bootstrap, Admin admin) {
        this.bootstrap = bootstrap;
        this.admin = admin;
    }

    public static void main(String[] args) throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", args[0]))) {
            new FixtureWriter(args[0], admin).run(List.of(args).subList(1, args.length));
        }
        System.out.println("done");
        System.out.flush();
        // Not exit: a producer that is closed, even by a shutdown hook, would abort the open transaction.
        Runtime.getRuntime().halt(0);
    }

    private void run(List<String> wanted) throws Exception {
        Map<String, Fill> fills = new LinkedHashMap<>();
        fills.put("empty", () -> create("empty", 1, Map.of()));
        fills.put("codecs", this::codecs);
        fills.put("edges", this::edges);
        fills.put("rolled", this::rolled);
        fills.put("log-append", this::logAppend);
        fills.put("txn", this::transactions);
        fills.put("trimmed", this::trimmed);
        fills.put("compacted", this::compacted);
        fills.put("open-txn", this::openTransaction);
        for (Map.Entry<String, Fill> fill : fills.entrySet()) {
            if (wanted.isEmpty() || wanted.contains(fill.getKey())) fill.getValue().run();
        }
    }

    private void codecs() throws Exception {
        create("codecs", CODECS.size(), Map.of());
        for (int partition = 0; partition < CODECS.size(); partition++) {
            Map<String, Object> config = new HashMap<>(Map.of("compression.type", CODECS.get(partition)));
            if (partition == 0) config.put("enable.idempotence", "false");
            try (KafkaProducer<byte[], byte[]> producer = producer(config)) {
                for (int batch = 0; batch < 4; batch++) {
                    List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
                    for (int i = 0; i < 6; i++) records.add(ordinary("codecs", partition, batch, i));
                    sendAsOneBatch(producer, records);
                }
                byte[] large = "compress me, ".repeat(200).getBytes(StandardCharsets.UTF_8);
                sendAsOneBatch(producer, List.of(record("codecs", partition, START_MS + 9_000, bytes("large"), large)));
            }
        }
    }

    /** One of a batch: i selects the shape; 5 is older than its neighbours. */
    private static ProducerRecord<byte[], byte[]> ordinary(String topic, int partition, int batch, int i) {
        long timestamp = START_MS + batch * 1000L + i * 10L - (i == 5 ? 777 : 0);
        byte[] key = i == 3 ? null : bytes("key-" + batch + "-" + i);
        byte[] value = i == 4 ? null : bytes("value " + batch + " " + i + " of " + topic + "-" + partition);
        ProducerRecord<byte[], byte[]> record = record(topic, partition, timestamp, key, value);
        if (i == 2) record.headers().add("trace", new byte[] {(byte) batch, (byte) 0xff}).add("nothing", null);
        return record;
    }

    private void edges() throws Exception {
        create("edges", 1, Map.of("message.timestamp.after.max.ms", "9223372036854775807"));
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        byte[] none = new byte[0];
        records.add(record("edges", 0, START_MS, null, null));
        records.add(record("edges", 0, START_MS, none, none));
        records.add(record("edges", 0, START_MS, null, none));
        records.add(record("edges", 0, START_MS, none, null));
        records.add(record("edges", 0, 0L, bytes("timestamp"), bytes("zero")));
        records.add(record("edges", 0, 4_102_444_800_000L, bytes("timestamp"), bytes("year 2100")));
        records.add(record("edges", 0, START_MS - 86_400_000L, bytes("timestamp"), bytes("a day back")));
        records.add(record("edges", 0, START_MS, allBytes(), allBytes()));

        ProducerRecord<byte[], byte[]> headers = record("edges", 0, START_MS + 1, bytes("headers"), bytes("odd"));
        headers.headers().add("", none).add("", null).add("twice", bytes("1")).add("twice", bytes("2"));
        headers.headers().add("P\u0159\u00edli\u0161 \u017elu\u0165ou\u010dk\u00fd \u2713 \ud83d\udc34", allBytes());
        headers.headers().add("quote\" back\\slash tab\t", bytes("escaped"));
        records.add(headers);
        ProducerRecord<byte[], byte[]> many = record("edges", 0, START_MS + 2, null, bytes("many headers"));
        for (int i = 0; i < 65; i++) many.headers().add("h" + i, i % 3 == 0 ? null : bytes("v" + i));
        records.add(many);

        Random random = new Random(4);
        for (int length : new int[] {63, 64, 8191, 8192}) {
            byte[] value = new byte[length];
            random.nextBytes(value);
            records.add(record("edges", 0, START_MS + 3, bytes("length " + length), value));
        }
        try (KafkaProducer<byte[], byte[]> producer = producer(Map.of())) {
            for (ProducerRecord<byte[], byte[]> record : records) sendAsOneBatch(producer, List.of(record));
            sendAsOneBatch(producer, records.subList(0, 9));
        }
    }

    private void rolled() throws Exception {
        create("rolled", 1, Map.of("internal.segment.bytes", "4096", "index.interval.bytes", "512"));
        try (KafkaProducer<byte[], byte[]> producer = producer(Map.of())) {
            writeBatches(producer, "rolled", 40, 5, 24);
        }
    }

    private void logAppend() throws Exception {
        create("log-append", 1, Map.of("message.timestamp.type", "LogAppendTime"));
        for (String codec : List.of("none", "lz4")) {
            try (KafkaProducer<byte[], byte[]> producer = producer(Map.of("compression.type", codec))) {
                writeBatches(producer, "log-append", 3, 4, 10);
            }
        }
    }

    private void transactions() throws Exception {
        create("txn", 2, Map.of("internal.segment.bytes", "1024"));
        try (KafkaProducer<byte[], byte[]> a = producer(Map.of("transactional.id", "txn-a"));
             KafkaProducer<byte[], byte[]> b = producer(Map.of("transactional.id", "txn-b"));
             KafkaProducer<byte[], byte[]> plain = producer(Map.of())) {
            a.initTransactions();
            b.initTransactions();
            a.beginTransaction();
            writeInTransaction(a, "a, committed", 0, 1);
            commitGroupOffsets(a);
            a.commitTransaction();

            a.beginTransaction();
            b.beginTransaction();
            writeInTransaction(a, "a, aborted", 0, 1);
            writeInTransaction(b, "b, committed", 0);
            sendAsOneBatch(plain, List.of(record("txn", 0, START_MS + 50, null, bytes("no transaction"))));
            a.abortTransaction();
            writeInTransaction(b, "b, committed", 1, 0);
            b.commitTransaction();

            b.beginTransaction();
            writeInTransaction(b, "b, aborted", 0);
            b.abortTransaction();
            a.beginTransaction();
            writeInTransaction(a, "a, committed last", 0);
            a.commitTransaction();
        }
    }

    private void writeInTransaction(KafkaProducer<byte[], byte[]> producer, String what, int... partitions)
            throws Exception {
        for (int partition : partitions) {
            List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
            for (int i = 0; i < 3; i++) {
                byte[] value = bytes((what + " " + i + " ").repeat(5));
                records.add(record("txn", partition, START_MS + i, bytes("txn"), value));
            }
            sendAsOneBatch(producer, records);
        }
    }

    private void commitGroupOffsets(KafkaProducer<byte[], byte[]> producer) {
        OffsetAndMetadata position = new OffsetAndMetadata(2, "committed by hand");
        Map<String, Object> config = Map.of("bootstrap.servers", bootstrap, "group.id", "plain-group");
        try (KafkaConsumer<byte[], byte[]> consumer =
                 new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.assign(List.of(new TopicPartition("txn", 0)));
            consumer.commitSync(Map.of(new TopicPartition("txn", 0), position));
        }
        producer.sendOffsetsToTransaction(
            Map.of(new TopicPartition("txn", 1), position), new ConsumerGroupMetadata("txn-group"));
    }

    private void openTransaction() throws Exception {
        create("open-txn", 1, Map.of());
        Map<String, Object> config = Map.of("transactional.id", "txn-open", "transaction.timeout.ms", "900000");
        KafkaProducer<byte[], byte[]> producer = producer(config);
        producer.initTransactions();
        producer.beginTransaction();
        sendAsOneBatch(producer, List.of(record("open-txn", 0, START_MS, bytes("a"), bytes("committed"))));
        producer.commitTransaction();
        producer.beginTransaction();
        sendAsOneBatch(producer, List.of(record("open-txn", 0, START_MS + 1, bytes("b"), bytes("never ended"))));
    }

    private void trimmed() throws Exception {
        create("trimmed", 1, Map.of("internal.segment.bytes", "2048"));
        try (KafkaProducer<byte[], byte[]> producer = producer(Map.of())) {
            writeBatches(producer, "trimmed", 12, 5, 40);
        }
        TopicPartition partition = new TopicPartition("trimmed", 0);
        admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(33))).all().get();
    }

    private void compacted() throws Exception {
        create("compacted", 1, Map.of(
            "cleanup.policy", "compact", "internal.segment.bytes", "2048", "min.cleanable.dirty.ratio", "0.01"));
        try (KafkaProducer<byte[], byte[]> producer = producer(Map.of("compression.type", "lz4"))) {
            for (int batch = 0; batch < 60; batch++) {
                List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
                for (int i = 0; i < 4; i++) {
                    int key = (batch * 7 + i * 3) % 20;
                    boolean isTombstone = key % 5 == 4 && batch > 30;
                    byte[] value = isTombstone ? null : bytes("key " + key + " batch " + batch);
                    records.add(record("compacted", 0, START_MS + batch * 100L + i, bytes("key-" + key), value));
                }
                sendAsOneBatch(producer, records);
            }
        }
    }

    private static void writeBatches(
            KafkaProducer<byte[], byte[]> producer, String topic, int batches, int perBatch, int valueBytes)
            throws Exception {
        Random random = new Random(valueBytes);
        for (int batch = 0; batch < batches; batch++) {
            List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
            for (int i = 0; i < perBatch; i++) {
                byte[] value = new byte[valueBytes];
                random.nextBytes(value);
                // Every seventh batch is an hour late: the time index must skip it.
                long timestamp = START_MS + batch * 60_000L + i - (batch % 7 == 6 ? 3_600_000L : 0L);
                records.add(record(topic, 0, timestamp, bytes("k" + (batch * perBatch + i)), value));
            }
            sendAsOneBatch(producer, records);
        }
    }

    /** With an endless linger only flush() closes a batch, so what is sent between two flushes is one batch. */
    private static void sendAsOneBatch(
            KafkaProducer<byte[], byte[]> producer, List<ProducerRecord<byte[], byte[]>> records) throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (ProducerRecord<byte[], byte[]> record : records) sent.add(producer.send(record));
        producer.flush();
        for (Future<RecordMetadata> one : sent) one.get();
    }

    private KafkaProducer<byte[], byte[]> producer(Map<String, Object> more) {
        Map<String, Object> config = new HashMap<>(Map.of(
            "bootstrap.servers", bootstrap,
            "acks", "all",
            "linger.ms", "600000",
            "delivery.timeout.ms", "700000",
            "batch.size", "131072"));
        config.putAll(more);
        return new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
    }

    private void create(String topic, int partitions, Map<String, String> more) throws Exception {
        // The records are years old: without this retention would take them.
        Map<String, String> configs = new HashMap<>(Map.of("retention.ms", "-1"));
        configs.putAll(more);
        admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1).configs(configs))).all().get();
    }

    private static ProducerRecord<byte[], byte[]> record(
            String topic, int partition, long timestamp, byte[] key, byte[] value) {
        return new ProducerRecord<>(topic, partition, timestamp, key, value, new RecordHeaders());
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static byte[] allBytes() {
        byte[] all = new byte[256];
        for (int i = 0; i < all.length; i++) all[i] = (byte) i;
        return Arrays.copyOf(all, all.length);
    }
}
