import java.io.BufferedWriter;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Prints every record of the topics named, from each partition's log start to its high watermark, a JSON object a
 * line, ordered by topic as given, partition, offset. Bytes are base64, null is null. `committed` is false for a
 * record that a read_committed consumer is not shown: its transaction was aborted or is open.
 *
 * Arguments: bootstrap servers, then topics.
 */
public final class ReadBack {
    private static final Base64.Encoder BASE64 = Base64.getEncoder();

    private ReadBack() { }

    public static void main(String[] args) throws Exception {
        PrintWriter out = new PrintWriter(
            new BufferedWriter(new OutputStreamWriter(System.out, StandardCharsets.UTF_8), 1 << 16));
        try (KafkaConsumer<byte[], byte[]> all = consumer(args[0], "read_uncommitted");
             KafkaConsumer<byte[], byte[]> committedOnly = consumer(args[0], "read_committed")) {
            for (int i = 1; i < args.length; i++) {
                List<PartitionInfo> partitions = new ArrayList<>(all.partitionsFor(args[i]));
                partitions.sort((a, b) -> Integer.compare(a.partition(), b.partition()));
                for (PartitionInfo info : partitions) {
                    TopicPartition partition = new TopicPartition(info.topic(), info.partition());
                    Set<Long> committed = new HashSet<>();
                    for (ConsumerRecord<byte[], byte[]> record : readAll(committedOnly, partition)) {
                        committed.add(record.offset());
                    }
                    for (ConsumerRecord<byte[], byte[]> record : readAll(all, partition)) {
                        out.println(json(record, committed.contains(record.offset())));
                    }
                }
            }
        }
        out.flush();
    }

    private static KafkaConsumer<byte[], byte[]> consumer(String bootstrap, String isolation) {
        Map<String, Object> config = Map.of(
            "bootstrap.servers", bootstrap,
            "isolation.level", isolation,
            "auto.offset.reset", "none",
            "enable.auto.commit", "false",
            "check.crcs", "true");
        return new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    /** The end is the high watermark, or the last stable offset for read_committed. */
    private static List<ConsumerRecord<byte[], byte[]>> readAll(
            KafkaConsumer<byte[], byte[]> consumer, TopicPartition partition) {
        List<TopicPartition> one = List.of(partition);
        consumer.assign(one);
        consumer.seek(partition, consumer.beginningOffsets(one).get(partition));
        long end = consumer.endOffsets(one).get(partition);
        long deadline = System.nanoTime() + Duration.ofSeconds(60).toNanos();
        List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
        while (consumer.position(partition) < end) {
            if (System.nanoTime() > deadline) {
                throw new IllegalStateException(
                    partition + " stands at " + consumer.position(partition) + " of " + end + " after 60 s");
            }
            records.addAll(consumer.poll(Duration.ofMillis(200)).records(partition));
        }
        return records;
    }

    private static String json(ConsumerRecord<byte[], byte[]> record, boolean committed) {
        StringBuilder line = new StringBuilder(256);
        line.append("{\"topic\":\"").append(record.topic());
        line.append("\",\"partition\":").append(record.partition());
        line.append(",\"offset\":").append(record.offset());
        line.append(",\"timestamp\":").append(record.timestamp());
        line.append(",\"timestampType\":\"").append(record.timestampType().name);
        line.append("\",\"key\":").append(base64(record.key()));
        line.append(",\"value\":").append(base64(record.value()));
        line.append(",\"headers\":[");
        String separator = "";
        for (Header header : record.headers()) {
            line.append(separator).append('[').append(quoted(header.key())).append(',');
            line.append(base64(header.value())).append(']');
            separator = ",";
        }
        return line.append("],\"committed\":").append(committed).append('}').toString();
    }

    private static String base64(byte[] bytes) {
        return bytes == null ? "null" : '"' + BASE64.encodeToString(bytes) + '"';
    }

    private static String quoted(String text) {
        StringBuilder quoted = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\' || c < ' ') quoted.append(String.format("\\u%04x", (int) c));
            else quoted.append(c);
        }
        return quoted.append('"').toString();
    }
}
